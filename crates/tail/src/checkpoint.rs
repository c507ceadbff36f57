//! Positions that survive the process.
//!
//! In: one [`Entry`] a file, with the position up to which everything is acknowledged. Out: a file
//! in the state directory that is at every instant either the old one or the new one, whole:
//! written under another name, synced, renamed, and the directory synced. A first line gives
//! format, version, count and a checksum of the rest, so that damage is noticed; a damaged or
//! foreign file is set aside, never overwritten, and the caller starts by its `--from`.
//!
//! One small text file rather than a database: it is rewritten at most once a second, and a person
//! can read it. A lock in the directory keeps a second process from writing there.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};
use xxhash_rust::xxh3::Xxh3Default;

use crate::identity::{Inode, Mark, Prefix};

const FORMAT: &str = "outrider-tail-positions";
const VERSION: u32 = 1;
const FILE: &str = "positions";
const TEMPORARY: &str = "positions.new";
const SET_ASIDE: &str = "positions.damaged";
const LOCK: &str = "lock";
/// A checkpoint above this size is taken for foreign: entries are below 5 KiB, files below 100,000.
const FILE_BYTES_MAX: u64 = 512 << 20;

/// What is known of one file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Under which name it was discovered.
    #[serde(with = "path_bytes")]
    pub(crate) path: PathBuf,
    /// Where it lay last, if elsewhere (rotated), or nowhere that is known.
    #[serde(with = "path_bytes")]
    pub(crate) last_path: PathBuf,
    pub(crate) inode: Inode,
    pub(crate) prefix: Prefix,
    /// Everything before is acknowledged.
    pub(crate) acked: Mark,
    /// How large the file was seen to be.
    pub(crate) size: u64,
    /// How often the file was truncated and begun again.
    pub(crate) generation: u32,
    /// It is no longer written under the name it was discovered by.
    pub(crate) rotated: bool,
    /// Seconds since 1970 when the file was last there.
    pub(crate) seen: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    /// Milliseconds since 1970.
    saved: u64,
    files: usize,
    checksum: u64,
}

/// The content of a checkpoint, encoded; writing it needs no access to the tailer.
#[derive(Debug)]
pub struct Snapshot {
    bytes: Vec<u8>,
}

impl Snapshot {
    /// `saved` is in milliseconds since 1970.
    pub(crate) fn encode(entries: impl Iterator<Item = Entry>, saved: u64) -> Snapshot {
        let mut body = Vec::new();
        let mut files = 0;
        for entry in entries {
            serde_json::to_writer(&mut body, &entry).expect("an entry has only string keys");
            body.push(b'\n');
            files += 1;
        }
        let format = FORMAT.to_owned();
        let header = Header { format, version: VERSION, saved, files, checksum: checksum(&body) };
        let mut bytes = serde_json::to_vec(&header).expect("the header has only string keys");
        bytes.push(b'\n');
        bytes.extend_from_slice(&body);
        Snapshot { bytes }
    }
}

/// What was read back.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) entries: Vec<Entry>,
    /// Milliseconds since 1970 when they were saved; 0 if never.
    pub(crate) saved: u64,
}

/// Why a checkpoint could not be used; the text names the file.
#[derive(Debug, thiserror::Error)]
pub enum LoadWarning {
    #[error("{path} cannot be read", path = .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    #[error("{path} is damaged: {reason}", path = .0.display(), reason = .1)]
    Damaged(PathBuf, String),
    #[error("{path} has the unknown version {version}", path = .0.display(), version = .1)]
    Foreign(PathBuf, u32),
}

/// Why a state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// It is missing, not a directory or not writable; working without positions is possible.
    #[error("not usable")]
    Unusable(#[source] io::Error),
    /// Another process keeps its positions there.
    #[error("in use by another process")]
    Locked,
}

/// A directory that this process alone keeps its positions in.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    _lock: File,
}

impl StateDir {
    /// Opens and locks the directory; it is made if its parent exists.
    ///
    /// # Errors
    /// See [`StateDirError`].
    pub fn open(path: &Path) -> Result<StateDir, StateDirError> {
        match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(StateDirError::Unusable(error));
            }
            _ => {}
        }
        let lock = File::create(path.join(LOCK)).map_err(StateDirError::Unusable)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(StateDir { path: path.to_path_buf(), _lock: lock }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(StateDirError::Locked),
            Err(error) => Err(StateDirError::Unusable(error.into())),
        }
    }

    /// Reads the positions back. One that cannot be used is set aside as `positions.damaged` and
    /// the warning is returned beside no entries at all.
    pub(crate) fn load(&self) -> (Loaded, Option<LoadWarning>) {
        let path = self.path.join(FILE);
        let warning = match read_limited(&path) {
            Ok(bytes) => match decode(&path, &bytes) {
                Ok(loaded) => return (loaded, None),
                Err(warning) => warning,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return (Loaded::default(), None);
            }
            Err(error) => LoadWarning::Unreadable(path.clone(), error),
        };
        match fs::rename(&path, self.path.join(SET_ASIDE)) {
            Ok(()) => info!(file = SET_ASIDE, "Set the unusable checkpoint aside"),
            Err(error) => warn!(%error, "Cannot set the unusable checkpoint aside"),
        }
        (Loaded::default(), Some(warning))
    }

    /// Replaces the positions; a crash at any point leaves the old or the new ones.
    ///
    /// # Errors
    /// Any of the system; the old positions are then still there.
    pub fn save(&self, snapshot: &Snapshot) -> io::Result<()> {
        let temporary = self.path.join(TEMPORARY);
        let mut file = File::create(&temporary)?;
        file.write_all(&snapshot.bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, self.path.join(FILE))?;
        File::open(&self.path)?.sync_all()
    }
}

