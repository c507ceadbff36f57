//! A file that others see whole or not at all.
//!
//! In go a path, the rights and what to write; a reader of the path sees what was there before, or
//! all of the new. It is written to a file beside it, synchronised, and takes the name when it is
//! published, which needs no more space. A draft that is not published is removed.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A file that is written and does not count yet.
#[derive(Debug)]
pub(crate) struct Draft {
    draft: PathBuf,
    path: PathBuf,
}

impl Draft {
    /// `word` tells apart what one process has in hand for the same path.
    pub(crate) fn new(
        path: &Path,
        word: &str,
        mode: u32,
        fill: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<Draft> {
        let draft = path.with_added_extension(format!("{word}.{}", std::process::id()));
        let draft = Draft { draft, path: path.to_owned() };
        let mut file = File::create(&draft.draft)?;
        fill(&mut file)?;
        // Other users of the pod need it, whatever the umask.
        file.set_permissions(Permissions::from_mode(mode))?;
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn seen_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tool");
        let draft = |text: &'static str| {
            Draft::new(&path, "new", 0o755, |file| file.write_all(text.as_bytes()))
        };
        let first = draft("one").unwrap();
        assert!(!path.exists());
        first.publish().unwrap();
        drop(draft("two").unwrap());
        let failed = Draft::new(&path, "new", 0o755, |_file| Err(io::Error::other("full")));
        assert_eq!(failed.unwrap_err().to_string(), "full");
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }
}
