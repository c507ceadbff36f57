//! Loki's push API, as snappy-compressed protobuf or as JSON.
//!
//! The stream's labels are those of `--label`, `filename` and a few of the pod, which stay the same;
//! all else is in the line or in its structured metadata: the rest of what is known of the pod, and
//! whether a line is only a piece. A head is the labels of a stream, so one push holds each stream's
//! records once as they come.
//!
//! Loki stores what it can of a push and answers 400 if there was a line that it will never take
//! (too old, too long). Nobody says which, so the push is halved until it stands alone; lines that
//! were stored the first time have the same time and text again, and Loki keeps one of them.
//!
//! Messages: `PushRequest { streams = 1 }`, `Stream { labels = 1, entries = 2 }`, `Entry {
//! timestamp = 1, line = 2, structuredMetadata = 3 }` of Loki's `pkg/push/push.proto`.

use std::time::SystemTime;

use bytes::Bytes;
use sidecar_runtime::StartError;
use tail::{Line, Part, Source};

use super::Answer;
use super::http::Poster;
use crate::batch::Records;
use crate::config::{Encoding, HttpConfig};
use crate::metadata::Pod;
use crate::protobuf;
use crate::record::{Stamps, is_label, text, write_string};

const NANOS: u64 = 1_000_000_000;

/// Writes entries.
#[derive(Debug)]
pub(crate) struct LokiRecorder {
    encoding: Encoding,
    labels: Vec<(String, String)>,
    pod_labels: Vec<(String, String)>,
    /// Structured metadata of each entry.
    metadata: Vec<u8>,
    /// The labels of this turn's stream.
    head: Vec<u8>,
    stamps: Stamps,
}

impl LokiRecorder {
    pub(crate) fn new(encoding: Encoding, labels: &[(String, String)]) -> LokiRecorder {
        LokiRecorder {
            encoding,
            labels: labels.to_vec(),
            pod_labels: Vec::new(),
            metadata: Vec::new(),
            head: Vec::new(),
            stamps: Stamps::default(),
        }
    }

    pub(crate) fn describe(&mut self, pod: &Pod) {
        self.pod_labels = pod.loki_labels();
        self.pod_labels.retain(|(key, _value)| !is_label(&self.labels, key));
        self.metadata.clear();
        for (key, value) in pod.loki_metadata() {
            metadata(self.encoding, &key, &value, &mut self.metadata);
        }
    }

    pub(crate) fn begin(&mut self, source: &Source, time: SystemTime) {
        self.stamps.begin(time);
        let path = source.path.to_string_lossy();
        let own = self
            .labels
            .iter()
            .chain(&self.pod_labels)
            .map(|(key, value)| (key.as_str(), value.as_str()));
        let assign = if self.encoding == Encoding::Json { ':' } else { '=' };
        self.head.clear();
        self.head.push(b'{');
        for (key, value) in own.chain([("filename", &*path)]) {
            if self.head.len() > 1 {
                self.head.extend_from_slice(b",");
            }
            match self.encoding {
                Encoding::Json => write_string(key, &mut self.head),
                Encoding::Protobuf => self.head.extend_from_slice(key.as_bytes()),
            }
            self.head.push(u8::try_from(assign).unwrap_or_default());
            // The strings of a selector are those of Go: what JSON escapes, it escapes alike.
            write_string(value, &mut self.head);
        }
        self.head.push(b'}');
    }

    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    pub(crate) fn write(&mut self, line: &Line<'_>, out: &mut Vec<u8>) -> bool {
        let nanos = self.stamps.next();
        let (text, replaced) = text(line);
        let piece = match line.part {
            Part::Whole => None,
            Part::Partial => Some("partial"),
            Part::Split => Some("split"),
        };
        let (encoding, fixed) = (self.encoding, &self.metadata);
        let fixed_and_piece = |out: &mut Vec<u8>| {
            out.extend_from_slice(fixed);
            if let Some(piece) = piece {
                metadata(encoding, piece, "true", out);
            }
        };
        match encoding {
            Encoding::Protobuf => protobuf::message(out, 2, |out| {
                protobuf::message(out, 1, |out| {
                    protobuf::integer(out, 1, nanos / NANOS);
                    protobuf::integer(out, 2, nanos % NANOS);
                });
                protobuf::bytes(out, 2, text.as_bytes());
                fixed_and_piece(out);
            }),
            Encoding::Json => {
                out.extend_from_slice(format!("[\"{nanos}\",").as_bytes());
                write_string(&text, out);
                if piece.is_some() || !fixed.is_empty() {
                    out.extend_from_slice(b",{");
                    fixed_and_piece(out);
                    // The comma behind the last.
                    out.pop();
                    out.push(b'}');
                }
                out.extend_from_slice(b"],");
            }
        }
        replaced
    }
}

/// Appends a pair of an entry's structured metadata: its field 3, or a field with a comma behind it.
fn metadata(encoding: Encoding, key: &str, value: &str, out: &mut Vec<u8>) {
    match encoding {
        Encoding::Protobuf => protobuf::message(out, 3, |out| {
            protobuf::bytes(out, 1, key.as_bytes());
            protobuf::bytes(out, 2, value.as_bytes());
        }),
        Encoding::Json => {
            write_string(key, out);
            out.push(b':');
            write_string(value, out);
            out.push(b',');
        }
    }
}

#[derive(Debug)]
pub(crate) struct LokiSink {
    poster: Poster,
    encoding: Encoding,
}

impl LokiSink {
    pub(super) fn open(config: HttpConfig, encoding: Encoding) -> Result<LokiSink, StartError> {
        let poster = Poster::open(config, encoding.content_type())?;
        Ok(LokiSink { poster, encoding })
    }

    pub(super) async fn send(&mut self, records: &Records) -> Answer {
        let make = match self.encoding {
            Encoding::Protobuf => protobuf_push,
            Encoding::Json => json_push,
        };
        match self.poster.post(records, make).await {
            Ok(_response) => Answer::Accepted,
            Err(answer) => answer,
        }
    }
}

/// A `PushRequest` as one block of snappy, which Loki expects without a header that says so.
fn protobuf_push(records: &Records) -> Bytes {
    let mut push = Vec::with_capacity(records.bytes().len() + 1024);
    for (labels, entries) in records.runs() {
        protobuf::message(&mut push, 1, |out| {
            protobuf::bytes(out, 1, labels);
            out.extend_from_slice(entries);
        });
    }
    let packed = snap::raw::Encoder::new().compress_vec(&push);
    Bytes::from(packed.expect("a batch is below the 4 GiB of a block"))
}

fn json_push(records: &Records) -> Bytes {
    let mut push = b"{\"streams\":[".to_vec();
    for (labels, entries) in records.runs() {
        push.extend_from_slice(b"{\"stream\":");
        push.extend_from_slice(labels);
        push.extend_from_slice(b",\"values\":[");
        push.extend_from_slice(entries.strip_suffix(b",").unwrap_or(entries));
        push.extend_from_slice(b"]},");
    }
    if push.ends_with(b",") {
        push.pop();
    }
    push.extend_from_slice(b"]}");
    Bytes::from(push)
}
