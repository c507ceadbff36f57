//! `webhooks`: the very operation that took the field, from a replay or from an audit log.
//!
//! Beside who it was: services reached by their cluster address, a second round for those that
//! want one, and selectors that the right to read a namespace would be needed for.

use std::fs;

use e2e::kube_api::{Conduct, FakeCluster, FakeWebhook, MUTATING_WEBHOOKS};
use e2e::workplace::Workplace;
use serde_json::{Value, json};

use crate::probe::{Ended, Probe};

const MESH: &str = "mesh.example.com";

/// Asks about a pod whose first init container is its sidecar, which is where a bad patch strikes.
fn replay(place: &Workplace, cluster: &FakeCluster, more: &[&str]) -> Ended {
    let file = place.path().join("pod.json");
    fs::write(&file, pod().to_string()).unwrap();
    let mut arguments = vec!["webhooks", "-o", "json", "--replay"];
    arguments.extend(more);
    Probe::new(place, &arguments).with_token(cluster).arg("-f").arg(file).run()
}

fn pod() -> Value {
    let sidecar = json!({ "name": "mesh", "image": "localhost/mesh:1", "restartPolicy": "Always" });
    json!({ "kind": "Pod", "apiVersion": "v1", "metadata": { "name": "web-1" },
        "spec": { "initContainers": [sidecar],
            "containers": [{ "name": "main", "image": "localhost/main:1" }] } })
}

fn cluster_with(place: &Workplace, configurations: &[Value]) -> FakeCluster {
    let cluster = FakeCluster::start(place, "v1.36.3");
    for configuration in configurations {
        cluster.object(MUTATING_WEBHOOKS, configuration.clone());
    }
    cluster
}

#[test]
fn the_operation_is_named() {
    let field = "/spec/initContainers/0/restartPolicy";
    for (conduct, index, op, path) in [
        (Conduct::Remove, 0, "remove", field),
        (Conduct::ReplaceList, 0, "replace", "/spec/initContainers"),
        (Conduct::Move, 1, "move", field),
    ] {
        let place = Workplace::new();
        let hook = FakeWebhook::start(&place, MESH, conduct.clone());
        let cluster = cluster_with(&place, &[hook.configuration()]);
        let report = replay(&place, &cluster, &[]).expect(4).json();
        assert_eq!(report["verdict"], "STRIPPED_BY_ADMISSION", "{report:#}");
        let loss = &report["replay"][0]["losses"][0];
        assert_eq!(loss["container"], "mesh", "{conduct:?}: {report:#}");
        assert_eq!(loss["operationIndex"], index, "{conduct:?}: {report:#}");
        let operation = &loss["operation"];
        assert_eq!((&operation["op"], &operation["path"]), (&json!(op), &json!(path)));
        // Who has it now was put there by the same patch, so it has moved nowhere.
        assert_eq!(loss["movedTo"], Value::Null, "{conduct:?}: {report:#}");
        let arguments = ["webhooks", "--replay", "-f"];
        let file = place.path().join("pod.json");
        let table = Probe::new(&place, &arguments).arg(file).with_token(&cluster).run().expect(4);
        assert!(table.stdout.contains(op) && table.stdout.contains(path), "{table:#?}");
        assert!(table.stdout.contains(MESH), "{table:#?}");
    }
}

/// A patch by index, made for another order of the containers.
#[test]
fn a_field_that_lands_on_the_neighbour() {
    let place = Workplace::new();
    let injected = json!({ "name": "injected", "image": "localhost/injected:1" });
    let inject = json!([{ "op": "add", "path": "/spec/initContainers/0", "value": injected }]);
    let first = FakeWebhook::start(&place, "a-injector.example.com", Conduct::Patch(inject));
    let shift = json!([
        { "op": "add", "path": "/spec/initContainers/0/restartPolicy", "value": "Always" },
        { "op": "remove", "path": "/spec/initContainers/1/restartPolicy" },
    ]);
    let second = FakeWebhook::start(&place, "b-shift.example.com", Conduct::Patch(shift));
    let cluster = cluster_with(&place, &[first.configuration(), second.configuration()]);
    let report = replay(&place, &cluster, &[]).expect(4).json();
    assert_eq!(report["replay"][0]["losses"], json!([]), "{report:#}");
    let loss = &report["replay"][1]["losses"][0];
    assert_eq!(loss["movedTo"], "injected", "{report:#}");
    assert_eq!((&loss["container"], &loss["operationIndex"]), (&json!("mesh"), &json!(1)));
}

