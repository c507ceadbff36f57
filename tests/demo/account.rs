//! What nginx wrote, file by file, against what the sink accepted.
//!
//! In go the folder of the final log files and the records; out comes a table. A received line is
//! one that has an id of its own, so a line sent twice counts once; equal lines of the error log
//! are told apart that way too. Lines are compared by their whole text: a damaged line is missing
//! and, besides, one that nginx never wrote.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::fs;
use std::path::Path;

use e2e::sink::Sink;

/// The comparison of one run.
#[derive(Debug)]
pub(crate) struct Account {
    files: BTreeMap<String, FileAccount>,
    received: usize,
    doubled: usize,
    /// Lines that no file has.
    foreign: usize,
}

#[derive(Debug, Default)]
struct FileAccount {
    written: usize,
    missing: usize,
}

impl Account {
    /// Reads every file in the folder.
    pub(crate) fn new(logs: &Path, sink: &Sink) -> Self {
        let records = sink.records();
        let mut ids = HashSet::new();
        let mut unmatched: HashMap<&str, usize> = HashMap::new();
        for record in &records {
            let id = record.fields.get("id").expect("--record-id is on");
            if ids.insert(id.to_string()) {
                *unmatched.entry(&record.message).or_default() += 1;
            }
        }
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(logs).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            let file: &mut FileAccount = files.entry(name).or_default();
            for line in fs::read_to_string(entry.path()).unwrap().lines() {
                file.written += 1;
                match unmatched.get_mut(line) {
                    Some(count) if *count > 0 => *count -= 1,
                    _ => file.missing += 1,
                }
            }
        }
        let doubled = records.len() - ids.len();
        Self { files, received: ids.len(), doubled, foreign: unmatched.values().sum() }
    }

    /// Nothing is missing and nothing was made up.
    pub(crate) fn is_even(&self) -> bool {
        self.missing() == 0 && self.foreign == 0
    }

    fn missing(&self) -> usize {
        self.files.values().map(|file| file.missing).sum()
    }
}

impl fmt::Display for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{:<16}{:>14}{:>10}", "file", "lines written", "missing")?;
        for (name, file) in &self.files {
            writeln!(formatter, "{name:<16}{:>14}{:>10}", file.written, file.missing)?;
        }
        let written: usize = self.files.values().map(|file| file.written).sum();
        writeln!(formatter, "{:<16}{written:>14}{:>10}", "sum", self.missing())?;
        writeln!(
            formatter,
            "\nThe sink received {} lines, {} that nginx never wrote. {} came twice: they were \
             on their way, or\nacknowledged after the last saved position, when log-shipper was \
             killed.",
            self.received, self.foreign, self.doubled
        )
    }
}
