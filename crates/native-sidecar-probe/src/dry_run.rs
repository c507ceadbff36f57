//! `dry-run`: what the API server would make of a pod with a native sidecar.
//!
//! In go a manifest or nothing (then it is a canary), out come a verdict for each native sidecar
//! and the exit status. The pod is tried twice, as a Pod and inside a PodTemplate, because only the
//! difference tells the API server from admission; where one of the two is not allowed the other's
//! answer still counts, and the report says what it leaves open. Nothing is ever stored: all
//! requests go through `request.rs`. `kubectl describe` cannot replace this: it never prints a
//! container's restartPolicy.

use std::io::Write;

use kube_api::{Api, Failure};
use manifest::Version;
use serde_json::Value;
use sidecar_runtime::Rejections;

use self::refusal::Refusal;
use self::report::Trial;
use self::request::{Collection, Namespace};
use self::verdict::Answer;
use crate::access;
use crate::cli;
use crate::comparison;
use crate::status::Status;
use crate::subject::{self, Subject};
use crate::table;

mod refusal;
mod report;
pub(crate) mod request;
mod verdict;

/// The API servers before this one would store what they should only try.
const DRY_RUN_SINCE: u32 = 18;

#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Args {
    #[command(flatten)]
    subject: subject::Args,
    #[command(flatten)]
    output: table::OutputArgs,
    #[command(flatten)]
    access: access::Args,
}

pub(crate) fn run(args: Args, rejections: &mut Rejections, out: &mut dyn Write) -> Status {
    let subject = args.subject.read(rejections);
    let output = args.output.read(rejections);
    let connection = access::api(&args.access, rejections);
    let (Some(subject), Some(output), Some(connection)) = (subject, output, connection) else {
        return Status::Rejected;
    };
    let typed = args.access.namespace.or_else(|| subject.namespace.clone());
    let name = typed.unwrap_or(connection.namespace);
    let Some(namespace) = rejections.parse("namespace", &name, Namespace::parse) else {
        return Status::Rejected;
    };
    match cli::ask(rejections, ask(connection.api, namespace, subject)) {
        Ok(trial) => {
            table::print(out, trial.report(output));
            trial.verdict().status()
        }
        Err(status) => status,
    }
}

/// Asks for the version, then twice for the pod.
async fn ask(mut api: Api, namespace: Namespace, subject: Subject) -> Trial {
    let version = match api.get("/version").await {
        Ok(answer) => effective_version(&answer),
        Err(failure) if failure.is_unreachable() => {
            let lost = Answer::Lost { message: net::with_causes(&failure) };
            return Trial::new(subject, namespace, None, lost.clone(), lost);
        }
        Err(failure) => {
            let refusal = match failure.is_forbidden() {
                true => Refusal::Forbidden,
                false => Refusal::Other,
            };
            let why = net::with_causes(&failure);
            return not_tried(subject, namespace, None, refusal, &why);
        }
    };
    if let Some(why) = reason_not_to_try(version.as_deref()) {
        return not_tried(subject, namespace, version, Refusal::Other, why);
    }
    let template = attempt(&mut api, Collection::PodTemplates, &namespace, &subject).await;
    let pod = attempt(&mut api, Collection::Pods, &namespace, &subject).await;
    let is_policy = matches!(&pod, Answer::Refused { refusal: Refusal::Policy { .. }, .. });
    let mut trial = Trial::new(subject, namespace, version, pod, template);
    if is_policy {
        let control = trial.subject.without_sidecars();
        let answer = once(&mut api, Collection::Pods, &trial.namespace, &control).await;
        trial.control_is_let_in = match answer {
            Answer::Accepted { .. } => Some(true),
            Answer::Refused { .. } => Some(false),
            Answer::Lost { .. } => None,
        };
    }
    trial
}

fn not_tried(
    subject: Subject,
    namespace: Namespace,
    version: Option<String>,
    refusal: Refusal,
    why: &str,
) -> Trial {
    let message = format!("not tried, because an old API server would store it: {why}");
    let answer = Answer::Refused { refusal, message };
    Trial::new(subject, namespace, version, answer.clone(), answer)
}

/// The version that decides about features: the emulated one, if a newer binary emulates an older
/// release.
fn effective_version(answer: &Value) -> Option<String> {
    let version = answer["gitVersion"].as_str()?;
    let part = |key: &str| answer[key].as_str().filter(|part| !part.is_empty());
    // Vendors write 29+.
    let own = part("minor").map(|minor| minor.trim_end_matches('+'));
    match (part("emulationMajor"), part("emulationMinor"), own) {
        (Some(major), Some(minor), own) if own != Some(minor) => {
            Some(format!("v{major}.{minor} emulated by {version}"))
        }
        _ => Some(version.to_owned()),
    }
}

