//! Small files that tell later roles what an earlier one saw.
//!
//! In go a word and the generation, out comes the word if the generation is still the same. A
//! reader sees the old text or the new one. Nothing is ever proven by a record, so one that cannot
//! be written or read is as good as none.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use crate::draft::Draft;
use crate::generation::Generation;

/// Other users read it.
const MODE: u32 = 0o644;
/// A record is two short lines.
const BYTES_MAX: u64 = 4096;

/// Replaces the record at `path`.
pub(crate) fn write(path: &Path, generation: &Generation, word: &str) -> io::Result<()> {
    draft(path, generation, word)?.publish()
}

/// A record that does not count before it is published.
pub(crate) fn draft(path: &Path, generation: &Generation, word: &str) -> io::Result<Draft> {
    let text = format!("{}\n{word}\n", generation.to_line());
    Draft::new(path, word, MODE, |file| file.write_all(text.as_bytes()))
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
    use std::fs;

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
