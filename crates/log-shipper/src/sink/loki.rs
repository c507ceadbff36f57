//! Loki's push API, as snappy-compressed protobuf or as JSON.
//!
//! The stream's labels are those of `--label`, `filename` and a few of the pod, which stay the
//! same; all else is in the line or in its structured metadata: the rest of what is known of the
//! pod, what was parsed of the line, and whether it is only a piece. A head is the labels of a
//! stream, so one push holds each stream's records once as they come.
//!
//! Loki stores what it can of a push and answers 400 if there was a line that it will never take
//! (too old, too long). Nobody says which, so the push is halved until it stands alone; lines that
//! were stored the first time have the same time and text again, and Loki keeps one of them.
//!
//! Messages: `PushRequest { streams = 1 }`, `Stream { labels = 1, entries = 2 }`, `Entry {
//! timestamp = 1, line = 2, structuredMetadata = 3 }` of Loki's `pkg/push/push.proto`.

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;
use event::{Key, Value};
use sidecar_runtime::StartError;
use tail::Source;

use super::Answer;
use super::http::Poster;
use crate::batch::{KEPT_BYTES_MAX, Records};
use crate::config::{Encoding, HttpConfig};
use crate::metadata::Pod;
use crate::protobuf;
use crate::record::{Entry, Naming, Stamps, is_label, write_string};

const NANOS: u64 = 1_000_000_000;
/// Parsed fields of an entry: Loki takes 128 pairs by default, and a pod has some.
const FIELDS_MAX: usize = 64;
/// Bytes of all pairs of an entry, about half of what Loki takes by default.
const METADATA_BYTES_MAX: usize = 32 << 10;

/// Writes entries.
#[derive(Debug)]
pub(crate) struct LokiRecorder {
    encoding: Encoding,
    labels: Vec<(String, String)>,
    pod_labels: Vec<(String, String)>,
    /// Structured metadata of each entry.
    taken: Vec<(String, String)>,
    /// The same as it is written.
    metadata: Vec<u8>,
    /// The labels of this turn's stream.
    head: Vec<u8>,
    stamps: Stamps,
    /// Times with a fraction of a second have been seen.
    is_fine: bool,
}

impl LokiRecorder {
    pub(crate) fn new(encoding: Encoding, labels: &[(String, String)]) -> LokiRecorder {
        LokiRecorder {
            encoding,
            labels: labels.to_vec(),
            pod_labels: Vec::new(),
            taken: Vec::new(),
            metadata: Vec::new(),
            head: Vec::new(),
            stamps: Stamps::default(),
            is_fine: false,
        }
    }

