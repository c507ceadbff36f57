//! The restricted Pod Security Standard.
//!
//! In goes a pod, out come the names of the rules that it breaks. Our containers keep them by what
//! is written at the containers themselves, so that they can be copied into any pod; whole pods
//! keep them together with what is written for the pod. The exceptions are listed with all that
//! they break, so that they cannot break more.

use std::collections::BTreeSet;

use manifest::{Container, Quantity};
use serde_json::{Value, json};

use crate::assert_none;
use crate::example::{self, Pod, our_image};

/// Pods that cannot be restricted, why, and the rules that they break.
const EXCEPTIONS: [(&str, &str, &[&str]); 2] = [
    (
        "web-server/tutorial.yaml",
        "its nginx is as the image has it: root, port 80",
        &["allowPrivilegeEscalation", "capabilities.drop", "runAsNonRoot", "seccompProfile"],
    ),
    (
        "node-logs/daemonset.yaml",
        "the node's logs are root's, and on the node",
        &["hostPath", "runAsNonRoot", "runAsUser"],
    ),
];
/// Our containers in them that break a rule by themselves.
const OUR_EXCEPTIONS: [(&str, &[&str]); 1] =
    [("node-logs/daemonset.yaml", &["runAsNonRoot", "runAsUser"])];
const VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];
const OUR_USER: u64 = 65532;

#[test]
fn whole_pods_are_restricted_but_for_the_named_ones() {
    let mut places = Vec::new();
    for example in example::all() {
        let excepted = EXCEPTIONS.iter().find(|(path, _why, _rules)| *path == example.path);
        let expected = excepted.map_or(&[][..], |(_path, _why, rules)| rules);
        for pod in example.pods() {
            let found = broken(pod.spec, &pod.containers());
            if found != BTreeSet::from_iter(expected.iter().copied()) {
                places.push(format!("{}: {found:?}, expected {expected:?}", pod.title()));
            }
        }
    }
    assert_none("the restricted Pod Security Standard", &places);
}

#[test]
fn our_containers_are_restricted_wherever_they_are_put() {
    let mut places = Vec::new();
    for example in example::all() {
        let excepted = OUR_EXCEPTIONS.iter().find(|(path, _rules)| *path == example.path);
        let expected = excepted.map_or(&[][..], |(_path, rules)| rules);
        for (pod, container) in our_containers(&example.pods()) {
            let found = broken(&json!({}), &[container]);
            let context = &container.value["securityContext"];
            let is_ours = context["runAsUser"] == OUR_USER && context["runAsGroup"] == OUR_USER;
            if found != BTreeSet::from_iter(expected.iter().copied())
                || context["readOnlyRootFilesystem"] != true
                || (!is_ours && excepted.is_none())
            {
                places.push(format!("{}: {}: {found:?}", pod.title(), container.name));
            }
        }
    }
    assert_none("restricted by themselves, read-only, as 65532", &places);
}

/// An emptyDir without a limit can fill the node's disk.
#[test]
fn volumes_have_a_limit() {
    let mut places = Vec::new();
    for example in example::all() {
        for pod in example.pods() {
            for volume in pod.spec["volumes"].as_array().into_iter().flatten() {
                let limit = volume["emptyDir"]["sizeLimit"].as_str();
                let limit = limit.and_then(|limit| limit.parse::<Quantity>().ok());
                if volume.get("emptyDir").is_some() && limit.is_none() {
                    places.push(format!("{}: {}", pod.title(), volume["name"]));
                }
            }
        }
    }
    assert_none("an emptyDir with a sizeLimit", &places);
}

