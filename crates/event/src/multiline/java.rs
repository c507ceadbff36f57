//! Traces of the JVM, as `Throwable.printStackTrace` and the logging libraries write them.
//!
//! ```text
//! java.lang.IllegalStateException: no route          ◀ begins
//!     at com.example.Router.find(Router.java:31)
//!     Suppressed: java.io.IOException: closed
//!         at …
//! Caused by: java.net.ConnectException: refused
//!     ... 12 more
//! ```
//!
//! A line that only looks like the head of a trace costs nothing but a short wait: only the lines
//! of a trace follow it.

use std::sync::LazyLock;

use memchr::memmem::Finder;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The message of an exception, which may have indented lines of its own.
    Message,
    Frames,
}

/// How the names of what is thrown end.
static THROWN: LazyLock<[Finder<'static>; 3]> =
    LazyLock::new(|| ["Exception", "Error", "Throwable"].map(Finder::new));

pub(super) fn begin(line: &[u8]) -> Option<State> {
    let text = line.trim_ascii_start();
    if text.len() < line.len() && is_frame(text) {
        // What a limit has cut off.
        return Some(State::Frames);
    }
    let is_head = is_cause(text) || names_thrown(line) || is_class(line);
    is_head.then_some(State::Message)
}

pub(super) fn joins(state: State, line: &[u8]) -> Option<State> {
    let text = line.trim_ascii_start();
    let is_indented = text.len() < line.len();
    if is_cause(text) {
        Some(State::Message)
    } else if is_indented && is_frame(text) {
        Some(State::Frames)
    } else {
        (is_indented && state == State::Message).then_some(State::Message)
    }
}

fn is_frame(text: &[u8]) -> bool {
    text.starts_with(b"at ")
        || text.starts_with(b"... ")
            && (text.ends_with(b" more") || text.ends_with(b" common frames omitted"))
        || text.starts_with(b"[CIRCULAR REFERENCE:")
        || text.starts_with(b"- locked ")
}

fn is_cause(text: &[u8]) -> bool {
    [b"Caused by: ".as_slice(), b"Suppressed: ", b"Wrapped by: ", b"nested exception is:"]
        .iter()
        .any(|word| text.starts_with(word))
}

/// `…Exception: message` or `…Error` at the end, anywhere in the line.
fn names_thrown(line: &[u8]) -> bool {
    line.starts_with(b"Exception in thread ")
        || THROWN.iter().any(|word| {
            let mut ends = word.find_iter(line).map(|at| at + word.needle().len());
            ends.any(|end| matches!(line.get(end), None | Some(b':')))
        })
}

/// A class in a package and nothing else before the colon: `com.example.OutOfStock: 7`.
fn is_class(line: &[u8]) -> bool {
    let end = memchr::memchr2(b':', b' ', line).unwrap_or(line.len());
    let (name, then) = line.split_at(end);
    let mut parts = name.rsplit(|byte| *byte == b'.');
    let class = parts.next().unwrap_or_default();
    let mut packages = 0;
    let is_package = |part: &[u8]| part.first().is_some_and(u8::is_ascii_lowercase);
    let in_packages = parts.all(|part| {
        packages += 1;
        is_package(part) && part.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    });
    let in_class = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$');
    in_packages
        && packages >= 1
        && class.first().is_some_and(u8::is_ascii_uppercase)
        && class.iter().all(in_class)
        && (then.is_empty() || then.starts_with(b": "))
}
