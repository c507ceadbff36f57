//! Several readers of the same files: nothing goes that one of them still needs.
//!
//! In: up to where each reader has acknowledged every file. Out: the smallest of these positions.
//! A file that one of them does not know yet is needed from its start, and so is one whose content
//! one of them has not seen yet: an inode can be used again, and a file can be truncated.

use std::collections::HashMap;

use super::super::Tailer;
use crate::cursor::Cursor;
use crate::identity::{Inode, Prefix};

/// Up to where files are acknowledged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acknowledged(HashMap<Inode, Position>);

/// An offset in the content that begins like this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    prefix: Prefix,
    offset: u64,
}

impl Acknowledged {
    /// What both have acknowledged.
    #[must_use]
    pub fn and(mut self, other: &Acknowledged) -> Acknowledged {
        for (inode, own) in &mut self.0 {
            own.offset = own.offset.min(other.offset(inode, own.prefix));
        }
        self
    }

    fn offset(&self, inode: &Inode, prefix: Prefix) -> u64 {
        let known = self.0.get(inode).filter(|it| it.prefix == prefix);
        known.map_or(0, |it| it.offset)
    }
}

impl Tailer {
    /// Up to where this one has acknowledged its files.
    #[must_use]
    pub fn acknowledged(&self) -> Acknowledged {
        let position = |it: &Cursor| Position { prefix: it.prefix, offset: it.acked.offset };
        Acknowledged(self.roster.iter().map(|(_, it)| (it.inode, position(it))).collect())
    }

    /// From now on nothing is freed that lies above what `others` have acknowledged. Without a call
    /// of this nobody else reads these files.
    pub fn hold_for(&mut self, others: Acknowledged) {
        self.others = Some(others);
    }

    /// Up to where nobody needs the file any more. What may be freed is decided by this alone.
    pub(crate) fn needed_from(&self, cursor: &Cursor) -> u64 {
        let theirs = self.others.as_ref().map(|it| it.offset(&cursor.inode, cursor.prefix));
        theirs.map_or(cursor.acked.offset, |theirs| theirs.min(cursor.acked.offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_does_not_know_or_has_not_acknowledged_is_needed() {
        let of = |files: &[(u64, u64, u64)]| {
            let position = |hash, offset| Position { prefix: Prefix { len: 9, hash }, offset };
            let inode = |ino| Inode { dev: 1, ino, born: 0 };
            let files =
                files.iter().map(|(ino, hash, offset)| (inode(*ino), position(*hash, *offset)));
            Acknowledged(files.collect())
        };
        let mine = of(&[(1, 7, 10), (2, 7, 20), (3, 7, 30), (5, 7, 50)]);
        let theirs = of(&[(1, 7, 15), (2, 7, 5), (4, 7, 40), (5, 8, 60)]);
        assert_eq!(mine.and(&theirs), of(&[(1, 7, 10), (2, 7, 5), (3, 7, 0), (5, 7, 0)]));
    }
}