/// As with a patch that takes it and gives it back: the pod that would be stored has it.
#[test]
fn what_a_later_webhook_puts_back_is_not_lost() {
    let place = Workplace::new();
    let field = "/spec/initContainers/0/restartPolicy";
    let strip = FakeWebhook::start(&place, "a-strip.example.com", Conduct::Remove);
    let mend = Conduct::Patch(json!([{ "op": "add", "path": field, "value": "Always" }]));
    let mend = FakeWebhook::start(&place, "b-mend.example.com", mend);
    let cluster = cluster_with(&place, &[strip.configuration(), mend.configuration()]);
    let report = replay(&place, &cluster, &[]).expect(0).json();
    assert_eq!(report["verdict"], "KEPT", "{report:#}");
    let loss = &report["replay"][0]["losses"][0];
    assert_eq!((&loss["container"], &loss["mended"]), (&json!("mesh"), &json!(true)), "{report:#}");
}

#[test]
fn a_service_is_asked_with_its_own_name() {
    let place = Workplace::new();
    let hook = FakeWebhook::start(&place, MESH, Conduct::Remove);
    let cluster = cluster_with(&place, &[hook.service_configuration()]);
    let detour = format!("{MESH}={}", hook.address());
    let report = replay(&place, &cluster, &["--connect-to", &detour]).expect(4).json();
    assert_eq!(report["replay"][0]["losses"][0]["container"], "mesh", "{report:#}");
    // In the cluster its address is known.
    let mut configuration = hook.service_configuration();
    configuration["webhooks"][0]["clientConfig"]["service"]["port"] = json!(hook.address().port());
    let cluster = cluster_with(&place, &[configuration]);
    let service = json!({ "kind": "Service", "apiVersion": "v1",
        "metadata": { "name": "mesh", "namespace": "hooks" },
        "spec": { "clusterIP": hook.address().ip().to_string() } });
    cluster.object("/api/v1/services", service);
    replay(&place, &cluster, &[]).expect(4);
    assert_eq!(hook.reviews().len(), 2);
}

/// Another address does not make another certificate good.
#[test]
fn a_detour_to_a_stranger_is_refused() {
    let place = Workplace::new();
    let hook = FakeWebhook::start(&place, MESH, Conduct::Keep);
    let stranger = FakeWebhook::start(&place, "stranger.example.com", Conduct::Keep);
    let cluster = cluster_with(&place, &[hook.service_configuration()]);
    let detour = format!("{MESH}={}", stranger.address());
    let report = replay(&place, &cluster, &["--connect-to", &detour]).expect(6).json();
    let answer = report["replay"][0]["answer"].as_str().unwrap();
    assert!(answer.starts_with("failed: "), "{report:#}");
    assert!(stranger.reviews().is_empty(), "{report:#}");
    replay(&place, &cluster, &["--connect-to", "mesh"]).expect(64);
}

/// One that wants to see later changes is asked again, once; the others are not.
#[test]
fn a_second_round_for_those_who_want_it() {
    for (policy, reviews) in [("IfNeeded", 2), ("Never", 1)] {
        let place = Workplace::new();
        let first = FakeWebhook::start(&place, "a-first.example.com", Conduct::Keep);
        let later = FakeWebhook::start(&place, "b-later.example.com", Conduct::Label);
        let mut configuration = first.configuration();
        configuration["webhooks"][0]["reinvocationPolicy"] = json!(policy);
        let cluster = cluster_with(&place, &[configuration, later.configuration()]);
        let report = replay(&place, &cluster, &[]).expect(0).json();
        assert_eq!(first.reviews().len(), reviews, "{policy}: {report:#}");
        assert_eq!(later.reviews().len(), 1, "{policy}: {report:#}");
        let last = first.reviews().pop().unwrap();
        let seen = &last["request"]["object"]["metadata"]["annotations"]["seen"];
        assert_eq!(seen.is_string(), reviews == 2, "{policy}: {last:#}");
    }
}

/// The API server asks nobody after a denial.
#[test]
fn a_denial_ends_the_replay() {
    let place = Workplace::new();
    let deny = Conduct::Deny("not today".to_owned());
    let first = FakeWebhook::start(&place, "a-deny.example.com", deny);
    let later = FakeWebhook::start(&place, "b-later.example.com", Conduct::Remove);
    let cluster = cluster_with(&place, &[first.configuration(), later.configuration()]);
    let ended = replay(&place, &cluster, &[]).expect(5);
    assert_eq!(ended.verdict(), "REJECTED_BY_POLICY", "{ended:#?}");
    assert!(later.reviews().is_empty(), "{ended:#?}");
}

