//! What is counted, and who reads it.
//!
//! Each data thread has its own [`ThreadCounters`] and is their only writer, so that counting is a
//! plain load and store without a locked instruction and without a cache line that two threads
//! write. `/metrics`, the statistics port and INFO sum over the threads when somebody asks, through
//! [`Metrics`]. Labels are bounded: pools, servers, classes and reasons, never a key or a client.
//! prometheus-client's own counters were not taken for the data threads: they are shared, and an
//! atomic addition for each of ten counters is a large part of what a pipelined request costs.

mod collector;
mod histogram;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use net::{Answer, NameError};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use redis_commands::Class;
use sidecar_runtime::MetricRegistry;

use self::collector::Collected;
use self::histogram::Histogram;
use crate::config::{Config, PoolConfig};

/// Why a server failed. The last stands for all that have no name here.
const SERVER_ERRORS: &[&str] =
    &["refused", "timeout", "unresolved", "closed", "protocol", "handshake", "other"];
/// Why a client got an error that no server sent. The last stands for all that have no name here.
const REQUEST_ERRORS: &[&str] = &[
    "server",
    "cross_shard",
    "unsupported",
    "unknown_command",
    "wrong_arguments",
    "unauthenticated",
    "wrong_password",
    "too_large",
    "protocol",
    "other",
];

/// A number that one thread writes and any thread reads.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, n: u64) {
        self.set(self.get().wrapping_add(n));
    }

    pub(crate) fn sub(&self, n: u64) {
        self.set(self.get().wrapping_sub(n));
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters by reason.
#[derive(Debug)]
struct Reasons {
    names: &'static [&'static str],
    counts: Box<[Count]>,
}

impl Reasons {
    fn new(names: &'static [&'static str]) -> Reasons {
        Reasons { names, counts: names.iter().map(|_| Count::default()).collect() }
    }

    fn of(&self, reason: &str) -> &Count {
        let index = self.names.iter().position(|name| *name == reason);
        &self.counts[index.unwrap_or(self.names.len() - 1)]
    }
}

/// The counters of one data thread.
#[derive(Debug)]
pub(crate) struct ThreadCounters {
    pools: Box<[PoolCounters]>,
    /// Gauge: bytes of requests that are read and have not left.
    pub(crate) queue_bytes_in: Count,
    /// Gauge: bytes of replies that have not left.
    pub(crate) queue_bytes_out: Count,
    /// Times that a client had to wait because the memory of all was in use.
    pub(crate) memory_waits: Count,
    /// Connections that could not be accepted, mostly because descriptors ran out.
    pub(crate) accept_errors: Count,
}

/// Of one pool, in one thread.
#[derive(Debug)]
pub(crate) struct PoolCounters {
    servers: Box<[ServerCounters]>,
    /// From the request's leaving to the end of its reply.
    answered: [Histogram; Class::ALL.len()],
    local: [Count; Class::ALL.len()],
    errors: Reasons,
    pub(crate) clients_accepted: Count,
    /// Above `client_connections`.
    pub(crate) clients_refused: Count,
    /// For whatever reason; the following count some of them once more.
    pub(crate) clients_closed: Count,
    /// They sent what is no request.
    pub(crate) clients_closed_protocol: Count,
    /// They held up a server connection longer than `--client-stall-timeout`.
    pub(crate) clients_closed_stall: Count,
    /// To give memory to others.
    pub(crate) clients_closed_memory: Count,
    /// The connection broke.
    pub(crate) clients_closed_error: Count,
    /// By the end of the drain.
    pub(crate) clients_closed_drain: Count,
    /// Commands that went to several servers in parts.
    pub(crate) splits: Count,
    /// The parts.
    pub(crate) fragments: Count,
    /// Replies that came when nobody waited for them any more.
    pub(crate) replies_dropped: Count,
    /// Requests of clients that left before these did.
    pub(crate) requests_dropped: Count,
}

