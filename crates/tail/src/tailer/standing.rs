//! How the files stand: what waits in them, and whether they rest.
//!
//! In: the cursors as they are. Out: plain values for whoever decides or reports by them. No file
//! is looked at here; what no look has seen yet is not told. A list of sizes stands for a moment: a
//! file that is written without end is done with that moment all the same.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::Tailer;
use super::stats::Backlog;
use crate::cursor::Cursor;
use crate::roster::{FileId, Source};

/// A file that has grown so recently is being written.
const WRITTEN_WITHIN: Duration = Duration::from_secs(5);

/// One file as it stands.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    pub file: FileId,
    pub source: &'a Source,
    /// Bytes seen behind the last line that was handed on.
    pub unread_bytes: u64,
    /// Those of them that begin a line without an end: nothing more is owed of them.
    pub unended_bytes: u64,
    /// Bytes that are still to be read or acknowledged.
    pub owed_bytes: u64,
}

/// How large files were at one moment, those left out that are acknowledged up to there.
#[derive(Debug, Clone, Default)]
pub struct Sizes(Vec<(FileId, u64)>);

impl Sizes {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Tailer {
    /// Costs a look at every known file's record, none at the files.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        let mut backlog = Backlog {
            files_known: self.roster.len(),
            files_open: self.open_files,
            directories_polled: self.watch.refused(),
            ..Backlog::default()
        };
        for (_, cursor) in self.roster.iter() {
            backlog.bytes += cursor.lag_bytes();
            let older = |a: SystemTime, b: SystemTime| a.min(b);
            backlog.since = match (backlog.since, cursor.unsent.since()) {
                (Some(a), Some(b)) => Some(older(a, b)),
                (a, b) => a.or(b),
            };
        }
        backlog
    }

    /// The files with bytes that are not acknowledged, and how many. The beginning of a line that
    /// has no end yet does not count.
    pub fn unsent(&self) -> impl Iterator<Item = (&Source, u64)> {
        let files = self.roster.iter().map(|(_, it)| (it.source.as_ref(), it.owed_bytes()));
        files.filter(|(_, bytes)| *bytes > 0)
    }

    /// All files that are known.
    pub fn standings(&self) -> impl Iterator<Item = Standing<'_>> {
        self.roster.iter().map(|(file, it)| {
            let unread_bytes = it.size.saturating_sub(it.read.offset);
            let is_at_end = it.suspect.is_none() && !it.queued && !it.has_unread();
            Standing {
                file,
                source: it.source.as_ref(),
                unread_bytes,
                unended_bytes: if is_at_end { unread_bytes } else { 0 },
                owed_bytes: it.owed_bytes(),
            }
        })
    }

    /// How large the files are now.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        Sizes(self.roster.iter().map(|(id, it)| (id, it.size)).collect())
    }

    /// Strikes off what is acknowledged up to the size that it had, and what is gone.
    pub fn strike_acknowledged(&self, sizes: &mut Sizes) {
        sizes.0.retain(|(id, size)| {
            let owes = |owed: u64, acked: u64| owed > 0 && acked < *size;
            self.roster.get(*id).is_some_and(|it| owes(it.owed_bytes(), it.acked.offset))
        });
    }

    /// Where files lie that are written under their name and have reached this size.
    #[must_use]
    pub fn grown_to(&self, bytes: u64) -> Vec<PathBuf> {
        let is_live = |it: &Cursor| {
            let is_rotated = it.state.is_rotated() || self.original_of(&it.path).is_some();
            !is_rotated && !it.deleted && it.suspect.is_none()
        };
        let grown = self.roster.iter().filter(|(_, it)| it.size >= bytes && is_live(it));
        grown.map(|(_, it)| it.path.clone()).collect()
    }

    /// Rotated files that are still written to, and nothing lies where they were.
    pub fn awaiting_reopening(&self, now: Instant) -> impl Iterator<Item = &Path> {
        let is_written = move |it: &Cursor| {
            it.state.is_rotated()
                && !it.deleted
                && now.duration_since(it.grew) < WRITTEN_WITHIN
                && it.size > 0
        };
        let written = self.roster.iter().filter(move |(_, it)| is_written(it));
        written.filter(|(_, it)| !it.source.path.exists()).map(|(_, it)| &*it.path)
    }

    /// When a file was last seen to grow; at first, when the tailer was opened.
    #[must_use]
    pub fn last_growth(&self) -> Instant {
        self.last_growth
    }
}
