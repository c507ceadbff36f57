//! The bulk API of Elasticsearch and OpenSearch.
//!
//! Each record is a `create` into a data stream and its document, by the names of the Elastic
//! Common Schema. Its `_id` is made of file, offset and content, so what is sent again after a
//! lost answer is there already (409) and makes no duplicate.
//!
//! The server answers for each document: what it may take later goes again by itself, what it will
//! never take (a field of the wrong type) is given up and counted, and neither holds up the rest.

use std::borrow::Cow;
use std::time::SystemTime;

use event::Key;
use memchr::memmem;
use serde_json::{Map, Value};
use sidecar_runtime::StartError;
use tail::Source;

use super::http::{Poster, RESPONSE_BYTES_MAX, detail, refused};
use super::{Answer, Refusal, Rejected};
use crate::batch::Records;
use crate::config::HttpConfig;
use crate::metadata::Pod;
use crate::record::{Entry, Naming, is_label, labels_fragment, record_id, write_string};

/// Fields that a document has by itself.
const RESERVED: [&str; 8] = [
    "@timestamp",
    "message",
    "log",
    "log.file",
    "log.file.path",
    "log.offset",
    "log.level",
    "log.flags",
];
/// Objects that it has if the pod is known.
const OBJECTS: [&str; 3] = ["kubernetes", "orchestrator", "container"];

/// Where an answer says whether there were errors.
const HEAD_BYTES: usize = 100;
/// Errors that are of the document whatever else is wrong. Others (an index that is closed, too
/// many shards, a pipeline that is not there) have the same status, 400, and may be of the target:
/// they are only if nothing else was taken either.
const OF_DOCUMENT: [&str; 3] =
    ["mapper_parsing_exception", "document_parsing_exception", "strict_dynamic_mapping_exception"];

/// Writes an action and a document.
#[derive(Debug)]
pub(crate) struct BulkRecorder {
    labels: Vec<(String, String)>,
    /// The labels and the pod as JSON, with a comma behind each.
    fields: Vec<u8>,
    /// The document up to its offset.
    envelope: Vec<u8>,
    /// When the lines of this turn were read.
    time: String,
    file_id: u64,
}

impl BulkRecorder {
    pub(crate) fn new(labels: &[(String, String)]) -> BulkRecorder {
        let fields = labels_fragment(labels, &Map::new());
        let (labels, time) = (labels.to_vec(), String::new());
        BulkRecorder { labels, fields, envelope: Vec::new(), time, file_id: 0 }
    }

    pub(crate) fn describe(&mut self, pod: &Pod) {
        self.fields = labels_fragment(&self.labels, &pod.ecs());
    }

    pub(crate) fn begin(&mut self, source: &Source, time: SystemTime) {
        self.file_id = source.file_id;
        self.time = humantime::format_rfc3339_millis(time).to_string();
        self.envelope.clear();
        self.envelope.extend_from_slice(b"\",");
        self.envelope.extend_from_slice(&self.fields);
        self.envelope.extend_from_slice(b"\"log\":{\"file\":{\"path\":");
        write_string(&source.path.to_string_lossy(), &mut self.envelope);
        self.envelope.extend_from_slice(b"},\"offset\":");
    }

