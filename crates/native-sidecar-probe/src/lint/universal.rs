//! Universal sidecars: three containers that are one.
//!
//! In goes a pod, out come findings for roles that are missing, misplaced or do not share their
//! directory. The roles are found by the command line that they run; options count as flags and
//! as variables, as the roles themselves read them.

use std::collections::BTreeSet;

use manifest::{Container, List};
use serde_json::Value;

use super::finding::Severity;
use super::pod::{Findings, Pod, called, flag, image_name, variable, words};
use super::rules;

const PROGRAM: &str = "native-sidecar-probe";

/// What a container does for a universal sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Native,
    Arbiter,
    Regular,
}

impl Role {
    /// By the command line.
    pub(crate) fn of(container: &Container<'_>) -> Option<Role> {
        match options(container)?.first() {
            Some(&"native") => Some(Role::Native),
            Some(&"arbiter") => Some(Role::Arbiter),
            Some(&"regular") => Some(Role::Regular),
            _ => None,
        }
    }
}

/// What follows this program's name on the command line, or all of it in our own image.
pub(crate) fn arguments<'a>(container: &Container<'a>) -> Option<Vec<&'a str>> {
    let words = words(container);
    let program = words.iter().position(|word| {
        *word == PROGRAM || word.strip_suffix(PROGRAM).is_some_and(|path| path.ends_with('/'))
    });
    match program {
        Some(program) => words.get(program + 1..).map(<[&str]>::to_vec),
        None => (image_name(container) == PROGRAM).then_some(words),
    }
}

/// What follows `universal`, up to the sidecar's own command.
fn options<'a>(container: &Container<'a>) -> Option<Vec<&'a str>> {
    let arguments = arguments(container)?;
    let position = arguments.iter().position(|word| *word == "universal")?;
    let options = arguments.get(position + 1..)?.iter().take_while(|word| **word != "--");
    Some(options.copied().collect())
}

/// One role of one universal sidecar.
struct Copy<'p, 'a> {
    role: Role,
    container: &'p Container<'a>,
    dir: Option<&'a str>,
    name: Option<&'a str>,
}

impl<'p, 'a> Copy<'p, 'a> {
    fn of(container: &'p Container<'a>) -> Option<Self> {
        let (role, options) = (Role::of(container)?, options(container)?);
        let dir = option(container, &options, "dir");
        Some(Self { role, container, dir, name: option(container, &options, "name") })
    }

    fn is_of(&self, other: &Copy<'_, '_>) -> bool {
        self.name == other.name && self.dir == other.dir
    }
}

/// A flag's value, else that of its variable.
fn option<'a>(container: &Container<'a>, options: &[&'a str], name: &str) -> Option<&'a str> {
    let variable_name = format!("NATIVE_SIDECAR_PROBE_{}", name.replace('-', "_").to_uppercase());
    flag(options, name).or_else(|| variable(container, &variable_name))
}

pub(crate) fn check(pod: &Pod<'_>, findings: &mut Findings) {
    let copies: Vec<Copy<'_, '_>> = pod.containers.iter().filter_map(Copy::of).collect();
    for copy in &copies {
        roles(pod, copy, &copies, findings);
        volume(pod, copy, &copies, findings);
        probes(pod, copy, findings);
        if copy.role == Role::Regular {
            policy(pod, copy.container, findings);
        }
    }
}

fn roles(pod: &Pod<'_>, copy: &Copy<'_, '_>, copies: &[Copy<'_, '_>], findings: &mut Findings) {
    let container = copy.container;
    let of_role = |role: Role| copies.iter().find(|other| other.role == role && other.is_of(copy));
    let wrong = match copy.role {
        Role::Native if !container.is_native_sidecar() => {
            Some("is no init container with restartPolicy: Always".to_owned())
        }
        Role::Native => match (of_role(Role::Arbiter), of_role(Role::Regular)) {
            (None, _) => Some("has no arbiter with the same --dir and --name".to_owned()),
            (_, None) => Some("has no regular role with the same --dir and --name".to_owned()),
            (Some(arbiter), _) if arbiter.container.index != container.index + 1 => Some(format!(
                "is not followed directly by its arbiter, {}",
                called(arbiter.container)
            )),
            _ => None,
        },
        Role::Arbiter if container.list != List::Init || container.is_native_sidecar() => {
            Some("is no plain init container".to_owned())
        }
        Role::Regular if container.list != List::Regular => {
            Some("is not in the list containers".to_owned())
        }
        Role::Arbiter | Role::Regular => match of_role(Role::Native) {
            None => Some("has no native role with the same --dir and --name".to_owned()),
            Some(_) => None,
        },
    };
    if let Some(wrong) = wrong {
        let message = format!("{} {wrong}", called(container));
        let pointer = pod.in_container(container, "");
        findings.add(pod, &rules::UNIVERSAL_ROLES, Severity::Error, pointer, message);
    }
}

/// Where a directory of a container comes from.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Source<'a> {
    volume: &'a str,
    /// From the volume's root.
    path: String,
}

