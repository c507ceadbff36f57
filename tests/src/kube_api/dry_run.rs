//! What an API server makes of a Pod or a PodTemplate that it is asked to create without doing so.
//!
//! In order, as in a real one: the fields it does not know (by fieldValidation), admission, which
//! only pods meet, the fields of features that are off, validation. The texts were recorded of 1.27
//! and 1.32, except those of policies and of webhooks without dry run, which are from the source.

use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::objects::{Query, Target};
use super::release::Release;

/// What may stand on an init container with restartPolicy: Always only.
const FOR_SIDECARS: [&str; 4] = ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"];
/// From here on validation allows a restartPolicy on every container.
const ANY_CONTAINER_FROM: u32 = 34;

/// What happens to pods on their way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    Keep,
    /// A webhook that knows an older pod loses the field.
    Strip,
    /// The field ends up on another init container.
    Move,
    /// A policy or a webhook refuses.
    Reject {
        code: u16,
        reason: &'static str,
        message: String,
    },
    /// The webhook of this name has side effects.
    NoDryRun(String),
    /// Nothing answers.
    Stall,
    /// The API server itself loses the field, of pods and of pod templates.
    DropByApiServer,
}

impl Admission {
    /// As Pod Security says it; from the source.
    pub fn pod_security() -> Self {
        let message = "pods \"canary\" is forbidden: violates PodSecurity \"restricted:latest\": \
                       runAsNonRoot != true (pod or container \"main\" must set \
                       securityContext.runAsNonRoot=true)";
        Self::Reject { code: 403, reason: "Forbidden", message: message.to_owned() }
    }

    /// As a webhook says it; from the source.
    pub fn denied_by(webhook: &str, why: &str) -> Self {
        let message = format!("admission webhook \"{webhook}\" denied the request: {why}");
        Self::Reject { code: 403, reason: "Forbidden", message }
    }

    /// As a ValidatingAdmissionPolicy says it; from the source.
    pub fn policy(name: &str, why: &str) -> Self {
        let message = format!(
            "pods \"canary\" is forbidden: ValidatingAdmissionPolicy '{name}' with binding \
             '{name}-binding' denied request: {why}"
        );
        Self::Reject { code: 422, reason: "Invalid", message }
    }
}

/// None: stalled.
pub(super) fn create(
    release: &Release,
    admission: &Admission,
    target: &Target,
    query: &Query,
    mut object: Value,
) -> Option<Answer> {
    let (kind, within) = match target.resource.as_str() {
        "pods" => ("Pod", ""),
        "podtemplates" => ("PodTemplate", "template."),
        other => return Some(Answer::bad_request(&format!("{other} are not created here"))),
    };
    if object["kind"] != kind {
        return Some(Answer::bad_request("the object provided is unrecognized"));
    }
    let mut warnings = Vec::new();
    if !release.knows_field() {
        let unknown = take_fields(spec(&mut object, kind), within);
        match query.get("fieldValidation") {
            Some("Strict") if !unknown.is_empty() => {
                return Some(strict_error(kind, &unknown));
            }
            Some("Ignore") => {}
            _ => warnings = unknown,
        }
    }
    if kind == "Pod" {
        match admission {
            Admission::Keep | Admission::DropByApiServer => {}
            Admission::Strip => drop(take_fields(spec(&mut object, kind), within)),
            Admission::Move => move_field(spec(&mut object, kind)),
            Admission::Stall => return None,
            Admission::Reject { code, reason, message } => {
                return Some(Answer::failure(*code, reason, message, json!({ "kind": "pods" })));
            }
            Admission::NoDryRun(webhook) => {
                let message = format!("admission webhook \"{webhook}\" does not support dry run");
                return Some(Answer::bad_request(&message));
            }
        }
    }
    if !release.keeps_field() || *admission == Admission::DropByApiServer {
        take_fields(spec(&mut object, kind), within);
    }
    name(&mut object);
    if let Some(invalid) = invalid(release, &mut object, kind, within) {
        return Some(invalid);
    }
    complete(&mut object, kind, target);
    let answer = Answer::json(201, &object);
    Some(warnings.iter().fold(answer, |answer, warning| {
        let text = format!("299 - \"unknown field \\\"{warning}\\\"\"");
        answer.with_header("warning", text)
    }))
}

fn spec<'a>(object: &'a mut Value, kind: &str) -> &'a mut Value {
    match kind {
        "Pod" => &mut object["spec"],
        _ => &mut object["template"]["spec"],
    }
}

fn containers<'a>(
    spec: &'a mut Value,
    list: &str,
) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    let list = spec.get_mut(list).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut)
}

/// Removes restartPolicy from all containers; answers with where it was.
fn take_fields(spec: &mut Value, within: &str) -> Vec<String> {
    let mut taken = Vec::new();
    for list in ["initContainers", "containers"] {
        for (index, container) in containers(spec, list).enumerate() {
            if container.remove("restartPolicy").is_some() {
                taken.push(format!("{within}spec.{list}[{index}].restartPolicy"));
            }
        }
    }
    taken
}

/// From the first init container that has it to the one before it, or else after it, as a patch by
/// index does when another webhook has put a container in front.
fn move_field(spec: &mut Value) {
    let list = spec["initContainers"].as_array_mut().expect("a pod with init containers");
    let from = list.iter().position(|container| container["restartPolicy"] == "Always").unwrap();
    let field = list[from].as_object_mut().unwrap().remove("restartPolicy").unwrap();
    let to = if from > 0 { from - 1 } else { from + 1 };
    let to = list.get_mut(to).expect("a pod with several init containers");
    to["restartPolicy"] = field;
}

