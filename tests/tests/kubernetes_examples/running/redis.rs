//! The app talks to localhost, and its keys lie on two servers of a StatefulSet.

use std::net::SocketAddr;

use e2e::metrics::Metrics;
use e2e::pace::{SOON, wait_until};
use e2e::resp_client::RespClient;

use super::{ADAPTER, AMBASSADOR, NGINX, REDIS, SHIPPER, answer, finish, on_node, start};
use crate::example::Example;
use crate::node::{Node, Running};

/// Where the pods of the StatefulSet listen, which have addresses of their own in a cluster.
const ADDRESSES: [&str; 2] = ["127.0.0.2", "127.0.0.3"];

/// The StatefulSet and the names of its headless Service.
fn servers(node: &Node) -> Vec<Running<'_>> {
    let example = Example::read("redis-ambassador/redis.yaml");
    let replicas = example.documents.iter().find_map(|it| it["spec"]["replicas"].as_u64());
    assert_eq!(replicas, Some(ADDRESSES.len() as u64));
    let start = |(number, address): (usize, &&str)| {
        let name = format!("redis-{number}");
        node.name(&format!("{name}.redis"), address);
        let pod = example.pod();
        let running = node.play_changed(&name, &example, &pod, |spec| {
            let container = &mut spec["containers"][0];
            let args = container["args"].as_array_mut().unwrap();
            args.extend(["--bind", *address].map(Into::into));
            let probe = &mut container["readinessProbe"]["exec"]["command"];
            assert_eq!(*probe, serde_json::json!(["redis-cli", "ping"]));
            *probe = serde_json::json!(["redis-cli", "-h", *address, "ping"]);
        });
        let running = running.started();
        running.wait_probes();
        running
    };
    ADDRESSES.iter().enumerate().map(start).collect()
}

fn keys(address: &str) -> i64 {
    let address: SocketAddr = format!("{address}:6379").parse().unwrap();
    RespClient::connect(&address.into()).call("DBSIZE").integer()
}

#[test]
fn redis_ambassador() {
    on_node(&[REDIS, AMBASSADOR], |node, _place| {
        let servers = servers(node);
        let running = start(node, "redis-ambassador/ordinary.yaml");
        wait_until("keys on both servers", SOON, || {
            ADDRESSES.iter().all(|address| keys(address) > 0)
        });
        wait_until("what was set", SOON, || running.output("app").contains("OK\nname 3\n"));
        let metrics = Metrics::parse(&answer(9181, "/metrics"));
        assert!(metrics.with_label("redis_ambassador_requests_total", "class", "write") >= 2.0);
        assert!(metrics.sum("redis_ambassador_errors_total") < 1.0);
        finish(running);
        servers.into_iter().for_each(Running::end);
    });
}

#[test]
fn three_sidecars() {
    on_node(&[REDIS, NGINX, AMBASSADOR, ADAPTER, SHIPPER], |node, _place| {
        let servers = servers(node);
        let running = start(node, "three-sidecars/ordinary.yaml");
        assert_eq!(answer(8080, "/three"), "hello\n");
        wait_until("lines of nginx and of the app", SOON, || {
            let output = running.output("log-shipper");
            output.contains("/logs/app.log: visits: 2\n")
                && output
                    .lines()
                    .any(|line| line.starts_with("/logs/access.log: ") && line.contains("/three"))
        });
        assert_eq!(ADDRESSES.iter().map(|address| keys(address)).sum::<i64>(), 1, "one counter");
        for (port, family) in [
            (9113, "nginx_http_requests_total"),
            (9180, "log_shipper_lines_acked_total"),
            (9181, "redis_ambassador_requests_total"),
        ] {
            assert!(Metrics::parse(&answer(port, "/metrics")).sum(family) >= 1.0, "{family}");
        }
        finish(running);
        servers.into_iter().for_each(Running::end);
    });
}
