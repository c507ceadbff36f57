//! `cluster` and `node`: the verdict on recorded clusters, and how little it takes to reach it.

use e2e::kube_api::{FakeCluster, Fault, Gate, USER};
use e2e::workplace::Workplace;
use serde_json::Value;

use crate::probe::{Ended, Probe};

/// How long a request may take in scenarios with a peer that stalls.
pub(crate) const REQUEST_TIMEOUT: &str = "500ms";

pub(crate) fn ask(place: &Workplace, cluster: &FakeCluster, more: &[&str]) -> Ended {
    let mut arguments = vec!["cluster", "-o", "json"];
    arguments.extend(more);
    Probe::new(place, &arguments).with_token(cluster).kubelets(cluster).run()
}

/// An API server and one node.
fn check((api, api_gate): (&str, Gate), (node, node_gate): (&str, Gate), verdict: &str, code: i32) {
    let place = Workplace::new();
    let cluster = FakeCluster::start_gated(&place, api, api_gate);
    cluster.node("n1", node, node_gate);
    let ended = ask(&place, &cluster, &[]).expect(code);
    assert_eq!(ended.verdict(), verdict, "{api} {api_gate:?} {node} {node_gate:?}: {ended:#?}");
    for part in ["apiservers", "nodes"] {
        let part = &ended.json()[part][0];
        assert!(!part["name"].as_str().unwrap().is_empty(), "{ended:#?}");
        assert!(!part["evidence"].as_array().unwrap().is_empty(), "{ended:#?}");
    }
}

fn part<'a>(report: &'a Value, kind: &str, name: &str) -> &'a Value {
    let part = report[kind].as_array().unwrap().iter().find(|part| part["name"] == name);
    assert!(part.is_some(), "{report:#}");
    part.unwrap()
}

#[test]
fn recorded_clusters() {
    use Gate::{Default, Off, On};
    let supported = |api, node| check(api, node, "SUPPORTED", 0);
    let unsupported = |api, node| check(api, node, "UNSUPPORTED", 2);
    unsupported(("v1.27.16", Default), ("v1.27.16", Default));
    unsupported(("v1.28.9", Default), ("v1.28.9", Default));
    unsupported(("v1.28.9", Off), ("v1.28.9", Off));
    supported(("v1.28.9", On), ("v1.28.9", On));
    supported(("v1.32.13", Default), ("v1.32.13", Default));
    unsupported(("v1.32.13", Off), ("v1.32.13", Off));
    // The API server's own verdict counts if it is not SUPPORTED.
    unsupported(("v1.32.13", Off), ("v1.32.13", On));
    unsupported(("v1.32.13", On), ("v1.32.13", Off));
    unsupported(("v1.32.13", Default), ("v1.27.16", Default));
    supported(("v1.33.1", Default), ("v1.33.1", Default));
    supported(("v1.36.3", Default), ("v1.36.3", Default));
    supported(("v1.37.0", Default), ("v1.37.0", Default));
}

#[test]
fn versions_of_vendors() {
    use Gate::{Default, Off};
    for (version, verdict, code) in [
        ("v1.29.3-gke.1093000", "SUPPORTED", 0),
        ("v1.28.9+k3s1", "UNSUPPORTED", 2),
        ("v1.27.16-eks-a737599", "UNSUPPORTED", 2),
        ("v1.33.0-eks-1234567", "SUPPORTED", 0),
    ] {
        check(("v1.36.3", Default), (version, Default), verdict, code);
    }
    check(("v1.29.3-gke.1093000", Default), ("v1.29.3-gke.1093000", Off), "UNSUPPORTED", 2);
}

/// Nobody can tell what these are, and nobody has to guess.
#[test]
fn strange_versions_are_unknown() {
    for version in ["", "unknown", "v1", "azure-aci/1.6.2", "v1.x.3", "fargate"] {
        let place = Workplace::new();
        let cluster = FakeCluster::start(&place, "v1.36.3");
        cluster.unreachable_node("virtual", version);
        let ended = ask(&place, &cluster, &[]).expect(6);
        assert_eq!(ended.verdict(), "UNKNOWN", "{version:?}");
    }
}

#[test]
fn the_alpha_says_what_it_lacks() {
    let place = Workplace::new();
    let cluster = FakeCluster::start_gated(&place, "v1.28.9", Gate::On);
    cluster.node("n1", "v1.28.9", Gate::On);
    let ended = ask(&place, &cluster, &[]).expect(0);
    let text = part(&ended.json(), "nodes", "n1").to_string();
    assert!(text.contains("order"), "no ordered termination: {text}");
}

