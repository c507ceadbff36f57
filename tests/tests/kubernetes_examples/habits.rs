//! What every pod of the examples has: time to end, requests and limits, probes, a version.

use manifest::{Container, Quantity};

use crate::assert_none;
use crate::example::{self, PROBE, Pod, is_universal, our_image, words};

/// What `--shutdown-grace` is where it is not set.
const OUR_GRACE_SECONDS: u64 = 25;
/// For the main containers, and for the kubelet itself.
const REST_SECONDS: u64 = 5;
/// What Kubernetes gives a pod that asks for nothing.
pub(crate) const GRACE_SECONDS_DEFAULT: u64 = 30;
const OUR_MEMORY_MAX: &str = "32Mi";
const FOREIGN_IMAGES: [&str; 3] = ["nginx:1.22", "redis:7.0", "busybox:1.36"];

#[test]
fn sidecars_have_the_time_to_drain() {
    let mut places = Vec::new();
    for example in example::all() {
        for pod in example.pods() {
            let given = pod.spec["terminationGracePeriodSeconds"].as_u64();
            let given = given.unwrap_or(GRACE_SECONDS_DEFAULT);
            let needed = seconds_needed(&pod);
            if given < needed {
                places.push(format!("{}: {given} s, needs {needed} s", pod.title()));
            }
        }
    }
    assert_none("terminationGracePeriodSeconds", &places);
}

/// Native sidecars end one after another, ordinary ones together with all others.
fn seconds_needed(pod: &Pod<'_>) -> u64 {
    let sidecars = pod.sidecars();
    assert!(
        sidecars.iter().all(|sidecar| !words(sidecar).join(" ").contains("shutdown-grace")),
        "add it up here"
    );
    let native = sidecars.iter().filter(|sidecar| sidecar.is_native_sidecar()).count() as u64;
    let ordinary = sidecars.iter().any(|sidecar| !sidecar.is_native_sidecar());
    match (native, ordinary) {
        (0, false) => 0,
        (0, true) => OUR_GRACE_SECONDS + REST_SECONDS,
        (native, _) => native * OUR_GRACE_SECONDS + REST_SECONDS,
    }
}

#[test]
fn every_container_says_what_it_needs_and_where_it_ends() {
    let mut places = Vec::new();
    for example in example::all() {
        for pod in example.pods() {
            for container in pod.containers() {
                places.extend(
                    of_resources(&container)
                        .map(|what| format!("{}: {}: {what}", pod.title(), container.name)),
                );
            }
        }
    }
    assert_none("requests and limits", &places);
}

fn of_resources(container: &Container<'_>) -> Option<String> {
    let resources = &container.value["resources"];
    for resource in ["cpu", "memory"] {
        let amount = |list: &str| resources[list][resource].as_str()?.parse::<Quantity>().ok();
        match (amount("requests"), amount("limits")) {
            (Some(request), Some(limit)) if !request.is_zero() && request <= limit => {}
            _ => return Some(format!("{resource}: {resources}")),
        }
    }
    let limit: Quantity = resources["limits"]["memory"].as_str()?.parse().unwrap();
    let is_too_much = our_image(container).is_some() && limit > OUR_MEMORY_MAX.parse().unwrap();
    is_too_much.then(|| format!("above {OUR_MEMORY_MAX}: {limit}"))
}

/// Exec probes, because a kubelet's own requests would need the admin port to be open to it, and
/// because the image has no shell.
#[test]
fn sidecars_have_probes() {
    let mut places = Vec::new();
    for example in example::all() {
        for pod in example.pods() {
            for sidecar in pod.sidecars() {
                let image = our_image(&sidecar).unwrap();
                let asks = |probe: &str, words: &[&str]| {
                    let command = &sidecar.value[probe]["exec"]["command"];
                    let program = format!("/{image}");
                    *command == serde_json::json!([&[program.as_str()], words].concat())
                };
                let is_ready = ["healthcheck", "--ready"];
                let has_all = match (is_universal(&sidecar), sidecar.is_native_sidecar()) {
                    (true, true) => sidecar.value["startupProbe"].is_null(),
                    (true, false) => sidecar.value["readinessProbe"].is_object(),
                    (false, native) => {
                        let first = if native { "startupProbe" } else { "readinessProbe" };
                        asks(first, &is_ready) && asks("livenessProbe", &["healthcheck"])
                    }
                };
                if !has_all {
                    places.push(format!("{}: {}", pod.title(), sidecar.name));
                }
            }
        }
    }
    assert_none("startup or readiness, and liveness, by the image's own program", &places);
}

#[test]
fn images_are_of_this_version() {
    let mut places = Vec::new();
    for example in example::all() {
        for pod in example.pods() {
            for container in pod.containers() {
                let image = container.value["image"].as_str().unwrap();
                let ours = our_image(&container)
                    .map(|name| format!("outrider/{name}:{}", env!("CARGO_PKG_VERSION")));
                let is_known = match ours {
                    Some(ours) => image == ours,
                    None => FOREIGN_IMAGES.contains(&image),
                };
                if !is_known {
                    places.push(format!("{}: {image}", pod.title()));
                }
            }
        }
    }
    assert_none("an image of another version, or one that is not tested", &places);
}

#[test]
fn no_pod_gets_a_token_that_it_does_not_use() {
    let examples = example::all();
    let pods = examples.iter().flat_map(|example| example.pods());
    let with_token = pods.filter(|pod| pod.spec["automountServiceAccountToken"] != false);
    let places: Vec<String> = with_token.map(|pod| pod.title()).collect();
    assert_none("automountServiceAccountToken: false", &places);
}

#[test]
fn what_lies_in_the_files_is_no_secret() {
    let examples = example::all();
    let documents = examples.iter().flat_map(|it| it.documents.iter().map(move |doc| (it, doc)));
    let secrets = documents.filter(|(_example, document)| document["kind"] == "Secret");
    let mut places: Vec<String> = secrets.map(|(it, _document)| it.path.clone()).collect();
    let marked = examples.iter().filter(|example| example.text.contains("PRIVATE KEY"));
    places.extend(marked.map(|example| example.path.clone()));
    assert_none("secrets are the user's to make", &places);
}

/// Plain init containers of ours run the tool, which ends.
#[test]
fn plain_init_containers_end() {
    let mut places = Vec::new();
    for example in example::all() {
        for pod in example.pods() {
            let containers = pod.containers();
            let inits = containers.iter().filter(|it| it.list == manifest::List::Init);
            for init in inits.filter(|init| !init.is_native_sidecar()) {
                if our_image(init) != Some(PROBE) {
                    places.push(format!("{}: {}", pod.title(), init.name));
                }
            }
        }
    }
    assert_none("an init container that is not the tool", &places);
}
