//! `crds`: versions of one definition, and definitions in files beside other things.
//!
//! A version that nobody can write prunes nothing, and an older definition without pruning keeps
//! what its schema does not have; a live cluster and a file must agree on both.

use e2e::kube_api::{DEFINITIONS, FakeCluster};
use e2e::workplace::Workplace;
use serde_json::{Value, json};

use crate::probe::{Ended, Probe, write};

/// The schema of a pod template, with or without the field.
fn schema(has_field: bool) -> Value {
    let mut properties = json!({ "name": { "type": "string" } });
    if has_field {
        properties["restartPolicy"] = json!({ "type": "string" });
    }
    let list = json!({ "type": "array", "items": { "type": "object", "properties": properties } });
    let pod = json!({ "properties": { "containers": list, "initContainers": list } });
    json!({ "type": "object", "properties": { "spec": { "properties": { "template": {
        "properties": { "spec": pod } } } } } })
}

/// A version: its name, whether it is served and stored, whether it has the field.
fn version(name: &str, is_used: bool, has_field: bool) -> Value {
    json!({ "name": name, "served": is_used, "storage": is_used,
        "schema": { "openAPIV3Schema": schema(has_field) } })
}

fn definition(versions: &[Value]) -> Value {
    json!({ "kind": "CustomResourceDefinition", "apiVersion": "apiextensions.k8s.io/v1",
        "metadata": { "name": "workers.example.com" },
        "spec": { "group": "example.com", "names": { "kind": "Worker" }, "scope": "Namespaced",
            "versions": versions } })
}

/// The same definition asked of a cluster and read from a file.
fn both(definition: &Value, code: i32) -> Value {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    cluster.object(DEFINITIONS, definition.clone());
    let live = Probe::new(&place, &["crds", "-o", "json"]).with_token(&cluster).run();
    let live = live.expect(code).json();
    let file = write(&place, "crd.json", &definition.to_string());
    assert_eq!(of_file(&place, &file.to_string_lossy()).expect(code).json(), live);
    live
}

fn of_file(place: &Workplace, files: &str) -> Ended {
    Probe::new(place, &["crds", "-o", "json", "-f", files]).run()
}

#[test]
fn each_version_counts_for_itself() {
    let report =
        both(&definition(&[version("v1", true, true), version("v1beta1", true, false)]), 4);
    let places = report["places"].as_array().unwrap().iter();
    let found = places.map(|place| json!([place["version"], place["prunes"], place["inUse"]]));
    let expected = json!([["v1", false, true], ["v1beta1", true, true]]);
    assert_eq!(json!(found.collect::<Vec<_>>()), expected, "{report:#}");
    assert_eq!(report["verdict"], "PRUNED");
    assert_eq!(report["places"][1]["path"], ".spec.template.spec.initContainers");
}

#[test]
fn a_version_that_nobody_can_write_prunes_nothing() {
    let report =
        both(&definition(&[version("v1", true, true), version("v1alpha1", false, false)]), 0);
    assert_eq!(report["verdict"], "KEPT", "{report:#}");
    assert_eq!(report["places"][1]["inUse"], false, "{report:#}");
}

#[test]
fn a_definition_without_pruning_keeps_everything() {
    let mut definition = definition(&[version("v1", true, false)]);
    definition["spec"]["preserveUnknownFields"] = json!(true);
    assert_eq!(both(&definition, 0)["verdict"], "KEPT");
}

/// Several files, several documents, and what stands between them.
#[test]
fn definitions_among_other_things() {
    let place = Workplace::new();
    let good = definition(&[version("v1", true, true)]);
    let bad = definition(&[version("v1", true, false)]);
    let write =
        |name: &str, text: String| write(&place, name, &text).to_string_lossy().into_owned();
    let first = write("first.yaml", format!("kind: Service\napiVersion: v1\n---\n{good}\n"));
    let list = json!({ "kind": "List", "apiVersion": "v1", "items": [good, bad] });
    let second = write("second.yaml", format!("---\n---\n{list}\n"));
    of_file(&place, &first).expect(0);
    let report = of_file(&place, &format!("{first},{second}")).expect(4).json();
    assert_eq!(report["definitions"], 3, "{report:#}");
    // Every file that cannot be read is told, and nothing is said about the others.
    let broken = write("broken.yaml", "kind: [".to_owned());
    let ended = of_file(&place, &format!("{second},{broken},/no/such/file")).expect(64);
    assert!(ended.stdout.is_empty(), "{ended:#?}");
    for name in ["broken.yaml", "/no/such/file"] {
        assert!(ended.stderr.contains(name), "{ended:#?}");
    }
}
