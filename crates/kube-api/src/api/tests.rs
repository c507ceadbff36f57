use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::*;
use crate::credential::Proof;
use crate::exec::{ApiVersion, Plugin};
use crate::fake_server::{FakeServer, Then, answer, patient};
use crate::post_json;

fn fixed(header: &'static str) -> Proof {
    Proof::Fixed(HeaderValue::from_static(header))
}

/// Answers every request alike.
fn always(head: &'static str, body: &'static str) -> FakeServer {
    FakeServer::start(move |_number, _request| (answer(head, body), Then::Keep))
}

/// Says 401 unless the request has `needle`.
fn strict(needle: &'static str) -> FakeServer {
    FakeServer::start(move |_number, request| match request.contains(needle) {
        true => (answer("200 OK", "{}"), Then::Keep),
        false => (answer("401 Unauthorized", r#"{"message":"who?"}"#), Then::Keep),
    })
}

#[tokio::test]
async fn json_comes_as_it_was_written() {
    let text = r#"{"b":1.0,"a":{"z":12345678901234567890123,"y":[1.50]}}"#;
    let server = FakeServer::start(move |_, _| (answer("200 OK", text), Then::Keep));
    let mut api = server.api("/prefix/", fixed("Bearer abc"), patient());
    assert_eq!(api.get("/api/v1/nodes?a=b").await.unwrap().to_string(), text);
    let request = server.requests().remove(0);
    assert!(request.starts_with("GET /prefix/api/v1/nodes?a=b HTTP/1.1\r\n"), "{request}");
    for header in ["authorization: Bearer abc", "accept: application/json", "user-agent: outrider/"]
    {
        assert!(request.contains(&format!("\r\n{header}")), "{request}");
    }
}

#[tokio::test]
async fn a_connection_is_kept_and_a_fork_has_its_own() {
    // One connection is served after the other, so the fork waits for the end of the first.
    let server = always("200 OK", "{}");
    let mut api = server.api("", Proof::None, patient());
    api.get("/1").await.unwrap();
    api.get("/2").await.unwrap();
    let mut fork = api.fork();
    drop(api);
    fork.get("/3").await.unwrap();
    let lines = ["0 GET /1 HTTP/1.1", "0 GET /2 HTTP/1.1", "1 GET /3 HTTP/1.1"];
    assert_eq!(server.lines(), lines);
}

#[tokio::test]
async fn a_replica_is_asked_by_the_name_of_the_server() {
    let one = always("200 OK", "1");
    let two = always("200 OK", "2");
    let api = one.api("", Proof::None, patient());
    assert_eq!(api.at(two.address).get("/").await.unwrap(), 2);
    assert!(two.requests()[0].contains(&format!("host: {}\r\n", one.address)));
    assert!(one.requests().is_empty());
}

#[tokio::test]
async fn a_refusal_has_the_words_of_the_server() {
    let body = r#"{"kind":"Status","reason":"Forbidden","message":"nodes is forbidden"}"#;
    let server = always("403 Forbidden", body);
    let mut api = server.api("", fixed("Bearer x"), patient());
    let failure = api.get("/x").await.unwrap_err();
    assert!(failure.is_forbidden(), "{failure}");
    assert_eq!(failure.to_string(), "403 nodes is forbidden");
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_said_to_be_none() {
    let server = always("200 OK", "<html>");
    let failure = server.api("", Proof::None, patient()).get("/x").await.unwrap_err();
    assert!(matches!(failure, Failure::NotJson { .. }), "{failure}");
    let failure = server.api("", Proof::None, patient()).get("/a b").await.unwrap_err();
    assert!(matches!(failure, Failure::Path { .. }), "{failure}");
}

#[tokio::test]
async fn an_answer_has_a_size_and_a_time() {
    let limits = Limits { body_bytes_max: 10, ..patient() };
    let large = always("200 OK", "[1,2,3,4,5,6]");
    let failure = large.api("", Proof::None, limits).get("/x").await.unwrap_err();
    assert!(matches!(failure, Failure::TooLarge { bytes_max: 10, .. }), "{failure}");
    let silent = FakeServer::start(|_, _| (Vec::new(), Then::Hang));
    let limits = Limits { request_timeout: Duration::from_millis(50), ..patient() };
    let failure = silent.api("", Proof::None, limits).get("/x").await.unwrap_err();
    assert!(matches!(failure, Failure::TimedOut { .. }) && failure.is_unreachable(), "{failure}");
}

#[tokio::test]
async fn a_cut_answer_and_a_closed_port_are_no_answer() {
    let cut = FakeServer::start(|_, _| {
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}".to_vec(), Then::Close)
    });
    let failure = cut.api("", Proof::None, patient()).get("/x").await.unwrap_err();
    assert!(matches!(failure, Failure::BrokeOff { .. }) && failure.is_unreachable(), "{failure}");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let api = cut.api("", Proof::None, patient());
    let failure = api.at(closed).get("/x").await.unwrap_err();
    assert!(matches!(failure, Failure::Unreachable { .. }), "{failure}");
    assert!(net::with_causes(&failure).contains("refused"), "{}", net::with_causes(&failure));
}

#[tokio::test]
async fn a_replaced_token_is_tried_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "old").unwrap();
    let proof = Proof::token_file(file.clone(), None).unwrap();
    let turn = file.clone();
    // The token is replaced while the request with the old one is under way.
    let server = FakeServer::start(move |_, request| {
        std::fs::write(&turn, "new").unwrap();
        match request.contains("Bearer new") {
            true => (answer("200 OK", "{}"), Then::Keep),
            false => (answer("401 Unauthorized", ""), Then::Keep),
        }
    });
    let mut api = server.api("", proof.clone(), patient());
    api.get("/x").await.unwrap();
    assert_eq!(server.lines().len(), 2);
    let never = strict("Bearer other");
    let mut api = never.api("", proof, patient());
    assert!(api.get("/x").await.unwrap_err().is_forbidden());
    assert_eq!(never.lines().len(), 1);
}

