//! What crate `tail` counts, as counters.
//!
//! In: its statistics, by differences that the pump adds. Out: the table of names and helps that
//! the families are shown by.

use prometheus_client::metrics::counter::Counter;

#[derive(Debug, Default)]
pub(super) struct TailCounters {
    pub(super) rotations: Counter,
    pub(super) truncations: Counter,
    pub(super) unknown_losses: Counter,
    pub(super) lost_bytes: Counter,
    pub(super) copies_continued: Counter,
    pub(super) long_line_pieces: Counter,
    pub(super) compressed_ignored: Counter,
    pub(super) event_overflows: Counter,
    pub(super) rescans: Counter,
    pub(super) read_errors: Counter,
}

impl TailCounters {
    pub(super) fn table(&self) -> [(&'static str, &'static str, &Counter); 10] {
        [
            ("rotations", "Files that lost their name", &self.rotations),
            ("truncations", "Files that were truncated", &self.truncations),
            (
                "unknown_loss",
                "Truncations after which nobody knows what was lost",
                &self.unknown_losses,
            ),
            ("lost_bytes", "Bytes that were seen and could not be read any more", &self.lost_bytes),
            (
                "copies_continued",
                "Copies of truncated files that were read on",
                &self.copies_continued,
            ),
            (
                "long_line_pieces",
                "Pieces that long lines were split into, the last not counted",
                &self.long_line_pieces,
            ),
            ("files_ignored", "Compressed files left alone", &self.compressed_ignored),
            (
                "event_overflows",
                "Times that directory events were lost and everything was looked at",
                &self.event_overflows,
            ),
            ("rescans", "Looks at everything", &self.rescans),
            ("read_errors", "Errors of opening or reading a file", &self.read_errors),
        ]
    }
}
