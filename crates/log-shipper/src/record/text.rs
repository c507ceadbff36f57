//! Records that are lines of text, each ended by LF: the line as it is, with its file's path before
//! it, or a JSON object.
//!
//! All that is the same for the lines of one turn of reading is written once and then copied.
//!
//! A JSON record holds `time` (RFC 3339 UTC, as the line says or when it was read), `file` (the
//! path as discovered), `stream` (the file's name without its ending), `kubernetes` (what is known
//! of the pod), the labels, `offset` (of the line's first byte), what was parsed of the line,
//! `message` (the line without its end, or the part of it that is one), and where they apply `id`,
//! `partial`,
//! `split`, `cut` and `unparsed`. Bytes that are not UTF-8 become U+FFFD in it; the raw forms keep
//! every byte.

use std::time::SystemTime;

use event::Key;
use serde_json::Map;
use tail::Source;

use super::{Entry, Naming, is_label, labels_fragment, record_id, stream, write_string};
use crate::metadata::Pod;

/// What is known of the pod. A label may take its place.
pub(crate) const POD: &str = "kubernetes";
/// Fields that a record has by itself.
pub(crate) const RESERVED: [&str; 12] = [
    "message", "file", "offset", "time", "stream", "partial", "split", "id", "level", POD, "cut",
    "unparsed",
];

/// By the names of nginx's variables, and as they stand in the line.
pub(crate) const PLAIN: Naming = Naming {
    word: |key| key.plain().into(),
    is_reserved: |name| RESERVED.contains(&name),
    dots_nest: false,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// The line as it is.
    Raw,
    /// `PATH: LINE`.
    Prefixed,
    /// An object a line.
    Json,
    /// Nothing, for a sink that looks at nothing.
    Nothing,
}

/// Writes records.
#[derive(Debug)]
pub(crate) struct TextRecorder {
    format: Format,
    record_id: bool,
    labels: Vec<(String, String)>,
    /// The labels and the pod as JSON, with a comma behind each.
    fields: Vec<u8>,
    /// What stands before the offset, or before the line, in this turn.
    envelope: Vec<u8>,
    /// When the lines of this turn were read.
    time: Vec<u8>,
    file_id: u64,
}

impl TextRecorder {
    pub(crate) fn new(
        format: Format,
        record_id: bool,
        labels: &[(String, String)],
    ) -> TextRecorder {
        let fields = labels_fragment(labels, &Map::new());
        let labels = labels.to_vec();
        let (envelope, time) = (Vec::new(), Vec::new());
        TextRecorder { format, record_id, labels, fields, envelope, time, file_id: 0 }
    }

    pub(crate) fn describe(&mut self, pod: &Pod) {
        self.fields = labels_fragment(&self.labels, &pod.json());
    }

    /// Begins a turn: the lines that follow are of `source` and were read at `time`.
    pub(crate) fn begin(&mut self, source: &Source, time: SystemTime) {
        self.envelope.clear();
        self.file_id = source.file_id;
        let path = source.path.to_string_lossy();
        match self.format {
            Format::Raw | Format::Nothing => {}
            Format::Prefixed => {
                self.envelope.extend_from_slice(path.as_bytes());
                self.envelope.extend_from_slice(b": ");
            }
            Format::Json => {
                self.time.clear();
                let time = humantime::format_rfc3339_millis(time).to_string();
                self.time.extend_from_slice(time.as_bytes());
                self.envelope.extend_from_slice(b"\",\"file\":");
                write_string(&path, &mut self.envelope);
                self.envelope.extend_from_slice(b",\"stream\":");
                write_string(&stream(source), &mut self.envelope);
                self.envelope.push(b',');
                self.envelope.extend_from_slice(&self.fields);
                self.envelope.extend_from_slice(b"\"offset\":");
            }
        }
    }

    pub(crate) fn takes_text(&self) -> bool {
        self.format == Format::Json
    }

    /// Appends the record of an entry.
    pub(crate) fn write(&self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        match self.format {
            Format::Nothing => return,
            Format::Raw | Format::Prefixed => {
                out.extend_from_slice(&self.envelope);
                out.extend_from_slice(entry.bytes);
            }
            Format::Json => self.write_json(entry, out),
        }
        out.push(b'\n');
    }

    fn write_json(&self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"time\":\"");
        match entry.time() {
            Some(time) => time.write_rfc3339(out),
            None => out.extend_from_slice(&self.time),
        }
        out.extend_from_slice(&self.envelope);
        out.extend_from_slice(itoa::Buffer::new().format(entry.offset).as_bytes());
        if self.record_id {
            out.extend_from_slice(b",\"id\":\"");
            record_id(self.file_id, entry, out);
            out.push(b'"');
        }
        if let Some(level) = entry.fields.level {
            out.extend_from_slice(b",\"level\":");
            write_string(level.as_str(), out);
        }
        for (number, (key, value)) in entry.fields.entries().iter().enumerate() {
            match key {
                Key::Known(name) if !is_label(&self.labels, name.plain) => {
                    out.extend_from_slice(name.plain_json.as_bytes());
                }
                _ => {
                    out.push(b',');
                    write_string(&PLAIN.name(number, entry.fields, &self.labels), out);
                    out.push(b':');
                }
            }
            value.write_json(out);
        }
        if let Some(message) = entry.message() {
            out.extend_from_slice(b",\"message\":");
            write_string(message, out);
        }
        for mark in entry.marks() {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(mark.as_bytes());
            out.extend_from_slice(b"\":true");
        }
        out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use event::{Fields, Parser};
    use proptest::prelude::*;
    use tail::{Line, Part};

