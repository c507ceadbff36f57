//! Where restartPolicy stands, and what it says there.
//!
//! In goes a pod, out come findings for the field in places that the API does not have, in lists
//! where it makes no sidecar, and with values that make none. What the API server refuses depends
//! on the version: from 1.34 on (with a gate that is on from 1.35) every container may have it.

use manifest::{Container, List, pointer_to};
use serde_json::Value;

use super::finding::Severity;
use super::pod::{Findings, Pod, called};
use super::rules;

const POLICIES: [&str; 3] = ["Always", "OnFailure", "Never"];
/// The first version whose containers may all have a restartPolicy, behind a gate that is off.
const ANY_CONTAINER_ALPHA: u32 = 34;
/// The first version where that gate is on.
const ANY_CONTAINER: u32 = 35;
/// The first version whose sidecars may have restartPolicyRules.
const RULES_ON_SIDECARS: u32 = 36;
/// Parts of a pod whose keys are free, where the word is no field.
const FREE_KEYS: [&str; 6] =
    ["labels", "annotations", "nodeSelector", "matchLabels", "volumes", "overhead"];

pub(crate) fn check(pod: &Pod<'_>, findings: &mut Findings) {
    for container in &pod.containers {
        of_container(pod, container, findings);
        rules_of_container(pod, container, findings);
    }
    if pod.is_first {
        outside_of_pod(pod, findings);
    }
    let holder = format!("{}{}", pod.object.pointer, pod.template.pointer);
    misplaced(pod, &holder, pod.template.pod, Place::Pod, findings);
    of_pod(pod, findings);
}

fn of_container(pod: &Pod<'_>, container: &Container<'_>, findings: &mut Findings) {
    let value = &container.value["restartPolicy"];
    if value.is_null() {
        return;
    }
    let pointer = pod.in_container(container, "/restartPolicy");
    let who = called(container);
    let known = value.as_str().filter(|text| POLICIES.contains(text));
    let Some(policy) = known else {
        let message = format!("{who}: restartPolicy is {value}, which the API server refuses");
        return findings.add(pod, &rules::VALUE, Severity::Error, pointer, message);
    };
    let (rule, severity, message) = match container.list {
        List::Ephemeral => {
            let message = format!("{who}: restartPolicy {policy} may not be set here");
            (&rules::EPHEMERAL, Severity::Error, message)
        }
        List::Init if policy == "Always" => return,
        List::Init => {
            let severity = severity_by_version(pod);
            let message = format!(
                "{who}: restartPolicy {policy} makes no native sidecar, {}",
                allowed_since(severity)
            );
            (&rules::NOT_ALWAYS, severity, message)
        }
        List::Regular => {
            let severity = severity_by_version(pod);
            if severity == Severity::Note && policy != "Always" {
                return;
            }
            let message = format!(
                "{who}: restartPolicy {policy} in the list containers makes no native sidecar, {}",
                allowed_since(severity)
            );
            // Always is what a sidecar is given that stands in the wrong list.
            let least = if policy == "Always" { Severity::Warning } else { Severity::Note };
            (&rules::REGULAR, severity.max(least), message)
        }
    };
    findings.add(pod, rule, severity, pointer, message);
}

/// How bad a restartPolicy is where no sidecar can be.
fn severity_by_version(pod: &Pod<'_>) -> Severity {
    match pod.version {
        version if version.is_at_least(ANY_CONTAINER) => Severity::Note,
        version if version.is_at_least(ANY_CONTAINER_ALPHA) => Severity::Warning,
        _ => Severity::Error,
    }
}

fn allowed_since(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "though it is allowed since 1.35",
        Severity::Warning => "and 1.34 allows it only with the gate ContainerRestartRules",
        Severity::Error => "and is refused before 1.34",
    }
}

fn rules_of_container(pod: &Pod<'_>, container: &Container<'_>, findings: &mut Findings) {
    let has_rules = container.value["restartPolicyRules"].as_array();
    if has_rules.is_none_or(Vec::is_empty) {
        return;
    }
    let who = called(container);
    let (severity, reason) = if container.list == List::Ephemeral {
        (Severity::Error, "are not for ephemeral containers")
    } else if !pod.version.is_at_least(ANY_CONTAINER_ALPHA) {
        (Severity::Error, "are not known before 1.34")
    } else if container.value["restartPolicy"].is_null() {
        (Severity::Error, "need a restartPolicy beside them")
    } else if container.is_native_sidecar() && !pod.version.is_at_least(RULES_ON_SIDECARS) {
        (Severity::Error, "are forbidden on native sidecars before 1.36")
    } else if !pod.version.is_at_least(ANY_CONTAINER) {
        (Severity::Warning, "need the gate ContainerRestartRules in 1.34")
    } else {
        return;
    };
    let pointer = pod.in_container(container, "/restartPolicyRules");
    let message = format!("{who}: restartPolicyRules {reason}");
    findings.add(pod, &rules::RESTART_RULES, severity, pointer, message);
}

