//! A pod in the words of each kind of receiver.
//!
//! In: a [`Pod`]. Out: fields under the names that people there search by: the `kubernetes` object
//! of Fluent Bit's filter in plain JSON, Loki's few labels and the rest as structured metadata, the
//! Elastic Common Schema with the fields of Beats, OpenTelemetry's semantic conventions. What is
//! not known is left out everywhere.
//!
//! Loki keeps a stream for each combination of labels, so only what stays the same for the life of
//! a pod and is asked for often is one; labels of the pod but its app, and annotations, never are.

use serde_json::{Map, Value};

use super::Pod;
use super::downward::Pairs;

/// Labels of a pod that name its app, the better one first.
const APP_LABELS: [&str; 2] = ["app.kubernetes.io/name", "app"];

impl Pod {
    /// The field `kubernetes` of a JSON record.
    pub(crate) fn json(&self) -> Map<String, Value> {
        let mut inner = fields([
            ("pod_name", &self.name),
            ("namespace_name", &self.namespace),
            ("pod_id", &self.uid),
            ("host", &self.node),
            ("service_account", &self.service_account),
            ("container_name", &self.container),
            ("docker_id", &self.container_id),
        ]);
        insert_object("labels", object(&self.labels, str::to_owned), &mut inner);
        insert_object("annotations", object(&self.annotations, str::to_owned), &mut inner);
        let mut outer = Map::new();
        insert_object("kubernetes", inner, &mut outer);
        outer
    }

    /// Fields of a document by the Elastic Common Schema. Dots in keys would make objects of them,
    /// so they become underscores, as in Beats.
    pub(crate) fn ecs(&self) -> Map<String, Value> {
        let without_dots = |key: &str| key.replace('.', "_");
        let mut kubernetes = fields([("namespace", &self.namespace)]);
        for (key, inner) in [
            ("pod", fields([("name", &self.name), ("uid", &self.uid)])),
            ("node", fields([("name", &self.node)])),
            ("serviceaccount", fields([("name", &self.service_account)])),
            ("container", fields([("name", &self.container)])),
            ("labels", object(&self.labels, without_dots)),
            ("annotations", object(&self.annotations, without_dots)),
        ] {
            insert_object(key, inner, &mut kubernetes);
        }
        let mut document = Map::new();
        if !kubernetes.is_empty() {
            let mut orchestrator = fields([("namespace", &self.namespace)]);
            orchestrator.insert("type".to_owned(), Value::from("kubernetes"));
            insert_object("orchestrator", orchestrator, &mut document);
        }
        insert_object("kubernetes", kubernetes, &mut document);
        insert_object("container", fields([("id", &self.container_id)]), &mut document);
        document
    }

    /// Labels of Loki's stream.
    pub(crate) fn loki_labels(&self) -> Pairs {
        let label = |key: &&str| self.labels.iter().find(|(known, _value)| known == key);
        let app = APP_LABELS.iter().find_map(label).map(|(_key, value)| value.clone());
        let known = [
            ("namespace", &self.namespace),
            ("pod", &self.name),
            ("container", &self.container),
            ("node", &self.node),
            ("app", &app),
        ];
        pairs(known)
    }

    /// What is structured metadata of Loki: everything else, under the names that Loki gives to the
    /// attributes of OpenTelemetry.
    pub(crate) fn loki_metadata(&self) -> Pairs {
        let are_labels =
            ["k8s.namespace.name", "k8s.pod.name", "k8s.container.name", "k8s.node.name"];
        let others = self.otel().into_iter().filter(|(key, _)| !are_labels.contains(&key.as_str()));
        let name = |key: String| key.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        others.map(|(key, value)| (name(key), value)).collect()
    }

    /// Attributes of OpenTelemetry's resource.
    pub(crate) fn otel(&self) -> Pairs {
        let mut attributes = pairs([
            ("k8s.namespace.name", &self.namespace),
            ("k8s.pod.name", &self.name),
            ("k8s.pod.uid", &self.uid),
            ("k8s.node.name", &self.node),
            ("k8s.service_account.name", &self.service_account),
            ("k8s.container.name", &self.container),
            ("container.id", &self.container_id),
        ]);
        for (prefix, pairs) in
            [("k8s.pod.label.", &self.labels), ("k8s.pod.annotation.", &self.annotations)]
        {
            let named = pairs.iter().map(|(key, value)| (format!("{prefix}{key}"), value.clone()));
            attributes.extend(named);
        }
        attributes
    }
}

