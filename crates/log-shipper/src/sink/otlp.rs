//! OpenTelemetry logs over HTTP (OTLP 1), as protobuf or as JSON.
//!
//! The labels (`service.name=web`) and the pod are attributes of the resource, the path of the file
//! is one of each record, by the semantic conventions. A head is the attributes of a resource.
//! What was parsed of a line gives its record time, severity, attributes and body; else the body is
//! the line and the time that at which it was read.
//!
//! An answer of 200 may say that some records were refused for good, and how many, but not which:
//! they are counted as dropped. 400 means that they cannot be read at all.
//!
//! Messages: `opentelemetry/proto/logs/v1/logs.proto` and its collector's `logs_service.proto`.

use std::time::SystemTime;

use bytes::Bytes;
use event::Value as Typed;
use serde_json::Value;
use sidecar_runtime::StartError;
use tail::Source;

use super::http::Poster;
use super::{Answer, Rejected};
use crate::batch::Records;
use crate::config::{Encoding, HttpConfig};
use crate::metadata::Pod;
use crate::protobuf::{self, Value as Field, next_field};
use crate::record::{Entry, Naming, Stamps, is_label, record_id, write_string};

const SCOPE: &str = "log-shipper";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Writes records.
#[derive(Debug)]
pub(crate) struct OtlpRecorder {
    encoding: Encoding,
    record_id: bool,
    labels: Vec<(String, String)>,
    /// The attributes of the resource, in the form of the encoding.
    resource: Vec<u8>,
    file_id: u64,
    /// The attributes of this turn, each with what its form needs around it.
    attributes: Vec<u8>,
    stamps: Stamps,
    /// The id at hand.
    id: Vec<u8>,
}

impl OtlpRecorder {
    pub(crate) fn new(
        encoding: Encoding,
        record_id: bool,
        labels: &[(String, String)],
    ) -> OtlpRecorder {
        let mut recorder = OtlpRecorder {
            encoding,
            record_id,
            labels: labels.to_vec(),
            resource: Vec::new(),
            file_id: 0,
            attributes: Vec::new(),
            stamps: Stamps::default(),
            id: Vec::new(),
        };
        recorder.describe(&Pod::default());
        recorder
    }

    pub(crate) fn describe(&mut self, pod: &Pod) {
        let mut attributes = pod.otel();
        attributes.retain(|(key, _value)| !is_label(&self.labels, key));
        let all = || self.labels.iter().chain(&attributes);
        let resource = &mut self.resource;
        resource.clear();
        match self.encoding {
            Encoding::Protobuf => protobuf::message(resource, 1, |out| {
                all().for_each(|(key, value)| key_value(1, key, &Typed::from(value.as_str()), out));
            }),
            Encoding::Json => {
                all().for_each(|(key, value)| {
                    attribute(Encoding::Json, key, &Typed::from(value.as_str()), resource);
                });
                resource.pop();
            }
        }
    }

    pub(crate) fn begin(&mut self, source: &Source, time: SystemTime) {
        self.stamps.begin(time);
        self.file_id = source.file_id;
        self.attributes.clear();
        let path = source.path.to_string_lossy();
        attribute(self.encoding, "log.file.path", &Typed::from(&*path), &mut self.attributes);
    }

    pub(crate) fn head(&self) -> &[u8] {
        &self.resource
    }

