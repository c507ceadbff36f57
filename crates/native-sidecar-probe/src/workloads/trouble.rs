//! Pods that cannot start because of a native sidecar that is none, or that a node refuses.
//!
//! In go a raw pod and the time, out comes what is wrong with it. A kubelet before 1.28 takes a
//! native sidecar for a plain init container: it runs, is never `started`, and the pod waits in
//! Init for ever without an event that says so. From 1.28 a kubelet with the gate off refuses the
//! pod. How a sidecar that has ended ended (137, 143) is never a failure: a kubelet kills sidecars
//! at the end of every pod.

use std::time::{Duration, SystemTime};

use serde_json::Value;

/// The reason of a pod that a kubelet refuses.
const REFUSED: &str = "InitContainerRestartPolicyForbidden";
/// What is in the names of containers that are meant to live as long as the pod.
const SIDECAR_WORDS: [&str; 14] = [
    "proxy",
    "sidecar",
    "envoy",
    "agent",
    "mesh",
    "daprd",
    "fluent",
    "filebeat",
    "promtail",
    "vector",
    "otel",
    "otc-",
    "collector",
    "tunnel",
];

/// What is wrong with a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// A kubelet with the feature off refuses it.
    Refused { message: String },
    /// Its sidecar has the field, and the kubelet runs it as a plain init container.
    Ignored { container: String },
    /// A plain init container runs and runs. Its owner has it as a native sidecar; or it has the
    /// name of one.
    Endless { container: String, owner_has_it: bool },
}

/// A pod in trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stuck {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    /// Empty if it has none.
    pub(crate) node: String,
    pub(crate) trouble: Trouble,
}

impl Stuck {
    /// With the sidecars that the pod has lost: then it is known what the endless container should
    /// be. `None` if nothing speaks for a sidecar, for a migration may take hours.
    pub(crate) fn confirm(mut self, lost: &[String]) -> Option<Stuck> {
        if let Trouble::Endless { container, owner_has_it } = &mut self.trouble {
            *owner_has_it = lost.contains(container);
            if !*owner_has_it && !looks_like_sidecar(container) {
                return None;
            }
        }
        Some(self)
    }
}

/// Looks at one pod. What it finds has to be confirmed.
pub(crate) fn find(pod: &Value, now: SystemTime, stuck_after: Duration) -> Option<Stuck> {
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let trouble = match pod["status"]["phase"].as_str() {
        Some("Failed") if pod["status"]["reason"] == REFUSED => {
            Trouble::Refused { message: text(&pod["status"]["message"]) }
        }
        Some("Pending") if pod["metadata"]["deletionTimestamp"].is_null() => {
            stuck_in_init(pod, now, stuck_after)?
        }
        _ => return None,
    };
    Some(Stuck {
        namespace: text(&pod["metadata"]["namespace"]),
        pod: text(&pod["metadata"]["name"]),
        node: text(&pod["spec"]["nodeName"]),
        trouble,
    })
}

/// At most one init container of a pod runs without being a sidecar.
fn stuck_in_init(pod: &Value, now: SystemTime, stuck_after: Duration) -> Option<Trouble> {
    let containers = manifest::containers(&pod["spec"]);
    let statuses = pod["status"]["initContainerStatuses"].as_array()?;
    statuses.iter().find_map(|status| {
        let since = status["state"]["running"]["startedAt"].as_str()?;
        let since = humantime::parse_rfc3339(since).ok()?;
        // A clock that is behind the node's makes it younger than nothing.
        if now.duration_since(since).unwrap_or_default() < stuck_after {
            return None;
        }
        let name = status["name"].as_str()?;
        let container = containers.iter().find(|container| container.name == name)?;
        let is_native = container.is_native_sidecar();
        let container = name.to_owned();
        match is_native {
            // A kubelet that knows sidecars says true or false.
            true => status["started"].is_null().then_some(Trouble::Ignored { container }),
            false => Some(Trouble::Endless { container, owner_has_it: false }),
        }
    })
}