    pub(crate) fn describe(&mut self, pod: &Pod) {
        self.pod_labels = pod.loki_labels();
        self.pod_labels.retain(|(key, _value)| !is_label(&self.labels, key));
        self.metadata.clear();
        self.taken = pod.loki_metadata();
        for (key, value) in &self.taken {
            metadata(self.encoding, key, value, &mut self.metadata);
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

    pub(crate) fn write(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        let nanos = self.nanos(entry);
        match self.encoding {
            Encoding::Protobuf => protobuf::message(out, 2, |out| {
                protobuf::message(out, 1, |out| {
                    protobuf::integer(out, 1, nanos / NANOS);
                    if !nanos.is_multiple_of(NANOS) {
                        protobuf::integer(out, 2, nanos % NANOS);
                    }
                });
                protobuf::bytes(out, 2, entry.text.as_bytes());
                self.write_metadata(entry, out);
            }),
            Encoding::Json => {
                out.extend_from_slice(format!("[\"{nanos}\",").as_bytes());
                write_string(entry.text, out);
                out.extend_from_slice(b",{");
                let before = out.len();
                self.write_metadata(entry, out);
                if out.len() > before {
                    // The comma behind the last.
                    out.pop();
                    out.extend_from_slice(b"}],");
                } else {
                    out.truncate(before - 2);
                    out.extend_from_slice(b"],");
                }
            }
        }
    }

    /// The time of an entry. Of equal lines of one time Loki keeps one, and most logs count in
    /// seconds; so what a time leaves open is filled from the line's offset, which differs from
    /// line to line and stays the same when the line is read again.
    fn nanos(&mut self, entry: &Entry<'_>) -> u64 {
        let Some(nanos) = entry.nanos() else { return self.stamps.next() };
        self.is_fine |= nanos % NANOS != 0;
        let open = match nanos {
            _ if nanos % NANOS == 0 && !self.is_fine => NANOS,
            _ if nanos % 1_000_000 == 0 => 1_000_000,
            _ if nanos % 1_000 == 0 => 1_000,
            _ => 1,
        };
        nanos + entry.offset % open
    }

    /// Of what was parsed, as much as Loki takes by its defaults.
    fn write_metadata(&self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        let before = out.len();
        out.extend_from_slice(&self.metadata);
        let marks = entry.marks().map(|mark| (mark, "true"));
        let level = entry.fields.level.map(|level| ("level", level.as_str()));
        for (key, value) in marks.chain(level) {
            metadata(self.encoding, key, value, out);
        }
        let entries = entry.fields.entries().iter().enumerate();
        for (number, (_key, value)) in entries.take(FIELDS_MAX) {
            let end = out.len();
            let name = METADATA.name(number, entry.fields, &self.taken);
            let mut digits = itoa::Buffer::new();
            let value = match value {
                Value::Integer(number) => digits.format(*number).into(),
                value => value.text(),
            };
            if value.is_empty() {
                continue;
            }
            metadata(self.encoding, &name, &value, out);
            if out.len() - before > METADATA_BYTES_MAX {
                out.truncate(end);
            }
        }
    }
}

/// Names of structured metadata: letters, digits and underscores, not beginning with a digit.
const METADATA: Naming = Naming {
    word: |key| match key {
        Key::Known(name) => name.plain.into(),
        Key::Other(key) => metadata_name(key),
    },
    is_reserved: |name| OWN.contains(&name),
    dots_nest: false,
};
/// Those that an entry has by itself.
const OWN: [&str; 5] = ["level", "partial", "split", "cut", "unparsed"];

fn metadata_name(key: &str) -> Cow<'_, str> {
    let begins_badly = key.is_empty() || key.starts_with(|first: char| first.is_ascii_digit());
    let fits = |character: char| character.is_ascii_alphanumeric() || character == '_';
    if !begins_badly && key.chars().all(fits) {
        return Cow::Borrowed(key);
    }
    let first = begins_badly.then_some('_');
    let rest = key.chars().map(|character| if fits(character) { character } else { '_' });
    Cow::Owned(first.into_iter().chain(rest).collect())
}

/// Appends a pair of an entry's structured metadata: its field 3, or a field with a comma behind
/// it.
fn metadata(encoding: Encoding, key: &str, value: &str, out: &mut Vec<u8>) {
    match encoding {
        Encoding::Protobuf => protobuf::pair(out, 3, key, value),
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
    packer: Packer,
}

/// Buffers that serve one push after the other.
struct Packer {
    push: Vec<u8>,
    packed: Vec<u8>,
    snappy: snap::raw::Encoder,
}

impl LokiSink {
    pub(super) fn open(config: HttpConfig, encoding: Encoding) -> Result<LokiSink, StartError> {
        let poster = Poster::open(config, encoding.content_type())?;
        Ok(LokiSink { poster, encoding, packer: Packer::new() })
    }

    pub(super) async fn send(&mut self, records: &Records) -> Answer {
        let LokiSink { poster, encoding, packer } = self;
        let make = |records: &Records| match encoding {
            Encoding::Protobuf => packer.protobuf_push(records),
            Encoding::Json => json_push(records),
        };
        match poster.post(records, make).await {
            Ok(_response) => Answer::Accepted,
            Err(answer) => answer,
        }
    }
}

impl Packer {
    fn new() -> Packer {
        Packer { push: Vec::new(), packed: Vec::new(), snappy: snap::raw::Encoder::new() }
    }

    /// A `PushRequest` as one block of snappy, which Loki expects without a header that says so.
    fn protobuf_push(&mut self, records: &Records) -> Bytes {
        // Not more than is needed, or each push would find its buffers too large to be kept.
        let heads: usize = records.runs().map(|(labels, _entries)| labels.len() + 16).sum();
        self.push.clear();
        self.push.reserve_exact(heads + records.bytes().len());
        let mut head = Vec::new();
        for (labels, entries) in records.runs() {
            head.clear();
            protobuf::bytes(&mut head, 1, labels);
            protobuf::message_of(&mut self.push, 1, &[&head, entries]);
        }
        let room = snap::raw::max_compress_len(self.push.len());
        self.packed.reserve_exact(room.saturating_sub(self.packed.len()));
        self.packed.resize(self.packed.len().max(room), 0);
        let packed = self.snappy.compress(&self.push, &mut self.packed);
        let length = packed.expect("a batch is below the 4 GiB of a block");
        let body = Bytes::copy_from_slice(&self.packed[..length]);
        for buffer in [&mut self.push, &mut self.packed] {
            if buffer.capacity() > KEPT_BYTES_MAX {
                *buffer = Vec::new();
            }
        }
        body
    }
}

impl fmt::Debug for Packer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packer").finish_non_exhaustive()
    }
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