    pub(crate) fn write(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        self.id.clear();
        if self.record_id {
            record_id(self.file_id, entry, &mut self.id);
        }
        let observed = self.stamps.next();
        let time = entry.nanos().unwrap_or(observed);
        let level = entry.fields.level;
        let body = entry.message().unwrap_or(entry.text);
        match self.encoding {
            Encoding::Protobuf => protobuf::message(out, 2, |out| {
                protobuf::fixed64(out, 1, time);
                if let Some(level) = level {
                    protobuf::integer(out, 2, u64::from(level.otel()));
                    protobuf::bytes(out, 3, level.as_str().as_bytes());
                }
                protobuf::message(out, 5, |out| protobuf::bytes(out, 1, body.as_bytes()));
                self.write_attributes(entry, out);
                protobuf::fixed64(out, 11, observed);
            }),
            Encoding::Json => {
                let times = format!(
                    "{{\"timeUnixNano\":\"{time}\",\"observedTimeUnixNano\":\"{observed}\","
                );
                out.extend_from_slice(times.as_bytes());
                if let Some(level) = level {
                    let (number, text) = (level.otel(), level.as_str());
                    let severity =
                        format!("\"severityNumber\":{number},\"severityText\":\"{text}\",");
                    out.extend_from_slice(severity.as_bytes());
                }
                out.extend_from_slice(b"\"body\":{\"stringValue\":");
                write_string(body, out);
                out.extend_from_slice(b"},\"attributes\":[");
                self.write_attributes(entry, out);
                // The comma behind the last.
                out.pop();
                out.extend_from_slice(b"]},");
            }
        }
    }

    fn write_attributes(&self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        let encoding = self.encoding;
        out.extend_from_slice(&self.attributes);
        if !self.id.is_empty() {
            let id = String::from_utf8_lossy(&self.id);
            attribute(encoding, "log.record.uid", &Typed::from(&*id), out);
        }
        for mark in entry.marks() {
            attribute(encoding, &format!("log.{mark}"), &Typed::Bool(true), out);
        }
        for (number, (_key, value)) in entry.fields.entries().iter().enumerate() {
            attribute(encoding, &OTEL.name(number, entry.fields, &[]), value, out);
        }
    }
}

/// By the semantic conventions. An attribute has a name, and no two have the same.
const OTEL: Naming = Naming {
    word: |key| match key.otel() {
        "" => "_".into(),
        word => word.into(),
    },
    is_reserved: |name| name.starts_with("log."),
    dots_nest: false,
};

/// Appends an attribute: field 6 of a record, or an element of a list with a comma behind it.
fn attribute(encoding: Encoding, key: &str, value: &Typed<'_>, out: &mut Vec<u8>) {
    match encoding {
        Encoding::Protobuf => key_value(6, key, value, out),
        Encoding::Json => {
            out.extend_from_slice(b"{\"key\":");
            write_string(key, out);
            out.extend_from_slice(b",\"value\":{");
            match value {
                Typed::Bool(on) => out.extend_from_slice(format!("\"boolValue\":{on}").as_bytes()),
                Typed::Integer(number) => {
                    // 64-bit integers are strings in protobuf's JSON.
                    out.extend_from_slice(format!("\"intValue\":\"{number}\"").as_bytes());
                }
                value => match double(value) {
                    Some(number) => {
                        out.extend_from_slice(format!("\"doubleValue\":{number}").as_bytes());
                    }
                    None => {
                        out.extend_from_slice(b"\"stringValue\":");
                        write_string(&value.text(), out);
                    }
                },
            }
            out.extend_from_slice(b"}},");
        }
    }
}

/// A `KeyValue` with its `AnyValue`.
fn key_value(field: u8, key: &str, value: &Typed<'_>, out: &mut Vec<u8>) {
    if let Typed::Text(text) = value {
        return protobuf::nested_pair(out, field, key, text);
    }
    protobuf::message(out, field, |out| {
        protobuf::bytes(out, 1, key.as_bytes());
        protobuf::message(out, 2, |out| match value {
            Typed::Bool(on) => protobuf::integer(out, 2, u64::from(*on)),
            Typed::Integer(number) => protobuf::integer(out, 3, number.cast_unsigned()),
            value => match double(value) {
                Some(number) => protobuf::fixed64(out, 4, number.to_bits()),
                None => protobuf::bytes(out, 1, value.text().as_bytes()),
            },
        });
    });
}

/// A number that is not whole.
fn double(value: &Typed<'_>) -> Option<f64> {
    matches!(value, Typed::Number(_)).then(|| value.as_f64())?.filter(|number| number.is_finite())
}