#[test]
fn mixed_nodes() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.32.13");
    cluster.node("new", "v1.32.13", Gate::Default).node("off", "v1.32.13", Gate::Off);
    cluster.node("old", "v1.27.16", Gate::Default);
    let ended = ask(&place, &cluster, &[]).expect(3);
    assert_eq!(ended.verdict(), "MIXED");
    let report = ended.json();
    assert_eq!(part(&report, "nodes", "new")["verdict"], "SUPPORTED");
    assert_eq!(part(&report, "nodes", "off")["verdict"], "UNSUPPORTED");
    assert_eq!(part(&report, "nodes", "old")["verdict"], "UNSUPPORTED");
    // The kubelet's own words for a pod that it refuses.
    let text = part(&report, "nodes", "off").to_string();
    assert!(text.contains("InitContainerRestartPolicyForbidden"), "{text}");
    ask(&place, &cluster, &["--fail-on", "unsupported"]).expect(0);
}

#[test]
fn no_nodes_and_unknown_nodes() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    assert_eq!(ask(&place, &cluster, &[]).expect(6).verdict(), "UNKNOWN");
    cluster.node("n1", "v1.36.3", Gate::Default).unreachable_node("n2", "v1.32.1");
    let ended = ask(&place, &cluster, &["--request-timeout", REQUEST_TIMEOUT]).expect(6);
    assert_eq!(ended.verdict(), "UNKNOWN", "SUPPORTED and UNKNOWN");
    cluster.node("n3", "v1.27.16", Gate::Default);
    let ended = ask(&place, &cluster, &["--request-timeout", REQUEST_TIMEOUT]).expect(3);
    assert_eq!(ended.verdict(), "MIXED", "SUPPORTED and UNSUPPORTED, whatever the third is");
}

/// Where the version decides, nothing else is asked for.
#[test]
fn versions_need_no_rights() {
    for version in ["v1.27.16", "v1.33.1", "v1.36.3", "v1.37.0"] {
        let place = Workplace::new();
        let cluster = FakeCluster::start(&place, version);
        cluster.node("n1", version, Gate::Default);
        ask(&place, &cluster, &[]);
        assert!(!cluster.was_asked("/metrics"), "{:#?}", cluster.seen());
        assert!(!cluster.was_asked("kubelet://"), "{:#?}", cluster.seen());
    }
}

/// The node proxy amounts to exec on every pod of the node: never without being asked.
#[test]
fn the_node_proxy_is_used_only_if_asked() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.32.13");
    cluster.node("n1", "v1.32.13", Gate::Off);
    ask(&place, &cluster, &[]).expect(2);
    assert!(!cluster.seen().iter().any(|seen| seen.target.contains("/proxy")));
    assert!(cluster.was_asked("kubelet://n1/metrics"));
    let proxied = Probe::new(&place, &["cluster", "-o", "json", "--via", "proxy"]);
    let ended = proxied.proxied(&cluster).run().expect(2);
    assert_eq!(ended.verdict(), "UNSUPPORTED");
    assert!(cluster.was_asked("/api/v1/nodes/n1/proxy/metrics"));
    let seen = cluster.seen();
    let kubelet = seen.iter().filter(|seen| seen.target.starts_with("kubelet://")).count();
    assert_eq!(kubelet, 1, "{seen:#?}");
}

/// A missing right is UNKNOWN with the rule to add, not a failure.
#[test]
fn missing_rights_are_named() {
    for (method, path, rule) in [
        ("GET", "/metrics", "nonResourceURLs"),
        ("GET", "kubelet://n1/metrics", "nodes/metrics"),
        ("GET", "/api/v1/nodes", "nodes"),
    ] {
        let place = Workplace::new();
        let cluster = FakeCluster::start(&place, "v1.32.13");
        cluster.node("n1", "v1.32.13", Gate::Default).deny(method, path);
        let ended = ask(&place, &cluster, &[]).expect(6);
        assert_eq!(ended.verdict(), "UNKNOWN", "{path}");
        let report = ended.json().to_string();
        assert!(report.contains(rule) && report.contains("rules:"), "{path}: {ended:#?}");
        let table = Probe::new(&place, &["cluster"]).with_token(&cluster).kubelets(&cluster).run();
        assert!(table.expect(6).stdout.contains(rule), "{path}: {ended:#?}");
    }
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.32.13");
    cluster.node("n1", "v1.32.13", Gate::Default).deny("GET", "/api/v1/nodes/n1/proxy");
    let ended = ask(&place, &cluster, &["--via", "proxy"]).expect(6);
    assert!(ended.stdout.contains("nodes/proxy"), "{ended:#?}");
}

