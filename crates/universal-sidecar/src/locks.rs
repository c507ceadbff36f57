//! Locks that live exactly as long as the processes that hold them.
//!
//! `flock` belongs to the open file, so the kernel gives it back when the last process that has the
//! file open dies, in whatever way. A lock is given back by closing only: unlocking would take it
//! from a child that inherited it. The file may be another user's and the file system read-only:
//! it is opened for reading. To ask who lives, a shared lock is taken for a moment; whoever tries
//! to take the lock in that moment tries again.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_getfd, fcntl_setfd};

/// Any user of the pod may hold a lock.
const MODE: u32 = 0o666;
/// Scripts number their own descriptors by one digit, or two.
const INHERITED_MIN: i32 = 200;
const NO_FOLLOW: i32 = libc::O_NOFOLLOW;

/// A file that can be locked, looked at through an open file of our own.
#[derive(Debug)]
pub(crate) struct LockFile {
    path: PathBuf,
    file: File,
}

/// A lock that we hold, until this is dropped and every process that inherited it is gone.
#[derive(Debug)]
pub(crate) struct Held {
    path: PathBuf,
    file: File,
}

impl LockFile {
    /// Makes the file if it is missing.
    pub(crate) fn open(path: PathBuf) -> io::Result<LockFile> {
        let file = open(&path)?;
        Ok(LockFile { path, file })
    }

    /// Takes the lock if nobody has it.
    pub(crate) fn take(&self) -> io::Result<Option<Held>> {
        let file = open(&self.path)?;
        match file.try_lock() {
            // Somebody may have put another file in its place, which others would lock.
            Ok(()) if is_at(&file, &self.path)? => {
                Ok(Some(Held { path: self.path.clone(), file: out_of_the_way(file) }))
            }
            Ok(()) | Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether a process has the lock; not to be asked by one that has it itself.
    pub(crate) fn is_held(&mut self) -> io::Result<bool> {
        if !is_at(&self.file, &self.path)? {
            self.file = open(&self.path)?;
        }
        match self.file.try_lock_shared() {
            Ok(()) => self.file.unlock().map(|()| false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Held {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether others find another file, or none, in its place. If they cannot be told apart, no.
    pub(crate) fn is_lost(&self) -> bool {
        is_at(&self.file, &self.path).is_ok_and(|in_place| !in_place)
    }

    /// Whether children that are started from now on hold the lock too.
    pub(crate) fn set_inherited(&self, inherited: bool) -> io::Result<()> {
        let flags = fcntl_getfd(self.file.as_fd())?;
        let flags = match inherited {
            true => flags - FdFlags::CLOEXEC,
            false => flags | FdFlags::CLOEXEC,
        };
        Ok(fcntl_setfd(self.file.as_fd(), flags)?)
    }
}

fn open(path: &Path) -> io::Result<File> {
    // First without creating: a file that is there opens on a read-only file system too.
    let mut existing = OpenOptions::new();
    existing.read(true).custom_flags(NO_FOLLOW);
    match existing.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    let mut created = OpenOptions::new();
    created.read(true).write(true).create_new(true).mode(MODE);
    match created.open(path) {
        Ok(file) => {
            // The umask may have taken rights away.
            file.set_permissions(fs::Permissions::from_mode(MODE))?;
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => existing.open(path),
        Err(error) => Err(error),
    }
}

/// The same open file under a number that no script uses: a command that inherits the lock may
/// close or reuse low ones, and would give it back. Where the limit on numbers is lower, it stays.
fn out_of_the_way(file: File) -> File {
    fcntl_dupfd_cloexec(&file, INHERITED_MIN).map_or(file, File::from)
}

/// Whether `file` is still the one that others find under `path`.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(theirs) => Ok((ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_child_that_inherited_it_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("active.lock");
        let mut lock = LockFile::open(path.clone()).unwrap();
        assert!(!lock.is_held().unwrap());
        let held = lock.take().unwrap().unwrap();
        assert!(lock.is_held().unwrap());
        assert!(lock.take().unwrap().is_none());
        held.set_inherited(true).unwrap();
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        held.set_inherited(false).unwrap();
        let mut stranger = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        drop(held);
        assert!(lock.is_held().unwrap(), "the child holds it");
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!lock.is_held().unwrap(), "the other child does not");
        drop(stranger.stdin.take());
        stranger.wait().unwrap();
    }

    #[test]
    fn a_replaced_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("native.lock");
        let mut lock = LockFile::open(path.clone()).unwrap();
        fs::remove_file(&path).unwrap();
        let held = lock.take().unwrap().unwrap();
        assert!(lock.is_held().unwrap());
        drop(held);
    }
}
