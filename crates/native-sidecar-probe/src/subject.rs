//! The pod that a question is about: one of ours that every policy should let in, or the user's.
//!
//! In goes nothing, or a manifest of any kind that makes pods; out comes the metadata and the raw
//! spec that such a pod would be created with. What only a stored object has (uid, owners, …) is
//! left out, and it gets a generated name, so that a live pod of the same name is no conflict.
//! The spec is never altered: what the cluster does to it is the question.

use serde_json::{Map, Value, json};
use sidecar_runtime::Rejections;

use crate::comparison;
use crate::source;

/// Of the canary's images. Nothing is pulled in a dry run; a policy may want another registry.
pub(crate) const CANARY_IMAGE: &str = "registry.k8s.io/pause:3.10";
/// The native sidecar of the canary.
pub(crate) const CANARY_SIDECAR: &str = "native-sidecar-probe";
/// A generated name has five characters more, and 63 at most.
const NAME_CHARS_MAX: usize = 57;

/// Which pod a command asks about.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Args {
    /// A manifest: the pod of its workload is asked about, instead of a canary; - is stdin
    #[arg(long, short = 'f', value_name = "FILE")]
    file: Option<String>,
    /// The image that the canary names; nothing is pulled
    #[arg(long, value_name = "IMAGE", default_value = CANARY_IMAGE)]
    image: String,
    /// Labels for the pod besides its own, to meet selectors
    #[arg(long, value_name = "KEY=VALUE,...", default_value = "", hide_default_value = true)]
    labels: String,
    /// Annotations for the pod besides its own
    #[arg(long, value_name = "KEY=VALUE,...", default_value = "", hide_default_value = true)]
    annotations: String,
}

impl Args {
    /// Reads the file, if one is named. `None` after a rejection.
    pub(crate) fn read(&self, rejections: &mut Rejections) -> Option<Subject> {
        let labels = rejections.parse("labels", &self.labels, pairs);
        let annotations = rejections.parse("annotations", &self.annotations, pairs);
        let additions = Additions { labels: labels?, annotations: annotations? };
        let Some(file) = &self.file else {
            return Some(Subject::canary(&self.image, &additions));
        };
        let limit = manifest::Limits::default().bytes_max;
        let text = rejections.parse("file", file, |path| source::read(path, limit))?;
        rejections.parse("file", file, |_| Subject::read(&text, &additions))
    }
}

/// A pod that has not been created.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// What a person calls it: `canary`, `Deployment/web`.
    pub(crate) title: String,
    /// Of the manifest, if it names one.
    pub(crate) namespace: Option<String>,
    /// generateName, labels and annotations.
    pub(crate) metadata: Map<String, Value>,
    /// The pod spec as it was written.
    pub(crate) spec: Value,
    /// The names of its native sidecars: at least one.
    pub(crate) sidecars: Vec<String>,
}

/// Why a file holds no pod to ask about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubjectError {
    #[error("{0}")]
    Manifest(#[from] manifest::ManifestError),
    #[error("no object in it makes pods")]
    NoTemplate,
    #[error("{title} has no native sidecar: none of its init containers has restartPolicy: Always")]
    NoSidecar { title: String },
    #[error("several objects in it have native sidecars ({}); ask one at a time", .0.join(", "))]
    Several(Vec<String>),
}

/// Labels and annotations to add, as `key=value`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Additions {
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) annotations: Vec<(String, String)>,
}