#[derive(Debug)]
pub(crate) struct OtlpSink {
    poster: Poster,
    encoding: Encoding,
}

impl OtlpSink {
    pub(super) fn open(config: HttpConfig, encoding: Encoding) -> Result<OtlpSink, StartError> {
        let poster = Poster::open(config, encoding.content_type())?;
        Ok(OtlpSink { poster, encoding })
    }

    pub(super) async fn send(&mut self, records: &Records) -> Answer {
        let make = match self.encoding {
            Encoding::Protobuf => protobuf_request,
            Encoding::Json => json_request,
        };
        match self.poster.post(records, make).await {
            Ok(response) => judge(self.encoding, &response.body, records.len()),
            Err(answer) => answer,
        }
    }
}

/// An `ExportLogsServiceRequest`, with a `ResourceLogs` for each run.
fn protobuf_request(records: &Records) -> Bytes {
    let mut request = Vec::with_capacity(records.bytes().len() + 1024);
    let mut scope = Vec::new();
    protobuf::pair(&mut scope, 1, SCOPE, VERSION);
    let mut head = Vec::new();
    for (resource, of_resource) in records.runs() {
        // The records are the end of the `ScopeLogs`, and that is the end of the `ResourceLogs`.
        head.clear();
        head.extend_from_slice(resource);
        protobuf::head(&mut head, 2, scope.len() + of_resource.len());
        head.extend_from_slice(&scope);
        protobuf::message_of(&mut request, 1, &[&head, of_resource]);
    }
    Bytes::from(request)
}

fn json_request(records: &Records) -> Bytes {
    let mut request = b"{\"resourceLogs\":[".to_vec();
    for (resource, of_resource) in records.runs() {
        request.extend_from_slice(b"{\"resource\":{\"attributes\":[");
        request.extend_from_slice(resource);
        request.extend_from_slice(b"]},\"scopeLogs\":[{\"scope\":{\"name\":");
        write_string(SCOPE, &mut request);
        request.extend_from_slice(b",\"version\":");
        write_string(VERSION, &mut request);
        request.extend_from_slice(b"},\"logRecords\":[");
        request.extend_from_slice(of_resource.strip_suffix(b",").unwrap_or(of_resource));
        request.extend_from_slice(b"]}]},");
    }
    if request.ends_with(b",") {
        request.pop();
    }
    request.extend_from_slice(b"]}");
    Bytes::from(request)
}

/// What an answer of 200 says in its `partial_success`.
fn judge(encoding: Encoding, body: &[u8], count: usize) -> Answer {
    let (refused, why) = match encoding {
        Encoding::Protobuf => protobuf_refused(body),
        Encoding::Json => json_refused(body),
    }
    .unwrap_or_default();
    if refused == 0 {
        return Answer::Accepted;
    }
    let all = count as u64;
    let count = refused.min(all);
    let why = match count < all {
        true => format!("{count} of {all}, not said which: {why}"),
        false => why,
    };
    let rejected = Rejected { count, why, each: Vec::new() };
    Answer::Partly { left: Vec::new(), why: String::new(), rejected }
}

fn protobuf_refused(mut body: &[u8]) -> Option<(u64, String)> {
    let Some((1, Field::Bytes(mut partial))) = next_field(&mut body) else { return None };
    let (mut count, mut why) = (0, String::new());
    while let Some(field) = next_field(&mut partial) {
        match field {
            (1, Field::Integer(refused)) => count = refused,
            (2, Field::Bytes(text)) => why = super::http::detail(text),
            _ => {}
        }
    }
    Some((count, why))
}

fn json_refused(body: &[u8]) -> Option<(u64, String)> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let partial = &answer["partialSuccess"];
    let count = &partial["rejectedLogRecords"];
    // 64-bit integers are strings in protobuf's JSON, and not everybody knows.
    let count = count.as_u64().or_else(|| count.as_str()?.parse().ok())?;
    let why = partial["errorMessage"].as_str().unwrap_or_default();
    Some((count, super::http::detail(why.as_bytes())))
}
