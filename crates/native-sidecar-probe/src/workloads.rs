//! `workloads`: live pods that lost their native sidecar on the way from their owner.
//!
//! In goes a namespace (without `--namespace` all), out come the steps (Rollout to ReplicaSet,
//! ReplicaSet to pod, …) that lost the field, pods that wait in Init because of it, and pods that a
//! node refuses. It only reads. Owners are listed by kind, which takes few requests for many pods;
//! what may not be listed is counted, and the rule that is missing printed.

use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::time::{Duration, SystemTime};

use kube_api::{Api, Failure, segment};
use serde_json::Value;
use sidecar_runtime::{Rejections, setting};

use self::facts::{Facts, Reference};
use self::report::{NotFollowed, Report};
use self::trouble::Stuck;
use crate::access;
use crate::cli;
use crate::listing;
use crate::status::Status;
use crate::table;

mod drift;
mod facts;
mod report;
mod trouble;

/// Owners of owners.
const LEVELS_MAX: usize = 6;
/// Different kinds of owners that are listed.
const KINDS_MAX: usize = 100;

#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Args {
    /// How long a plain init container that is named like a sidecar runs before it counts as stuck
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    stuck_after: String,
    #[command(flatten)]
    output: table::OutputArgs,
    #[command(flatten)]
    access: access::Args,
}

pub(crate) fn run(args: Args, rejections: &mut Rejections, out: &mut dyn Write) -> Status {
    let output = args.output.read(rejections);
    let stuck_after = rejections.parse("stuck-after", &args.stuck_after, setting::duration);
    let connection = access::api(&args.access, rejections);
    let (Some(output), Some(stuck_after), Some(connection)) = (output, stuck_after, connection)
    else {
        return Status::Rejected;
    };
    match cli::ask(rejections, scan(connection.api, args.access.namespace, stuck_after)) {
        Ok(report) => {
            table::print(out, report.text(output));
            report.status()
        }
        Err(status) => status,
    }
}

async fn scan(mut api: Api, namespace: Option<String>, stuck_after: Duration) -> Report {
    let now = SystemTime::now();
    let path = collection("/api/v1", namespace.as_deref(), "pods");
    let take = |pod: Value| Some((facts::of_pod(&pod), trouble::find(&pod, now, stuck_after)));
    let found = match listing::collect(&mut api, &path, take).await {
        Ok(found) => found,
        Err(failure) => return Report::failed(namespace, failure),
    };
    let (pods, stuck): (Vec<Facts>, Vec<Option<Stuck>>) = found.into_iter().unzip();
    let mut owners = HashMap::new();
    let not_followed = follow(&mut api, namespace.as_deref(), &pods, &mut owners).await;
    let drifts = drift::find(&pods, &owners);
    let with_pods = stuck.into_iter().zip(&pods);
    let stuck = with_pods.filter_map(|(stuck, pod)| stuck?.confirm(&drift::lost(pod, &owners)));
    let stuck = stuck.collect();
    Report { namespace, pods: pods.len(), drifts, stuck, not_followed, failure: None }
}

/// Reads the owners of the pods, their owners, and so on. Gives what could not be read.
async fn follow(
    api: &mut Api,
    namespace: Option<&str>,
    pods: &[Facts],
    owners: &mut HashMap<String, Facts>,
) -> Vec<NotFollowed> {
    let mut not_followed = Vec::new();
    let mut listed = BTreeSet::new();
    for _ in 0..LEVELS_MAX {
        let wanted = drift::unknown_owners(pods.iter().chain(owners.values()), owners);
        let kinds: BTreeSet<_> = wanted
            .iter()
            .map(|owner| (owner.api_version.clone(), owner.kind.clone()))
            .filter(|kind| !is_node(kind) && !listed.contains(kind))
            .collect();
        if kinds.is_empty() || listed.len() > KINDS_MAX {
            break;
        }
        for (api_version, kind) in kinds {
            match owners_of_kind(api, namespace, &api_version, &kind).await {
                Ok(found) => {
                    owners.extend(found.into_iter().map(|facts| (facts.uid.clone(), facts)));
                }
                Err((resource, failure)) => not_followed.push(NotFollowed {
                    owners: count(&wanted, &api_version, &kind),
                    api_version: api_version.clone(),
                    kind: kind.clone(),
                    resource,
                    failure,
                }),
            }
            listed.insert((api_version, kind));
        }
    }
    not_followed
}

/// Static pods are owned by their node.
fn is_node((api_version, kind): &(String, String)) -> bool {
    api_version == "v1" && kind == "Node"
}

fn count(wanted: &[Reference], api_version: &str, kind: &str) -> usize {
    let of_kind = |owner: &&Reference| owner.api_version == api_version && owner.kind == kind;
    wanted.iter().filter(of_kind).map(|owner| &owner.uid).collect::<BTreeSet<_>>().len()
}

/// All objects of a kind; or the resource's name, if it is known, and why not.
async fn owners_of_kind(
    api: &mut Api,
    namespace: Option<&str>,
    api_version: &str,
    kind: &str,
) -> Result<Vec<Facts>, (Option<String>, Failure)> {
    let base = match api_version.split_once('/') {
        Some((group, version)) => format!("/apis/{}/{}", segment(group), segment(version)),
        None => format!("/api/{}", segment(api_version)),
    };
    let resources = match api.get(&base).await {
        Ok(resources) => resources,
        // Its definition was deleted, and left pods behind.
        Err(failure) if failure.is_not_found() => return Ok(Vec::new()),
        Err(failure) => return Err((None, failure)),
    };
    let Some((resource, is_namespaced)) = resource(&resources, kind) else {
        return Ok(Vec::new());
    };
    let path = collection(&base, namespace.filter(|_| is_namespaced), &resource);
    let take = |object: Value| Some(facts::of_owner(object, kind));
    listing::collect(api, &path, take).await.map_err(|failure| (Some(resource), failure))
}

/// The name of a kind's resource, and whether it is in namespaces.
fn resource(resources: &Value, kind: &str) -> Option<(String, bool)> {
    let resources = resources["resources"].as_array()?;
    let found = resources.iter().find(|resource| {
        resource["kind"] == kind
            && resource["name"].as_str().is_some_and(|name| !name.contains('/'))
    })?;
    Some((found["name"].as_str()?.to_owned(), found["namespaced"] == true))
}

fn collection(base: &str, namespace: Option<&str>, resource: &str) -> String {
    match namespace {
        Some(namespace) => {
            format!("{base}/namespaces/{}/{}", segment(namespace), segment(resource))
        }
        None => format!("{base}/{}", segment(resource)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_of_lists() {
        let resources = json!({"resources": [
            {"name": "deployments/status", "kind": "Deployment", "namespaced": true},
            {"name": "deployments", "kind": "Deployment", "namespaced": true},
            {"name": "nodes", "kind": "Node", "namespaced": false},
        ]});
        assert_eq!(resource(&resources, "Deployment"), Some(("deployments".to_owned(), true)));
        assert_eq!(resource(&resources, "Node"), Some(("nodes".to_owned(), false)));
        assert_eq!(resource(&resources, "Other"), None);
        let path = collection("/apis/apps/v1", Some("team"), "deployments");
        assert_eq!(path, "/apis/apps/v1/namespaces/team/deployments");
        assert_eq!(collection("/api/v1", None, "pods"), "/api/v1/pods");
    }
}
