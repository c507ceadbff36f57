//! Traces of Python, with exceptions that were raised while others were handled, and groups.
//!
//! ```text
//! Traceback (most recent call last):                 ◀ begins
//!   File "app.py", line 3, in <module>
//!     run()
//! KeyError: 'x'
//! (empty)
//! During handling of the above exception, another exception occurred:
//! (empty)
//! Traceback (most recent call last): …
//! ```

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Frames,
    /// The line that names the exception, and indented lines of its message.
    Exception,
    /// An empty line behind the exception, or one between two traces.
    Between,
    /// The sentence that joins two traces.
    Chained,
}

const HEAD: &[u8] = b"Traceback (most recent call last):";
const CHAINS: [&[u8]; 2] = [
    b"During handling of the above exception, another exception occurred:",
    b"The above exception was the direct cause of the following exception:",
];

pub(super) fn begin(line: &[u8]) -> Option<State> {
    if line.ends_with(HEAD) || is_frame(line) { Some(State::Frames) } else { None }
}

pub(super) fn joins(state: State, line: &[u8]) -> Option<State> {
    let text = line.trim_ascii();
    let is_indented = matches!(line, [b' ' | b'\t', ..]) && !text.is_empty();
    match state {
        State::Frames if is_indented => Some(State::Frames),
        State::Frames => names_exception(line).then_some(State::Exception),
        State::Exception if is_indented && !line.ends_with(HEAD) => Some(State::Exception),
        State::Exception => text.is_empty().then_some(State::Between),
        State::Between if CHAINS.contains(&text) => Some(State::Chained),
        State::Between => None,
        State::Chained if text.is_empty() => Some(State::Chained),
        State::Chained => line.ends_with(HEAD).then_some(State::Frames),
    }
}

/// What a limit has cut off begins with a frame.
fn is_frame(line: &[u8]) -> bool {
    line.starts_with(b"  File \"") && memchr::memmem::find(line, b"\", line ").is_some()
}

/// A name with dots, alone or before a colon.
fn names_exception(line: &[u8]) -> bool {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    let end = line.iter().position(|byte| !is_name(byte)).unwrap_or(line.len());
    let begins = line.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
    begins && matches!(line[end..], [] | [b':'] | [b':', b' ', ..])
}
