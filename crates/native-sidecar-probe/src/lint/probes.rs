//! Probes and hooks of init containers.
//!
//! In goes a pod, out come findings for what only native sidecars may have, and for sidecars that
//! the next container does not wait for. The words of the API server are quoted, because people
//! search for them.

use manifest::Container;

use super::finding::Severity;
use super::pod::{Findings, Pod, called, is_universal};
use super::ports::{Ports, first_user};
use super::rules;

/// What the API server allows on native sidecars only.
const SIDECAR_FIELDS: [&str; 4] = ["startupProbe", "readinessProbe", "livenessProbe", "lifecycle"];

pub(crate) fn check(pod: &Pod<'_>, findings: &mut Findings) {
    for container in pod.plain_inits() {
        for field in SIDECAR_FIELDS.iter().filter(|field| container.value[**field].is_object()) {
            let pointer = pod.in_container(container, &format!("/{field}"));
            let message = format!(
                "{}: {field} may not be set for init containers without restartPolicy=Always",
                called(container)
            );
            findings.add(pod, &rules::PROBE, Severity::Error, pointer, message);
        }
    }
    for (sidecar, ports) in pod.containers.iter().zip(&pod.ports) {
        if sidecar.is_native_sidecar() && !is_universal(sidecar) {
            startup(pod, sidecar, ports, findings);
            liveness(pod, sidecar, findings);
        }
    }
}

fn startup(pod: &Pod<'_>, sidecar: &Container<'_>, ports: &Ports, findings: &mut Findings) {
    let waits = sidecar.value["startupProbe"].is_object()
        || sidecar.value["lifecycle"]["postStart"].is_object();
    if waits {
        return;
    }
    let who = called(sidecar);
    let (severity, message) = match first_user(pod, sidecar, ports) {
        Some((user, port)) => {
            let user = called(user);
            let message = format!(
                "{who} has no startupProbe: {user} uses its port {port} and does not wait for it"
            );
            (Severity::Warning, message)
        }
        None => {
            let message = format!("{who} has no startupProbe: the next container does not wait");
            (Severity::Note, message)
        }
    };
    findings.add(pod, &rules::STARTUP, severity, pod.in_container(sidecar, ""), message);
}

fn liveness(pod: &Pod<'_>, sidecar: &Container<'_>, findings: &mut Findings) {
    let probe = &sidecar.value["livenessProbe"];
    let delay = probe["initialDelaySeconds"].as_u64().unwrap_or(0);
    if probe.is_object() && delay == 0 && !sidecar.value["startupProbe"].is_object() {
        let message = format!(
            "{}: livenessProbe is asked from the start, without startupProbe or \
             initialDelaySeconds",
            called(sidecar)
        );
        let pointer = pod.in_container(sidecar, "/livenessProbe");
        findings.add(pod, &rules::LIVENESS, Severity::Note, pointer, message);
    }
}
