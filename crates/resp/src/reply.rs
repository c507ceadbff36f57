//! Where a reply ends, in RESP2 and RESP3.
//!
//! In: the bytes of a server's connection, each once, in pieces of any size. Out: how many of them
//! belong to the first reply, and whether it ends there. Nothing of a piece is kept but a half-read
//! length and, for each open aggregate, how many elements it lacks.
//!
//! ```text
//! Marker ─▶ Line ─▶ LineEnd ──────────────────┐
//!   ▲  └──▶ Length ─▶ LengthEnd ─▶ Bulk ─▶ Cr ─▶ Lf ─▶ an element has ended
//!   └──────────────────┘ an aggregate has opened            │
//!   └───────────────────────────────────────────────────────┘
//! ```
//!
//! What always holds: nesting deeper than [`REPLY_DEPTH_MAX`] is an error and costs no stack, and
//! the same bytes give the same replies however they are cut. An attribute is part of the reply
//! that follows it. Streamed strings and aggregates are errors: no server sends them. The text of
//! a line is not looked at; a proxy hands it on as it is.

use crate::{ProtocolError, number};

/// Aggregates may be nested this deep. Redis itself allows 128 levels to its scripts' replies.
pub const REPLY_DEPTH_MAX: usize = 128;

/// Elements of one aggregate at most, as many as Redis can count in a reply.
const ELEMENTS_MAX: i64 = u32::MAX as i64;
/// Bytes of a bulk at most: 64 GiB, far above what any server is set to, far below an overflow.
const BULK_MAX: i64 = 64 << 30;

/// How far a reply has been gone over.
#[derive(Debug, Clone)]
pub struct ReplyScan {
    /// Elements that the innermost open aggregate lacks; 0 if none is open.
    lacking: u64,
    /// The same of those around it, outermost first; 0 stands for "none".
    around: Vec<u64>,
    state: State,
    depth_max: usize,
}

impl Default for ReplyScan {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    #[default]
    Marker,
    Line,
    LineEnd,
    Length(Length),
    LengthEnd(Length),
    /// Bytes of the bulk that are still to come.
    Bulk(u64),
    Cr,
    Lf,
}

/// A length that is being read, and what has it.
#[derive(Debug, Clone, Copy)]
struct Length {
    marker: u8,
    /// `None` before the first digit.
    value: Option<i64>,
    negative: bool,
}

/// An element that lies whole in a piece, or the header of an aggregate that does.
enum Element {
    /// Its length.
    Whole(usize),
    /// The length of its header, and how many elements follow.
    Open(usize, u64),
}

impl ReplyScan {
    #[must_use]
    pub const fn new() -> Self {
        Self::with_depth(REPLY_DEPTH_MAX)
    }

    /// A scan that takes less nesting than [`REPLY_DEPTH_MAX`].
    pub(crate) const fn with_depth(depth_max: usize) -> Self {
        Self { lacking: 0, around: Vec::new(), state: State::Marker, depth_max }
    }

    /// True between two replies.
    #[must_use]
    #[inline]
    pub fn is_fresh(&self) -> bool {
        self.lacking == 0 && matches!(self.state, State::Marker)
    }

    /// How many of `bytes` belong to the reply under way, and whether it ends with them. If it
    /// does, the scan is fresh again.
    #[inline]
    pub fn advance(&mut self, bytes: &[u8]) -> Result<(usize, bool), ProtocolError> {
        if self.is_fresh()
            && let Some(Element::Whole(length)) = whole(bytes)
        {
            return Ok((length, true));
        }
        self.go_on(bytes)
    }

    fn go_on(&mut self, bytes: &[u8]) -> Result<(usize, bool), ProtocolError> {
        let mut at = 0;
        while at < bytes.len() {
            let ended = match self.state {
                State::Marker => match whole(&bytes[at..]) {
                    Some(Element::Whole(length)) => {
                        at += length;
                        true
                    }
                    Some(Element::Open(length, count)) => {
                        at += length;
                        self.open(count)?
                    }
                    None => {
                        self.marker(bytes[at])?;
                        at += 1;
                        false
                    }
                },
                State::Line => {
                    at += match memchr::memchr(b'\r', &bytes[at..]) {
                        Some(found) => {
                            self.state = State::LineEnd;
                            found + 1
                        }
                        None => bytes.len() - at,
                    };
                    false
                }
                State::Bulk(left) => {
                    let here = (bytes.len() - at) as u64;
                    match usize::try_from(left) {
                        Ok(all) if left <= here => at += all,
                        _ => at = bytes.len(),
                    }
                    self.state = bulk(left.saturating_sub(here));
                    false
                }
                _ => {
                    at += 1;
                    self.step(bytes[at - 1])?
                }
            };
            if ended && self.element_ended() {
                return Ok((at, true));
            }
        }
        Ok((at, false))
    }

    /// The first byte of an element that does not lie whole in this piece.
    fn marker(&mut self, marker: u8) -> Result<(), ProtocolError> {
        self.state = match marker {
            b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => State::Line,
            b'$' | b'=' | b'!' | b'*' | b'%' | b'~' | b'>' | b'|' => {
                State::Length(Length { marker, value: None, negative: false })
            }
            _ => return Err(ProtocolError::BadReply),
        };
        Ok(())
    }

