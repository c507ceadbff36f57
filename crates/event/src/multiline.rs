//! Joins physical lines to records: stack traces, and the pieces of lines that were cut.
//!
//! In: the lines of many files, in the order of each file, and the time. Out: records, each with
//! the offset of its first byte. Where a record begins is decided by its own lines alone, so a
//! reader that begins again at the start of a record finds the same records. What ends a record for
//! another reason (time, room, the end of the file) is told by [`Ending`]. To read such lines again
//! from the file instead of holding them was not taken: a record may be longer than a turn of
//! reading.
//!
//! What the driver owes, because a record that is held must not be acknowledged:
//!
//! 1. Behind each turn of reading a file it asks [`Joiner::held_from`]. With an offset it splits
//!    the span of what was read there (`tail::Tailer::split`) and delivers the first part only, or
//!    none if the offset lies before it; the rest is kept, added to the next span of the file.
//!    Without an offset, also once a record was given out for another reason than a line of its
//!    file, what was kept goes whole.
//! 2. It calls [`Joiner::expire`] at [`Joiner::due`], and says which files have no lines that wait:
//!    those are not late.
//! 3. It calls [`Joiner::flush`] for a file that ends, and [`Joiner::flush_all`] in the drain.
//!
//! Where a file goes on in another (it was renamed, and that has its name), [`Joiner::carry`] takes
//! what is held over to that one, as [`Joiner::held_from`] says of both: no position moves before
//! the record is whole.
//!
//! Two channels of one file (CRI) are joined apart, and the position lies before both; after a kill
//! the rest of a record of the one can come again alone if it began before the other's.

mod go;
mod held;
mod java;
mod node;
mod python;
mod ruby;
mod rule;

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use self::held::Held;
use self::rule::Within;
pub use self::rule::{Language, LanguageError, Rule};
use crate::Timestamp;

/// What ends a record that its lines do not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Lines of a record.
    pub lines_max: u32,
    /// Bytes of a record, with an LF between two lines. A longer line is a record of its own.
    pub bytes_max: usize,
    /// Time since the last line.
    pub timeout: Duration,
    /// Bytes of all records that are held, of all files; above it the oldest are given out. The
    /// memory can be twice that.
    pub held_bytes_max: usize,
}

impl Limits {
    /// The limits that suit a sidecar, given the length of a line.
    #[must_use]
    pub fn new(line_bytes_max: usize) -> Limits {
        Limits {
            lines_max: 500,
            bytes_max: line_bytes_max,
            timeout: Duration::from_secs(1),
            held_bytes_max: line_bytes_max.max(4 << 20),
        }
    }
}

/// A line, or a piece of one.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Without the line end.
    pub bytes: &'a [u8],
    /// Of the first byte, from the start of the file.
    pub offset: u64,
    /// Lines of one file with different channels are joined apart: standard output and error.
    pub channel: u8,
    /// When it was written, if the line says so outside of its text.
    pub time: Option<Timestamp>,
    /// The line goes on in the next one of its channel (part P of CRI, a line that was split).
    pub is_cut: bool,
}

/// Lines that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// That of its first line, as are the offset and the time.
    pub file: u64,
    pub channel: u8,
    /// Of the first byte of its first line.
    pub offset: u64,
    /// That of its first line.
    pub time: Option<Timestamp>,
    /// The lines with an LF between each two; the pieces of one line without.
    pub bytes: &'a [u8],
    pub lines: u32,
    /// The last line goes on, but not in this record.
    pub is_partial: bool,
    pub ending: Ending,
}

/// Why a record ends where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The next line belongs to another record, or none can follow.
    Complete,
    /// [`Limits::lines_max`]; the rest is a record of its own.
    Lines,
    /// [`Limits::bytes_max`]; the rest is a record of its own.
    Bytes,
    /// [`Limits::held_bytes_max`]; the rest, if any, is a record of its own.
    Room,
    /// Nothing came for [`Limits::timeout`].
    Timeout,
    /// The file ended, or the process does.
    Flushed,
}

impl Ending {
    /// A limit cut the record, or may have.
    #[must_use]
    pub fn is_cut(self) -> bool {
        matches!(self, Ending::Lines | Ending::Bytes | Ending::Room)
    }
}

/// Joins the lines of all files; see the module's description.
#[derive(Debug, Clone)]
pub struct Joiner {
    rule: Rule,
    limits: Limits,
    /// Of each file at most one for each channel; no file without any.
    files: HashMap<u64, Vec<Held>>,
    /// Files that something held was carried from. It may have been given out since.
    carried: HashSet<u64>,
    held_bytes: usize,
    /// No record times out before some is held; not later than the first that does.
    due: Option<Instant>,
}

impl Joiner {
    #[must_use]
    pub fn new(rule: Rule, limits: Limits) -> Joiner {
        let (files, carried) = (HashMap::new(), HashSet::new());
        Joiner { rule, limits, files, carried, held_bytes: 0, due: None }
    }

    /// Whether whole lines stay records of their own.
    #[must_use]
    pub fn joins_pieces_only(&self) -> bool {
        matches!(self.rule, Rule::Pieces)
    }

