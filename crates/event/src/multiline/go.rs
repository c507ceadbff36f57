//! Panics, fatal errors and goroutine dumps of Go.
//!
//! ```text
//! panic: runtime error: index out of range [5]       ◀ begins
//! (empty)
//! goroutine 1 [running]:                             ◀ begins as well (debug.PrintStack)
//! main.main()
//!     /app/main.go:8 +0x1d
//! (empty)
//! goroutine 18 [chan receive]: …
//! exit status 2
//! ```

use std::sync::LazyLock;

use memchr::memmem::Finder;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The panic and what is said of it before the first goroutine.
    Panic,
    /// An empty line behind that.
    BehindPanic,
    /// A goroutine or the runtime's own stack.
    Stack,
    /// The function of a frame; its place follows.
    Function,
    /// An empty line between two goroutines, or behind the last.
    BehindStack,
    /// Registers, and the end of the process.
    End,
}

/// Behind the time, as net/http logs the panic of a request.
static SERVING: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("http: panic serving "));

pub(super) fn begin(line: &[u8]) -> Option<State> {
    let is_panic = [b"panic: ".as_slice(), b"fatal error: ", b"SIGQUIT: quit", b"SIGABRT: abort"]
        .iter()
        .any(|word| line.starts_with(word))
        || line.starts_with(b"unexpected fault address ")
        || SERVING.find(line).is_some();
    if is_panic {
        return Some(State::Panic);
    }
    (is_goroutine(line) || is_place(line)).then_some(State::Stack)
}

pub(super) fn joins(state: State, line: &[u8]) -> Option<State> {
    use State::{BehindPanic, BehindStack, End, Function, Panic, Stack};
    if is_goroutine(line) {
        return Some(Stack);
    }
    let is_indented = matches!(line, [b'\t' | b' ', ..]);
    match state {
        Panic if line.is_empty() => Some(BehindPanic),
        Panic | BehindPanic if is_said_of_panic(line) => Some(Panic),
        Panic => is_indented.then_some(Panic),
        BehindPanic => is_function(line).then_some(Function),
        Stack | Function if line.is_empty() => Some(BehindStack),
        Stack | Function if is_indented => Some(Stack),
        Stack if is_function(line) => Some(Function),
        Stack | BehindStack | End if is_end(line) => Some(End),
        Stack | BehindStack if line.starts_with(b"...") => Some(Stack),
        Stack | Function | BehindStack | End => None,
    }
}

/// `goroutine 18 [chan receive, 5 minutes]:`
fn is_goroutine(line: &[u8]) -> bool {
    let has_number = line.strip_prefix(b"goroutine ").and_then(<[u8]>::first);
    has_number.is_some_and(u8::is_ascii_digit) && line.ends_with(b"]:") || line == b"runtime stack:"
}

/// `/app/main.go:8 +0x1d`, indented: what a limit has cut off may begin with it.
fn is_place(line: &[u8]) -> bool {
    line.first() == Some(&b'\t') && memchr::memmem::find(line, b".go:").is_some()
}

/// `main.(*T).run(0xc000010, 0x1)`, `created by main.main in goroutine 1`
fn is_function(line: &[u8]) -> bool {
    if line.starts_with(b"created by ") {
        return true;
    }
    let name = memchr::memchr2(b'(', b' ', line).filter(|at| line[*at] == b'(' && *at > 0);
    name.is_some() && line.ends_with(b")")
}

fn is_said_of_panic(line: &[u8]) -> bool {
    [b"[signal ".as_slice(), b"panic: ", b"[recovered", b"PC=", b"fatal error: ", b"[originating "]
        .iter()
        .any(|word| line.starts_with(word))
}

/// `exit status 2`, `rip    0x46f041`
fn is_end(line: &[u8]) -> bool {
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    line.starts_with(b"exit status ")
        || first.iter().all(u8::is_ascii_alphanumeric)
            && second.starts_with(b"0x")
            && words.next().is_none()
}
