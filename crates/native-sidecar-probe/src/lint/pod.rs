//! The pod that rules look at, and the list that they report into.
//!
//! In goes an object of a document, out comes a view with what most rules ask for: the containers,
//! which of them are sidecars, what they run, the version to judge by. Everything is borrowed; a
//! rule sees raw JSON, so that no field is hidden from it.

use manifest::{Container, Document, List, Object, Template, Version, containers, templates};
use serde_json::Value;

use super::finding::{Finding, Severity};
use super::ports::Ports;
use super::rules::Rule;
use super::universal::Role;

/// Containers of a pod that are compared with each other. No node runs so many in one pod.
const CONTAINERS_MAX: usize = 500;
/// Findings of one file that are kept. Nobody reads so many.
const FINDINGS_MAX: usize = 10_000;

/// A pod, or the template of one.
#[derive(Debug)]
pub(crate) struct Pod<'a> {
    document: &'a Document,
    /// From the document to the object.
    pub(crate) object: Object<'a>,
    pub(crate) template: Template<'a>,
    /// Of those of the object.
    pub(crate) is_first: bool,
    pub(crate) containers: Vec<Container<'a>>,
    /// Of each container, in the same order.
    pub(crate) ports: Vec<Ports>,
    /// Of the cluster that the manifest is for.
    pub(crate) version: &'a Version,
}

impl<'a> Pod<'a> {
    /// The pods in an object.
    pub(crate) fn all(
        document: &'a Document,
        object: Object<'a>,
        version: &'a Version,
    ) -> impl Iterator<Item = Self> {
        templates(object.value).into_iter().enumerate().map(move |(index, template)| {
            let mut containers = containers(template.spec);
            containers.truncate(CONTAINERS_MAX);
            let ports = containers.iter().map(Ports::of).collect();
            let (object, is_first) = (object.clone(), index == 0);
            Self { document, object, template, is_first, containers, ports, version }
        })
    }

    pub(crate) fn spec(&self) -> &'a Value {
        self.template.spec
    }

    /// From the document to the pod's specification, and on by `rest`.
    pub(crate) fn in_spec(&self, rest: &str) -> String {
        format!("{}{}/spec{rest}", self.object.pointer, self.template.pointer)
    }

    /// From the document to a container, and on by `rest`.
    pub(crate) fn in_container(&self, container: &Container<'_>, rest: &str) -> String {
        self.in_spec(&format!("{}{rest}", container.pointer_in_spec()))
    }

    pub(crate) fn line(&self, pointer: &str) -> usize {
        self.document.line(pointer)
    }

    /// `Deployment/web`
    pub(crate) fn title(&self) -> String {
        title(self.object.value)
    }

    pub(crate) fn is_job(&self) -> bool {
        matches!(self.template.kind, "Job" | "CronJob")
    }

    /// Of the pod; Always where nothing is written.
    pub(crate) fn restart_policy(&self) -> &'a str {
        self.spec()["restartPolicy"].as_str().unwrap_or("Always")
    }

    /// In the order of the list.
    pub(crate) fn sidecars(&self) -> impl Iterator<Item = &Container<'a>> {
        self.containers.iter().filter(|container| container.is_native_sidecar())
    }

    /// Init containers that are no sidecars.
    pub(crate) fn plain_inits(&self) -> impl Iterator<Item = &Container<'a>> {
        self.containers
            .iter()
            .filter(|container| container.list == List::Init && !container.is_native_sidecar())
    }

    pub(crate) fn mains(&self) -> impl Iterator<Item = &Container<'a>> {
        self.containers.iter().filter(|container| container.list == List::Regular)
    }
}

/// Kind and name of an object.
pub(crate) fn title(object: &Value) -> String {
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str().or_else(|| metadata["generateName"].as_str());
    let kind = object["kind"].as_str().unwrap_or_default();
    format!("{kind}/{}", name.unwrap_or_default()).trim_matches('/').to_owned()
}

/// What messages call a container.
pub(crate) fn called(container: &Container<'_>) -> String {
    let what = match container.list {
        List::Init if container.is_native_sidecar() => "sidecar",
        List::Init => "init container",
        List::Regular => "container",
        List::Ephemeral => "ephemeral container",
    };
    match container.name {
        "" => format!("{what} {}", container.index),
        name => format!("{what} {name:?}"),
    }
}

/// The command line that a manifest gives a container: `command`, then `args`.
pub(crate) fn words<'a>(container: &Container<'a>) -> Vec<&'a str> {
    let lists = ["command", "args"].map(|key| container.value[key].as_array());
    lists.into_iter().flatten().flatten().filter_map(Value::as_str).collect()
}

/// The literal value of an environment variable.
pub(crate) fn variable<'a>(container: &Container<'a>, name: &str) -> Option<&'a str> {
    let variables = container.value["env"].as_array()?;
    variables.iter().find(|variable| variable["name"] == name)?["value"].as_str()
}

/// The value of `--flag value` or `--flag=value`; one dash is as good as two.
pub(crate) fn flag<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    words.iter().enumerate().find_map(|(index, word)| {
        let rest = word.strip_prefix('-')?.trim_start_matches('-').strip_prefix(name)?;
        match rest.strip_prefix('=') {
            Some(value) => Some(value),
            None if rest.is_empty() => words.get(index + 1).copied(),
            None => None,
        }
    })
}

/// The last part of an image's name, without tag and digest.
pub(crate) fn image_name<'a>(container: &Container<'a>) -> &'a str {
    let image = container.value["image"].as_str().unwrap_or("");
    let image = image.split('@').next().unwrap_or(image);
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split(':').next().unwrap_or(name)
}

/// Whether a container is one of the copies of a universal sidecar.
pub(crate) fn is_universal(container: &Container<'_>) -> bool {
    Role::of(container).is_some()
}

/// Where rules report to, for one file.
#[derive(Debug)]
pub(crate) struct Findings {
    file: String,
    pub(crate) list: Vec<Finding>,
    /// How many there are beyond those of the list, and the worst of them.
    pub(crate) dropped: usize,
    pub(crate) worst_dropped: Option<Severity>,
}

impl Findings {
    pub(crate) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), list: Vec::new(), dropped: 0, worst_dropped: None }
    }

    /// Reports something about a part of a pod.
    pub(crate) fn add(
        &mut self,
        pod: &Pod<'_>,
        rule: &'static Rule,
        severity: Severity,
        pointer: String,
        message: String,
    ) {
        if self.is_room_for(severity) {
            let (line, object) = (pod.line(&pointer), pod.title());
            self.add_at(line, &object, rule, severity, pointer, message);
        }
    }

    /// Whether one more is kept. If not, it is counted.
    pub(crate) fn is_room_for(&mut self, severity: Severity) -> bool {
        let is_room = self.list.len() < FINDINGS_MAX;
        if !is_room {
            self.dropped += 1;
            self.worst_dropped = self.worst_dropped.max(Some(severity));
        }
        is_room
    }

    /// Reports something about a line, for which there is room.
    pub(crate) fn add_at(
        &mut self,
        line: usize,
        object: &str,
        rule: &'static Rule,
        severity: Severity,
        pointer: String,
        message: String,
    ) {
        let (file, object) = (self.file.clone(), object.to_owned());
        self.list.push(Finding { rule, severity, file, line, object, pointer, message });
    }
}
