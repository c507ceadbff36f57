//! From paths and events to cursors.
//!
//! Every path that may matter is looked at; its inode says whether it is a file that is followed
//! already, perhaps under another name, or a new one, which `beginning` takes in. Events are hints:
//! the same functions serve them and the periodic rescan, which goes over everything.

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use tracing::debug;

use super::{STRAY_AGE_MAX, STRAYS_MAX, Tailer, since_1970};
use crate::copies;
use crate::cursor::{Event, State};
use crate::identity::{self, Look};
use crate::roster::FileId;
use crate::watch::{Change, Changes, take_own};

impl Tailer {
    pub(super) fn apply(&mut self, changes: Changes, now: Instant) {
        // Under which name a file that was renamed in this very batch was discovered.
        let mut origins: Vec<(PathBuf, PathBuf)> = Vec::new();
        for change in changes.ordered {
            match change {
                Change::Appeared(path) => self.on_appeared(&path, now),
                Change::Renamed { from, to } => self.on_renamed(&from, &to, &mut origins, now),
                Change::Vanished(path) => self.on_vanished(&path, now),
                Change::Opened(path) => self.on_opened(&path),
                Change::Closed(path) => self.on_closed(&path, now),
            }
        }
        for path in changes.written {
            self.on_written(&path, now);
        }
    }

    fn on_appeared(&mut self, path: &Path, now: Instant) {
        if path.is_dir() {
            self.watch.remove(path);
            self.walk(Some(path), now);
        } else {
            self.visit(path, now);
            self.visit_copy(path, now);
        }
    }

    /// A new file under a rotated form of a name that is followed: a copy is being made, and what
    /// it is a copy of will be truncated.
    fn visit_copy(&mut self, path: &Path, now: Instant) {
        if self.globs_group(path).is_some() {
            return;
        }
        let Some(of) = self.original_of(path).and_then(|id| self.roster.get(id)) else { return };
        let source = std::sync::Arc::clone(&of.source);
        let is_new = |look: &Look| look.regular && self.roster.by_inode(&look.inode).is_none();
        if identity::look_at(path).is_ok_and(|look| is_new(&look))
            && let Some(id) = self.adopt(path, &source.path, source.group, now)
        {
            self.mark_rotated(id);
        }
    }

    fn on_renamed(
        &mut self,
        from: &Path,
        to: &Path,
        origins: &mut Vec<(PathBuf, PathBuf)>,
        now: Instant,
    ) {
        if to.is_dir() {
            self.watch.remove(from);
            self.rescan_at = now;
            return self.on_appeared(to, now);
        }
        let Ok(look) = identity::look_at(to) else { return };
        let discovered = origins.iter().find(|(path, _)| path == from).map(|(_, it)| it.clone());
        let discovered = discovered.unwrap_or_else(|| from.to_path_buf());
        let known = self.roster.by_inode(&look.inode);
        let known =
            known.filter(|id| self.roster.get(*id).is_some_and(|it| it.inode == look.inode));
        if let Some(id) = known {
            if self.roster.by_path(from) == Some(id) {
                self.roster.unlead(from);
            }
            self.acquit(id, &discovered);
            self.move_to(id, to, now);
            self.note_look(id, look, now);
        } else if let Some(group) = self.globs_group(&discovered) {
            // It was renamed before it could be opened under its name.
            if let Some(id) = self.adopt(to, &discovered, group, now) {
                self.acquit(id, &discovered);
                if self.is_rotated_path(id) {
                    self.mark_rotated(id);
                }
            }
        } else {
            self.visit(to, now);
        }
        origins.push((to.to_path_buf(), discovered));
    }

    /// The file `id` lies at `path` now.
    fn move_to(&mut self, id: FileId, path: &Path, now: Instant) {
        if let Some(displaced) = self.roster.lead(path, id) {
            self.on_name_lost(displaced, now);
        }
        let Some(cursor) = self.roster.get_mut(id) else { return };
        let before = std::mem::replace(&mut cursor.path, path.to_path_buf());
        if self.roster.by_path(&before) == Some(id) && before != path {
            self.roster.unlead(&before);
        }
        self.changed = true;
        if self.is_rotated_path(id) {
            self.mark_rotated(id);
            self.queue(id);
        } else if let Some(cursor) = self.roster.get_mut(id) {
            cursor.state = cursor.state.step(Event::CameBack);
        }
    }

    /// The path of the file is one that rotation gives, not one under which it would be written.
    pub(super) fn is_rotated_path(&self, id: FileId) -> bool {
        let Some(cursor) = self.roster.get(id) else { return false };
        self.globs_group(&cursor.path).is_none()
            || copies::is_rotated_name(&cursor.path, &cursor.source.path)
    }

