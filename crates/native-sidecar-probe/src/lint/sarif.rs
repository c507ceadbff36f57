//! Findings as SARIF 2.1.0, the form that code hosts show beside the lines.
//!
//! In go findings, out comes one log with one run: the whole catalogue of rules, and one result
//! for each finding. Paths become references as the format wants them: relative ones stay relative
//! to wherever the tool ran, absolute ones become `file:`, and what is no letter of a path is
//! escaped. Written by hand: the format has hundreds of optional fields, and these few are read.

use serde_json::{Value, json};

use super::finding::Finding;
use super::rules;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

pub(crate) fn log(findings: &[Finding]) -> Value {
    let rules = rules::ALL.iter().map(|rule| {
        json!({
            "id": rule.id,
            "shortDescription": {"text": rule.about},
            "help": {"text": rule.hint},
        })
    });
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {
                "driver": {
                    "name": "native-sidecar-probe",
                    "version": env!("CARGO_PKG_VERSION"),
                    "rules": rules.collect::<Vec<_>>(),
                }
            },
            "columnKind": "unicodeCodePoints",
            "results": findings.iter().map(result).collect::<Vec<_>>(),
        }]
    })
}

fn result(finding: &Finding) -> Value {
    let index = rules::ALL.iter().position(|rule| rule.id == finding.rule.id);
    let message = match finding.object.as_str() {
        "" => finding.message.clone(),
        object => format!("{object}: {}", finding.message),
    };
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": {"uri": reference(&finding.file)},
            "region": {"startLine": finding.line},
        }
    });
    if !finding.object.is_empty() {
        let object = json!({"fullyQualifiedName": finding.object, "kind": "object"});
        location["logicalLocations"] = json!([object]);
    }
    json!({
        "ruleId": finding.rule.id,
        "ruleIndex": index,
        "level": finding.severity.word(),
        "message": {"text": message},
        "locations": [location],
    })
}

/// A path as a reference.
fn reference(path: &str) -> String {
    let path = match path {
        "-" => "stdin",
        path => path.strip_prefix("./").unwrap_or(path),
    };
    let mut text = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' => text.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_references() {
        for (path, expected) in [
            ("a/b.yaml", "a/b.yaml"),
            ("./a b#1.yaml", "a%20b%231.yaml"),
            ("/etc/é", "file:///etc/%C3%A9"),
            ("-", "stdin"),
        ] {
            assert_eq!(reference(path), expected, "{path}");
        }
    }
}
