//! A file that is rotated by size.
//!
//! Records are appended; what an attempt wrote before it failed (a full disk) is cut off again, and
//! so is what a killed one left, so that each attempt begins behind a whole record. A file that
//! somebody moved away or deleted is begun anew under its name. Content is synced before a position
//! that depends on it is saved, see [`Written`].

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sidecar_runtime::StartError;
use tracing::{info, warn};

use super::{Answer, Refusal, blocking};
use crate::batch::Records;
use crate::config::FileConfig;

/// Looked through for the end of the last whole record, from the end of a file. More than the
/// longest record (16 MiB of control characters as JSON) is not what a killed shipper left.
const TORN_BYTES_MAX: u64 = 128 * 1024 * 1024;
const LOOK_BYTES: u64 = 64 * 1024;

/// The file that was written last, to be synced before positions are saved.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written(Arc<Mutex<Option<Arc<File>>>>);

impl Written {
    /// Blocks until everything written is on disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let file = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        file.map_or(Ok(()), |file| file.sync_data())
    }

    fn set(&self, file: &Arc<File>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(file));
    }
}

#[derive(Debug)]
pub(crate) struct FileSink {
    /// Absent while a blocking thread has it.
    output: Option<Output>,
    written: Written,
}

impl FileSink {
    pub(super) fn open(config: FileConfig) -> Result<FileSink, StartError> {
        let url = format!("file://{}", config.path.display());
        let written = Written::default();
        let output = Output::open(config, &written);
        let output = output.map_err(|error| StartError::new("sink-url", url, error))?;
        Ok(FileSink { output: Some(output), written })
    }

    pub(super) fn written(&self) -> Written {
        self.written.clone()
    }

    pub(super) async fn send(&mut self, records: &Records) -> Answer {
        let mut output = self.output.take().expect("one attempt at a time");
        let (written, bytes) = (self.written.clone(), records.bytes());
        let (output, result) = blocking(move || {
            let result = output.append(&bytes, &written);
            (output, result)
        })
        .await;
        self.output = Some(output);
        match result {
            Ok(()) => Answer::Accepted,
            Err(error) => {
                Answer::Refused { why: Refusal::Io, detail: error.to_string(), after: None }
            }
        }
    }
}

#[derive(Debug)]
struct Output {
    config: FileConfig,
    file: Arc<File>,
    /// Whole records end here.
    len: u64,
}

impl Output {
    fn open(config: FileConfig, written: &Written) -> io::Result<Output> {
        let (file, len) = open_to_append(&config.path)?;
        written.set(&file);
        Ok(Output { config, file, len })
    }

    fn append(&mut self, records: &[u8], written: &Written) -> io::Result<()> {
        let size = records.len() as u64;
        let is_in_place = is_in_place(&self.file, &self.config.path);
        let outgrown = self.len > 0 && self.len.saturating_add(size) > self.config.bytes_max;
        if outgrown || !is_in_place {
            // What was written is on disk before its file is out of sight.
            self.file.sync_data()?;
        }
        if outgrown && is_in_place {
            rotate(&self.config.path, self.config.keep)?;
        }
        if outgrown || !is_in_place {
            (self.file, self.len) = open_to_append(&self.config.path)?;
            written.set(&self.file);
        }
        match (&*self.file).write_all(records) {
            Ok(()) => {
                self.len += size;
                Ok(())
            }
            Err(error) => {
                self.file.set_len(self.len)?;
                Err(error)
            }
        }
    }
}

/// The path still leads to the open file.
pub(crate) fn is_in_place(file: &File, path: &Path) -> bool {
    let (Ok(here), Ok(there)) = (file.metadata(), fs::metadata(path)) else { return false };
    (here.dev(), here.ino()) == (there.dev(), there.ino())
}

