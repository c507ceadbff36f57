//! Where a new file begins.
//!
//! In: a path that matched, or that a matching file was renamed to. Out: a cursor. It takes up a
//! saved position if inode and content agree with it, or the position of the file that it is a copy
//! of; else it begins by the settings. In doubt it begins at the start: a line twice is better than
//! a line lost.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tracing::{debug, info, warn};

use super::punch::find_hole;
use super::{From, Hole, Tailer};
use crate::checkpoint::Entry;
use crate::copies;
use crate::cursor::{Cursor, State, Unsent, Writers};
use crate::framer::Encoding;
use crate::identity::{self, Inode, Look, Mark, Prefix};
use crate::last_lines;
use crate::roster::{FileId, Source};

/// A file born so shortly before the checkpoint was saved may be missing in it.
const BORN_MARGIN: Duration = Duration::from_secs(2);
/// Files remembered as ignored; above, they are counted again.
const IGNORED_MAX: usize = 10_000;

/// Where to begin a file that was not followed yet.
enum Start {
    Saved(Entry),
    /// The same, and a hole was made over the position since it was saved: data goes on there.
    Punched(Entry, u64),
    /// It has the inode of a saved one and other content.
    Replaced(Entry),
    /// A copy of a file that is gone or was truncated: what lies behind the saved position is news.
    CopyOfSaved(Entry),
    /// Perhaps a copy of a file that is followed.
    Suspect(FileId),
    Fresh,
}

impl Cursor {
    /// Starts at `offset`, behind a hole. If the hole reaches over the saved position, the line
    /// there can lack its beginning; until the rest of it is passed over, that position is the one
    /// to save, so that a restart knows as much.
    fn start_behind_hole(&mut self, offset: u64, saved: Mark) {
        // Before the position lies nothing that could tell a truncation.
        let before = self.file.as_ref().and_then(|file| Mark::read(file, offset).ok());
        let mark = before.unwrap_or(Mark { offset, len: 0, hash: 0 });
        let is_cut = offset > saved.offset;
        self.start_at(mark, if is_cut { saved } else { mark });
        self.skips_cut = is_cut;
    }
}

