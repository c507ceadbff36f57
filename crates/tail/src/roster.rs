//! Which files are known?
//!
//! Holds every cursor under its id, and finds it by inode and by path. One inode has one cursor; a
//! path leads to at most one, the last that was seen there. Ids are never used twice.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use crate::cursor::Cursor;
use crate::identity::Inode;

/// Names a file for the life of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(u64);

#[cfg(test)]
impl FileId {
    pub(crate) fn numbered(number: u64) -> FileId {
        FileId(number)
    }

    pub(crate) fn number(self) -> u64 {
        self.0
    }
}

/// Where lines come from; the same for every line of one generation of one file.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The path by which the file was discovered, whatever it is called now.
    pub path: PathBuf,
    /// Which pattern of [`crate::Globs::groups`] it was discovered by.
    pub group: usize,
    /// Stands for the file's content: it stays over renames and restarts and changes when the file
    /// is truncated or its inode is used again. With the offset it names a line.
    pub file_id: u64,
}

impl Source {
    pub(crate) fn new(path: PathBuf, group: usize, inode: &Inode, generation: u32) -> Source {
        let mut bytes = [0; 28];
        bytes[..8].copy_from_slice(&inode.dev.to_le_bytes());
        bytes[8..16].copy_from_slice(&inode.ino.to_le_bytes());
        bytes[16..24].copy_from_slice(&inode.born.to_le_bytes());
        bytes[24..].copy_from_slice(&generation.to_le_bytes());
        Source { path, group, file_id: xxh3_64(&bytes) }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Roster {
    cursors: HashMap<FileId, Cursor>,
    by_inode: HashMap<(u64, u64), FileId>,
    by_path: HashMap<PathBuf, FileId>,
    next: u64,
}

impl Roster {
    pub(crate) fn insert(&mut self, cursor: Cursor) -> FileId {
        let id = FileId(self.next);
        self.next += 1;
        self.by_inode.insert((cursor.inode.dev, cursor.inode.ino), id);
        self.by_path.insert(cursor.path.clone(), id);
        self.cursors.insert(id, cursor);
        id
    }

    pub(crate) fn remove(&mut self, id: FileId) -> Option<Cursor> {
        let cursor = self.cursors.remove(&id)?;
        let inode = (cursor.inode.dev, cursor.inode.ino);
        if self.by_inode.get(&inode) == Some(&id) {
            self.by_inode.remove(&inode);
        }
        if self.by_path(&cursor.path) == Some(id) {
            self.by_path.remove(&cursor.path);
        }
        Some(cursor)
    }

    /// Drops paths that lead to no cursor any more; a file can have had several.
    pub(crate) fn forget_stale_paths(&mut self) {
        let cursors = &self.cursors;
        self.by_path.retain(|_, id| cursors.contains_key(id));
    }

    pub(crate) fn get(&self, id: FileId) -> Option<&Cursor> {
        self.cursors.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: FileId) -> Option<&mut Cursor> {
        self.cursors.get_mut(&id)
    }

    pub(crate) fn by_inode(&self, inode: &Inode) -> Option<FileId> {
        self.by_inode.get(&(inode.dev, inode.ino)).copied()
    }

    pub(crate) fn by_path(&self, path: &Path) -> Option<FileId> {
        self.by_path.get(path).copied()
    }

    /// From now on `path` leads to `id`; returns the one that it led to.
    pub(crate) fn lead(&mut self, path: &Path, id: FileId) -> Option<FileId> {
        if self.by_path.get(path) == Some(&id) {
            return None;
        }
        self.by_path.insert(path.to_path_buf(), id)
    }

    /// `path` leads nowhere; returns where it led.
    pub(crate) fn unlead(&mut self, path: &Path) -> Option<FileId> {
        self.by_path.remove(path)
    }

    pub(crate) fn len(&self) -> usize {
        self.cursors.len()
    }

    pub(crate) fn ids(&self) -> Vec<FileId> {
        self.cursors.keys().copied().collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (FileId, &Cursor)> {
        self.cursors.iter().map(|(id, cursor)| (*id, cursor))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (FileId, &mut Cursor)> {
        self.cursors.iter_mut().map(|(id, cursor)| (*id, cursor))
    }
}