fn looks_like_sidecar(name: &str) -> bool {
    !name.contains("init") && SIDECAR_WORDS.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MINUTES_5: Duration = Duration::from_secs(300);

    fn check(pod: &Value, expected: Option<Trouble>) {
        let now = humantime::parse_rfc3339("2026-11-22T06:45:40Z").unwrap();
        let found = find(pod, now, MINUTES_5).and_then(|stuck| stuck.confirm(&[]));
        assert_eq!(found.map(|stuck| stuck.trouble), expected, "{pod}");
    }

    #[test]
    fn any_name_is_a_sidecar_if_the_owner_says_so() {
        let now = humantime::parse_rfc3339("2026-11-22T06:45:40Z").unwrap();
        let stuck = find(&pod("s1", json!(null), json!(true)), now, MINUTES_5).unwrap();
        let found = stuck.confirm(&["s1".to_owned()]).map(|stuck| stuck.trouble);
        assert_eq!(
            found,
            Some(Trouble::Endless { container: "s1".to_owned(), owner_has_it: true })
        );
    }

    fn pod(name: &str, policy: Value, started: Value) -> Value {
        json!({
            "metadata": {"namespace": "default", "name": "gate"},
            "spec": {
                "nodeName": "node1",
                "initContainers": [{"name": name, "restartPolicy": policy}],
                "containers": [{"name": "m1"}],
            },
            "status": {"phase": "Pending", "initContainerStatuses": [{
                "name": name, "started": started, "ready": false,
                "state": {"running": {"startedAt": "2026-11-22T06:35:40Z"}},
            }]},
        })
    }

    #[test]
    fn the_recorded_pods() {
        let named = |name: &str| name.to_owned();
        // API server 1.32, kubelet 1.27: the field is there, `started` is not.
        let ignored = Trouble::Ignored { container: named("s1") };
        check(&pod("s1", json!("Always"), json!(null)), Some(ignored));
        // A sidecar whose startup probe has not passed yet is no trouble of this kind.
        check(&pod("s1", json!("Always"), json!(false)), None);
        check(&pod("s1", json!("Always"), json!(true)), None);
        // API server 1.27, or 1.32 with the gate off.
        let endless = Trouble::Endless { container: named("istio-proxy"), owner_has_it: false };
        check(&pod("istio-proxy", json!(null), json!(true)), Some(endless));
        check(&pod("s1", json!(null), json!(true)), None);
        check(&pod("istio-init", json!(null), json!(true)), None);
        check(&pod("migrate", json!(null), json!(null)), None);
        let mut young = pod("envoy", json!(null), json!(true));
        young["status"]["initContainerStatuses"][0]["state"]["running"]["startedAt"] =
            json!("2026-11-22T06:41:00Z");
        check(&young, None);
        let mut leaving = pod("envoy", json!(null), json!(true));
        leaving["metadata"]["deletionTimestamp"] = json!("2026-11-22T06:41:00Z");
        check(&leaving, None);
        // Kubelet 1.32 with the gate off.
        let message =
            "Pod was rejected: Init container \"s1\" may not have a non-default restartPolicy";
        let refused = json!({"metadata": {}, "spec": {}, "status": {
            "phase": "Failed", "reason": REFUSED, "message": message}});
        check(&refused, Some(Trouble::Refused { message: message.to_owned() }));
    }

    #[test]
    fn how_a_sidecar_ended_is_no_failure() {
        for (code, phase) in
            [(137, "Succeeded"), (143, "Succeeded"), (137, "Running"), (143, "Failed")]
        {
            let mut pod = pod("istio-proxy", json!("Always"), json!(false));
            pod["status"]["phase"] = json!(phase);
            pod["status"]["initContainerStatuses"][0]["state"] =
                json!({"terminated": {"exitCode": code, "reason": "Error"}});
            check(&pod, None);
        }
    }
}
