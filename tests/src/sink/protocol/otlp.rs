//! OTLP 1 over HTTP, read with the generated code of the OpenTelemetry project.

use std::time::Instant;

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Content;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use prost::Message;
use serde_json::{Map, Value};

use super::{Item, Verdict, expect_header, expect_target};
use crate::sink::http::Request;
use crate::sink::record::Record;

const TARGET: &str = "/v1/logs";

pub(super) fn protobuf(request: &Request, body: &[u8]) -> Result<Vec<Item>, String> {
    expect_target(request, TARGET)?;
    expect_header(request, "content-type", "application/x-protobuf")?;
    let logs = ExportLogsServiceRequest::decode(body).map_err(|error| error.to_string())?;
    if logs.encode_to_vec() != body {
        return Err("the request holds fields that are not OTLP's".to_owned());
    }
    items(logs)
}

pub(super) fn json(request: &Request, body: &[u8]) -> Result<Vec<Item>, String> {
    expect_target(request, TARGET)?;
    expect_header(request, "content-type", "application/json")?;
    items(serde_json::from_slice(body).map_err(|error| error.to_string())?)
}

fn items(logs: ExportLogsServiceRequest) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    for of_resource in logs.resource_logs {
        let resource = of_resource.resource.ok_or("no resource")?;
        for of_scope in of_resource.scope_logs {
            if of_scope.scope.is_none_or(|scope| scope.name != "log-shipper") {
                return Err("records of another scope".to_owned());
            }
            for record in of_scope.log_records {
                if record.time_unix_nano == 0 || record.observed_time_unix_nano == 0 {
                    return Err("a record without a time".to_owned());
                }
                let mut fields = attributes(record.attributes)?;
                let file = fields.remove("log.file.path");
                fields.extend(attributes(resource.attributes.clone())?);
                let record = Record {
                    message: text(record.body)?,
                    file: file.and_then(|file| Some(file.as_str()?.to_owned())).ok_or("no file")?,
                    offset: 0,
                    time: record.time_unix_nano.to_string(),
                    fields,
                    arrived: Instant::now(),
                };
                items.push(Item { id: None, record });
            }
        }
    }
    Ok(items)
}

fn attributes(pairs: Vec<KeyValue>) -> Result<Map<String, Value>, String> {
    pairs.into_iter().map(|pair| Ok((pair.key, typed(pair.value)?))).collect()
}

fn typed(value: Option<AnyValue>) -> Result<Value, String> {
    match value.and_then(|value| value.value) {
        Some(Content::StringValue(text)) => Ok(Value::from(text)),
        Some(Content::BoolValue(on)) => Ok(Value::from(on)),
        Some(Content::IntValue(number)) => Ok(Value::from(number)),
        Some(Content::DoubleValue(number)) => Ok(Value::from(number)),
        other => Err(format!("{other:?} is no attribute of a log")),
    }
}

fn text(value: Option<AnyValue>) -> Result<String, String> {
    match value.and_then(|value| value.value) {
        Some(Content::StringValue(text)) => Ok(text),
        other => Err(format!("{other:?} is no text")),
    }
}

pub(super) fn protobuf_answer(verdicts: &[Verdict]) -> Vec<u8> {
    response(verdicts).encode_to_vec()
}

pub(super) fn json_answer(verdicts: &[Verdict]) -> Vec<u8> {
    serde_json::to_vec(&response(verdicts)).unwrap()
}

fn response(verdicts: &[Verdict]) -> ExportLogsServiceResponse {
    let refused = verdicts.iter().filter(|verdict| **verdict == Verdict::Poison).count();
    let partial_success = (refused > 0).then(|| ExportLogsPartialSuccess {
        rejected_log_records: refused.try_into().unwrap(),
        error_message: "a test".to_owned(),
    });
    ExportLogsServiceResponse { partial_success }
}
