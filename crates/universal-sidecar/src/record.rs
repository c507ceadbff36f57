//! Small files that tell later roles what an earlier one saw.
//!
//! In go a word and the generation, out comes the word if the generation is still the same. Written
//! to a file of its own, synchronised, renamed: a reader sees the old text or the new one. Nothing
//! is ever proven by a record, so one that cannot be written or read is as good as none.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use crate::generation::Generation;

/// A record is two short lines.
const BYTES_MAX: u64 = 4096;

/// Replaces the record at `path`.
pub(crate) fn write(path: &Path, generation: &Generation, word: &str) -> io::Result<()> {
    let text = format!("{}\n{word}\n", generation.as_str());
    let draft = path.with_added_extension(std::process::id().to_string());
    let written = write_draft(&draft, &text).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        // Nothing more can be done about a draft that cannot be removed either.
        fs::remove_file(&draft).ok();
    }
    written?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn write_draft(draft: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// The word of the record at `path`, if it is of this generation.
pub(crate) fn read(path: &Path, generation: &Generation) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(BYTES_MAX).read_to_string(&mut text).ok()?;
    let (written_in, word) = text.trim_end().split_once('\n')?;
    (written_in == generation.as_str()).then(|| word.to_owned())
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
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
        fs::write(&path, "torn").unwrap();
        assert_eq!(read(&path, &now), None);
    }
}
