//! Where a request ends and where its arguments lie, found in place.
//!
//! In: the bytes of a connection from the first byte of a request on, as many as have come; again
//! with more of them when that was not enough. Out: the length of the request and the ranges of
//! its arguments, or what is known of a half one, or the error that Redis 7.0 would say.
//!
//! ```text
//! Start ── "*n" ──▶ Arguments ⇄ (a bulk under way) ──▶ Complete
//!   └── any other byte: a line ──▶ Inline or Empty
//! ```
//!
//! What always holds: bytes that were gone over are not looked at again, but for one more walk
//! when a request that came in pieces is complete and its ranges are wanted. The scan is stricter
//! than Redis in one thing, the two bytes behind a length and an argument must be CRLF: what goes
//! on to a connection that many clients share must mean the same to every server. Keeping the
//! ranges inside the scan was not taken, since ten thousand half requests would each hold some.

use crate::number;
use crate::{Args, ProtocolError};

/// A line longer than this without its end is an error, as in Redis: 64 KiB.
pub const INLINE_MAX: usize = 64 * 1024;

/// What a client may send at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Arguments of a request, the name of the command among them.
    pub args_max: usize,
    /// Bytes of one argument.
    pub bulk_max: usize,
    /// Which text a request above the limits gets.
    pub authenticated: bool,
}

impl RequestLimits {
    /// 1,048,576 arguments of at most 512 MiB, Redis' own `proto-max-bulk-len`.
    pub const OPEN: Self = Self { args_max: 1 << 20, bulk_max: 512 << 20, authenticated: true };
    /// Until AUTH: 10 arguments of at most 16 KiB, as in Redis.
    pub const UNAUTHENTICATED: Self =
        Self { args_max: 10, bulk_max: 16 * 1024, authenticated: false };

    #[inline]
    pub(crate) fn count(&self, count: i64) -> Result<usize, ProtocolError> {
        match usize::try_from(count) {
            Ok(count) if count <= self.args_max && count <= COUNT_MAX => Ok(count),
            Err(_) => Ok(0),
            Ok(count) if !self.authenticated && count <= COUNT_MAX => {
                Err(ProtocolError::UnauthenticatedMultibulkLength)
            }
            Ok(_) => Err(ProtocolError::InvalidMultibulkLength),
        }
    }

    #[inline]
    pub(crate) fn bulk(&self, len: i64) -> Result<usize, ProtocolError> {
        match usize::try_from(len) {
            Ok(len) if len <= self.bulk_max && len < BULK_NONE as usize => Ok(len),
            Ok(len) if !self.authenticated && len <= Self::OPEN.bulk_max => {
                Err(ProtocolError::UnauthenticatedBulkLength)
            }
            _ => Err(ProtocolError::InvalidBulkLength),
        }
    }
}

/// Redis counts arguments in an `int`.
const COUNT_MAX: usize = i32::MAX as usize;
/// A frame that is kept may be this long, so that ranges fit four bytes each: 4 GiB.
const FRAME_MAX: usize = u32::MAX as usize;
/// No bulk is under way.
const BULK_NONE: u32 = u32::MAX;

/// What was found; lengths are in bytes from the first byte of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scanned {
    /// An array of bulk strings of this length; `Args` holds all of its arguments.
    Complete(usize),
    /// A line of this length, line end included, for [`crate::split_inline`].
    Inline(usize),
    /// Nothing to do (`*0`, `*-1`, a blank line): to be skipped without an answer.
    Empty(usize),
    /// More bytes are needed.
    Incomplete(Pending),
}

/// What is known of a request that has not come whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pending {
    /// Arguments that the header announced; `None` while it is unread, and for a line.
    pub args: Option<usize>,
    /// Arguments that are complete. `Args` holds their ranges if the scan had none before.
    pub complete: usize,
    /// The frame has at least this many bytes; the bulk under way counts whole.
    pub frame_min: usize,
    /// Length of the bulk under way.
    pub bulk: Option<usize>,
}