    /// Takes a line of `file` and gives out what is complete by that. Usually that is one record or
    /// none: the one before, or the line itself if none can follow.
    pub fn push(
        &mut self,
        file: u64,
        line: &Line<'_>,
        now: Instant,
        mut on_record: impl FnMut(&Record<'_>),
    ) {
        let held = match self.files.is_empty() {
            true => None,
            false => self.files.get_mut(&file),
        };
        let held = held.and_then(|held| held.iter_mut().find(|it| it.channel == line.channel));
        let Some(held) = held else {
            let within = self.rule.begin(line.bytes);
            if within == Within::Alone && !line.is_cut {
                on_record(&line.alone(file));
            } else {
                self.hold(file, Held::begin(line, within, now));
                self.make_room(&mut on_record);
            }
            return;
        };
        self.held_bytes -= held.bytes.len();
        if let Some(ending) = held.take(line, &self.rule, &self.limits, now) {
            on_record(&held.record(file, ending));
            held.begin_again(line, self.rule.begin(line.bytes), now);
        }
        if held.within == Within::Alone && !held.is_cut {
            on_record(&held.record(file, Ending::Complete));
            self.forget(file, line.channel);
        } else {
            self.held_bytes += held.bytes.len();
            self.make_room(&mut on_record);
        }
    }

    /// What `from` ended within goes on at the beginning of `to`, of which nothing was pushed yet.
    /// A record keeps the file and offset at which it began. Where a file breaks off within a line
    /// that its writer puts down at once, nothing says that the rest is to come: channels for which
    /// `breaks_off` holds are such.
    pub fn carry(&mut self, from: u64, to: u64, breaks_off: impl Fn(u8) -> bool) {
        let Some(mut held) = self.files.remove(&from) else { return };
        let stays = held.extract_if(.., |held| held.is_cut && breaks_off(held.channel));
        let stays: Vec<Held> = stays.collect();
        if !stays.is_empty() {
            self.files.insert(from, stays);
        }
        if held.is_empty() {
            return;
        }
        for held in &mut held {
            held.before.push((from, held.offset));
            held.offset = 0;
        }
        self.files.entry(to).or_default().extend(held);
        self.carried.insert(from);
        let all = self.files.values().flatten().flat_map(|held| &held.before);
        let began_in: HashSet<u64> = all.map(|(file, _)| *file).collect();
        self.carried.retain(|file| began_in.contains(file));
    }

    /// The first byte of the file that is held; everything before was given out.
    #[must_use]
    pub fn held_from(&self, file: u64) -> Option<u64> {
        let own = self.files.get(&file).into_iter().flatten().map(|held| held.offset);
        if !self.carried.contains(&file) {
            return own.min();
        }
        let carried = self.files.values().flatten().flat_map(|held| &held.before);
        let carried = carried.filter(|(from, _)| *from == file).map(|(_, offset)| *offset);
        own.chain(carried).min()
    }

    /// Bytes of all records that are held.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// When [`Joiner::expire`] may have something to do.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Gives out the records to which nothing was added for [`Limits::timeout`], of the files that
    /// are quiet: while lines of a file wait to be read, none of its records is late.
    pub fn expire(
        &mut self,
        now: Instant,
        is_quiet: impl Fn(u64) -> bool,
        on_record: impl FnMut(&Record<'_>),
    ) {
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        let timeout = self.limits.timeout;
        let is_over = |file, held: &Held| now >= held.last_at + timeout && is_quiet(file);
        self.give_out(Ending::Timeout, is_over, on_record);
        self.due = self.files.values().flatten().map(|held| held.last_at + timeout).min();
    }

    /// Gives out what is held of a file: it has ended.
    pub fn flush(&mut self, file: u64, on_record: impl FnMut(&Record<'_>)) {
        if self.files.contains_key(&file) {
            self.give_out(Ending::Flushed, |it, _held| it == file, on_record);
        }
    }

    /// Gives out all that is held.
    pub fn flush_all(&mut self, on_record: impl FnMut(&Record<'_>)) {
        self.give_out(Ending::Flushed, |_file, _held| true, on_record);
    }

    fn hold(&mut self, file: u64, held: Held) {
        let due = held.last_at + self.limits.timeout;
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
        self.held_bytes += held.bytes.len();
        self.files.entry(file).or_default().push(held);
    }

    fn forget(&mut self, file: u64, channel: u8) {
        if let Some(held) = self.files.get_mut(&file) {
            held.retain(|it| it.channel != channel);
            if held.is_empty() {
                self.files.remove(&file);
            }
        }
    }

    /// Gives out the oldest until the limit is kept.
    fn make_room(&mut self, mut on_record: impl FnMut(&Record<'_>)) {
        while self.held_bytes > self.limits.held_bytes_max {
            let all = self.files.iter().flat_map(|(file, held)| held.iter().map(|it| (*file, it)));
            let oldest = all.min_by_key(|(file, it)| (it.first_at, *file, it.offset));
            let Some((file, Held { channel, .. })) = oldest else { break };
            let channel = *channel;
            let is_oldest = |it, held: &Held| (it, held.channel) == (file, channel);
            self.give_out(Ending::Room, is_oldest, &mut on_record);
        }
    }

    fn give_out(
        &mut self,
        ending: Ending,
        mut is_over: impl FnMut(u64, &Held) -> bool,
        mut on_record: impl FnMut(&Record<'_>),
    ) {
        self.files.retain(|file, held| {
            held.retain(|it| {
                let goes = is_over(*file, it);
                if goes {
                    self.held_bytes -= it.bytes.len();
                    on_record(&it.record(*file, ending));
                }
                !goes
            });
            !held.is_empty()
        });
    }
}

impl<'a> Line<'a> {
    fn alone(&self, file: u64) -> Record<'a> {
        Record {
            file,
            channel: self.channel,
            offset: self.offset,
            time: self.time,
            bytes: self.bytes,
            lines: 1,
            is_partial: self.is_cut,
            ending: Ending::Complete,
        }
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod traces;