impl Subject {
    /// A pod that keeps to the Pod Security Standard "restricted", with requests and limits. A
    /// plain init container stands before the sidecar, to see a field that lands one index away.
    pub(crate) fn canary(image: &str, additions: &Additions) -> Subject {
        let container = |name: &str| {
            json!({
                "name": name,
                "image": image,
                "resources": {
                    "requests": {"cpu": "10m", "memory": "16Mi", "ephemeral-storage": "1Mi"},
                    "limits": {"cpu": "10m", "memory": "16Mi", "ephemeral-storage": "1Mi"}
                },
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]},
                    "privileged": false,
                    "readOnlyRootFilesystem": true,
                    "runAsNonRoot": true,
                    "runAsUser": 65532
                }
            })
        };
        let mut sidecar = container(CANARY_SIDECAR);
        sidecar["restartPolicy"] = json!("Always");
        let spec = json!({
            "automountServiceAccountToken": false,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"}
            },
            "initContainers": [container("before"), sidecar],
            "containers": [container("main")]
        });
        let labels = json!({"app.kubernetes.io/name": "native-sidecar-probe-canary"});
        let source = json!({"labels": labels});
        Subject {
            title: "canary".to_owned(),
            namespace: None,
            metadata: metadata(&source, CANARY_SIDECAR, additions),
            spec,
            sidecars: vec![CANARY_SIDECAR.to_owned()],
        }
    }

    /// The one pod of a manifest that has native sidecars.
    pub(crate) fn read(text: &str, additions: &Additions) -> Result<Subject, SubjectError> {
        let documents = manifest::read(text, &manifest::Limits::default())?;
        let objects = documents.iter().flat_map(|document| document.objects());
        let mut plain = None;
        let mut found = Vec::new();
        let templates = objects.flat_map(|object| {
            manifest::templates(object.value).into_iter().map(move |it| (object.value, it))
        });
        for (object, template) in templates {
            let title = format!("{}/{}", template.kind, template.name);
            let sidecars = comparison::sidecars(template.spec);
            if sidecars.is_empty() {
                plain.get_or_insert(title);
                continue;
            }
            let metadata = metadata(&template.pod["metadata"], template.name, additions);
            let namespace = object["metadata"]["namespace"].as_str().map(str::to_owned);
            let spec = template.spec.clone();
            found.push(Subject { title, namespace, metadata, spec, sidecars });
        }
        match (found.len(), found.pop(), plain) {
            (1, Some(subject), _) => Ok(subject),
            (_, None, Some(title)) => Err(SubjectError::NoSidecar { title }),
            (_, None, None) => Err(SubjectError::NoTemplate),
            (_, Some(last), _) => {
                let mut titles: Vec<_> = found.into_iter().map(|subject| subject.title).collect();
                titles.push(last.title);
                Err(SubjectError::Several(titles))
            }
        }
    }

    /// The pod as a client would send it.
    pub(crate) fn pod(&self) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": self.metadata, "spec": self.spec})
    }

    /// The same pod as a PodTemplate: it meets the API server's own rules for fields, and as a rule
    /// none of the webhooks that watch pods.
    pub(crate) fn pod_template(&self) -> Value {
        let mut inner = self.metadata.clone();
        let name = inner.shift_remove("generateName").unwrap_or(Value::Null);
        json!({
            "apiVersion": "v1",
            "kind": "PodTemplate",
            "metadata": {"generateName": name},
            "template": {"metadata": inner, "spec": self.spec}
        })
    }

    /// Without what is allowed on native sidecars only, so that the answer shows who lost the
    /// field, where the whole pod would be refused for its probes.
    pub(crate) fn without_probes(&self) -> Subject {
        let mut bare = self.clone();
        for_each_sidecar(&mut bare.spec, |sidecar| {
            for key in ["startupProbe", "readinessProbe", "livenessProbe", "lifecycle"] {
                sidecar.shift_remove(key);
            }
        });
        bare
    }

    /// Without its native sidecars: the control of a pod that a policy rejects.
    pub(crate) fn without_sidecars(&self) -> Subject {
        let mut control = self.clone();
        if let Some(Value::Array(list)) = control.spec.get_mut("initContainers") {
            list.retain(|container| container["restartPolicy"] != "Always");
        }
        control
    }

    /// Whether a container has probes or hooks without being a native sidecar, which is refused by
    /// every API server.
    pub(crate) fn has_misplaced_probes(&self) -> bool {
        let list = self.spec["initContainers"].as_array().map_or(&[][..], Vec::as_slice);
        list.iter().any(|container| {
            let probes = ["startupProbe", "readinessProbe", "livenessProbe", "lifecycle"];
            let has_one = probes.iter().any(|key| !container[*key].is_null());
            has_one && container["restartPolicy"] != "Always"
        })
    }
}

fn for_each_sidecar(spec: &mut Value, change: impl Fn(&mut Map<String, Value>)) {
    let Some(Value::Array(list)) = spec.get_mut("initContainers") else { return };
    for container in list {
        if let Value::Object(container) = container
            && container.get("restartPolicy").is_some_and(|value| value == "Always")
        {
            change(container);
        }
    }
}

/// What of a template's metadata a new pod gets.
fn metadata(source: &Value, name: &str, additions: &Additions) -> Map<String, Value> {
    let stem: String = name.chars().take(NAME_CHARS_MAX).collect();
    let stem = match stem.trim_end_matches('-') {
        "" => CANARY_SIDECAR,
        stem => stem,
    };
    let mut metadata = Map::new();
    metadata.insert("generateName".to_owned(), json!(format!("{stem}-")));
    for (key, added) in [("labels", &additions.labels), ("annotations", &additions.annotations)] {
        let mut pairs = source[key].as_object().cloned().unwrap_or_default();
        pairs.extend(added.iter().map(|(name, value)| (name.clone(), json!(value))));
        if !pairs.is_empty() {
            metadata.insert(key.to_owned(), Value::Object(pairs));
        }
    }
    metadata
}

