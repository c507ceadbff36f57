//! What is kept of a pod or of its owner: a few names, out of many kilobytes.
//!
//! In go raw objects, out come the owner's identity, the containers with their restartPolicy, and
//! the marks that tell whether two objects are of one revision. Nothing is judged here.

use serde_json::{Map, Value, json};

/// An object that owns others.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Reference {
    /// `apps/v1`
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) uid: String,
}

/// A pod, or an object that makes pods.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) owner: Option<Reference>,
    /// Names and restartPolicy of the containers; `None` if it has no pod template.
    pub(crate) spec: Option<Value>,
    pub(crate) marks: Marks,
    /// False for a pod that has ended.
    pub(crate) is_live: bool,
}

/// What tells revisions apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// Annotations of a name that ends with `/revision`, as Deployments and Rollouts write them.
    pub(crate) revisions: Vec<(String, String)>,
    /// Of a StatefulSet the revision that new pods get, of its pod the one that it has.
    pub(crate) update_revision: Option<String>,
    /// The same of a DaemonSet.
    pub(crate) template_generation: Option<String>,
    /// The marks of an owner may be those of its template before the last change: it is paused, or
    /// its controller has not seen the change.
    pub(crate) may_lag: bool,
}

pub(crate) fn of_pod(pod: &Value) -> Facts {
    let mut facts = of_object(pod, "Pod");
    facts.spec = Some(skeleton(&pod["spec"]));
    facts.is_live = !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    let label = |name: &str| text(&pod["metadata"]["labels"][name]);
    facts.marks.update_revision = label("controller-revision-hash");
    facts.marks.template_generation = label("pod-template-generation");
    facts
}

/// Items of a list have no kind of their own.
pub(crate) fn of_owner(mut object: Value, kind: &str) -> Facts {
    object["kind"] = json!(kind);
    let mut facts = of_object(&object, kind);
    facts.spec = manifest::template(&object).map(|template| skeleton(template.spec));
    let marks = &mut facts.marks;
    marks.update_revision = text(&object["status"]["updateRevision"]);
    marks.may_lag = object["spec"]["paused"] == true || is_unseen(&object);
    let annotations = &object["metadata"]["annotations"];
    marks.template_generation = text(&annotations["deprecated.daemonset.template.generation"]);
    facts
}

/// Whether the controller of an owner has not seen its last change. Those that do not say what they
/// have seen count as up to date.
fn is_unseen(object: &Value) -> bool {
    // Rollouts write it as a text.
    let number = |value: &Value| value.as_i64().or_else(|| value.as_str()?.parse().ok());
    let generations = (
        number(&object["metadata"]["generation"]),
        number(&object["status"]["observedGeneration"]),
    );
    matches!(generations, (Some(now), Some(seen)) if now != seen)
}

fn of_object(object: &Value, kind: &str) -> Facts {
    let metadata = &object["metadata"];
    let owned = |key: &str| text(&metadata[key]).unwrap_or_default();
    let annotations = metadata["annotations"].as_object().into_iter().flatten();
    let revisions = annotations.filter(|(name, _)| name.ends_with("/revision"));
    let revisions = revisions.filter_map(|(name, value)| Some((name.clone(), text(value)?)));
    Facts {
        kind: kind.to_owned(),
        namespace: owned("namespace"),
        name: owned("name"),
        uid: owned("uid"),
        owner: owner(&metadata["ownerReferences"]),
        spec: None,
        marks: Marks { revisions: revisions.collect(), ..Marks::default() },
        is_live: true,
    }
}

fn owner(references: &Value) -> Option<Reference> {
    let owner = references.as_array()?.iter().find(|owner| owner["controller"] == true)?;
    Some(Reference {
        api_version: text(&owner["apiVersion"])?,
        kind: text(&owner["kind"])?,
        name: text(&owner["name"])?,
        uid: text(&owner["uid"])?,
    })
}

/// The containers, with what decides whether they are native sidecars.
fn skeleton(spec: &Value) -> Value {
    let mut skeleton = Map::new();
    for container in manifest::containers(spec) {
        let mut kept = json!({"name": container.name});
        if let Some(policy) = container.restart_policy() {
            kept["restartPolicy"] = json!(policy);
        }
        let list = skeleton.entry(container.list.field()).or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(kept);
        }
    }
    Value::Object(skeleton)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_is_kept() {
        let pod = json!({
            "metadata": {
                "namespace": "shop", "name": "web-1", "uid": "u1",
                "labels": {"controller-revision-hash": "web-7", "app": "web"},
                "ownerReferences": [
                    {"apiVersion": "x/v1", "kind": "Other", "name": "o", "uid": "u0"},
                    {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": "u2",
                     "controller": true},
                ],
            },
            "spec": {"initContainers": [{"name": "s", "restartPolicy": "Always", "env": [1]}],
                     "containers": [{"name": "m", "image": "x"}]},
        });
        let facts = of_pod(&pod);
        assert_eq!(facts.owner.unwrap().uid, "u2");
        assert_eq!(facts.marks.update_revision.as_deref(), Some("web-7"));
        let skeleton = json!({
            "initContainers": [{"name": "s", "restartPolicy": "Always"}],
            "containers": [{"name": "m"}],
        });
        assert_eq!(facts.spec, Some(skeleton.clone()));
        let owner = json!({
            "metadata": {"name": "web", "annotations": {"a.io/revision": "3", "b": "c"}},
            "spec": {"template": {"spec": pod["spec"]}},
            "status": {"updateRevision": "web-7"},
        });
        let facts = of_owner(owner, "StatefulSet");
        assert_eq!(facts.spec, Some(skeleton));
        assert_eq!(facts.marks.revisions, [("a.io/revision".to_owned(), "3".to_owned())]);
        assert_eq!(facts.marks.update_revision.as_deref(), Some("web-7"));
        assert!(facts.owner.is_none());
        assert!(!facts.marks.may_lag);
    }

    #[test]
    fn owners_whose_marks_may_lag() {
        let may_lag = |paused: bool, generation: Value, observed: Value| {
            let owner = json!({
                "metadata": {"generation": generation},
                "spec": {"paused": paused},
                "status": {"observedGeneration": observed},
            });
            of_owner(owner, "Deployment").marks.may_lag
        };
        assert!(!may_lag(false, json!(4), json!(4)));
        assert!(!may_lag(false, json!(4), json!("4")));
        assert!(!may_lag(false, json!(4), Value::Null));
        assert!(!may_lag(false, json!(4), json!("5f7c9d")));
        assert!(may_lag(false, json!(4), json!(3)));
        assert!(may_lag(false, json!(4), json!("3")));
        assert!(may_lag(true, json!(4), json!(4)));
    }
}
