//! The addresses behind the names of servers, kept current for the data threads.
//!
//! In go the hosts of all pools, out comes one [`NameWatch`] for each, which any thread can look at
//! and wait on. A name is looked up when its time has run out, within bounds, when a lookup failed,
//! and soon when somebody could not connect, so that a server that came back with a new address is
//! found without a restart. A name that is not found at the start is no reason to die: it has no
//! addresses yet. IP literals and unix sockets have no name, and a pool of them costs no wake-up.
//! Looking up at each connect was not taken: all threads and lanes would ask for the same.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use net::{Answer, NameError, Resolver, with_causes};
use sidecar_runtime::{Backoff, Lifecycle};
use tokio::sync::{Notify, watch};
use tokio::time::{self, Instant};

use crate::config::{PoolConfig, ServerAddress};
use crate::metrics::NameMetrics;

/// From a question to the end of hope; above the 5 s after which a lost packet is sent again.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);
/// However short its time is, a name is not looked up more often than this unless somebody asks.
const REFRESH_MIN: Duration = Duration::from_secs(1);
/// However long its time is: nobody waits for hours for a name that was moved.
const REFRESH_MAX: Duration = Duration::from_secs(30);
/// Waits after a failed lookup.
const RETRY: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Between two lookups that somebody asked for. It grows while they bring nothing new, so that a
/// server that is down does not become a load on the name servers.
const ASK_PAUSE: Duration = Duration::from_millis(200);
const ASK_PAUSE_MAX: Duration = Duration::from_secs(2);

/// What is known about a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Resolution {
    /// The last ones known; empty before the first answer.
    pub(crate) addresses: Vec<IpAddr>,
    /// Why the last lookup failed, if it did.
    pub(crate) failure: Option<LookupFailure>,
    /// Counts the changes of `addresses`; 0 before the first answer.
    pub(crate) generation: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LookupFailure {
    /// A name server said that there is no such name.
    Unknown,
    /// No answer, or an error.
    Unanswered,
}

/// All names of a configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    names: Vec<NameWatch>,
}

/// A handle on one name, for any thread; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct NameWatch {
    host: Arc<str>,
    resolution: watch::Receiver<Resolution>,
    asked: Arc<Notify>,
}

impl Names {
    /// Starts to follow the names of all servers, in tasks of the calling runtime.
    pub(crate) fn follow(
        pools: &[PoolConfig],
        lifecycle: &Lifecycle,
        metrics: &NameMetrics,
    ) -> Names {
        let mut names = Names::default();
        let resolver = Arc::new(Resolver::new());
        for server in pools.iter().flat_map(|pool| &pool.servers) {
            let ServerAddress::Name { host, .. } = &server.address else { continue };
            if names.get(host).is_some() {
                continue;
            }
            let (name, followed) = follow(host, metrics.clone());
            let (host, resolver) = (Arc::clone(&name.host), Arc::clone(&resolver));
            let lookup = move |deadline| {
                let (host, resolver) = (Arc::clone(&host), Arc::clone(&resolver));
                async move { resolver.lookup(&host, deadline).await }
            };
            lifecycle.spawn_session(followed.run(lookup));
            names.names.push(name);
        }
        names
    }

    /// The name of a server's host, as configured.
    pub(crate) fn get(&self, host: &str) -> Option<&NameWatch> {
        self.names.iter().find(|name| &*name.host == host)
    }
}

impl NameWatch {
    /// The last addresses known. A connection to one that is not among them is outdated.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        self.resolution.borrow().addresses.clone()
    }

    /// Whether no lookup has ended yet.
    pub(crate) fn is_unknown_yet(&self) -> bool {
        let resolution = self.resolution.borrow();
        resolution.generation == 0 && resolution.failure.is_none()
    }

    /// Where a new connection may go: nowhere while there is no such name, because its last address
    /// may be another server's by now. While name servers do not answer, the last addresses serve.
    pub(crate) fn connectable(&self) -> Vec<IpAddr> {
        let resolution = self.resolution.borrow();
        match resolution.failure {
            Some(LookupFailure::Unknown) => Vec::new(),
            Some(LookupFailure::Unanswered) | None => resolution.addresses.clone(),
        }
    }

    /// Waits until more is known than this handle has seen. Cancel-safe.
    pub(crate) async fn changed(&mut self) {
        if self.resolution.changed().await.is_err() {
            // The runtime that follows names has gone, and so will this thread.
            std::future::pending::<()>().await;
        }
    }

    /// Wants a new lookup soon, because no address could be connected to. Cheap; many asks are one.
    pub(crate) fn ask(&self) {
        self.asked.notify_one();
    }
}

