//! The same to receivers that others wrote, through their restarts.

use std::fs;

use e2e::ledger::account;
use e2e::pace::{SOON, wait_until};
use e2e::receiver::Receiver;
use e2e::shipper::Settings;
use e2e::workplace::Workplace;
use e2e::writer::Numbered;
use serde_json::Value;

const LINES: usize = 2_000;
const ACCESS: &str = "203.0.113.7 - ann [22/Nov/2026:10:00:00 +0100] \"GET /a%20b?c=d HTTP/1.1\" \
                      404 153 \"-\" \"curl/8.0\"";

fn settings(place: &Workplace, sink: &str, scheme: &str, receiver: &Receiver) -> Settings {
    Settings::bare(place)
        .flag("--include", place.log("*.log").to_str().unwrap())
        .flag("--linger", "200ms")
        .flag("--sink", sink)
        .flag("--sink-url", &format!("{scheme}://{}", receiver.address()))
}

/// Lines before, while it is away, and after: each arrives once.
fn survives_a_restart(
    place: &Workplace,
    settings: &Settings,
    receiver: &mut Receiver,
    texts: impl Fn(&Receiver) -> Vec<String>,
) {
    let shipper = settings.start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    let arrived = |receiver: &Receiver, count: usize| {
        wait_until("the lines", SOON, || texts(receiver).len() >= count);
    };
    log.lines(LINES);
    arrived(receiver, LINES);
    shipper.wait_no_lag();
    receiver.stop();
    log.lines(LINES);
    shipper.wait_metric("log_shipper_retries_total", |retries| retries > 0.5);
    receiver.start();
    arrived(receiver, 2 * LINES);
    shipper.drain_ok();
    let texts = texts(receiver);
    account(log.written(), texts.iter().map(String::as_str)).assert_exactly_once();
}

/// The values that Rotel prints behind a label.
fn printed<'a>(lines: &'a [String], label: &str) -> Vec<&'a str> {
    lines.iter().filter_map(|line| line.trim().strip_prefix(label)).map(str::trim).collect()
}

fn bodies(receiver: &Receiver) -> Vec<String> {
    let lines = receiver.lines();
    let text = |body: &str| body.strip_prefix("Str(")?.strip_suffix(')').map(str::to_owned);
    printed(&lines, "Body:").into_iter().filter_map(text).collect()
}

fn collector(encoding: &str, compression: &str) {
    let place = Workplace::new();
    let mut receiver = Receiver::collector(place.path());
    let settings = settings(&place, "otlp", "http", &receiver)
        .flag("--sink-encoding", encoding)
        .flag("--compression", compression)
        .flag("--label", "service.name=shop")
        .env("POD_NAME", "web-0");
    survives_a_restart(&place, &settings, &mut receiver, bodies);
    let parsed = settings
        .flag("--include", place.log("access.txt").to_str().unwrap())
        .flag("--exclude", place.log("app.log").to_str().unwrap())
        .flag("--parse", "combined");
    let before = receiver.lines().len();
    fs::write(place.log("access.txt"), format!("{ACCESS}\n")).unwrap();
    let shipper = parsed.start();
    wait_until("the access", SOON, || bodies(&receiver).len() > 2 * LINES);
    shipper.drain_ok();
    let lines = receiver.lines().split_off(before);
    assert_eq!(printed(&lines, "Body:"), [format!("Str({ACCESS})")]);
    assert_eq!(printed(&lines, "Timestamp:"), ["1795338000000000000"]);
    for expected in [
        "-> service.name: Str(shop)",
        "-> k8s.pod.name: Str(web-0)",
        "-> client.address: Str(203.0.113.7)",
        "-> user.name: Str(ann)",
        "-> http.request.method: Str(GET)",
        "-> url.path: Str(/a%20b)",
        "-> url.query: Str(c=d)",
        "-> http.response.status_code: Int(404)",
        "-> http.response.body.size: Int(153)",
        "-> user_agent.original: Str(curl/8.0)",
    ] {
        assert_eq!(printed(&lines, expected).len(), 1, "{expected} in {lines:?}");
    }
}

#[test]
fn an_opentelemetry_collector_takes_protobuf() {
    collector("protobuf", "none");
}

#[test]
fn an_opentelemetry_collector_takes_packed_json() {
    collector("json", "gzip");
}

fn entries(receiver: &Receiver) -> Vec<Value> {
    receiver.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn messages(receiver: &Receiver) -> Vec<String> {
    let text = |entry: &Value| entry["record"]["message"].as_str().unwrap().to_owned();
    entries(receiver).iter().map(text).collect()
}

#[test]
fn the_fluent_projects_server_acknowledges() {
    let place = Workplace::new();
    let mut receiver = Receiver::fluent(place.path(), None);
    let settings = settings(&place, "forward", "tcp", &receiver);
    survives_a_restart(&place, &settings, &mut receiver, messages);
    fs::write(place.log("access.txt"), format!("{ACCESS}\n")).unwrap();
    let parsed = settings.flag("--include", place.log("*.txt").to_str().unwrap());
    let shipper = parsed.flag("--parse", "combined").start();
    wait_until("the access", SOON, || entries(&receiver).len() > 2 * LINES);
    shipper.drain_ok();
    let entries = entries(&receiver);
    assert_eq!(entries[0]["tag"], "log-shipper.app");
    let access = entries.last().unwrap();
    assert_eq!(access["tag"], "log-shipper.access");
    assert_eq!((&access["seconds"], &access["nanos"]), (&1_795_338_000.into(), &0.into()));
    assert_eq!(access["record"]["remote_addr"], "203.0.113.7");
    assert_eq!(access["record"]["status"], 404);
}

#[test]
fn the_fluent_projects_server_knows_a_shared_key() {
    let place = Workplace::new();
    let mut receiver = Receiver::fluent(place.path(), Some("a key"));
    let key = place.path().join("key");
    fs::write(&key, "a key\n").unwrap();
    let settings = settings(&place, "forward", "tcp", &receiver)
        .flag("--compression", "gzip")
        .flag("--forward-shared-key-file", key.to_str().unwrap());
    survives_a_restart(&place, &settings, &mut receiver, messages);
    // Another key is refused by both sides, and costs nothing.
    fs::write(&key, "another key\n").unwrap();
    let shipper = settings.start();
    fs::write(place.log("late.log"), "late\n").unwrap();
    shipper.wait_metric("log_shipper_retries_total", |retries| retries > 1.5);
    fs::write(&key, "a key\n").unwrap();
    wait_until("the late line", SOON, || messages(&receiver).last().unwrap() == "late");
    shipper.drain_ok();
}
