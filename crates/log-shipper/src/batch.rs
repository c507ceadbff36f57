//! Records on their way to the sink.
//!
//! A batch is one buffer of records and the spans of the files that they came from, in order. It is
//! delivered as a whole: its spans are acknowledged together, or not yet.

use tail::Span;

/// Bytes of records from which a batch is full. One more record may go over it.
pub(crate) const BATCH_BYTES: usize = 512 << 10;
/// Buffers larger than this, made by a long line, are not kept for the next batch.
const KEPT_BYTES_MAX: usize = 2 * BATCH_BYTES;
/// Spans from which a batch is full, however small they are.
const SPANS_MAX: usize = 4_096;
/// Bytes of files from which it is full, however little was made of them.
const FILE_BYTES_MAX: u64 = 4 << 20;

#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) records: Vec<u8>,
    pub(crate) spans: Vec<Span>,
    /// Lines in `records`, those included that no span covers.
    pub(crate) lines: u64,
    /// Bytes of files that the spans cover.
    pub(crate) file_bytes: u64,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.spans.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.records.len() >= BATCH_BYTES
            || self.spans.len() >= SPANS_MAX
            || self.file_bytes >= FILE_BYTES_MAX
    }

    pub(crate) fn push(&mut self, span: Span) {
        self.file_bytes += span.bytes;
        self.spans.push(span);
    }

    /// Empties it for its next use.
    pub(crate) fn clear(&mut self) {
        self.spans.clear();
        (self.lines, self.file_bytes) = (0, 0);
        if self.records.capacity() > KEPT_BYTES_MAX {
            self.records = Vec::new();
        }
        self.records.clear();
    }
}

/// Cuts records in two, about the middle, behind an LF; `None` if there is only one.
pub(crate) fn halve(records: &[u8]) -> Option<usize> {
    let middle = records.len() / 2;
    let after = memchr::memchr(b'\n', &records[middle..]).map(|at| middle + at + 1);
    let before = || memchr::memrchr(b'\n', &records[..middle]).map(|at| at + 1);
    after.filter(|at| *at < records.len()).or_else(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_halved_behind_a_line_end() {
        for (records, expected) in [
            ("a\nb\n", Some(2)),
            ("aaaa\nb\n", Some(5)),
            ("a\nbbbbbb\n", Some(2)),
            ("a\n", None),
            ("aaaaaaa\n", None),
            ("", None),
        ] {
            assert_eq!(halve(records.as_bytes()), expected, "{records:?}");
        }
    }
}