#[test]
fn a_certificate_of_a_kubelet_has_to_fit() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.32.13");
    cluster.node("n1", "v1.32.13", Gate::Default);
    let strict = Probe::new(&place, &["cluster", "-o", "json"]).with_token(&cluster);
    assert_eq!(strict.run().expect(6).verdict(), "UNKNOWN");
    assert!(!cluster.was_asked("kubelet://"), "the token goes to no stranger");
    let insecure = Probe::new(&place, &["cluster", "-o", "json", "--kubelet-insecure"]);
    assert_eq!(insecure.with_token(&cluster).run().expect(0).verdict(), "SUPPORTED");
}

#[test]
fn many_nodes_come_in_pages() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    for number in 0..1201 {
        cluster.unreachable_node(&format!("n{number:04}"), "v1.36.3");
    }
    cluster.expire_pages(1);
    let ended = ask(&place, &cluster, &[]).expect(0);
    assert_eq!(ended.json()["nodes"].as_array().unwrap().len(), 1201);
    let lists = cluster.seen().iter().filter(|seen| seen.target.contains("continue=")).count();
    assert!(lists >= 3, "pages, and once from the start: {lists}");
}

/// Two API servers behind one name, in the middle of an upgrade or with different flags.
#[test]
fn every_api_server_counts() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.32.13");
    cluster.replica("v1.32.13", Gate::Off).node("n1", "v1.32.13", Gate::Default);
    let ended = ask(&place, &cluster, &[]);
    let report = ended.json();
    assert_eq!(report["apiservers"].as_array().unwrap().len(), 2, "{report:#}");
    assert_ne!(ended.code, 0, "half of the pods lose the field: {report:#}");
    assert!(cluster.was_asked("replica://1/metrics"), "{:#?}", cluster.seen());
}

/// A version that decides needs no answer of all.
#[test]
fn an_api_server_that_is_away_where_the_version_decides() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    cluster.unreachable_replica("v1.36.3").node("n1", "v1.36.3", Gate::Default);
    let ended = ask(&place, &cluster, &[]).expect(0);
    assert!(ended.stdout.contains("apiservers-unreachable"), "{ended:#?}");
    assert!(ended.stdout.contains("is left out"), "{ended:#?}");
    cluster.replica("v1.27.16", Gate::Default);
    assert_eq!(ask(&place, &cluster, &[]).expect(3).verdict(), "MIXED");
}

/// What one of them would say is not known.
#[test]
fn an_api_server_that_is_away() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.32.13");
    cluster.unreachable_replica("v1.32.13").node("n1", "v1.32.13", Gate::Default);
    let ended = ask(&place, &cluster, &[]).expect(6);
    let report = ended.json();
    let verdicts: Vec<&Value> =
        report["apiservers"].as_array().unwrap().iter().map(|part| &part["verdict"]).collect();
    assert!(verdicts.contains(&&Value::from("UNKNOWN")), "{report:#}");
    assert!(verdicts.contains(&&Value::from("SUPPORTED")), "{report:#}");
}

/// 1.36 that behaves as 1.32, whose gate can be off.
#[test]
fn emulated_versions_count() {
    for (gate, code) in [(Gate::Default, 0), (Gate::Off, 2)] {
        let place = Workplace::new();
        let cluster = FakeCluster::start_gated(&place, "v1.36.3", gate);
        cluster.emulate(32).node("n1", "v1.36.3", Gate::Default);
        let ended = ask(&place, &cluster, &[]).expect(code);
        assert!(cluster.was_asked("/metrics"), "{ended:#?}");
    }
}

#[test]
fn a_least_version_can_be_asked_for() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.32.13");
    cluster.node("n1", "v1.29.1", Gate::Default);
    ask(&place, &cluster, &[]).expect(0);
    ask(&place, &cluster, &["--min-version", "1.29.3"]).expect(2);
    let text = ask(&place, &cluster, &[]).stdout;
    assert!(text.contains("1.29.3"), "native sidecars in Jobs before 1.29.3: {text}");
}

#[test]
fn one_node() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.32.13");
    cluster.node("on", "v1.32.13", Gate::Default).node("off", "v1.32.13", Gate::Off);
    let ask = |name: &str| {
        let probe = Probe::new(&place, &["node", name, "-o", "json"]);
        probe.with_token(&cluster).kubelets(&cluster).run()
    };
    assert_eq!(ask("on").expect(0).verdict(), "SUPPORTED");
    assert_eq!(ask("off").expect(2).verdict(), "UNSUPPORTED");
    assert_eq!(ask("gone").expect(6).verdict(), "UNKNOWN");
    assert_eq!(ask("../pods").code, 64);
}

