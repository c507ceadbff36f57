//! A file no longer holds what was read of it.
//!
//! A new generation begins at its start. What was not read may still be there: copytruncate leaves
//! a copy beside the file, often over the last copy. The copy is known by its content and read on
//! from where the original ended. Where there is none, the loss is counted; nobody can say how much
//! it is, only what was seen of it.
//!
//! A copy is made over a file that holds something, or over one that is empty, because the log was
//! when it was copied last; both are suspects until their content says what they are.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tracing::{debug, warn};

use super::Tailer;
use crate::copies;
use crate::cursor::Suspect;
use crate::identity::{self, Look, Mark, Prefix};
use crate::roster::{FileId, Source};

/// A fingerprint shorter than this does not prove a copy whose end cannot be compared any more.
const PROOF_BYTES_MIN: u16 = 256;

/// What was known of a file before it was truncated.
struct Former {
    id: FileId,
    generation: u32,
    path: PathBuf,
    source: Arc<Source>,
    prefix: Prefix,
    read: Mark,
    acked: Mark,
    size: u64,
}

/// The end of a copy, if it lies before `read`: the original grew, and was read, while it was
/// copied. `prefix` and `known` are of what had been read when the copy was first seen.
fn end_of_short_copy(file: &File, prefix: Prefix, known: Mark, read: Mark) -> Option<Mark> {
    let size = identity::look(file).ok()?.size;
    let proof = if known.offset <= size { known } else { Mark::START };
    // All files that begin with a hole begin alike.
    let mut first = [0];
    let is_copy = size < read.offset
        && prefix.len >= PROOF_BYTES_MIN
        && copies::is_copy(file, prefix, proof)
        && file.read_at(&mut first, 0).is_ok()
        && first != [0];
    if is_copy { Mark::read(file, size).ok() } else { None }
}

impl Tailer {
    pub(super) fn on_truncated(&mut self, id: FileId, now: Instant) {
        let Some(former) = self.begin_again(id, now) else { return };
        self.stats.truncations += 1;
        let (file, read) = (former.path.display(), former.read.offset);
        debug!(%file, read, size = former.size, "A file was truncated");
        let unread = former.size.saturating_sub(read);
        let copied = self.continue_in_copy(&former, now);
        let is_short = copied.is_some_and(|end| end.offset < read);
        if copied.is_some() {
            self.stats.copies_continued += 1;
            // What came after the copy was made is not in it, read or not.
            self.stats.unknown_losses += u64::from(is_short);
            self.queue(id);
        } else if let Some(of) = self.original_of(&former.path).filter(|of| *of != id) {
            // The next copy is made over the last one.
            self.suspect(id, of, false, now);
        } else {
            self.queue(id);
            self.stats.unknown_losses += u64::from(unread > 0 || read > 0);
        }
        if unread > 0 && (copied.is_none() || is_short) {
            self.stats.lost_bytes += unread;
            warn!(%file, bytes = unread, "A file was truncated before it was read to its end");
        }
    }

    /// Sets the cursor to the start of what the file holds now.
    fn begin_again(&mut self, id: FileId, now: Instant) -> Option<Former> {
        let cursor = self.roster.get_mut(id)?;
        let former = Former {
            id,
            generation: cursor.generation,
            path: cursor.path.clone(),
            source: Arc::clone(&cursor.source),
            prefix: cursor.prefix,
            read: cursor.read,
            acked: cursor.acked,
            size: cursor.size,
        };
        let file = cursor.file.as_ref();
        let prefix = file.and_then(|file| Prefix::read(file).ok()).unwrap_or_default();
        let size = file.and_then(|file| identity::look(file).ok()).map_or(0, |look| look.size);
        cursor.on_truncated(prefix);
        let (path, group) = (former.source.path.clone(), former.source.group);
        cursor.source = Arc::new(Source::new(path, group, &cursor.inode, cursor.generation));
        cursor.on_size(size, now, SystemTime::now());
        cursor.grew = now;
        self.last_growth = now;
        self.changed = true;
        Some(former)
    }

    /// Where a copy is, or was, read on; one that ends before the position lacks what was not read.
    fn continue_in_copy(&mut self, former: &Former, now: Instant) -> Option<Mark> {
        // Suspects are open already, wherever they lie now.
        let suspects = self.suspects.iter().copied();
        let waiting = suspects.filter_map(|id| Some((id, self.end_in_suspect(id, former)?))).next();
        let copy = waiting.or_else(|| self.find_copy(former, now));
        let (copy, read) = copy?;
        self.suspects.retain(|it| *it != copy);
        if let Some(cursor) = self.roster.get_mut(copy)
            && cursor.read == Mark::START
        {
            let acked = if former.acked.offset < read.offset { former.acked } else { read };
            cursor.start_at(read, acked);
            cursor.inherits = Some((former.id, former.generation));
            self.mark_rotated(copy);
            self.queue(copy);
        }
        Some(read)
    }