/// Of one server, in one thread.
#[derive(Debug)]
pub(crate) struct ServerCounters {
    errors: Reasons,
    pub(crate) requests: Count,
    pub(crate) request_bytes: Count,
    pub(crate) replies: Count,
    pub(crate) reply_bytes: Count,
    /// Gauge: requests without a reply, those that have not left included.
    pub(crate) in_flight: Count,
    /// Gauge: bytes that have not left to it.
    pub(crate) queue_bytes: Count,
    /// Connections that came up.
    pub(crate) connects: Count,
    /// Gauge: connections that are up.
    pub(crate) connections: Count,
    /// Connections that it closed while nothing was under way.
    pub(crate) closed_idle: Count,
    pub(crate) ejects: Count,
    /// Gauge: 1 while it is out of the ring.
    pub(crate) ejected: Count,
    /// When it was last ejected, in microseconds since 1970. See [`unix_micros`].
    pub(crate) ejected_at: Count,
}

impl ThreadCounters {
    pub(crate) fn new(pools: &[PoolConfig]) -> Arc<ThreadCounters> {
        Arc::new(ThreadCounters {
            pools: pools.iter().map(PoolCounters::new).collect(),
            queue_bytes_in: Count::default(),
            queue_bytes_out: Count::default(),
            memory_waits: Count::default(),
            accept_errors: Count::default(),
        })
    }

    /// By its place in the configuration.
    pub(crate) fn pool(&self, pool: usize) -> &PoolCounters {
        &self.pools[pool]
    }
}

impl PoolCounters {
    fn new(config: &PoolConfig) -> PoolCounters {
        PoolCounters {
            servers: config.servers.iter().map(|_| ServerCounters::new()).collect(),
            answered: std::array::from_fn(|_| Histogram::default()),
            local: std::array::from_fn(|_| Count::default()),
            errors: Reasons::new(REQUEST_ERRORS),
            clients_accepted: Count::default(),
            clients_refused: Count::default(),
            clients_closed: Count::default(),
            clients_closed_protocol: Count::default(),
            clients_closed_stall: Count::default(),
            clients_closed_memory: Count::default(),
            clients_closed_error: Count::default(),
            clients_closed_drain: Count::default(),
            splits: Count::default(),
            fragments: Count::default(),
            replies_dropped: Count::default(),
            requests_dropped: Count::default(),
        }
    }

    /// By its place in the configuration.
    pub(crate) fn server(&self, server: usize) -> &ServerCounters {
        &self.servers[server]
    }

    /// A server answered a request of this class after `latency`.
    pub(crate) fn observe(&self, class: Class, latency: Duration) {
        self.answered[class.index()].observe(latency);
    }

    /// Requests of this class that we answered ourselves.
    pub(crate) fn local(&self, class: Class) -> &Count {
        &self.local[class.index()]
    }

    /// Of all servers together.
    pub(crate) fn servers_sum(&self, count: impl Fn(&ServerCounters) -> u64) -> u64 {
        self.servers.iter().map(count).sum()
    }

    /// Clients that are connected now. Another thread may see the two counts at two moments.
    pub(crate) fn connected(&self) -> u64 {
        self.clients_accepted.get().saturating_sub(self.clients_closed.get())
    }

    /// Requests that got an error from us, for one of the reasons of `REQUEST_ERRORS`.
    pub(crate) fn error(&self, reason: &str) -> &Count {
        self.errors.of(reason)
    }
}

impl ServerCounters {
    fn new() -> ServerCounters {
        ServerCounters {
            errors: Reasons::new(SERVER_ERRORS),
            requests: Count::default(),
            request_bytes: Count::default(),
            replies: Count::default(),
            reply_bytes: Count::default(),
            in_flight: Count::default(),
            queue_bytes: Count::default(),
            connects: Count::default(),
            connections: Count::default(),
            closed_idle: Count::default(),
            ejects: Count::default(),
            ejected: Count::default(),
            ejected_at: Count::default(),
        }
    }

    /// Errors for any reason but these.
    pub(crate) fn errors_but(&self, reasons: &[&str]) -> u64 {
        let others = SERVER_ERRORS.iter().filter(|reason| !reasons.contains(reason));
        others.map(|reason| self.error(reason).get()).sum()
    }

    /// Connections, attempts and timeouts that failed, for one of the reasons of `SERVER_ERRORS`.
    pub(crate) fn error(&self, reason: &str) -> &Count {
        self.errors.of(reason)
    }
}

/// The present moment as the statistics port shows it.
pub(crate) fn unix_micros() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_micros()).unwrap_or(u64::MAX)
}

/// The counters of all threads, for those who read them.
#[derive(Debug)]
pub(crate) struct Metrics {
    pools: Vec<PoolLabels>,
    memory_max: u64,
    client_buffer: u64,
    threads: Vec<Arc<ThreadCounters>>,
}

