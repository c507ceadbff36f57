//! Which byte is next, and of which file?
//!
//! In: what was seen of a file (it grew, its end was reached, another file has its name). Out:
//! where to read on, what is acknowledged, and when the descriptor can be given back.
//!
//! ```text
//!            opened            end reached
//! Opening ──────────▶ Reading ────────────▶ AtEnd
//!    ▲                   ▲ ◀────── grew ──────┘│
//!    │    parked, to save descriptors          │
//!    └───────────────────┴─────────────────────┘
//! Opening, Reading, AtEnd ── rotated away ──▶ Draining ── finished ──▶ Done ── grew ──▶ Draining
//! Draining, Done ── came back under its name ──▶ Reading
//! ```
//!
//! Truncation makes a new generation of the same file and leaves the state at Reading (Draining
//! stays). Whether bytes that were truncated away had been read is undecidable from the file alone;
//! `copies` looks for them elsewhere and the tailer counts what nobody can read any more.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::checkpoint::Entry;
use crate::framer::Encoding;
use crate::identity::{Inode, Mark, Prefix};
use crate::roster::{FileId, Source};
use crate::tailer::Hole;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Known, without a descriptor; it is opened when there is something to read.
    Opening,
    /// Bytes wait to be read.
    Reading,
    /// Everything that is there was read.
    AtEnd,
    /// Renamed away or deleted: read to the end, and beyond while somebody may still write.
    Draining,
    /// Read to the end, acknowledged and closed; kept while the file exists, so that it is not
    /// taken for a new one.
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Opened,
    Grew,
    ReachedEnd,
    RotatedAway,
    CameBack,
    Parked,
    Finished,
}

impl State {
    /// The next state; an event that means nothing in a state leaves it.
    pub(crate) fn step(self, event: Event) -> State {
        match (self, event) {
            (State::Opening, Event::Opened) | (State::AtEnd, Event::Grew) => State::Reading,
            (State::Reading, Event::ReachedEnd) => State::AtEnd,
            (State::Reading | State::AtEnd, Event::Parked) => State::Opening,
            (State::Opening | State::Reading | State::AtEnd, Event::RotatedAway)
            | (State::Done, Event::Grew) => State::Draining,
            (State::Draining, Event::Finished) => State::Done,
            (State::Draining | State::Done, Event::CameBack) => State::Reading,
            (state, _) => state,
        }
    }

    pub(crate) fn is_rotated(self) -> bool {
        matches!(self, State::Draining | State::Done)
    }
}

/// A stretch of one file that was handed on; given back to [`crate::Tailer::acknowledge`] once it
/// is delivered.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub file: FileId,
    pub(crate) generation: u32,
    pub(crate) end: Mark,
    /// [`Source::group`] of the file.
    pub group: usize,
    /// Lines handed on within it.
    pub lines: u64,
    /// Bytes of the file that it covers.
    pub bytes: u64,
}

impl Span {
    /// Acknowledging `later` acknowledges this one as well.
    #[must_use]
    pub fn is_superseded_by(&self, later: &Span) -> bool {
        (self.file, self.generation) == (later.file, later.generation)
    }
}

/// Who still has the file open for writing, as far as directory events tell.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Writers {
    /// Descriptors opened by others.
    opened: u32,
    closed: u32,
}

/// Even if every writer was seen to close a file, it is watched for so long: events can be late.
const GONE_QUIET: Duration = Duration::from_secs(1);
/// A file closed this often is written by a program that opens it for each line.
const CLOSES_OF_A_STEADY_WRITER_MAX: u32 = 2;

impl Writers {
    /// Of a file that was there before anybody looked: more descriptors than will be seen to close.
    pub(crate) fn unknown() -> Writers {
        Writers { opened: u32::MAX, closed: 0 }
    }

    pub(crate) fn on_opened(&mut self) {
        self.opened = self.opened.saturating_add(1);
    }

    pub(crate) fn on_closed(&mut self) {
        self.closed = self.closed.saturating_add(1);
    }

    /// Every descriptor that could write is closed, and it does not look as if one will be opened.
    pub(crate) fn are_gone(self) -> bool {
        self.closed > 0
            && self.closed >= self.opened
            && self.closed <= CLOSES_OF_A_STEADY_WRITER_MAX
    }
}

/// Since when something is unacknowledged. Two marks are enough for an honest figure: the oldest,
/// and the first growth after the bytes that the oldest covers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Unsent {
    oldest: Option<(u64, SystemTime)>,
    next: Option<SystemTime>,
}

