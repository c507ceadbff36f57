//! One line of NDJSON as a record, checked against what the shipper documents.

use std::time::Instant;

use serde_json::{Map, Value};

/// A delivered record.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub message: String,
    pub file: String,
    pub offset: u64,
    /// RFC 3339, as sent.
    pub time: String,
    /// Labels and whatever else the record carries.
    pub fields: Map<String, Value>,
    pub arrived: Instant,
}

/// The records of a body, or what is wrong with its first bad line.
pub(super) fn parse(body: &[u8]) -> Result<Vec<Record>, String> {
    let arrived = Instant::now();
    if body.last().is_some_and(|byte| *byte != b'\n') {
        return Err("the last line has no end".to_owned());
    }
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let record = |line: &[u8]| {
        let fields: Map<String, Value> = serde_json::from_slice(line)
            .map_err(|error| format!("{error} in {:?}", String::from_utf8_lossy(line)))?;
        from_fields(fields, arrived)
    };
    lines.map(record).collect()
}

fn from_fields(mut fields: Map<String, Value>, arrived: Instant) -> Result<Record, String> {
    let mut text = |name: &str| match fields.remove(name) {
        Some(Value::String(text)) => Ok(text),
        other => Err(format!("field {name} is {other:?}")),
    };
    let (file, time) = (text("file")?, text("time")?);
    // All of a parsed line may be in its fields.
    let message = text("message").unwrap_or_default();
    let offset = fields.remove("offset").and_then(|offset| offset.as_u64());
    let offset = offset.ok_or("field offset is no whole number")?;
    Ok(Record { message, file, offset, time, fields, arrived })
}
