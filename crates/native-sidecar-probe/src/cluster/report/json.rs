//! The form for scripts. Its fields only ever grow in number under one schema.

use std::fmt::{self, Formatter};

use serde_json::{Map, Value, json};

use super::{Advice, Assessment, Evidence, Question, Report, counts};

const CLUSTER_SCHEMA: &str = "outrider.native-sidecar-probe.cluster/v1";
const NODE_SCHEMA: &str = "outrider.native-sidecar-probe.node/v1";

pub(super) fn write(report: &Report, formatter: &mut Formatter<'_>) -> fmt::Result {
    let schema = match report.question {
        Question::Cluster => CLUSTER_SCHEMA,
        Question::Node => NODE_SCHEMA,
    };
    let mut document = json!({
        "schema": schema,
        "verdict": report.verdict.word(),
        "evidence": list(&report.evidence, evidence),
        "advice": list(&report.advice, advice),
        "counts": {
            "apiservers": numbers(&report.api_servers),
            "nodes": numbers(&report.nodes),
        },
        "apiservers": list(&report.api_servers, part),
        "nodes": list(&report.nodes, part),
    });
    if let Some(fields) = document.as_object_mut().filter(|_| !report.stable) {
        fields.insert("asked_at_unix_seconds".to_owned(), json!(report.timing.unix_seconds));
        fields.insert("took_ms".to_owned(), json!(report.timing.took_ms));
    }
    writeln!(formatter, "{document:#}")
}

fn list<T>(items: &[T], value: impl Fn(&T) -> Value) -> Value {
    items.iter().map(value).collect()
}

fn part(part: &Assessment) -> Value {
    json!({
        "name": part.name,
        "version": part.version,
        "verdict": part.verdict.word(),
        "evidence": list(&part.evidence, evidence),
        "advice": list(&part.advice, advice),
    })
}

fn evidence(evidence: &Evidence) -> Value {
    json!({
        "source": evidence.source.word(),
        "says": evidence.says,
        "detail": evidence.detail,
    })
}

fn advice(advice: &Advice) -> Value {
    json!({ "id": advice.id, "says": advice.says, "manifest": advice.manifest })
}

fn numbers(parts: &[Assessment]) -> Value {
    let numbers = counts(parts).map(|(verdict, count)| (verdict.word().to_owned(), json!(count)));
    Value::Object(numbers.collect::<Map<_, _>>())
}
