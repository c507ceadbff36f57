//! TLS with the certificates that the pages tell the user to make, by the pages' own commands.

use std::fs;
use std::path::Path;

use e2e::curl::curl;
use e2e::metrics::{Metrics, get};
use e2e::pace::{SOON, wait_until};
use e2e::process::command;
use e2e::workplace::run;

use super::{ADAPTER, BUSYBOX, NGINX, SHIPPER, answer, finish, on_node, start};
use crate::example::{self, Example};
use crate::node::Node;

/// Runs the commands of a page that need no cluster, in a folder.
fn make_certificates(page: &str, folder: &Path) {
    let page = fs::read_to_string(example::folder().join(page).join("README.md")).unwrap();
    let (_before, script) = page.split_once("```sh\n").unwrap();
    let (script, _after) = script.split_once("```").unwrap();
    let script: Vec<&str> = script.lines().filter(|line| !line.starts_with("kubectl ")).collect();
    assert!(script.iter().any(|line| line.starts_with("openssl ")), "{script:#?}");
    run(command("sh").current_dir(folder).args(["-ec", &script.join("\n")]));
}

/// What kubectl makes of files.
fn give(node: &Node, kind: &str, name: &str, folder: &Path, files: &[&str]) {
    let read = |file: &&str| fs::read(folder.join(file)).unwrap();
    let contents: Vec<Vec<u8>> = files.iter().map(read).collect();
    let files = files.iter().zip(&contents).map(|(name, bytes)| (*name, bytes.as_slice()));
    node.give(kind, name, &files.collect::<Vec<_>>());
}

#[test]
fn tls_metrics() {
    on_node(&[NGINX, ADAPTER], |node, place| {
        make_certificates("tls-metrics", place.path());
        give(node, "secret", "tls-metrics", place.path(), &["tls.crt", "tls.key"]);
        let running = start(node, "tls-metrics/ordinary.yaml");
        let certificate = place.path().join("tls.crt");
        wait_until("nginx to be up", SOON, || {
            let url = "https://localhost:9113/metrics";
            let fetched = curl(&["--cacert", certificate.to_str().unwrap(), url]);
            assert_eq!(fetched.status, 200, "{}", fetched.error);
            let (_head, body) = fetched.text.split_once("\r\n\r\n").unwrap();
            Metrics::parse(body).sum("nginx_up") > 0.0
        });
        // Nothing of it is to be had without TLS.
        let plain = get(([127, 0, 0, 1], 9113).into(), "/metrics");
        assert!(!plain.is_ok_and(|(status, _body)| status == 200));
        finish(running);
    });
}

#[test]
fn tls_shipping() {
    on_node(&[NGINX, BUSYBOX, SHIPPER], |node, place| {
        make_certificates("tls-shipping", place.path());
        give(node, "secret", "log-receiver-tls", place.path(), &["tls.crt", "tls.key"]);
        give(node, "configMap", "log-receiver-ca", place.path(), &["ca.crt"]);
        node.give("secret", "log-receiver-token", &[("token", b"any")]);
        node.name("log-receiver", "127.0.0.1");
        let example = Example::read("tls-shipping/receiver.yaml");
        let receiver = node.play("receiver", &example, &example.pod()).started();
        let running = start(node, "tls-shipping/ordinary.yaml");
        wait_until("a batch at the receiver", SOON, || {
            receiver.output("nginx").contains("POST /logs HTTP/1.1 204, ")
        });
        let metrics = Metrics::parse(&answer(9180, "/metrics"));
        assert!(metrics.sum("log_shipper_lines_acked_total") >= 1.0);
        finish(running);
        receiver.end();
    });
}