impl Unsent {
    /// Bytes up to `size` are there since `when`.
    pub(crate) fn on_size(&mut self, size: u64, acked: u64, when: SystemTime) {
        match self.oldest {
            None if size > acked => self.oldest = Some((size, when)),
            Some((covered, _)) if size > covered && self.next.is_none() => self.next = Some(when),
            _ => {}
        }
    }

    pub(crate) fn on_acked(&mut self, acked: u64, size: u64) {
        if self.oldest.is_some_and(|(covered, _)| acked >= covered) {
            let next = self.next.take().filter(|_| size > acked);
            self.oldest = next.map(|when| (size, when));
        }
    }

    pub(crate) fn since(&self) -> Option<SystemTime> {
        self.oldest.map(|(_, when)| when)
    }
}

/// A file that may be the copy of another one: nothing of it is read until that is decided.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Suspect {
    pub(crate) of: FileId,
    /// That file's generation, prefix and position when the suspicion arose: a copy holds at least
    /// what had been read by then.
    pub(crate) generation: u32,
    pub(crate) prefix: Prefix,
    pub(crate) read: Mark,
    pub(crate) size: u64,
    /// When it last grew.
    pub(crate) grew: Instant,
    /// It was followed before, empty. It stays in the checkpoint, at its start: it may be no copy,
    /// and nothing else may lead to it after a restart.
    pub(crate) was_empty: bool,
}

/// One file: its identity, positions and state.
#[derive(Debug)]
pub(crate) struct Cursor {
    pub(crate) source: Arc<Source>,
    pub(crate) inode: Inode,
    pub(crate) prefix: Prefix,
    pub(crate) encoding: Encoding,
    pub(crate) generation: u32,
    pub(crate) state: State,
    /// Held in the states Reading and AtEnd, and in Draining unless parked.
    pub(crate) file: Option<File>,
    /// Where the file lies, as far as is known.
    pub(crate) path: PathBuf,
    /// No name leads to it.
    pub(crate) deleted: bool,
    /// The next byte to hand on.
    pub(crate) read: Mark,
    /// Everything before is delivered. Never above `read`.
    pub(crate) acked: Mark,
    /// The largest size seen in this generation.
    pub(crate) size: u64,
    /// Bytes of disk that it took at the last look.
    pub(crate) disk: u64,
    /// When its content had last changed, by its own clock, at the last look.
    pub(crate) modified: u64,
    /// Its size when the file that has its name now was first seen to hold something.
    pub(crate) ends_at: Option<u64>,
    /// Bytes from `read` on that hold no line end.
    pub(crate) scanned: u64,
    /// Leading NUL bytes are the hole that truncation left, not text.
    pub(crate) skips_nul: bool,
    /// The position lies behind a hole, perhaps within a line whose beginning was in it.
    pub(crate) skips_cut: bool,
    /// The hole behind the position.
    pub(crate) hole: Hole,
    /// It stands in the queue of files to read.
    pub(crate) queued: bool,
    /// The rescan that last found it under its path.
    pub(crate) scan: u64,
    /// When growth was last seen.
    pub(crate) grew: Instant,
    pub(crate) writers: Writers,
    pub(crate) unsent: Unsent,
    pub(crate) suspect: Option<Suspect>,
    /// Acknowledgements for that generation of that file count here: this is its copy.
    pub(crate) inherits: Option<(FileId, u32)>,
}

impl Cursor {
    pub(crate) fn is_acknowledged(&self) -> bool {
        self.acked.offset == self.read.offset
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.read.offset == self.size
    }

    /// Bytes that are there and not acknowledged.
    pub(crate) fn lag_bytes(&self) -> u64 {
        self.size.saturating_sub(self.acked.offset)
    }

    /// Takes note of a size; says whether the file grew.
    pub(crate) fn on_size(&mut self, size: u64, now: Instant, when: SystemTime) -> bool {
        if size <= self.size {
            return false;
        }
        self.size = size;
        self.grew = now;
        self.unsent.on_size(size, self.acked.offset, when);
        true
    }

    /// Moves the acknowledged position forward. What is acknowledged for the original of a copy can
    /// lie behind the copy's end.
    pub(crate) fn on_acked(&mut self, mark: Mark) {
        let mark = if mark.offset > self.read.offset { self.read } else { mark };
        if mark.offset > self.acked.offset {
            self.acked = mark;
            self.unsent.on_acked(mark.offset, self.size);
        }
    }

    /// Begins a new generation at the start of the file.
    pub(crate) fn on_truncated(&mut self, prefix: Prefix) {
        self.generation += 1;
        self.prefix = prefix;
        self.encoding = Encoding::default();
        (self.read, self.acked) = (Mark::START, Mark::START);
        (self.size, self.scanned, self.ends_at) = (0, 0, None);
        self.skips_nul = true;
        self.skips_cut = false;
        if let Hole::Until(end) = &mut self.hole {
            *end = 0;
        }
        self.unsent = Unsent::default();
    }

