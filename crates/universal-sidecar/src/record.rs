//! Small files that tell later roles what an earlier one saw.
//!
//! In go a word and the generation, out comes the word if the generation is still the same. Written
//! to a file of its own, synchronised, renamed: a reader sees the old text or the new one. Nothing
//! is ever proven by a record, so one that cannot be written or read is as good as none.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::generation::Generation;

const MODE: u32 = 0o644;
/// A record is two short lines.
const BYTES_MAX: u64 = 4096;

/// A record that is written and does not count yet. It takes no more space to make it count.
#[derive(Debug)]
pub(crate) struct Draft {
    draft: PathBuf,
    path: PathBuf,
}

/// Replaces the record at `path`.
pub(crate) fn write(path: &Path, generation: &Generation, word: &str) -> io::Result<()> {
    Draft::new(path, generation, word)?.publish()
}

impl Draft {
    pub(crate) fn new(path: &Path, generation: &Generation, word: &str) -> io::Result<Draft> {
        let draft = path.with_added_extension(format!("{word}.{}", std::process::id()));
        let draft = Draft { draft, path: path.to_owned() };
        let mut file = File::create(&draft.draft)?;
        file.write_all(format!("{}\n{word}\n", generation.to_line()).as_bytes())?;
        // Other users read it, whatever the umask.
        file.set_permissions(Permissions::from_mode(MODE))?;
        file.sync_all()?;
        Ok(draft)
    }

    pub(crate) fn publish(self) -> io::Result<()> {
        fs::rename(&self.draft, &self.path)?;
        match self.path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Gone if it was published; else nothing more can be done about it.
        fs::remove_file(&self.draft).ok();
    }
}

/// The word of the record at `path`, if it is of this generation.
pub(crate) fn read(path: &Path, generation: &Generation) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(BYTES_MAX).read_to_string(&mut text).ok()?;
    let (written_in, word) = text.trim_end().split_once('\n')?;
    generation.wrote(written_in).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_in_its_generation_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("decision");
        let [now, later] = [Some("a"), Some("b")].map(|uid| Generation::current(uid).unwrap());
        assert_eq!(read(&path, &now), None);
        write(&path, &now, "regular").unwrap();
        write(&path, &now, "native").unwrap();
        assert_eq!(read(&path, &now).as_deref(), Some("native"));
        assert_eq!(read(&path, &later), None);
        let untold = Generation::current(None).unwrap();
        assert_eq!(read(&path, &untold).as_deref(), Some("native"), "not all are told the UID");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
        fs::write(&path, "torn").unwrap();
        assert_eq!(read(&path, &now), None);
    }
}
