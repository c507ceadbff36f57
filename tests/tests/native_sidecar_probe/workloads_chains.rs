//! `workloads`: what is compared with what, and what is no finding at all.
//!
//! Owners change while their old pods live on, and kubelets kill sidecars at the end of every pod:
//! neither is a lost field. Each scenario has the certain case beside the one that is not.

use e2e::kube_api::FakeCluster;
use e2e::workplace::Workplace;
use serde_json::{Value, json};

use crate::probe::{Ended, Probe};

const PODS: &str = "/api/v1/pods";
const REVISION: &str = "deployment.kubernetes.io/revision";

fn ask(place: &Workplace, cluster: &FakeCluster, more: &[&str]) -> Ended {
    let mut arguments = vec!["workloads", "-o", "json"];
    arguments.extend(more);
    Probe::new(place, &arguments).with_token(cluster).run()
}

fn spec(is_native: bool) -> Value {
    let mut sidecar = json!({ "name": "mesh", "image": "localhost/mesh:1" });
    if is_native {
        sidecar["restartPolicy"] = json!("Always");
    }
    json!({ "nodeName": "n1", "initContainers": [sidecar],
        "containers": [{ "name": "main", "image": "localhost/main:1" }] })
}

/// `owner`: its apiVersion, kind and name.
fn object(kind: &str, name: &str, owner: Option<(&str, &str, &str)>) -> Value {
    let mut object = json!({ "kind": kind, "metadata": {
        "name": name, "namespace": "default", "uid": format!("uid-{name}") } });
    if let Some((version, kind, name)) = owner {
        object["metadata"]["ownerReferences"] = json!([{ "apiVersion": version, "kind": kind,
            "name": name, "uid": format!("uid-{name}"), "controller": true }]);
    }
    object
}

fn running(name: &str, owner: (&str, &str, &str), is_native: bool) -> Value {
    let mut pod = object("Pod", name, Some(owner));
    pod["spec"] = spec(is_native);
    pod["status"] = json!({ "phase": "Running" });
    pod
}

fn template(mut owner: Value, is_native: bool) -> Value {
    owner["spec"] = json!({ "template": { "spec": spec(is_native) } });
    owner
}

#[test]
fn a_deployment_is_compared_with_its_own_revision() {
    for (of_set, paused, verdict, code) in [
        (Some("7"), false, "STRIPPED", 4),
        (None, false, "UNKNOWN", 6),
        // It may be the field that waits for the end of the pause.
        (Some("7"), true, "UNKNOWN", 6),
    ] {
        let place = Workplace::new();
        let cluster = FakeCluster::start(&place, "v1.36.3");
        let mut deployment = template(object("Deployment", "web", None), true);
        deployment["metadata"]["annotations"] = json!({ REVISION: "7" });
        deployment["spec"]["paused"] = json!(paused);
        let owner = ("apps/v1", "Deployment", "web");
        let mut set = template(object("ReplicaSet", "web-1", Some(owner)), false);
        if let Some(revision) = of_set {
            set["metadata"]["annotations"] = json!({ REVISION: revision });
        }
        cluster.object("/apis/apps/v1/deployments", deployment);
        cluster.object("/apis/apps/v1/replicasets", set);
        cluster.object(PODS, running("web-1-a", ("apps/v1", "ReplicaSet", "web-1"), false));
        let report = ask(&place, &cluster, &[]).expect(code).json();
        assert_eq!(report["verdict"], verdict, "{report:#}");
        let drift = &report["drifts"][0];
        assert_eq!(
            (&drift["owner"], &drift["lostBy"]),
            (&json!("Deployment/web"), &json!("ReplicaSet"))
        );
        assert_eq!(drift["certain"], code == 4, "{report:#}");
        assert_eq!(drift["example"], "web-1-a", "{report:#}");
    }
}

/// The field was added since: its old pods are no finding.
#[test]
fn pods_of_an_older_revision_have_lost_nothing() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    let mut deployment = template(object("Deployment", "web", None), true);
    deployment["metadata"]["annotations"] = json!({ REVISION: "8" });
    let owner = ("apps/v1", "Deployment", "web");
    let mut set = template(object("ReplicaSet", "web-1", Some(owner)), false);
    set["metadata"]["annotations"] = json!({ REVISION: "7" });
    cluster.object("/apis/apps/v1/deployments", deployment);
    cluster.object("/apis/apps/v1/replicasets", set);
    cluster.object(PODS, running("web-1-a", ("apps/v1", "ReplicaSet", "web-1"), false));
    let report = ask(&place, &cluster, &[]).expect(0).json();
    assert_eq!((&report["verdict"], &report["drifts"]), (&json!("KEPT"), &json!([])));
}