    pub(super) fn mark_rotated(&mut self, id: FileId) {
        let Some(cursor) = self.roster.get_mut(id) else { return };
        if !cursor.state.is_rotated() {
            cursor.state = cursor.state.step(Event::RotatedAway);
            cursor.ends_at = None;
            self.stats.rotations += 1;
            self.changed = true;
            self.draining.push(id);
            let (file, now) = (cursor.source.path.display(), cursor.path.display());
            debug!(%file, %now, "A file was rotated");
        }
    }

    fn on_vanished(&mut self, path: &Path, now: Instant) {
        let was_directory = self.watch.remove(path);
        match self.roster.unlead(path) {
            Some(id) => self.on_name_lost(id, now),
            // It may have gone with all that was in it, and may come back.
            None if was_directory => self.rescan_at = now,
            None => {}
        }
    }

    /// Its path leads to another file, or nowhere.
    pub(super) fn on_name_lost(&mut self, id: FileId, now: Instant) {
        let Some(cursor) = self.roster.get_mut(id) else { return };
        if identity::look_at(&cursor.path).is_ok_and(|look| look.inode == cursor.inode) {
            // Only another name of it is gone.
            return;
        }
        let Some(file) = &cursor.file else { return self.on_name_of_closed_lost(id, now) };
        let look = identity::look(file);
        cursor.deleted = look.as_ref().is_ok_and(|look| look.links == 0);
        if !cursor.deleted
            && let Some(path) = path_of(file)
        {
            cursor.path = path;
        }
        let (path, deleted) = (cursor.path.clone(), cursor.deleted);
        if !deleted {
            self.roster.lead(&path, id);
        }
        if deleted || self.is_rotated_path(id) {
            self.mark_rotated(id);
        }
        if let Ok(look) = look {
            self.note_size(id, look.size, now);
        }
        self.queue(id);
    }

    fn on_name_of_closed_lost(&mut self, id: FileId, now: Instant) {
        let Some(cursor) = self.roster.get(id) else { return };
        match copies::find_inode(&cursor.source.path, &cursor.inode) {
            Some(path) => self.move_to(id, &path, now),
            None => {
                if let Some(cursor) = self.forget(id) {
                    self.stats.lost_bytes += cursor.size.saturating_sub(cursor.read.offset);
                }
            }
        }
    }

    fn on_opened(&mut self, path: &Path) {
        if take_own(&mut self.own_opens, path) {
            return;
        }
        if let Some(cursor) = self.roster.by_path(path).and_then(|id| self.roster.get_mut(id)) {
            cursor.writers.on_opened();
        }
    }

    fn on_closed(&mut self, path: &Path, now: Instant) {
        if take_own(&mut self.own_closes, path) {
            return;
        }
        let deleted = self.deleted_at(path);
        if let Some(id) = deleted.or_else(|| self.roster.by_path(path))
            && let Some(cursor) = self.roster.get_mut(id)
        {
            cursor.writers.on_closed();
            self.poll_at = self.poll_at.min(now);
        }
    }

    /// The file that lay at `path` until it was deleted, and that somebody still has open.
    fn deleted_at(&self, path: &Path) -> Option<FileId> {
        self.draining.iter().copied().find(|id| {
            self.roster
                .get(*id)
                .is_some_and(|it| it.deleted && it.path == path && !it.writers.are_gone())
        })
    }

    fn on_written(&mut self, path: &Path, now: Instant) {
        if let Some(id) = self.deleted_at(path) {
            self.look_again(id, now);
        }
        match self.roster.by_path(path) {
            Some(id) => self.look_again(id, now),
            None if self.globs_group(path).is_some() => self.visit(path, now),
            None => {}
        }
    }

    /// Looks at a file, held open or not.
    pub(super) fn look_again(&mut self, id: FileId, now: Instant) {
        let Some(cursor) = self.roster.get(id) else { return };
        let look = match &cursor.file {
            Some(file) => identity::look(file),
            None => identity::look_at(&cursor.path),
        };
        match look {
            Ok(look) if look.inode == cursor.inode => self.note_look(id, look, now),
            _ => self.on_name_lost(id, now),
        }
    }

    /// Takes note of what a look at the file gave.
    fn note_look(&mut self, id: FileId, look: Look, now: Instant) {
        let Some(cursor) = self.roster.get_mut(id) else { return };
        cursor.deleted = look.links == 0;
        cursor.disk = look.disk;
        if std::mem::replace(&mut cursor.modified, look.modified) != look.modified {
            self.check_content(id, now);
        }
        self.note_size(id, look.size, now);
    }

    /// Is it still the content that was read? A smaller size alone is not believed: some file
    /// systems show stale ones. An equal or larger one proves nothing either.
    fn check_content(&mut self, id: FileId, now: Instant) {
        if !self.ensure_open(id, now) {
            return;
        }
        let Some(cursor) = self.roster.get_mut(id) else { return };
        let Some(file) = &cursor.file else { return };
        // An error is reported by the next turn of reading.
        let stands = cursor.read.matches(file).unwrap_or(true);
        match cursor.prefix.grown(file) {
            Ok(Some(grown)) if stands => cursor.prefix = grown,
            Ok(_) => self.on_truncated(id, now),
            Err(_unreadable) => {}
        }
    }

