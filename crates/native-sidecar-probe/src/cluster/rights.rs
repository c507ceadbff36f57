//! The rights that the probe asks for, each as the manifest that grants it.
//!
//! In goes what was refused, out comes the least that makes it work. The manifests are whole
//! documents, so that they can be applied as they are; who gets them, a binding says, and whom to
//! bind is in the message of the refusal.

use super::assessment::Advice;

/// A right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// The API server's own metrics.
    Metrics,
    Nodes,
    /// The kubelets' metrics, asked at the kubelets.
    KubeletMetrics,
    /// The same through the API server.
    NodeProxy,
    /// The addresses of the API servers.
    ApiServerAddresses,
}

impl Right {
    /// The advice to grant it.
    pub(super) fn advice(self) -> Advice {
        let (id, says) = match self {
            Right::Metrics => (
                "grant-apiserver-metrics",
                "grant the metrics of the API server; the built-in ClusterRole system:monitoring \
                 has this right too",
            ),
            Right::Nodes => ("grant-nodes", "grant the list of nodes"),
            Right::KubeletMetrics => (
                "grant-kubelet-metrics",
                "grant the metrics of the kubelets; from 1.34 on the built-in ClusterRole \
                 system:monitoring has this right too",
            ),
            Right::NodeProxy => (
                "grant-node-proxy",
                "grant the proxy to the nodes, which amounts to running commands in every pod; \
                 the default, --via kubelet, needs much less",
            ),
            Right::ApiServerAddresses => (
                "grant-apiserver-addresses",
                "grant the addresses of the API servers, so that each is asked and not only the \
                 one behind the load balancer",
            ),
        };
        Advice { id, says: says.to_owned(), manifest: Some(self.manifest()) }
    }

    fn manifest(self) -> String {
        let (name, rule) = match self {
            Right::Metrics => ("apiserver-metrics", "- nonResourceURLs: [\"/metrics\"]"),
            Right::Nodes => ("nodes", "- apiGroups: [\"\"]\n  resources: [\"nodes\"]"),
            Right::KubeletMetrics => {
                ("kubelet-metrics", "- apiGroups: [\"\"]\n  resources: [\"nodes/metrics\"]")
            }
            Right::NodeProxy => {
                ("node-proxy", "- apiGroups: [\"\"]\n  resources: [\"nodes/proxy\"]")
            }
            Right::ApiServerAddresses => (
                "apiserver-addresses",
                "- apiGroups: [\"discovery.k8s.io\"]\n  resources: [\"endpointslices\"]",
            ),
        };
        let (kind, namespace) = match self {
            Right::ApiServerAddresses => ("Role", "\n  namespace: default"),
            _ => ("ClusterRole", ""),
        };
        let verbs = match self {
            Right::Nodes => "[\"get\", \"list\"]",
            Right::ApiServerAddresses => "[\"list\"]",
            Right::Metrics | Right::KubeletMetrics | Right::NodeProxy => "[\"get\"]",
        };
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n  \
             name: native-sidecar-probe-{name}{namespace}\nrules:\n{rule}\n  verbs: {verbs}\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(right: Right, kind: &str, name: &str, rule: &[&str]) {
        let manifest = right.advice().manifest.unwrap();
        let head = "apiVersion: rbac.authorization.k8s.io/v1\n";
        let rule = rule.join("\n  ");
        let expected = format!("{head}kind: {kind}\nmetadata:\n  name: {name}\nrules:\n- {rule}\n");
        assert_eq!(manifest, expected, "{right:?}");
    }

    #[test]
    fn manifests_are_whole() {
        let cluster = "ClusterRole";
        let (core, get) = ("apiGroups: [\"\"]", "verbs: [\"get\"]");
        let url = "nonResourceURLs: [\"/metrics\"]";
        check(Right::Metrics, cluster, "native-sidecar-probe-apiserver-metrics", &[url, get]);
        let list = [core, "resources: [\"nodes\"]", "verbs: [\"get\", \"list\"]"];
        check(Right::Nodes, cluster, "native-sidecar-probe-nodes", &list);
        let metrics = [core, "resources: [\"nodes/metrics\"]", get];
        check(Right::KubeletMetrics, cluster, "native-sidecar-probe-kubelet-metrics", &metrics);
        let proxy = [core, "resources: [\"nodes/proxy\"]", get];
        check(Right::NodeProxy, cluster, "native-sidecar-probe-node-proxy", &proxy);
        let slices = ["apiGroups: [\"discovery.k8s.io\"]", "resources: [\"endpointslices\"]"];
        let name = "native-sidecar-probe-apiserver-addresses\n  namespace: default";
        check(
            Right::ApiServerAddresses,
            "Role",
            name,
            &[&slices[..], &["verbs: [\"list\"]"]].concat(),
        );
    }
}