/// How far a request has been gone over; the default is at its first byte, and so is the scan
/// after each request that is not `Incomplete`. After an error it is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestScan {
    /// Everything in front has been gone over.
    at: usize,
    announced: u32,
    /// Announced arguments that are not complete.
    left: u32,
    /// Bytes from `at` on that hold no line end; never above `INLINE_MAX`.
    looked: u32,
    /// Length of the bulk that begins at `at`, or `BULK_NONE`.
    bulk: u32,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Arguments,
    /// As `Arguments`, of a frame without a header of its own.
    Bare,
}

impl Default for RequestScan {
    fn default() -> Self {
        let (announced, left, looked, bulk) = (0, 0, 0, BULK_NONE);
        Self { at: 0, announced, left, looked, bulk, state: State::Start }
    }
}

impl RequestScan {
    /// A scan of `n` bulk strings without the header of an array: what is left of a request whose
    /// first part was taken away. `n` is at most what a header announced.
    #[must_use]
    pub fn arguments(n: usize) -> Self {
        Self { announced: small(n), left: small(n), state: State::Bare, ..Self::default() }
    }

    /// Goes on over `frame`: everything from the request's first byte on, so after `Incomplete`
    /// the same bytes and more. `args` may have served other requests in between.
    #[inline]
    pub fn scan(
        &mut self,
        frame: &[u8],
        args: &mut Args,
        limits: &RequestLimits,
    ) -> Result<Scanned, ProtocolError> {
        let from_first = self.left == self.announced;
        if from_first {
            args.clear();
        }
        if self.state == State::Start {
            if frame.first() != Some(&b'*') {
                return self.line(frame);
            }
            let Some((count, next)) = self.header(frame, limits)? else {
                return Ok(self.pending(frame));
            };
            if count == 0 {
                *self = Self::default();
                return Ok(Scanned::Empty(next));
            }
            (self.announced, self.left) = (small(count), small(count));
            (self.at, self.looked, self.state) = (next, 0, State::Arguments);
        }
        if from_first {
            return self.walk(frame, limits, |start, len| args.push(start, len));
        }
        let again = match self.state {
            State::Bare => Self::arguments(self.announced as usize),
            _ => Self::default(),
        };
        let scanned = self.walk(frame, limits, |_, _| ())?;
        if matches!(scanned, Scanned::Complete(_)) {
            *self = again;
            return self.scan(frame, args, limits);
        }
        Ok(scanned)
    }

    /// Arguments that are not complete yet; 0 while the header is unread.
    #[must_use]
    pub fn left(&self) -> usize {
        self.left as usize
    }

