//! Asks each webhook what it would do, as the API server does, and sees who takes the field.
//!
//! In go the webhooks in call order and the pod, out comes one step for each call, with the losses
//! of its patch. The patches are chained: what one webhook changes the next one sees, and a second
//! round asks those with reinvocationPolicy IfNeeded that a later one overtook. Every review says
//! dryRun, and a webhook that has side effects even then is passed over. No credentials are sent;
//! a webhook that wants the API server's own certificate refuses, and the step says so.
//! What only the API server has is missing: its own plugins (service account volumes, limits) and
//! policies, which are CEL.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube_api::{Api, Limits, post_json, segment};
use serde_json::{Value, json};

use super::blame::{self, Fidelity, Loss};
use super::hook::Hook;
use super::selector::{Labels, Match};

/// The first call of each webhook, and the one after later changes.
const ROUNDS: usize = 2;
/// Of one answer; the API server takes no larger one.
const ANSWER_BYTES_MAX: usize = 3 << 20;
const V1: &str = "admission.k8s.io/v1";
const V1BETA1: &str = "admission.k8s.io/v1beta1";
/// Who the review says that creates the pod.
const USER: &str = "native-sidecar-probe";

/// What a webhook answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Unchanged,
    Patched { operations: usize },
    Denied { message: String },
    Failed { message: String },
    Skipped { reason: String },
}

/// One call of one webhook.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) round: usize,
    /// Of the webhook in call order.
    pub(crate) hook: usize,
    /// Whether the API server calls it for sure.
    pub(crate) is_certain: bool,
    pub(crate) outcome: Outcome,
    pub(crate) losses: Vec<Loss>,
}

/// Where a webhook really is, for those that this machine cannot reach by their Service.
#[derive(Debug, Clone)]
pub(crate) struct Detour {
    pub(crate) webhook: String,
    pub(crate) address: SocketAddr,
}

/// Calls all of them. Ends at the first one that denies, as the API server does.
pub(crate) async fn run(
    api: &mut Api,
    hooks: &[Hook],
    pod: &Value,
    detours: &[Detour],
) -> Vec<Step> {
    let mut pod = pod.clone();
    let mut steps = Vec::new();
    let mut overtaken = vec![false; hooks.len()];
    'rounds: for round in 0..ROUNDS {
        for (index, hook) in hooks.iter().enumerate() {
            let matches = hook.matches(&Labels::of(&pod["metadata"]));
            if matches == Match::No || (round > 0 && !overtaken[index]) {
                continue;
            }
            let is_certain = matches == Match::Yes && hook.conditions().is_empty();
            overtaken[index] = false;
            let (outcome, losses) = match call(api, hook, &pod, detours).await {
                Ok(patch) => patched(&mut pod, &patch),
                Err(outcome) => (outcome, Vec::new()),
            };
            let is_denied = matches!(outcome, Outcome::Denied { .. });
            if matches!(outcome, Outcome::Patched { .. }) {
                mark_overtaken(&mut overtaken, hooks, &steps, index);
            }
            steps.push(Step { round, hook: index, is_certain, outcome, losses });
            if is_denied {
                break 'rounds;
            }
        }
    }
    blame::mark_mended(steps.iter_mut().flat_map(|step| &mut step.losses), &pod);
    steps
}

/// After a change, those that were asked before it and want to see it.
fn mark_overtaken(overtaken: &mut [bool], hooks: &[Hook], steps: &[Step], changer: usize) {
    for step in steps {
        let wants = hooks.get(step.hook).is_some_and(|hook| hook.reinvocation() == "IfNeeded");
        let was_asked = !matches!(step.outcome, Outcome::Skipped { .. });
        if let Some(mark) = overtaken.get_mut(step.hook)
            && step.hook != changer
        {
            *mark |= wants && was_asked;
        }
    }
}

fn patched(pod: &mut Value, patch: &[Value]) -> (Outcome, Vec<Loss>) {
    if patch.is_empty() {
        return (Outcome::Unchanged, Vec::new());
    }
    match blame::apply(pod, patch, Fidelity::Exact) {
        Ok(losses) => (Outcome::Patched { operations: patch.len() }, losses),
        Err(error) => {
            let message = format!("its patch does not apply: {error}");
            (Outcome::Failed { message }, Vec::new())
        }
    }
}