fn volume(pod: &Pod<'_>, copy: &Copy<'_, '_>, copies: &[Copy<'_, '_>], findings: &mut Findings) {
    let (container, who) = (copy.container, called(copy.container));
    let Some(dir) = copy.dir else { return };
    let pointer = pod.in_container(container, "/volumeMounts");
    let mut say = |message: String| {
        let rule = &rules::UNIVERSAL_VOLUME;
        findings.add(pod, rule, Severity::Error, pointer.clone(), message);
    };
    let Some((source, mount)) = source(container, dir) else {
        return say(format!("{who}: no volume is mounted at --dir {dir}"));
    };
    if mount["readOnly"].as_bool() == Some(true) {
        return say(format!("{who}: the volume {:?} at {dir} is read-only", source.volume));
    }
    let volumes = pod.spec()["volumes"].as_array().into_iter().flatten();
    let mut volumes = volumes.filter(|volume| volume["name"] == source.volume);
    match volumes.next() {
        Some(volume) if volume.get("emptyDir").is_some() => {}
        Some(volume) => {
            let kinds = volume.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
            let mut kinds = kinds.filter(|key| *key != "name");
            let kind = kinds.next().unwrap_or("nothing");
            return say(format!("{who}: the volume {:?} at {dir} is {kind}", source.volume));
        }
        None => return say(format!("{who}: there is no volume {:?}", source.volume)),
    }
    let of_all: BTreeSet<Source<'_>> = copies
        .iter()
        .filter(|other| other.is_of(copy))
        .filter_map(|other| Some(self::source(other.container, dir)?.0))
        .collect();
    if of_all.len() > 1 && copy.role == Role::Native {
        say(format!("{who}: the roles have different volumes at {dir}"));
    }
}

/// The volume that a directory lies on, by the longest mount above it.
fn source<'a>(container: &Container<'a>, dir: &str) -> Option<(Source<'a>, &'a Value)> {
    let dir = dir.trim_end_matches('/');
    let mounts = container.value["volumeMounts"].as_array()?.iter().filter_map(|mount| {
        let path = mount["mountPath"].as_str()?.trim_end_matches('/');
        let rest = dir.strip_prefix(path)?;
        (rest.is_empty() || rest.starts_with('/')).then_some((path.len(), rest, mount))
    });
    let (_, rest, mount) = mounts.max_by_key(|(length, _, _)| *length)?;
    let volume = mount["name"].as_str().unwrap_or("");
    let inside = mount["subPath"].as_str().unwrap_or("").trim_matches('/');
    Some((Source { volume, path: format!("{inside}{rest}") }, mount))
}

fn probes(pod: &Pod<'_>, copy: &Copy<'_, '_>, findings: &mut Findings) {
    for field in ["startupProbe", "readinessProbe", "livenessProbe", "lifecycle"] {
        let probe = &copy.container.value[field];
        if !probe.is_object() {
            continue;
        }
        let command = probe["exec"]["command"].as_array().into_iter().flatten();
        let asks_ready = command.filter_map(Value::as_str).any(|word| word == "ready");
        let message = match copy.role {
            Role::Native => format!(
                "{}: {field} makes the API server refuse the pod (422) where restartPolicy is \
                 stripped",
                called(copy.container)
            ),
            Role::Regular if field != "lifecycle" && !asks_ready => {
                format!("{}: {field} fails while this copy is idle", called(copy.container))
            }
            // On an arbiter the API server refuses them: another rule says so.
            Role::Regular | Role::Arbiter => continue,
        };
        let pointer = pod.in_container(copy.container, &format!("/{field}"));
        findings.add(pod, &rules::UNIVERSAL_PROBES, Severity::Warning, pointer, message);
    }
}

fn policy(pod: &Pod<'_>, container: &Container<'_>, findings: &mut Findings) {
    let options = options(container).unwrap_or_default();
    let told = option(container, &options, "pod-restart-policy").unwrap_or("Always");
    let actual = pod.restart_policy();
    if told != actual {
        let message = format!(
            "{}: --pod-restart-policy is {told}, and the pod's restartPolicy is {actual}",
            called(container)
        );
        let pointer = pod.in_container(container, "");
        findings.add(pod, &rules::UNIVERSAL_POLICY, Severity::Error, pointer, message);
    }
}
