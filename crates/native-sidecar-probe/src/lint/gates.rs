//! The feature gate in configuration files and command lines.
//!
//! In goes any document, out come findings for `SidecarContainers` wherever it is set: in the
//! `featureGates` of a kubelet or kubeadm file, in `--feature-gates` of a static pod, in kubeadm's
//! extraArgs, in a file inside a ConfigMap. What a setting means depends on the version alone: a
//! locked gate keeps a component from starting, and so does one that it does not know. Where no
//! version is given, none is assumed: the finding names them all.

use manifest::{Document, Limits, pointer_to, read};
use serde_json::Value;

use super::finding::Severity;
use super::pod::{Findings, title};
use super::{Target, rules};

const GATE: &str = "SidecarContainers";
/// Files inside files inside a file are not followed.
const EMBEDDED_DEPTH_MAX: usize = 1;
/// Values in a file inside a file for each byte of it. Without aliases there are fewer.
const EMBEDDED_NODES_PER_BYTE: usize = 2;

pub(crate) fn check(document: &Document, target: &Target, findings: &mut Findings) {
    for object in document.objects() {
        let mut found = Vec::new();
        search(&object.pointer, object.value, EMBEDDED_DEPTH_MAX, &mut found);
        for Setting { pointer, value } in found {
            let (severity, message) = judge(&value, target);
            if findings.is_room_for(severity) {
                let (line, object) = (document.line(&pointer), title(object.value));
                findings.add_at(line, &object, &rules::GATE, severity, pointer, message);
            }
        }
    }
}

struct Setting {
    pointer: String,
    /// `true`, `false` or something else.
    value: String,
}

fn search(pointer: &str, value: &Value, embedded: usize, found: &mut Vec<Setting>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let pointer = pointer_to(pointer, key);
                if key == "featureGates" && !inner[GATE].is_null() {
                    let value = inner[GATE].to_string().trim_matches('"').to_owned();
                    found.push(Setting { pointer: pointer_to(&pointer, GATE), value });
                } else if key == "feature-gates" || is_gates_argument(map, key) {
                    found.extend(in_flag(&pointer, inner.as_str().unwrap_or("")));
                } else {
                    search(&pointer, inner, embedded, found);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let pointer = format!("{pointer}/{index}");
                let follows_flag = index.checked_sub(1).and_then(|index| items[index].as_str());
                match item {
                    Value::String(text) if follows_flag == Some("--feature-gates") => {
                        found.extend(in_flag(&pointer, text));
                    }
                    item => search(&pointer, item, embedded, found),
                }
            }
        }
        Value::String(text) if text.contains(GATE) => in_text(pointer, text, embedded, found),
        _ => {}
    }
}

/// `{name: feature-gates, value: …}`, as newer kubeadm files have their arguments.
fn is_gates_argument(map: &serde_json::Map<String, Value>, key: &str) -> bool {
    key == "value" && map.get("name").is_some_and(|name| name == "feature-gates")
}

/// A flag, a command line, or a whole file.
fn in_text(pointer: &str, text: &str, embedded: usize, found: &mut Vec<Setting>) {
    if let Some((_, gates)) = text.split_once("feature-gates") {
        return found.extend(in_flag(pointer, gates.trim_start_matches(['=', ' ', '"'])));
    }
    let mut limits = Limits::default();
    limits.nodes_max = limits.nodes_max.min(text.len().saturating_mul(EMBEDDED_NODES_PER_BYTE));
    let documents = match embedded {
        0 => Vec::new(),
        _ => read(text, &limits).unwrap_or_default(),
    };
    for document in documents.iter().filter(|document| !document.value.is_string()) {
        let mut inner = Vec::new();
        search("", &document.value, embedded - 1, &mut inner);
        let outside = |setting: Setting| Setting { pointer: pointer.to_owned(), ..setting };
        found.extend(inner.into_iter().map(outside));
    }
}

/// The value in `Other=true,SidecarContainers=false`.
fn in_flag(pointer: &str, text: &str) -> Option<Setting> {
    let gates = text.split(|letter: char| !letter.is_alphanumeric() && letter != '=');
    let value = gates.filter_map(|gate| gate.split_once('=')).find(|(name, _)| *name == GATE)?.1;
    Some(Setting { pointer: pointer.to_owned(), value: value.to_owned() })
}

/// What it means to set the gate.
fn judge(value: &str, target: &Target) -> (Severity, String) {
    let is_on = ["true", "t", "1"].iter().any(|on| value.eq_ignore_ascii_case(on));
    let version = &target.version;
    let (severity, means) = if !target.is_given {
        match is_on {
            true => (
                Severity::Warning,
                "is needed in 1.28, needless from 1.29 on, locked from 1.33 to 1.36, and not \
                 known from 1.37 on: there the component does not start",
            ),
            false => (
                Severity::Error,
                "turns native sidecars off up to 1.32; it is locked from 1.33 to 1.36 and not \
                 known from 1.37 on: there the component does not start",
            ),
        }
    } else if !version.is_at_least(28) {
        (Severity::Error, "is not known before 1.28: the component does not start")
    } else if !version.is_at_least(29) {
        match is_on {
            true => (Severity::Note, "in 1.28 is alpha: sidecars run, but end in no order"),
            false => (Severity::Note, "in 1.28 is the default: sidecars are dropped or refused"),
        }
    } else if !version.is_at_least(33) {
        match is_on {
            true => (Severity::Note, "is the default since 1.29, and an error from 1.37 on"),
            false => (
                Severity::Error,
                "turns native sidecars off: the API server drops the field, or the kubelet \
                 refuses the pod (InitContainerRestartPolicyForbidden), and no protocol inside \
                 it helps",
            ),
        }
    } else if !version.is_at_least(37) {
        match is_on {
            true => (Severity::Warning, "is locked from 1.33 on, and an error from 1.37 on"),
            false => (Severity::Error, "is locked from 1.33 on: the component does not start"),
        }
    } else {
        (Severity::Error, "is not known from 1.37 on: the component does not start")
    };
    (severity, format!("{GATE}={value} {means}"))
}
