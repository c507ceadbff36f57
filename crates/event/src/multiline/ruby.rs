//! Traces of Ruby, as the interpreter, Logger and Rails write them.
//!
//! ```text
//! app.rb:3:in `load': no such file (Errno::ENOENT)   ◀ begins
//!     from app.rb:9:in `<main>'
//!
//! NoMethodError (undefined method `x' for nil):      ◀ begins
//! (empty)
//! app/models/user.rb:7:in `name'
//! ```

use std::sync::LazyLock;

use memchr::memmem::Finder;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// A place with the message, as the interpreter writes it.
    Head,
    /// An empty line behind that: the source line may follow.
    BehindHead,
    /// The source line, and what points into it.
    Snippet,
    /// An exception with the places to follow, as Logger and Rails write it.
    Logged,
    Frames,
}

/// Behind the number of a line.
static IN: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(":in "));

pub(super) fn begin(line: &[u8]) -> Option<State> {
    if is_from(line.trim_ascii_start()) {
        Some(State::Frames)
    } else if is_place(line) {
        Some(State::Head)
    } else {
        is_logged(line).then_some(State::Logged)
    }
}

pub(super) fn joins(state: State, line: &[u8]) -> Option<State> {
    use State::{BehindHead, Frames, Head, Logged, Snippet};
    let text = line.trim_ascii();
    let is_indented = matches!(line, [b' ' | b'\t', ..]);
    if is_from(text) || is_place(line) {
        return Some(Frames);
    }
    match state {
        Head if text.is_empty() => Some(BehindHead),
        Head => is_indented.then_some(Head),
        BehindHead => Some(Snippet),
        Snippet | Logged => (is_indented || text.is_empty()).then_some(state),
        Frames => None,
    }
}

/// `from app.rb:9:in …`, and `2: from …` of Ruby 2.5 to 2.7.
fn is_from(text: &[u8]) -> bool {
    let number = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = if number > 0 { text[number..].strip_prefix(b": ").unwrap_or(text) } else { text };
    text.starts_with(b"from ") && text.iter().any(u8::is_ascii_digit) && text.contains(&b':')
}

/// ``app.rb:3:in `load'`` and, since 3.4, `app.rb:3:in 'Object#load'`.
fn is_place(line: &[u8]) -> bool {
    IN.find_iter(line).any(|at| {
        let quote = line.get(at + IN.needle().len());
        at > 0 && line[at - 1].is_ascii_digit() && matches!(quote, Some(b'`' | b'\''))
    })
}

/// `… (NoMethodError)` or `NoMethodError (…):`
fn is_logged(line: &[u8]) -> bool {
    line.ends_with(b"Error)")
        || line.ends_with(b"Exception)")
        || line.ends_with(b"):") && memchr::memmem::find(line, b"Error (").is_some()
}
