//! What an aggregator understands, and how it answers.
//!
//! In: a request as received. Out: the records that the aggregator would keep, and its answer. Each
//! protocol is checked strictly (path, type, structure), by its published definitions where there
//! are any, and keeps what tells duplicates apart: Loki one line of a stream, time and text,
//! a bulk API one document of an `_id`. What the sender gets wrong fails the test.

mod bulk;
mod loki;
mod otlp;

use std::collections::HashSet;

use super::http::Request;
use super::record::{self, Record};

/// Records whose message holds this are refused for good by [`super::Answer::Poison`].
pub const POISON: &str = "poison";

/// The protocols that a sink can speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Ndjson,
    LokiProtobuf,
    LokiJson,
    Bulk,
    OtlpProtobuf,
    OtlpJson,
    Forward,
}

impl Protocol {
    /// Those over HTTP.
    pub const ALL: [Protocol; 6] = [
        Protocol::Ndjson,
        Protocol::LokiProtobuf,
        Protocol::LokiJson,
        Protocol::Bulk,
        Protocol::OtlpProtobuf,
        Protocol::OtlpJson,
    ];

    /// The flags of the shipper that choose it.
    pub fn flags(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Protocol::Ndjson => &[("--sink", "http")],
            Protocol::LokiProtobuf => &[("--sink", "loki")],
            Protocol::LokiJson => &[("--sink", "loki"), ("--sink-encoding", "json")],
            Protocol::Bulk => &[("--sink", "elasticsearch")],
            Protocol::OtlpProtobuf => &[("--sink", "otlp")],
            Protocol::OtlpJson => &[("--sink", "otlp"), ("--sink-encoding", "json")],
            Protocol::Forward => &[("--sink", "forward")],
        }
    }

    /// The path of the address that the shipper is given.
    pub(super) fn path(self) -> &'static str {
        if self == Protocol::Ndjson { "/ingest" } else { "" }
    }

    pub(super) fn parse(self, request: &Request, body: &[u8]) -> Result<Vec<Item>, String> {
        match self {
            Protocol::Ndjson => {
                let items =
                    record::parse(body)?.into_iter().map(|record| Item { id: None, record });
                Ok(items.collect())
            }
            Protocol::LokiProtobuf => loki::protobuf(request, body),
            Protocol::LokiJson => loki::json(request, body),
            Protocol::Bulk => bulk::parse(request, body),
            Protocol::OtlpProtobuf => otlp::protobuf(request, body),
            Protocol::OtlpJson => otlp::json(request, body),
            Protocol::Forward => super::forward::items(request, body),
        }
    }

    /// Status and body of an answer to a request whose records got these verdicts.
    pub(super) fn answer(self, verdicts: &[Verdict]) -> (u16, Vec<u8>) {
        let is_poisoned = verdicts.contains(&Verdict::Poison);
        match self {
            Protocol::Ndjson if is_poisoned => (400, Vec::new()),
            Protocol::LokiProtobuf | Protocol::LokiJson if is_poisoned => {
                (400, b"entry too far behind\n".to_vec())
            }
            Protocol::Ndjson | Protocol::Forward => (200, Vec::new()),
            Protocol::LokiProtobuf | Protocol::LokiJson => (204, Vec::new()),
            Protocol::Bulk => (200, bulk::answer(verdicts)),
            Protocol::OtlpProtobuf => (200, otlp::protobuf_answer(verdicts)),
            Protocol::OtlpJson => (200, otlp::json_answer(verdicts)),
        }
    }
}

/// A record, and by what a second one is known to be the same.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: Option<String>,
    pub(super) record: Record,
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Taken,
    /// It was there already.
    Known,
    /// Not now.
    Busy,
    /// Never.
    Poison,
}

/// Decides on records: the poisoned ones if they are looked for, of the others every `busy`-th not
/// now, and what is known already.
pub(super) fn judge(
    items: &[Item],
    poison: bool,
    busy: Option<usize>,
    known: &mut HashSet<String>,
) -> Vec<Verdict> {
    let judge = |(number, item): (usize, &Item)| {
        if poison && item.record.message.contains(POISON) {
            return Verdict::Poison;
        }
        if busy.is_some_and(|every| number % every == 0) {
            return Verdict::Busy;
        }
        match &item.id {
            Some(id) if !known.insert(id.clone()) => Verdict::Known,
            _ => Verdict::Taken,
        }
    };
    items.iter().enumerate().map(judge).collect()
}

/// A header that has to be there.
fn expect_header(request: &Request, name: &str, value: &str) -> Result<(), String> {
    match request.header(name) {
        Some(found) if found == value => Ok(()),
        found => Err(format!("header {name} is {found:?}, not {value}")),
    }
}

fn expect_target(request: &Request, target: &str) -> Result<(), String> {
    let found = request.target.split('?').next().unwrap_or_default();
    if found == target { Ok(()) } else { Err(format!("posted to {found}, not to {target}")) }
}