fn pairs<const N: usize>(known: [(&str, &Option<String>); N]) -> Pairs {
    let known = known.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
    known.map(|(key, value)| (key.to_owned(), value.clone())).collect()
}

fn fields<const N: usize>(known: [(&str, &Option<String>); N]) -> Map<String, Value> {
    object(&pairs(known), str::to_owned)
}

fn object(pairs: &Pairs, name: impl Fn(&str) -> String) -> Map<String, Value> {
    pairs.iter().map(|(key, value)| (name(key), Value::from(value.as_str()))).collect()
}

/// Nothing is said of what is empty.
fn insert_object(key: &str, inner: Map<String, Value>, outer: &mut Map<String, Value>) {
    if !inner.is_empty() {
        outer.insert(key.to_owned(), Value::Object(inner));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod() -> Pod {
        let text = |text: &str| Some(text.to_owned());
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        Pod {
            name: text("web-0"),
            namespace: text("shop"),
            uid: text("u-1"),
            node: text("node-a"),
            service_account: text("web"),
            container: text("nginx"),
            container_id: text("c0ffee"),
            labels: vec![pair("app", "old"), pair("app.kubernetes.io/name", "web")],
            annotations: vec![pair("team", "shop \"a\"")],
        }
    }

    #[test]
    fn each_receiver_hears_its_own_words() {
        let labels = json!({"app": "old", "app.kubernetes.io/name": "web"});
        let annotations = json!({"team": "shop \"a\""});
        let expected = json!({"kubernetes": {
            "pod_name": "web-0", "namespace_name": "shop", "pod_id": "u-1", "host": "node-a",
            "service_account": "web", "container_name": "nginx", "docker_id": "c0ffee",
            "labels": labels, "annotations": annotations,
        }});
        assert_eq!(Value::Object(pod().json()), expected);
        let labels = json!({"app": "old", "app_kubernetes_io/name": "web"});
        let expected = json!({
            "kubernetes": {
                "pod": {"name": "web-0", "uid": "u-1"}, "namespace": "shop",
                "node": {"name": "node-a"}, "container": {"name": "nginx"},
                "serviceaccount": {"name": "web"},
                "labels": labels, "annotations": annotations,
            },
            "container": {"id": "c0ffee"},
            "orchestrator": {"type": "kubernetes", "namespace": "shop"},
        });
        assert_eq!(Value::Object(pod().ecs()), expected);
        let expected = json!({
            "k8s.pod.name": "web-0", "k8s.namespace.name": "shop", "k8s.pod.uid": "u-1",
            "k8s.node.name": "node-a", "k8s.service_account.name": "web",
            "k8s.container.name": "nginx", "container.id": "c0ffee", "k8s.pod.label.app": "old",
            "k8s.pod.label.app.kubernetes.io/name": "web", "k8s.pod.annotation.team": "shop \"a\"",
        });
        assert_eq!(Value::Object(object(&pod().otel(), str::to_owned)), expected);
    }

    #[test]
    fn loki_has_few_labels_and_the_rest_beside_the_line() {
        let labels = json!({
            "namespace": "shop", "pod": "web-0", "container": "nginx", "node": "node-a",
            "app": "web",
        });
        assert_eq!(Value::Object(object(&pod().loki_labels(), str::to_owned)), labels);
        let metadata = json!({
            "k8s_pod_uid": "u-1", "k8s_service_account_name": "web", "container_id": "c0ffee",
            "k8s_pod_label_app": "old", "k8s_pod_label_app_kubernetes_io_name": "web",
            "k8s_pod_annotation_team": "shop \"a\"",
        });
        assert_eq!(Value::Object(object(&pod().loki_metadata(), str::to_owned)), metadata);
    }

    #[test]
    fn nothing_is_said_of_what_is_not_known() {
        let nobody = Pod::default();
        assert!(nobody.json().is_empty() && nobody.ecs().is_empty() && nobody.otel().is_empty());
        assert!(nobody.loki_labels().is_empty() && nobody.loki_metadata().is_empty());
    }
}
