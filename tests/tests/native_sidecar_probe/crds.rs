//! `crds`: custom resources whose schema prunes the field.

use std::fs;

use e2e::kube_api::{DEFINITIONS, FakeCluster, Fault};
use e2e::workplace::Workplace;
use serde_json::{Value, json};

use crate::probe::{Ended, Probe};

fn ask(place: &Workplace, cluster: &FakeCluster) -> Ended {
    Probe::new(place, &["crds", "-o", "json"]).with_token(cluster).run()
}

/// A definition with a pod template whose init containers have these properties.
fn definition(group: &str, kind: &str, container: &Value) -> Value {
    let list = json!({ "type": "array", "items": { "type": "object", "properties": container } });
    let pod = json!({ "type": "object", "properties": { "spec": { "type": "object", "properties": {
        "containers": list, "initContainers": list } } } });
    let schema = json!({ "type": "object", "properties": { "spec": { "type": "object",
        "properties": { "driver": { "type": "object", "properties": { "template": pod } } } } } });
    json!({
        "kind": "CustomResourceDefinition", "apiVersion": "apiextensions.k8s.io/v1",
        "metadata": { "name": format!("{}s.{group}", kind.to_lowercase()) },
        "spec": { "group": group, "names": { "kind": kind }, "scope": "Namespaced",
            "versions": [{ "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": schema } }] },
    })
}

fn old() -> Value {
    json!({ "name": { "type": "string" }, "image": { "type": "string" } })
}

fn new() -> Value {
    json!({ "name": { "type": "string" }, "restartPolicy": { "type": "string" } })
}

#[test]
fn a_schema_without_the_field_prunes_it() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    assert_eq!(ask(&place, &cluster).expect(0).verdict(), "KEPT");
    cluster.object(DEFINITIONS, definition("good.io", "Fine", &new()));
    assert_eq!(ask(&place, &cluster).expect(0).verdict(), "KEPT");
    cluster.object(DEFINITIONS, definition("old.io", "Spark", &old()));
    let report = ask(&place, &cluster).expect(4).json();
    let pruning: Vec<&Value> =
        report["places"].as_array().unwrap().iter().filter(|p| p["prunes"] == true).collect();
    assert_eq!(pruning.len(), 1, "{report:#}");
    assert_eq!((&pruning[0]["kind"], &pruning[0]["group"]), (&json!("Spark"), &json!("old.io")));
    let path = pruning[0]["path"].as_str().unwrap();
    assert!(path.contains("driver") && path.contains("initContainers"), "{path}");
}

#[test]
fn unknown_fields_that_are_preserved_are_kept() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    let mut whole = definition("free.io", "Whole", &old());
    let schema = &mut whole["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    *schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let mut container = definition("free.io", "Container", &old());
    let list = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/driver/\
                properties/template/properties/spec/properties/initContainers/items";
    container.pointer_mut(list).unwrap()["x-kubernetes-preserve-unknown-fields"] = json!(true);
    cluster.object(DEFINITIONS, whole).object(DEFINITIONS, container);
    assert_eq!(ask(&place, &cluster).expect(0).verdict(), "KEPT");
}

#[test]
fn files_need_no_cluster() {
    let place = Workplace::new();
    let files = [("old.json", old()), ("new.json", new())].map(|(name, container)| {
        let file = place.path().join(name);
        fs::write(&file, definition("files.io", "Filed", &container).to_string()).unwrap();
        file
    });
    let ask = |file| Probe::new(&place, &["crds", "-o", "json", "-f"]).arg(file).run();
    assert_eq!(ask(&files[0]).expect(4).json()["places"][0]["group"], "files.io");
    ask(&files[1]).expect(0);
    Probe::new(&place, &["crds", "-f", "/no/such/file"]).run().expect(64);
}

#[test]
fn many_definitions_come_in_pages() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    for number in 0..600 {
        let group = format!("g{number}.io");
        cluster.object(DEFINITIONS, definition(&group, "Many", &new()));
    }
    cluster.expire_pages(1);
    let report = ask(&place, &cluster).expect(0).json();
    assert_eq!(report["definitions"], 600, "{:#}", report["remarks"]);
}

#[test]
fn missing_rights_and_lost_servers() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    cluster.deny("GET", DEFINITIONS);
    let ended = ask(&place, &cluster).expect(6);
    let rules = ended.json()["missingRules"].to_string();
    assert!(rules.contains("customresourcedefinitions"), "{ended:#?}");
    cluster.fault(DEFINITIONS, Fault::Reset);
    ask(&place, &cluster).expect(7);
}
