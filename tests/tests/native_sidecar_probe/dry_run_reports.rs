//! `dry-run` of the user's own manifests, and what exactly its JSON says.
//!
//! Beside the verdicts themselves: the pod of a CronJob and of a List, several sidecars in one pod,
//! and answers of which one half is missing, where the verdict must not say more than is known.

use e2e::kube_api::{Admission, FakeCluster, Gate};
use e2e::workplace::Workplace;
use serde_json::{Value, json};

use crate::probe::{Ended, Probe, write};

const PODS: &str = "/api/v1/namespaces/default/pods";
const TEMPLATES: &str = "/api/v1/namespaces/default/podtemplates";

fn ask(place: &Workplace, cluster: &FakeCluster, manifest: Option<&Value>) -> Ended {
    let mut probe = Probe::new(place, &["dry-run", "-o", "json"]).with_token(cluster);
    if let Some(manifest) = manifest {
        probe = probe.arg("-f").arg(write(place, "manifest.yaml", &manifest.to_string()));
    }
    probe.run()
}

fn pod_spec(init_containers: Value) -> Value {
    json!({ "initContainers": init_containers,
        "containers": [{ "name": "main", "image": "localhost/main:1" }] })
}

fn sidecar(name: &str) -> Value {
    json!({ "name": name, "image": "localhost/mesh:1", "restartPolicy": "Always" })
}

fn pod(init_containers: Value) -> Value {
    json!({ "kind": "Pod", "apiVersion": "v1", "metadata": { "name": "web" },
        "spec": pod_spec(init_containers) })
}

/// The rule that a missing right is told by.
fn rule(resource: &str) -> Value {
    let (groups, resources, verbs) = ([""], [resource], ["create"]);
    json!({ "apiGroups": groups, "resources": resources, "verbs": verbs, "namespace": "default" })
}

#[test]
fn whatever_makes_pods() {
    let template = json!({ "spec": pod_spec(json!([sidecar("mesh")])) });
    let nightly = json!({ "kind": "CronJob", "apiVersion": "batch/v1",
        "metadata": { "name": "nightly", "namespace": "kube-system" },
        "spec": { "jobTemplate": { "spec": { "template": template } } } });
    let service = json!({ "kind": "Service", "apiVersion": "v1", "metadata": { "name": "web" } });
    let plain = json!({ "kind": "Pod", "apiVersion": "v1", "metadata": { "name": "plain" },
        "spec": { "containers": [{ "name": "main", "image": "localhost/main:1" }] } });
    let items = [&service, &plain, &nightly];
    let list = json!({ "kind": "List", "apiVersion": "v1", "items": items });
    for manifest in [nightly, list] {
        let place = Workplace::new();
        let cluster = FakeCluster::start(&place, "v1.36.3");
        let report = ask(&place, &cluster, Some(&manifest)).expect(0).json();
        assert_eq!(report["verdict"], "KEPT", "{report:#}");
        assert_eq!(report["subject"], "CronJob/nightly", "{report:#}");
        assert_eq!(report["containers"][0]["name"], "mesh", "{report:#}");
        // In the namespace that the manifest names.
        assert!(cluster.was_asked("/api/v1/namespaces/kube-system/pods?dryRun=All"));
        assert!(!cluster.was_asked(PODS));
        cluster.admission(Admission::Strip);
        let ended = ask(&place, &cluster, Some(&manifest)).expect(4);
        assert_eq!(ended.verdict(), "STRIPPED_BY_ADMISSION", "{ended:#?}");
    }
}

/// Only the field that is lost is said to be lost.
#[test]
fn each_sidecar_has_its_own_verdict() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    cluster.admission(Admission::Move);
    let before = json!({ "name": "before", "image": "localhost/before:1" });
    let manifest = pod(json!([before, sidecar("mesh"), sidecar("logs")]));
    let report = ask(&place, &cluster, Some(&manifest)).expect(4).json();
    assert_eq!(report["verdict"], "MOVED", "{report:#}");
    let containers = report["containers"].as_array().unwrap().iter();
    let verdicts = containers.map(|container| {
        let (name, moved_to) = (&container["name"], &container["movedTo"]);
        json!([name, container["verdict"], moved_to])
    });
    let expected = json!([["mesh", "MOVED", "before"], ["logs", "KEPT", null]]);
    assert_eq!(json!(verdicts.collect::<Vec<_>>()), expected, "{report:#}");
}

/// With a probe on it the pod is refused; who has the field now is told all the same.
#[test]
fn a_moved_field_is_found_behind_a_refused_probe() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    cluster.admission(Admission::Move);
    let mut probed = sidecar("mesh");
    probed["startupProbe"] = json!({ "httpGet": { "port": 15021, "path": "/healthz" } });
    let manifest = pod(json!([{ "name": "before", "image": "localhost/before:1" }, probed]));
    let report = ask(&place, &cluster, Some(&manifest)).expect(4).json();
    assert_eq!(report["verdict"], "MOVED", "{report:#}");
    assert_eq!(report["containers"][0]["movedTo"], "before", "{report:#}");
    let refused = report["answers"][0]["probesRefused"].as_str().unwrap();
    assert!(refused.contains("without restartPolicy=Always"), "{refused}");
}

