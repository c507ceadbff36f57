//! What needs time to be decided: rotated files, possible copies, last lines, scarce descriptors.

use std::time::{Duration, Instant};

use super::Tailer;
use super::beginning::start_behind_own_hole;
use super::punch::find_hole;
use super::reading::partial_is_due;
use crate::copies;
use crate::cursor::{Cursor, Event, State};
use crate::identity::{self, MARK_BYTES_MAX, Mark};
use crate::roster::FileId;

/// A possible copy that has not grown for so long is as long as it will be.
const COPY_QUIET: Duration = Duration::from_secs(1);
/// Bytes at the start that tell most files from each other at once.
const BEGINNING_BYTES: u64 = 256;

impl Tailer {
    pub(super) fn poll_draining(&mut self, now: Instant) {
        for id in self.draining.clone() {
            self.look_again(id, now);
            let Some(cursor) = self.roster.get_mut(id) else { continue };
            let quiet = match cursor.deleted {
                true => self.settings.deleted_quiet,
                false => self.settings.renamed_quiet,
            };
            if cursor.is_finished(now, quiet) {
                cursor.state = cursor.state.step(Event::Finished);
                let deleted = cursor.deleted;
                self.close_file(id);
                if deleted {
                    self.forget(id);
                }
            } else if partial_is_due(cursor, now, &self.settings)
                && cursor.read.offset < cursor.size
            {
                self.queue(id);
            }
        }
        let roster = &self.roster;
        self.draining.retain(|id| roster.get(*id).is_some_and(|it| it.state == State::Draining));
    }

    /// There is something to read again, or to decide, in a file that may have been done with.
    pub(super) fn on_refilled(&mut self, id: FileId) {
        let Some(cursor) = self.roster.get_mut(id) else { return };
        let was_done = cursor.state == State::Done;
        cursor.state = cursor.state.step(Event::Grew);
        if was_done && !self.draining.contains(&id) {
            self.draining.push(id);
        }
    }

    pub(super) fn queue_due_partials(&mut self, now: Instant) {
        if self.settings.partial_timeout.is_none() {
            return;
        }
        for id in self.held_partials() {
            let cursor = self.roster.get(id).expect("the id was just listed");
            if partial_is_due(cursor, now, &self.settings) {
                self.queue(id);
            }
        }
    }

    /// Decides which files that may be copies are.
    pub(super) fn settle_suspects(&mut self, now: Instant) {
        for id in std::mem::take(&mut self.suspects) {
            let Some(cursor) = self.roster.get_mut(id) else { continue };
            let Some(suspect) = &mut cursor.suspect else { continue };
            if cursor.size != suspect.size {
                (suspect.size, suspect.grew) = (cursor.size, now);
            }
            let suspect = *suspect;
            let cursor = self.roster.get(id).expect("it was just there");
            let original = self.roster.get(suspect.of);
            let original = original.filter(|it| it.generation == suspect.generation);
            let rests = now.duration_since(suspect.grew) >= COPY_QUIET;
            let start = match original {
                Some(original) => {
                    let punches = self.punches(original.source.group);
                    start_of_copy(cursor, original, rests, punches)
                }
                None => Some(Mark::START),
            };
            match start {
                Some(mark) => self.start_suspect(id, mark),
                None => self.suspects.push(id),
            }
        }
    }

    /// It is decided where this one begins.
    pub(super) fn start_suspect(&mut self, id: FileId, mark: Mark) {
        let punches = self.roster.get(id).is_some_and(|it| self.punches(it.source.group));
        let Some(cursor) = self.roster.get_mut(id) else { return };
        cursor.start_at(mark, mark);
        if mark == Mark::START && punches {
            start_behind_own_hole(cursor);
        }
        self.queue(id);
    }

