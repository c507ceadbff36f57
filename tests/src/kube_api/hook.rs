//! A mutating webhook on a real HTTPS port, good or bad, and the configuration that names it.
//!
//! It records the reviews that it gets. One that is no dry run would have side effects in a real
//! webhook, so it fails the test.

use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::answer::{Answer, Fault};
use super::wire::{Call, Reaction, Server, tls};
use crate::certificates::Authority;
use crate::loopback::own_address;
use crate::workplace::Workplace;

/// What the webhook does with a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conduct {
    /// Allowed, and no patch.
    Keep,
    /// A patch of its own business: a label.
    Label,
    /// A patch that removes the field of the first init container.
    Remove,
    /// A patch that replaces all init containers by those that an older pod has.
    ReplaceList,
    /// A patch that puts an init container first, by index, and then gives it the field.
    Move,
    /// A patch of these operations.
    Patch(Value),
    /// Not allowed.
    Deny(String),
    /// The answer is for another request.
    WrongUid,
    Faulty(Fault),
}

/// A running webhook with an authority of its own.
#[derive(Debug)]
pub struct FakeWebhook {
    name: String,
    server: Server,
    authority: Authority,
    record: Arc<Mutex<Record>>,
}

#[derive(Debug, Default)]
struct Record {
    reviews: Vec<Value>,
    wrong: Vec<String>,
}

impl FakeWebhook {
    pub fn start(place: &Workplace, name: &str, conduct: Conduct) -> Self {
        let authority = Authority::new(place.path(), &format!("{name}-ca"));
        let address = own_address();
        let host = address.ip().to_string();
        let service = format!("{}.hooks.svc", first_label(name));
        let pair = authority.sign_for(name, &[&host, "localhost", &service]);
        let record = Arc::new(Mutex::new(Record::default()));
        let written = Arc::clone(&record);
        let react = move |call: &Call<'_>| review(&written, &conduct, call);
        let server = Server::start(address, Some(tls(&pair, None)), react);
        Self { name: name.to_owned(), server, authority, record }
    }

    pub fn url(&self) -> String {
        format!("https://{}/mutate", self.server.address())
    }

    pub fn address(&self) -> std::net::SocketAddr {
        self.server.address()
    }

    /// A MutatingWebhookConfiguration with this one webhook, called by its URL.
    pub fn configuration(&self) -> Value {
        self.configuration_of(json!({ "url": self.url(), "caBundle": self.ca_bundle() }))
    }

    /// The same, called as a service in the namespace `hooks`.
    pub fn service_configuration(&self) -> Value {
        let service = json!({
            "namespace": "hooks", "name": first_label(&self.name), "path": "/mutate", "port": 443,
        });
        self.configuration_of(json!({ "service": service, "caBundle": self.ca_bundle() }))
    }

    /// The reviews so far.
    pub fn reviews(&self) -> Vec<Value> {
        lock(&self.record).reviews.clone()
    }

    fn ca_bundle(&self) -> String {
        STANDARD.encode(fs::read(self.authority.file()).unwrap())
    }

    fn configuration_of(&self, client: Value) -> Value {
        json!({
            "kind": "MutatingWebhookConfiguration",
            "apiVersion": "admissionregistration.k8s.io/v1",
            "metadata": { "name": first_label(&self.name) },
            "webhooks": [{
                "name": self.name,
                "clientConfig": client,
                "rules": [{ "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"],
                    "resources": ["pods"], "scope": "*" }],
                "failurePolicy": "Fail", "matchPolicy": "Equivalent", "sideEffects": "None",
                "reinvocationPolicy": "Never", "timeoutSeconds": 10,
                "admissionReviewVersions": ["v1"],
                "namespaceSelector": {}, "objectSelector": {},
            }],
        })
    }
}

impl Drop for FakeWebhook {
    fn drop(&mut self) {
        let wrong = std::mem::take(&mut lock(&self.record).wrong);
        assert!(std::thread::panicking() || wrong.is_empty(), "{}: {wrong:#?}", self.name);
    }
}

fn lock(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

fn first_label(name: &str) -> &str {
    name.split('.').next().unwrap()
}

fn review(record: &Mutex<Record>, conduct: &Conduct, call: &Call<'_>) -> Reaction {
    let review: Value = serde_json::from_slice(call.body).unwrap_or_default();
    let request = &review["request"];
    let mut record = lock(record);
    record.reviews.push(review.clone());
    if call.request.method != "POST" || review["kind"] != "AdmissionReview" {
        record.wrong.push(format!("{} {}: {review}", call.request.method, call.request.target));
    }
    if request["dryRun"] != true {
        record.wrong.push(format!("no dry run: {review}"));
    }
    if call.request.header("authorization").is_some() {
        record.wrong.push("a webhook was given a credential".to_owned());
    }
    drop(record);
    let answer = |response: Value| {
        let review = json!({
            "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response,
        });
        Answer::json(200, &review)
    };
    let uid = &request["uid"];
    let answer = match conduct {
        Conduct::Faulty(fault) => {
            let allowed = answer(json!({ "uid": uid, "allowed": true }));
            return Reaction::Faulty(allowed, fault.clone());
        }
        Conduct::Deny(why) => answer(json!({
            "uid": uid, "allowed": false, "status": { "code": 403, "message": why },
        })),
        Conduct::WrongUid => answer(json!({ "uid": "another", "allowed": true })),
        Conduct::Keep => answer(json!({ "uid": uid, "allowed": true })),
        patching => {
            let patch = STANDARD.encode(patch(patching, &request["object"]).to_string());
            answer(json!({
                "uid": uid, "allowed": true, "patchType": "JSONPatch", "patch": patch,
            }))
        }
    };
    Reaction::Answer(answer)
}

fn patch(conduct: &Conduct, pod: &Value) -> Value {
    let list = &pod["spec"]["initContainers"];
    match conduct {
        Conduct::Label => json!([
            { "op": "add", "path": "/metadata/annotations", "value": { "seen": "yes" } },
        ]),
        Conduct::Remove => {
            json!([{ "op": "remove", "path": "/spec/initContainers/0/restartPolicy" }])
        }
        Conduct::ReplaceList => {
            let mut older = list.clone();
            for container in older.as_array_mut().into_iter().flatten() {
                container.as_object_mut().unwrap().remove("restartPolicy");
            }
            json!([{ "op": "replace", "path": "/spec/initContainers", "value": older }])
        }
        Conduct::Move => json!([
            { "op": "add", "path": "/spec/initContainers/0",
              "value": { "name": "injected", "image": "localhost/injected:1" } },
            { "op": "move", "from": "/spec/initContainers/1/restartPolicy",
              "path": "/spec/initContainers/0/restartPolicy" },
        ]),
        Conduct::Patch(operations) => operations.clone(),
        other => unreachable!("{other:?} has no patch"),
    }
}