impl Tailer {
    /// Begins to follow the file at `path`, discovered under the name `discovered`.
    pub(super) fn adopt(
        &mut self,
        path: &Path,
        discovered: &Path,
        group: usize,
        now: Instant,
    ) -> Option<FileId> {
        if copies::is_compressed_name(path) {
            self.ignore_compressed(path);
            return None;
        }
        self.make_room();
        let file = match copies::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => {
                if self.stats.read_errors == 0 {
                    let file = path.display();
                    warn!(%file, %error, "Cannot open a file; trying again at each scan");
                }
                self.stats.read_errors += 1;
                return None;
            }
        };
        let look = identity::look(&file).ok().filter(|look| look.regular)?;
        if let Some(id) = self.roster.by_inode(&look.inode) {
            return Some(id);
        }
        *self.own_opens.entry(path.to_path_buf()).or_default() += 1;
        let id = self.insert(file, look, path, discovered, group, now)?;
        self.begin(id, now);
        self.follow_link(id, path);
        self.note_size(id, look.size, now);
        self.queue(id);
        if self.open_files > self.settings.open_files_max {
            self.park(id);
        }
        Some(id)
    }

    fn ignore_compressed(&mut self, path: &Path) {
        let Ok(look) = identity::look_at(path) else { return };
        if self.ignored.len() >= IGNORED_MAX {
            self.ignored.clear();
        }
        if self.ignored.insert((look.inode.dev, look.inode.ino)) {
            self.stats.compressed_ignored += 1;
            debug!(file = %path.display(), "Left a compressed file alone");
        }
    }

    /// Makes a cursor at the start of the file.
    pub(super) fn insert(
        &mut self,
        file: File,
        look: Look,
        path: &Path,
        discovered: &Path,
        group: usize,
        now: Instant,
    ) -> Option<FileId> {
        let prefix = Prefix::read(&file).ok()?;
        let source = Source::new(discovered.to_path_buf(), group, &look.inode, 0);
        let modified = SystemTime::UNIX_EPOCH + Duration::from_nanos(look.modified);
        let mut unsent = Unsent::default();
        unsent.on_size(look.size, 0, modified);
        let displaced = self.roster.by_path(path);
        let id = self.roster.insert(Cursor {
            source: Arc::new(source),
            inode: look.inode,
            prefix,
            encoding: Encoding::default(),
            generation: 0,
            state: State::Reading,
            file: Some(file),
            path: path.to_path_buf(),
            deleted: look.links == 0,
            read: Mark::START,
            acked: Mark::START,
            size: look.size,
            disk: look.disk,
            modified: look.modified,
            ends_at: None,
            scanned: 0,
            skips_nul: false,
            skips_cut: false,
            hole: Hole::Unknown,
            queued: false,
            scan: self.stats.rescans,
            grew: now,
            writers: if self.events_tell_all { Writers::default() } else { Writers::unknown() },
            unsent,
            suspect: None,
            inherits: None,
        });
        self.open_files += 1;
        self.changed = true;
        if let Some(displaced) = displaced {
            self.on_name_lost(displaced, now);
        }
        Some(id)
    }

    /// Decides where a file that was just inserted begins.
    fn begin(&mut self, id: FileId, now: Instant) {
        let Some(cursor) = self.roster.get(id) else { return };
        let (path, source) = (cursor.path.clone(), Arc::clone(&cursor.source));
        let start = self.find_start(id);
        let (first_scan, punches) = (self.first_scan, self.punches(source.group));
        let last_lines = match self.settings.from {
            From::Beginning => None,
            From::End => Some(0),
            From::LastLines(lines) => Some(lines),
        };
        let last_lines = last_lines.filter(|_| first_scan);
        let cursor = self.roster.get_mut(id).expect("it was just inserted");
        let resumed = match start {
            Start::Saved(entry) => {
                cursor.generation = entry.generation;
                cursor.start_at(entry.acked, entry.acked);
                let (file, offset) = (path.display(), entry.acked.offset);
                info!(%file, offset, "Going on at the saved position");
                Some((entry.path, entry.generation, entry.rotated))
            }
            Start::Punched(entry, data) => {
                cursor.generation = entry.generation;
                cursor.start_behind_hole(data, entry.acked);
                let (file, offset) = (path.display(), data);
                info!(%file, offset, "Going on behind the hole over the saved position");
                Some((entry.path, entry.generation, entry.rotated))
            }
            Start::Replaced(entry) => {
                cursor.generation = entry.generation;
                cursor.prefix = entry.prefix;
                cursor.start_at(entry.acked, entry.acked);
                cursor.size = entry.acked.offset;
                self.on_truncated(id, now);
                // If the new content has a hole, it was acknowledged up to there since then.
                let followed = self.roster.get_mut(id).filter(|it| punches && it.suspect.is_none());
                if let Some(cursor) = followed {
                    start_behind_own_hole(cursor);
                }
                None
            }
            Start::CopyOfSaved(entry) => {
                cursor.start_at(entry.acked, entry.acked);
                self.stats.copies_continued += 1;
                Some((entry.path, 0, true))
            }
            Start::Suspect(of) => {
                self.suspect(id, of, false, now);
                None
            }
            Start::Fresh => {
                if last_lines.is_none() && punches {
                    start_behind_own_hole(cursor);
                } else if let Some(lines) = last_lines
                    && let Some(file) = &cursor.file
                    && let Ok(start) = last_lines::start_of(file, cursor.size, lines)
                    && let Ok(mark) = Mark::read(file, start)
                {
                    cursor.start_at(mark, mark);
                }
                None
            }
        };
        let Some(cursor) = self.roster.get_mut(id) else { return };
        cursor.unsent.on_acked(cursor.acked.offset, cursor.size);
        if let Some((discovered, generation, rotated)) = resumed {
            cursor.source =
                Arc::new(Source::new(discovered, source.group, &cursor.inode, generation));
            cursor.encoding = first_encoding(cursor.file.as_ref());
            if rotated || self.is_rotated_path(id) {
                self.mark_rotated(id);
            }
        }
    }

    fn find_start(&mut self, id: FileId) -> Start {
        let Some(cursor) = self.roster.get(id) else { return Start::Fresh };
        let Some(file) = &cursor.file else { return Start::Fresh };
        let holds = |entry: &Entry| {
            entry.acked.offset <= cursor.size
                && entry.prefix.matches(file).unwrap_or(false)
                && entry.acked.matches(file).unwrap_or(false)
        };
        if let Some(index) = self.strays.iter().position(|it| it.inode.may_be(&cursor.inode)) {
            let same_device = self.strays[index].inode.dev == cursor.inode.dev;
            if self.punches(cursor.source.group)
                && let Some(data) = behind_punched(&self.strays[index], file, cursor.size)
            {
                return Start::Punched(self.strays.swap_remove(index), data);
            }
            let proven = self.strays[index].acked.offset > 0 && holds(&self.strays[index]);
            if proven || (same_device && holds(&self.strays[index])) {
                return Start::Saved(self.strays.swap_remove(index));
            }
            if same_device {
                return Start::Replaced(self.strays.swap_remove(index));
            }
        }
        let beside = |path: &Path| path.parent() == cursor.path.parent();
        let copied = self.strays.iter().find(|entry| {
            beside(&entry.path)
                && copies::is_rotated_name(&cursor.path, &entry.path)
                && copies::is_copy(file, entry.prefix, entry.acked)
                && !is_intact(entry)
        });
        if let Some(entry) = copied {
            return Start::CopyOfSaved(entry.clone());
        }
        if self.first_scan {
            return Start::Fresh;
        }
        self.original_of(&cursor.path).map_or(Start::Fresh, Start::Suspect)
    }

    /// Watches where a symbolic link leads to.
    fn follow_link(&mut self, id: FileId, path: &Path) {
        let is_link = path.symlink_metadata().is_ok_and(|it| it.is_symlink());
        if is_link && let Ok(target) = path.canonicalize() {
            if let Some(directory) = target.parent() {
                self.watch.add(directory);
            }
            self.roster.lead(&target, id);
        }
    }

    /// Looks for files that were rotated while nobody followed: those with a saved position under a
    /// new name, and those that came and went in between.
    pub(super) fn recover_strays(&mut self, now: Instant) {
        if self.loaded_at == 0 {
            return;
        }
        let mut unmatched = Vec::new();
        let globs = &self.settings.globs;
        globs.walk(None, &mut |_| {}, &mut |path| {
            if globs.group_of(path).is_none() && !copies::is_compressed_name(path) {
                unmatched.push(path.to_path_buf());
            }
        });
        for path in unmatched {
            let Ok(look) = identity::look_at(&path) else { continue };
            if !look.regular || self.roster.by_inode(&look.inode).is_some() {
                continue;
            }
            let stray = self.strays.iter().find(|it| it.inode.may_be(&look.inode));
            let discovered = match stray {
                Some(entry) => Some(entry.path.clone()),
                None if self.is_newborn(&look.inode) => self.name_before_rotation(&path),
                None => None,
            };
            if let Some(discovered) = discovered
                && let Some(group) = self.globs_group(&discovered)
                && let Some(id) = self.adopt(&path, &discovered, group, now)
            {
                self.mark_rotated(id);
            }
        }
    }

    /// Files of which something was not acknowledged, and that are nowhere to be found.
    pub(super) fn count_lost_strays(&mut self) {
        let is_lost = |it: &Entry| {
            it.acked.offset < it.size && it.last_path.parent().is_some_and(Path::is_dir)
        };
        for entry in self.strays.iter().filter(|it| is_lost(it)) {
            let bytes = entry.size - entry.acked.offset;
            self.stats.unknown_losses += 1;
            self.stats.lost_bytes += bytes;
            warn!(file = %entry.last_path.display(), bytes, "A file is gone before it was shipped");
        }
        self.strays.retain(|it| !is_lost(it));
    }

    /// The inode was made after the checkpoint was saved, so it cannot have been read before.
    fn is_newborn(&self, inode: &Inode) -> bool {
        let saved = Duration::from_millis(self.loaded_at).saturating_sub(BORN_MARGIN);
        Duration::from_nanos(inode.born) >= saved
    }
}

