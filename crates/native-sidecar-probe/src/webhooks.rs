//! `webhooks`: who may change a pod with a native sidecar on its way in, and who takes the field.
//!
//! In go a manifest or nothing (then it is a canary), out come the mutating webhooks and policies
//! that such a pod meets, in call order. With `--replay` each webhook is asked itself, with
//! `--audit` the API server's own record is read, which needs no cluster. A dry run tells that
//! admission strips the field; only the patches tell who.

use std::io::{BufReader, Write};
use std::net::SocketAddr;

use kube_api::{Api, Failure, segment};
use serde_json::{Value, json};
use sidecar_runtime::Rejections;

use self::hook::{Hook, Place, PolicyBinding};
use self::replay::Detour;
use self::report::Report;
use self::selector::Labels;
use crate::access;
use crate::cli;
use crate::dry_run::request::{self, Collection, Namespace};
use crate::status::Status;
use crate::subject::{self, Subject};
use crate::table::{self, Output};

mod audit;
mod blame;
mod hook;
mod patch;
mod replay;
mod report;
mod selector;

const API: &str = "/apis/admissionregistration.k8s.io";
/// Of the policies, the newest first: v1 since 1.36, beta since 1.34, alpha since 1.32.
const POLICY_VERSIONS: [&str; 3] = ["v1", "v1beta1", "v1alpha1"];
/// The API server sets it on every namespace.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Args {
    #[command(flatten)]
    subject: subject::Args,
    /// Asks every webhook what it would change: needs to reach them, and changes nothing
    #[arg(long, conflicts_with = "audit")]
    replay: bool,
    /// Where --replay finds a webhook that cannot be reached by its Service, by the webhook's name
    #[arg(
        long,
        value_name = "WEBHOOK=ADDRESS:PORT,...",
        default_value = "",
        hide_default_value = true
    )]
    connect_to: String,
    /// Reads an audit log of the API server instead of asking it; - is stdin
    #[arg(long, value_name = "FILE")]
    audit: Option<String>,
    #[command(flatten)]
    output: table::OutputArgs,
    #[command(flatten)]
    access: access::Args,
}

pub(crate) fn run(args: Args, rejections: &mut Rejections, out: &mut dyn Write) -> Status {
    let output = args.output.read(rejections);
    if let Some(file) = &args.audit {
        let Some(output) = output.filter(|_| rejections.is_empty()) else {
            return Status::Rejected;
        };
        return read_audit(file, output, rejections, out);
    }
    let detours = rejections.parse("connect-to", &args.connect_to, detours);
    let subject = args.subject.read(rejections);
    let connection = access::api(&args.access, rejections);
    let (Some(output), Some(detours), Some(subject), Some(connection)) =
        (output, detours, subject, connection)
    else {
        return Status::Rejected;
    };
    let typed = args.access.namespace.or_else(|| subject.namespace.clone());
    let name = typed.unwrap_or(connection.namespace);
    let Some(namespace) = rejections.parse("namespace", &name, Namespace::parse) else {
        return Status::Rejected;
    };
    let detours = args.replay.then_some(detours);
    match cli::ask(rejections, ask(connection.api, subject, namespace, detours)) {
        Ok(report) => {
            table::print(out, report.text(output));
            report.status()
        }
        Err(status) => status,
    }
}

fn read_audit(
    file: &str,
    output: Output,
    rejections: &mut Rejections,
    out: &mut dyn Write,
) -> Status {
    let summary = match file {
        "-" => audit::read(std::io::stdin().lock()),
        path => std::fs::File::open(path).and_then(|log| audit::read(BufReader::new(log))),
    };
    let Some(summary) = rejections.parse("audit", file, |_| summary) else {
        return Status::Rejected;
    };
    table::print(out, report::audit(&summary, output));
    summary.status()
}

/// Reads `name=address:port,…` as typed.
fn detours(text: &str) -> Result<Vec<Detour>, &'static str> {
    let items = text.split(',').filter(|item| !item.is_empty());
    let detours = items.map(|item| {
        let (webhook, address) = item.split_once('=')?;
        let address: SocketAddr = address.parse().ok()?;
        Some(Detour { webhook: webhook.to_owned(), address })
    });
    detours.collect::<Option<_>>().ok_or("expected WEBHOOK=ADDRESS:PORT, with an IP address")
}

/// What the pod meets.
#[derive(Debug, Default)]
struct Inventory {
    hooks: Vec<Hook>,
    policies: Vec<PolicyBinding>,
    remarks: Vec<String>,
    missing_rules: Vec<Value>,
    /// Before any webhook sees the pod. Known after a replay only.
    is_dropped_by_apiserver: bool,
}

async fn ask(
    mut api: Api,
    subject: Subject,
    namespace: Namespace,
    detours: Option<Vec<Detour>>,
) -> Report {
    let title = format!("{} in namespace {}", subject.title, namespace.as_str());
    let mut inventory = Inventory::default();
    let configurations = match api.list(&format!("{API}/v1/mutatingwebhookconfigurations")).await {
        Ok(configurations) => configurations,
        Err(failure) => {
            return Report::failed(title, &failure, rule("mutatingwebhookconfigurations"));
        }
    };
    let namespace_labels = namespace_labels(&mut api, &namespace, &mut inventory).await;
    let place = Place { namespace_labels };
    let labels = Labels::of(&json!(subject.metadata));
    inventory.hooks = hook::in_call_order(&configurations, &place);
    read_policies(&mut api, &place, &labels, &mut inventory).await;
    let steps = match detours {
        None => None,
        Some(detours) => {
            let pod = pod_to_replay(&mut api, &subject, &namespace, &mut inventory).await;
            Some(replay::run(&mut api, &inventory.hooks, &pod, &detours).await)
        }
    };
    Report::new(title, inventory, &labels, steps)
}

