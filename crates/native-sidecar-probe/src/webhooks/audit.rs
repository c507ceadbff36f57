//! Reads from an audit log which webhook took the field.
//!
//! In go the events of a log of the API server, out come the webhooks whose patches took a native
//! sidecar from pods, with the number of pods. The API server writes each webhook's patch beside
//! the request, at the level Request or above; at Metadata it only writes that there was a change,
//! which is counted as unclear. So is a patch that may take the field from a pod which the log does
//! not hold. One event is one line, as a rule; events over several lines, and lists of events, are
//! what tools make of them. Text that is no event is passed over: logs are rotated and cut.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};

use memchr::memmem;
use serde_json::Value;

use super::blame::{self, Fidelity, Loss};
use crate::comparison::Fate;
use crate::status::Status;

/// Longest event, or list of events. The API server's own limit for requests is 3 MiB, and an event
/// may hold two.
const TEXT_BYTES_MAX: usize = 16 << 20;
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
    /// Lines, or events over several lines, that are longer than may be, or no JSON.
    pub(crate) unreadable_lines: usize,
}

impl Summary {
    /// A log of which nothing was read has not shown that the field is kept.
    pub(crate) fn status(&self) -> Status {
        let has_gaps = !self.unclear.is_empty() || self.unreadable_lines > 0;
        match self.culprits.is_empty() {
            false => Status::Stripped,
            true if self.pods == 0 || has_gaps => Status::Unknown,
            true => Status::Supported,
        }
    }
}

/// Finds where a JSON text ends, by its brackets.
#[derive(Debug, Default)]
struct Brackets {
    depth: usize,
    in_string: bool,
    is_escaped: bool,
}

impl Brackets {
    fn read(&mut self, text: &[u8]) {
        for byte in text {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.in_string => self.is_escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => (),
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => (),
            }
        }
    }

    /// A string never goes on in the next line: one that seems to was cut.
    fn are_closed(&self) -> bool {
        self.depth == 0 || self.in_string
    }
}

/// Reads a whole log.
///
/// # Errors
/// The log cannot be read.
pub(crate) fn read(mut log: impl BufRead) -> io::Result<Summary> {
    let mut summary = Summary::default();
    let mut text = Vec::new();
    let mut line = Vec::new();
    let mut brackets = Brackets::default();
    loop {
        line.clear();
        let room = u64::try_from(TEXT_BYTES_MAX - text.len()).unwrap_or(u64::MAX);
        if (&mut log).take(room).read_until(b'\n', &mut line)? == 0 {
            on_text(&text, &mut summary);
            return Ok(summary);
        }
        // Inside an event lines are indented, so this is a new one and the one before was cut.
        if line.starts_with(b"{") && !text.is_empty() {
            on_text(&text, &mut summary);
            text.clear();
            brackets = Brackets::default();
        }
        text.extend_from_slice(&line);
        brackets.read(&line);
        if text.len() == TEXT_BYTES_MAX {
            summary.unreadable_lines += 1;
            if !line.ends_with(b"\n") {
                log.skip_until(b'\n')?;
            }
        } else if brackets.are_closed() {
            on_text(&text, &mut summary);
        } else {
            continue;
        }
        text.clear();
        brackets = Brackets::default();
    }
}

