//! Records that are lines of text, each ended by LF: the line as it is, with its file's path before
//! it, or a JSON object.
//!
//! All that is the same for the lines of one turn of reading is written once and then copied.
//!
//! A JSON record holds `time` (RFC 3339 UTC, when the line was read), `file` (the path as
//! discovered), `stream` (the file's name without its ending), `kubernetes` (what is known of the
//! pod), the labels, `offset` (of the line's first byte), `message` (the line without its end), and
//! where they apply `id`, `partial` and `split`. Bytes that are not UTF-8 become U+FFFD in it; the raw forms keep every byte.

use std::time::SystemTime;

use serde_json::Map;
use tail::{Line, Part, Source};

use super::{labels_fragment, record_id, stream, text, write_string};
use crate::metadata::Pod;

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
        TextRecorder { format, record_id, labels, fields, envelope: Vec::new(), file_id: 0 }
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
                let time = humantime::format_rfc3339_millis(time).to_string();
                self.envelope.extend_from_slice(b"{\"time\":\"");
                self.envelope.extend_from_slice(time.as_bytes());
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

    /// Appends the record of a line. Says whether bytes had to be replaced.
    pub(crate) fn write(&self, line: &Line<'_>, out: &mut Vec<u8>) -> bool {
        if self.format == Format::Nothing {
            return false;
        }
        out.extend_from_slice(&self.envelope);
        let replaced = match self.format {
            Format::Raw | Format::Prefixed | Format::Nothing => {
                out.extend_from_slice(line.bytes);
                false
            }
            Format::Json => self.write_json(line, out),
        };
        out.push(b'\n');
        replaced
    }

    fn write_json(&self, line: &Line<'_>, out: &mut Vec<u8>) -> bool {
        let mut digits = itoa::Buffer::new();
        let offset = digits.format(line.offset).as_bytes();
        out.extend_from_slice(offset);
        if self.record_id {
            out.extend_from_slice(b",\"id\":\"");
            record_id(self.file_id, line, out);
            out.push(b'"');
        }
        out.extend_from_slice(b",\"message\":");
        let (text, replaced) = text(line);
        write_string(&text, out);
        match line.part {
            Part::Whole => {}
            Part::Partial => out.extend_from_slice(b",\"partial\":true"),
            Part::Split => out.extend_from_slice(b",\"split\":true"),
        }
        out.push(b'}');
        replaced
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn source() -> Source {
        Source { path: PathBuf::from("/logs/a \"b\".log"), group: 0, file_id: 0xab }
    }

    fn written(recorder: &mut TextRecorder, bytes: &[u8], part: Part) -> (Vec<u8>, bool) {
        recorder.begin(&source(), SystemTime::UNIX_EPOCH + Duration::from_millis(1_500));
        let mut out = Vec::new();
        let replaced = recorder.write(&Line { bytes, offset: 42, part }, &mut out);
        (out, replaced)
    }

    fn json(recorder: &mut TextRecorder, bytes: &[u8], part: Part) -> serde_json::Value {
        let (out, _) = written(recorder, bytes, part);
        assert_eq!(out.last(), Some(&b'\n'));
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn raw_forms_keep_every_byte() {
        let bytes = b"\xff\0 x\r";
        let mut raw = TextRecorder::new(Format::Raw, false, &[]);
        assert_eq!(written(&mut raw, bytes, Part::Whole), (b"\xff\0 x\r\n".to_vec(), false));
        let mut prefixed = TextRecorder::new(Format::Prefixed, false, &[]);
        let expected = b"/logs/a \"b\".log: \xff\0 x\r\n".to_vec();
        assert_eq!(written(&mut prefixed, bytes, Part::Whole), (expected, false));
    }

    #[test]
    fn a_json_record_says_what_when_and_where() {
        let labels = [("app".to_owned(), "w\"eb".to_owned())];
        let mut recorder = TextRecorder::new(Format::Json, true, &labels);
        let record = json(&mut recorder, b"GET \"/\" \x01\r", Part::Whole);
        let expected = serde_json::json!({
            "time": "1970-01-01T00:00:01.500Z",
            "file": "/logs/a \"b\".log",
            "stream": "a \"b\"",
            "app": "w\"eb",
            "offset": 42,
            "id": "00000000000000ab-42",
            "message": "GET \"/\" \u{1}",
        });
        assert_eq!(record, expected);
    }

    #[test]
    fn pieces_are_marked_and_bad_bytes_replaced_and_reported() {
        let mut recorder = TextRecorder::new(Format::Json, false, &[]);
        assert_eq!(json(&mut recorder, b"half", Part::Partial)["partial"], true);
        assert_eq!(json(&mut recorder, b"piece\r", Part::Split)["message"], "piece\r");
        assert_eq!(json(&mut recorder, b"piece", Part::Split)["split"], true);
        assert!(json(&mut recorder, b"x", Part::Whole).get("split").is_none());
        let (out, replaced) = written(&mut recorder, b"\xff\xfe\x80\x00\x01\xc3", Part::Whole);
        assert!(replaced);
        let record: serde_json::Value = serde_json::from_slice(&out).unwrap();
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
