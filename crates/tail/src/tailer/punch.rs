//! Room in a file that is still written: a hole behind the acknowledged position.
//!
//! In: how many acknowledged bytes a file may hold on disk. Out: whole blocks given back to the
//! file system while the file keeps its size and every later byte its offset, so nothing is lost as
//! long as its writer appends. What identity rests on stays: the block at the start, which the
//! fingerprint covers, and the bytes just before the position.
//!
//! A hole says by itself that everything in it was acknowledged. A run that finds one takes it for
//! the position of the last run where nothing better was saved, so punching need not wait for a
//! checkpoint. Truncating instead would race with the writer, and would lose lines.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, FallocateFlags, OFlags, SeekFrom};
use tracing::warn;

use super::{Reclaimed, Tailer};
use crate::copies;
use crate::cursor::{Cursor, State};
use crate::identity::{self, Inode, MARK_BYTES_MAX};
use crate::roster::FileId;

/// The smallest stretch that a hole is made of.
const BLOCK_BYTES_MIN: u64 = 4 << 10;

/// Which files get holes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Punching {
    /// Bytes on disk of one file, as long as its lines are acknowledged faster than they come. A
    /// hole is made once half of this lies acknowledged behind the last one. At least 32 KiB.
    pub bytes_max: u64,
    /// Those of [`crate::Globs::groups`] whose files get holes.
    pub groups: Vec<usize>,
}

impl Punching {
    /// Holes consist of whole blocks of the file system, but not of larger ones than this.
    fn block_bytes_max(&self) -> u64 {
        (self.bytes_max / 4).max(BLOCK_BYTES_MIN)
    }
}

/// What is known of a file's hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Hole {
    /// Whether this process may write to the file was not looked at yet.
    #[default]
    Unknown,
    /// Up to this offset; 0 if there is none.
    Until(u64),
    /// No right, or no such thing on this file system.
    Refused,
}

impl Hole {
    pub(crate) fn end(self) -> u64 {
        if let Hole::Until(end) = self { end } else { 0 }
    }
}

/// What one attempt did.
struct Punched {
    /// The end of the hole.
    end: u64,
    /// Bytes of disk that are free now.
    freed: u64,
    /// Those that the file still takes, if that was looked at.
    disk: Option<u64>,
}

impl Tailer {
    /// Makes holes where the settings ask for them and enough is acknowledged. Cheap when nothing
    /// is due: call it after acknowledging. Only `hole_bytes` and `refused` of the result are set.
    pub fn punch(&mut self) -> Reclaimed {
        let mut reclaimed = Reclaimed::default();
        for id in self.due_for_a_hole() {
            let was_unknown = self.roster.get(id).is_some_and(|it| it.hole == Hole::Unknown);
            if self.may_punch(id, &mut reclaimed) && !was_unknown {
                self.free_beginning(id, &mut reclaimed);
            }
        }
        reclaimed
    }

    /// Whether this process may make holes in the file, as far as is known without trying.
    pub(super) fn may_punch(&mut self, id: FileId, sum: &mut Reclaimed) -> bool {
        let Some(cursor) = self.roster.get(id) else { return false };
        if cursor.hole == Hole::Unknown {
            let none = Punched { end: 0, freed: 0, disk: None };
            self.note_hole(id, may_write(&cursor.path).map(|()| none), sum);
        }
        self.roster.get(id).is_some_and(|it| matches!(it.hole, Hole::Until(_)))
    }

    /// Makes the hole of a file as large as the positions allow.
    pub(super) fn free_beginning(&mut self, id: FileId, sum: &mut Reclaimed) {
        let result = self.punch_file(id);
        self.note_hole(id, result, sum);
    }

    /// Bytes of whole blocks that a hole could free in this file now.
    pub(super) fn hole_bytes(&self, id: FileId, cursor: &Cursor) -> u64 {
        let is_refused = cursor.hole == Hole::Refused || !self.punches(cursor.source.group);
        if is_refused || cursor.deleted || cursor.suspect.is_some() || self.is_compared(id) {
            return 0;
        }
        let until = self.needed_from(cursor).saturating_sub(MARK_BYTES_MAX as u64);
        let until = until / BLOCK_BYTES_MIN * BLOCK_BYTES_MIN;
        until.saturating_sub(cursor.hole.end().max(BLOCK_BYTES_MIN))
    }

    fn due_for_a_hole(&self) -> Vec<FileId> {
        let Some(punching) = &self.settings.punching else { return Vec::new() };
        let block_bytes_max = punching.block_bytes_max();
        let is_due = |(id, it): &(FileId, &Cursor)| {
            let hole = it.hole.end().max(block_bytes_max);
            let behind = self.needed_from(it).saturating_sub(hole);
            let is_worth_it = match it.hole {
                Hole::Unknown => true,
                Hole::Until(_) => behind >= 2 * block_bytes_max,
                Hole::Refused => false,
            };
            is_worth_it
                && punching.groups.contains(&it.source.group)
                && !it.deleted
                && it.state != State::Done
                && it.suspect.is_none()
                && !self.is_compared(*id)
        };
        self.roster.iter().filter(is_due).map(|(id, _)| id).collect()
    }