/// Asked of one node, the metric is read even where the version decides, as recorded.
#[test]
fn version_and_metric_of_one_node() {
    for (version, code, shown) in [
        ("v1.27.16", 2, "other gates are shown"),
        ("v1.28.9", 2, r#"stage="ALPHA"} 0"#),
        ("v1.32.13", 0, r#"stage="BETA"} 1"#),
        ("v1.33.1", 0, r#"name="SidecarContainers",stage=""} 1"#),
        ("v1.36.3", 0, r#"name="SidecarContainers",stage=""} 1"#),
        ("v1.37.0", 0, "other gates are shown"),
    ] {
        let place = Workplace::new();
        let cluster = FakeCluster::start(&place, version);
        cluster.node("n1", version, Gate::Default);
        let probe = Probe::new(&place, &["node", "n1", "-o", "json"]);
        let ended = probe.with_token(&cluster).kubelets(&cluster).run().expect(code);
        let evidence = ended.json()["nodes"][0]["evidence"].clone();
        let parts = evidence.as_array().unwrap().iter();
        let texts = parts.flat_map(|part| [&part["says"], &part["detail"]]);
        let texts: Vec<&str> = texts.filter_map(Value::as_str).collect();
        assert!(texts.iter().any(|text| text.contains(shown)), "{version}: {texts:#?}");
    }
}

/// As behind a load balancer, or with a proxy in front of the kubelet.
#[test]
fn version_and_metric_that_contradict_each_other() {
    for (version, line) in [
        ("v1.36.3", r#"kubernetes_feature_enabled{name="SidecarContainers",stage="BETA"} 0"#),
        ("v1.27.16", r#"kubernetes_feature_enabled{name="SidecarContainers",stage="BETA"} 1"#),
        ("v1.32.13", r#"kubernetes_feature_enabled{name="LegacySidecarContainers",stage=""} 1"#),
        ("v1.32.13", r#"kubernetes_feature_enabled{name="SidecarContainers",stage="BETA"} NaN"#),
    ] {
        let place = Workplace::new();
        let cluster = FakeCluster::start(&place, "v1.36.3");
        cluster.node("n1", version, Gate::Default);
        cluster.fault("kubelet://n1/metrics", Fault::Status(200, format!("{line}\n")));
        let probe = Probe::new(&place, &["node", "n1", "-o", "json"]);
        let ended = probe.with_token(&cluster).kubelets(&cluster).run();
        assert_eq!((ended.code, ended.verdict().as_str()), (6, "UNKNOWN"), "{line}: {ended:#?}");
    }
}

/// As Rancher has it: many clusters behind one address.
#[test]
fn a_path_before_the_api_is_kept() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    let url = format!("{}/k8s/clusters/c-1", cluster.proxy_url());
    Probe::new(&place, &["cluster", "--server", &url]).run();
    assert!(cluster.was_asked("/k8s/clusters/c-1/version"), "{:#?}", cluster.seen());
}

#[test]
fn a_node_behind_the_proxy_that_is_away() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.32.13");
    cluster.unreachable_node("n1", "v1.32.13");
    let probe = Probe::new(&place, &["cluster", "-o", "json", "--via", "proxy"]);
    let ended = probe.proxied(&cluster).run().expect(6);
    assert!(ended.stdout.contains("error trying to reach service"), "{ended:#?}");
}

#[test]
fn every_form_is_data_alone() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.32.13");
    cluster.node("n2", "v1.32.13", Gate::Default).node("n1", "v1.32.13", Gate::Off);
    for form in ["table", "wide", "json", "prom"] {
        let run = || {
            let probe = Probe::new(&place, &["cluster", "--stable", "-o", form]);
            probe.with_token(&cluster).kubelets(&cluster).run().expect(3).stdout
        };
        let first = run();
        assert_eq!(first, run(), "{form}");
        assert!(first.contains("n1") && first.contains("n2"), "{form}: {first}");
    }
    let ended = ask(&place, &cluster, &[]).expect(3);
    assert!(ended.json()["schema"].is_string(), "{ended:#?}");
}

#[test]
fn a_user_without_rights() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.32.13");
    cluster.node("n1", "v1.32.13", Gate::Default);
    cluster.deny("GET", "/api/v1").deny("GET", "/metrics").deny("GET", "/apis");
    let ended = ask(&place, &cluster, &[]).expect(6);
    assert_eq!(ended.verdict(), "UNKNOWN");
    assert!(cluster.seen().iter().all(|seen| seen.user.as_deref() == Some(USER)));
}

#[test]
fn bad_settings() {
    let place = Workplace::new();
    let arguments = [
        "cluster",
        "--server",
        "ftp://x",
        "--output",
        "xml",
        "--via",
        "guess",
        "--min-version",
        "latest",
        "--fail-on",
        "sometimes",
        "--request-timeout",
        "soon",
    ];
    let ended = Probe::new(&place, &arguments).run().expect(64);
    for told in ["ftp://x", "xml", "guess", "latest", "sometimes", "soon"] {
        assert!(ended.stderr.contains(told), "{told}: {}", ended.stderr);
    }
    Probe::new(&place, &["cluster"]).run().expect(64);
}