fn read_limited(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than any checkpoint"));
    }
    fs::read(path)
}

fn decode(path: &Path, bytes: &[u8]) -> Result<Loaded, LoadWarning> {
    let damaged = |reason: String| LoadWarning::Damaged(path.to_path_buf(), reason);
    let end = memchr::memchr(b'\n', bytes).ok_or_else(|| damaged("no header".to_owned()))?;
    let (header, body) = (&bytes[..end], &bytes[end + 1..]);
    let header: Header =
        serde_json::from_slice(header).map_err(|error| damaged(format!("header: {error}")))?;
    if header.format != FORMAT {
        return Err(damaged(format!("the format is {:?}", header.format)));
    }
    if header.version != VERSION {
        return Err(LoadWarning::Foreign(path.to_path_buf(), header.version));
    }
    if header.checksum != checksum(body) {
        return Err(damaged("the checksum does not match".to_owned()));
    }
    let entries: Vec<Entry> = serde_json::Deserializer::from_slice(body)
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|error| damaged(error.to_string()))?;
    if entries.len() != header.files {
        return Err(damaged(format!("{} of {} entries", entries.len(), header.files)));
    }
    Ok(Loaded { entries, saved: header.saved })
}

fn checksum(body: &[u8]) -> u64 {
    let mut hasher = Xxh3Default::new();
    hasher.update(body);
    hasher.digest()
}

/// Paths are bytes: a name that is UTF-8 is stored as text, any other as a list of numbers.
mod path_bytes {
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::{Path, PathBuf};

    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stored {
        Text(String),
        Bytes(Vec<u8>),
    }

    pub(super) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        match path.to_str() {
            Some(text) => to.serialize_str(text),
            None => to.collect_seq(path.as_os_str().as_bytes()),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        Ok(match Stored::deserialize(from)? {
            Stored::Text(text) => PathBuf::from(text),
            Stored::Bytes(bytes) => PathBuf::from(OsString::from_vec(bytes)),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use proptest::prelude::*;

    use super::*;

    fn entry(path: &[u8], offset: u64) -> Entry {
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(path));
        Entry {
            last_path: path.clone(),
            path,
            inode: Inode { dev: 1, ino: 2, born: 3 },
            prefix: Prefix { len: 4, hash: u64::MAX },
            acked: Mark { offset, len: 6, hash: 7 },
            size: offset,
            generation: 8,
            rotated: false,
            seen: 9,
        }
    }

    fn saved(entries: &[Entry]) -> (tempfile::TempDir, StateDir) {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        state.save(&Snapshot::encode(entries.iter().cloned(), 42)).unwrap();
        (dir, state)
    }

    #[test]
    fn what_is_saved_is_loaded_whatever_the_file_is_called() {
        let entries = [entry(b"/logs/a.log", 1), entry(b"/logs/\xff\n\".log", u64::MAX)];
        let (_dir, state) = saved(&entries);
        let (loaded, warning) = state.load();
        assert!(warning.is_none());
        assert_eq!((loaded.entries.as_slice(), loaded.saved), (entries.as_slice(), 42));
    }

    #[test]
    fn a_directory_serves_one_process() {
        let (dir, state) = saved(&[]);
        assert!(matches!(StateDir::open(dir.path()), Err(StateDirError::Locked)));
        drop(state);
        assert!(StateDir::open(dir.path()).is_ok());
        let missing = dir.path().join("no/such");
        assert!(matches!(StateDir::open(&missing), Err(StateDirError::Unusable(_))));
    }

    #[test]
    fn a_file_cut_or_garbled_at_any_byte_is_noticed_and_set_aside() {
        let (dir, state) = saved(&[entry(b"/logs/a.log", 1), entry(b"/logs/b.log", 2)]);
        let path = dir.path().join(FILE);
        let whole = fs::read(&path).unwrap();
        for index in 0..whole.len() {
            let mut garbled = whole.clone();
            garbled[index] ^= 0x15;
            for bytes in [&whole[..index], &garbled] {
                fs::write(&path, bytes).unwrap();
                let (loaded, warning) = state.load();
                // Only the time of saving is outside the checksum: a wrong one harms nothing.
                if let Some(warning) = warning {
                    assert!(loaded.entries.is_empty());
                    assert!(warning.to_string().contains("positions"), "{warning}");
                    assert_eq!(fs::read(dir.path().join(SET_ASIDE)).unwrap(), bytes);
                } else {
                    assert_eq!(loaded.entries.len(), 2, "garbled at {index}");
                }
            }
        }
    }

    #[test]
    fn a_version_from_the_future_is_foreign() {
        let (dir, state) = saved(&[]);
        let path = dir.path().join(FILE);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("\"version\":1", "\"version\":2")).unwrap();
        assert!(matches!(state.load().1, Some(LoadWarning::Foreign(_, 2))));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_fail(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _any_outcome = decode(Path::new("positions"), &bytes);
        }
    }
}
