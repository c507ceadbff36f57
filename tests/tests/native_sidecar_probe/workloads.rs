//! `workloads`: live pods that lost the field on the way from their owner, and pods that hang.

use e2e::kube_api::{FakeCluster, Fault};
use e2e::workplace::Workplace;
use serde_json::{Value, json};

use crate::probe::{Ended, Probe};

const PODS: &str = "/api/v1/pods";
const REPLICA_SETS: &str = "/apis/apps/v1/replicasets";
const DEPLOYMENTS: &str = "/apis/apps/v1/deployments";

fn ask(place: &Workplace, cluster: &FakeCluster, more: &[&str]) -> Ended {
    let mut arguments = vec!["workloads", "-o", "json"];
    arguments.extend(more);
    Probe::new(place, &arguments).with_token(cluster).run()
}

fn spec(policy: Option<&str>) -> Value {
    let mut sidecar = json!({ "name": "mesh", "image": "localhost/mesh:1" });
    if let Some(policy) = policy {
        sidecar["restartPolicy"] = json!(policy);
    }
    json!({ "nodeName": "n1", "initContainers": [sidecar],
        "containers": [{ "name": "main", "image": "localhost/main:1" }] })
}

fn object(kind: &str, name: &str, owner: Option<(&str, &str, &str)>) -> Value {
    let mut object = json!({ "kind": kind, "apiVersion": "v1", "metadata": {
        "name": name, "namespace": "default", "uid": format!("uid-{name}") } });
    if let Some((version, kind, name)) = owner {
        object["metadata"]["ownerReferences"] = json!([{ "apiVersion": version, "kind": kind,
            "name": name, "uid": format!("uid-{name}"), "controller": true }]);
    }
    object
}

fn replica_set(cluster: &FakeCluster, name: &str, policy: Option<&str>) {
    let mut set = object("ReplicaSet", name, Some(("apps/v1", "Deployment", "web")));
    set["spec"] = json!({ "template": { "spec": spec(policy) } });
    cluster.object(REPLICA_SETS, set);
}

fn deployment(cluster: &FakeCluster, policy: Option<&str>) {
    let mut deployment = object("Deployment", "web", None);
    deployment["spec"] = json!({ "template": { "spec": spec(policy) } });
    cluster.object(DEPLOYMENTS, deployment);
}

fn pod(name: &str, set: &str, policy: Option<&str>) -> Value {
    let mut pod = object("Pod", name, Some(("apps/v1", "ReplicaSet", set)));
    pod["spec"] = spec(policy);
    pod["status"] = json!({ "phase": "Running" });
    pod
}

/// As recorded of a sidecar that an old kubelet, or a lost field, makes a plain init container.
fn hanging(mut pod: Value, started: Value) -> Value {
    pod["status"] = json!({ "phase": "Pending", "initContainerStatuses": [{
        "name": "mesh", "ready": false, "restartCount": 0, "started": started,
        "state": { "running": { "startedAt": "2026-11-22T06:35:40Z" } } }] });
    pod
}

#[test]
fn pods_that_keep_it() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    assert_eq!(ask(&place, &cluster, &[]).expect(0).verdict(), "KEPT", "no pods at all");
    deployment(&cluster, Some("Always"));
    replica_set(&cluster, "web-1", Some("Always"));
    cluster.object(PODS, pod("web-1-a", "web-1", Some("Always")));
    let ended = ask(&place, &cluster, &[]).expect(0);
    assert_eq!((ended.verdict().as_str(), &ended.json()["pods"]), ("KEPT", &json!(1)));
}

/// The step that lost it is named: from the ReplicaSet to the pod, or from the Deployment.
#[test]
fn the_step_that_lost_it() {
    for (of_set, lost_by) in [(Some("Always"), "Pod"), (None, "ReplicaSet")] {
        let place = Workplace::new();
        let cluster = FakeCluster::start(&place, "v1.36.3");
        deployment(&cluster, Some("Always"));
        replica_set(&cluster, "web-1", of_set);
        for name in ["web-1-a", "web-1-b"] {
            cluster.object(PODS, pod(name, "web-1", None));
        }
        let ended = ask(&place, &cluster, &[]);
        let report = ended.json();
        let drift = &report["drifts"][0];
        assert!(drift["lostBy"].as_str().unwrap().starts_with(lost_by), "{report:#}");
        assert_eq!(drift["container"], "mesh");
        assert_eq!(drift["pods"], 2, "{report:#}");
        assert!([4, 6].contains(&ended.code), "{report:#}");
    }
}