/// The operations of one webhook's patch, or why there are none.
async fn call(
    api: &mut Api,
    hook: &Hook,
    pod: &Value,
    detours: &[Detour],
) -> Result<Vec<Value>, Outcome> {
    let skipped = |reason: &str| Outcome::Skipped { reason: reason.to_owned() };
    if hook.blocks_dry_run() {
        return Err(skipped("it has side effects even in a dry run"));
    }
    let version = review_version(hook).ok_or_else(|| skipped("it takes no known review"))?;
    let url = url(hook).ok_or_else(|| skipped("it has neither service nor URL"))?;
    let ca = STANDARD
        .decode(hook.value["clientConfig"]["caBundle"].as_str().unwrap_or(""))
        .or(Err(skipped("its caBundle is no base64")))?;
    let ca = Some(ca.as_slice()).filter(|pem| !pem.is_empty());
    let detour = detours.iter().find(|detour| detour.webhook == hook.name);
    let address = match detour {
        Some(detour) => Some(detour.address),
        None => service_address(api, hook).await,
    };
    let uid = uid();
    let review = review(version, &uid, pod);
    let limits = Limits {
        request_timeout: Duration::from_secs(hook.timeout_seconds()),
        body_bytes_max: ANSWER_BYTES_MAX,
        ..Limits::default()
    };
    let failed = |message: String| Outcome::Failed { message };
    let answer = post_json(&url, address, None, ca, &review, &limits).await;
    let (code, answer) = answer.map_err(|failure| failed(net::with_causes(&failure)))?;
    if code != 200 {
        return Err(failed(format!("it answered with status {code}")));
    }
    read_answer(&answer, version, &uid)
}

/// The version of the reviews that a webhook takes: its first one that is known here.
fn review_version(hook: &Hook) -> Option<&'static str> {
    let versions = hook.value["admissionReviewVersions"].as_array()?;
    versions.iter().find_map(|version| match version.as_str() {
        Some("v1") => Some(V1),
        Some("v1beta1") => Some(V1BETA1),
        _ => None,
    })
}

fn url(hook: &Hook) -> Option<String> {
    let config = &hook.value["clientConfig"];
    let base = match config["url"].as_str() {
        Some(url) => url.to_owned(),
        None => {
            let service = &config["service"];
            let (name, namespace) = (service["name"].as_str()?, service["namespace"].as_str()?);
            let port = service["port"].as_u64().unwrap_or(443);
            let path = service["path"].as_str().unwrap_or("").trim_start_matches('/');
            format!("https://{name}.{namespace}.svc:{port}/{path}")
        }
    };
    let mark = if base.contains('?') { '&' } else { '?' };
    Some(format!("{base}{mark}timeout={}s", hook.timeout_seconds()))
}

/// The Service's own address: names of Services resolve inside the cluster only.
async fn service_address(api: &mut Api, hook: &Hook) -> Option<SocketAddr> {
    let service = &hook.value["clientConfig"]["service"];
    let (name, namespace) = (service["name"].as_str()?, service["namespace"].as_str()?);
    let path = format!("/api/v1/namespaces/{}/services/{}", segment(namespace), segment(name));
    let port = u16::try_from(service["port"].as_u64().unwrap_or(443)).ok()?;
    match api.get(&path).await {
        Ok(found) => {
            Some(SocketAddr::new(found["spec"]["clusterIP"].as_str()?.parse().ok()?, port))
        }
        Err(failure) => {
            tracing::debug!(error = %failure, name, "The Service of a webhook is unknown");
            None
        }
    }
}

/// A random identifier of the usual form; the answer has to repeat it.
fn uid() -> String {
    let hex = format!("{:032x}", fastrand::u128(..));
    let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    parts.map(|(start, end)| hex.get(start..end).unwrap_or("")).join("-")
}

fn review(version: &str, uid: &str, pod: &Value) -> Value {
    let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
    let resource = json!({"group": "", "version": "v1", "resource": "pods"});
    json!({
        "kind": "AdmissionReview",
        "apiVersion": version,
        "request": {
            "uid": uid,
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "name": pod["metadata"]["name"].as_str().unwrap_or(""),
            "namespace": pod["metadata"]["namespace"],
            "operation": "CREATE",
            "userInfo": {"username": USER, "groups": ["system:authenticated"]},
            "object": pod,
            "oldObject": null,
            "dryRun": true,
            "options": {
                "kind": "CreateOptions",
                "apiVersion": "meta.k8s.io/v1",
                "dryRun": ["All"]
            }
        }
    })
}

