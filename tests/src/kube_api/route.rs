//! From a request to its answer: who asks, whether that is allowed, and what the path means.
//!
//! The order is that of a real API server: 401 for a credential that is not known, 403 for what its
//! user may not do, then the path. Nobody is `system:anonymous`, who may see /version and nothing
//! else. Over the proxy everybody is the administrator.

use serde_json::{Value, json};

use super::answer::{Answer, Fault};
use super::dry_run;
use super::objects::{Query, Target};
use super::wire::{Call, Reaction};
use super::{Release, Seen, Shared, State};

const ADMINISTRATOR: &str = "kubernetes-admin";
const ANONYMOUS: &str = "system:anonymous";
/// As recorded of 1.36.3.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
/// Creates nothing: it only asks.
const SELF_REVIEW: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

impl Shared {
    /// As `kubectl proxy` passes it on.
    pub(super) fn proxied(&self, call: &Call<'_>) -> Reaction {
        self.answered(0, call, ADMINISTRATOR)
    }

    /// An API server, by number.
    pub(super) fn api(&self, number: usize, call: &Call<'_>) -> Reaction {
        let user = self.lock().user(call);
        match user {
            Some(user) => self.answered(number, call, &user),
            None => {
                self.lock().note(call, &call.request.target, None);
                Reaction::Answer(Answer::unauthorized())
            }
        }
    }

    /// The kubelet of a node.
    pub(super) fn kubelet(&self, name: &str, call: &Call<'_>) -> Reaction {
        let mut state = self.lock();
        let (path, _query) = Query::split(&call.request.target);
        let known = format!("kubelet://{name}{path}");
        let user = state.user(call).filter(|user| user != ANONYMOUS);
        state.note(call, &known, user.as_deref());
        let release = state.nodes[name].clone();
        let answer = match user {
            None => Answer::text(401, "text/plain; charset=utf-8", "Unauthorized"),
            Some(user) if state.is_denied("GET", &known) => {
                let text = format!(
                    "Forbidden (user={user}, verb=get, resource=nodes, subresource(s)=[metrics])\n"
                );
                Answer::text(403, "text/plain; charset=utf-8", text)
            }
            Some(_user) if path == "/metrics" => {
                Answer::text(200, METRICS_TYPE, release.kubelet_metrics())
            }
            Some(_user) => Answer::text(404, "text/plain; charset=utf-8", "404 page not found\n"),
        };
        state.under_fault(&known, answer)
    }

    fn answered(&self, number: usize, call: &Call<'_>, user: &str) -> Reaction {
        let (path, query) = Query::split(&call.request.target);
        let mut state = self.lock();
        let shown = match number {
            0 => call.request.target.clone(),
            number => format!("replica://{number}{}", call.request.target),
        };
        state.note(call, &shown, Some(user));
        let release = state.releases[number].clone();
        let method = call.request.method.as_str();
        let anonymous = user == ANONYMOUS && path != "/version" && path != "/healthz";
        if anonymous || state.is_denied(method, &path) {
            return state.under_fault(&path, forbidden(method, &path, user));
        }
        let answer = match (method, path.as_str()) {
            ("GET", "/version") => Answer::json(200, &release.version_document()),
            ("GET", "/healthz") => Answer::text(200, "text/plain", "ok"),
            ("GET", "/metrics") => Answer::text(200, METRICS_TYPE, release.api_server_metrics()),
            ("GET", _) => state.get(&release, &path, &query),
            ("POST", SELF_REVIEW) => state.self_review(call.body),
            ("POST", _) => match state.create(&release, call, &path, &query) {
                Some(answer) => answer,
                None => return Reaction::Faulty(Answer::not_found(), Fault::Silent),
            },
            (method, _) => {
                state.wrong.push(format!("{method} {}", call.request.target));
                Answer::failure(405, "MethodNotAllowed", "not in this test", json!({}))
            }
        };
        state.under_fault(&path, answer)
    }
}

impl State {
    /// None: the credential is not known.
    fn user(&self, call: &Call<'_>) -> Option<String> {
        if let Some(credential) = call.request.header("authorization") {
            let token = credential.strip_prefix("Bearer ")?;
            return self.tokens.get(token).cloned();
        }
        match &call.certificate {
            Some(certificate) => self.certificates.get(certificate).cloned(),
            None => Some(ANONYMOUS.to_owned()),
        }
    }

    fn note(&mut self, call: &Call<'_>, target: &str, user: Option<&str>) {
        let user = user.map(str::to_owned);
        let (method, target) = (call.request.method.clone(), target.to_owned());
        self.seen.push(Seen { method, target, user });
    }

