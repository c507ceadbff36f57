//! Who starts before whom, and who stands in whose way.
//!
//! In goes a pod, out come findings for init containers that use a loopback port of something that
//! starts only after them, for names that are there twice and for ports that two containers
//! declare. A use is a loopback address with a port in the command line or the environment: that
//! is how sidecars are reached, and nothing else in a manifest says who needs whom.

use std::collections::BTreeMap;

use manifest::{Container, List};

use super::finding::Severity;
use super::pod::{Findings, Pod, called, image_name, is_universal};
use super::ports::Ports;
use super::rules;

/// Images and names of proxies that every other container should talk through.
const MESHES: [&str; 6] = [
    "istio-proxy",
    "linkerd-proxy",
    "kuma-sidecar",
    "proxyv2",
    "consul-dataplane",
    "envoy-sidecar",
];
/// Init containers that set a mesh up, and stand before its sidecar by design.
const MESH_SETUP: [&str; 6] = [
    "istio-init",
    "istio-validation",
    "linkerd-init",
    "linkerd-network-validator",
    "kuma-init",
    "consul-connect-inject-init",
];

pub(crate) fn check(pod: &Pod<'_>, findings: &mut Findings) {
    duplicates(pod, findings);
    clashes(pod, findings);
    for (init, ports) in pod.containers.iter().zip(&pod.ports) {
        if init.list == List::Init && !init.is_native_sidecar() {
            needs_later(pod, init, ports, findings);
        }
    }
    meshes(pod, findings);
}

fn duplicates(pod: &Pod<'_>, findings: &mut Findings) {
    let mut seen: BTreeMap<&str, &Container<'_>> = BTreeMap::new();
    for container in pod.containers.iter().filter(|container| !container.name.is_empty()) {
        if let Some(first) = seen.get(container.name) {
            let first = pod.line(&pod.in_container(first, "/name"));
            let message = format!("{}: line {first} has the same name", called(container));
            let pointer = pod.in_container(container, "/name");
            findings.add(pod, &rules::DUPLICATE, Severity::Error, pointer, message);
        } else {
            seen.insert(container.name, container);
        }
    }
}

/// Containers that live at the same time and declare one port.
fn clashes(pod: &Pod<'_>, findings: &mut Findings) {
    let mut seen: BTreeMap<(u64, &str), &Container<'_>> = BTreeMap::new();
    let together = pod
        .containers
        .iter()
        .filter(|container| container.list == List::Regular || container.is_native_sidecar());
    for container in together {
        let ports = container.value["ports"].as_array().into_iter().flatten();
        for (index, port) in ports.enumerate() {
            let Some(number) = port["containerPort"].as_u64() else { continue };
            let protocol = port["protocol"].as_str().unwrap_or("TCP");
            let Some(first) = seen.get(&(number, protocol)) else {
                seen.insert((number, protocol), container);
                continue;
            };
            let same = first.name == container.name;
            if same || (is_universal(first) && is_universal(container)) {
                continue;
            }
            let message = format!(
                "{} declares port {number}/{protocol}, and so does {}",
                called(container),
                called(first)
            );
            let pointer = pod.in_container(container, &format!("/ports/{index}/containerPort"));
            findings.add(pod, &rules::PORTS, Severity::Warning, pointer, message);
        }
    }
}

/// An init container that needs what is not there yet.
fn needs_later(pod: &Pod<'_>, init: &Container<'_>, ports: &Ports, findings: &mut Findings) {
    let later =
        pod.containers.iter().zip(&pod.ports).filter(|(container, _)| match container.list {
            List::Init => container.is_native_sidecar() && container.index > init.index,
            List::Regular => true,
            List::Ephemeral => false,
        });
    for (server, served) in later.filter(|(server, _)| !is_universal(server)) {
        let (severity, port) = match (
            served.first_of(&ports.used_in_command),
            served.first_of(&ports.used_in_environment),
        ) {
            (Some(port), _) => (Severity::Error, port),
            (None, Some(port)) => (Severity::Warning, port),
            (None, None) => continue,
        };
        let message = format!(
            "{} uses localhost:{port} of {}, which starts only after it has ended",
            called(init),
            called(server)
        );
        findings.add(pod, &rules::ORDER, severity, pod.in_container(init, ""), message);
        return;
    }
}

fn meshes(pod: &Pod<'_>, findings: &mut Findings) {
    let is_mesh = |sidecar: &&Container<'_>| {
        MESHES.contains(&sidecar.name) || MESHES.contains(&image_name(sidecar))
    };
    let Some(mesh) = pod.sidecars().find(is_mesh) else { return };
    let before = pod.plain_inits().find(|init| {
        init.index < mesh.index && !MESH_SETUP.contains(&init.name) && !is_universal(init)
    });
    if let Some(init) = before {
        let message = format!("{} starts only after {} has ended", called(mesh), called(init));
        let pointer = pod.in_container(mesh, "");
        findings.add(pod, &rules::MESH, Severity::Note, pointer, message);
    }
}
