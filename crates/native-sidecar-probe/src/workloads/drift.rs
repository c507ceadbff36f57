//! Where on its way from the topmost owner to the pod the field was lost.
//!
//! In go the facts of pods and owners, out comes one drift for each step between two of them that
//! lost a native sidecar, with the pods below it. Owners change their template while old pods live
//! on, so two objects are compared only if their marks say one revision; where there are no such
//! marks, or the owner's may be older than its template, the drift is a possible one. A step from a
//! ReplicaSet or Job to its pods needs none: they do not change their template.

use std::collections::{BTreeMap, HashMap};

use super::facts::{Facts, Reference};
use crate::comparison::{self, Fate};

/// Owners of owners; the longest known chain has four.
const LEVELS_MAX: usize = 8;

/// A step that lost a sidecar.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Step {
    pub(crate) namespace: String,
    /// `ReplicaSet/web-7d9c`, which still has it.
    pub(crate) owner: String,
    /// The kind of what lost it.
    pub(crate) lost_by: String,
    pub(crate) container: String,
}

/// How a step lost it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Drift {
    pub(crate) fate: Fate,
    /// Of the same revision for sure.
    pub(crate) is_certain: bool,
    /// Pods below, and one of them.
    pub(crate) pods: usize,
    pub(crate) example: String,
}

/// Whether two objects on one chain are of one revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Same,
    Unknown,
    Older,
}

/// All steps that lost something.
pub(crate) fn find(pods: &[Facts], owners: &HashMap<String, Facts>) -> BTreeMap<Step, Drift> {
    let mut drifts = BTreeMap::new();
    for pod in pods.iter().filter(|pod| pod.is_live) {
        for (step, fate, is_certain) in steps(pod, owners) {
            let example = pod.name.clone();
            let drift =
                drifts.entry(step).or_insert_with(|| Drift { fate, is_certain, pods: 0, example });
            drift.pods += 1;
        }
    }
    drifts
}

/// The native sidecars of its owners that a pod has lost.
pub(crate) fn lost(pod: &Facts, owners: &HashMap<String, Facts>) -> Vec<String> {
    steps(pod, owners).into_iter().map(|(step, _, _)| step.container).collect()
}

/// The steps above one pod that lost something, how, and whether that is certain.
fn steps(pod: &Facts, owners: &HashMap<String, Facts>) -> Vec<(Step, Fate, bool)> {
    let mut steps = Vec::new();
    let mut lower = pod;
    let mut is_certain = true;
    for _ in 0..LEVELS_MAX {
        let owner = lower.owner.as_ref().and_then(|owner| owners.get(&owner.uid));
        let Some(upper) = owner else { break };
        match relation(upper, lower) {
            Relation::Same if upper.marks.may_lag && !is_fixed(upper, lower) => is_certain = false,
            Relation::Same => (),
            Relation::Unknown => is_certain = false,
            Relation::Older => break,
        }
        let losses = losses(upper, lower).into_iter().map(|(container, fate)| {
            let step = Step {
                namespace: pod.namespace.clone(),
                owner: format!("{}/{}", upper.kind, upper.name),
                lost_by: lower.kind.clone(),
                container,
            };
            (step, fate, is_certain)
        });
        steps.extend(losses);
        lower = upper;
    }
    steps
}

fn losses(upper: &Facts, lower: &Facts) -> Vec<(String, Fate)> {
    let (Some(before), Some(after)) = (&upper.spec, &lower.spec) else { return Vec::new() };
    let fates = comparison::fates(before, after);
    fates.into_iter().filter(|(_, fate)| *fate != Fate::Kept).collect()
}

/// Whether it never changes the template that its pods are made from.
fn is_fixed(upper: &Facts, lower: &Facts) -> bool {
    matches!(upper.kind.as_str(), "ReplicaSet" | "Job") && lower.kind == "Pod"
}

fn relation(upper: &Facts, lower: &Facts) -> Relation {
    let marks = match upper.kind.as_str() {
        _ if is_fixed(upper, lower) => return Relation::Same,
        "StatefulSet" => (&upper.marks.update_revision, &lower.marks.update_revision),
        "DaemonSet" => (&upper.marks.template_generation, &lower.marks.template_generation),
        _ => {
            let shared = upper.marks.revisions.iter().find_map(|(name, upper)| {
                let lower = lower.marks.revisions.iter().find(|(lower, _)| lower == name)?;
                Some(lower.1 == *upper)
            });
            return match shared {
                Some(true) => Relation::Same,
                Some(false) => Relation::Older,
                None => Relation::Unknown,
            };
        }
    };
    match marks {
        (Some(upper), Some(lower)) if upper == lower => Relation::Same,
        (Some(_), Some(_)) => Relation::Older,
        _ => Relation::Unknown,
    }
}

