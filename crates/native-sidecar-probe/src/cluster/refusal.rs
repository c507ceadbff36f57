//! What to say and do when metrics cannot be read.
//!
//! In goes a failure and who was asked, out come evidence and advice for UNKNOWN. A missing right
//! is answered with the rule that grants it; everything else with the way around it.

use kube_api::Failure;

use super::assessment::{Advice, Evidence, Source};
use super::rights::Right;
use super::rules::Metric;

/// Whose metrics, and by which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    ApiServer,
    Kubelet,
    /// A kubelet, through the API server.
    Proxy,
}

/// The metrics could not be read.
pub(super) fn missing(target: Target, failure: &Failure) -> Metric {
    let causes = net::with_causes(failure);
    let (says, advice) = match (target, failure.code()) {
        (Target::ApiServer, Some(403)) => {
            ("the metrics of the API server are forbidden", Some(Right::Metrics.advice()))
        }
        (Target::Kubelet, Some(403)) => {
            ("the metrics of the kubelet are forbidden", Some(Right::KubeletMetrics.advice()))
        }
        (Target::Proxy, Some(403)) => {
            ("the proxy to the node is forbidden", Some(Right::NodeProxy.advice()))
        }
        (Target::Kubelet, Some(401)) => {
            ("the kubelet does not accept the credential", Some(unknown_to_kubelet()))
        }
        (_, Some(401)) => ("the API server does not accept the credential", None),
        (Target::Kubelet, None) => ("the kubelet does not answer", Some(around(failure))),
        (Target::ApiServer, _) => ("the API server does not give its metrics", None),
        (Target::Kubelet | Target::Proxy, _) => ("the kubelet does not give its metrics", None),
    };
    Metric::Missing(Evidence::new(Source::Metric, says).with_detail(causes), advice)
}

/// A kubelet must not be asked: any node can write an address into its own object, and would get
/// the credential there.
pub(super) fn unverified_kubelet() -> Metric {
    let says = "the kubelet is not asked, as nothing would verify it";
    let advice = Advice::new(
        "kubelet-unverified",
        "with --insecure-skip-tls-verify, or the same in a kubeconfig, anybody at a node's address \
         would get the credential: give --certificate-authority instead, or --kubelet-ca, or \
         --kubelet-insecure if every node is trusted with it, or use --via proxy",
    );
    Metric::Missing(Evidence::new(Source::Metric, says), Some(advice))
}

/// The same of API servers at their own addresses.
pub(super) fn unverified_replicas() -> Advice {
    Advice::new(
        "apiservers-unverified",
        "there are several API servers, and only the one behind the name was asked, as nothing \
         would verify the others: give --certificate-authority instead of \
         --insecure-skip-tls-verify, or --kubelet-insecure, which lets any address have the \
         credential",
    )
}

/// Some of several API servers do not answer, or none.
pub(super) fn silent_replicas(all: bool) -> Advice {
    let says = match all {
        true => {
            "there are several API servers, and none answers at its own address: run the probe \
             inside the cluster to ask each, and not only the one behind the load balancer"
        }
        false => {
            "there are several API servers, and some do not answer at their own addresses: run \
             the probe inside the cluster to ask each"
        }
    };
    Advice::new("apiservers-unreachable", says)
}

fn unknown_to_kubelet() -> Advice {
    Advice::new(
        "kubelet-credential",
        "a kubelet accepts tokens only with webhook authentication, and `kubectl proxy` passes on \
         none: use a service account or client certificate, or --via proxy",
    )
}

/// Whether the other side's certificate was refused.
pub(super) fn is_of_certificate(failure: &Failure) -> bool {
    // The TLS library gives no other mark of it.
    failure.is_unreachable() && net::with_causes(failure).contains("certificate")
}

fn around(failure: &Failure) -> Advice {
    if is_of_certificate(failure) {
        return Advice::new(
            "kubelet-certificate",
            "the kubelet's certificate is not from the authority of the API server, as is usual \
             where kubelets sign their own: use --kubelet-ca, --kubelet-insecure, or --via proxy",
        );
    }
    Advice::new(
        "kubelet-unreachable",
        "the kubelet's port has to be reachable from here: run the probe inside the cluster, or \
         use --via proxy",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[track_caller]
    fn check(target: Target, code: u16, says: &str, id: Option<&str>) {
        let reason = String::new();
        let message = "as recorded".to_owned();
        let failure = Failure::Refused { code, reason, message, status: Value::Null };
        let Metric::Missing(evidence, advice) = missing(target, &failure) else {
            panic!("nothing is missing");
        };
        assert_eq!(evidence.says, says);
        assert_eq!(evidence.detail, Some(format!("{code} as recorded")));
        assert_eq!(advice.map(|advice| advice.id), id);
    }

    #[test]
    fn refusals() {
        use Target::{ApiServer, Kubelet, Proxy};
        let metrics = "the metrics of the API server are forbidden";
        check(ApiServer, 403, metrics, Some("grant-apiserver-metrics"));
        let metrics = "the metrics of the kubelet are forbidden";
        check(Kubelet, 403, metrics, Some("grant-kubelet-metrics"));
        check(Proxy, 403, "the proxy to the node is forbidden", Some("grant-node-proxy"));
        let credential = "the kubelet does not accept the credential";
        check(Kubelet, 401, credential, Some("kubelet-credential"));
        check(Proxy, 401, "the API server does not accept the credential", None);
        check(Proxy, 503, "the kubelet does not give its metrics", None);
        check(ApiServer, 404, "the API server does not give its metrics", None);
    }

    #[test]
    fn silence() {
        let server = "https://10.0.0.7:10250".to_owned();
        let failure = Failure::TimedOut { server, limit: std::time::Duration::from_secs(10) };
        let Metric::Missing(evidence, advice) = missing(Target::Kubelet, &failure) else {
            panic!("nothing is missing");
        };
        assert_eq!(evidence.says, "the kubelet does not answer");
        assert_eq!(advice.unwrap().id, "kubelet-unreachable");
    }
}