#[test]
fn the_json_of_a_strip() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    cluster.admission(Admission::Strip);
    let report = ask(&place, &cluster, None).expect(4).json();
    let accepted = |resource: &str| {
        json!({ "resource": resource, "outcome": "accepted", "unknownField": false,
            "probesRefused": null })
    };
    let container = json!({ "name": "native-sidecar-probe", "verdict": "STRIPPED_BY_ADMISSION",
        "movedTo": null, "detail": "a PodTemplate keeps it" });
    let expected = json!({
        "schema": "native-sidecar-probe/dry-run/v1",
        "verdict": "STRIPPED_BY_ADMISSION",
        "subject": "canary",
        "namespace": "default",
        "apiserver": { "version": "v1.36.3" },
        "containers": [container],
        "answers": [accepted("pods"), accepted("podtemplates")],
        "remarks": [],
        "missingRules": [],
    });
    assert_eq!(report, expected);
    // 1.27 says by a warning that it does not know the field.
    let old = FakeCluster::start(&place, "v1.27.16");
    let report = ask(&place, &old, None).expect(4).json();
    assert_eq!(report["answers"][0]["unknownField"], true, "{report:#}");
    assert_eq!(report["answers"][1]["unknownField"], true, "{report:#}");
}

#[test]
fn who_refuses_is_named_with_its_kind() {
    for (admission, kind, name) in [
        (Admission::pod_security(), "PodSecurity", "restricted:latest"),
        (Admission::denied_by("deny.example.com", "no"), "webhook", "deny.example.com"),
        (Admission::policy("keep-native", "no"), "ValidatingAdmissionPolicy", "keep-native"),
    ] {
        let place = Workplace::new();
        let cluster = FakeCluster::start(&place, "v1.36.3");
        cluster.admission(admission);
        let report = ask(&place, &cluster, None).expect(5).json();
        let expected = json!({ "kind": kind, "name": name });
        assert_eq!(report["answers"][0]["rejectedBy"], expected, "{report:#}");
        // The control is refused as well, so the sidecar is not what it is about.
        let remarks = report["remarks"].to_string();
        assert!(remarks.contains("without its native sidecars is rejected too"), "{remarks}");
        assert_eq!(report["missingRules"], json!([]), "a policy is no missing right");
    }
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    cluster.admission(Admission::NoDryRun("side.example.com".to_owned()));
    let report = ask(&place, &cluster, None).expect(6).json();
    assert_eq!(report["answers"][0]["webhook"], "side.example.com", "{report:#}");
}

/// Without the PodTemplate's answer the version decides who lost it, where it can.
#[test]
fn half_an_answer_says_no_more_than_is_known() {
    for (version, verdict) in [
        ("v1.27.16", "DROPPED_BY_APISERVER"),
        ("v1.32.13", "LOST"),
        ("v1.36.3", "STRIPPED_BY_ADMISSION"),
    ] {
        let place = Workplace::new();
        let cluster = FakeCluster::start(&place, version);
        cluster.deny("POST", TEMPLATES).admission(Admission::Strip);
        let report = ask(&place, &cluster, None).expect(4).json();
        assert_eq!(report["verdict"], verdict, "{version}: {report:#}");
        assert_eq!(report["missingRules"], json!([rule("podtemplates")]), "{version}");
    }
    // The other half: pods may not be created, a PodTemplate shows what the API server does.
    for (gate, verdict, code) in
        [(Gate::Default, "FORBIDDEN", 6), (Gate::Off, "DROPPED_BY_APISERVER", 4)]
    {
        let place = Workplace::new();
        let cluster = FakeCluster::start_gated(&place, "v1.32.13", gate);
        cluster.deny("POST", PODS);
        let report = ask(&place, &cluster, None).expect(code).json();
        assert_eq!(report["verdict"], verdict, "{gate:?}: {report:#}");
        assert_eq!(report["missingRules"], json!([rule("pods")]), "{gate:?}");
    }
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    cluster.deny("POST", PODS).deny("POST", TEMPLATES);
    let report = ask(&place, &cluster, None).expect(6).json();
    assert_eq!(report["verdict"], "FORBIDDEN", "{report:#}");
    assert_eq!(report["missingRules"], json!([rule("pods"), rule("podtemplates")]));
}

/// From 1.33 on no API server drops the field, so somebody changes pod templates as well.
#[test]
fn what_both_lose_on_a_new_api_server_is_a_strip() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    cluster.admission(Admission::DropByApiServer);
    let ended = ask(&place, &cluster, None).expect(4);
    assert_eq!(ended.verdict(), "STRIPPED_BY_ADMISSION", "{ended:#?}");
    // Emulating 1.32 it is 1.32 that counts.
    cluster.emulate(32);
    let ended = ask(&place, &cluster, None).expect(4);
    assert_eq!(ended.verdict(), "DROPPED_BY_APISERVER", "{ended:#?}");
}

/// Every request reads, or says that it is a dry run.
#[test]
fn nothing_but_questions_is_sent() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    // With its control this is the longest conversation.
    cluster.admission(Admission::pod_security());
    ask(&place, &cluster, None).expect(5);
    let seen = cluster.seen();
    let sent: Vec<String> =
        seen.iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect();
    let query = "?dryRun=All&fieldValidation=Warn";
    let expected = [
        "GET /version".to_owned(),
        format!("POST {TEMPLATES}{query}"),
        format!("POST {PODS}{query}"),
        format!("POST {PODS}{query}"),
    ];
    assert_eq!(sent, expected);
}

#[test]
fn a_server_that_is_not_there() {
    let place = Workplace::new();
    for command in ["dry-run", "webhooks", "workloads", "crds"] {
        // The port is closed.
        let server = format!("http://{}", e2e::loopback::own_address());
        let arguments = [command, "-o", "json", "--server", &server];
        let ended = Probe::new(&place, &arguments).run().expect(7);
        assert_eq!(ended.verdict(), "UNREACHABLE", "{command}: {ended:#?}");
    }
}