/// Reads what is one event, or several, or none.
fn on_text(text: &[u8], summary: &mut Summary) {
    let has = |mark: &str| memmem::find(text, mark.as_bytes()).is_some();
    if !has(MUTATION) && !has(PATCH) {
        return;
    }
    // Between the lines of a list.
    let text = text.trim_ascii_end();
    let text = text.strip_suffix(b",").unwrap_or(text);
    for value in serde_json::Deserializer::from_slice(text).into_iter::<Value>() {
        let Ok(value) = value else {
            summary.unreadable_lines += 1;
            return;
        };
        match value["items"].as_array().or_else(|| value.as_array()) {
            Some(events) => events.iter().for_each(|event| on_event(event, summary)),
            None => on_event(&value, summary),
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
    let mut calls = calls(&event["annotations"]).peekable();
    if !is_new_pod || calls.peek().is_none() {
        return;
    }
    summary.pods += 1;
    let mut pod = event["requestObject"].clone();
    let mut found: Vec<(Call, Vec<Loss>)> = Vec::new();
    for mut call in calls {
        let Some(operations) = call.operations.take() else {
            *summary.unclear.entry(call.webhook).or_default() += 1;
            continue;
        };
        let losses = match pod.is_object() {
            true => blame::apply(&mut pod, &operations, Fidelity::AsSent).unwrap_or_default(),
            false => removals(&operations),
        };
        if !pod.is_object() && losses.is_empty() && operations.iter().any(may_take) {
            *summary.unclear.entry(call.webhook).or_default() += 1;
            continue;
        }
        found.push((call, losses));
    }
    blame::mark_mended(found.iter_mut().flat_map(|(_, losses)| losses), &pod);
    for (call, losses) in found {
        for loss in losses.into_iter().filter(|loss| !loss.is_mended) {
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
            is_mended: false,
        })
    };
    operations.iter().enumerate().filter_map(removal).collect()
}

/// Whether an operation on a pod that is not known may take the field. One that puts a container
/// into a list only moves the others.
fn may_take(operation: &Value) -> bool {
    let path = operation["path"].as_str().unwrap_or("");
    let is_insertion = operation["op"] == "add"
        && path.strip_prefix("/spec/").is_some_and(|path| path.split('/').count() == 2);
    operation["op"] != "test" && !is_insertion && blame::is_about_containers(operation)
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
    fn without_the_request_a_new_list_is_unclear() {
        let unclear = |operation: Value| {
            let annotations = json!({
                "patch.webhook.admission.k8s.io/round_0_index_0": patch("w", json!([operation])),
            });
            let found = summary(&event(annotations, false));
            assert!(found.culprits.is_empty());
            assert_eq!(found.status() == Status::Unknown, found.unclear.contains_key("w"));
            found.unclear.contains_key("w")
        };
        let list = "/spec/initContainers";
        let new = |op: &str, path: &str| json!({"op": op, "path": path, "value": {}});
        assert!(unclear(new("replace", list)));
        assert!(unclear(new("add", list)));
        assert!(unclear(new("replace", "/spec/initContainers/0")));
        assert!(unclear(json!({"op": "remove", "path": "/spec/initContainers/0"})));
        assert!(!unclear(new("add", "/spec/initContainers/0")));
        assert!(!unclear(new("test", list)));
        assert!(!unclear(new("add", "/metadata/labels")));
        assert!(!unclear(new("add", "/spec/initContainers/0/env/0")));
    }

    #[test]
    fn nothing_read_is_nothing_known() {
        for log in ["", "\n\n", "no audit log at all\n", "{\"kind\":\"List\",\"items\":[]}\n"] {
            let found = summary(log);
            assert_eq!((found.pods, found.status()), (0, Status::Unknown), "{log}");
        }
    }

    #[test]
    fn events_in_lists_and_over_several_lines() {
        let label = json!([{"op": "add", "path": "/metadata/labels", "value": {}}]);
        let text = event(
            json!({"patch.webhook.admission.k8s.io/round_0_index_0": patch("w", label)}),
            true,
        );
        let event: Value = serde_json::from_str(&text).unwrap();
        let list = json!({"kind": "EventList", "items": [event, {"verb": "get"}, event]});
        for (log, pods, unreadable) in [
            (format!("{list}\n"), 2, 0),
            (format!("{list:#}"), 2, 0),
            (json!([event]).to_string(), 1, 0),
            (format!("{event:#}\n{event:#}\n{text}"), 3, 0),
            (format!("{}{}", text.trim(), text), 2, 0),
            // Cut in the middle of a line, of a string, and between lines.
            (format!("{}\n{text}", text.trim().strip_suffix('}').unwrap()), 1, 1),
            (format!("{}\n{text}", text.split_once("Always").unwrap().0), 1, 1),
            (format!("{}\n{text}", &format!("{event:#}").trim_end_matches('}')), 1, 1),
            (format!("[\n{},\n{text}]\n", text.trim()), 2, 0),
        ] {
            let found = summary(&log);
            assert_eq!((found.pods, found.unreadable_lines), (pods, unreadable), "{log}");
            let expected = if unreadable == 0 { Status::Supported } else { Status::Unknown };
            assert_eq!(found.status(), expected, "{log}");
        }
    }

    #[test]
    fn an_event_that_is_too_long_is_counted() {
        let filler = "x".repeat(TEXT_BYTES_MAX);
        let found = summary(&format!("{{\"{filler}\": 1}}\n"));
        assert_eq!((found.pods, found.unreadable_lines), (0, 1));
    }

    #[test]
    fn what_a_later_webhook_gives_back_has_no_culprit() {
        let field = "/spec/initContainers/0/restartPolicy";
        let remove = json!([{"op": "remove", "path": field}]);
        let add = json!([{"op": "add", "path": field, "value": "Always"}]);
        let annotations = json!({
            "patch.webhook.admission.k8s.io/round_0_index_0": patch("early", remove),
            "patch.webhook.admission.k8s.io/round_0_index_1": patch("late", add),
        });
        let found = summary(&event(annotations, true));
        assert_eq!((found.pods, found.culprits.len()), (1, 0));
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