    fn is_denied(&self, method: &str, path: &str) -> bool {
        self.denied.iter().any(|(denied, below)| {
            let rest = path.strip_prefix(below.as_str());
            denied == method && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    fn under_fault(&self, path: &str, answer: Answer) -> Reaction {
        match self.faults.get(path) {
            Some(fault) => Reaction::Faulty(answer, fault.clone()),
            None => Reaction::Answer(answer),
        }
    }

    fn get(&mut self, release: &Release, path: &str, query: &Query) -> Answer {
        let Some(target) = Target::parse(path) else { return self.objects.kinds(path) };
        let node = target.name.as_deref().filter(|_name| target.resource == "nodes");
        if let (Some(node), Some("proxy")) = (node, target.subresource.as_deref()) {
            return match self.nodes.get(node) {
                Some(node) if path.ends_with("/proxy/metrics") => {
                    Answer::text(200, METRICS_TYPE, node.kubelet_metrics())
                }
                Some(_node) => Answer::text(404, "text/plain", "404 page not found\n"),
                None => {
                    let message = format!("error trying to reach service: no route to {node}");
                    Answer::failure(503, "ServiceUnavailable", &message, json!({}))
                }
            };
        }
        self.objects.get(&target, query, release.effective())
    }

    /// None: admission stalls.
    fn create(
        &mut self,
        release: &Release,
        call: &Call<'_>,
        path: &str,
        query: &Query,
    ) -> Option<Answer> {
        if query.get("dryRun") != Some("All") {
            self.wrong.push(format!("POST {} without dryRun=All", call.request.target));
            let message = "this would have been stored";
            return Some(Answer::failure(500, "InternalError", message, json!({})));
        }
        let target = Target::parse(path).filter(|target| target.name.is_none());
        let Some(target) = target else { return Some(Answer::not_found()) };
        let Ok(object) = serde_json::from_slice::<Value>(call.body) else {
            return Some(Answer::bad_request("the object provided is unrecognized"));
        };
        let namespace = target.namespace.clone().unwrap_or_default();
        let known = Target::parse(&format!("/api/v1/namespaces/{namespace}"))
            .map(|target| self.objects.get(&target, &Query::default(), release.effective()));
        match known {
            Some(answer) if answer.status == 200 => {
                dry_run::create(release, &self.admission, &target, query, object)
            }
            Some(answer) => Some(answer),
            None => Some(Answer::not_found()),
        }
    }

    /// Whether the caller may do what the review names, by the denials of the test.
    fn self_review(&self, body: &[u8]) -> Answer {
        let Ok(mut review) = serde_json::from_slice::<Value>(body) else {
            return Answer::bad_request("the object provided is unrecognized");
        };
        let spec = &review["spec"];
        let word = |field: &str| spec["resourceAttributes"][field].as_str().unwrap_or_default();
        let path = match spec["nonResourceAttributes"]["path"].as_str() {
            Some(path) => path.to_owned(),
            None => match word("namespace") {
                "" => format!("/api/v1/{}", word("resource")),
                namespace => format!("/api/v1/namespaces/{namespace}/{}", word("resource")),
            },
        };
        let method = if word("verb") == "create" { "POST" } else { "GET" };
        let allowed = !self.is_denied(method, &path);
        review["status"] = json!({ "allowed": allowed });
        Answer::json(201, &review)
    }
}

/// The texts that were recorded of 1.36.3.
fn forbidden(method: &str, path: &str, user: &str) -> Answer {
    let Some(target) = Target::parse(path) else {
        let message = format!("forbidden: User \"{user}\" cannot get path \"{path}\"");
        return Answer::failure(403, "Forbidden", &message, json!({}));
    };
    let verb = match (method, &target.name) {
        ("POST", _) => "create",
        (_, Some(_name)) => "get",
        (_, None) => "list",
    };
    let object = target.name.as_ref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
    let subresource = target.subresource.as_ref().map(|sub| format!("/{sub}")).unwrap_or_default();
    let place = match &target.namespace {
        Some(namespace) => format!("in the namespace \"{namespace}\""),
        None => "at the cluster scope".to_owned(),
    };
    let resource = &target.resource;
    let message = format!(
        "{resource}{object} is forbidden: User \"{user}\" cannot {verb} resource \
         \"{resource}{subresource}\" in API group \"{}\" {place}",
        target.group
    );
    let mut details = json!({ "kind": resource });
    if let Some(name) = &target.name {
        details["name"] = json!(name);
    }
    Answer::failure(403, "Forbidden", &message, details)
}
