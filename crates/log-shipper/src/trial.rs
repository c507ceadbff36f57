//! `log-shipper test FILE`: what would become of the lines of a file.
//!
//! In: the settings in effect (of the first sink, if there are several) and files. Out: the records
//! as JSON, one a line, after joining, redacting, parsing and filtering; in colour on a terminal.
//! Nothing is shipped and no position is kept. It looks at the first MiB of each file: that is
//! enough to see whether a parser fits.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value};
use sidecar_runtime::{Answer, Subcommand};
use tail::{Line, Part, Source};

use crate::batch::Batch;
use crate::config::{Config, Configs};
use crate::metadata::Metadata;
use crate::metrics::Metrics;
use crate::pump::{Joining, Way, Writing};
use crate::record::{Format, Recorder, TextRecorder};

/// Looked at of each file.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Names of fields, and what ends a colour.
const COLOUR: (&str, &str) = ("\u{1b}[36m", "\u{1b}[0m");

pub(crate) fn subcommand() -> Subcommand<Configs> {
    Subcommand {
        name: "test",
        about: Some("Shows the records that the settings make of the lines of files, as JSON"),
        words: Some("FILE"),
        answer,
    }
}

fn answer(configs: &Configs, files: &[OsString]) -> Answer {
    let Some((_name, config)) = configs.sinks.first() else { return Answer::Data(Vec::new()) };
    let mut records = Vec::new();
    for file in files {
        match records_of(config, Path::new(file)) {
            Ok(more) => records.extend(more),
            Err(error) => return Answer::Remark(format!("{}: {error}", Path::new(file).display())),
        }
    }
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if io::stdout().is_terminal() && !no_colour {
        records = coloured(&records);
    }
    Answer::Data(records)
}

fn records_of(config: &Config, path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX).read_to_end(&mut text)?;
    let path = std::path::absolute(path)?;
    let source = Arc::new(Source { path, group: 0, file_id: 0 });
    let metrics = Metrics::default();
    let now = Instant::now();
    let errors = metrics.metadata_errors.clone();
    let recorder = TextRecorder::new(Format::Json, config.record_id, &config.labels);
    let mut way = Way {
        metadata: Metadata::new(config.metadata.clone(), errors, now),
        joining: config.joiner.clone().map(Joining::new),
        processor: config.processor.clone(),
        recorder: Recorder::Text(recorder),
    };
    let mut batch = Batch::default();
    let mut writing = Writing::begin(&mut way, &source, &mut batch, now);
    let mut offset = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let bytes = line.strip_suffix(b"\n").unwrap_or(line);
        let part = if bytes.len() < line.len() { Part::Whole } else { Part::Partial };
        writing.add(&source, &Line { bytes, offset, part });
        offset += line.len() as u64;
    }
    writing.with_joiner(Some(&source), |joiner, on_record| joiner.flush_all(on_record));
    writing.end(&metrics);
    Ok(batch.take_records().bytes().to_vec())
}

/// The same with the names of fields in colour.
fn coloured(records: &[u8]) -> Vec<u8> {
    let mut out = String::new();
    for record in records.split(|byte| *byte == b'\n').filter(|record| !record.is_empty()) {
        let fields: Map<String, Value> = serde_json::from_slice(record).unwrap_or_default();
        let (begin, end) = COLOUR;
        // Values are JSON, so that no byte of the file can command the terminal.
        let fields = fields
            .iter()
            .map(|(key, value)| format!("{begin}{}{end}={value}", key.escape_default()));
        out.push_str(&fields.collect::<Vec<_>>().join(" "));
        out.push('\n');
    }
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_colour_and_nothing_commands_the_terminal() {
        let records = b"{\"a\":\"\\u001b[2J\",\"b\\u0007\":1}\n";
        let out = String::from_utf8(coloured(records)).unwrap();
        let expected = "\u{1b}[36ma\u{1b}[0m=\"\\u001b[2J\" \u{1b}[36mb\\u{7}\u{1b}[0m=1\n";
        assert_eq!(out, expected);
    }
}
