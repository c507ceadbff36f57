//! The counters of the data threads as metric families.
//!
//! One table for each kind of label; a row is a family. Requests are shown for every class, their
//! latencies only for classes that had any, because a histogram is fifteen series.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use redis_commands::Class;

use super::histogram::Totals;
use super::{Metrics, PoolCounters, REQUEST_ERRORS, SERVER_ERRORS, ServerCounters, ThreadCounters};

/// Name without `_total`, help, what it is, and where it is counted.
struct Row<T> {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    count: fn(&T) -> u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Counter,
    Gauge,
    /// Of which the largest of all threads is shown.
    Largest,
}

const fn counter<T>(name: &'static str, help: &'static str, count: fn(&T) -> u64) -> Row<T> {
    Row { name, help, kind: Kind::Counter, count }
}

const fn gauge<T>(name: &'static str, help: &'static str, count: fn(&T) -> u64) -> Row<T> {
    Row { name, help, kind: Kind::Gauge, count }
}

const THREAD: &[Row<ThreadCounters>] = &[
    counter(
        "redis_ambassador_memory_waits",
        "Times that a client waited because all memory was in use.",
        |it| it.memory_waits.get(),
    ),
    counter("redis_ambassador_accept_errors", "Connections that could not be accepted.", |it| {
        it.accept_errors.get()
    }),
];

const POOL: &[Row<PoolCounters>] = &[
    gauge(
        "redis_ambassador_client_connections",
        "Clients that are connected.",
        PoolCounters::connected,
    ),
    counter("redis_ambassador_client_connections_accepted", "Clients that connected.", |it| {
        it.clients_accepted.get()
    }),
    counter(
        "redis_ambassador_client_connections_refused",
        "Clients above client_connections.",
        |it| it.clients_refused.get(),
    ),
    counter("redis_ambassador_splits", "Commands that went to several servers in parts.", |it| {
        it.splits.get()
    }),
    counter("redis_ambassador_fragments", "The parts of split commands.", |it| it.fragments.get()),
    counter("redis_ambassador_replies_dropped", "Replies that nobody waited for any more.", |it| {
        it.replies_dropped.get()
    }),
    counter(
        "redis_ambassador_requests_dropped",
        "Requests whose clients left before they were sent.",
        |it| it.requests_dropped.get(),
    ),
];

const SERVER: &[Row<ServerCounters>] = &[
    counter("redis_ambassador_server_requests", "Requests for a server.", |it| it.requests.get()),
    counter("redis_ambassador_server_request_bytes", "Their bytes.", |it| it.request_bytes.get()),
    counter("redis_ambassador_server_replies", "Replies of a server.", |it| it.replies.get()),
    counter("redis_ambassador_server_reply_bytes", "Their bytes.", |it| it.reply_bytes.get()),
    gauge("redis_ambassador_server_in_flight", "Requests that wait for a reply.", |it| {
        it.in_flight.get()
    }),
    gauge("redis_ambassador_server_queue_bytes", "Bytes of requests that have not left.", |it| {
        it.queue_bytes.get()
    }),
    gauge("redis_ambassador_server_connections", "Connections to a server.", |it| {
        it.connections.get()
    }),
    counter("redis_ambassador_server_connects", "Connections that came up.", |it| {
        it.connects.get()
    }),
    counter(
        "redis_ambassador_server_idle_closes",
        "Connections that a server closed while idle.",
        |it| it.closed_idle.get(),
    ),
    counter(
        "redis_ambassador_server_ejects",
        "Times that a server was taken out of the ring.",
        |it| it.ejects.get(),
    ),
    Row {
        name: "redis_ambassador_server_ejected",
        help: "Whether a server is out of the ring, in any thread.",
        kind: Kind::Largest,
        count: |it| it.ejected.get(),
    },
];

/// Shows [`Metrics`] in a registry.
#[derive(Debug)]
pub(super) struct Collected(pub(super) Arc<Metrics>);

impl Collector for Collected {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let metrics = &*self.0;
        encode_threads(metrics, &mut encoder)?;
        encode_pools(metrics, &mut encoder)?;
        encode_classes(metrics, &mut encoder)?;
        encode_servers(metrics, &mut encoder)
    }
}

fn encode_threads(metrics: &Metrics, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    for row in THREAD {
        let mut family = family(encoder, row.name, row.help, row.kind)?;
        put(&mut family, row.kind, metrics.thread_sum(row.count))?;
    }
    let help = "Bytes that are read and have not left: requests (in) and replies (out).";
    let mut queues = family(encoder, "redis_ambassador_queue_bytes", help, Kind::Gauge)?;
    let waiting = [
        ("in", metrics.thread_sum(|thread| thread.queue_bytes_in.get())),
        ("out", metrics.thread_sum(|thread| thread.queue_bytes_out.get())),
    ];
    for (queue, bytes) in waiting {
        put_labelled(&mut queues, &[("queue", queue)], Kind::Gauge, bytes)?;
    }
    let help = "The bound of what all clients hold.";
    let mut limit = family(encoder, "redis_ambassador_memory_max_bytes", help, Kind::Gauge)?;
    put(&mut limit, Kind::Gauge, metrics.memory_max)?;
    let help = "The bound of what one client holds.";
    let mut limit = family(encoder, "redis_ambassador_client_buffer_bytes", help, Kind::Gauge)?;
    put(&mut limit, Kind::Gauge, metrics.client_buffer)
}