#[test]
fn stateful_sets_daemon_sets_and_cron_jobs() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    let mut database = template(object("StatefulSet", "db", None), true);
    database["status"] = json!({ "updateRevision": "db-2" });
    cluster.object("/apis/apps/v1/statefulsets", database);
    for (name, revision) in [("db-0", "db-2"), ("db-1", "db-1")] {
        let mut pod = running(name, ("apps/v1", "StatefulSet", "db"), false);
        pod["metadata"]["labels"] = json!({ "controller-revision-hash": revision });
        cluster.object(PODS, pod);
    }
    let mut agents = template(object("DaemonSet", "agents", None), true);
    agents["metadata"]["annotations"] = json!({ "deprecated.daemonset.template.generation": "3" });
    cluster.object("/apis/apps/v1/daemonsets", agents);
    for (name, generation) in [("agents-a", "3"), ("agents-b", "2")] {
        let mut pod = running(name, ("apps/v1", "DaemonSet", "agents"), false);
        pod["metadata"]["labels"] = json!({ "pod-template-generation": generation });
        cluster.object(PODS, pod);
    }
    let mut nightly = object("CronJob", "nightly", None);
    nightly["spec"] = json!({ "jobTemplate": { "spec": { "template": { "spec": spec(true) } } } });
    cluster.object("/apis/batch/v1/cronjobs", nightly);
    let owner = ("batch/v1", "CronJob", "nightly");
    cluster.object("/apis/batch/v1/jobs", template(object("Job", "nightly-1", Some(owner)), true));
    cluster.object(PODS, running("nightly-1-a", ("batch/v1", "Job", "nightly-1"), false));
    let report = ask(&place, &cluster, &[]).expect(4).json();
    let drifts = report["drifts"].as_array().unwrap().iter();
    let found = drifts
        .map(|drift| json!([drift["owner"], drift["example"], drift["pods"], drift["certain"]]));
    // The pods of older revisions, db-1 and agents-b, are not among them.
    let expected = json!([
        ["DaemonSet/agents", "agents-a", 1, true],
        ["Job/nightly-1", "nightly-1-a", 1, true],
        ["StatefulSet/db", "db-0", 1, true],
    ]);
    assert_eq!(json!(found.collect::<Vec<_>>()), expected, "{report:#}");
}

/// As recorded: a sidecar ends after its pod's main container, by SIGTERM or by SIGKILL.
#[test]
fn how_a_sidecar_ends_is_no_failure() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    let owner = ("batch/v1", "Job", "once");
    cluster.object("/apis/batch/v1/jobs", template(object("Job", "once", None), true));
    for (code, phase) in [(137, "Succeeded"), (143, "Succeeded"), (143, "Failed"), (137, "Running")]
    {
        let mut pod = running(&format!("once-{code}-{phase}"), owner, true);
        pod["status"] = json!({ "phase": phase, "initContainerStatuses": [{
            "name": "mesh", "ready": false, "started": false, "restartCount": 1,
            "state": { "terminated": { "exitCode": code, "reason": "Error" } } }] });
        cluster.object(PODS, pod);
    }
    let report = ask(&place, &cluster, &[]).expect(0).json();
    assert_eq!((&report["verdict"], &report["pods"]), (&json!("KEPT"), &json!(4)), "{report:#}");
    assert_eq!((&report["stuck"], &report["drifts"]), (&json!([]), &json!([])), "{report:#}");
}

/// A pod that waits in Init is stuck only after a time, and only if something speaks for a sidecar.
#[test]
fn a_long_migration_is_not_stuck() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.27.16");
    let hanging = |name: &str, container: &str| {
        let mut pod = object("Pod", name, None);
        let init = json!([{ "name": container, "image": "localhost/init:1" }]);
        pod["spec"] = json!({ "initContainers": init,
            "containers": [{ "name": "main", "image": "localhost/main:1" }] });
        let state = json!({ "running": { "startedAt": "2026-01-01T00:00:00Z" } });
        pod["status"] = json!({ "phase": "Pending", "initContainerStatuses": [{
            "name": container, "ready": false, "started": true, "state": state }] });
        pod
    };
    cluster.object(PODS, hanging("upgrade", "migrate"));
    let report = ask(&place, &cluster, &[]).expect(0).json();
    assert_eq!(report["stuck"], json!([]), "{report:#}");
    cluster.object(PODS, hanging("web", "istio-proxy"));
    let report = ask(&place, &cluster, &[]).expect(6).json();
    assert_eq!(report["stuck"][0]["pod"], "web", "{report:#}");
    assert_eq!(report["stuck"][0]["trouble"], "endless", "{report:#}");
    let patient = ask(&place, &cluster, &["--stuck-after", "500000h"]).expect(0).json();
    assert_eq!(patient["stuck"], json!([]), "{patient:#}");
    ask(&place, &cluster, &["--stuck-after", "soon"]).expect(64);
}

#[test]
fn tables_name_the_step_and_the_pod() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    cluster.object("/apis/batch/v1/jobs", template(object("Job", "once", None), true));
    cluster.object(PODS, running("once-a", ("batch/v1", "Job", "once"), false));
    let ended = Probe::new(&place, &["workloads"]).proxied(&cluster).run().expect(4);
    for word in ["Job/once", "mesh", "once-a", "restartPolicy is gone", "STRIPPED"] {
        assert!(ended.stdout.contains(word), "{word}: {ended:#?}");
    }
}
