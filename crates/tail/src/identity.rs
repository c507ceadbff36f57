//! Which file is this?
//!
//! In: an open file. Out: its [`Inode`] (device, inode number, birth time), the [`Prefix`]
//! fingerprint of its first bytes and the [`Mark`] of a position: the offset with a hash of the
//! bytes just before.
//!
//! An inode number alone proves nothing on an emptyDir, where a deleted file's number goes to the
//! next file made; a name proves less. While a file is held open its inode cannot be reused, so
//! device and inode decide; across a restart the prefix and the bytes before the position must
//! agree as well. Two live files are two files however equal their beginnings are. Content is never
//! compared in full: 1 KiB at the start and 256 bytes before the position tell a log from every log
//! but its own copy.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, StatxFlags};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// Bytes at the start of a file that its fingerprint covers.
pub(crate) const PREFIX_BYTES_MAX: usize = 1024;
/// Bytes before a position that its hash covers.
pub(crate) const MARK_BYTES_MAX: usize = 256;

/// Names an inode for as long as the file system keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Inode {
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    /// Nanoseconds since 1970 when the inode was made; 0 where the file system does not tell.
    pub(crate) born: u64,
}

impl Inode {
    /// The same inode of the same file system, unless birth times disprove it. The device number
    /// may change at a reboot, so callers that allow for it compare content as well.
    pub(crate) fn may_be(&self, other: &Inode) -> bool {
        self.ino == other.ino && (self.born == other.born || self.born == 0 || other.born == 0)
    }
}

/// What one look at a file tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) inode: Inode,
    pub(crate) size: u64,
    /// Bytes of disk that it takes.
    pub(crate) disk: u64,
    pub(crate) links: u32,
    pub(crate) regular: bool,
    pub(crate) directory: bool,
    /// Nanoseconds since 1970 of the last change of content.
    pub(crate) modified: u64,
}

/// Looks at an open file.
pub(crate) fn look(file: &File) -> io::Result<Look> {
    let stat = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, LOOK_FLAGS)?;
    Ok(from_statx(&stat))
}

/// Looks at what a path leads to; symbolic links are followed.
pub(crate) fn look_at(path: &std::path::Path) -> io::Result<Look> {
    let stat = rustix::fs::statx(rustix::fs::CWD, path, AtFlags::empty(), LOOK_FLAGS)?;
    Ok(from_statx(&stat))
}

const LOOK_FLAGS: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::BTIME);

fn from_statx(stat: &rustix::fs::Statx) -> Look {
    let born =
        if stat.stx_mask & StatxFlags::BTIME.bits() != 0 { nanoseconds(stat.stx_btime) } else { 0 };
    let kind = rustix::fs::FileType::from_raw_mode(u32::from(stat.stx_mode));
    Look {
        inode: Inode {
            dev: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor),
            ino: stat.stx_ino,
            born,
        },
        size: stat.stx_size,
        disk: stat.stx_blocks.saturating_mul(512),
        links: stat.stx_nlink,
        regular: kind == rustix::fs::FileType::RegularFile,
        directory: kind == rustix::fs::FileType::Directory,
        modified: nanoseconds(stat.stx_mtime),
    }
}

fn nanoseconds(time: rustix::fs::StatxTimestamp) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::from(time.tv_nsec))
}

/// A fingerprint of the first bytes, which grows with the file up to [`PREFIX_BYTES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Prefix {
    pub(crate) len: u16,
    pub(crate) hash: u64,
}

impl Prefix {
    pub(crate) fn read(file: &File) -> io::Result<Prefix> {
        let mut buf = [0; PREFIX_BYTES_MAX];
        let len = read_up_to(file, &mut buf, 0)?;
        Ok(Prefix::of(&buf[..len]))
    }

    fn of(bytes: &[u8]) -> Prefix {
        if bytes.is_empty() {
            return Prefix::default();
        }
        let len = u16::try_from(bytes.len()).expect("a prefix is at most 1 KiB");
        Prefix { len, hash: xxh3_64(bytes) }
    }

    /// The fingerprint of all that is there by now, if the file still begins as it did.
    pub(crate) fn grown(&self, file: &File) -> io::Result<Option<Prefix>> {
        let mut buf = [0; PREFIX_BYTES_MAX];
        let len = read_up_to(file, &mut buf, 0)?;
        let known = usize::from(self.len);
        let same = len >= known && Prefix::of(&buf[..known]) == *self;
        Ok(same.then(|| Prefix::of(&buf[..len])))
    }