#[test]
fn each_rule_is_seen() {
    let good = json!({
        "runAsNonRoot": true, "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
    });
    let rules = |spec: Value, container: Value| -> Vec<&str> {
        let spec = &spec;
        let value = json!({"containers": [container]});
        let containers = manifest::containers(&value);
        broken(spec, &containers).into_iter().collect()
    };
    let none: [&str; 0] = [];
    assert_eq!(rules(json!({}), json!({"securityContext": good})), none);
    let bare = ["allowPrivilegeEscalation", "capabilities.drop", "runAsNonRoot", "seccompProfile"];
    assert_eq!(rules(json!({}), json!({})), bare);
    let of_pod = json!({"securityContext": {
        "runAsNonRoot": true, "seccompProfile": {"type": "Localhost"}, "runAsUser": 0,
    }, "hostNetwork": true, "volumes": [{"name": "a", "hostPath": {"path": "/"}}]});
    let found = rules(
        of_pod,
        json!({"ports": [{"hostPort": 80}], "securityContext": {
            "allowPrivilegeEscalation": false, "privileged": true,
            "capabilities": {"drop": ["all", "ALL"], "add": ["NET_BIND_SERVICE", "NET_RAW"]},
        }}),
    );
    assert_eq!(
        found,
        ["capabilities.add", "hostNetwork", "hostPath", "hostPort", "privileged", "runAsUser"]
    );
    let weaker = json!({"securityContext": {"runAsNonRoot": false, "seccompProfile":
        {"type": "Unconfined"}, "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]}}});
    let pod = json!({"securityContext": good});
    assert_eq!(rules(pod, weaker), ["runAsNonRoot", "seccompProfile"]);
}

pub(crate) fn our_containers<'a>(pods: &[Pod<'a>]) -> Vec<(Pod<'a>, Container<'a>)> {
    let containers = pods.iter().flat_map(|pod| pod.containers().into_iter().map(|it| (*pod, it)));
    containers.filter(|(_pod, container)| our_image(container).is_some()).collect()
}

/// The rules that a pod with these containers breaks. What a container says wins over its pod.
fn broken(spec: &Value, containers: &[Container<'_>]) -> BTreeSet<&'static str> {
    let mut broken = BTreeSet::new();
    let mut rule = |name: &'static str, is_kept: bool| {
        if !is_kept {
            broken.insert(name);
        }
    };
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        rule(field, spec[field] != true);
    }
    for volume in spec["volumes"].as_array().into_iter().flatten() {
        rule("hostPath", volume.get("hostPath").is_none());
        let kinds = volume.as_object().unwrap().keys().filter(|key| *key != "name");
        let mut kinds = kinds.filter(|kind| *kind != "hostPath");
        rule("volumes", kinds.all(|kind| VOLUMES.contains(&kind.as_str())));
    }
    let of_pod = &spec["securityContext"];
    rule("sysctls", of_pod["sysctls"].is_null());
    rule("runAsUser", of_pod["runAsUser"] != 0);
    for container in containers {
        let own = &container.value["securityContext"];
        let effective = |field: &str| match &own[field] {
            Value::Null => &of_pod[field],
            value => value,
        };
        rule("runAsNonRoot", *effective("runAsNonRoot") == true);
        rule("runAsUser", own["runAsUser"] != 0);
        let seccomp = effective("seccompProfile")["type"].as_str();
        rule("seccompProfile", matches!(seccomp, Some("RuntimeDefault" | "Localhost")));
        rule("allowPrivilegeEscalation", own["allowPrivilegeEscalation"] == false);
        rule("privileged", own["privileged"] != true);
        rule("procMount", own["procMount"].is_null() || own["procMount"] == "Default");
        let list = |name: &str| own["capabilities"][name].as_array().into_iter().flatten();
        rule("capabilities.drop", list("drop").any(|capability| capability == "ALL"));
        rule("capabilities.add", list("add").all(|capability| capability == "NET_BIND_SERVICE"));
        for field in ["seLinuxOptions", "appArmorProfile", "windowsOptions"] {
            rule(field, effective(field).is_null());
        }
        for port in container.value["ports"].as_array().into_iter().flatten() {
            rule("hostPort", port["hostPort"].is_null());
        }
    }
    broken
}