    use super::*;
    use crate::record::{Parsed, plain, text};

    fn source() -> Source {
        Source { path: PathBuf::from("/logs/a \"b\".log"), group: 0, file_id: 0xab }
    }

    fn written(recorder: &mut TextRecorder, bytes: &[u8], part: Part) -> Vec<u8> {
        recorder.begin(&source(), SystemTime::UNIX_EPOCH + Duration::from_millis(1_500));
        let (mut out, fields) = (Vec::new(), Fields::default());
        let (text, _replaced) = text(Line { bytes, offset: 42, part }.text());
        recorder.write(&Entry { bytes, part, ..plain(&text, 42, &fields) }, &mut out);
        out
    }

    fn json(recorder: &mut TextRecorder, bytes: &[u8], part: Part) -> serde_json::Value {
        let out = written(recorder, bytes, part);
        assert_eq!(out.last(), Some(&b'\n'));
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn raw_forms_keep_every_byte() {
        let bytes = b"\xff\0 x\r";
        let mut raw = TextRecorder::new(Format::Raw, false, &[]);
        assert_eq!(written(&mut raw, bytes, Part::Whole), b"\xff\0 x\r\n");
        let mut prefixed = TextRecorder::new(Format::Prefixed, false, &[]);
        let expected = b"/logs/a \"b\".log: \xff\0 x\r\n".to_vec();
        assert_eq!(written(&mut prefixed, bytes, Part::Whole), expected);
    }

    #[test]
    fn a_json_record_says_what_when_and_where() {
        let labels = [("app".to_owned(), "w\"eb".to_owned())];
        let mut recorder = TextRecorder::new(Format::Json, true, &labels);
        let (line, fields) = (b"GET \"/\" \x01\r", Fields::default());
        let record = json(&mut recorder, line, Part::Whole);
        let mut id = Vec::new();
        record_id(0xab, &Entry { bytes: line, ..plain("", 42, &fields) }, &mut id);
        let expected = serde_json::json!({
            "time": "1970-01-01T00:00:01.500Z",
            "file": "/logs/a \"b\".log",
            "stream": "a \"b\"",
            "app": "w\"eb",
            "offset": 42,
            "id": String::from_utf8(id).unwrap(),
            "message": "GET \"/\" \u{1}",
        });
        assert_eq!(record, expected);
    }

    #[test]
    fn what_was_parsed_are_fields() {
        let labels = [("app".to_owned(), "web".to_owned())];
        let mut recorder = TextRecorder::new(Format::Json, false, &labels);
        recorder.begin(&source(), SystemTime::UNIX_EPOCH);
        let line = concat!(
            r#"{"ts":"2026-11-23T10:00:00Z","level":"warn","msg":"a","#,
            r#""app":1,"file":"b","file_":"c","n":{}}"#,
        );
        let (mut fields, mut out) = (Fields::default(), Vec::new());
        Parser::from_setting("json", event::Offset::UTC).unwrap().parse(line, &mut fields).unwrap();
        recorder.write(&Entry { parsed: Parsed::Done, ..plain(line, 7, &fields) }, &mut out);
        let record: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let expected = serde_json::json!({
            "time": "2026-11-23T10:00:00Z",
            "file": "/logs/a \"b\".log",
            "stream": "a \"b\"",
            "app": "web",
            "offset": 7,
            "level": "warn",
            "app_": 1,
            "file__": "b",
            "file_": "c",
            "n": {},
            "message": "a",
        });
        assert_eq!(record, expected);
    }

    #[test]
    fn pieces_are_marked_and_bad_bytes_replaced() {
        let mut recorder = TextRecorder::new(Format::Json, false, &[]);
        assert_eq!(json(&mut recorder, b"half", Part::Partial)["partial"], true);
        assert_eq!(json(&mut recorder, b"piece\r", Part::Split)["message"], "piece\r");
        assert_eq!(json(&mut recorder, b"piece", Part::Split)["split"], true);
        assert!(json(&mut recorder, b"x", Part::Whole).get("split").is_none());
        let record = json(&mut recorder, b"\xff\xfe\x80\x00\x01\xc3", Part::Whole);
        assert_eq!(record["message"], "\u{fffd}\u{fffd}\u{fffd}\0\u{1}\u{fffd}");
    }

    proptest! {
        #[test]
        fn every_line_becomes_one_valid_record(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let line: Vec<u8> = bytes.into_iter().filter(|byte| *byte != b'\n').collect();
            let mut recorder = TextRecorder::new(Format::Json, false, &[]);
            let record = json(&mut recorder, &line, Part::Partial);
            let text = line.strip_suffix(b"\r").unwrap_or(&line);
            prop_assert_eq!(record["message"].as_str().unwrap(), String::from_utf8_lossy(text));
        }
    }
}
