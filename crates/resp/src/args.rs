//! Where the arguments of a request lie in its frame.
//!
//! Filled by `RequestScan`, read with the same frame, then used again for the next request: once
//! it has grown, nothing is allocated. A range is eight bytes; the header in front of an argument
//! is not stored, since the protocol allows only one way to write a length.

use std::ops::Range;

/// Byte ranges of one request's arguments, in the frame it was scanned from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Args {
    ranges: Vec<Argument>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Argument {
    start: u32,
    len: u32,
}

/// More capacity than this is given back by [`Args::clear`]: 32 KiB.
const CAPACITY_KEPT: usize = 4096;

impl Args {
    #[must_use]
    pub const fn new() -> Self {
        Self { ranges: Vec::new() }
    }

    /// Forgets the arguments, and the memory of an unusually long request.
    #[inline]
    pub fn clear(&mut self) {
        self.ranges.clear();
        if self.ranges.capacity() > CAPACITY_KEPT {
            self.ranges.shrink_to(CAPACITY_KEPT);
        }
    }

    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The bytes of argument `i`; `frame` is the one that was scanned. Panics when out of range.
    #[must_use]
    #[inline]
    pub fn get<'a>(&self, frame: &'a [u8], i: usize) -> &'a [u8] {
        &frame[self.range(i)]
    }

    /// Where the bytes of argument `i` lie. Panics when out of range.
    #[must_use]
    #[inline]
    pub fn range(&self, i: usize) -> Range<usize> {
        let argument = self.ranges[i];
        let start = argument.start as usize;
        start..start + argument.len as usize
    }

    /// Argument `i` from its `$` to behind its CRLF. Panics when out of range.
    #[must_use]
    #[inline]
    pub fn whole(&self, i: usize) -> Range<usize> {
        let bytes = self.range(i);
        let digits = bytes.len().checked_ilog10().unwrap_or(0) as usize + 1;
        bytes.start - digits - 3..bytes.end + 2
    }

    /// `frame` is below 4 GiB, which the scan has checked.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "places in a frame below 4 GiB")]
    pub(crate) fn push(&mut self, start: usize, len: usize) {
        self.ranges.push(Argument { start: start as u32, len: len as u32 });
    }
}
