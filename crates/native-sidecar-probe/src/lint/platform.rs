//! Whether the version that the manifest is for runs native sidecars at all.
//!
//! In goes a pod, out comes a finding for each sidecar that an old cluster would drop or refuse.
//! The two are told apart: a dropped field leaves a plain init container, which the universal form
//! lives with; a refused pod is beyond every protocol that runs inside it.

use super::finding::Severity;
use super::pod::{Findings, Pod, called, is_universal};
use super::rules;

pub(crate) fn check(pod: &Pod<'_>, findings: &mut Findings) {
    if pod.version.is_at_least(29) {
        return;
    }
    let version = pod.version;
    let (is_alpha, universal) = (version.is_at_least(28), is_universal);
    for sidecar in pod.sidecars() {
        let (severity, what) = match (is_alpha, universal(sidecar)) {
            (false, true) => continue,
            (false, false) => (
                Severity::Error,
                "the field is dropped: it runs as a plain init container, \
                 and the pod stays in Init for ever",
            ),
            (true, false) => (
                Severity::Error,
                "the gate is off by default: the API server drops the field and the pod stays in \
                 Init, or the kubelet refuses the pod (InitContainerRestartPolicyForbidden), and \
                 no protocol inside it helps",
            ),
            (true, true) => (
                Severity::Warning,
                "the gate is off by default: where the API server has it on, the kubelet refuses \
                 the pod (InitContainerRestartPolicyForbidden), and no protocol inside it helps",
            ),
        };
        let message = format!("{}: in {version} {what}", called(sidecar));
        let pointer = pod.in_container(sidecar, "/restartPolicy");
        findings.add(pod, &rules::UNSUPPORTED, severity, pointer, message);
    }
}
