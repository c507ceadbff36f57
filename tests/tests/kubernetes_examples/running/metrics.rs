//! What nginx counts arrives at the port that Prometheus scrapes.

use e2e::metrics::Metrics;
use e2e::pace::{SOON, wait_until};

use super::{ADAPTER, NGINX, answer, finish, on_node, start};

/// The test's own, and the last of them is the adapter's.
const REQUESTS: u16 = 5;

#[test]
fn nginx_adapter() {
    on_node(&[NGINX, ADAPTER], |node, _place| {
        let running = start(node, "nginx-adapter/ordinary.yaml");
        for _ in 0..REQUESTS {
            assert_eq!(answer(8080, "/"), "hello\n");
        }
        wait_until("nginx's count", SOON, || {
            let metrics = Metrics::parse(&answer(9113, "/metrics"));
            metrics.sum("nginx_up") > 0.0
                && metrics.sum("nginx_http_requests_total") > f64::from(REQUESTS)
        });
        finish(running);
    });
}
