//! Loki's push API. The messages are those of its `pkg/push/push.proto`.

use std::time::Instant;

use prost::Message;
use serde_json::{Map, Value};

use super::{Item, expect_header, expect_target};
use crate::sink::http::Request;
use crate::sink::record::Record;

const TARGET: &str = "/loki/api/v1/push";

#[derive(Clone, PartialEq, Message)]
struct PushRequest {
    #[prost(message, repeated, tag = "1")]
    streams: Vec<Stream>,
}

#[derive(Clone, PartialEq, Message)]
struct Stream {
    #[prost(string, tag = "1")]
    labels: String,
    #[prost(message, repeated, tag = "2")]
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(message, optional, tag = "1")]
    timestamp: Option<Timestamp>,
    #[prost(string, tag = "2")]
    line: String,
    #[prost(message, repeated, tag = "3")]
    structured_metadata: Vec<LabelPair>,
}

#[derive(Clone, PartialEq, Message)]
struct LabelPair {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, PartialEq, Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

pub(super) fn protobuf(request: &Request, body: &[u8]) -> Result<Vec<Item>, String> {
    expect_target(request, TARGET)?;
    expect_header(request, "content-type", "application/x-protobuf")?;
    let plain =
        snap::raw::Decoder::new().decompress_vec(body).map_err(|error| error.to_string())?;
    let push = PushRequest::decode(&plain[..]).map_err(|error| error.to_string())?;
    if push.encode_to_vec() != plain {
        return Err("the push holds fields that are not Loki's".to_owned());
    }
    let mut items = Vec::new();
    for stream in push.streams {
        let labels = selector(&stream.labels)?;
        for entry in stream.entries {
            let time = entry.timestamp.ok_or("an entry without a time")?;
            let nanos = format!("{}{:09}", time.seconds, time.nanos);
            let pairs = entry.structured_metadata.into_iter();
            let metadata = pairs.map(|pair| (pair.name, Value::from(pair.value))).collect();
            items.push(item(&labels, &nanos, entry.line, metadata)?);
        }
    }
    Ok(items)
}

pub(super) fn json(request: &Request, body: &[u8]) -> Result<Vec<Item>, String> {
    expect_target(request, TARGET)?;
    expect_header(request, "content-type", "application/json")?;
    let push: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let list = |value: &Value| value.as_array().cloned().ok_or("not a list");
    let mut items = Vec::new();
    for stream in list(&push["streams"])? {
        let labels = stream["stream"].as_object().ok_or("a stream without labels")?;
        for value in list(&stream["values"])? {
            let (nanos, line) = match (value[0].as_str(), value[1].as_str()) {
                (Some(nanos), Some(line)) => (nanos, line.to_owned()),
                _ => return Err(format!("{value} is no entry")),
            };
            let metadata = value[2].as_object().cloned().unwrap_or_default();
            items.push(item(labels, nanos, line, metadata)?);
        }
    }
    Ok(items)
}

/// `{name="value", …}` with the strings of Go, of which the test's are those of JSON.
fn selector(text: &str) -> Result<Map<String, Value>, String> {
    let wrong = || format!("{text} are no labels");
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).ok_or_else(wrong)?;
    let mut labels = Map::new();
    let mut rest = inner;
    while !rest.is_empty() {
        let (name, value) = rest.split_once('=').ok_or_else(wrong)?;
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(fits) {
            return Err(wrong());
        }
        let mut values = serde_json::Deserializer::from_str(value).into_iter::<String>();
        let read = values.next().and_then(Result::ok).ok_or_else(wrong)?;
        let behind = value.get(values.byte_offset()..).ok_or_else(wrong)?;
        rest = behind.strip_prefix(',').unwrap_or(behind);
        labels.insert(name.to_owned(), Value::from(read));
    }
    Ok(labels)
}

fn item(
    labels: &Map<String, Value>,
    nanos: &str,
    line: String,
    metadata: Map<String, Value>,
) -> Result<Item, String> {
    if nanos.len() != 19 {
        return Err(format!("{nanos} are no nanoseconds of this time"));
    }
    let id = format!("{labels:?} {nanos} {line}");
    let mut fields = labels.clone();
    let file = fields.remove("filename").and_then(|file| Some(file.as_str()?.to_owned()));
    fields.extend(metadata);
    let file = file.ok_or("no label filename")?;
    let (offset, arrived) = (0, Instant::now());
    let record = Record { message: line, file, offset, time: nanos.to_owned(), fields, arrived };
    Ok(Item { id: Some(id), record })
}
