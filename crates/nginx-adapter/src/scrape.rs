//! What nginx's status page says at this moment.
//!
//! GET of our metrics → scrape (joins or begins a fetch) → fetch (one request on a kept connection)
//! → stub_status (page to numbers). In goes the deadline of each asker, out come numbers or a
//! [`Failure`], never later than that. At most one fetch of a target is under way: whoever asks
//! meanwhile gets its answer too. The fetch runs in a task of its own, so an asker that goes away
//! neither ends it for the others nor leaves anything behind. Answers are not kept for later
//! askers: a value that is older than the question would hide that nginx hangs.

mod failure;
mod fetch;
mod health;
mod stub_status;
mod uri;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sidecar_runtime::Lifecycle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

pub(crate) use self::failure::Failure;
use self::failure::FailureCounts;
use self::fetch::Fetcher;
use self::health::Health;
pub(crate) use self::stub_status::StubStatus;
pub(crate) use self::uri::{ScrapeUri, without_password};

/// Of the fetches that one asker waits for: one under way that ends before the asker's deadline,
/// and one of its own.
const FETCHES_MAX: usize = 2;

/// How to ask all targets.
#[derive(Debug, Clone)]
pub(crate) struct ScrapeSettings {
    /// Most that one fetch takes.
    pub(crate) timeout: Duration,
    /// Whether a server's certificate has to fit.
    pub(crate) verify: bool,
    pub(crate) tls: net::TlsSettings,
    /// Whether connections begin with a PROXY header.
    pub(crate) proxy_protocol: bool,
}

/// One target.
#[derive(Debug)]
pub(crate) struct Scraper {
    target: Arc<Target>,
    timeout: Duration,
    lifecycle: Lifecycle,
    /// The last fetch; over if its sender is gone.
    flight: Mutex<Option<Flight>>,
}

#[derive(Debug)]
struct Target {
    addr: String,
    errors: FailureCounts,
    /// Held by the one fetch.
    work: tokio::sync::Mutex<Work>,
}

#[derive(Debug)]
struct Work {
    fetcher: Fetcher,
    health: Health,
}

type Outcome = Result<StubStatus, Failure>;

/// A fetch as its askers see it.
#[derive(Debug, Clone)]
struct Flight {
    deadline: Instant,
    outcome: watch::Receiver<Option<Outcome>>,
}

impl Scraper {
    /// Reads the TLS files if the address is `https`. Connects at the first scrape.
    ///
    /// # Errors
    /// A TLS file that cannot be read or used.
    pub(crate) fn new(
        uri: ScrapeUri,
        settings: &ScrapeSettings,
        lifecycle: Lifecycle,
    ) -> Result<Scraper, net::TlsError> {
        let addr = uri.to_string();
        let work = Work { fetcher: Fetcher::new(uri, settings)?, health: Health::default() };
        let work = tokio::sync::Mutex::new(work);
        let target = Arc::new(Target { addr, errors: FailureCounts::default(), work });
        Ok(Scraper { target, timeout: settings.timeout, lifecycle, flight: Mutex::new(None) })
    }

    /// The address as typed, without its password.
    pub(crate) fn addr(&self) -> &str {
        &self.target.addr
    }

    /// The numbers of now, or why there are none. Never later than `deadline`, nor than the
    /// timeout of the settings after the call.
    pub(crate) async fn scrape(&self, deadline: Instant) -> Outcome {
        let deadline = deadline.min(Instant::now() + self.timeout);
        for _fetch in 0..FETCHES_MAX {
            let flight = self.join(deadline);
            let outcome = self.land(flight.outcome, flight.deadline, deadline).await;
            // Another asker's fetch may have had less time than there is for this one.
            if outcome != Err(Failure::Timeout) || flight.deadline >= deadline {
                return outcome;
            }
        }
        Err(Failure::Timeout)
    }

    /// How often each failure happened, without those that did not: once for a fetch, however
    /// many waited for it, and once for an asker that could not wait for its end.
    pub(crate) fn errors(&self) -> Vec<(&'static str, u64)> {
        self.target.errors.non_zero()
    }

    /// The fetch that is under way, or a new one.
    fn join(&self, deadline: Instant) -> Flight {
        let mut last = self.flight.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = &*last
            && flight.outcome.has_changed().is_ok()
        {
            return flight.clone();
        }
        let (tx, outcome) = watch::channel(None);
        let target = Arc::clone(&self.target);
        self.lifecycle.spawn_session(async move {
            tx.send_replace(Some(target.fetch(deadline).await));
        });
        last.insert(Flight { deadline, outcome }).clone()
    }

    async fn land(
        &self,
        mut outcome: watch::Receiver<Option<Outcome>>,
        end: Instant,
        deadline: Instant,
    ) -> Outcome {
        let arrival = outcome.wait_for(Option::is_some);
        let arrived = if end <= deadline {
            // The fetch ends by itself in time.
            arrival.await
        } else if let Ok(arrived) = timeout_at(deadline, arrival).await {
            arrived
        } else {
            self.target.errors.add(Failure::Timeout);
            return Err(Failure::Timeout);
        };
        // Without an outcome the fetch has panicked, which is logged where that is caught.
        arrived.ok().and_then(|outcome| *outcome).unwrap_or(Err(Failure::Interrupted))
    }
}

impl Target {
    async fn fetch(&self, deadline: Instant) -> Outcome {
        let mut work = self.work.lock().await;
        match work.fetcher.fetch(deadline).await {
            Ok(status) => {
                if work.health.is_news(Ok(())) {
                    tracing::info!(addr = %self.addr, "Target is up");
                }
                Ok(status)
            }
            Err(fault) => {
                let reason = fault.failure.reason();
                self.errors.add(fault.failure);
                if work.health.is_news(Err(fault.failure)) {
                    let error = fault.detail;
                    tracing::warn!(addr = %self.addr, reason, %error, "Target is down");
                }
                Err(fault.failure)
            }
        }
    }
}

#[cfg(test)]
mod tests;
