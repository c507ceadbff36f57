//! The pods in objects: where each kind keeps its template, and the containers in it.
//!
//! In goes one object, out come views that borrow from it. The kinds of Kubernetes itself are
//! known by name; every other kind is searched for something that looks like a pod template, so
//! that custom resources which embed one work without a list of them.

use serde_json::Value;

use crate::document::pointer_to;

/// A pod, or the template that pods are made from.
#[derive(Debug, Clone)]
pub struct Template<'a> {
    /// From the object to the holder of `metadata` and `spec`. Empty for a Pod.
    pub pointer: String,
    /// The holder of `metadata` and `spec`.
    pub pod: &'a Value,
    /// The pod's specification.
    pub spec: &'a Value,
    /// Of the object; empty if it has none.
    pub kind: &'a str,
    /// Of the object; the `generateName` if that is all it has, else empty.
    pub name: &'a str,
}

/// In which list a container stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// `initContainers`, native sidecars included.
    Init,
    /// `containers`
    Regular,
    /// `ephemeralContainers`
    Ephemeral,
}

impl List {
    /// The field's name.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            List::Init => "initContainers",
            List::Regular => "containers",
            List::Ephemeral => "ephemeralContainers",
        }
    }
}

/// A container of a pod.
#[derive(Debug, Clone, Copy)]
pub struct Container<'a> {
    /// Where it stands.
    pub list: List,
    /// Its place in the list, from 0.
    pub index: usize,
    /// Empty if it has none.
    pub name: &'a str,
    /// All of it.
    pub value: &'a Value,
}

impl<'a> Container<'a> {
    /// Its own `restartPolicy`.
    #[must_use]
    pub fn restart_policy(&self) -> Option<&'a str> {
        self.value["restartPolicy"].as_str()
    }

    /// An init container with `restartPolicy: Always`.
    #[must_use]
    pub fn is_native_sidecar(&self) -> bool {
        self.list == List::Init && self.restart_policy() == Some("Always")
    }

    /// From the pod's specification to the container.
    #[must_use]
    pub fn pointer_in_spec(&self) -> String {
        format!("/{}/{}", self.list.field(), self.index)
    }
}

/// How deep the search for a template in a custom resource goes.
const SEARCH_DEPTH_MAX: usize = 12;

/// The pod that an object is or makes, where it is one. An object of a kind that is not Kubernetes'
/// own and has several gives `None`, because none of them stands for the others; see
/// [`templates`].
#[must_use]
pub fn template(object: &Value) -> Option<Template<'_>> {
    let mut templates = templates(object);
    let first = templates.pop()?;
    templates.is_empty().then_some(first)
}

/// The pods that an object is or makes, in the order of the file. Kubernetes' own kinds have one at
/// most. For other kinds it is everything outside the status with `spec.containers` that are
/// objects with a name or an image.
#[must_use]
pub fn templates(object: &Value) -> Vec<Template<'_>> {
    let kind = object["kind"].as_str().unwrap_or("");
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str().or_else(|| metadata["generateName"].as_str());
    let name = name.unwrap_or("");
    let known = match kind {
        "Pod" => Some(""),
        "PodTemplate" => Some("/template"),
        "Deployment"
        | "ReplicaSet"
        | "ReplicationController"
        | "StatefulSet"
        | "DaemonSet"
        | "Job" => Some("/spec/template"),
        "CronJob" => Some("/spec/jobTemplate/spec/template"),
        _ => None,
    };
    let known = known.and_then(|pointer| Some((pointer.to_owned(), object.pointer(pointer)?)));
    let found = match known.filter(|(_, pod)| pod["spec"].is_object()) {
        Some(known) => vec![known],
        None => {
            let mut found = Vec::new();
            search(object, &mut String::new(), SEARCH_DEPTH_MAX, &mut found);
            found
        }
    };
    let template = |(pointer, pod)| Template { pointer, pod, spec: &pod["spec"], kind, name };
    found.into_iter().map(template).collect()
}