fn follow(host: &str, metrics: NameMetrics) -> (NameWatch, Followed) {
    let (publish, resolution) = watch::channel(Resolution::default());
    let host: Arc<str> = Arc::from(host);
    let asked = Arc::new(Notify::new());
    let name = NameWatch { host: Arc::clone(&host), resolution, asked: Arc::clone(&asked) };
    (name, Followed { host, publish, asked, metrics })
}

/// The other side of a [`NameWatch`].
struct Followed {
    host: Arc<str>,
    publish: watch::Sender<Resolution>,
    asked: Arc<Notify>,
    metrics: NameMetrics,
}

impl Followed {
    /// Looks up until the process ends.
    async fn run<L>(self, lookup: impl Fn(Instant) -> L)
    where
        L: Future<Output = Result<Answer, NameError>>,
    {
        let mut retry = Backoff::new(RETRY, RETRY_MAX);
        let mut ask_pause = Backoff::new(ASK_PAUSE, ASK_PAUSE_MAX);
        loop {
            let answer = lookup(Instant::now() + LOOKUP_TIMEOUT).await;
            self.metrics.count(&answer);
            let wait = match &answer {
                Ok(Answer { ttl: None, .. }) => Duration::MAX,
                Ok(Answer { ttl: Some(ttl), .. }) => (*ttl).clamp(REFRESH_MIN, REFRESH_MAX),
                Err(_) => retry.next(),
            };
            if answer.is_ok() {
                retry.reset();
            }
            if self.learn(answer) {
                ask_pause.reset();
            }
            if wait == Duration::MAX {
                // The sender stays, so that watching does not end.
                return self.publish.closed().await;
            }
            tokio::select! {
                () = time::sleep(wait) => ask_pause.reset(),
                () = self.asked.notified() => time::sleep(ask_pause.next().min(wait)).await,
            }
        }
    }

    /// Publishes what an answer says; tells whether the addresses are others now.
    fn learn(&self, answer: Result<Answer, NameError>) -> bool {
        let before = self.publish.borrow().clone();
        let after = before.after(&answer);
        let host = &*self.host;
        let changed = after.generation != before.generation;
        if changed {
            self.metrics.changes.inc();
        }
        match answer {
            Ok(_) if changed => {
                let (was, now) = (&before.addresses, &after.addresses);
                tracing::info!(host, ?was, ?now, "Addresses of a name changed");
            }
            Ok(_) if before.failure.is_some() => tracing::info!(host, "Name is resolved again"),
            Err(error) if before.failure.is_none() => {
                let error = match error {
                    NameError::Unknown { .. } => error.to_string(),
                    NameError::Unanswered { .. } | NameError::Timeout => with_causes(&error),
                };
                tracing::warn!(host, error, kept = ?after.addresses, "Name is not resolved");
            }
            Ok(_) | Err(_) => {}
        }
        self.publish.send_if_modified(|published| {
            let modified = *published != after;
            *published = after;
            modified
        });
        changed
    }
}

impl Resolution {
    /// A new order of the same addresses, as name servers like to give, is no change.
    fn after(&self, answer: &Result<Answer, NameError>) -> Resolution {
        let same = |addresses: &[IpAddr]| {
            addresses.len() == self.addresses.len()
                && addresses.iter().all(|address| self.addresses.contains(address))
        };
        let (addresses, failure) = match answer {
            Ok(answer) if !same(&answer.addresses) => (&answer.addresses, None),
            Ok(_) => (&self.addresses, None),
            Err(NameError::Unknown { .. }) => (&self.addresses, Some(LookupFailure::Unknown)),
            Err(NameError::Unanswered { .. } | NameError::Timeout) => {
                (&self.addresses, Some(LookupFailure::Unanswered))
            }
        };
        let changed = *addresses != self.addresses;
        Resolution {
            addresses: addresses.clone(),
            failure,
            generation: self.generation + u64::from(changed),
        }
    }
}

#[cfg(test)]
mod tests;
