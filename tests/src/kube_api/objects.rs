//! Objects by collection: lists with pages and selectors, and single ones by name.
//!
//! A path is read as API servers read it ([`Target`]); what a path does not say is not asked for.
//! Selectors know equality only, which is all that anybody sends here.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::answer::Answer;

/// Collections that exist when they are empty, too: kind, and whether it is in namespaces.
const KNOWN: [(&str, &str, bool); 17] = [
    ("/api/v1/nodes", "Node", false),
    ("/api/v1/namespaces", "Namespace", false),
    ("/api/v1/pods", "Pod", true),
    ("/api/v1/podtemplates", "PodTemplate", true),
    ("/api/v1/replicationcontrollers", "ReplicationController", true),
    ("/api/v1/endpoints", "Endpoints", true),
    ("/apis/apps/v1/deployments", "Deployment", true),
    ("/apis/apps/v1/replicasets", "ReplicaSet", true),
    ("/apis/apps/v1/statefulsets", "StatefulSet", true),
    ("/apis/apps/v1/daemonsets", "DaemonSet", true),
    ("/apis/batch/v1/jobs", "Job", true),
    ("/apis/batch/v1/cronjobs", "CronJob", true),
    ("/apis/discovery.k8s.io/v1/endpointslices", "EndpointSlice", true),
    ("/apis/coordination.k8s.io/v1/leases", "Lease", true),
    (MUTATING_WEBHOOKS, "MutatingWebhookConfiguration", false),
    (VALIDATING_WEBHOOKS, "ValidatingWebhookConfiguration", false),
    (DEFINITIONS, "CustomResourceDefinition", false),
];
pub const MUTATING_WEBHOOKS: &str =
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
const VALIDATING_WEBHOOKS: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
pub const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// Collections of 1.36 and later.
const KNOWN_LATE: [&str; 2] = [
    "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies",
    "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings",
];
const LATE_FROM_MINOR: u32 = 36;

/// What the path of a resource names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// `/api/v1` or `/apis/GROUP/VERSION`.
    pub(super) root: String,
    pub(super) group: String,
    pub(super) namespace: Option<String>,
    pub(super) resource: String,
    pub(super) name: Option<String>,
    pub(super) subresource: Option<String>,
}

/// The objects of a cluster.
#[derive(Debug, Default)]
pub(super) struct Objects {
    by_collection: BTreeMap<String, Vec<Value>>,
    /// Continue tokens are refused so many times.
    pub(super) expired_pages: usize,
}

/// `?name=value&…`, decoded.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Target {
    /// None: not a path of resources.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let mut words: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (root, group) = match *words.first()? {
            "api" if words.len() > 2 => (format!("/api/{}", words[1]), String::new()),
            "apis" if words.len() > 3 => {
                (format!("/apis/{}/{}", words[1], words[2]), words[1].to_owned())
            }
            _ => return None,
        };
        words.drain(..if group.is_empty() { 2 } else { 3 });
        let mut namespace = None;
        if words[0] == "namespaces" && words.len() > 2 {
            namespace = Some(words[1].to_owned());
            words.drain(..2);
        }
        let word = |index: usize| words.get(index).map(|word| (*word).to_owned());
        let resource = word(0)?;
        Some(Self { root, group, namespace, resource, name: word(1), subresource: word(2) })
    }

    /// Of all namespaces.
    pub(super) fn collection(&self) -> String {
        format!("{}/{}", self.root, self.resource)
    }
}

impl Query {
    /// The path, and what stands behind its question mark.
    pub(super) fn split(target: &str) -> (String, Self) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let pairs = pairs.map(|(name, value)| (decoded(name), decoded(value))).collect();
        (decoded(path), Self(pairs))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _value)| known == name);
        found.map(|(_name, value)| value.as_str())
    }
}

impl Objects {
    /// `collection` is the path without a namespace; the namespace is the object's own.
    pub(super) fn add(&mut self, collection: &str, object: Value) {
        self.by_collection.entry(collection.to_owned()).or_default().push(object);
    }

    pub(super) fn replace(&mut self, collection: &str, objects: Vec<Value>) {
        self.by_collection.insert(collection.to_owned(), objects);
    }

    pub(super) fn get(&mut self, target: &Target, query: &Query, minor: u32) -> Answer {
        let collection = target.collection();
        let late = minor >= LATE_FROM_MINOR && KNOWN_LATE.contains(&collection.as_str());
        let objects = match self.by_collection.get(&collection) {
            Some(objects) => objects.clone(),
            None if late || is_known(&collection) => Vec::new(),
            None => return Answer::not_found(),
        };
        let matches = |object: &Value| {
            let namespace = object["metadata"]["namespace"].as_str();
            target.namespace.is_none() || target.namespace.as_deref() == namespace
        };
        let objects: Vec<Value> = objects.into_iter().filter(matches).collect();
        match (&target.name, &target.subresource) {
            (None, _) => self.list(&objects, query),
            (Some(name), None) => one(&objects, target, name),
            (Some(_), Some(_)) => Answer::not_found(),
        }
    }