    pub(crate) fn write(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"create\":{\"_id\":\"");
        record_id(self.file_id, entry, out);
        out.extend_from_slice(b"\"}}\n{\"@timestamp\":\"");
        match entry.time() {
            Some(time) => time.write_rfc3339(out),
            None => out.extend_from_slice(self.time.as_bytes()),
        }
        out.extend_from_slice(&self.envelope);
        out.extend_from_slice(itoa::Buffer::new().format(entry.offset).as_bytes());
        if let Some(level) = entry.fields.level {
            out.extend_from_slice(b",\"level\":");
            write_string(level.as_str(), out);
        }
        let mut flags = entry.marks().peekable();
        if flags.peek().is_some() {
            let flags: Vec<_> = flags.map(|flag| format!("\"{flag}\"")).collect();
            out.extend_from_slice(format!(",\"flags\":[{}]", flags.join(",")).as_bytes());
        }
        out.push(b'}');
        for (number, (key, value)) in entry.fields.entries().iter().enumerate() {
            match key {
                Key::Known(name) if !is_label(&self.labels, name.ecs) => {
                    out.extend_from_slice(name.ecs_json.as_bytes());
                }
                _ => {
                    out.push(b',');
                    write_string(&ECS.name(number, entry.fields, &self.labels), out);
                    out.push(b':');
                }
            }
            value.write_json(out);
        }
        if let Some(message) = entry.message() {
            out.extend_from_slice(b",\"message\":");
            write_string(message, out);
        }
        out.extend_from_slice(b"}\n");
    }
}

/// By the Elastic Common Schema.
const ECS: Naming = Naming { word: field_name, is_reserved, dots_nest: true };

/// A key of the line without what the servers refuse in the name of a field: parts between dots
/// that are empty or blank.
fn field_name<'a>(key: &'a Key<'_>) -> Cow<'a, str> {
    let Key::Other(key) = key else { return key.ecs().into() };
    let is_name = |part: &str| !part.trim().is_empty();
    if key.split('.').all(is_name) {
        return Cow::Borrowed(key);
    }
    let parts: Vec<&str> = key.split('.').filter(|part| is_name(part)).collect();
    if parts.is_empty() { "_".into() } else { parts.join(".").into() }
}

/// A document has a field of this name by itself, or an object that it would be in.
fn is_reserved(key: &str) -> bool {
    let first = key.split('.').next().unwrap_or_default();
    RESERVED.contains(&key) || OBJECTS.contains(&first)
}

#[derive(Debug)]
pub(crate) struct BulkSink(Poster);

impl BulkSink {
    pub(super) fn open(config: HttpConfig) -> Result<BulkSink, StartError> {
        Poster::open(config, "application/x-ndjson").map(BulkSink)
    }

    pub(super) async fn send(&mut self, records: &Records) -> Answer {
        match self.0.post(records, Records::bytes).await {
            Ok(response) => judge(&response.body, records.len()),
            Err(answer) => answer,
        }
    }
}

