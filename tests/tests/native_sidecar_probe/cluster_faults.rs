//! `cluster` with answers that are odd, broken or late: what is not known for sure is UNKNOWN.

use std::time::Duration;

use e2e::kube_api::{FakeCluster, Fault, Gate};
use e2e::workplace::{Workplace, free_address};

use crate::cluster::{REQUEST_TIMEOUT, ask};
use crate::probe::Probe;

#[test]
fn metrics_in_every_shape() {
    for fault in [Fault::Gzip, Fault::Reordered, Fault::OpenMetrics] {
        let place = Workplace::new();
        let cluster = FakeCluster::start(&place, "v1.32.13");
        cluster.node("n1", "v1.32.13", Gate::Off);
        cluster.fault("/metrics", fault.clone()).fault("kubelet://n1/metrics", fault.clone());
        let ended = ask(&place, &cluster, &[]).expect(2);
        let report = ended.json();
        assert_eq!(report["apiservers"][0]["verdict"], "SUPPORTED", "{fault:?}: {report:#}");
        assert_eq!(report["nodes"][0]["verdict"], "UNSUPPORTED", "{fault:?}: {report:#}");
    }
}

/// Half an answer is no evidence that a series is absent.
#[test]
fn metrics_that_break_off_are_unknown() {
    for fault in [
        Fault::Truncated(50_000),
        Fault::Truncated(0),
        Fault::Stalled(50_000),
        Fault::Silent,
        Fault::Reset,
        Fault::Status(500, "no".to_owned()),
        Fault::Status(200, "<html>not metrics</html>".to_owned()),
        Fault::Status(200, String::new()),
    ] {
        let place = Workplace::new();
        let cluster = FakeCluster::start(&place, "v1.32.13");
        cluster.node("n1", "v1.32.13", Gate::Default);
        cluster.fault("kubelet://n1/metrics", fault.clone());
        let ended = ask(&place, &cluster, &["--request-timeout", REQUEST_TIMEOUT]).expect(6);
        assert_eq!(ended.json()["nodes"][0]["verdict"], "UNKNOWN", "{fault:?}: {ended:#?}");
        assert_eq!(ended.json()["apiservers"][0]["verdict"], "SUPPORTED", "{fault:?}");
        assert!(ended.took < Duration::from_secs(10), "{fault:?}: {:?}", ended.took);
    }
}

/// What was read before the end counts: the line is in the middle of the body.
#[test]
fn a_line_that_was_read_counts() {
    for fault in [Fault::Truncated(120_000), Fault::Stalled(120_000)] {
        let place = Workplace::new();
        let cluster = FakeCluster::start(&place, "v1.32.13");
        cluster.node("n1", "v1.32.13", Gate::Default);
        cluster.fault("kubelet://n1/metrics", fault.clone());
        let ended = ask(&place, &cluster, &["--request-timeout", REQUEST_TIMEOUT]).expect(0);
        assert_eq!(ended.verdict(), "SUPPORTED", "{fault:?}");
    }
}

#[test]
fn stalled_kubelets_are_asked_side_by_side() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.32.13");
    for number in 0..16 {
        let name = format!("n{number}");
        cluster.node(&name, "v1.32.13", Gate::Default);
        cluster.fault(&format!("kubelet://{name}/metrics"), Fault::Silent);
    }
    let ended = ask(&place, &cluster, &["--request-timeout", "1s"]).expect(6);
    assert!(ended.took < Duration::from_secs(8), "one after the other: {:?}", ended.took);
}

#[test]
fn an_api_server_that_does_not_answer() {
    for fault in [Fault::Silent, Fault::Reset] {
        let place = Workplace::new();
        let cluster = FakeCluster::start(&place, "v1.36.3");
        cluster.node("n1", "v1.36.3", Gate::Default).fault("/version", fault.clone());
        let ended = ask(&place, &cluster, &["--request-timeout", REQUEST_TIMEOUT]).expect(7);
        assert!(ended.took < Duration::from_secs(10), "{fault:?}: {:?}", ended.took);
    }
    let place = Workplace::new();
    let nobody = format!("http://{}", free_address());
    Probe::new(&place, &["cluster", "--server", &nobody]).run().expect(7);
    Probe::new(&place, &["node", "n1", "--server", &nobody]).run().expect(7);
}

/// A list that breaks off is not a shorter list.
#[test]
fn lists_that_break_off() {
    for fault in [
        Fault::Truncated(300),
        Fault::Reset,
        Fault::Silent,
        Fault::Status(200, "{}".to_owned()),
        Fault::Status(503, "busy".to_owned()),
    ] {
        let place = Workplace::new();
        let cluster = FakeCluster::start(&place, "v1.36.3");
        cluster.node("n1", "v1.36.3", Gate::Default).fault("/api/v1/nodes", fault.clone());
        let ended = ask(&place, &cluster, &["--request-timeout", REQUEST_TIMEOUT]);
        assert!([6, 7].contains(&ended.code), "{fault:?}: {ended:#?}");
    }
}