/// Nothing has replaced the saved file, and it holds what was read of it.
fn is_intact(entry: &Entry) -> bool {
    let Ok(file) = copies::open(&entry.last_path) else { return false };
    identity::look(&file).is_ok_and(|look| look.inode == entry.inode)
        && entry.acked.matches(&file).unwrap_or(false)
}

/// Where to read on if the saved position, or what its mark covers, does not lie behind the hole:
/// what was punched had been acknowledged.
fn behind_punched(entry: &Entry, file: &File, size: u64) -> Option<u64> {
    let (_, data) = find_hole(file, size)?;
    let Mark { offset, len, .. } = entry.acked;
    // What was empty when it was saved has no fingerprint; its hole says enough.
    let is_known = entry.prefix.len > 0 || offset == 0;
    let is_same = is_known && entry.prefix.matches(file).unwrap_or(false);
    (data > offset - u64::from(len) && is_same && offset <= size).then_some(data.max(offset))
}

/// A hole that does not begin at the start was made by a run before this one, over what was
/// acknowledged.
pub(super) fn start_behind_own_hole(cursor: &mut Cursor) {
    let Some(file) = &cursor.file else { return };
    let size = identity::look(file).map_or(cursor.size, |look| look.size);
    if let Some((_, data)) = find_hole(file, size) {
        cursor.start_behind_hole(data, Mark::START);
    }
}

/// A resumed position lies behind the byte order mark, which tells the encoding.
fn first_encoding(file: Option<&File>) -> Encoding {
    let mut first = [0; 4];
    let filled = file.and_then(|file| identity::read_up_to(file, &mut first, 0).ok()).unwrap_or(0);
    Encoding::detect(&first[..filled]).0
}