/// What is left of it for comparisons.
fn release(version: &str) -> Option<Version> {
    version.split(' ').next()?.parse().ok()
}

/// A server is asked only if it is known to store nothing then.
fn reason_not_to_try(version: Option<&str>) -> Option<&'static str> {
    match version.map(release) {
        Some(Some(release)) if release.is_at_least(DRY_RUN_SINCE) => None,
        Some(Some(_)) => Some("it is too old for dry runs"),
        Some(None) | None => Some("its version is unknown"),
    }
}

/// Tries the pod; if its sidecars' probes are refused, tries it without them too: the container
/// that lost its field is then seen by name, while the refusal tells an index after admission.
async fn attempt(
    api: &mut Api,
    collection: Collection,
    namespace: &Namespace,
    subject: &Subject,
) -> Answer {
    let first = once(api, collection, namespace, subject).await;
    let Answer::Refused { refusal: Refusal::NotNative { knows_sidecars }, message } = &first else {
        return first;
    };
    if subject.has_misplaced_probes() {
        return Answer::Refused { refusal: Refusal::Invalid, message: message.clone() };
    }
    match once(api, collection, namespace, &subject.without_probes()).await {
        Answer::Accepted { fates, unknown_field, .. } => Answer::Accepted {
            fates,
            unknown_field: unknown_field || !knows_sidecars,
            probes_refused: Some(message.clone()),
        },
        Answer::Refused { .. } | Answer::Lost { .. } => first,
    }
}

async fn once(
    api: &mut Api,
    collection: Collection,
    namespace: &Namespace,
    subject: &Subject,
) -> Answer {
    let (body, kind, pointer) = match collection {
        Collection::Pods => (subject.pod(), "Pod", "/spec"),
        Collection::PodTemplates => (subject.pod_template(), "PodTemplate", "/template/spec"),
    };
    match request::try_create(api, collection, namespace, &body).await {
        Ok(posted) if posted.body["kind"] == kind => Answer::Accepted {
            fates: comparison::fates(
                &subject.spec,
                posted.body.pointer(pointer).unwrap_or(&Value::Null),
            ),
            unknown_field: posted.warnings.iter().any(|text| is_unknown_field(text)),
            probes_refused: None,
        },
        Ok(_) => {
            let message = format!("the answer is no {kind}");
            Answer::Refused { refusal: Refusal::Other, message }
        }
        Err(Failure::Refused { code, message, .. }) => {
            Answer::Refused { refusal: refusal::classify(code, &message), message }
        }
        Err(failure) => Answer::Lost { message: net::with_causes(&failure) },
    }
}

/// The warning of an API server that does not know the field.
fn is_unknown_field(warning: &str) -> bool {
    warning.contains("unknown field")
        && warning.contains("initContainers[")
        && warning.contains(".restartPolicy")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn warnings_about_this_field_alone_count() {
        // Recorded on 1.27.16, as a header and unquoted.
        let header = r#"299 - "unknown field \"spec.initContainers[0].restartPolicy\"""#;
        assert!(is_unknown_field(header));
        let template = r#"unknown field "template.spec.initContainers[1].restartPolicy""#;
        assert!(is_unknown_field(template));
        assert!(!is_unknown_field(r#"unknown field "spec.restartPolicies""#));
        let duplicate = r#"duplicate field "spec.initContainers[0].restartPolicy""#;
        assert!(!is_unknown_field(duplicate));
    }

    #[test]
    fn only_api_servers_that_know_dry_runs_are_asked() {
        assert!(reason_not_to_try(Some("v1.18.0")).is_none());
        assert!(reason_not_to_try(Some("v1.36.3+k3s1")).is_none());
        assert!(reason_not_to_try(Some("v1.32 emulated by v1.36.3")).is_none());
        assert!(reason_not_to_try(Some("v1.11.3")).unwrap().contains("too old"));
        assert!(reason_not_to_try(Some("odd")).unwrap().contains("unknown"));
        assert!(reason_not_to_try(None).unwrap().contains("unknown"));
    }

    #[test]
    fn an_emulated_release_decides() {
        let plain = json!({"gitVersion": "v1.36.3", "major": "1", "minor": "36",
            "emulationMajor": "1", "emulationMinor": "36"});
        assert_eq!(effective_version(&plain).as_deref(), Some("v1.36.3"));
        let mut emulating = plain;
        emulating["emulationMinor"] = json!("32");
        let version = effective_version(&emulating).unwrap();
        assert_eq!(version, "v1.32 emulated by v1.36.3");
        assert!(!release(&version).unwrap().is_at_least(33));
        assert!(release("v1.28.9+k3s1").unwrap().is_at_least(28));
        assert_eq!(effective_version(&json!({})), None);
    }
}
