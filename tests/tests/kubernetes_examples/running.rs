//! The ordinary forms, run: the main effect of each pattern, as a user sees it.
//!
//! Each test has a network, a podman and a folder of its own. What is asserted is what the page of
//! the pattern tells the user to look at; and for every pod, that its probes succeed, that our
//! containers stay below what they request, and that they end with 0 when the pod is deleted.

mod job;
mod logs;
mod metrics;
mod redis;
mod tls;
mod waiting;

use std::net::SocketAddr;

use e2e::metrics::get;
use e2e::pace::{SOON, wait_for};
use e2e::pod::in_pod;
use e2e::workplace::Workplace;

use crate::example::Example;
use crate::node::{Node, Running};

const BUSYBOX: &str = "busybox:1.36";
const NGINX: &str = "nginx:1.22";
const REDIS: &str = "redis:7.0";
const SHIPPER: &str = concat!("outrider/log-shipper:", env!("CARGO_PKG_VERSION"));
const ADAPTER: &str = concat!("outrider/nginx-adapter:", env!("CARGO_PKG_VERSION"));
const AMBASSADOR: &str = concat!("outrider/redis-ambassador:", env!("CARGO_PKG_VERSION"));
const PROBE: &str = concat!("outrider/native-sidecar-probe:", env!("CARGO_PKG_VERSION"));

/// Runs a test on a node with these images.
fn on_node(images: &[&str], body: impl FnOnce(&Node, &Workplace) + Send) {
    let place = Workplace::new();
    in_pod(place.path(), || body(&Node::new(&place, images), &place));
}

/// Starts the only pod of an example and waits until its probes succeed.
fn start<'n>(node: &'n Node, path: &str) -> Running<'n> {
    let example = Example::read(path);
    let running = node.play("pod", &example, &example.pod()).started();
    running.wait_probes();
    running
}

fn finish(running: Running<'_>) {
    running.check_requests();
    running.end();
}

/// The answer of a server in the pod.
fn answer(port: u16, path: &str) -> String {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    wait_for(&format!("{path} of port {port}"), SOON, || match get(address, path) {
        Ok((200, body)) => Some(body),
        Ok(_) | Err(_) => None,
    })
}
