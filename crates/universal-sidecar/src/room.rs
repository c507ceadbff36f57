//! The directory in which the copies of one sidecar meet.
//!
//! In go the shared directory and the sidecar's name, out come its locks and records. It belongs to
//! one pod: with the UID of another one in it, every proof would be false, so that is refused. It
//! may be made by any of the containers and is open to the users of all of them.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::draft::Draft;
use crate::generation::Generation;
use crate::locks::LockFile;
use crate::record;
use crate::role::Decision;

/// Any user of the pod may write here; without the sticky bit, which would keep one from replacing
/// another's record.
const MODE: u32 = 0o777;
/// Longer names do not fit in every file system.
const NAME_BYTES_MAX: usize = 63;
const OWNER: &str = "pod";
const DECISION: &str = "decision";
const MAIN: &str = "main";

/// One sidecar's part of the shared directory.
#[derive(Debug, Clone)]
pub struct Room {
    folder: PathBuf,
    generation: Generation,
}

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    /// Not a name for a directory.
    #[error(
        "'{name}' is not a name: letters, digits, '-', '_' and '.', at most 63, not a dot first"
    )]
    Name {
        /// As given.
        name: String,
    },
    /// A file operation failed.
    #[error("cannot use '{}'", path.display())]
    Unusable {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Two pods share the directory.
    #[error("'{}' belongs to the pod {owner}: an emptyDir serves one pod", path.display())]
    OtherPod {
        /// The record of the owner.
        path: PathBuf,
        /// The other pod's UID.
        owner: String,
    },
    /// Somebody removed a lock's file while it was held.
    #[error("'{}' was removed or replaced: the directory is for nothing else", path.display())]
    Lost {
        /// The file.
        path: PathBuf,
    },
    /// The same role of the same name lives twice.
    #[error("another {role} copy lives in '{}': names are for one sidecar", path.display())]
    Taken {
        /// Which.
        role: String,
        /// The room.
        path: PathBuf,
    },
}

impl Room {
    /// Opens the part of `name` in `folder` and makes it if it is missing. `pod_uid` is what the
    /// downward API says, if anything.
    ///
    /// # Errors
    /// The name, the directory, or another pod's UID in it.
    pub fn open(folder: &Path, name: &str, pod_uid: Option<&str>) -> Result<Room, RoomError> {
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty()
            || name.len() > NAME_BYTES_MAX
            || name.starts_with('.')
            || !name.bytes().all(is_good)
        {
            return Err(RoomError::Name { name: name.to_owned() });
        }
        let generation = Generation::current(pod_uid)
            .map_err(|source| RoomError::Unusable { path: "/proc".into(), source })?;
        let room = Room { folder: folder.join(name), generation };
        room.make().map_err(|source| RoomError::Unusable { path: room.folder.clone(), source })?;
        if let Some(uid) = pod_uid {
            room.claim(uid)?;
        }
        Ok(room)
    }

    fn make(&self) -> io::Result<()> {
        match fs::create_dir(&self.folder) {
            Ok(()) => fs::set_permissions(&self.folder, Permissions::from_mode(MODE)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // Its maker may have died before it was open to all; only its owner can open it.
                fs::set_permissions(&self.folder, Permissions::from_mode(MODE)).ok();
                Ok(())
            }
            // On a read-only file system another container may have made it.
            Err(_) if self.folder.is_dir() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The first pod that comes leaves its UID; a restarted or rebooted one finds its own.
    fn claim(&self, uid: &str) -> Result<(), RoomError> {
        let path = self.folder.join(OWNER);
        match fs::read_to_string(&path) {
            Ok(owner) if owner == uid || owner.is_empty() => Ok(()),
            Ok(owner) => Err(RoomError::OtherPod { path, owner }),
            Err(_) => {
                // Without the right or the space to write it down only this check is missing.
                fs::write(&path, uid).ok();
                Ok(())
            }
        }
    }

    pub(crate) fn lock(&self, role: &str) -> Result<LockFile, RoomError> {
        let name = format!("{role}.lock");
        LockFile::open(self.folder.join(&name)).map_err(|source| self.unusable(&name, source))
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn unusable(&self, part: &str, source: io::Error) -> RoomError {
        RoomError::Unusable { path: self.folder.join(part), source }
    }

    pub(crate) fn decision(&self) -> Option<Decision> {
        match record::read(&self.folder.join(DECISION), &self.generation)?.as_str() {
            "native" => Some(Decision::Native),
            "regular" => Some(Decision::Regular),
            _ => None,
        }
    }

    pub(crate) fn decide(&self, decision: Decision) -> io::Result<()> {
        record::write(&self.folder.join(DECISION), &self.generation, decision.word())
    }

    /// Whether the wrapped main container has ended for good.
    pub(crate) fn main_ended(&self) -> bool {
        record::read(&self.folder.join(MAIN), &self.generation).as_deref() == Some("ended")
    }

    /// What makes [`Room::main_ended`] true once it is published and main's lock is free.
    pub(crate) fn end_of_main(&self) -> io::Result<Draft> {
        record::draft(&self.folder.join(MAIN), &self.generation, "ended")
    }

    /// Takes back what an earlier life of the main container said.
    pub(crate) fn main_runs(&self) -> io::Result<()> {
        record::write(&self.folder.join(MAIN), &self.generation, "running")
    }
}

impl Decision {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Decision::Native => "native",
            Decision::Regular => "regular",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["", "..", ".x", "a/b", "a b", &"x".repeat(64)] {
            let refused = Room::open(folder.path(), name, None);
            assert!(matches!(refused, Err(RoomError::Name { .. })), "{name}");
        }
        Room::open(folder.path(), "log-shipper", None).unwrap();
    }

    #[test]
    fn belongs_to_one_pod() {
        let folder = tempfile::tempdir().unwrap();
        Room::open(folder.path(), "a", Some("uid-1")).unwrap();
        Room::open(folder.path(), "a", Some("uid-1")).unwrap();
        Room::open(folder.path(), "a", None).unwrap();
        let refused = Room::open(folder.path(), "a", Some("uid-2"));
        assert!(matches!(refused, Err(RoomError::OtherPod { .. })));
    }

    #[test]
    fn a_missing_directory_is_named() {
        let error = Room::open(Path::new("/nowhere/at/all"), "a", None).unwrap_err();
        assert_eq!(error.to_string(), "cannot use '/nowhere/at/all/a'");
    }
}