#[test]
fn pods_that_hang_because_of_it() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.32.13");
    deployment(&cluster, Some("Always"));
    replica_set(&cluster, "web-1", Some("Always"));
    // API server 1.32, kubelet 1.27.
    let ignored = hanging(pod("ignored", "web-1", Some("Always")), Value::Null);
    let mut refused = pod("refused", "web-1", Some("Always"));
    refused["status"] = json!({ "phase": "Failed", "reason": "InitContainerRestartPolicyForbidden",
        "message": "Pod was rejected: Init container \"mesh\" may not have a non-default \
                    restartPolicy" });
    cluster.object(PODS, ignored).object(PODS, refused);
    let report = ask(&place, &cluster, &[]).expect(2).json();
    let trouble = |name: &str| {
        let stuck = report["stuck"].as_array().unwrap().iter();
        stuck.clone().find(|stuck| stuck["pod"] == name).unwrap()["trouble"].clone()
    };
    assert_eq!(trouble("ignored"), "ignored", "{report:#}");
    assert_eq!(trouble("refused"), "refused", "{report:#}");
    // Gate off at the API server: the field is gone and the pod hangs.
    cluster.object(PODS, hanging(pod("endless", "web-1", None), json!(true)));
    let ended = ask(&place, &cluster, &[]).expect(4);
    assert!(ended.stdout.contains("endless"), "{ended:#?}");
}

#[test]
fn the_kinds_of_others_are_followed() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    let mut rollout = object("Rollout", "web", None);
    rollout["spec"] = json!({ "template": { "spec": spec(Some("Always")) } });
    cluster.object("/apis/argoproj.io/v1alpha1/rollouts", rollout);
    let mut set = object("ReplicaSet", "web-1", Some(("argoproj.io/v1alpha1", "Rollout", "web")));
    set["spec"] = json!({ "template": { "spec": spec(None) } });
    cluster.object(REPLICA_SETS, set);
    cluster.object(PODS, pod("web-1-a", "web-1", None));
    let ended = ask(&place, &cluster, &[]);
    assert!(ended.stdout.contains("Rollout/web"), "{ended:#?}");
    assert_ne!(ended.code, 0);
}

#[test]
fn what_may_not_be_read_is_said() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    replica_set(&cluster, "web-1", Some("Always"));
    cluster.object(PODS, pod("web-1-a", "web-1", None));
    cluster.deny("GET", REPLICA_SETS);
    let ended = ask(&place, &cluster, &[]).expect(6);
    let rules = ended.json()["missingRules"].to_string();
    assert!(rules.contains("replicasets"), "{ended:#?}");
    cluster.deny("GET", PODS);
    let ended = ask(&place, &cluster, &[]).expect(6);
    assert!(ended.json()["missingRules"].to_string().contains("\"pods\""), "{ended:#?}");
    cluster.fault(PODS, Fault::Reset);
    ask(&place, &cluster, &[]).expect(7);
}

#[test]
fn a_namespace_is_enough() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    deployment(&cluster, Some("Always"));
    replica_set(&cluster, "web-1", Some("Always"));
    cluster.object(PODS, pod("web-1-a", "web-1", None));
    // A role of this namespace alone.
    cluster.deny("GET", PODS).deny("GET", REPLICA_SETS).deny("GET", DEPLOYMENTS);
    let ended = ask(&place, &cluster, &["--namespace", "default"]).expect(4);
    assert_eq!(ended.json()["drifts"][0]["pods"], 1, "{ended:#?}");
    assert!(ask(&place, &cluster, &["--namespace", "kube-system"]).expect(0).code == 0);
}
