//! Which operation of a patch takes restartPolicy from a native sidecar.
//!
//! In go the pod before a patch and the patch, out come the pod after it and what each sidecar
//! lost, with the operation that did it. A patch may rewrite a list on its way, so an operation is
//! blamed only for what is still lost at the end: the last one before which the sidecar was whole
//! and after which it was not. Sidecars that an earlier webhook injected count like the pod's own.
//!
//! A patch out of an audit log was made for a pod that plugins of the API server had changed too.
//! There only the operations on containers as such are applied, and one that does not fit is
//! passed over.

use serde_json::Value;

use super::patch;
use crate::comparison::{self, Fate};

/// A sidecar that a patch took the field from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Loss {
    pub(crate) container: String,
    pub(crate) fate: Fate,
    /// Of the operation in the patch, from 0, and the operation itself.
    pub(crate) index: usize,
    pub(crate) operation: Value,
    /// A later webhook gave it back. Known at the end of a chain only.
    pub(crate) is_mended: bool,
}

/// How far a pod is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fidelity {
    /// It is the pod that the patch was made for: every operation must apply.
    Exact,
    /// It is as the client sent it.
    AsSent,
}

/// Applies `operations` to `pod` and finds the losses.
///
/// # Errors
/// An operation that does not apply, if the pod is exact; the pod is then as it was.
pub(crate) fn apply(
    pod: &mut Value,
    operations: &[Value],
    fidelity: Fidelity,
) -> Result<Vec<Loss>, patch::PatchError> {
    let before = pod["spec"].clone();
    let mut now = pod.clone();
    // The last operation after which each sidecar was not whole and had been before.
    let mut culprits: Vec<(String, usize)> = Vec::new();
    for (index, operation) in operations.iter().enumerate() {
        if fidelity == Fidelity::AsSent && !is_about_containers(operation) {
            continue;
        }
        let earlier = comparison::sidecars(&now["spec"]);
        match patch::apply(&mut now, operation) {
            Ok(()) => (),
            Err(error) if fidelity == Fidelity::Exact => return Err(error),
            Err(_) => continue,
        }
        let later = comparison::sidecars(&now["spec"]);
        for name in earlier.into_iter().filter(|name| !later.contains(name)) {
            culprits.retain(|(culprit, _)| *culprit != name);
            culprits.push((name, index));
        }
    }
    *pod = now;
    let lost = comparison::fates(&before, &pod["spec"]);
    let lost = lost.into_iter().filter(|(_, fate)| *fate != Fate::Kept);
    let losses = lost.filter_map(|(container, fate)| {
        let (_, index) = *culprits.iter().find(|(culprit, _)| *culprit == container)?;
        let operation = operations.get(index)?.clone();
        Some(Loss { container, fate, index, operation, is_mended: false })
    });
    Ok(losses.collect())
}

/// At the end of a chain of patches: what its pod has again has not been lost.
pub(crate) fn mark_mended<'a>(losses: impl Iterator<Item = &'a mut Loss>, pod: &Value) {
    let sidecars = comparison::sidecars(&pod["spec"]);
    for loss in losses {
        loss.is_mended = sidecars.contains(&loss.container);
    }
}

