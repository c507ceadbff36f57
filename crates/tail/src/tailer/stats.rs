//! What a tailer counts, and what waits in its files: plain values for whoever publishes them.

use std::time::SystemTime;

/// Counts since the tailer was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Files that lost their name to another one, or all names.
    pub rotations: u64,
    pub truncations: u64,
    /// Truncations after which no copy of the old bytes was found: what had not been read is lost,
    /// and nobody knows how much.
    pub unknown_losses: u64,
    /// Bytes that were seen to be there and could not be read any more.
    pub lost_bytes: u64,
    /// Copies of truncated files that were read on from where the original ended.
    pub copies_continued: u64,
    /// Pieces that long lines were cut into, the last of each line not counted.
    pub long_line_pieces: u64,
    /// Long lines passed over.
    pub long_lines_dropped: u64,
    /// Compressed files left alone.
    pub compressed_ignored: u64,
    /// Times that directory events came faster than they were taken.
    pub event_overflows: u64,
    pub rescans: u64,
    /// Errors of reading or opening.
    pub read_errors: u64,
}

/// What waits now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Bytes that are there and not acknowledged.
    pub bytes: u64,
    /// When the oldest of them was first seen.
    pub since: Option<SystemTime>,
    pub files_known: usize,
    pub files_open: usize,
    /// Directories that could not be watched.
    pub directories_polled: usize,
}