    pub(super) fn rescan(&mut self, now: Instant) {
        self.stats.rescans += 1;
        let scan_began = since_1970(SystemTime::now());
        self.own_opens.clear();
        // Whoever wrote to what is found only now was not seen to open it.
        self.events_tell_all = false;
        self.walk(None, now);
        self.events_tell_all = self.watch.is_complete();
        if self.first_scan {
            self.recover_strays(now);
            self.count_lost_strays();
            self.first_scan = false;
        }
        for id in self.roster.ids() {
            let was_visited = self.roster.get(id).is_none_or(|it| it.scan == self.stats.rescans);
            if !was_visited {
                self.check_name(id, now);
            }
        }
        self.scanned_at = scan_began;
        self.roster.forget_stale_paths();
        let oldest = since_1970(SystemTime::now()).saturating_sub(STRAY_AGE_MAX).as_secs();
        self.strays.retain(|entry| entry.seen >= oldest);
        self.strays.truncate(STRAYS_MAX);
    }

    fn walk(&mut self, within: Option<&Path>, now: Instant) {
        let globs = std::mem::take(&mut self.settings.globs);
        let (mut found, mut strangers) = (Vec::new(), Vec::new());
        let (watch, roster) = (&mut self.watch, &self.roster);
        globs.walk(within, &mut |directory| watch.add(directory), &mut |path| {
            let is_ours = globs.group_of(path).is_some() || roster.by_path(path).is_some();
            if is_ours {
                found.push(path.to_path_buf())
            } else {
                strangers.push(path.to_path_buf())
            }
        });
        self.settings.globs = globs;
        for path in found {
            self.visit(&path, now);
        }
        for path in strangers {
            self.visit_stranger(&path, now);
        }
    }

    /// A path that does not match: a file that was made and rotated since the last look.
    pub(super) fn visit_stranger(&mut self, path: &Path, now: Instant) {
        if self.first_scan || copies::is_compressed_name(path) {
            return;
        }
        let Some(name) = self.name_before_rotation(path) else { return };
        let (Ok(look), Some(group)) = (identity::look_at(path), self.globs_group(&name)) else {
            return;
        };
        if self.is_unnoticed(&look)
            && let Some(id) = self.adopt(path, &name, group, now)
        {
            self.mark_rotated(id);
        }
    }

    /// Does the path of this file still lead to it?
    fn check_name(&mut self, id: FileId, now: Instant) {
        let Some(cursor) = self.roster.get(id) else { return };
        if cursor.deleted {
            return self.look_again(id, now);
        }
        match identity::look_at(&cursor.path) {
            Ok(look) if look.inode == cursor.inode => self.look_again(id, now),
            _ if cursor.state == State::Done => {
                self.forget(id);
            }
            _ => self.on_name_lost(id, now),
        }
    }

    pub(super) fn globs_group(&self, path: &Path) -> Option<usize> {
        self.settings.globs.group_of(path)
    }

    /// Looks at a path that matches, or that a known file had.
    pub(super) fn visit(&mut self, path: &Path, now: Instant) {
        let Ok(look) = identity::look_at(path) else { return };
        if !look.regular {
            return;
        }
        let Some(id) = self.roster.by_inode(&look.inode) else {
            if let Some(displaced) = self.roster.unlead(path) {
                self.on_name_lost(displaced, now);
            }
            if let Some(group) = self.globs_group(path) {
                self.adopt(path, path, group, now);
            }
            return;
        };
        let Some(cursor) = self.roster.get(id) else { return };
        if !cursor.inode.may_be(&look.inode) {
            // The inode was freed and used again while no descriptor held it.
            self.forget(id);
            return self.visit(path, now);
        }
        if cursor.path != path {
            let elsewhere = identity::look_at(&cursor.path).is_ok_and(|it| it.inode == look.inode);
            let is_better = |path: &Path| self.globs_group(path).is_some();
            if elsewhere && (is_better(&cursor.path) || !is_better(path)) {
                self.roster.lead(path, id);
            } else {
                self.move_to(id, path, now);
            }
        } else if let Some(displaced) = self.roster.lead(path, id) {
            self.on_name_lost(displaced, now);
        }
        if let Some(cursor) = self.roster.get_mut(id) {
            cursor.scan = self.stats.rescans;
            self.note_look(id, look, now);
        }
    }
}

/// Where an open file lies now, whoever moved it there.
fn path_of(file: &std::fs::File) -> Option<PathBuf> {
    use std::os::fd::AsRawFd;
    std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()
}
