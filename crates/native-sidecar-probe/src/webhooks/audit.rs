//! Reads from an audit log which webhook took the field.
//!
//! In go the lines of a log of the API server (one JSON event each), out come the webhooks whose
//! patches took a native sidecar from pods, with the number of pods. The API server writes each
//! webhook's patch beside the request, at the level Request or above; at Metadata it only writes
//! that there was a change, which is counted as unclear. Lines that are no event are passed over:
//! logs are rotated and cut.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};

use memchr::memmem;
use serde_json::Value;

use super::blame::{self, Fidelity, Loss};
use crate::comparison::Fate;

/// Longest event. The API server's own limit for requests is 3 MiB, and an event may hold two.
const LINE_BYTES_MAX: u64 = 16 << 20;
/// Different culprits of one log that are told apart.
const CULPRITS_MAX: usize = 1000;
const PATCH: &str = "patch.webhook.admission.k8s.io/";
const MUTATION: &str = "mutation.webhook.admission.k8s.io/";

/// Who took what, by which kind of operation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Culprit {
    pub(crate) configuration: String,
    pub(crate) webhook: String,
    pub(crate) container: String,
    /// `remove /spec/initContainers/1/restartPolicy`
    pub(crate) operation: String,
}

/// What a log tells.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// Creations of pods that webhooks changed.
    pub(crate) pods: usize,
    /// With the number of pods, and one of them.
    pub(crate) culprits: BTreeMap<Culprit, (usize, String)>,
    /// Webhooks that changed pods in a way that the log does not hold, with the number of pods.
    pub(crate) unclear: BTreeMap<String, usize>,
    /// Lines that are longer than an event may be, or no JSON.
    pub(crate) unreadable_lines: usize,
}

/// Reads a whole log.
///
/// # Errors
/// The log cannot be read.
pub(crate) fn read(mut log: impl BufRead) -> io::Result<Summary> {
    let mut summary = Summary::default();
    let finder = memmem::Finder::new(MUTATION);
    let patch_finder = memmem::Finder::new(PATCH);
    let mut line = Vec::new();
    loop {
        line.clear();
        let bytes = (&mut log).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if bytes == 0 {
            return Ok(summary);
        }
        if !line.ends_with(b"\n") && u64::try_from(bytes).is_ok_and(|read| read == LINE_BYTES_MAX) {
            summary.unreadable_lines += 1;
            log.skip_until(b'\n')?;
            continue;
        }
        if finder.find(&line).is_none() && patch_finder.find(&line).is_none() {
            continue;
        }
        match serde_json::from_slice(&line) {
            Ok(event) => on_event(&event, &mut summary),
            Err(_) => summary.unreadable_lines += 1,
        }
    }
}

/// One call of a webhook, as the annotations tell it.
struct Call {
    configuration: String,
    webhook: String,
    operations: Option<Vec<Value>>,
}

fn on_event(event: &Value, summary: &mut Summary) {
    let reference = &event["objectRef"];
    let is_new_pod = event["verb"] == "create"
        && reference["resource"] == "pods"
        && reference["subresource"].as_str().unwrap_or("").is_empty()
        && matches!(event["stage"].as_str(), None | Some("ResponseComplete"));
    if !is_new_pod {
        return;
    }
    summary.pods += 1;
    let mut pod = event["requestObject"].clone();
    for call in calls(&event["annotations"]) {
        let Some(operations) = call.operations else {
            *summary.unclear.entry(call.webhook).or_default() += 1;
            continue;
        };
        let losses = match pod.is_object() {
            true => blame::apply(&mut pod, &operations, Fidelity::AsSent).unwrap_or_default(),
            false => removals(&operations),
        };
        for loss in losses {
            let culprit = Culprit {
                configuration: call.configuration.clone(),
                webhook: call.webhook.clone(),
                operation: describe(&loss.operation),
                container: loss.container,
            };
            if summary.culprits.len() < CULPRITS_MAX || summary.culprits.contains_key(&culprit) {
                summary.culprits.entry(culprit).or_insert_with(|| (0, pod_name(event))).0 += 1;
            }
        }
    }
}

/// The calls that changed something, in the order in which they were made.
fn calls(annotations: &Value) -> impl Iterator<Item = Call> {
    let mut calls: BTreeMap<(u32, u32), Call> = BTreeMap::new();
    for (key, value) in annotations.as_object().into_iter().flatten() {
        let (is_patch, place) = match (key.strip_prefix(PATCH), key.strip_prefix(MUTATION)) {
            (Some(place), _) => (true, place),
            (_, Some(place)) => (false, place),
            _ => continue,
        };
        let Some(place) = round_and_index(place) else { continue };
        // The value is JSON in a text; some collectors unpack it.
        let value = match value.as_str().map(serde_json::from_str::<Value>) {
            Some(Ok(inner)) => inner,
            Some(Err(_)) => continue,
            None => value.clone(),
        };
        let call = calls.entry(place).or_insert_with(|| Call {
            configuration: String::new(),
            webhook: format!("round {} index {}", place.0, place.1),
            operations: None,
        });
        if let Some(webhook) = value["webhook"].as_str() {
            call.webhook = webhook.to_owned();
        }
        if let Some(configuration) = value["configuration"].as_str() {
            call.configuration = configuration.to_owned();
        }
        if is_patch {
            let operations = value["patch"].as_array().or_else(|| value.as_array());
            call.operations = operations.cloned();
        } else if value["mutated"] == false {
            call.operations.get_or_insert_default();
        }
    }
    calls.into_values()
}

/// Reads `round_0_index_12`.
fn round_and_index(text: &str) -> Option<(u32, u32)> {
    let (round, index) = text.strip_prefix("round_")?.split_once("_index_")?;
    Some((round.parse().ok()?, index.parse().ok()?))
}

