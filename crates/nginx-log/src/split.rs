//! A line and a format: which bytes are which variable's?
//!
//! In: the line without its end. Out: where each value begins and ends. The walk goes from left to
//! right and never back: a value ends where the literal behind its variable is found. Five things
//! make that right where a plain search would not be: in `escape=default` and `json` a `"` in a
//! value is escaped, so the first one that is not ends it; `$time_local` has a known length though
//! it contains a space; the lists of `$upstream_…` variables contain `, ` and ` : `; an unquoted
//! text ends at the first literal behind which the next variable looks as it must; and behind the
//! last literal the line ends.

use std::ops::Range;

use memchr::memchr;

use crate::format::{Escape, Format};

/// `22/Nov/2026:06:44:12 +0000`
const TIME_LOCAL_BYTES: usize = 26;

/// One variable and the literal behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) shape: Shape,
    /// Empty only behind the last variable.
    pub(crate) literal: Literal,
}

/// The text behind a variable. Most are two or three bytes: the first eight are compared as one
/// number, because a call or a loop for so few would cost more than the search that led there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Literal {
    bytes: Box<[u8]>,
    word: u64,
    /// Which bytes of `word` count.
    mask: u64,
}

impl Literal {
    pub(crate) fn new(bytes: Box<[u8]>) -> Literal {
        let (mut word, mut mask) = ([0; 8], [0; 8]);
        for ((byte, word), mask) in bytes.iter().zip(&mut word).zip(&mut mask) {
            (*word, *mask) = (*byte, 0xff);
        }
        Literal { bytes, word: u64::from_le_bytes(word), mask: u64::from_le_bytes(mask) }
    }

    fn begins(&self, text: &[u8]) -> bool {
        match text.first_chunk() {
            Some(first) => {
                u64::from_le_bytes(*first) & self.mask == self.word
                    && (self.len() <= 8 || text.starts_with(&self.bytes))
            }
            None => text.starts_with(&self.bytes),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Of a literal that is not empty.
    fn first(&self) -> u8 {
        self.bytes[0]
    }
}

/// What is known of a variable's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Three digits.
    Status,
    Digits,
    /// `0.003`
    Seconds,
    /// Items between `, ` and ` : `, none with a space.
    List,
    TimeLocal,
    Text,
}

/// Why a line is not one of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    #[error("the line does not begin as the format does")]
    Lead,
    /// The number of the variable in the format.
    #[error("the text behind variable {0} of the format is missing")]
    Literal(usize),
    #[error("the line goes on behind the end of the format")]
    Trailing,
}

/// Where the values of one line are; kept and used again for the next line.
#[derive(Debug, Clone, Default)]
pub struct Values {
    spans: Vec<(usize, usize)>,
}

impl Values {
    /// The raw bytes of the variable at `position` of the format. `line` must be the one that was
    /// split last.
    ///
    /// # Panics
    /// If no line was split, or another one, or `position` is not one of the format's.
    #[must_use]
    pub fn get<'l>(&self, line: &'l [u8], position: usize) -> &'l [u8] {
        &line[self.range(position)]
    }

    /// Where the variable at `position` of the format stands in the line that was split last.
    ///
    /// # Panics
    /// If no line was split or `position` is not one of the format's.
    #[must_use]
    pub fn range(&self, position: usize) -> Range<usize> {
        let (start, end) = self.spans[position];
        start..end
    }
}

impl Format {
    /// Cuts a line, given without its line end.
    ///
    /// # Errors
    /// What does not fit; the content of `values` is then of no use.
    pub fn split(&self, line: &[u8], values: &mut Values) -> Result<(), SplitError> {
        values.spans.resize(self.fields.len(), (0, 0));
        if !line.starts_with(&self.lead) {
            return Err(SplitError::Lead);
        }
        let mut at = self.lead.len();
        let last = self.fields.len() - 1;
        for (index, field) in self.fields.iter().enumerate() {
            let next = self.fields.get(index + 1);
            let rest = &line[at..];
            let len = self.value_len(rest, field, next).ok_or(SplitError::Literal(index))?;
            values.spans[index] = (at, at + len);
            at += len + field.literal.len();
            debug_assert!(at <= line.len(), "a literal that was found lies in the line");
            if index == last && at != line.len() {
                return Err(SplitError::Trailing);
            }
        }
        Ok(())
    }