/// The operations in an answer. None at all is a webhook that changes nothing.
fn read_answer(answer: &Value, version: &str, uid: &str) -> Result<Vec<Value>, Outcome> {
    let failed = |message: &str| Outcome::Failed { message: message.to_owned() };
    let response = &answer["response"];
    // Of a v1beta1 review the API server does not look at it.
    if version == V1 && response["uid"] != *uid {
        return Err(failed("its answer is to another review"));
    }
    if response["allowed"] != true {
        let message = response["status"]["message"].as_str().unwrap_or("without explanation");
        return Err(Outcome::Denied { message: message.to_owned() });
    }
    let Some(patch) = response["patch"].as_str().filter(|patch| !patch.is_empty()) else {
        return Ok(Vec::new());
    };
    let decoded = STANDARD.decode(patch).or(Err(failed("its patch is no base64")))?;
    match serde_json::from_slice(&decoded) {
        Ok(Value::Array(operations)) => Ok(operations),
        Ok(Value::Null) => Ok(Vec::new()),
        _ => Err(failed("its patch is no JSON Patch")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhooks::hook::{self, Place};

    fn hook(webhook: &Value) -> Hook {
        let all = ["*"];
        let rule = json!({
            "operations": all, "apiGroups": all, "apiVersions": all, "resources": all,
        });
        let mut webhook = webhook.clone();
        webhook["rules"] = json!([rule]);
        let configuration = json!({"metadata": {"name": "c"}, "webhooks": [webhook]});
        let place = Place { namespace_labels: Labels { complete: true, ..Labels::default() } };
        hook::in_call_order(&[configuration], &place).remove(0)
    }

    #[test]
    fn addresses_as_the_api_server_builds_them() {
        let service = json!({"name": "w", "namespace": "ns", "path": "/mutate", "port": 8443});
        let of = |config: Value| url(&hook(&json!({"clientConfig": config, "timeoutSeconds": 5})));
        let expected = "https://w.ns.svc:8443/mutate?timeout=5s";
        assert_eq!(of(json!({"service": service})).as_deref(), Some(expected));
        let bare = of(json!({"service": {"name": "w", "namespace": "ns"}}));
        assert_eq!(bare.as_deref(), Some("https://w.ns.svc:443/?timeout=5s"));
        let url = of(json!({"url": "https://w.example/m?a=b"}));
        assert_eq!(url.as_deref(), Some("https://w.example/m?a=b&timeout=5s"));
        assert_eq!(of(json!({})), None);
        let versions =
            |list: Value| review_version(&hook(&json!({"admissionReviewVersions": list})));
        assert_eq!(versions(json!(["v2", "v1beta1", "v1"])), Some("admission.k8s.io/v1beta1"));
        assert_eq!(versions(json!([])), None);
    }

    #[test]
    fn reviews_are_dry_runs() {
        let pod = json!({"metadata": {"generateName": "a-", "namespace": "team"}, "spec": {}});
        let uid = uid();
        assert_eq!(uid.len(), 36);
        let review = review("admission.k8s.io/v1", &uid, &pod);
        let request = &review["request"];
        assert_eq!(request["dryRun"], true);
        assert_eq!(request["options"]["dryRun"], json!(["All"]));
        assert_eq!(request["namespace"], "team");
        assert_eq!(request["object"], pod);
    }

    #[test]
    fn answers_of_webhooks() {
        let patch = STANDARD.encode(r#"[{"op":"remove","path":"/a"}]"#);
        let read = |response: Value| read_answer(&json!({"response": response}), V1, "1");
        let operations = read(json!({"uid": "1", "allowed": true, "patch": patch})).unwrap();
        assert_eq!(operations, [json!({"op": "remove", "path": "/a"})]);
        assert_eq!(read(json!({"uid": "1", "allowed": true})), Ok(Vec::new()));
        let denied = read(json!({"uid": "1", "allowed": false, "status": {"message": "no"}}));
        assert_eq!(denied, Err(Outcome::Denied { message: "no".to_owned() }));
        let without_uid = json!({"response": {"allowed": true}});
        assert_eq!(read_answer(&without_uid, V1BETA1, "1"), Ok(Vec::new()));
        for response in [
            without_uid["response"].clone(),
            json!({"uid": "2", "allowed": true}),
            json!({"uid": "1", "allowed": true, "patch": "%"}),
            json!({"uid": "1", "allowed": true, "patch": STANDARD.encode("{}")}),
            json!(null),
        ] {
            assert!(matches!(read(response.clone()), Err(Outcome::Failed { .. })), "{response}");
        }
    }

    #[test]
    fn those_that_a_later_change_overtook_are_asked_again() {
        let again = hook(&json!({"reinvocationPolicy": "IfNeeded"}));
        let hooks = [again.clone(), hook(&json!({})), again.clone(), again];
        let step = |hook: usize, outcome: Outcome| Step {
            round: 0,
            hook,
            is_certain: true,
            outcome,
            losses: Vec::new(),
        };
        let skipped = Outcome::Skipped { reason: String::new() };
        let steps = [step(0, Outcome::Unchanged), step(1, Outcome::Unchanged), step(2, skipped)];
        let mut overtaken = [false; 4];
        mark_overtaken(&mut overtaken, &hooks, &steps, 3);
        assert_eq!(overtaken, [true, false, false, false]);
    }
}