/// Beside the template or in the metadata of the object that has it.
fn outside_of_pod(pod: &Pod<'_>, findings: &mut Findings) {
    let object = pod.object.value;
    let mut places = vec![("", object), ("/metadata", &object["metadata"])];
    if !pod.template.pointer.is_empty() && is_own_kind(pod.template.kind) {
        places.push(("/spec", &object["spec"]));
        places.push(("/spec/jobTemplate", &object["spec"]["jobTemplate"]));
        places.push(("/spec/jobTemplate/spec", &object["spec"]["jobTemplate"]["spec"]));
    }
    for (step, value) in places {
        let pointer = format!("{}{step}", pod.object.pointer);
        report_keys(pod, &pointer, value, findings);
    }
}

/// Kinds whose fields are known.
fn is_own_kind(kind: &str) -> bool {
    let workloads = ["Deployment", "ReplicaSet", "ReplicationController", "StatefulSet"];
    workloads.contains(&kind) || ["DaemonSet", "Job", "CronJob", "PodTemplate"].contains(&kind)
}

/// What a part of the pod is, as far as the field goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The holder of metadata and spec.
    Pod,
    Spec,
    /// One of the three lists.
    Containers,
    /// An item of one.
    Container,
    Other,
}

/// Walks the pod for the field in places of its own making.
fn misplaced(pod: &Pod<'_>, pointer: &str, value: &Value, place: Place, findings: &mut Findings) {
    match value {
        Value::Object(map) => {
            let is_top = place == Place::Pod && pod.template.pointer.is_empty();
            if !matches!(place, Place::Spec | Place::Container) && !is_top {
                report_keys(pod, pointer, value, findings);
            } else {
                report_spellings(pod, pointer, value, findings);
            }
            for (key, inner) in map.iter().filter(|(key, _)| !FREE_KEYS.contains(&key.as_str())) {
                let inner_place = match (place, key.as_str()) {
                    (Place::Pod, "spec") => Place::Spec,
                    // Those of a bare Pod are looked at as the object's.
                    (Place::Pod, "metadata") if is_top => continue,
                    (Place::Spec, "initContainers" | "containers" | "ephemeralContainers") => {
                        Place::Containers
                    }
                    _ => Place::Other,
                };
                misplaced(pod, &pointer_to(pointer, key), inner, inner_place, findings);
            }
        }
        Value::Array(items) => {
            let inner = if place == Place::Containers { Place::Container } else { Place::Other };
            for (index, item) in items.iter().enumerate() {
                misplaced(pod, &format!("{pointer}/{index}"), item, inner, findings);
            }
        }
        _ => {}
    }
}

/// Reports the field itself, in any spelling.
fn report_keys(pod: &Pod<'_>, pointer: &str, value: &Value, findings: &mut Findings) {
    let Some(policy) = value.get("restartPolicy") else {
        return report_spellings(pod, pointer, value, findings);
    };
    let place = pod.object.pointer.len();
    let shown = pointer.get(place..).unwrap_or(pointer).replace('/', ".");
    let message = format!("{shown}.restartPolicy ({policy}) is no field of the API");
    let pointer = pointer_to(pointer, "restartPolicy");
    findings.add(pod, &rules::MISPLACED, Severity::Error, pointer, message);
}

/// Reports keys that mean the field and miss it by a letter's case or a dash.
fn report_spellings(pod: &Pod<'_>, pointer: &str, value: &Value, findings: &mut Findings) {
    let keys = value.as_object().into_iter().flatten().map(|(key, _)| key);
    for key in keys.filter(|key| *key != "restartPolicy") {
        let plain: String = key.chars().filter(|letter| !"-_".contains(*letter)).collect();
        if plain.eq_ignore_ascii_case("restartPolicy") {
            let message = format!("the key {key:?} is not restartPolicy: fields are spelt exactly");
            let pointer = pointer_to(pointer, key);
            findings.add(pod, &rules::MISPLACED, Severity::Error, pointer, message);
        }
    }
}

fn of_pod(pod: &Pod<'_>, findings: &mut Findings) {
    let value = &pod.spec()["restartPolicy"];
    let allowed: &[&str] = match pod.template.kind {
        "Job" | "CronJob" => &["Never", "OnFailure"],
        "Deployment" | "ReplicaSet" | "ReplicationController" | "StatefulSet" | "DaemonSet" => {
            &["Always"]
        }
        _ => &POLICIES,
    };
    let is_allowed = match value {
        Value::Null => allowed.contains(&"Always"),
        value => value.as_str().is_some_and(|policy| allowed.contains(&policy)),
    };
    if is_allowed {
        return;
    }
    let written = match value {
        Value::Null => "missing, which means Always".to_owned(),
        value => value.to_string(),
    };
    let message = format!(
        "the pod's restartPolicy is {written}; a {} takes {}",
        pod.template.kind,
        allowed.join(" or ")
    );
    let pointer = pod.in_spec("/restartPolicy");
    findings.add(pod, &rules::POD_POLICY, Severity::Error, pointer, message);
}
