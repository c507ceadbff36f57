//! What the threads count, as `/metrics` shows it.

use std::net::SocketAddr;
use std::thread;

use placement::{Distribution, Hash};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use super::*;
use crate::config::{PoolListen, ServerAddress, ServerConfig};

/// A pool of two servers.
pub(crate) fn pool(name: &str) -> PoolConfig {
    let server = |name: &str, port| ServerConfig {
        name: name.to_owned(),
        address: ServerAddress::Ip(SocketAddr::from(([127, 0, 0, 1], port))),
        weight: 1,
    };
    PoolConfig {
        name: name.to_owned(),
        listens: vec![PoolListen::Tcp { host: String::new(), port: 6380 }],
        hash: Hash::Fnv1a64,
        hash_tag: None,
        distribution: Distribution::Ketama,
        timeout: None,
        backlog: 512,
        auth: None,
        db: 0,
        tcp_keepalive: false,
        reuse_port: false,
        preconnect: false,
        auto_eject: false,
        server_retry_timeout: Duration::from_secs(30),
        server_failure_limit: 2,
        client_connections: None,
        servers: vec![server("one", 6378), server("two", 6379)],
    }
}

/// The counters of `threads` threads on two pools.
pub(crate) fn metrics(threads: usize) -> (Arc<Metrics>, Vec<Arc<ThreadCounters>>) {
    let pools = [pool("alpha"), pool("b")];
    let threads: Vec<_> = (0..threads).map(|_| ThreadCounters::new(&pools)).collect();
    (Arc::new(Metrics::of(&pools, threads.clone())), threads)
}

fn shown(metrics: &Arc<Metrics>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Collected(Arc::clone(metrics))));
    let mut exposition = String::new();
    text::encode(&mut exposition, &registry).unwrap();
    exposition
}

#[test]
fn threads_are_summed() {
    let (metrics, threads) = metrics(2);
    thread::scope(|scope| {
        for thread in &threads {
            scope.spawn(move || {
                let pool = thread.pool(0);
                pool.clients_accepted.add(3);
                pool.clients_closed.add(2);
                pool.clients_closed_stall.add(1);
                pool.error("cross_shard").add(1);
                pool.local(Class::Connection).add(4);
                for _ in 0..1000 {
                    pool.server(1).requests.add(1);
                    pool.observe(Class::Read, Duration::from_micros(150));
                }
                pool.server(1).in_flight.set(7);
                pool.server(1).error("never heard of").add(1);
                thread.queue_bytes_out.set(10);
            });
        }
    });
    threads[1].pool(0).server(0).ejected.set(1);
    let shown = shown(&metrics);
    for line in [
        "redis_ambassador_queue_bytes{queue=\"out\"} 20",
        "redis_ambassador_client_connections{pool=\"alpha\"} 2",
        "redis_ambassador_client_connections_accepted_total{pool=\"alpha\"} 6",
        "redis_ambassador_client_connections_closed_total{pool=\"alpha\",reason=\"client\"} 2",
        "redis_ambassador_client_connections_closed_total{pool=\"alpha\",reason=\"stall\"} 2",
        "redis_ambassador_errors_total{pool=\"alpha\",reason=\"cross_shard\"} 2",
        "redis_ambassador_requests_total{pool=\"alpha\",class=\"read\"} 2000",
        "redis_ambassador_requests_total{pool=\"alpha\",class=\"connection\"} 8",
        "redis_ambassador_requests_total{pool=\"b\",class=\"read\"} 0",
        "# TYPE redis_ambassador_request_duration_seconds histogram",
        "redis_ambassador_request_duration_seconds_count{pool=\"alpha\",class=\"read\"} 2000",
        "redis_ambassador_request_duration_seconds_sum{pool=\"alpha\",class=\"read\"} 0.3",
        "redis_ambassador_request_duration_seconds_bucket{le=\"0.0001\",pool=\"alpha\",\
         class=\"read\"} 0",
        "redis_ambassador_request_duration_seconds_bucket{le=\"0.00025\",pool=\"alpha\",\
         class=\"read\"} 2000",
        "redis_ambassador_request_duration_seconds_bucket{le=\"+Inf\",pool=\"alpha\",\
         class=\"read\"} 2000",
        "redis_ambassador_server_requests_total{pool=\"alpha\",server=\"two\"} 2000",
        "redis_ambassador_server_in_flight{pool=\"alpha\",server=\"two\"} 14",
        "redis_ambassador_server_ejected{pool=\"alpha\",server=\"one\"} 1",
        "redis_ambassador_server_errors_total{pool=\"alpha\",server=\"two\",reason=\"other\"} 2",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} not in:\n{shown}");
    }
    assert!(!shown.contains("seconds_count{pool=\"b\""), "no histogram without requests");
    assert_eq!(metrics.answered(0), 2008);
    assert_eq!(metrics.clients(0), 2);
}

#[test]
fn every_reason_has_its_own_counter() {
    for names in [REQUEST_ERRORS, SERVER_ERRORS] {
        let reasons = Reasons::new(names);
        names.iter().for_each(|name| reasons.of(name).add(1));
        assert!(names.iter().all(|name| reasons.of(name).get() == 1));
        reasons.of("never heard of").add(1);
        assert_eq!(reasons.of("other").get(), 2);
    }
}