    /// Another file may be a copy of this one: its bytes are still needed.
    fn is_compared(&self, id: FileId) -> bool {
        let suspects = self.suspects.iter().filter_map(|it| self.roster.get(*it)?.suspect);
        suspects.into_iter().any(|it| it.of == id)
    }

    fn punch_file(&mut self, id: FileId) -> io::Result<Punched> {
        let block_bytes_max = self.settings.punching.as_ref().map(Punching::block_bytes_max);
        let cursor = self.roster.get(id).expect("the caller looked the file up");
        let (path, inode) = (cursor.path.clone(), cursor.inode);
        let (from, mark) = (cursor.hole.end(), MARK_BYTES_MAX as u64);
        let (prefix, acked) = (cursor.prefix, cursor.acked);
        let until = self.needed_from(cursor).saturating_sub(mark);
        let file = open_for_punching(&path)?;
        let separator = path.clone();
        // Neither event of this descriptor is one of a writer.
        *self.own_opens.entry(path.clone()).or_default() += 1;
        if self.watch.is_complete() {
            *self.own_closes.entry(path).or_default() += 1;
        }
        // If it was truncated since the last look, nobody has read what lies there now.
        if !prefix.matches(&file)? || !acked.matches(&file)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        let block_bytes_max = block_bytes_max.unwrap_or(BLOCK_BYTES_MIN);
        let punched = punch_hole(&file, &inode, from..until, block_bytes_max)?;
        drop(file);
        // The kernel takes two equal events in a row for one. If the writer closes the file now, an
        // event of another kind must stand between our close and that one.
        if copies::open(&separator).is_ok() {
            *self.own_opens.entry(separator).or_default() += 1;
        }
        Ok(punched)
    }

    fn note_hole(&mut self, id: FileId, result: io::Result<Punched>, sum: &mut Reclaimed) {
        let Some(cursor) = self.roster.get_mut(id) else { return };
        match result {
            Ok(punched) => {
                cursor.hole = Hole::Until(punched.end);
                cursor.disk = punched.disk.unwrap_or(cursor.disk);
                sum.hole_bytes += punched.freed;
            }
            Err(error) if has_next_time(error.kind()) => {}
            Err(error) => {
                cursor.hole = Hole::Refused;
                sum.refused += 1;
                let file = cursor.path.display();
                if !std::mem::replace(&mut self.punch_was_refused, true) {
                    warn!(%file, %error, "No right to make a hole in a file; it is left as it is");
                }
            }
        }
    }

    pub(super) fn punches(&self, group: usize) -> bool {
        self.settings.punching.as_ref().is_some_and(|it| it.groups.contains(&group))
    }
}

/// The beginning and the end of a hole of ours, if the file has one: behind the first block, and
/// with data behind it. Room that a program has reserved for its log looks like a hole too, but
/// behind what it has written.
pub(super) fn find_hole(file: &File, size: u64) -> Option<(u64, u64)> {
    let block = u64::try_from(rustix::fs::fstat(file).ok()?.st_blksize).unwrap_or(0);
    let hole = rustix::fs::seek(file, SeekFrom::Hole(0)).ok()?;
    if hole == 0 || hole >= size || hole > block.max(BLOCK_BYTES_MIN) {
        return None;
    }
    let data = rustix::fs::seek(file, SeekFrom::Data(hole)).ok()?;
    (data < size).then_some((hole, data))
}

/// The name has just gone to another file, or the content has; a signal came; or the hole needs
/// room of its own, which another one will have made.
fn has_next_time(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{Interrupted, NotFound, QuotaExceeded, StorageFull};
    matches!(kind, NotFound | Interrupted | StorageFull | QuotaExceeded)
}

fn may_write(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::accessat(CWD, path, Access::WRITE_OK, AtFlags::empty())?)
}

fn open_for_punching(path: &Path) -> io::Result<File> {
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    File::options().read(true).write(true).custom_flags(nonblocking).open(path)
}

/// Frees the whole blocks of `range`, the first one of the file left out.
fn punch_hole(
    file: &File,
    inode: &Inode,
    range: Range<u64>,
    block_bytes_max: u64,
) -> io::Result<Punched> {
    if identity::look(file)?.inode != *inode {
        return Err(io::ErrorKind::NotFound.into());
    }
    let before = rustix::fs::fstat(file)?;
    if before.st_nlink > 1 {
        return Err(io::Error::other("the file has another name, whose content would go too"));
    }
    let block = u64::try_from(before.st_blksize).unwrap_or(0);
    let block = block.clamp(BLOCK_BYTES_MIN, block_bytes_max);
    let (start, end) = (range.start.max(block), range.end / block * block);
    if end <= start {
        return Ok(Punched { end: range.start, freed: 0, disk: None });
    }
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(file, flags, start, end - start)?;
    let after = rustix::fs::fstat(file)?;
    // Blocks are counted in units of 512 bytes; the writer may have added some meanwhile.
    let bytes = |blocks: i64| u64::try_from(blocks).unwrap_or(0).saturating_mul(512);
    let (before, after) = (bytes(before.st_blocks), bytes(after.st_blocks));
    Ok(Punched { end, freed: before.saturating_sub(after), disk: Some(after) })
}