    /// Bytes that need not be seen again by a [`crate::Skim`] that takes over here.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn bulk_under_way(&self) -> Option<usize> {
        (self.bulk != BULK_NONE).then_some(self.bulk as usize)
    }

    pub(crate) fn in_arguments(&self) -> bool {
        self.state != State::Start
    }

    #[inline]
    fn walk(
        &mut self,
        frame: &[u8],
        limits: &RequestLimits,
        mut found: impl FnMut(usize, usize),
    ) -> Result<Scanned, ProtocolError> {
        if frame.len() > FRAME_MAX {
            return Err(ProtocolError::InvalidBulkLength);
        }
        let (mut at, mut left) = (self.at, self.left);
        let mut bulk = self.bulk_under_way().map(|len| (at, len));
        while left > 0 {
            let (start, len) = match bulk.take().or_else(|| next_bulk(frame, at, limits)) {
                Some(bulk) => bulk,
                None => {
                    self.stand(at, left, BULK_NONE);
                    match self.bulk_header(frame, limits)? {
                        Some(bulk) => bulk,
                        None => return Ok(self.pending(frame)),
                    }
                }
            };
            let end = start + len;
            match frame.get(end..end + 2) {
                Some(b"\r\n") => found(start, len),
                Some(_) => return Err(ProtocolError::InvalidBulkLength),
                None => {
                    self.stand(start, left, small(len));
                    return Ok(self.pending(frame));
                }
            }
            (at, left) = (end + 2, left - 1);
        }
        *self = Self::default();
        Ok(Scanned::Complete(at))
    }

    /// Everything in front of `at` has been gone over.
    fn stand(&mut self, at: usize, left: u32, bulk: u32) {
        if self.at != at {
            (self.at, self.looked) = (at, 0);
        }
        (self.left, self.bulk) = (left, bulk);
    }

    /// The count of `*n` and where the line behind it begins.
    #[inline]
    fn header(
        &mut self,
        frame: &[u8],
        limits: &RequestLimits,
    ) -> Result<Option<(usize, usize)>, ProtocolError> {
        if let Some((count, next)) = number::header(frame, 0, b'*')
            && count <= limits.args_max
        {
            return Ok(Some((count, next)));
        }
        let Some(end) = self.line_end(frame, ProtocolError::MultibulkCountTooBig)? else {
            return Ok(None);
        };
        let count = number::parse(&frame[1..end]).ok_or(ProtocolError::InvalidMultibulkLength)?;
        let count = limits.count(count)?;
        if frame[end + 1] != b'\n' {
            return Err(ProtocolError::InvalidMultibulkLength);
        }
        Ok(Some((count, end + 2)))
    }

    /// Where the bytes of the next bulk begin, and how many they are.
    #[cold]
    fn bulk_header(
        &mut self,
        frame: &[u8],
        limits: &RequestLimits,
    ) -> Result<Option<(usize, usize)>, ProtocolError> {
        let Some(end) = self.line_end(frame, ProtocolError::BulkCountTooBig)? else {
            return Ok(None);
        };
        if frame[self.at] != b'$' {
            return Err(ProtocolError::ExpectedBulk(frame[self.at]));
        }
        let digits = &frame[self.at + 1..end];
        let len = number::parse(digits).ok_or(ProtocolError::InvalidBulkLength)?;
        let len = limits.bulk(len)?;
        if frame[end + 1] != b'\n' {
            return Err(ProtocolError::InvalidBulkLength);
        }
        Ok(Some((end + 2, len)))
    }

    /// Where the CR of the line at `at` lies, once the byte behind it has come.
    #[cold]
    fn line_end(
        &mut self,
        frame: &[u8],
        too_big: ProtocolError,
    ) -> Result<Option<usize>, ProtocolError> {
        match self.find(frame, b'\r', too_big)? {
            Some(end) if end + 1 < frame.len() => Ok(Some(end)),
            _ => Ok(None),
        }
    }

    #[cold]
    fn line(&mut self, frame: &[u8]) -> Result<Scanned, ProtocolError> {
        let Some(end) = self.find(frame, b'\n', ProtocolError::InlineTooBig)? else {
            return Ok(self.pending(frame));
        };
        *self = Self::default();
        if frame[..end].iter().all(|byte| byte.is_ascii_whitespace() || *byte == b'\x0b') {
            return Ok(Scanned::Empty(end + 1));
        }
        Ok(Scanned::Inline(end + 1))
    }

    /// The first `wanted` from `at` on, at most `INLINE_MAX` bytes away.
    fn find(
        &mut self,
        frame: &[u8],
        wanted: u8,
        too_big: ProtocolError,
    ) -> Result<Option<usize>, ProtocolError> {
        let from = self.at + self.looked as usize;
        let until = frame.len().min(self.at + INLINE_MAX + 1);
        let Some(bytes) = frame.get(from..until) else { return Ok(None) };
        if let Some(found) = memchr::memchr(wanted, bytes) {
            self.looked = small(from + found - self.at);
            return Ok(Some(from + found));
        }
        if until - self.at > INLINE_MAX {
            return Err(too_big);
        }
        self.looked = small(until - self.at);
        Ok(None)
    }

    #[cold]
    fn pending(&self, frame: &[u8]) -> Scanned {
        let bulk = self.bulk_under_way();
        Scanned::Incomplete(Pending {
            args: self.in_arguments().then_some(self.announced as usize),
            complete: (self.announced - self.left) as usize,
            frame_min: bulk.map_or(frame.len(), |len| self.at + len + 2),
            bulk,
        })
    }
}

/// Where the bytes of the bulk at `at` begin, and how many they are; `None` if unusual.
#[inline(always)]
fn next_bulk(frame: &[u8], at: usize, limits: &RequestLimits) -> Option<(usize, usize)> {
    let (len, start) = number::header(frame, at, b'$')?;
    (len <= limits.bulk_max).then_some((start, len))
}

/// Counts and lengths are stored in four bytes each.
fn small(n: usize) -> u32 {
    u32::try_from(n).expect("the limits keep counts, lengths and lines below 4 GiB")
}

#[cfg(test)]
mod tests;