    /// The kinds of a group and version, as discovery lists them.
    pub(super) fn kinds(&self, root: &str) -> Answer {
        let mut resources: BTreeMap<&str, Value> = BTreeMap::new();
        let resource = |name, kind: &Value, namespaced: bool| {
            let verbs = ["get", "list"];
            json!({ "name": name, "kind": kind, "namespaced": namespaced, "verbs": verbs })
        };
        for (collection, kind, namespaced) in KNOWN {
            if let Some((_, name)) = collection.rsplit_once('/').filter(|(of, _)| *of == root) {
                resources.insert(name, resource(name, &json!(kind), namespaced));
            }
        }
        for (collection, objects) in &self.by_collection {
            if let Some((_, name)) = collection.rsplit_once('/').filter(|(of, _)| *of == root)
                && let Some(object) = objects.first()
            {
                let namespaced = !object["metadata"]["namespace"].is_null();
                resources
                    .entry(name)
                    .or_insert_with(|| resource(name, &object["kind"], namespaced));
            }
        }
        if resources.is_empty() {
            return Answer::not_found();
        }
        let version = root.trim_start_matches("/apis/").trim_start_matches("/api/");
        let list = json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version,
            "resources": resources.into_values().collect::<Vec<_>>() });
        Answer::json(200, &list)
    }

    fn list(&mut self, objects: &[Value], query: &Query) -> Answer {
        let selected: Vec<&Value> =
            objects.iter().filter(|object| is_selected(object, query)).collect();
        let start: usize = match query.get("continue") {
            None => 0,
            Some(_token) if self.expired_pages > 0 => {
                self.expired_pages -= 1;
                let message = "The provided continue parameter is too old to display a \
                               consistent list result. You can start a new list without the \
                               continue parameter.";
                return Answer::failure(410, "Expired", message, json!({}));
            }
            Some(token) => match token.strip_prefix("from/").and_then(|from| from.parse().ok()) {
                Some(start) => start,
                None => return Answer::bad_request("continue key is not valid"),
            },
        };
        let limit = query.get("limit").and_then(|limit| limit.parse().ok());
        let limit = limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        let end = start.saturating_add(limit).min(selected.len());
        let mut metadata = json!({ "resourceVersion": "1000" });
        if end < selected.len() {
            metadata["continue"] = json!(format!("from/{end}"));
            metadata["remainingItemCount"] = json!(selected.len() - end);
        }
        let kind = selected.first().and_then(|object| object["kind"].as_str()).unwrap_or("");
        let items: Vec<Value> = selected[start.min(end)..end].iter().map(|o| bare(o)).collect();
        let list = json!({
            "kind": format!("{kind}List"), "apiVersion": "v1", "metadata": metadata, "items": items,
        });
        Answer::json(200, &list)
    }
}

fn is_known(collection: &str) -> bool {
    KNOWN.iter().any(|(known, _kind, _namespaced)| *known == collection)
}

/// Items of a list have no kind and no apiVersion.
fn bare(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    object
}

fn one(objects: &[Value], target: &Target, name: &str) -> Answer {
    match objects.iter().find(|object| object["metadata"]["name"] == name) {
        Some(object) => Answer::json(200, object),
        None => {
            let message = format!("{} \"{name}\" not found", target.resource);
            let details = json!({ "name": name, "kind": target.resource });
            Answer::failure(404, "NotFound", &message, details)
        }
    }
}

fn is_selected(object: &Value, query: &Query) -> bool {
    let equal = |selector: Option<&str>, value: &dyn Fn(&str) -> Value| {
        selector.unwrap_or("").split(',').filter(|term| !term.is_empty()).all(|term| {
            let (key, wanted) = term.split_once('=').unwrap_or((term, ""));
            value(key) == wanted.trim_start_matches('=')
        })
    };
    let label = |key: &str| object["metadata"]["labels"][key].clone();
    let field = |key: &str| object.pointer(&format!("/{}", key.replace('.', "/"))).cloned();
    equal(query.get("labelSelector"), &label)
        && equal(query.get("fieldSelector"), &|key| field(key).unwrap_or_default())
}

/// Percent signs only; a plus stays one, as in paths.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits: String = rest.by_ref().take(2).map(char::from).collect();
        bytes.push(u8::from_str_radix(&digits, 16).unwrap_or(b'?'));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read() {
        let target = Target::parse("/apis/apps/v1/namespaces/default/replicasets/web").unwrap();
        assert_eq!(target.collection(), "/apis/apps/v1/replicasets");
        assert_eq!(target.namespace.as_deref(), Some("default"));
        assert_eq!(target.name.as_deref(), Some("web"));
        let target = Target::parse("/api/v1/nodes/n1/proxy/metrics").unwrap();
        assert_eq!(target.subresource.as_deref(), Some("proxy"));
        let target = Target::parse("/api/v1/namespaces/default").unwrap();
        assert_eq!(target.collection(), "/api/v1/namespaces");
        assert_eq!(Target::parse("/version"), None);
    }

    #[test]
    fn pages_follow_each_other_and_expire_once() {
        let mut objects = Objects::default();
        for number in 0..5 {
            let node = json!({ "kind": "Node", "metadata": { "name": format!("n{number}") } });
            objects.add("/api/v1/nodes", node);
        }
        let target = Target::parse("/api/v1/nodes").unwrap();
        let mut ask = |query: &str, expired: usize| {
            objects.expired_pages = expired;
            let answer = objects.get(&target, &Query::split(query).1, 32);
            (answer.status, serde_json::from_slice::<Value>(&answer.body).unwrap())
        };
        let (_, first) = ask("?limit=3", 0);
        assert_eq!(first["items"].as_array().unwrap().len(), 3);
        assert_eq!(first["metadata"]["continue"], "from/3");
        assert_eq!(ask("?limit=3&continue=from%2F3", 1).0, 410);
        let (_, last) = ask("?limit=3&continue=from%2F3", 0);
        assert_eq!(last["items"][1]["metadata"]["name"], "n4");
        assert_eq!(last["metadata"]["continue"], Value::Null);
        assert_eq!(
            ask("?fieldSelector=metadata.name%3Dn2", 0).1["items"][0]["metadata"]["name"],
            "n2"
        );
    }
}