/// Finds the holders of pods' specifications; `pointer` is where the search is.
fn search<'a>(
    value: &'a Value,
    pointer: &mut String,
    depth: usize,
    found: &mut Vec<(String, &'a Value)>,
) {
    if looks_like_pod(value) {
        return found.push((pointer.clone(), value));
    }
    let Some(depth) = depth.checked_sub(1) else { return };
    let length = pointer.len();
    let mut inner = |step: &str, value: &'a Value| {
        pointer.push_str(&pointer_to("", step));
        search(value, pointer, depth, found);
        pointer.truncate(length);
    };
    match value {
        // The status repeats what the specification says.
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| length > 0 || *key != "status")
            .for_each(|(key, value)| inner(key, value)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| inner(&index.to_string(), value));
        }
        _ => {}
    }
}

fn looks_like_pod(value: &Value) -> bool {
    let containers = value["spec"]["containers"].as_array();
    containers.and_then(|list| list.first()).is_some_and(|first| {
        first.is_object() && (first["image"].is_string() || first["name"].is_string())
    })
}

/// All containers of a pod's specification: init, regular, ephemeral, each in its order.
#[must_use]
pub fn containers(spec: &Value) -> Vec<Container<'_>> {
    let mut containers = Vec::new();
    for list in [List::Init, List::Regular, List::Ephemeral] {
        let values = spec[list.field()].as_array().into_iter().flatten();
        containers.extend(values.enumerate().map(|(index, value)| Container {
            list,
            index,
            name: value["name"].as_str().unwrap_or(""),
            value,
        }));
    }
    containers
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod() -> Value {
        json!({"spec": {"containers": [{"name": "app"}]}})
    }

    #[test]
    fn every_kind_keeps_its_template_somewhere() {
        for (object, pointer) in [
            (json!({"kind": "Pod", "spec": pod()["spec"]}), ""),
            (json!({"kind": "PodTemplate", "template": pod()}), "/template"),
            (json!({"kind": "Deployment", "spec": {"template": pod()}}), "/spec/template"),
            (json!({"kind": "Job", "spec": {"template": pod()}}), "/spec/template"),
            (
                json!({"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": pod()}}}}),
                "/spec/jobTemplate/spec/template",
            ),
            (json!({"kind": "Rollout", "spec": {"template": pod()}}), "/spec/template"),
            (json!({"spec": {"a/b": [1, {"x": pod()}]}}), "/spec/a~1b/1/x"),
        ] {
            let found = template(&object).unwrap();
            assert_eq!(found.pointer, pointer);
            assert_eq!(containers(found.spec)[0].name, "app");
        }
        assert!(template(&json!({"kind": "ConfigMap", "data": {}})).is_none());
        assert!(template(&json!({"kind": "Pod"})).is_none());
        assert!(template(&json!("text")).is_none());
    }

    #[test]
    fn custom_resources_may_have_several_templates() {
        let group = |name: &str| json!({"spec": {"containers": [{"name": name}]}});
        let mut object = json!({
            "kind": "RayCluster",
            "metadata": {"name": "ray"},
            "spec": {"head": {"template": group("a")}, "groups": [{"template": group("b")}]},
            "status": {"template": pod()},
        });
        let all = templates(&object);
        let pointers: Vec<_> = all.iter().map(|template| template.pointer.as_str()).collect();
        assert_eq!(pointers, ["/spec/head/template", "/spec/groups/0/template"]);
        let named = |template: &Template<'_>| containers(template.spec)[0].name.to_owned();
        assert_eq!(all.iter().map(named).collect::<Vec<_>>(), ["a", "b"]);
        assert!(template(&object).is_none());
        object["spec"]["groups"] = json!([]);
        assert_eq!(named(&template(&object).unwrap()), "a");
    }

    #[test]
    fn sidecars_are_init_containers_that_are_always_restarted() {
        let spec = json!({
            "containers": [{"name": "app", "restartPolicy": "Always"}],
            "initContainers": [
                {"name": "sidecar", "restartPolicy": "Always"},
                {"name": "once", "restartPolicy": "Never"},
            ],
        });
        let all = containers(&spec);
        let sidecars = all.iter().filter(|container| container.is_native_sidecar());
        let names: Vec<_> = sidecars.map(|container| container.name).collect();
        assert_eq!(names, ["sidecar"]);
        assert_eq!(all[2].pointer_in_spec(), "/containers/0");
        assert_eq!(all[1].restart_policy(), Some("Never"));
    }
}
