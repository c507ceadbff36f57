//! Steps through bytes that every search is made of.
//!
//! All searches go by these functions, so that a test can count the bytes they look at.

use memchr::memmem::Finder;

/// The index of the needle's first byte, at or behind `from`.
pub(super) fn find(finder: &Finder<'_>, text: &[u8], from: usize) -> Option<usize> {
    let found = finder.find(text.get(from..)?).map(|at| from + at);
    note(found.unwrap_or(text.len()) - from);
    found
}

/// The same for a byte.
pub(super) fn find_byte(byte: u8, text: &[u8], from: usize) -> Option<usize> {
    let found = memchr::memchr(byte, text.get(from..)?).map(|at| from + at);
    note(found.unwrap_or(text.len()) - from);
    found
}

/// The same for either of two bytes.
pub(super) fn find_either(bytes: [u8; 2], text: &[u8], from: usize) -> Option<usize> {
    let found = memchr::memchr2(bytes[0], bytes[1], text.get(from..)?).map(|at| from + at);
    note(found.unwrap_or(text.len()) - from);
    found
}

/// The first index from `at` on whose byte is not of the class.
pub(super) fn end_of(text: &[u8], at: usize, class: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let len = rest.iter().position(|byte| !class(*byte)).unwrap_or(rest.len());
    note(len + 1);
    at + len
}

/// The first index of the bytes of the class that end before `at`; not before `floor`.
pub(super) fn start_of(text: &[u8], at: usize, floor: usize, class: impl Fn(u8) -> bool) -> usize {
    let before = &text[floor.min(at)..at];
    let len = before.iter().rev().position(|byte| !class(*byte)).unwrap_or(before.len());
    note(len + 1);
    at - len
}

/// The byte before `at` belongs to the same word: a letter or digit, unless it ends an escape of
/// JSON (`\n`) or of a URL (`%3A`).
pub(super) fn goes_on_before(text: &[u8], at: usize) -> bool {
    match &text[at.saturating_sub(3)..at] {
        [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => false,
        [.., b'\\', b'n' | b'r' | b't'] => false,
        before => before.last().is_some_and(u8::is_ascii_alphanumeric),
    }
}

/// `start`, or what lies behind an escape of a URL whose digits `start` takes for its own
/// (`%2010.0.0.1`).
pub(super) fn behind_escape(text: &[u8], start: usize) -> usize {
    let is_hex = |at: usize| text.get(at).is_some_and(u8::is_ascii_hexdigit);
    let is_escape = start > 0 && text[start - 1] == b'%' && is_hex(start) && is_hex(start + 1);
    if is_escape { start + 2 } else { start }
}

/// The byte at `at` belongs to the word before it.
pub(super) fn goes_on_at(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
std::thread_local! {
    /// Bytes looked at by this thread.
    pub(super) static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
pub(super) fn note(steps: usize) {
    STEPS.set(STEPS.get() + steps);
}

#[cfg(not(test))]
pub(super) fn note(_steps: usize) {}
