//! Traces of Node.js, of errors that were logged and of those that ended the process.
//!
//! ```text
//! /app/server.js:3                                   ◀ begins
//!     throw new Error('no');
//!     ^
//! (empty)
//! TypeError: no                                      ◀ begins
//!     at run (/app/server.js:3:11) {
//!   code: 'E_NO'
//! }
//! (empty)
//! Node.js v22.1.0
//! ```

use std::sync::LazyLock;

use memchr::memmem::Finder;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The place of an error that nobody caught.
    Place,
    Source,
    /// What points into the source line, and the empty line behind that.
    Pointer,
    Trace,
    /// An empty line behind a trace.
    BehindTrace,
}

static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("Error"));

pub(super) fn begin(line: &[u8]) -> Option<State> {
    if is_place(line) {
        return Some(State::Place);
    }
    let is_frame = line.trim_ascii_start().starts_with(b"at ") && line.starts_with(b"    ");
    (is_frame || names_error(line)).then_some(State::Trace)
}

pub(super) fn joins(state: State, line: &[u8]) -> Option<State> {
    let text = line.trim_ascii();
    let is_indented = matches!(line, [b' ' | b'\t', ..]);
    match state {
        State::Place => Some(State::Source),
        State::Source => {
            let points = text.iter().all(|byte| matches!(byte, b'^' | b'~' | b' '));
            (points && !text.is_empty()).then_some(State::Pointer)
        }
        State::Pointer if text.is_empty() => Some(State::Pointer),
        State::Pointer => Some(State::Trace),
        State::Trace if text.is_empty() => Some(State::BehindTrace),
        State::Trace => (is_indented || is_of_trace(line)).then_some(State::Trace),
        State::BehindTrace => line.starts_with(b"Node.js v").then_some(State::Trace),
    }
}

/// `Error: …`, `RangeError [ERR_OUT_OF_RANGE]: …`, or the name at the end.
fn names_error(line: &[u8]) -> bool {
    let mut ends = ERROR.find_iter(line).map(|at| at + ERROR.needle().len());
    ends.any(|end| matches!(&line[end..], [] | [b':', ..] | [b' ', b'[', ..]))
}

/// `/app/server.js:3`, `file:///app/server.mjs:3`, `node:internal/modules/run_main:129`
fn is_place(line: &[u8]) -> bool {
    let digits = line.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let Some(path) = line[..line.len() - digits].strip_suffix(b":") else { return false };
    let is_script =
        [b".js".as_slice(), b".mjs", b".cjs", b".ts"].iter().any(|it| path.ends_with(it));
    let is_file = path.starts_with(b"/") || path.starts_with(b"file://");
    digits > 0 && !path.contains(&b' ') && (is_file && is_script || path.starts_with(b"node:"))
}

fn is_of_trace(line: &[u8]) -> bool {
    matches!(line, [b'}', ..] | [b']', ..])
        || line.starts_with(b"Require stack:")
        || line.starts_with(b"- /")
        || line.starts_with(b"caused by: ")
        || line.starts_with(b"Caused by: ")
}