    /// How long the value at the start of `rest` is; `None` if the literal behind it is missing.
    fn value_len(&self, rest: &[u8], field: &Field, next: Option<&Field>) -> Option<usize> {
        let literal = &field.literal;
        if literal.is_empty() {
            return Some(rest.len());
        }
        if literal.first() == b'"' && self.escape != Escape::None {
            let end = match self.escape {
                Escape::Json => find_json_quote(rest)?,
                _ => memchr(b'"', rest)?,
            };
            return literal.begins(&rest[end..]).then_some(end);
        }
        let Some(next) = next else {
            return rest.ends_with(&literal.bytes).then(|| rest.len() - literal.len());
        };
        match field.shape {
            Shape::TimeLocal
                if rest.get(TIME_LOCAL_BYTES..).is_some_and(|it| literal.begins(it)) =>
            {
                Some(TIME_LOCAL_BYTES)
            }
            Shape::List => find_list_end(rest, literal),
            Shape::Text => {
                let fits = |behind: &[u8]| next.shape.can_begin(behind, &next.literal);
                find(rest, literal, |end| fits(&rest[end + literal.len()..]))
            }
            Shape::Status | Shape::Digits | Shape::Seconds => {
                // Short enough that setting up a search costs more than looking at each byte.
                let end = rest.iter().position(|byte| *byte == literal.first())?;
                match literal.begins(&rest[end..]) {
                    true => Some(end),
                    false => find(rest, literal, |_| true),
                }
            }
            Shape::TimeLocal => find(rest, literal, |_| true),
        }
    }
}

impl Shape {
    /// A value of this shape, with `literal` behind it, may begin `text`.
    fn can_begin(self, text: &[u8], literal: &Literal) -> bool {
        let digits = |text: &[u8]| text.iter().take_while(|it| it.is_ascii_digit()).count();
        let len = match self {
            Shape::List | Shape::Text => return true,
            Shape::Status => Some(3).filter(|len| digits(text) == *len),
            Shape::TimeLocal => Some(TIME_LOCAL_BYTES),
            Shape::Digits | Shape::Seconds if text.first() == Some(&b'-') => Some(1),
            Shape::Digits => Some(digits(text)),
            Shape::Seconds => {
                let whole = digits(text);
                let point = text.get(whole) == Some(&b'.');
                point.then(|| whole + 1 + digits(&text[whole + 1..]))
            }
        };
        let behind = len.and_then(|len| text.get(len..));
        behind.is_some_and(|it| literal.begins(it) && (it.is_empty() || !literal.is_empty()))
    }
}

/// The first place of `literal`, which is not empty, that `fits`.
fn find(text: &[u8], literal: &Literal, fits: impl Fn(usize) -> bool) -> Option<usize> {
    let mut from = 0;
    while let Some(step) = memchr(literal.first(), &text[from..]) {
        let at = from + step;
        if literal.begins(&text[at..]) && fits(at) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// The first place of `literal` that does not belong to the list itself.
fn find_list_end(text: &[u8], literal: &Literal) -> Option<usize> {
    const COLON: &[u8] = b" : ";
    let mut from = 0;
    while let Some(step) = memchr(literal.first(), &text[from..]) {
        let at = from + step;
        let behind = &text[at..];
        if behind.starts_with(COLON) && !literal.bytes.starts_with(COLON) {
            from = at + COLON.len();
            continue;
        }
        let is_comma = literal.first() == b' ' && at > 0 && text[at - 1] == b',';
        if literal.begins(behind) && !is_comma {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// The first `"` before which there is no odd number of backslashes.
fn find_json_quote(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(step) = memchr(b'"', &text[from..]) {
        let at = from + step;
        let backslashes = text[from..at].iter().rev().take_while(|it| **it == b'\\').count();
        if backslashes.is_multiple_of(2) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests;