/// Reads `key=value,key=value` as typed.
pub(crate) fn pairs(text: &str) -> Result<Vec<(String, String)>, &'static str> {
    let items = text.split(',').filter(|item| !item.is_empty());
    let pairs = items.map(|item| match item.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE, or several with commas between"),
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Subject, String> {
        Subject::read(text, &Additions::default()).map_err(|error| error.to_string())
    }

    const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, uid: 1234, ownerReferences: [{name: x}]}
spec:
  template:
    metadata: {labels: {app: web}, creationTimestamp: null}
    spec:
      unknownField: {kept: 1.50}
      initContainers:
      - {name: plain}
      - {name: mesh, restartPolicy: Always, startupProbe: {periodSeconds: 1}, image: a}
      containers: [{name: main, image: b}]
";

    #[test]
    fn a_workload_becomes_the_pod_it_makes() {
        let additions =
            Additions { labels: pairs("tier=a,b=").unwrap(), annotations: pairs("x/y=z").unwrap() };
        let subject = Subject::read(DEPLOYMENT, &additions).unwrap();
        assert_eq!(subject.title, "Deployment/web");
        assert_eq!(subject.namespace.as_deref(), Some("shop"));
        assert_eq!(subject.sidecars, ["mesh"]);
        let pod = subject.pod();
        let metadata = json!({
            "generateName": "web-",
            "labels": {"app": "web", "tier": "a", "b": ""},
            "annotations": {"x/y": "z"}
        });
        assert_eq!(pod["metadata"], metadata);
        assert_eq!(pod["spec"]["unknownField"].to_string(), r#"{"kept":1.50}"#);
        let template = subject.pod_template();
        assert_eq!(template["metadata"], json!({"generateName": "web-"}));
        assert_eq!(template["template"]["spec"], pod["spec"]);
        assert_eq!(template["template"]["metadata"]["labels"], metadata["labels"]);
        assert!(!subject.has_misplaced_probes());
        let bare = subject.without_probes();
        let sidecar = json!({"name": "mesh", "restartPolicy": "Always", "image": "a"});
        assert_eq!(bare.spec["initContainers"][1], sidecar);
        assert_eq!(subject.without_sidecars().spec["initContainers"], json!([{"name": "plain"}]));
    }

    #[test]
    fn files_without_one_pod_to_ask_about() {
        let plain = DEPLOYMENT.replace("restartPolicy: Always, ", "");
        let error = read(&plain).unwrap_err();
        let expected = "Deployment/web has no native sidecar: \
                        none of its init containers has restartPolicy: Always";
        assert_eq!(error, expected);
        let error = read("kind: Service\nspec: {}\n").unwrap_err();
        assert_eq!(error, "no object in it makes pods");
        assert!(read("a: [").is_err());
        let error = read(&format!("{DEPLOYMENT}---{DEPLOYMENT}")).unwrap_err();
        let expected = "several objects in it have native sidecars \
                        (Deployment/web, Deployment/web); ask one at a time";
        assert_eq!(error, expected);
        // A service beside it, and a workload without sidecars, are no obstacle.
        assert!(read(&format!("{plain}---\nkind: Service\n---{DEPLOYMENT}")).is_ok());
    }

    #[test]
    fn probes_on_a_plain_init_container_are_misplaced() {
        let text = DEPLOYMENT.replace("{name: plain}", "{name: plain, lifecycle: {preStop: {}}}");
        assert!(read(&text).unwrap().has_misplaced_probes());
    }

    #[test]
    fn the_canary_has_one_sidecar_and_a_plain_neighbour() {
        let canary = Subject::canary("r.example/pause:1", &Additions::default());
        assert_eq!(comparison::sidecars(&canary.spec), [CANARY_SIDECAR]);
        assert_eq!(canary.spec["initContainers"].as_array().unwrap().len(), 2);
        for list in ["initContainers", "containers"] {
            for container in canary.spec[list].as_array().unwrap() {
                assert_eq!(container["image"], "r.example/pause:1");
                assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
                assert_eq!(container["securityContext"]["capabilities"]["drop"], json!(["ALL"]));
                assert!(container["resources"]["limits"]["memory"].is_string());
            }
        }
        assert_eq!(canary.spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        assert_eq!(canary.metadata["generateName"], "native-sidecar-probe-");
    }

    #[test]
    fn pairs_as_typed() {
        assert_eq!(pairs(""), Ok(vec![]));
        assert_eq!(pairs("a=b=c"), Ok(vec![("a".to_owned(), "b=c".to_owned())]));
        assert!(pairs("a").is_err());
        assert!(pairs("=a").is_err());
    }
}
