//! The bulk API of Elasticsearch and OpenSearch: an action and a document, a line each.

use std::time::Instant;

use serde_json::{Map, Value, json};

use super::{Item, Verdict, expect_header, expect_target};
use crate::sink::http::Request;
use crate::sink::record::Record;

const TARGET: &str = "/logs-log_shipper-default/_bulk";

pub(super) fn parse(request: &Request, body: &[u8]) -> Result<Vec<Item>, String> {
    expect_target(request, TARGET)?;
    expect_header(request, "content-type", "application/x-ndjson")?;
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    let text = text.strip_suffix('\n').ok_or("the last line has no end")?;
    let lines: Vec<&str> = text.split('\n').collect();
    let pairs = lines.chunks(2).map(|pair| match pair {
        [action, document] => item(action, document),
        _ => Err("an action without a document".to_owned()),
    });
    pairs.collect()
}

fn item(action: &str, document: &str) -> Result<Item, String> {
    let object = |text: &str| -> Result<Map<String, Value>, String> {
        serde_json::from_str(text).map_err(|error| format!("{error} in {text}"))
    };
    let (action, mut fields) = (object(action)?, object(document)?);
    // A data stream takes nothing but `create`.
    let id = action.get("create").and_then(|create| create["_id"].as_str());
    let id = id.ok_or_else(|| format!("{action:?} creates nothing"))?.to_owned();
    let text = |value: Option<Value>| value.and_then(|value| Some(value.as_str()?.to_owned()));
    let log = fields.remove("log").unwrap_or_default();
    let record = Record {
        message: text(fields.remove("message")).unwrap_or_default(),
        file: text(log.pointer("/file/path").cloned()).ok_or("a document without a file")?,
        offset: log["offset"].as_u64().ok_or("a document without an offset")?,
        time: text(fields.remove("@timestamp")).ok_or("a data stream needs @timestamp")?,
        arrived: Instant::now(),
        fields: {
            if let Some(flags) = log.get("flags") {
                fields.insert("flags".to_owned(), flags.clone());
            }
            fields
        },
    };
    Ok(Item { id: Some(id), record })
}

pub(super) fn answer(verdicts: &[Verdict]) -> Vec<u8> {
    let error = |status: u16, kind: &str| {
        let error = json!({"type": kind, "reason": "a test"});
        json!({"create": {"status": status, "error": error}})
    };
    let item = |verdict: &Verdict| match verdict {
        Verdict::Taken => json!({"create": {"status": 201}}),
        Verdict::Known => error(409, "version_conflict_engine_exception"),
        Verdict::Busy => error(429, "es_rejected_execution_exception"),
        Verdict::Poison => error(400, "document_parsing_exception"),
    };
    let items: Vec<Value> = verdicts.iter().map(item).collect();
    let errors = verdicts.iter().any(|verdict| *verdict != Verdict::Taken);
    json!({"took": 3, "errors": errors, "items": items}).to_string().into_bytes()
}