    /// One byte of a header or a line end; true if an element ended with it.
    fn step(&mut self, byte: u8) -> Result<bool, ProtocolError> {
        match (self.state, byte) {
            (State::LineEnd | State::Lf, b'\n') => {
                self.state = State::Marker;
                return Ok(true);
            }
            (State::Cr, b'\r') => self.state = State::Lf,
            (State::Length(length), b'\r') => self.state = State::LengthEnd(length),
            (State::Length(length), byte) => self.state = State::Length(length.with(byte)?),
            (State::LengthEnd(length), b'\n') => {
                self.state = State::Marker;
                return match length.meaning()? {
                    Meaning::Null => Ok(true),
                    Meaning::Bulk(len) => {
                        self.state = bulk(len);
                        Ok(false)
                    }
                    Meaning::Elements(count) => self.open(count),
                };
            }
            _ => return Err(ProtocolError::BadReply),
        }
        Ok(false)
    }

    /// An aggregate begins; true if it ends at once.
    fn open(&mut self, count: u64) -> Result<bool, ProtocolError> {
        if count == 0 {
            return Ok(true);
        }
        if self.lacking > 0 {
            // The innermost one is not among those around it.
            if self.around.len() + 1 >= self.depth_max {
                return Err(ProtocolError::TooDeep);
            }
            self.around.push(self.lacking);
        }
        self.lacking = count;
        Ok(false)
    }

    /// Closes what ends with this element; true if that is the reply.
    fn element_ended(&mut self) -> bool {
        loop {
            self.lacking = self.lacking.saturating_sub(1);
            if self.lacking > 0 {
                return false;
            }
            match self.around.pop() {
                Some(lacking) => self.lacking = lacking,
                None => return true,
            }
        }
    }
}

fn bulk(left: u64) -> State {
    if left == 0 { State::Cr } else { State::Bulk(left) }
}

enum Meaning {
    Null,
    Bulk(u64),
    Elements(u64),
}

impl Length {
    fn with(self, byte: u8) -> Result<Self, ProtocolError> {
        let digit = match (byte, self.value, self.negative) {
            (b'-', None, false) => return Ok(Self { negative: true, ..self }),
            (b'0'..=b'9', _, _) => i64::from(byte - b'0'),
            _ => return Err(ProtocolError::BadReply),
        };
        match self.value {
            None => Ok(Self { value: Some(digit), ..self }),
            // No leading zero, and nothing that could overflow.
            Some(value @ 1..=BULK_MAX) => Ok(Self { value: Some(value * 10 + digit), ..self }),
            Some(_) => Err(ProtocolError::BadReply),
        }
    }

    fn meaning(self) -> Result<Meaning, ProtocolError> {
        let value = self.value.ok_or(ProtocolError::BadReply)?;
        if self.negative {
            let null = value == 1 && matches!(self.marker, b'$' | b'*');
            return if null { Ok(Meaning::Null) } else { Err(ProtocolError::BadReply) };
        }
        let limit = if matches!(self.marker, b'$' | b'=' | b'!') { BULK_MAX } else { ELEMENTS_MAX };
        if value > limit {
            return Err(ProtocolError::BadReply);
        }
        let value = value.unsigned_abs();
        Ok(match self.marker {
            b'$' | b'=' | b'!' => Meaning::Bulk(value),
            b'%' => Meaning::Elements(value * 2),
            // What the attribute belongs to comes as its last element.
            b'|' => Meaning::Elements(value * 2 + 1),
            _ => Meaning::Elements(value),
        })
    }
}

/// The element that `bytes` begin with, if all of it (of an aggregate: its header) lies here and
/// nothing about it is unusual. `None` says nothing: the steps decide.
#[inline]
fn whole(bytes: &[u8]) -> Option<Element> {
    let (marker, rest) = bytes.split_first()?;
    match marker {
        b'$' => {
            let Some((len, start)) = number::header(bytes, 0, b'$') else {
                return (bytes.get(..5)? == b"$-1\r\n").then_some(Element::Whole(5));
            };
            let end = start + len + 2;
            (bytes.get(end - 2..end)? == b"\r\n").then_some(Element::Whole(end))
        }
        b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => {
            let end = line_end(rest)?;
            (*rest.get(end + 1)? == b'\n').then_some(Element::Whole(end + 3))
        }
        b'*' => {
            let (count, start) = number::header(bytes, 0, b'*')?;
            Some(Element::Open(start, count as u64))
        }
        _ => None,
    }
}

/// Where the CR lies. Most lines are a few bytes long, where a loop beats a search by blocks.
#[inline]
fn line_end(bytes: &[u8]) -> Option<usize> {
    const SHORT: usize = 24;
    if let Some(found) = bytes.iter().take(SHORT).position(|byte| *byte == b'\r') {
        return Some(found);
    }
    memchr::memchr(b'\r', bytes.get(SHORT..)?).map(|found| found + SHORT)
}

#[cfg(test)]
mod tests;
