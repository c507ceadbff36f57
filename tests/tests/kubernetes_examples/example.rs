//! The files of k8s-examples, read as kubectl reads them.

use std::fs;
use std::path::{Path, PathBuf};

use manifest::{Container, Limits, List, Template, containers, read, templates};
use serde_json::Value;

const IMAGES: [&str; 4] = ["log-shipper", "nginx-adapter", "redis-ambassador", PROBE];
pub(crate) const PROBE: &str = "native-sidecar-probe";

/// One file.
#[derive(Debug)]
pub(crate) struct Example {
    /// From the folder of the examples: `web-server/native.yaml`.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) documents: Vec<Value>,
}

/// A pod in a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pod<'a> {
    pub(crate) path: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) name: &'a str,
    pub(crate) metadata: &'a Value,
    pub(crate) spec: &'a Value,
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The folder of the examples.
pub(crate) fn folder() -> PathBuf {
    root().join("k8s-examples")
}

/// The patterns, by the names of their folders.
pub(crate) fn patterns() -> Vec<String> {
    let entries = fs::read_dir(folder()).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> =
        folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Every file with manifests.
pub(crate) fn all() -> Vec<Example> {
    let mut examples = Vec::new();
    for pattern in patterns() {
        for entry in fs::read_dir(folder().join(&pattern)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".yaml") {
                examples.push(Example::read(&format!("{pattern}/{name}")));
            }
        }
    }
    examples.sort_by(|left, right| left.path.cmp(&right.path));
    assert!(!examples.is_empty());
    examples
}

impl Example {
    pub(crate) fn read(path: &str) -> Self {
        let text = fs::read_to_string(folder().join(path)).unwrap();
        let documents = read(&text, &Limits::default()).unwrap();
        let documents = documents.into_iter().map(|document| document.value).collect();
        Self { path: path.to_owned(), text, documents }
    }

    pub(crate) fn pods(&self) -> Vec<Pod<'_>> {
        let templates = self.documents.iter().flat_map(templates);
        let pods = templates.map(|Template { pod, spec, kind, name, .. }| {
            let metadata = &pod["metadata"];
            Pod { path: &self.path, kind, name, metadata, spec }
        });
        pods.collect()
    }

    /// The only pod in the file.
    pub(crate) fn pod(&self) -> Pod<'_> {
        let pods = self.pods();
        assert_eq!(pods.len(), 1, "{}", self.path);
        pods[0]
    }

    /// `data` of the ConfigMap of this name, if it is in the file.
    pub(crate) fn config_map(&self, name: &str) -> Option<&serde_json::Map<String, Value>> {
        let is_it = |document: &&Value| {
            document["kind"] == "ConfigMap" && document["metadata"]["name"] == name
        };
        self.documents.iter().find(is_it)?["data"].as_object()
    }
}

impl<'a> Pod<'a> {
    /// File and object, for messages.
    pub(crate) fn title(&self) -> String {
        format!("{}: {}/{}", self.path, self.kind, self.name)
    }

    pub(crate) fn containers(&self) -> Vec<Container<'a>> {
        containers(self.spec)
    }

    /// Our images that run as long as the pod does, in either form.
    pub(crate) fn sidecars(&self) -> Vec<Container<'a>> {
        let lives = |container: &Container<'_>| {
            container.list == List::Regular || container.is_native_sidecar()
        };
        self.containers().into_iter().filter(|it| our_image(it).is_some() && lives(it)).collect()
    }
}

/// The name of the image, if it is one of ours.
pub(crate) fn our_image<'a>(container: &Container<'a>) -> Option<&'a str> {
    let image = container.value["image"].as_str()?;
    let name = image.strip_prefix("outrider/")?.split(':').next()?;
    assert!(IMAGES.contains(&name), "no image of ours: {image}");
    Some(name)
}

/// `command`, then `args`.
pub(crate) fn words<'a>(container: &Container<'a>) -> Vec<&'a str> {
    let lists = ["command", "args"].map(|key| container.value[key].as_array());
    lists.into_iter().flatten().flatten().filter_map(Value::as_str).collect()
}

/// A copy of a universal sidecar: idle or working, which no probe of the image itself can tell.
pub(crate) fn is_universal(container: &Container<'_>) -> bool {
    words(container).contains(&"universal")
}
