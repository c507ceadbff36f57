//! Files that lay under one name, one after the other.
//!
//! What a log held before it was rotated comes before what it holds since: while a rotated file has
//! something to read, the next one waits. It waits for what was there when it was first seen to
//! hold something: by then its writer has left the old file. One that writes to the old file for
//! ever is read all the same, and holds up nobody.

use std::path::Path;
use std::time::Instant;

use super::Tailer;
use crate::copies;
use crate::cursor::Cursor;
use crate::identity;
use crate::roster::FileId;

impl Cursor {
    fn age(&self, id: FileId) -> (u64, u64, FileId) {
        (self.inode.born, self.modified, id)
    }

    /// Whether it is a rotated file and `later` has its name since. Birth times tell, except of
    /// what was truncated: its copies are younger, and hold what was before. Files of one tick of
    /// the clock have one birth time; events tell of them in their order.
    fn precedes(&self, id: FileId, later: &Cursor, later_id: FileId) -> bool {
        let is_last = later.generation > 0 || later.inode.born == 0;
        self.state.is_rotated()
            && self.source.path == later.source.path
            && id != later_id
            && (is_last && !later.state.is_rotated() || self.age(id) < later.age(later_id))
    }

    /// Nothing was read of it, nor of what it held before.
    fn is_untouched(&self) -> bool {
        self.generation == 0 && self.read.offset == 0
    }

    /// Something is to be read that its successors wait for.
    fn is_waited_for(&self) -> bool {
        self.queued && self.ends_at.is_some_and(|end| self.read.offset < end)
    }
}

impl Tailer {
    /// The file whose end this one begins behind ([`crate::Source::file_id`]): it had the name
    /// before, and was read to its end. None once something was read of this one, or if it was
    /// truncated since.
    #[must_use]
    pub fn continues(&self, id: FileId) -> Option<u64> {
        let cursor = self.roster.get(id).filter(|it| it.is_untouched())?;
        let older = self.older_than(id, cursor).filter(|(_, it)| it.size > 0);
        let (_, before) = older.max_by_key(|(id, it)| it.age(*id))?;
        let is_read = before.suspect.is_none() && before.is_at_end();
        is_read.then_some(before.source.file_id)
    }

    /// Whether there is something to read in a file that will go on from this one's end.
    pub(super) fn has_ready_successor(&self, id: FileId) -> bool {
        let Some(rotated) = self.roster.get(id).filter(|it| it.state.is_rotated()) else {
            return false;
        };
        let ready = self.ready.iter().filter_map(|id| Some((*id, self.roster.get(*id)?)));
        let mut at_start = ready.filter(|(_, it)| it.queued && it.is_untouched());
        at_start.any(|(later, it)| rotated.precedes(id, it, later))
    }

    /// The file that has its turn before this one.
    pub(super) fn owed_before(&self, id: FileId) -> Option<FileId> {
        let cursor = self.roster.get(id)?;
        let waited_for = self.waited_for.iter().filter_map(|id| Some((*id, self.roster.get(*id)?)));
        let older =
            waited_for.filter(|(older, it)| it.is_waited_for() && it.precedes(*older, cursor, id));
        older.min_by_key(|(id, it)| it.age(*id)).map(|(id, _)| id)
    }

    /// Lets those go on that wait for nothing any more.
    pub(super) fn end_waiting(&mut self) {
        let roster = &self.roster;
        self.waited_for.retain(|id| roster.get(*id).is_some_and(Cursor::is_waited_for));
    }

    /// Something was found at the start of a file. Whether it has to wait, by a look at those
    /// before.
    pub(super) fn waits_for_older(&mut self, id: FileId, now: Instant) -> bool {
        let Some(cursor) = self.roster.get(id) else { return false };
        let (name, generation) = (cursor.source.path.clone(), cursor.generation);
        let known = self.roster.len();
        if generation == 0 && !self.open_before(id).is_empty() {
            // Events of what came and went in between may be still to come.
            for sibling in copies::siblings(&name) {
                self.visit_sibling(&sibling.path, now);
            }
            self.on_name_lost(id, now);
            self.settle_suspects(now);
        }
        for id in self.open_before(id) {
            self.look_again(id, now);
            if let Some(cursor) = self.roster.get_mut(id).filter(|it| it.suspect.is_none()) {
                cursor.ends_at = Some(cursor.size);
                self.waited_for.push(id);
            }
        }
        // What this one continues is not what it was if there are new ones in between.
        let is_same = self.roster.get(id).is_some_and(|it| it.generation == generation);
        !is_same || self.roster.len() > known || self.owed_before(id).is_some()
    }

    fn visit_sibling(&mut self, path: &Path, now: Instant) {
        let look = identity::look_at(path);
        let is_known = look.is_ok_and(|look| self.roster.by_inode(&look.inode).is_some());
        if is_known || self.globs_group(path).is_some() {
            self.visit(path, now);
        } else {
            self.visit_stranger(path, now);
        }
    }

    /// Those before, of which no successor was seen to hold something.
    fn open_before(&self, id: FileId) -> Vec<FileId> {
        let Some(cursor) = self.roster.get(id) else { return Vec::new() };
        let open = self.older_than(id, cursor).filter(|(_, it)| it.ends_at.is_none());
        open.map(|(id, _)| id).collect()
    }

    fn older_than<'a>(
        &'a self,
        id: FileId,
        cursor: &'a Cursor,
    ) -> impl Iterator<Item = (FileId, &'a Cursor)> + 'a {
        let rotated = self.draining.iter().filter_map(|id| Some((*id, self.roster.get(*id)?)));
        rotated.filter(move |(other, it)| it.precedes(*other, cursor, id))
    }
}