/// The names in a pool, in the order of the configuration.
#[derive(Debug)]
pub(crate) struct PoolLabels {
    pub(crate) name: String,
    pub(crate) servers: Vec<String>,
    pub(crate) listens: usize,
}

impl Metrics {
    /// Shows them on `/metrics` from now on.
    pub(crate) fn register(
        registry: &MetricRegistry,
        config: &Config,
        threads: Vec<Arc<ThreadCounters>>,
    ) -> Arc<Metrics> {
        let mut metrics = Metrics::of(&config.pools, threads);
        metrics.memory_max = config.memory_max as u64;
        metrics.client_buffer = config.client_buffer as u64;
        let metrics = Arc::new(metrics);
        registry.register_collector(Collected(Arc::clone(&metrics)));
        metrics
    }

    fn of(pools: &[PoolConfig], threads: Vec<Arc<ThreadCounters>>) -> Metrics {
        let labels = |pool: &PoolConfig| PoolLabels {
            name: pool.name.clone(),
            servers: pool.servers.iter().map(|server| server.name.clone()).collect(),
            listens: pool.listens.len(),
        };
        let pools = pools.iter().map(labels).collect();
        Metrics { pools, memory_max: 0, client_buffer: 0, threads }
    }

    pub(crate) fn pools(&self) -> &[PoolLabels] {
        &self.pools
    }

    /// A number of all threads together.
    pub(crate) fn thread_sum(&self, count: impl Fn(&ThreadCounters) -> u64) -> u64 {
        self.threads.iter().map(|thread| count(thread)).fold(0, u64::wrapping_add)
    }

    /// A number of one pool in all threads.
    pub(crate) fn pool_sum(&self, pool: usize, count: impl Fn(&PoolCounters) -> u64) -> u64 {
        self.thread_sum(|thread| count(thread.pool(pool)))
    }

    /// A number of one server in all threads.
    pub(crate) fn server_sum(
        &self,
        pool: usize,
        server: usize,
        count: impl Fn(&ServerCounters) -> u64,
    ) -> u64 {
        self.pool_sum(pool, |pool| count(pool.server(server)))
    }

    /// The largest of a server's numbers in all threads.
    pub(crate) fn server_max(
        &self,
        pool: usize,
        server: usize,
        count: impl Fn(&ServerCounters) -> u64,
    ) -> u64 {
        let of = |thread: &Arc<ThreadCounters>| count(thread.pool(pool).server(server));
        self.threads.iter().map(of).max().unwrap_or(0)
    }

    /// Clients of a pool that are connected now.
    pub(crate) fn clients(&self, pool: usize) -> u64 {
        self.pool_sum(pool, PoolCounters::connected)
    }

    /// Requests of a pool that servers or we have answered.
    pub(crate) fn answered(&self, pool: usize) -> u64 {
        self.pool_sum(pool, |pool| {
            let of_class =
                |class: Class| pool.answered[class.index()].count() + pool.local(class).get();
            Class::ALL.into_iter().map(of_class).sum()
        })
    }
}

/// What is counted about names, on the main thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct NameMetrics {
    lookups: Family<[(&'static str, &'static str); 1], Counter>,
    pub(crate) changes: Counter,
}

impl NameMetrics {
    pub(crate) fn register(registry: &MetricRegistry) -> NameMetrics {
        let metrics = NameMetrics::default();
        let name = "redis_ambassador_name_lookups";
        registry.register(name, "Lookups of names, by result", metrics.lookups.clone());
        let name = "redis_ambassador_name_changes";
        registry.register(name, "Times that a name got other addresses", metrics.changes.clone());
        for result in ["found", "unknown", "unanswered"] {
            drop(metrics.lookups.get_or_create_owned(&[("result", result)]));
        }
        metrics
    }

    pub(crate) fn count(&self, answer: &Result<Answer, NameError>) {
        let result = match answer {
            Ok(_) => "found",
            Err(NameError::Unknown { .. }) => "unknown",
            Err(NameError::Unanswered { .. } | NameError::Timeout) => "unanswered",
        };
        self.lookups.get_or_create_owned(&[("result", result)]).inc();
    }
}

#[cfg(test)]
pub(crate) mod tests;