    /// Opens the file unless it is; says whether it is now.
    pub(super) fn ensure_open(&mut self, id: FileId, now: Instant) -> bool {
        let Some(cursor) = self.roster.get(id) else { return false };
        if cursor.file.is_some() {
            return true;
        }
        let (path, inode) = (cursor.path.clone(), cursor.inode);
        self.make_room();
        let opened = copies::open(&path).and_then(|file| Ok((identity::look(&file)?, file)));
        match opened {
            Ok((look, file)) if look.inode == inode => {
                *self.own_opens.entry(path).or_default() += 1;
                self.open_files += 1;
                let cursor = self.roster.get_mut(id).expect("it was just there");
                cursor.file = Some(file);
                cursor.state = cursor.state.step(Event::Opened);
                true
            }
            _ => {
                self.on_name_lost(id, now);
                false
            }
        }
    }

    /// Closes files while too many are open: those read to their end first, the quietest before
    /// others, then those whose turn is far. A deleted file cannot be opened again and stays.
    pub(super) fn make_room(&mut self) {
        if self.open_files < self.settings.open_files_max {
            return;
        }
        let can_rest = |it: &Cursor| it.file.is_some() && !it.deleted && it.suspect.is_none();
        let open = self.roster.iter().filter(|(_, it)| can_rest(it));
        let mut open: Vec<(bool, Instant, FileId)> =
            open.map(|(id, it)| (it.queued, it.grew, id)).collect();
        open.sort_unstable();
        open.truncate(self.settings.open_files_max.div_ceil(4));
        for (_, _, id) in open {
            self.park(id);
        }
    }

    /// Gives the descriptor of a file back; it is opened again when it is its turn.
    pub(super) fn park(&mut self, id: FileId) {
        self.close_file(id);
        if let Some(cursor) = self.roster.get_mut(id) {
            cursor.state = cursor.state.step(Event::Parked);
        }
    }
}

/// Where to begin a file that may be a copy of `original`; `None` while that cannot be told. With
/// `punches`, holes in the original are made by this process, perhaps by another reader.
fn start_of_copy(copy: &Cursor, original: &Cursor, rests: bool, punches: bool) -> Option<Mark> {
    let (Some(file), Some(original_file)) = (&copy.file, &original.file) else {
        return Some(Mark::START);
    };
    let same_up_to = |offset: u64| {
        let mark = Mark::read(file, offset).ok()?;
        (Mark::read(original_file, offset).ok()? == mark).then_some(mark)
    };
    let (size, read) = (copy.size, original.read.offset);
    if size == 0 {
        return rests.then_some(Mark::START);
    }
    if original.size == 0 {
        return Some(Mark::START);
    }
    // Whether or not that was read: a line that never ends there must not hold this file back.
    let verdict = if same_up_to(size.min(BEGINNING_BYTES).min(original.size)).is_none() {
        Some(Mark::START)
    } else if size > read {
        // It holds more than was read of the original: wait until that is read, or truncated away.
        // If there is nothing more to read of it, it is no copy.
        let is_all = read == original.size;
        (same_up_to(read).is_none() || (rests && is_all)).then_some(Mark::START)
    } else {
        // Under a hole nothing can be compared any more; all of that was read.
        let others = find_hole(original_file, original.size).map_or(0, |(_start, end)| end);
        let hole_end = original.hole.end().max(if punches { others } else { 0 });
        let is_punched = hole_end > size.saturating_sub(MARK_BYTES_MAX as u64);
        let same = if is_punched { Mark::read(file, size).ok() } else { same_up_to(size) };
        match same {
            // All of it was read from the original: a backup, or a copy made at rest.
            Some(mark) => rests.then_some(mark),
            None => Some(Mark::START),
        }
    };
    // If the original is truncated by now, nothing was compared; once that is noticed it is clear
    // what the copy was made of.
    let is_intact = original.prefix.matches(original_file).unwrap_or(false)
        && original.read.matches(original_file).unwrap_or(false);
    verdict.filter(|_| is_intact)
}