/// What the server says of each document.
fn judge(body: &[u8], count: usize) -> Answer {
    let unreadable = || {
        // Nobody knows what was taken. What was is recognised by its id the next time.
        refused(Refusal::Interrupted, format!("no answer of a bulk API: {}", detail(body)))
    };
    if body.len() >= RESPONSE_BYTES_MAX && count > 1 {
        // It was cut. What was taken is recognised by its id, and fewer need a shorter answer.
        return Answer::TooLarge;
    }
    // What the servers write, in one of two orders, when all is well: nothing else needs a look.
    let before_items = &body[..body.len().min(HEAD_BYTES)];
    let items = memmem::find(before_items, b"\"items\"").unwrap_or(before_items.len());
    if memmem::find(&before_items[..items], b"\"errors\":false").is_some() {
        return Answer::Accepted;
    }
    let Ok(answer) = serde_json::from_slice::<Value>(body) else { return unreadable() };
    if answer["errors"] == Value::Bool(false) {
        return Answer::Accepted;
    }
    let Some(items) = answer["items"].as_array().filter(|items| items.len() == count) else {
        return unreadable();
    };
    let said = |number: usize| {
        let create = &items[number]["create"];
        let text = |name: &str| create["error"][name].as_str().unwrap_or_default();
        format!("{}: {}: {}", create["status"], text("type"), text("reason"))
    };
    let (mut later, mut refused, mut poison, mut taken) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for (number, item) in items.iter().enumerate() {
        let kind = item["create"]["error"]["type"].as_str().unwrap_or_default();
        match item["create"]["status"].as_u64() {
            Some(200..=299 | 409) => taken += 1,
            // Too busy, or set up wrongly: rights, an index that is not there.
            Some(401 | 403 | 404 | 429 | 500..) | None => later.push(number),
            Some(_) if OF_DOCUMENT.contains(&kind) => poison.push(number),
            Some(_) => refused.push(number),
        }
    }
    if taken == 0 && refused.len() == count {
        return Answer::Poison(said(0));
    }
    let unclear = if taken == 0 { &mut later } else { &mut poison };
    unclear.append(&mut refused);
    unclear.sort_unstable();
    let why = |numbers: &[usize]| numbers.first().map(|number| said(*number)).unwrap_or_default();
    let each = poison.iter().map(|number| (*number, said(*number))).collect();
    let rejected = Rejected { count: poison.len() as u64, why: why(&poison), each };
    if later.is_empty() && poison.is_empty() {
        return Answer::Accepted;
    }
    Answer::Partly { why: why(&later), left: later, rejected }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(status: u64, kind: &str) -> Value {
        let error = serde_json::json!({"type": kind, "reason": "because"});
        serde_json::json!({"create": {"status": status, "error": error}})
    }

    #[test]
    fn each_document_has_its_answer() {
        let items = [
            item(201, ""),
            item(429, "es_rejected_execution_exception"),
            item(409, "version_conflict_engine_exception"),
            item(400, "document_parsing_exception"),
            item(503, "unavailable_shards_exception"),
        ];
        let body = serde_json::json!({"errors": true, "items": items}).to_string();
        let expected = Answer::Partly {
            left: vec![1, 4],
            why: "429: es_rejected_execution_exception: because".to_owned(),
            rejected: Rejected {
                count: 1,
                why: "400: document_parsing_exception: because".to_owned(),
                each: vec![(3, "400: document_parsing_exception: because".to_owned())],
            },
        };
        assert_eq!(judge(body.as_bytes(), 5), expected);
    }

    #[test]
    fn an_error_of_the_target_costs_no_document() {
        let closed = || item(400, "index_closed_exception");
        let judged = |items: &[Value]| {
            let body = serde_json::json!({"errors": true, "items": items}).to_string();
            match judge(body.as_bytes(), items.len()) {
                Answer::Partly { left, rejected, .. } => format!("{left:?} {}", rejected.count),
                Answer::Poison(why) => why,
                other => format!("{other:?}"),
            }
        };
        for (items, expected) in [
            (&[closed(), closed()][..], "400: index_closed_exception: because"),
            (&[closed(), item(429, "")], "[0, 1] 0"),
            (&[closed(), item(400, "document_parsing_exception")], "[0] 1"),
            (&[closed(), item(201, "")], "[] 1"),
            (&[item(400, "mapper_parsing_exception")], "[] 1"),
        ] {
            assert_eq!(judged(items), expected);
        }
    }

    #[test]
    fn what_is_there_already_is_taken() {
        assert_eq!(judge(br#"{"took":1,"errors":false}"#, 7), Answer::Accepted);
        let body = serde_json::json!({"errors": true, "items": [item(409, ""), item(201, "")]});
        assert_eq!(judge(body.to_string().as_bytes(), 2), Answer::Accepted);
    }

    #[test]
    fn an_answer_that_is_too_long_is_asked_for_in_parts() {
        let body = vec![b' '; RESPONSE_BYTES_MAX];
        assert_eq!(judge(&body, 2), Answer::TooLarge);
        assert!(matches!(judge(&body, 1), Answer::Refused { .. }));
    }

    #[test]
    fn what_cannot_be_read_takes_nothing() {
        for (body, count) in [
            ("", 1),
            ("<html>", 1),
            (r#"{"errors":true}"#, 1),
            (r#"{"errors":true,"items":[{"create":{"status":201}}]}"#, 2),
        ] {
            let answer = judge(body.as_bytes(), count);
            assert!(matches!(answer, Answer::Refused { .. }), "{body}");
        }
    }
}