/// The owners that have to be read next: those of `facts` that are not known yet.
pub(crate) fn unknown_owners<'a>(
    facts: impl Iterator<Item = &'a Facts>,
    owners: &HashMap<String, Facts>,
) -> Vec<Reference> {
    let wanted = facts.filter_map(|facts| facts.owner.clone());
    wanted.filter(|owner| !owners.contains_key(&owner.uid)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::workloads::facts;

    const NATIVE: &str = "Always";

    fn object(kind: &str, uid: &str, owner: Option<(&str, &str)>, policy: &str) -> Value {
        let mut sidecar = json!({"name": "mesh"});
        if policy == NATIVE {
            sidecar["restartPolicy"] = json!(NATIVE);
        }
        let spec = json!({"initContainers": [sidecar], "containers": [{"name": "main"}]});
        let references = owner.map(|(kind, uid)| {
            json!([{"apiVersion": "v1", "kind": kind, "name": uid, "uid": uid, "controller": true}])
        });
        let metadata = json!({
            "namespace": "shop", "name": uid, "uid": uid, "ownerReferences": references,
            "annotations": {}, "labels": {},
        });
        match kind {
            "Pod" => json!({"metadata": metadata, "spec": spec}),
            _ => json!({"metadata": metadata, "spec": {"template": {"spec": spec}}}),
        }
    }

    fn check(pods: &[Value], owners: &[(&str, Value)], expected: &[(&str, &str, bool, usize)]) {
        let pods: Vec<_> = pods.iter().map(facts::of_pod).collect();
        let owners = owners.iter().map(|(kind, object)| {
            let facts = facts::of_owner(object.clone(), kind);
            (facts.uid.clone(), facts)
        });
        let drifts = find(&pods, &owners.collect());
        let found: Vec<_> = drifts
            .iter()
            .map(|(step, drift)| {
                (step.owner.as_str(), step.lost_by.as_str(), drift.is_certain, drift.pods)
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_step_that_lost_it_is_named() {
        let pod = |uid: &str, policy: &str| object("Pod", uid, Some(("ReplicaSet", "rs")), policy);
        let replica_set = |policy: &str| {
            let mut set = object("ReplicaSet", "rs", Some(("Rollout", "ro")), policy);
            set["metadata"]["annotations"] = json!({"rollout.example/revision": "2"});
            set
        };
        let rollout = |revision: &str| {
            let mut rollout = object("Rollout", "ro", None, NATIVE);
            rollout["metadata"]["annotations"] = json!({"rollout.example/revision": revision});
            rollout
        };
        // Between ReplicaSet and pod: admission, or an old controller manager.
        check(
            &[pod("p1", ""), pod("p2", ""), pod("p3", NATIVE)],
            &[("ReplicaSet", replica_set(NATIVE)), ("Rollout", rollout("2"))],
            &[("ReplicaSet/rs", "Pod", true, 2)],
        );
        // Between a custom resource and its ReplicaSet: an old controller of that resource.
        check(
            &[pod("p1", "")],
            &[("ReplicaSet", replica_set("")), ("Rollout", rollout("2"))],
            &[("Rollout/ro", "ReplicaSet", true, 1)],
        );
        // The ReplicaSet is of an older revision, from before the sidecar.
        check(&[pod("p1", "")], &[("ReplicaSet", replica_set("")), ("Rollout", rollout("3"))], &[]);
        // While it is paused, or its controller is behind, it keeps the mark of its old template.
        let mut paused = rollout("2");
        paused["spec"]["paused"] = json!(true);
        let mut behind = rollout("2");
        behind["metadata"]["generation"] = json!(9);
        behind["status"] = json!({"observedGeneration": "8"});
        for rollout in [paused, behind] {
            check(
                &[pod("p1", "")],
                &[("ReplicaSet", replica_set("")), ("Rollout", rollout)],
                &[("Rollout/ro", "ReplicaSet", false, 1)],
            );
        }
        // A pod that has ended may be from before an upgrade of the cluster.
        let mut ended = pod("p1", "");
        ended["status"] = json!({"phase": "Succeeded"});
        check(&[ended], &[("ReplicaSet", replica_set(NATIVE))], &[]);
        // Owners that are unknown, or that have no template.
        check(&[pod("p1", "")], &[], &[]);
        let bare = json!({"metadata": {"name": "rs", "uid": "rs"}, "spec": {}});
        check(&[pod("p1", "")], &[("ReplicaSet", bare)], &[]);
    }

    #[test]
    fn revisions_of_sets_and_unmarked_owners() {
        let pod = |kind: &str, labels: Value| {
            let mut pod = object("Pod", "p", Some((kind, "o")), "");
            pod["metadata"]["labels"] = labels;
            pod
        };
        let mut stateful = object("StatefulSet", "o", None, NATIVE);
        stateful["status"] = json!({"updateRevision": "o-2"});
        let hash = |hash: &str| json!({"controller-revision-hash": hash});
        let found = [("StatefulSet/o", "Pod", true, 1)];
        check(&[pod("StatefulSet", hash("o-2"))], &[("StatefulSet", stateful.clone())], &found);
        check(&[pod("StatefulSet", hash("o-1"))], &[("StatefulSet", stateful.clone())], &[]);
        stateful["metadata"]["generation"] = json!(3);
        stateful["status"]["observedGeneration"] = json!(2);
        let found = [("StatefulSet/o", "Pod", false, 1)];
        check(&[pod("StatefulSet", hash("o-2"))], &[("StatefulSet", stateful)], &found);
        let mut daemon = object("DaemonSet", "o", None, NATIVE);
        let generation = json!({"deprecated.daemonset.template.generation": "4"});
        daemon["metadata"]["annotations"] = generation;
        let label = |text: &str| json!({"pod-template-generation": text});
        check(&[pod("DaemonSet", label("3"))], &[("DaemonSet", daemon.clone())], &[]);
        let found = [("DaemonSet/o", "Pod", true, 1)];
        check(&[pod("DaemonSet", label("4"))], &[("DaemonSet", daemon)], &found);
        let custom = object("Sparkler", "o", None, NATIVE);
        let found = [("Sparkler/o", "Pod", false, 1)];
        check(&[pod("Sparkler", json!({}))], &[("Sparkler", custom)], &found);
    }
}
