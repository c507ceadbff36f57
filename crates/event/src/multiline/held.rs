//! The beginning of a record, as it grows line by line. See [`super`].

use std::time::Instant;

use super::rule::Within;
use super::{Ending, Limits, Line, Record, Rule};
use crate::Timestamp;

/// Bytes that a buffer keeps from one record to the next of its file.
const BUFFER_KEPT_BYTES: usize = 16 << 10;

/// The beginning of a record.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) channel: u8,
    /// Files that it was carried from, and where it began in each; the first is the record's.
    pub(super) before: Vec<(u64, u64)>,
    pub(super) offset: u64,
    pub(super) time: Option<Timestamp>,
    pub(super) bytes: Vec<u8>,
    pub(super) lines: u32,
    pub(super) within: Within,
    /// The last line goes on.
    pub(super) is_cut: bool,
    pub(super) first_at: Instant,
    pub(super) last_at: Instant,
}

impl Held {
    pub(super) fn begin(line: &Line<'_>, within: Within, now: Instant) -> Held {
        Held {
            channel: line.channel,
            before: Vec::new(),
            offset: line.offset,
            time: line.time,
            bytes: line.bytes.to_vec(),
            lines: 1,
            within,
            is_cut: line.is_cut,
            first_at: now,
            last_at: now,
        }
    }

    /// The same with the memory of the record before.
    pub(super) fn begin_again(&mut self, line: &Line<'_>, within: Within, now: Instant) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        bytes.shrink_to(BUFFER_KEPT_BYTES);
        bytes.extend_from_slice(line.bytes);
        *self = Held { bytes, ..Held::begin(&Line { bytes: &[], ..*line }, within, now) };
    }

    /// Adds a line, or says why it belongs to another record.
    pub(super) fn take(
        &mut self,
        line: &Line<'_>,
        rule: &Rule,
        limits: &Limits,
        now: Instant,
    ) -> Option<Ending> {
        let is_new = !self.is_cut;
        let within = if is_new { rule.joins(self.within, line.bytes) } else { Some(self.within) };
        let Some(within) = within else { return Some(Ending::Complete) };
        if is_new && self.lines >= limits.lines_max {
            return Some(Ending::Lines);
        }
        if self.bytes.len() + usize::from(is_new) + line.bytes.len() > limits.bytes_max {
            return Some(Ending::Bytes);
        }
        if is_new {
            self.bytes.push(b'\n');
            self.lines += 1;
        }
        self.bytes.extend_from_slice(line.bytes);
        let is_first_whole = self.lines == 1 && self.is_cut && !line.is_cut;
        let within = if is_first_whole { rule.begin(&self.bytes) } else { within };
        (self.within, self.is_cut, self.last_at) = (within, line.is_cut, now);
        None
    }

    pub(super) fn record(&self, file: u64, ending: Ending) -> Record<'_> {
        let (file, offset) = self.before.first().copied().unwrap_or((file, self.offset));
        Record {
            file,
            channel: self.channel,
            offset,
            time: self.time,
            bytes: &self.bytes,
            lines: self.lines,
            is_partial: self.is_cut,
            ending,
        }
    }
}
