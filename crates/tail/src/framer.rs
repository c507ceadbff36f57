//! Where does a line end?
//!
//! In: the bytes of a file from a position on. Out: lines, each with the offset of its first byte,
//! and how many bytes they took. No IO and no state: what follows the last line end is left for the
//! next time, when more of it may be there.
//!
//! Lines end at LF; the CR of a CRLF stays with the line for whoever ships bytes as they are
//! ([`Line::text`] is without it). Any byte may occur, NUL included. A file that begins with a
//! UTF-16 byte order mark is cut at that encoding's LF and handed on as UTF-8. A line longer than
//! the limit is split or dropped, by setting; either way the next line is untouched.

use std::borrow::Cow;

use memchr::memchr;

/// How the bytes of a file stand for text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Encoding {
    /// UTF-8, or any other in which LF is the byte 0A and nothing else is.
    #[default]
    Bytes,
    Utf16Le,
    Utf16Be,
}

impl Encoding {
    /// Tells the encoding by the first bytes of the file, and how long the byte order mark is.
    pub(crate) fn detect(first: &[u8]) -> (Encoding, usize) {
        match first {
            [0xff, 0xfe, ..] => (Encoding::Utf16Le, 2),
            [0xfe, 0xff, ..] => (Encoding::Utf16Be, 2),
            _ => (Encoding::Bytes, 0),
        }
    }

    /// Bytes of a code unit.
    pub(crate) fn unit(self) -> usize {
        if self == Encoding::Bytes { 1 } else { 2 }
    }

    /// The index of the line end's first byte.
    pub(crate) fn find_line_end(self, bytes: &[u8]) -> Option<usize> {
        let unit = match self {
            Encoding::Bytes => return memchr(b'\n', bytes),
            Encoding::Utf16Le => [b'\n', 0],
            Encoding::Utf16Be => [0, b'\n'],
        };
        bytes.chunks_exact(2).position(|it| it == unit).map(|index| index * 2)
    }

    fn to_utf8(self, bytes: &[u8]) -> Cow<'_, [u8]> {
        let unit = match self {
            Encoding::Bytes => return Cow::Borrowed(bytes),
            Encoding::Utf16Le => u16::from_le_bytes,
            Encoding::Utf16Be => u16::from_be_bytes,
        };
        let units = bytes.chunks_exact(2).map(|it| unit([it[0], it[1]]));
        let mut text: String =
            char::decode_utf16(units).map(|it| it.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        if !bytes.len().is_multiple_of(2) {
            text.push(char::REPLACEMENT_CHARACTER);
        }
        Cow::Owned(text.into_bytes())
    }

    /// The largest length up to `limit` that does not cut a character in two.
    fn split_at(self, bytes: &[u8], limit: usize) -> usize {
        if self != Encoding::Bytes {
            return (limit & !1).max(2);
        }
        let is_continuation = |index: usize| bytes[index] & 0xc0 == 0x80;
        let floor = limit.saturating_sub(3).max(1);
        (floor..=limit).rev().find(|&index| !is_continuation(index)).unwrap_or(limit)
    }
}

/// What becomes of a line above the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LongLines {
    /// It is handed on in pieces of at most the limit, each marked [`Part::Split`].
    Split,
    /// It is passed over and counted.
    Drop,
}

/// Which part of a line this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A whole line, or the last piece of a split one.
    Whole,
    /// A piece of a line above the limit; more of it follows.
    Split,
    /// The file ended, or the time was over, before the line did.
    Partial,
}

/// One line, without its LF.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// The bytes, in UTF-8 if the file is UTF-16; the CR of a CRLF is there.
    pub bytes: &'a [u8],
    /// Of the first byte, from the start of the file.
    pub offset: u64,
    pub part: Part,
}

impl<'a> Line<'a> {
    /// The line without the CR of a CRLF. A piece that is cut there keeps it: more follows.
    #[must_use]
    pub fn text(&self) -> &'a [u8] {
        match (self.bytes, self.part) {
            ([text @ .., b'\r'], Part::Whole | Part::Partial) => text,
            (bytes, _) => bytes,
        }
    }
}

/// What the receiver of a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    Continue,
    /// The line was taken; hand on no further one in this turn.
    Stop,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) line_bytes_max: usize,
    pub(crate) long_lines: LongLines,
}

/// What a call of [`frame`] did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Framed {
    /// Bytes from the start that are settled: the next position is behind them.
    pub(crate) taken: usize,
    /// Lines and pieces handed on.
    pub(crate) lines: u64,
    /// Pieces of lines above the limit, the last one not counted, or lines dropped.
    pub(crate) long: u64,
    pub(crate) stopped: bool,
}

/// Hands on every whole line in `bytes`, of which the first begins at `offset` of the file.
///
/// `bytes` behind `taken` hold no line end unless the receiver stopped; the beginning of a line
/// above the limit is handed on at once when such lines are split.
pub(crate) fn frame(
    bytes: &[u8],
    offset: u64,
    encoding: Encoding,
    limits: Limits,
    on_line: &mut impl FnMut(&Line<'_>) -> Flow,
) -> Framed {
    let mut framed = Framed::default();
    while !framed.stopped {
        let rest = &bytes[framed.taken..];
        let end = encoding.find_line_end(rest);
        let text = &rest[..end.unwrap_or(rest.len())];
        let is_long = text.len() > limits.line_bytes_max;
        if is_long && limits.long_lines == LongLines::Drop {
            let Some(end) = end else { break };
            framed.long += 1;
            framed.taken += end + encoding.unit();
            continue;
        }
        let mut hand_on = |bytes: &[u8], part, then: usize| {
            let text = encoding.to_utf8(bytes);
            let line = Line { bytes: &text, offset: offset + framed.taken as u64, part };
            framed.lines += 1;
            framed.taken += bytes.len() + then;
            framed.stopped = on_line(&line) == Flow::Stop;
        };
        if is_long {
            let (piece, _) = text.split_at(encoding.split_at(text, limits.line_bytes_max));
            hand_on(piece, Part::Split, 0);
            framed.long += 1;
        } else if end.is_some() {
            hand_on(text, Part::Whole, encoding.unit());
        } else {
            break;
        }
    }
    framed
}

/// Hands on what follows the last line end, marked [`Part::Partial`].
pub(crate) fn frame_partial(
    bytes: &[u8],
    offset: u64,
    encoding: Encoding,
    on_line: &mut impl FnMut(&Line<'_>) -> Flow,
) {
    let text = encoding.to_utf8(bytes);
    on_line(&Line { bytes: &text, offset, part: Part::Partial });
}

#[cfg(test)]
mod tests;
