//! Room on the shared volume.
//!
//! In: what to do with a rotated file once all of it is acknowledged, and how much of the disk the
//! files may take together. Out: files deleted, emptied or given holes, and what that freed. No
//! unacknowledged byte goes unless the caller says so. What gives way is decided by `order`, up to
//! where by `readers`. Before it acts it looks again: the path must still lead to the very inode,
//! and that must end where the acknowledgements do.

mod order;
mod readers;

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use self::order::{Holding, Step};
pub use self::readers::Acknowledged;
use super::Tailer;
use crate::cursor::Cursor;
use crate::identity::{self, Look, Prefix};
use crate::roster::FileId;

/// A rotated file is left alone until nobody has written to it for so long.
const ROTATED_QUIET: Duration = Duration::from_secs(2);

/// File systems that are asked how full they are.
const DEVICES_MAX: usize = 8;

/// What becomes of a rotated file that is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterShip {
    Keep,
    Delete,
    Truncate,
}

/// How much of the disk the files take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Room {
    /// Their sizes, holes included. Deleted files that are still held open do not count.
    pub size_bytes: u64,
    /// What they take of the disk, deleted ones that are held open included.
    pub disk_bytes: u64,
    /// What the fullest of their file systems has left.
    pub free_bytes: Option<u64>,
}

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reclaimed {
    /// Files deleted or emptied.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of disk that holes have freed.
    pub hole_bytes: u64,
    /// Of the bytes of files, those that were not acknowledged.
    pub unacknowledged_bytes: u64,
    /// Files that this process has no right to change.
    pub refused: u64,
}

impl std::ops::AddAssign for Reclaimed {
    fn add_assign(&mut self, other: Reclaimed) {
        self.files += other.files;
        self.bytes += other.bytes;
        self.hole_bytes += other.hole_bytes;
        self.unacknowledged_bytes += other.unacknowledged_bytes;
        self.refused += other.refused;
    }
}

impl Tailer {
    /// Applies `after_ship` to every rotated file that is delivered.
    pub fn reclaim(&mut self, after_ship: AfterShip, now: Instant) -> Reclaimed {
        let mut reclaimed = Reclaimed::default();
        if after_ship == AfterShip::Keep {
            return reclaimed;
        }
        let ids: Vec<FileId> =
            self.roster.iter().filter(|(_, it)| rests(it, now)).map(|(id, _)| id).collect();
        for id in ids {
            self.give_up(id, after_ship, false, &mut reclaimed);
        }
        reclaimed
    }

    /// How much of the disk the files take.
    #[must_use]
    pub fn room(&self) -> Room {
        let mut room = Room::default();
        let mut devices: Vec<u64> = Vec::new();
        for (_, it) in self.roster.iter() {
            room.disk_bytes += it.disk;
            if it.deleted {
                continue;
            }
            room.size_bytes += it.size;
            if devices.len() < DEVICES_MAX && !devices.contains(&it.inode.dev) {
                devices.push(it.inode.dev);
                let free = rustix::fs::statvfs(&it.path).ok();
                let free = free.map(|it| it.f_bavail.saturating_mul(it.f_frsize));
                room.free_bytes = room.free_bytes.into_iter().chain(free).min();
            }
        }
        room
    }

