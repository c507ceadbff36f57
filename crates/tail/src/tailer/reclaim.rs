//! Room on the shared volume.
//!
//! In: what to do with a rotated file once all of it is acknowledged, and how large the files may
//! grow together. Out: files deleted or emptied, and what that freed. A file that is still written
//! under its name is never touched, nor is an unacknowledged byte unless the caller says so. Before
//! it acts it looks again: the path must still lead to the very inode, and that must end where the
//! acknowledgements do.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::Tailer;
use crate::cursor::Cursor;
use crate::identity::{self, Inode, Prefix};
use crate::roster::FileId;

/// A rotated file is left alone until nobody has written to it for so long.
const ROTATED_QUIET: Duration = Duration::from_secs(2);

/// What becomes of a rotated file that is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterShip {
    Keep,
    Delete,
    Truncate,
}

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reclaimed {
    pub files: u64,
    pub bytes: u64,
    /// Of these bytes, those that nobody had acknowledged.
    pub unacknowledged_bytes: u64,
    /// Files that this process has no right to change.
    pub refused: u64,
}

impl std::ops::AddAssign for Reclaimed {
    fn add_assign(&mut self, other: Reclaimed) {
        self.files += other.files;
        self.bytes += other.bytes;
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
        for (id, _) in self.rotated(now) {
            self.give_up(id, after_ship, false, &mut reclaimed);
        }
        reclaimed
    }

    /// The bytes of all files that are followed or were rotated.
    #[must_use]
    pub fn size_of_files(&self) -> u64 {
        self.roster.iter().filter(|(_, it)| !it.deleted).map(|(_, it)| it.size).sum()
    }

    /// Deletes rotated files, the oldest first, until all files together are within `bytes_max`:
    /// delivered ones, and with `unacknowledged` others as well.
    pub fn shrink_to(&mut self, bytes_max: u64, unacknowledged: bool, now: Instant) -> Reclaimed {
        let mut reclaimed = Reclaimed::default();
        for (id, _) in self.rotated(now) {
            if self.size_of_files() <= bytes_max {
                break;
            }
            self.give_up(id, AfterShip::Delete, unacknowledged, &mut reclaimed);
        }
        reclaimed
    }

    /// Rotated files at rest, the longest at rest first.
    fn rotated(&self, now: Instant) -> Vec<(FileId, Instant)> {
        let rests = |it: &Cursor| {
            it.state.is_rotated()
                && !it.deleted
                && it.size > 0
                && it.suspect.is_none()
                && (it.writers.are_gone() || now.duration_since(it.grew) >= ROTATED_QUIET)
        };
        let mut rotated: Vec<(FileId, Instant)> =
            self.roster.iter().filter(|(_, it)| rests(it)).map(|(id, it)| (id, it.grew)).collect();
        rotated.sort_unstable_by_key(|(id, grew)| (*grew, *id));
        rotated
    }

    fn give_up(&mut self, id: FileId, how: AfterShip, unacknowledged: bool, sum: &mut Reclaimed) {
        let Some(cursor) = self.roster.get(id) else { return };
        let Ok(look) = identity::look_at(&cursor.path) else { return };
        let lag = look.size.saturating_sub(cursor.acked.offset);
        if look.inode != cursor.inode || (lag > 0 && !unacknowledged) {
            return;
        }
        let file = cursor.path.display();
        let result = match how {
            AfterShip::Keep => return,
            AfterShip::Delete => fs::remove_file(&cursor.path),
            AfterShip::Truncate => truncate(&cursor.path, &cursor.inode),
        };
        match result {
            Ok(()) => {
                info!(%file, bytes = look.size, unacknowledged = lag, "Reclaimed a rotated file");
                sum.files += 1;
                sum.bytes += look.size;
                sum.unacknowledged_bytes += lag;
                self.on_given_up(id, how, lag);
            }
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

/// Empties the file if the path still leads to it.
fn truncate(path: &Path, inode: &Inode) -> io::Result<()> {
    let file = File::options().write(true).open(path)?;
    if identity::look(&file)?.inode != *inode {
        return Err(io::ErrorKind::NotFound.into());
    }
    file.set_len(0)
}
