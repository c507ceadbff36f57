//! A place for records that the sink refuses for good.
//!
//! In: refused records and what the server said of them. Out: a line of JSON for each, appended to
//! the sink's file in `--quarantine-dir` and on disk before the record counts as done with. A kill
//! between the two has the record sent, refused and kept again: it may be there twice.
//!
//! A file that is full keeps what it has, as nobody knows whether that was looked at, and takes no
//! more until somebody has moved or emptied it. What it does not take, full or failing, is counted,
//! and stops nothing.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use tracing::{error, info, warn};

use crate::batch::{Origin, Records};
use crate::config::QuarantineConfig;
use crate::metrics::{DropReason, Metrics, Missed};
use crate::record::{text, write_string};
use crate::sink::{Rejected, blocking, is_in_place, open_to_append};

/// Behind the sink's name in the name of its file.
pub(crate) const SUFFIX: &str = ".quarantine.ndjson";
/// Of what a server said of a record.
const DETAIL_BYTES_MAX: usize = 1024;
/// Written in one go, more or less.
const WRITTEN_BYTES: usize = 64 << 10;
/// Looked at in one go for the end of the last whole line.
const BLOCK_BYTES: u64 = 64 << 10;

#[derive(Debug)]
pub(crate) struct Quarantine {
    /// Absent while a blocking thread has it.
    store: Option<Store>,
    metrics: Arc<Metrics>,
    missing: Option<Missed>,
}

impl Quarantine {
    /// Opens the file of this sink. One that cannot be opened is tried again at each refusal.
    pub(crate) fn open(config: &QuarantineConfig, sink: &str, metrics: Arc<Metrics>) -> Quarantine {
        let path = config.dir.join(format!("{sink}{SUFFIX}"));
        let bytes_max = config.bytes_max;
        let mut store = Store { path, sink: sink.to_owned(), bytes_max, file: None, full_at: None };
        let opened = store.open().map(drop);
        let mut quarantine = Quarantine { store: Some(store), metrics, missing: None };
        if let Err(error) = opened {
            quarantine.note(Some(Missed::Io), Some(&error));
        }
        quarantine
    }

    /// Keeps those of the records that were rejected, as far as there is room.
    pub(crate) async fn keep(&mut self, records: Records, reason: DropReason, rejected: Rejected) {
        let mut store = self.store.take().expect("one answer at a time");
        let count = rejected.count;
        let (store, kept) = blocking(move || {
            let kept = store.keep(&records, reason.label(), &rejected);
            (store, kept)
        })
        .await;
        self.store = Some(store);
        match kept {
            Ok(Kept { records, bytes, missed }) => {
                self.metrics.quarantined_records.inc_by(records);
                self.metrics.quarantined_bytes.inc_by(bytes);
                self.metrics.missed(Missed::Full, missed);
                self.note((missed > 0).then_some(Missed::Full), None);
            }
            Err(error) => {
                self.metrics.missed(Missed::Io, count);
                self.note(Some(Missed::Io), Some(&error));
            }
        }
    }

    /// Says what has changed.
    fn note(&mut self, missing: Option<Missed>, error: Option<&io::Error>) {
        if std::mem::replace(&mut self.missing, missing) == missing {
            return;
        }
        let file = self.store.as_ref().map(|store| store.path.display().to_string());
        match (missing, error) {
            (Some(_), Some(error)) => {
                error!(file, %error, "The quarantine cannot be written: what is refused is lost");
            }
            (Some(_), None) => warn!(file, "The quarantine is full: what is refused is lost"),
            (None, _) => info!(file, "The quarantine takes records again"),
        }
    }
}

/// What became of refused records.
#[derive(Debug, Default, PartialEq, Eq)]
struct Kept {
    records: u64,
    bytes: u64,
    /// There was no room for them.
    missed: u64,
}

#[derive(Debug)]
struct Store {
    path: PathBuf,
    sink: String,
    bytes_max: u64,
    /// Whole lines only, as far as it is known.
    file: Option<Arc<File>>,
    /// The size at which a record had no room: until the file is smaller, none has.
    full_at: Option<u64>,
}