    /// Where to read on in a suspect, if it is a copy of what was truncated.
    fn end_in_suspect(&self, id: FileId, former: &Former) -> Option<Mark> {
        let cursor = self.roster.get(id)?;
        let (suspect, file) = (cursor.suspect?, cursor.file.as_ref()?);
        if suspect.of != former.id {
            return None;
        }
        if copies::is_copy(file, former.prefix, former.read) {
            return Some(former.read);
        }
        if suspect.generation != former.generation {
            return None;
        }
        end_of_short_copy(file, suspect.prefix, suspect.read, former.read)
    }

    /// Looks for a copy that nobody has noticed.
    fn find_copy(&mut self, former: &Former, now: Instant) -> Option<(FileId, Mark)> {
        let Former { prefix, read, source, .. } = former;
        let whole = copies::find_copy(&source.path, *prefix, *read);
        let whole = whole.map(|(path, file)| (path, file, *read));
        let (path, file, end) = whole.or_else(|| self.find_short_copy(former))?;
        let look = identity::look(&file).ok()?;
        let Some(known) = self.roster.by_inode(&look.inode) else {
            let id = self.insert(file, look, &path, &source.path, source.group, now)?;
            return Some((id, end));
        };
        let cursor = self.roster.get(known)?;
        let stands = cursor.size > 0
            && cursor.prefix.matches(&file).unwrap_or(true)
            && cursor.read.matches(&file).unwrap_or(true);
        let is_own = cursor.suspect.is_none() && self.globs_group(&cursor.path).is_some();
        if stands && is_own {
            // It is followed under a name of its own, from its own beginning.
            return None;
        }
        if !stands {
            // It was made over an older copy, perhaps an empty one.
            self.begin_again(known, now);
        }
        Some((known, end))
    }

    /// The same, of one that ends before the position.
    fn find_short_copy(&self, former: &Former) -> Option<(PathBuf, File, Mark)> {
        copies::siblings(&former.source.path).into_iter().find_map(|sibling| {
            let file = copies::open(&sibling.path).ok()?;
            identity::look(&file).ok().filter(|look| self.is_unnoticed(look))?;
            let end = end_of_short_copy(&file, former.prefix, former.read, former.read)?;
            Some((sibling.path, file, end))
        })
    }

    /// Made since the last scan began, and not followed.
    pub(super) fn is_unnoticed(&self, look: &Look) -> bool {
        let is_new = Duration::from_nanos(look.inode.born) >= self.scanned_at;
        is_new && look.regular && self.roster.by_inode(&look.inode).is_none()
    }

    /// The file that is written under the name of which `path` is a rotated form.
    pub(super) fn original_of(&self, path: &Path) -> Option<FileId> {
        let id = self.roster.by_path(&self.name_before_rotation(path)?)?;
        self.roster.get(id).is_some_and(|it| !it.state.is_rotated()).then_some(id)
    }

    /// The name that matches, if rotation has put something behind it.
    pub(super) fn name_before_rotation(&self, path: &Path) -> Option<PathBuf> {
        copies::names_before_rotation(path).find(|name| self.globs_group(name).is_some())
    }

    /// Reads nothing of `id` until it is clear whether it is a copy of `of`.
    pub(super) fn suspect(&mut self, id: FileId, of: FileId, was_empty: bool, now: Instant) {
        let Some(original) = self.roster.get(of) else { return };
        let (generation, prefix, read) = (original.generation, original.prefix, original.read);
        let Some(cursor) = self.roster.get_mut(id) else { return };
        let size = cursor.size;
        cursor.suspect = Some(Suspect { of, generation, prefix, read, size, grew: now, was_empty });
        cursor.queued = false;
        if !self.suspects.contains(&id) {
            self.suspects.push(id);
        }
        self.on_refilled(id);
        self.poll_at = now;
    }

    /// A file that had the name `from` is no copy of what has that name now.
    pub(super) fn acquit(&mut self, id: FileId, from: &Path) {
        let suspect = self.roster.get(id).and_then(|it| it.suspect);
        let of = suspect.and_then(|suspect| self.roster.get(suspect.of));
        if of.is_some_and(|of| of.source.path == from) {
            self.suspects.retain(|it| *it != id);
            self.start_suspect(id, Mark::START);
        }
    }

    /// A file that was empty holds `size` bytes now. If the copy of an empty log lies there, the
    /// next one may be made over it, which is no truncation. Says whether it is a suspect now.
    pub(super) fn suspect_refilled(&mut self, id: FileId, size: u64, now: Instant) -> bool {
        let Some(cursor) = self.roster.get(id) else { return false };
        let was_empty = cursor.size == 0 && cursor.read == Mark::START;
        if size == 0 || !was_empty || cursor.suspect.is_some() {
            return false;
        }
        let Some(of) = self.original_of(&cursor.path).filter(|of| *of != id) else { return false };
        if !self.ensure_open(id, now) {
            return false;
        }
        if let Some(cursor) = self.roster.get_mut(id) {
            cursor.on_size(size, now, SystemTime::now());
        }
        self.last_growth = now;
        self.suspect(id, of, true, now);
        true
    }
}
