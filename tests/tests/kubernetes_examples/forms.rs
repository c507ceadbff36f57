//! The two forms of a pattern: what runs in podman says something about the other one as well.

use serde_json::Value;

use crate::assert_none;
use crate::example::{self, Example, Pod};

/// Patterns that have one form only, and why.
const ONE_FORM: [(&str, &str); 3] = [
    ("node-logs", "its log-shipper is the main container"),
    ("universal", "it is both"),
    ("wait-for", "an init container that ends is the same everywhere"),
];
/// Fields that differ because the place does.
const OF_THE_PLACE: [&str; 3] = ["restartPolicy", "startupProbe", "readinessProbe"];

#[test]
fn the_two_forms_differ_in_the_place_of_the_sidecars() {
    let mut places = Vec::new();
    for pattern in example::patterns() {
        if ONE_FORM.iter().any(|(name, _why)| *name == pattern) {
            continue;
        }
        let [native, ordinary] =
            ["native", "ordinary"].map(|form| Example::read(&format!("{pattern}/{form}.yaml")));
        if sidecars(&native.pod()) != sidecars(&ordinary.pod()) {
            places.push(format!("{pattern}: sidecars"));
        }
        let count = |example: &Example, is_native: bool| {
            let sidecars = example.pod().sidecars();
            sidecars.iter().filter(|it| it.is_native_sidecar() == is_native).count()
        };
        if count(&native, false) + count(&ordinary, true) > 0 {
            places.push(format!("{pattern}: a sidecar in the other form's place"));
        }
        if others(&native) != others(&ordinary) {
            places.push(format!("{pattern}: other objects"));
        }
    }
    assert_none("native.yaml and ordinary.yaml", &places);
}

#[test]
fn patterns_with_one_form_have_no_other() {
    for (pattern, _why) in ONE_FORM {
        let forms = ["native.yaml", "ordinary.yaml"]
            .map(|name| example::folder().join(pattern).join(name).exists());
        assert_ne!(forms, [true, true], "{pattern} has two forms now");
    }
}

/// In the order of their names, without what differs by the place.
fn sidecars(pod: &Pod<'_>) -> Vec<Value> {
    let mut all = pod.sidecars();
    all.sort_by_key(|sidecar| sidecar.name);
    let stripped = all.into_iter().map(|sidecar| {
        let mut value = sidecar.value.clone();
        let fields = value.as_object_mut().unwrap();
        for field in OF_THE_PLACE {
            fields.remove(field);
        }
        value
    });
    stripped.collect()
}

/// Objects without pods, and what the pods of both forms have besides containers.
fn others(example: &Example) -> (Vec<&Value>, &Value) {
    let plain = example.documents.iter().filter(|it| manifest::templates(it).is_empty());
    (plain.collect(), example.pod().metadata)
}