    /// Starts to read at a position that was delivered before by other means.
    pub(crate) fn start_at(&mut self, read: Mark, acked: Mark) {
        (self.read, self.acked) = (read, acked);
        self.suspect = None;
        self.unsent.on_acked(acked.offset, self.size);
    }

    /// The descriptor is of no more use: everything is read and delivered, and nothing came for
    /// `quiet`, or every writer has closed it.
    pub(crate) fn is_finished(&self, now: Instant, quiet: Duration) -> bool {
        self.state == State::Draining
            && !self.queued
            && self.suspect.is_none()
            && self.is_acknowledged()
            && self.is_at_end()
            && (self.rests(now, GONE_QUIET) && self.writers.are_gone() || self.rests(now, quiet))
    }

    fn rests(&self, now: Instant, quiet: Duration) -> bool {
        now.duration_since(self.grew) >= quiet
    }

    /// The last line, which has no end, is as long as it will be: the file was rotated, and nobody
    /// writes to it any more.
    pub(crate) fn has_last_line(&self, now: Instant, quiet: Duration) -> bool {
        self.state == State::Draining
            && (self.rests(now, GONE_QUIET) && self.writers.are_gone() || self.rests(now, quiet))
    }

    /// Bytes wait to be read, and it is not in the queue: something went wrong.
    pub(crate) fn has_unread(&self) -> bool {
        let known = self.read.offset + self.scanned + self.encoding.unit() as u64 - 1;
        !self.queued && self.suspect.is_none() && known < self.size
    }

    /// Bytes that are still to be read or acknowledged; the beginning of a line that has no end is
    /// not.
    pub(crate) fn owed_bytes(&self) -> u64 {
        if self.suspect.is_some() {
            return self.size;
        }
        let unread = if self.queued || self.has_unread() { self.size } else { self.read.offset };
        unread.saturating_sub(self.acked.offset)
    }

    pub(crate) fn entry(&self, seen: u64) -> Entry {
        Entry {
            path: self.source.path.clone(),
            last_path: self.path.clone(),
            inode: self.inode,
            prefix: self.prefix,
            acked: self.acked,
            size: self.size,
            generation: self.generation,
            rotated: self.state.is_rotated(),
            seen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_transition_table() {
        use Event::{CameBack, Finished, Grew, Opened, Parked, ReachedEnd, RotatedAway};
        use State::{AtEnd, Done, Draining, Opening, Reading};
        let events = [Opened, Grew, ReachedEnd, RotatedAway, CameBack, Parked, Finished];
        let table = [
            (Opening, [Reading, Opening, Opening, Draining, Opening, Opening, Opening]),
            (Reading, [Reading, Reading, AtEnd, Draining, Reading, Opening, Reading]),
            (AtEnd, [AtEnd, Reading, AtEnd, Draining, AtEnd, Opening, AtEnd]),
            (Draining, [Draining, Draining, Draining, Draining, Reading, Draining, Done]),
            (Done, [Done, Draining, Done, Done, Reading, Done, Done]),
        ];
        for (state, expected) in table {
            assert_eq!(events.map(|event| state.step(event)), expected, "from {state:?}");
        }
    }

    #[test]
    fn writers_are_gone_when_as_many_closed_as_opened_unless_they_come_for_each_line() {
        let mut unknown = Writers::unknown();
        unknown.on_closed();
        assert!(!unknown.are_gone());
        let mut writers = Writers::default();
        assert!(!writers.are_gone());
        writers.on_opened();
        assert!(!writers.are_gone());
        writers.on_closed();
        assert!(writers.are_gone());
        writers.on_opened(); // A reload opens the file anew before the old descriptor goes.
        assert!(!writers.are_gone());
        writers.on_closed();
        assert!(writers.are_gone());
        writers.on_opened();
        writers.on_closed();
        assert!(!writers.are_gone(), "a third close: one open for each line");
    }

    #[test]
    fn the_age_of_the_backlog_is_that_of_its_oldest_byte() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut unsent = Unsent::default();
        unsent.on_size(10, 0, at(1));
        unsent.on_size(20, 0, at(2));
        unsent.on_size(30, 0, at(3));
        unsent.on_acked(5, 30);
        assert_eq!(unsent.since(), Some(at(1)));
        unsent.on_acked(10, 30);
        assert_eq!(unsent.since(), Some(at(2)));
        unsent.on_acked(30, 30);
        assert_eq!(unsent.since(), None);
    }
}