/// Recorded of 1.27.16.
fn strict_error(kind: &str, unknown: &[String]) -> Answer {
    let fields: Vec<String> =
        unknown.iter().map(|field| format!("unknown field \"{field}\"")).collect();
    let message = format!(
        "{kind} in version \"v1\" cannot be handled as a {kind}: strict decoding error: {}",
        fields.join(", ")
    );
    Answer::bad_request(&message)
}

/// Recorded of 1.27.16 and 1.32.13.
fn invalid(release: &Release, object: &mut Value, kind: &str, within: &str) -> Option<Answer> {
    let mut fields = Vec::new();
    let text = match release.knows_field() {
        true => "Forbidden: may not be set for init containers without restartPolicy=Always",
        false => "Forbidden: may not be set for init containers",
    };
    for (index, container) in containers(spec(object, kind), "initContainers").enumerate() {
        if container.get("restartPolicy").and_then(Value::as_str) != Some("Always") {
            let present = FOR_SIDECARS.iter().filter(|field| container.contains_key(**field));
            let place = |field| format!("{within}spec.initContainers[{index}].{field}");
            fields.extend(present.map(|field| (place(*field), text)));
        }
    }
    for (index, container) in containers(spec(object, kind), "containers").enumerate() {
        if container.contains_key("restartPolicy") && release.effective() < ANY_CONTAINER_FROM {
            let text = "Forbidden: may not be set for non-init containers";
            fields.push((format!("{within}spec.containers[{index}].restartPolicy"), text));
        }
    }
    if fields.is_empty() {
        return None;
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let texts: Vec<String> =
        fields.iter().map(|(field, text)| format!("{field}: {text}")).collect();
    let list = match texts.len() {
        1 => texts[0].clone(),
        _ => format!("[{}]", texts.join(", ")),
    };
    let message = format!("{kind} \"{name}\" is invalid: {list}");
    let reason = "FieldValueForbidden";
    let cause = |(field, text)| json!({ "reason": reason, "message": text, "field": field });
    let causes: Vec<Value> = fields.into_iter().map(cause).collect();
    let details = json!({ "name": name, "kind": kind, "causes": causes });
    Some(Answer::failure(422, "Invalid", &message, details))
}

/// generateName becomes a name before validation.
fn name(object: &mut Value) {
    let prefix = object["metadata"]["generateName"].as_str().map(str::to_owned);
    if let (Some(prefix), Value::Null) = (prefix, &object["metadata"]["name"]) {
        object["metadata"]["name"] = json!(format!("{prefix}x7k2p"));
    }
}

/// What the API server and its own admission add, as recorded.
fn complete(object: &mut Value, kind: &str, target: &Target) {
    object["metadata"]["namespace"] = json!(target.namespace);
    object["metadata"]["uid"] = json!("6a0c7b1e-61ab-4d2f-8b3e-0d8a3c1f2b4d");
    object["metadata"]["creationTimestamp"] = json!("2026-11-22T06:35:39Z");
    let account = json!({
        "name": "kube-api-access-ntr5z", "readOnly": true,
        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
    });
    for list in ["initContainers", "containers"] {
        for container in containers(spec(object, kind), list) {
            container.entry("resources").or_insert(json!({}));
            let path = json!("/dev/termination-log");
            container.entry("terminationMessagePath").or_insert(path);
            container.entry("terminationMessagePolicy").or_insert(json!("File"));
            container.entry("imagePullPolicy").or_insert(json!("IfNotPresent"));
            if kind == "Pod" {
                let mounts = container.entry("volumeMounts").or_insert(json!([]));
                mounts.as_array_mut().unwrap().push(account.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube_api::Gate;

    fn ask(release: &Release, validation: &str, probe: bool) -> (u16, Value, Answer) {
        let mut container = json!({ "name": "s1", "image": "i", "restartPolicy": "Always" });
        if probe {
            container["startupProbe"] = json!({ "exec": { "command": ["true"] } });
        }
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "gate2" },
            "spec": { "initContainers": [container], "containers": [{ "name": "m1" }] },
        });
        let target = Target::parse("/api/v1/namespaces/default/pods").unwrap();
        let query = Query::split(&format!("?fieldValidation={validation}")).1;
        let answer = create(release, &Admission::Keep, &target, &query, pod).unwrap();
        (answer.status, serde_json::from_slice(&answer.body).unwrap(), answer)
    }

    #[test]
    fn the_recorded_texts_are_given() {
        let (old, off) =
            (Release::new("v1.27.16", Gate::Default), Release::new("v1.32.13", Gate::Off));
        let (code, status, _) = ask(&old, "Strict", false);
        assert_eq!(code, 400);
        assert_eq!(
            status["message"],
            "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: unknown \
             field \"spec.initContainers[0].restartPolicy\""
        );
        let (code, pod, answer) = ask(&old, "Warn", false);
        assert_eq!((code, &pod["spec"]["initContainers"][0]["restartPolicy"]), (201, &Value::Null));
        let warning = "299 - \"unknown field \\\"spec.initContainers[0].restartPolicy\\\"\"";
        assert!(answer.headers.contains(&("warning", warning.to_owned())));
        let (code, status, _) = ask(&off, "Strict", true);
        assert_eq!(code, 422);
        assert_eq!(
            status["message"],
            "Pod \"gate2\" is invalid: spec.initContainers[0].startupProbe: Forbidden: may not be \
             set for init containers without restartPolicy=Always"
        );
        let (code, status, _) = ask(&old, "Ignore", true);
        assert_eq!(code, 422);
        assert!(
            status["message"].as_str().unwrap().ends_with("may not be set for init containers")
        );
    }
}