    /// The file still begins with the bytes that this fingerprint was taken of.
    pub(crate) fn matches(&self, file: &File) -> io::Result<bool> {
        let mut buf = [0; PREFIX_BYTES_MAX];
        let buf = &mut buf[..usize::from(self.len)];
        let len = read_up_to(file, buf, 0)?;
        Ok(Prefix::of(&buf[..len]) == *self)
    }
}

/// A position, with a hash of up to [`MARK_BYTES_MAX`] bytes before it.
///
/// Truncation to zero followed by growth past the position leaves the size plausible and these
/// bytes different.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) offset: u64,
    pub(crate) len: u16,
    pub(crate) hash: u64,
}

impl Mark {
    pub(crate) const START: Mark = Mark { offset: 0, len: 0, hash: 0 };

    /// The mark at `offset`, given the bytes of the file that end there (all that are at hand).
    pub(crate) fn of(offset: u64, before: &[u8]) -> Mark {
        let take = before.len().min(MARK_BYTES_MAX);
        let bytes = &before[before.len() - take..];
        let len = u16::try_from(take).expect("a mark covers at most 256 bytes");
        Mark { offset, len, hash: if take == 0 { 0 } else { xxh3_64(bytes) } }
    }

    /// Reads the bytes before `offset` and marks it.
    pub(crate) fn read(file: &File, offset: u64) -> io::Result<Mark> {
        let mut buf = [0; MARK_BYTES_MAX];
        let take = usize::try_from(offset).unwrap_or(usize::MAX).min(MARK_BYTES_MAX);
        let len = read_up_to(file, &mut buf[..take], offset - take as u64)?;
        Ok(Mark::of(offset, &buf[..len]))
    }

    /// The bytes given are the `len` bytes before the position, as they were when it was marked.
    pub(crate) fn agrees(&self, before: &[u8]) -> bool {
        before.len() == usize::from(self.len) && (self.len == 0 || xxh3_64(before) == self.hash)
    }

    /// The file still holds, just before the position, what it held when it was marked.
    pub(crate) fn matches(&self, file: &File) -> io::Result<bool> {
        let mut buf = [0; MARK_BYTES_MAX];
        let buf = &mut buf[..usize::from(self.len)];
        let len = read_up_to(file, buf, self.offset - u64::from(self.len))?;
        Ok(self.agrees(&buf[..len]))
    }
}

/// Fills `buf` from `offset` until it is full or the file ends; says how much was read.
pub(crate) fn read_up_to(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut len = 0;
    while len < buf.len() {
        match file.read_at(&mut buf[len..], offset + len as u64) {
            Ok(0) => break,
            Ok(n) => len += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_mark_notices_truncation_that_grew_past_it() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"one\ntwo\nthree\n").unwrap();
        let mark = Mark::read(&file, 8).unwrap();
        assert_eq!(mark, Mark::of(8, b"one\ntwo\n"));
        assert!(mark.matches(&file).unwrap());
        file.set_len(0).unwrap();
        assert!(!mark.matches(&file).unwrap());
        file.write_all_at(b"four\nfive\nsix\nseven\n", 0).unwrap();
        assert!(!mark.matches(&file).unwrap());
    }

    #[test]
    fn a_prefix_grows_and_still_recognises_its_file() {
        let mut file = tempfile::tempfile().unwrap();
        assert!(Prefix::read(&file).unwrap().matches(&file).unwrap());
        file.write_all(b"short").unwrap();
        let short = Prefix::read(&file).unwrap();
        file.write_all(&[b'x'; 4000]).unwrap();
        assert!(short.matches(&file).unwrap());
        let grown = short.grown(&file).unwrap().unwrap();
        assert_eq!((usize::from(grown.len), grown.grown(&file).unwrap()), (1024, Some(grown)));
        file.write_all_at(b"other", 0).unwrap();
        assert_eq!(short.grown(&file).unwrap(), None);
        assert!(!short.matches(&file).unwrap());
    }

    #[test]
    fn birth_times_disprove_a_reused_inode_and_missing_ones_do_not() {
        let inode = |dev, born| Inode { dev, ino: 7, born };
        assert!(inode(1, 10).may_be(&inode(2, 10)));
        assert!(inode(1, 0).may_be(&inode(1, 10)));
        assert!(!inode(1, 10).may_be(&inode(1, 11)));
    }
}