/// Whether an operation can change which containers are native sidecars.
pub(super) fn is_about_containers(operation: &Value) -> bool {
    let paths = ["path", "from"].into_iter().filter_map(|key| operation[key].as_str());
    paths.filter_map(|path| patch::segments(path).ok()).any(|path| {
        let path: Vec<_> = path.iter().map(String::as_str).collect();
        match path.as_slice() {
            [] | ["spec"] => true,
            ["spec", "initContainers" | "containers", rest @ ..] => {
                matches!(rest, [] | [_] | [_, "name" | "restartPolicy"])
            }
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod() -> Value {
        json!({
            "metadata": {},
            "spec": {
                "initContainers": [
                    {"name": "i", "image": "a"},
                    {"name": "s", "image": "b", "restartPolicy": "Always"}
                ],
                "containers": [{"name": "m", "image": "c"}]
            }
        })
    }

    fn check(operations: Value, expected: &[(&str, usize, Fate)]) {
        let operations = operations.as_array().unwrap().clone();
        for fidelity in [Fidelity::Exact, Fidelity::AsSent] {
            let mut pod = pod();
            let losses = apply(&mut pod, &operations, fidelity).unwrap();
            let found: Vec<_> = losses
                .iter()
                .map(|loss| (loss.container.as_str(), loss.index, loss.fate.clone()))
                .collect();
            assert_eq!(found, expected, "{operations:?}");
            assert!(losses.iter().all(|loss| loss.operation == operations[loss.index]));
        }
    }

    #[test]
    fn the_operation_that_did_it_is_named() {
        check(json!([{"op": "add", "path": "/metadata/labels", "value": {}}]), &[]);
        let remove = json!({"op": "remove", "path": "/spec/initContainers/1/restartPolicy"});
        check(json!([remove]), &[("s", 0, Fate::Lost)]);
        // An injector puts its own sidecar in front, and a typed one writes the list anew.
        let mesh = json!({"name": "mesh", "restartPolicy": "Always"});
        let prepend = json!({"op": "add", "path": "/spec/initContainers/0", "value": mesh});
        check(json!([prepend]), &[]);
        let list = json!([{"name": "i", "image": "a"}, {"name": "s", "image": "b"}]);
        let rewrite = json!({"op": "replace", "path": "/spec/initContainers", "value": list});
        check(json!([prepend, rewrite]), &[("s", 1, Fate::Lost)]);
        let moved = json!([
            {"op": "test", "path": "/spec/initContainers/1/name", "value": "s"},
            {"op": "move", "from": "/spec/initContainers/1", "path": "/spec/containers/-"},
        ]);
        check(moved, &[("s", 1, Fate::ContainerMoved)]);
        // The wrong index: the field lands on the neighbour.
        let shifted = json!([
            {"op": "remove", "path": "/spec/initContainers/1/restartPolicy"},
            {"op": "add", "path": "/spec/initContainers/0/restartPolicy", "value": "Always"},
        ]);
        check(shifted, &[("s", 0, Fate::FieldMoved { to: "i".to_owned() })]);
        // Taken away and given back: nobody is to blame.
        let kept = json!({"name": "s", "image": "b", "restartPolicy": "Always"});
        check(
            json!([
                {"op": "remove", "path": "/spec/initContainers/1"},
                {"op": "add", "path": "/spec/initContainers/-", "value": kept},
            ]),
            &[],
        );
    }

    #[test]
    fn what_a_later_patch_gives_back_is_mended() {
        let field = "/spec/initContainers/1/restartPolicy";
        let remove = [json!({"op": "remove", "path": field})];
        let add = [json!({"op": "add", "path": field, "value": "Always"})];
        let mut pod = pod();
        let mut losses = apply(&mut pod, &remove, Fidelity::Exact).unwrap();
        mark_mended(losses.iter_mut(), &pod);
        assert!(!losses[0].is_mended);
        assert!(apply(&mut pod, &add, Fidelity::Exact).unwrap().is_empty());
        mark_mended(losses.iter_mut(), &pod);
        assert!(losses[0].is_mended);
    }

    #[test]
    fn a_pod_known_as_sent_takes_what_fits() {
        let operations = [
            json!({"op": "add", "path": "/spec/volumes/3", "value": {}}),
            json!({"op": "add", "path": "/spec/containers/0/volumeMounts/-", "value": {}}),
            json!({"op": "remove", "path": "/spec/initContainers/7"}),
            json!({"op": "remove", "path": "/spec/initContainers/1/restartPolicy"}),
        ];
        let mut exact = pod();
        assert!(apply(&mut exact, &operations, Fidelity::Exact).is_err());
        assert_eq!(exact, pod());
        let mut sent = pod();
        let losses = apply(&mut sent, &operations, Fidelity::AsSent).unwrap();
        assert_eq!(losses[0].index, 3);
    }
}
