//! Where else could the bytes be?
//!
//! In: a path and what was known of the file there. Out: other files of the same directory that
//! hold the same bytes up to the position (a copy made just before truncation), or that bear the
//! same inode (the file itself, renamed).
//!
//! Only names that begin like the original's are looked at, and only content decides. Rotation
//! keeps the beginning of a name: `access.log.1`, `access.log-20260102`, `access-2026.log`.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirEntryExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::identity::{self, Inode, Mark, Prefix};

/// Names looked at beside one file.
const SIBLINGS_MAX: usize = 1_024;

/// Endings of files that hold compressed text; they are never read as lines.
const COMPRESSED: [&str; 5] = ["gz", "zst", "bz2", "xz", "lz4"];

pub(crate) fn is_compressed_name(path: &Path) -> bool {
    path.extension().is_some_and(|ending| COMPRESSED.iter().any(|it| ending == *it))
}

/// `name` is what rotation makes of `original`, in the same directory.
pub(crate) fn is_rotated_name(name: &Path, original: &Path) -> bool {
    names_before_rotation(name).any(|before| before == original)
}

/// The names that `path` can have had before rotation put something behind them: numbers, dates and
/// words like `old`, or put them before its ending. The longest comes first.
pub(crate) fn names_before_rotation(path: &Path) -> impl Iterator<Item = PathBuf> {
    let ending = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
    let stem = path.with_extension("");
    let inner: Vec<PathBuf> = suffixes_cut(&stem)
        .into_iter()
        .map(|name| PathBuf::from(format!("{}.{ending}", name.display())))
        .collect();
    suffixes_cut(path).into_iter().chain(inner)
}

fn suffixes_cut(path: &Path) -> Vec<PathBuf> {
    const SEPARATORS: [char; 4] = ['.', '-', '_', '~'];
    const WORDS: [&str; 4] = ["old", "bak", "orig", "prev"];
    let is_suffix = |text: &str| {
        let mut parts = text.split(['.', '-', '_', '~', ':', 'T']);
        parts.all(|part| part.bytes().all(|it| it.is_ascii_digit()) || WORDS.contains(&part))
    };
    let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
    let ends = name.rmatch_indices(SEPARATORS).map(|(index, _)| name.split_at(index));
    let cut = ends.filter(|(name, suffix)| !name.is_empty() && is_suffix(suffix));
    cut.map(|(name, _)| path.with_file_name(name)).collect()
}

/// Opens for reading without waiting for a writer, as a FIFO would.
pub(crate) fn open(path: &Path) -> std::io::Result<File> {
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    File::options().read(true).custom_flags(nonblocking).open(path)
}

/// Another name in the directory of `path`.
#[derive(Debug)]
pub(crate) struct Sibling {
    pub(crate) path: PathBuf,
    pub(crate) ino: u64,
}

/// What lies beside `path` under names that rotation could have given it, compressed files left
/// out.
pub(crate) fn siblings(path: &Path) -> Vec<Sibling> {
    let Some(entries) = path.parent().and_then(|parent| std::fs::read_dir(parent).ok()) else {
        return Vec::new();
    };
    // Rotation keeps at least that. Most names of a large folder go by it, at little cost.
    let beginning = path.file_stem().unwrap_or_default().as_bytes();
    entries
        .flatten()
        .filter(|entry| entry.file_name().as_bytes().starts_with(beginning))
        .map(|entry| Sibling { path: entry.path(), ino: entry.ino() })
        .filter(|it| is_rotated_name(&it.path, path) && !is_compressed_name(&it.path))
        .take(SIBLINGS_MAX)
        .collect()
}

/// `file` holds, up to `mark`, what the file known by `prefix` held there. At the start of a file
/// only the prefix is proof, so it must not be empty.
pub(crate) fn is_copy(file: &File, prefix: Prefix, mark: Mark) -> bool {
    prefix.len > 0 && prefix.matches(file).unwrap_or(false) && mark.matches(file).unwrap_or(false)
}

/// The file beside `path` that is a copy, up to `mark`, of what lay there.
pub(crate) fn find_copy(path: &Path, prefix: Prefix, mark: Mark) -> Option<(PathBuf, File)> {
    siblings(path).into_iter().find_map(|sibling| {
        let file = open(&sibling.path).ok()?;
        is_copy(&file, prefix, mark).then_some((sibling.path, file))
    })
}

/// Where the inode lies now, in the directory of `path`.
pub(crate) fn find_inode(path: &Path, inode: &Inode) -> Option<PathBuf> {
    let same = |path: &Path| identity::look_at(path).is_ok_and(|look| look.inode == *inode);
    let siblings = siblings(path).into_iter();
    siblings.filter(|it| it.ino == inode.ino).map(|it| it.path).find(|path| same(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotation_keeps_the_beginning_of_a_name() {
        let original = Path::new("/l/access.log");
        for name in ["access.log.1", "access.log-20260102", "access-2026.log", "access.1.log"] {
            assert!(is_rotated_name(&Path::new("/l").join(name), original), "{name}");
        }
        for name in ["access.log", "error.log", "access2.log", "access-worker.log", "ccess.log.1"] {
            assert!(!is_rotated_name(&Path::new("/l").join(name), original), "{name}");
        }
        assert!(!is_rotated_name(Path::new("/other/access.log.1"), original));
        assert!(is_compressed_name(Path::new("access.log.2.gz")));
        assert!(!is_compressed_name(Path::new("gz")));
    }

    #[test]
    fn numbers_and_dates_are_what_rotation_puts_behind_a_name() {
        let names = |path: &str| -> Vec<String> {
            let names = names_before_rotation(Path::new(path));
            names.map(|it| it.to_string_lossy().into_owned()).collect()
        };
        assert_eq!(names("/l/a.log.1"), ["/l/a.log"]);
        assert_eq!(names("/l/a.log-2026-01-02"), ["/l/a.log-2026-01", "/l/a.log-2026", "/l/a.log"]);
        assert_eq!(names("/l/a.log.old"), ["/l/a.log"]);
        assert!(names("/l/a.log.index").is_empty());
        assert_eq!(names("/l/a-1.log"), ["/l/a.log"]);
        assert!(names("/l/a").is_empty());
    }

    #[test]
    fn a_copy_is_found_by_content_and_a_lookalike_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        std::fs::write(&path, "one\ntwo\n").unwrap();
        std::fs::write(dir.path().join("a.log.2"), "one\nTWO\nthree\n").unwrap();
        let file = open(&path).unwrap();
        let (prefix, mark) = (Prefix::read(&file).unwrap(), Mark::read(&file, 8).unwrap());
        assert!(find_copy(&path, prefix, mark).is_none());
        std::fs::write(dir.path().join("a.log.1"), "one\ntwo\nthree\n").unwrap();
        let (found, _) = find_copy(&path, prefix, mark).unwrap();
        assert_eq!(found, dir.path().join("a.log.1"));
    }
}