    /// Frees disk until all files together take at most `bytes_max`: delivered rotated files go,
    /// then the delivered beginnings of others become holes, and with `unacknowledged` other
    /// rotated files go, too; always the oldest first.
    pub fn shrink_to(&mut self, bytes_max: u64, unacknowledged: bool, now: Instant) -> Reclaimed {
        let mut reclaimed = Reclaimed::default();
        // What is deleted is free once its last writer has closed it: nothing more can be done.
        let mut disk_bytes: u64 = self.roster.ids().into_iter().map(|id| self.disk_of(id)).sum();
        if disk_bytes <= bytes_max {
            return reclaimed;
        }
        let holdings = self.roster.iter().map(|(id, it)| Holding {
            file: id,
            rests: rests(it, now),
            grew: it.grew,
            owed_bytes: it.size.saturating_sub(self.needed_from(it)),
            hole_bytes: self.hole_bytes(id, it),
        });
        for step in order::steps(holdings.collect(), unacknowledged) {
            let (Step::Delete(id) | Step::Punch(id) | Step::GiveUp(id)) = step;
            let disk_before = self.disk_of(id);
            match step {
                Step::Delete(id) => self.give_up(id, AfterShip::Delete, false, &mut reclaimed),
                Step::Punch(id) => {
                    if self.may_punch(id, &mut reclaimed) {
                        self.free_beginning(id, &mut reclaimed);
                    }
                }
                Step::GiveUp(id) => self.give_up(id, AfterShip::Delete, true, &mut reclaimed),
            }
            disk_bytes -= disk_before.saturating_sub(self.disk_of(id)).min(disk_bytes);
            if disk_bytes <= bytes_max {
                break;
            }
        }
        reclaimed
    }

    fn disk_of(&self, id: FileId) -> u64 {
        self.roster.get(id).filter(|it| !it.deleted).map_or(0, |it| it.disk)
    }

    fn give_up(&mut self, id: FileId, how: AfterShip, unacknowledged: bool, sum: &mut Reclaimed) {
        let Some(cursor) = self.roster.get(id) else { return };
        if how == AfterShip::Delete && self.hole_bytes(id, cursor) > 0 && self.may_punch(id, sum) {
            // It is held open for a while yet, and so may its writer: the disk is free at once.
            self.free_beginning(id, sum);
        }
        let Some(cursor) = self.roster.get(id) else { return };
        // As late as can be: another rotation may give the name to another file.
        let Ok(look) = identity::look_at(&cursor.path) else { return };
        let lag = look.size.saturating_sub(self.needed_from(cursor));
        if look.inode != cursor.inode || (lag > 0 && !unacknowledged) {
            return;
        }
        let path = cursor.path.clone();
        let file = path.display();
        let result = match how {
            AfterShip::Keep => return,
            AfterShip::Delete => fs::remove_file(&path),
            AfterShip::Truncate => truncate(&path, &look),
        };
        match result {
            Ok(()) => {
                info!(%file, bytes = look.size, unacknowledged = lag, "Reclaimed a rotated file");
                sum.files += 1;
                sum.bytes += look.size;
                sum.unacknowledged_bytes += lag;
                self.on_given_up(id, how, lag);
            }
            // It has just gone elsewhere, or somebody wrote to it: the next time tells.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                if !std::mem::replace(&mut self.reclaim_was_refused, true) {
                    warn!(%file, %error, "No right to reclaim a rotated file");
                }
                sum.refused += 1;
            }
        }
    }

    fn on_given_up(&mut self, id: FileId, how: AfterShip, lag: u64) {
        let Some(cursor) = self.roster.get_mut(id) else { return };
        self.changed = true;
        if how == AfterShip::Truncate {
            cursor.on_truncated(Prefix::default());
        } else if cursor.file.is_some() && lag == 0 {
            // Whoever still writes to it is read until it rests.
            cursor.deleted = true;
        } else {
            self.forget(id);
        }
    }
}

/// Rotated away, and not written any more.
fn rests(it: &Cursor, now: Instant) -> bool {
    it.state.is_rotated()
        && !it.deleted
        && it.size > 0
        && it.suspect.is_none()
        && (it.writers.are_gone() || now.duration_since(it.grew) >= ROTATED_QUIET)
}

/// Empties the file if the path still leads to it and nothing was appended.
fn truncate(path: &Path, look: &Look) -> io::Result<()> {
    let file = File::options().write(true).open(path)?;
    let now = identity::look(&file)?;
    if (now.inode, now.size) != (look.inode, look.size) {
        return Err(io::ErrorKind::NotFound.into());
    }
    file.set_len(0)
}
