//! The object itself, written as nutcracker writes it.

use std::time::Duration;

use crate::metrics::{Metrics, PoolCounters, ServerCounters};

/// What is true of the whole process when somebody asks.
#[derive(Debug)]
pub(super) struct Moment<'a> {
    pub(super) host: &'a str,
    pub(super) uptime: Duration,
    pub(super) unix_seconds: u64,
}

type Field<T> = (&'static str, fn(&T) -> u64);

/// Of a pool, in nutcracker's order.
const POOL: [Field<PoolCounters>; 6] = [
    ("client_eof", |it| it.clients_closed.get().saturating_sub(client_errors(it))),
    ("client_err", client_errors),
    ("client_connections", PoolCounters::connected),
    ("server_ejects", |it| it.servers_sum(|server| server.ejects.get())),
    ("forward_error", |it| it.error("server").get()),
    ("fragments", |it| it.fragments.get()),
];

/// Of a server, in nutcracker's order. What waits to leave is known in bytes, what waits for a
/// reply as a number of requests; the other two are 0.
const SERVER: [Field<ServerCounters>; 13] = [
    ("server_eof", |it| it.error("closed").get() + it.closed_idle.get()),
    ("server_err", |it| it.errors_but(&["closed", "timeout"])),
    ("server_timedout", |it| it.error("timeout").get()),
    ("server_connections", |it| it.connections.get()),
    (EJECTED_AT, |it| it.ejected_at.get()),
    ("requests", |it| it.requests.get()),
    ("request_bytes", |it| it.request_bytes.get()),
    ("responses", |it| it.replies.get()),
    ("response_bytes", |it| it.reply_bytes.get()),
    ("in_queue", |_| 0),
    ("in_queue_bytes", |it| it.queue_bytes.get()),
    ("out_queue", |it| it.in_flight.get()),
    ("out_queue_bytes", |_| 0),
];
/// Of which the latest of all threads is shown.
const EJECTED_AT: &str = "server_ejected_at";

fn client_errors(pool: &PoolCounters) -> u64 {
    pool.clients_closed_protocol.get() + pool.clients_closed_error.get()
}

/// The whole answer, line end included.
pub(super) fn object(metrics: &Metrics, moment: &Moment<'_>) -> String {
    let mut text = head(metrics, moment);
    let pools = metrics.pools();
    let mut separator = ", ";
    for pool in order(pools.iter().map(|pool| pool.name.as_str())) {
        let labels = &pools[pool];
        let own = POOL.iter().map(|(name, count)| (*name, metrics.pool_sum(pool, count)));
        text.push_str(separator);
        text.push_str(&format!("{}: {{{}", quoted(&labels.name), fields(own)));
        separator = ", ";
        for server in order(labels.servers.iter().map(String::as_str)) {
            let own = SERVER.iter().map(|(name, count)| match *name {
                EJECTED_AT => (EJECTED_AT, metrics.server_max(pool, server, count)),
                name => (name, metrics.server_sum(pool, server, count)),
            });
            text.push_str(separator);
            text.push_str(&format!("{}: {{{}}}", quoted(&labels.servers[server]), fields(own)));
            separator = ",";
        }
        text.push('}');
        separator = ",";
    }
    text.push_str("}\n");
    text
}

/// Listeners count as connections, as they do in nutcracker.
fn head(metrics: &Metrics, moment: &Moment<'_>) -> String {
    let pools = metrics.pools();
    let listens: u64 = pools.iter().map(|pool| pool.listens as u64).sum();
    let all = |count: fn(&PoolCounters) -> u64| -> u64 {
        (0..pools.len()).map(|pool| metrics.pool_sum(pool, count)).sum::<u64>() + listens
    };
    let total =
        all(|it| it.clients_accepted.get() + it.servers_sum(|server| server.connects.get()));
    let current = all(|it| it.connected() + it.servers_sum(|server| server.connections.get()));
    format!(
        "{{\"service\":\"nutcracker\", \"source\":{}, \"version\":\"{}\", \"uptime\":{}, \
         \"timestamp\":{}, \"total_connections\":{total}, \"curr_connections\":{current}",
        quoted(moment.host),
        env!("CARGO_PKG_VERSION"),
        moment.uptime.as_secs(),
        moment.unix_seconds,
    )
}

fn fields(fields: impl Iterator<Item = (&'static str, u64)>) -> String {
    let fields: Vec<String> = fields.map(|(name, value)| format!("\"{name}\":{value}")).collect();
    fields.join(", ")
}

/// The places of names, as nutcracker sorts them: by length, then by bytes.
fn order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<usize> {
    let mut names: Vec<(usize, &str)> = names.enumerate().collect();
    names.sort_by_key(|(_, name)| (name.len(), *name));
    names.into_iter().map(|(place, _)| place).collect()
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