fn encode_pools(metrics: &Metrics, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    for row in POOL {
        let mut family = family(encoder, row.name, row.help, row.kind)?;
        for (index, pool) in metrics.pools().iter().enumerate() {
            let value = metrics.pool_sum(index, row.count);
            put_labelled(&mut family, &[("pool", pool.name.as_str())], row.kind, value)?;
        }
    }
    let name = "redis_ambassador_client_connections_closed";
    let mut closed = family(encoder, name, "Clients that have gone, by reason.", Kind::Counter)?;
    for (index, pool) in metrics.pools().iter().enumerate() {
        for (reason, count) in CLOSES {
            let labels = [("pool", pool.name.as_str()), ("reason", reason)];
            put_labelled(&mut closed, &labels, Kind::Counter, metrics.pool_sum(index, count))?;
        }
    }
    let help = "Requests that got an error that no server sent, by reason.";
    let mut errors = family(encoder, "redis_ambassador_errors", help, Kind::Counter)?;
    for (index, pool) in metrics.pools().iter().enumerate() {
        for reason in REQUEST_ERRORS {
            let labels = [("pool", pool.name.as_str()), ("reason", reason)];
            let value = metrics.pool_sum(index, |pool| pool.error(reason).get());
            put_labelled(&mut errors, &labels, Kind::Counter, value)?;
        }
    }
    Ok(())
}

/// Why clients went, each with its counter.
type Close = (&'static str, fn(&PoolCounters) -> u64);

const CLOSES: [Close; 6] = [
    ("client", |it| it.clients_closed.get().saturating_sub(closed_by_us(it))),
    ("protocol", |it| it.clients_closed_protocol.get()),
    ("stall", |it| it.clients_closed_stall.get()),
    ("memory", |it| it.clients_closed_memory.get()),
    ("error", |it| it.clients_closed_error.get()),
    ("drain", |it| it.clients_closed_drain.get()),
];

/// For any reason but that they hung up.
fn closed_by_us(pool: &PoolCounters) -> u64 {
    CLOSES[1..].iter().map(|(_, count)| count(pool)).sum()
}

fn encode_classes(metrics: &Metrics, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let totals = |pool: usize, class: usize| {
        let mut totals = Totals::default();
        for thread in &metrics.threads {
            totals.add(&thread.pool(pool).answered[class]);
        }
        totals
    };
    let help = "Requests answered, by class, those answered without a server included.";
    let mut requests = family(encoder, "redis_ambassador_requests", help, Kind::Counter)?;
    for (index, pool) in metrics.pools().iter().enumerate() {
        for class in Class::ALL {
            let local = metrics.pool_sum(index, |pool| pool.local(class).get());
            let value = totals(index, class.index()).count() + local;
            let labels = [("pool", pool.name.as_str()), ("class", class.as_str())];
            put_labelled(&mut requests, &labels, Kind::Counter, value)?;
        }
    }
    let name = "redis_ambassador_request_duration_seconds";
    let help = "From a request's leaving for a server to the end of the reply.";
    let mut seconds = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for (index, pool) in metrics.pools().iter().enumerate() {
        for class in Class::ALL {
            let totals = totals(index, class.index());
            if totals.count() == 0 {
                continue;
            }
            let labels = [("pool", pool.name.as_str()), ("class", class.as_str())];
            seconds.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                totals.sum_seconds(),
                totals.count(),
                &totals.buckets(),
                None,
            )?;
        }
    }
    Ok(())
}

fn encode_servers(metrics: &Metrics, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    for row in SERVER {
        let mut family = family(encoder, row.name, row.help, row.kind)?;
        for (index, pool) in metrics.pools().iter().enumerate() {
            for (place, server) in pool.servers.iter().enumerate() {
                let value = match row.kind {
                    Kind::Largest => metrics.server_max(index, place, row.count),
                    Kind::Counter | Kind::Gauge => metrics.server_sum(index, place, row.count),
                };
                let labels = [("pool", pool.name.as_str()), ("server", server.as_str())];
                put_labelled(&mut family, &labels, row.kind, value)?;
            }
        }
    }
    let help = "Connections, attempts and requests that a server failed, by reason.";
    let mut errors = family(encoder, "redis_ambassador_server_errors", help, Kind::Counter)?;
    for (index, pool) in metrics.pools().iter().enumerate() {
        for (place, server) in pool.servers.iter().enumerate() {
            for reason in SERVER_ERRORS {
                let value = metrics.server_sum(index, place, |it| it.error(reason).get());
                let (pool, server) = (pool.name.as_str(), server.as_str());
                let labels = [("pool", pool), ("server", server), ("reason", reason)];
                put_labelled(&mut errors, &labels, Kind::Counter, value)?;
            }
        }
    }
    Ok(())
}

/// Begins a family.
fn family<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    name: &'a str,
    help: &str,
    kind: Kind,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    let kind = match kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge | Kind::Largest => MetricType::Gauge,
    };
    encoder.encode_descriptor(name, help, None, kind)
}

fn put_labelled(
    family: &mut MetricEncoder<'_>,
    labels: &impl EncodeLabelSet,
    kind: Kind,
    value: u64,
) -> fmt::Result {
    put(&mut family.encode_family(labels)?, kind, value)
}

fn put(sample: &mut MetricEncoder<'_>, kind: Kind, value: u64) -> fmt::Result {
    match kind {
        Kind::Counter => sample.encode_counter::<NoLabelSet, _, u64>(&value, None),
        Kind::Gauge | Kind::Largest => sample.encode_gauge(&value),
    }
}