fn rule(resource: &str) -> Value {
    json!({
        "apiGroups": ["admissionregistration.k8s.io"],
        "resources": [resource],
        "verbs": ["get", "list"],
    })
}

/// The labels of the namespace; only its name, if they may not be read.
async fn namespace_labels(
    api: &mut Api,
    namespace: &Namespace,
    inventory: &mut Inventory,
) -> Labels {
    match api.get(&format!("/api/v1/namespaces/{}", segment(namespace.as_str()))).await {
        Ok(object) => Labels::of(&object["metadata"]),
        Err(failure) => {
            inventory.remarks.push(format!(
                "the labels of the namespace are unknown ({}), \
                 so namespace selectors may match or not",
                net::with_causes(&failure)
            ));
            if failure.is_forbidden() {
                inventory.missing_rules.push(json!({
                    "apiGroups": [""],
                    "resources": ["namespaces"],
                    "verbs": ["get"],
                    "resourceNames": [namespace.as_str()],
                }));
            }
            let name = json!({NAME_LABEL: namespace.as_str()});
            Labels { known: name.as_object().cloned().unwrap_or_default(), complete: false }
        }
    }
}

/// Policies are in the newest version that the API server serves, or in none. What it serves is
/// asked first: to a user without rights it says Forbidden of a resource that does not exist, too.
async fn read_policies(api: &mut Api, place: &Place, labels: &Labels, inventory: &mut Inventory) {
    for version in POLICY_VERSIONS {
        match api.get(&format!("{API}/{version}")).await {
            Ok(resources) if !has_policies(&resources) => continue,
            Err(failure) if failure.is_not_found() => continue,
            // Where discovery is closed the lists themselves have to tell.
            Ok(_) | Err(_) => (),
        }
        let policies = match api.list(&format!("{API}/{version}/mutatingadmissionpolicies")).await {
            Ok(policies) => policies,
            Err(failure) if failure.is_not_found() => continue,
            Err(failure) => return no_policies(inventory, &failure, "mutatingadmissionpolicies"),
        };
        let path = format!("{API}/{version}/mutatingadmissionpolicybindings");
        match api.list(&path).await {
            Ok(bindings) => {
                inventory.policies = hook::policies(&policies, &bindings, place, labels);
            }
            Err(failure) => no_policies(inventory, &failure, "mutatingadmissionpolicybindings"),
        }
        return;
    }
}

/// Of the list of a version's resources.
fn has_policies(resources: &Value) -> bool {
    let resources = resources["resources"].as_array();
    let mut resources = resources.into_iter().flatten();
    resources.any(|resource| resource["name"] == "mutatingadmissionpolicies")
}

fn no_policies(inventory: &mut Inventory, failure: &Failure, resource: &str) {
    inventory.remarks.push(format!("{resource} are unknown: {}", net::with_causes(failure)));
    if failure.is_forbidden() {
        inventory.missing_rules.push(rule(resource));
    }
}

/// The pod as the first webhook sees it: with the API server's defaults, as far as a dry run of a
/// PodTemplate gives them.
async fn pod_to_replay(
    api: &mut Api,
    subject: &Subject,
    namespace: &Namespace,
    inventory: &mut Inventory,
) -> Value {
    let mut pod = subject.pod();
    pod["metadata"]["namespace"] = json!(namespace.as_str());
    let template = subject.pod_template();
    match request::try_create(api, Collection::PodTemplates, namespace, &template).await {
        Ok(posted) => {
            let spec = posted.body.pointer("/template/spec").cloned().unwrap_or_default();
            if crate::comparison::sidecars(&spec) == subject.sidecars {
                pod["spec"] = spec;
            } else {
                inventory.is_dropped_by_apiserver = true;
                let remark = "the API server drops the field before any webhook sees the pod; \
                              the replay shows what webhooks would do after that is mended";
                inventory.remarks.push(remark.to_owned());
            }
        }
        Err(failure) => inventory.remarks.push(format!(
            "the webhooks are shown the pod without the API server's defaults: {}",
            net::with_causes(&failure)
        )),
    }
    pod
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_asked_for_where_they_are_served() {
        let served = |name: &str| json!({"resources": [{"name": name}]});
        assert!(has_policies(&served("mutatingadmissionpolicies")));
        assert!(!has_policies(&served("mutatingwebhookconfigurations")));
        assert!(!has_policies(&json!({})));
    }

    #[test]
    fn detours_as_typed() {
        let found = detours("a.example=127.0.0.1:1,b=[::1]:2").unwrap();
        assert_eq!(found[1].webhook, "b");
        assert_eq!(found[0].address.to_string(), "127.0.0.1:1");
        assert!(detours("").unwrap().is_empty());
        for text in ["a", "a=b:1", "a=1.2.3.4"] {
            assert!(detours(text).is_err(), "{text}");
        }
    }
}