impl Store {
    fn keep(&mut self, records: &Records, reason: &str, rejected: &Rejected) -> io::Result<Kept> {
        let (file, size) = self.open()?;
        let kept = self.append(&file, size, &refused(records, rejected), reason);
        let kept = kept.and_then(|kept| file.sync_data().map(|()| kept));
        match &kept {
            Ok(kept) => self.full_at = (kept.missed > 0).then_some(size + kept.bytes),
            Err(_) => {
                // What cannot be cut off now is cut off when the file is opened again.
                self.file = None;
                file.set_len(size)?;
            }
        }
        kept
    }

    fn append(
        &self,
        mut file: &File,
        size: u64,
        refused: &[(Origin<'_>, &str)],
        reason: &str,
    ) -> io::Result<Kept> {
        let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let is_full = self.full_at.is_some_and(|full| size >= full);
        let mut room = if is_full { 0 } else { self.bytes_max.saturating_sub(size) };
        let (mut kept, mut lines) = (Kept::default(), Vec::new());
        for (origin, detail) in refused {
            let before = lines.len();
            write_line(&time, &self.sink, reason, detail, origin, &mut lines);
            let bytes = (lines.len() - before) as u64;
            if bytes > room {
                lines.truncate(before);
                kept.missed += 1;
                room = 0;
                continue;
            }
            room -= bytes;
            kept.records += 1;
            kept.bytes += bytes;
            if lines.len() >= WRITTEN_BYTES {
                file.write_all(&lines)?;
                lines.clear();
            }
        }
        file.write_all(&lines)?;
        Ok(kept)
    }

    /// The file under its name, begun anew if somebody has moved it away, and its size.
    fn open(&mut self) -> io::Result<(Arc<File>, u64)> {
        if let Some(file) = self.file.take_if(|file| is_in_place(file, &self.path)) {
            let size = file.metadata()?.len();
            self.file = Some(Arc::clone(&file));
            return Ok((file, size));
        }
        if let Some(dir) = self.path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let (file, size) = open_to_append(&self.path)?;
        let end = whole_lines_end(&File::open(&self.path)?, size)?;
        if end < size {
            file.set_len(end)?;
        }
        self.file = Some(Arc::clone(&file));
        Ok((file, end))
    }
}

/// The records that were rejected, with what was said of each; all where nobody says which.
fn refused<'a>(records: &'a Records, rejected: &'a Rejected) -> Vec<(Origin<'a>, &'a str)> {
    let whole = rejected.each.is_empty().then(|| 0..records.len()).into_iter().flatten();
    let whole = whole.map(|number| (number, rejected.why.as_str()));
    let each = rejected.each.iter().map(|(number, why)| (*number, why.as_str()));
    whole.chain(each).filter_map(|(number, why)| Some((records.origin(number)?, why))).collect()
}

/// Where the last whole line ends: a kill may have left a part of one behind it.
fn whole_lines_end(file: &File, size: u64) -> io::Result<u64> {
    let mut end = size;
    while end > 0 {
        let begin = end.saturating_sub(BLOCK_BYTES);
        let mut block = vec![0; usize::try_from(end - begin).map_err(io::Error::other)?];
        file.read_exact_at(&mut block, begin)?;
        if let Some(at) = memchr::memrchr(b'\n', &block) {
            return Ok(begin + at as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

fn write_line(
    time: &str,
    sink: &str,
    reason: &str,
    detail: &str,
    origin: &Origin<'_>,
    out: &mut Vec<u8>,
) {
    let (detail, _rest) = detail.split_at(detail.floor_char_boundary(DETAIL_BYTES_MAX));
    let (path, (message, _replaced)) = (origin.path.to_string_lossy(), text(origin.text));
    for (begin, value) in [
        ("{\"time\":", time),
        (",\"sink\":", sink),
        (",\"reason\":", reason),
        (",\"detail\":", detail),
        (",\"path\":", &path),
        (&format!(",\"offset\":{},\"message\":", origin.offset), &message),
    ] {
        out.extend_from_slice(begin.as_bytes());
        write_string(value, out);
    }
    out.extend_from_slice(b"}\n");
}

#[cfg(test)]
mod tests;