/// Who may not read the namespace is not told that its webhooks do not match.
#[test]
fn selectors_without_the_right_to_read_the_namespace() {
    let place = Workplace::new();
    let hook = FakeWebhook::start(&place, MESH, Conduct::Remove);
    let mut configuration = hook.configuration();
    configuration["webhooks"][0]["namespaceSelector"] =
        json!({ "matchLabels": { "inject": "yes" } });
    let cluster = cluster_with(&place, &[configuration]);
    let report = replay(&place, &cluster, &[]).expect(0).json();
    assert_eq!(report["webhooks"], json!([]), "{report:#}");
    cluster.deny("GET", "/api/v1/namespaces");
    let report = replay(&place, &cluster, &[]).expect(4).json();
    assert_eq!(report["webhooks"][0]["called"], "perhaps", "{report:#}");
    assert_eq!(report["replay"][0]["certain"], false, "{report:#}");
    assert_eq!(report["missingRules"][0]["resources"], json!(["namespaces"]), "{report:#}");
}

/// An event of a pod that webhooks changed, as the level Request or Metadata has it.
fn event(name: &str, patch: Option<&Value>) -> String {
    let call = json!({ "configuration": "mesh", "webhook": MESH, "mutated": true });
    let key = |kind: &str| format!("{kind}.webhook.admission.k8s.io/round_0_index_0");
    let mut event = json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "stage": "ResponseComplete",
        "verb": "create", "requestURI": "/api/v1/namespaces/default/pods",
        "objectRef": { "resource": "pods", "namespace": "default", "name": name },
        "annotations": { key("mutation"): call.to_string() },
    });
    if let Some(patch) = patch {
        let patch = json!({ "configuration": "mesh", "webhook": MESH, "patch": patch,
            "patchType": "JSONPatch" });
        event["annotations"][key("patch")] = json!(patch.to_string());
        event["requestObject"] = pod();
    }
    format!("{event}\n")
}

#[test]
fn an_audit_log_tells_as_much_as_its_level() {
    let place = Workplace::new();
    let log = place.path().join("audit.log");
    let read = |text: &str| {
        fs::write(&log, text).unwrap();
        Probe::new(&place, &["webhooks", "-o", "json", "--audit"]).arg(&log).run()
    };
    let removal = json!([
        { "op": "add", "path": "/metadata/labels", "value": {} },
        { "op": "remove", "path": "/spec/initContainers/0/restartPolicy" },
    ]);
    let harmless = json!([{ "op": "add", "path": "/metadata/labels", "value": {} }]);
    let bad = event("web-1", Some(&removal)) + &event("web-2", Some(&removal));
    let report = read(&(bad + &event("web-3", Some(&harmless)))).expect(4).json();
    let culprit = json!({ "webhook": MESH, "configuration": "mesh", "container": "mesh",
        "operation": "remove /spec/initContainers/0/restartPolicy", "pods": 2,
        "example": "default/web-1" });
    assert_eq!(report["culprits"], json!([culprit]), "{report:#}");
    assert_eq!(report["pods"], 3, "{report:#}");
    // At the level Metadata nobody can tell, and that is not the same as nothing.
    let report = read(&event("web-1", None)).expect(6).json();
    assert_eq!(report["withoutPatch"], json!({ MESH: 1 }), "{report:#}");
    let report = read(&event("web-1", Some(&harmless))).expect(0).json();
    assert_eq!(report["culprits"], json!([]), "{report:#}");
    // Nor can anybody tell of what is not there.
    read("").expect(6);
    read("klog: no audit log\n").expect(6);
    let unknown: Value = serde_json::from_str(&event("web-1", None)).unwrap();
    let lines = event("web-1", Some(&removal));
    let list = json!({ "kind": "EventList", "items": [unknown, lines.parse::<Value>().unwrap()] });
    for text in [list.to_string(), format!("{list:#}\n"), format!("{}\n", list["items"][1])] {
        assert_eq!(read(&text).expect(4).json()["culprits"][0]["pods"], 1, "{text}");
    }
    // The API server drops the request from an event that is too large for its backend.
    let replaced = json!([{ "op": "replace", "path": "/spec/initContainers", "value": [] }]);
    let mut cut: Value = event("web-1", Some(&replaced)).parse().unwrap();
    cut.as_object_mut().unwrap().remove("requestObject");
    let report = read(&format!("{cut}\n")).expect(6).json();
    assert_eq!(report["withoutPatch"], json!({ MESH: 1 }), "{report:#}");
}
