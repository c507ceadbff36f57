//! What became of each native sidecar between two versions of one pod spec.
//!
//! In go two raw pod specs, out comes the fate of every native sidecar of the first, by the name of
//! its container: others add, remove and reorder containers, so an index says nothing. A container
//! that only the second spec has is never evidence that the field moved there: sidecars are
//! injected all the time.

use manifest::{Container, List};
use serde_json::Value;

/// What became of a native sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is a native sidecar still.
    Kept,
    /// It is a plain init container now.
    Lost,
    /// The field is on the container of this name, which was there and was none.
    FieldMoved { to: String },
    /// The container is in `spec.containers` now.
    ContainerMoved,
    /// No container has its name any more.
    Gone,
}

/// The fate of each native sidecar of `before`, in its order.
pub(crate) fn fates(before: &Value, after: &Value) -> Vec<(String, Fate)> {
    let before = manifest::containers(before);
    let after = manifest::containers(after);
    let sidecars = before.iter().filter(|container| container.is_native_sidecar());
    sidecars.map(|sidecar| (sidecar.name.to_owned(), fate(sidecar, &before, &after))).collect()
}

fn fate(sidecar: &Container<'_>, before: &[Container<'_>], after: &[Container<'_>]) -> Fate {
    let now = after.iter().find(|container| container.name == sidecar.name);
    match now.map(|container| (&container.list, container.is_native_sidecar())) {
        None => Fate::Gone,
        Some((_, true)) => Fate::Kept,
        Some((List::Init, false)) => match moved_to(before, after) {
            Some(to) => Fate::FieldMoved { to },
            None => Fate::Lost,
        },
        Some(_) => Fate::ContainerMoved,
    }
}

/// A container that was there without the field and has it now.
fn moved_to(before: &[Container<'_>], after: &[Container<'_>]) -> Option<String> {
    let has_it = |container: &&Container<'_>| container.restart_policy() == Some("Always");
    let gained = after.iter().filter(has_it).find(|container| {
        let earlier = before.iter().find(|earlier| earlier.name == container.name);
        earlier.is_some_and(|earlier| earlier.restart_policy() != Some("Always"))
    });
    gained.map(|container| container.name.to_owned())
}

/// The names of the native sidecars of a spec.
pub(crate) fn sidecars(spec: &Value) -> Vec<String> {
    let containers = manifest::containers(spec);
    let sidecars = containers.iter().filter(|container| container.is_native_sidecar());
    sidecars.map(|container| container.name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(before: Value, after: Value, expected: &[(&str, Fate)]) {
        let found = fates(&before, &after);
        let found: Vec<_> =
            found.iter().map(|(name, fate)| (name.as_str(), fate.clone())).collect();
        assert_eq!(found, expected, "{after}");
    }

    #[test]
    fn every_fate() {
        let sidecar = json!({"name": "s", "restartPolicy": "Always"});
        let before =
            json!({"initContainers": [{"name": "i"}, sidecar], "containers": [{"name": "m"}]});
        check(before.clone(), before.clone(), &[("s", Fate::Kept)]);
        let injected = json!({"name": "mesh", "restartPolicy": "Always"});
        // Another sidecar in front, and the order changed: still kept.
        let after = json!({"initContainers": [injected, sidecar, {"name": "i"}]});
        check(before.clone(), after, &[("s", Fate::Kept)]);
        // An injected sidecar is not where the field went.
        let after = json!({"initContainers": [injected, {"name": "s"}, {"name": "i"}]});
        check(before.clone(), after, &[("s", Fate::Lost)]);
        let after = json!({"initContainers": [{"name": "s", "restartPolicy": "Never"}]});
        check(before.clone(), after, &[("s", Fate::Lost)]);
        let after =
            json!({"initContainers": [{"name": "i", "restartPolicy": "Always"}, {"name": "s"}]});
        check(before.clone(), after, &[("s", Fate::FieldMoved { to: "i".to_owned() })]);
        let after =
            json!({"containers": [{"name": "m"}, {"name": "s", "restartPolicy": "Always"}]});
        check(before.clone(), after, &[("s", Fate::ContainerMoved)]);
        check(before.clone(), json!({"containers": [{"name": "m"}]}), &[("s", Fate::Gone)]);
        check(before, json!(null), &[("s", Fate::Gone)]);
        check(json!({"initContainers": [{"name": "i"}]}), json!({}), &[]);
    }
}
