//! Several readers of the same files: nothing goes that one of them still needs.
//!
//! In: up to where each reader has acknowledged every file. Out: the smallest of these positions.
//! A file that one of them does not know yet is needed from its start. Inodes name files here,
//! because ids are each tailer's own; all of them hold the files open, so no inode is used twice.

use std::collections::HashMap;

use super::super::Tailer;
use crate::cursor::Cursor;

/// Up to where files are acknowledged, by device and inode.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acknowledged(HashMap<(u64, u64), u64>);

impl Acknowledged {
    /// What both have acknowledged.
    #[must_use]
    pub fn and(mut self, other: &Acknowledged) -> Acknowledged {
        self.0.retain(|file, offset| {
            let theirs = other.0.get(file).copied();
            *offset = theirs.map_or(0, |theirs| theirs.min(*offset));
            theirs.is_some()
        });
        self
    }
}

impl Tailer {
    /// Up to where this one has acknowledged its files.
    #[must_use]
    pub fn acknowledged(&self) -> Acknowledged {
        let files = self.roster.iter();
        Acknowledged(files.map(|(_, it)| ((it.inode.dev, it.inode.ino), it.acked.offset)).collect())
    }

    /// From now on nothing is freed that lies above what `others` have acknowledged. Without a call
    /// of this nobody else reads these files.
    pub fn hold_for(&mut self, others: Acknowledged) {
        self.others = Some(others);
    }

    /// Up to where nobody needs the file any more. What may be freed is decided by this alone.
    pub(crate) fn needed_from(&self, cursor: &Cursor) -> u64 {
        let theirs = self.others.as_ref().map(|others| {
            others.0.get(&(cursor.inode.dev, cursor.inode.ino)).copied().unwrap_or(0)
        });
        theirs.map_or(cursor.acked.offset, |theirs| theirs.min(cursor.acked.offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_does_not_know_or_has_not_acknowledged_is_needed() {
        let of = |files: &[(u64, u64)]| {
            Acknowledged(files.iter().map(|(ino, offset)| ((1, *ino), *offset)).collect())
        };
        let both = of(&[(1, 10), (2, 20), (3, 30)]).and(&of(&[(1, 15), (2, 5), (4, 40)]));
        assert_eq!(both, of(&[(1, 10), (2, 5)]));
    }
}