/// Without the pod only an operation that removes the field itself can be told.
fn removals(operations: &[Value]) -> Vec<Loss> {
    let removal = |(index, operation): (usize, &Value)| {
        let path = operation["path"].as_str()?.strip_prefix("/spec/initContainers/")?;
        let (container, "restartPolicy") = path.split_once('/')? else { return None };
        (operation["op"] == "remove").then(|| Loss {
            container: format!("initContainers[{container}]"),
            fate: Fate::Lost,
            index,
            operation: operation.clone(),
        })
    };
    operations.iter().enumerate().filter_map(removal).collect()
}

/// The operation without its value, which may be a whole list of containers.
pub(crate) fn describe(operation: &Value) -> String {
    let part = |key: &str| operation[key].as_str().unwrap_or("");
    match operation["from"].as_str() {
        Some(from) => format!("{} {from} to {}", part("op"), part("path")),
        None => format!("{} {}", part("op"), part("path")),
    }
}

fn pod_name(event: &Value) -> String {
    let reference = &event["objectRef"];
    let names = [
        &reference["name"],
        &event["responseObject"]["metadata"]["name"],
        &event["requestObject"]["metadata"]["name"],
        &event["requestObject"]["metadata"]["generateName"],
    ];
    let name = names.into_iter().filter_map(Value::as_str).find(|name| !name.is_empty());
    let namespace = reference["namespace"].as_str().unwrap_or("");
    format!("{namespace}/{}", name.unwrap_or(""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(annotations: Value, with_object: bool) -> String {
        let mut event = json!({
            "kind": "Event", "stage": "ResponseComplete", "verb": "create",
            "objectRef": {"resource": "pods", "namespace": "shop"},
            "annotations": annotations,
        });
        if with_object {
            event["requestObject"] = json!({
                "metadata": {"generateName": "web-"},
                "spec": {"initContainers": [{"name": "mesh", "restartPolicy": "Always"}]},
            });
        }
        format!("{event}\n")
    }

    fn patch(webhook: &str, operations: Value) -> Value {
        let value = json!({
            "configuration": "c", "webhook": webhook,
            "patch": operations, "patchType": "JSONPatch",
        });
        json!(value.to_string())
    }

    fn mutation(webhook: &str, mutated: bool) -> Value {
        let value = json!({"configuration": "c", "webhook": webhook, "mutated": mutated});
        json!(value.to_string())
    }

    fn summary(log: &str) -> Summary {
        read(log.as_bytes()).unwrap()
    }

    #[test]
    fn the_webhook_whose_patch_did_it_is_named() {
        let label = json!([{"op": "add", "path": "/metadata/labels", "value": {}}]);
        let remove = json!([
            {"op": "add", "path": "/spec/containers/0/env/-", "value": {}},
            {"op": "remove", "path": "/spec/initContainers/0/restartPolicy"},
        ]);
        let annotations = json!({
            "patch.webhook.admission.k8s.io/round_0_index_10": patch("late", remove.clone()),
            "patch.webhook.admission.k8s.io/round_0_index_2": patch("early", label),
            "mutation.webhook.admission.k8s.io/round_0_index_10": mutation("late", true),
            "mutation.webhook.admission.k8s.io/round_0_index_2": mutation("early", true),
            "mutation.webhook.admission.k8s.io/round_0_index_3": mutation("quiet", false),
            "authorization.k8s.io/decision": "allow",
        });
        let log = event(annotations, true).repeat(2);
        let found = summary(&log);
        assert_eq!(found.pods, 2);
        assert!(found.unclear.is_empty());
        let (culprit, (pods, example)) = found.culprits.iter().next().unwrap();
        assert_eq!(culprit.webhook, "late");
        assert_eq!(culprit.container, "mesh");
        assert_eq!(culprit.operation, "remove /spec/initContainers/0/restartPolicy");
        assert_eq!((*pods, example.as_str()), (2, "shop/web-"));
        assert_eq!(found.culprits.len(), 1);
        // Without the request the removal itself is still to be seen.
        let annotations =
            json!({"patch.webhook.admission.k8s.io/round_0_index_0": patch("late", remove)});
        let found = summary(&event(annotations, false));
        assert_eq!(found.culprits.keys().next().unwrap().container, "initContainers[0]");
    }

    #[test]
    fn a_log_at_metadata_is_unclear_and_other_lines_are_passed_over() {
        let annotations =
            json!({"mutation.webhook.admission.k8s.io/round_0_index_0": mutation("w", true)});
        let mut log = event(annotations.clone(), true);
        log.push_str("no event\n{\"verb\":\"create\"}\n");
        log.push_str(&event(annotations, true).replace("\"pods\"", "\"jobs\""));
        log.push_str("{\"cut mutation.webhook.admission.k8s.io/");
        let found = summary(&log);
        assert_eq!(found.pods, 1);
        assert_eq!(found.unclear.get("w"), Some(&1));
        assert_eq!(found.unreadable_lines, 1);
        assert!(found.culprits.is_empty());
    }

    #[test]
    fn unpacked_annotations_are_read_too() {
        let operations = json!([{"op": "remove", "path": "/spec/initContainers/0/restartPolicy"}]);
        let annotations = json!({
            "patch.webhook.admission.k8s.io/round_0_index_0":
                {"webhook": "w", "configuration": "c", "patch": operations},
            "patch.webhook.admission.k8s.io/round_x": "ignored",
        });
        let found = summary(&event(annotations, true));
        assert_eq!(found.culprits.keys().next().unwrap().webhook, "w");
    }
}