/// Opens a file to append to, made if it is not there and then safe in its directory. Gives its
/// size as well.
pub(crate) fn open_to_append(path: &Path) -> io::Result<(Arc<File>, u64)> {
    let file = File::options().create(true).append(true).open(path)?;
    if let Some(directory) = path.parent() {
        File::open(directory)?.sync_all()?;
    }
    let len = file.metadata()?.len();
    let whole = whole_records(path, len)?;
    if whole < len {
        warn!(file = %path.display(), bytes = len - whole, "Cutting off an unfinished record");
        file.set_len(whole)?;
    }
    Ok((Arc::new(file), whole))
}

/// Where the last whole record ends. What a killed shipper wrote behind that was not acknowledged,
/// and comes again.
fn whole_records(path: &Path, len: u64) -> io::Result<u64> {
    if len == 0 {
        return Ok(0);
    }
    let file = File::open(path)?;
    let mut block = Vec::new();
    let mut end = len;
    while end > 0 && len - end < TORN_BYTES_MAX {
        let start = end.saturating_sub(LOOK_BYTES);
        block.resize(usize::try_from(end - start).expect("LOOK_BYTES at most"), 0);
        file.read_exact_at(&mut block, start)?;
        if let Some(last) = memchr::memrchr(b'\n', &block) {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(if end == 0 { 0 } else { len })
}

/// Renames `out.log` to `out.log.1`, that to `out.log.2`, and so on; the oldest goes.
fn rotate(path: &Path, keep: u32) -> io::Result<()> {
    let numbered = |number: u32| PathBuf::from(format!("{}.{number}", path.display()));
    info!(file = %path.display(), keep, "Rotating the output");
    for number in (1..keep).rev() {
        match fs::rename(numbered(number), numbered(number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    if keep == 0 { fs::remove_file(path) } else { fs::rename(path, numbered(1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(dir: &Path, bytes_max: u64, keep: u32) -> (Output, Written) {
        let written = Written::default();
        let config = FileConfig { path: dir.join("out.log"), bytes_max, keep };
        (Output::open(config, &written).unwrap(), written)
    }

    #[test]
    fn the_output_is_rotated_before_it_outgrows_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let (mut output, written) = output(dir.path(), 10, 2);
        for records in ["111111\n", "222222\n", "333333\n", "444444\n", "5\n"] {
            output.append(records.as_bytes(), &written).unwrap();
        }
        written.sync().unwrap();
        let text = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(text("out.log"), "444444\n5\n");
        assert_eq!(text("out.log.1"), "333333\n");
        assert_eq!(text("out.log.2"), "222222\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_record_that_was_not_finished_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.log");
        let long = "x".repeat(200_000);
        for (left, kept) in [
            (String::new(), ""),
            ("1\n".to_owned(), "1\n"),
            ("1\n2".to_owned(), "1\n"),
            ("12".to_owned(), ""),
            (format!("1\n{long}"), "1\n"),
            (long.clone(), ""),
        ] {
            fs::write(&path, &left).unwrap();
            let (mut output, written) = output(dir.path(), u64::MAX, 1);
            output.append(b"22\n", &written).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{kept}22\n"));
        }
    }

    #[test]
    fn a_file_that_was_moved_away_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (mut output, written) = output(dir.path(), u64::MAX, 1);
        output.append(b"1\n", &written).unwrap();
        fs::rename(dir.path().join("out.log"), dir.path().join("moved")).unwrap();
        output.append(b"2\n", &written).unwrap();
        assert_eq!(fs::read(dir.path().join("moved")).unwrap(), b"1\n");
        assert_eq!(fs::read(dir.path().join("out.log")).unwrap(), b"2\n");
    }

    #[test]
    fn a_file_that_was_moved_away_at_its_limit_costs_no_older_one() {
        let dir = tempfile::tempdir().unwrap();
        let (mut output, written) = output(dir.path(), 4, 2);
        for records in ["111\n", "222\n", "333\n"] {
            output.append(records.as_bytes(), &written).unwrap();
        }
        fs::rename(dir.path().join("out.log"), dir.path().join("moved")).unwrap();
        output.append(b"444\n", &written).unwrap();
        let text = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!((text("out.log"), text("out.log.1")), ("444\n".into(), "222\n".into()));
        assert_eq!((text("out.log.2"), text("moved")), ("111\n".into(), "333\n".into()));
    }
}