#[tokio::test]
async fn a_plugin_is_asked_again_after_a_refusal_and_only_then() {
    let folder = tempfile::tempdir().unwrap();
    let (script, draft) = (folder.path().join("plugin"), folder.path().join("draft"));
    let text = r#"#!/bin/sh
cd "${0%/*}"
echo x >> runs
cat << END
{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1",
 "status": {"token": "t$(wc -l < runs)"}}
END
"#;
    std::fs::write(&draft, text).unwrap();
    std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(&draft, &script).unwrap();
    let plugin = Plugin {
        command: script,
        args: Vec::new(),
        env: Vec::new(),
        api_version: ApiVersion::V1,
        install_hint: None,
        provide_cluster: false,
        extension: None,
        cluster: None,
    };
    let server = strict("Bearer t2");
    let mut api = server.api("", Proof::Plugin(Box::new(plugin)), patient());
    api.get("/x").await.unwrap();
    api.get("/y").await.unwrap();
    drop(api.fork());
    let runs = std::fs::read_to_string(folder.path().join("runs")).unwrap();
    assert_eq!(runs.lines().count(), 2);
    assert_eq!(server.lines().len(), 3);
}

#[tokio::test]
async fn a_post_has_a_body_and_warnings() {
    let server = always("201 Created\r\nwarning: 299 - \"old \\\"x\\\"\"", r#"{"kind":"Pod"}"#);
    let mut api = server.api("", Proof::None, patient());
    let posted = api.post("/api/v1/pods?dryRun=All", &json!({"b": 1, "a": 2})).await.unwrap();
    let warnings = vec![r#"old "x""#.to_owned()];
    assert_eq!(posted, Posted { status: 201, warnings, body: json!({"kind": "Pod"}) });
    let request = server.requests().remove(0);
    assert!(request.starts_with("POST /api/v1/pods?dryRun=All HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("content-type: application/json\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\n{\"b\":1,\"a\":2}"), "{request}");
}

#[tokio::test]
async fn a_lost_post_is_not_sent_again() {
    let server = FakeServer::start(|_, _| (Vec::new(), Then::Close));
    let mut api = server.api("", Proof::None, patient());
    let failure = api.post("/x", &json!({})).await.unwrap_err();
    assert!(matches!(failure, Failure::Unreachable { .. }), "{failure}");
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn a_review_goes_to_any_server() {
    let server = always("400 Bad Request", "nothing");
    let url = format!("http://webhook.shop.svc:{}/mutate?timeout=2s", server.address.port());
    let to = Some(server.address);
    let (status, body) =
        post_json(&url, to, Some("w"), None, &json!({"a": 1}), &patient()).await.unwrap();
    assert_eq!((status, body), (400, Value::Null));
    let request = server.requests().remove(0);
    assert!(request.starts_with("POST /mutate?timeout=2s HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("host: webhook.shop.svc:"), "{request}");
    let failure = post_json("nowhere", None, None, None, &json!({}), &patient()).await;
    assert!(matches!(failure, Err(Failure::Setting(AccessError::Option { .. }))));
}
