//! Who is ready, who is still working, and when everything must be over.
//!
//! In go latches, tasks, signals and failures; out come the phase that probes and tasks read, and
//! the names of what is unfinished. The order of stopping: the drain starts, readiness turns to
//! 503, the image lingers and flushes, its work ends, the admin port closes last, so that probes
//! and metrics answer to the end. One deadline, set once when the drain starts, holds for all.
//! Separate channels for "stop" and "stop now" were not taken: one published phase cannot arrive
//! out of order.

mod phase;

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{self, Instant};

pub(crate) use self::phase::{Phase, PhaseEvent};

/// A handle on the life of the process; clones share it.
#[derive(Debug, Clone)]
pub struct Lifecycle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    grace: Duration,
    phase: watch::Sender<Phase>,
    /// Counts the requests to reload.
    reloads: watch::Sender<u64>,
    /// The first essential thing that broke.
    broken: Mutex<Option<String>>,
    /// Essential tasks that have not ended, each with the number that tells equal names apart.
    tasks: Mutex<Vec<(u64, &'static str)>>,
    next_task: AtomicU64,
}

impl Lifecycle {
    /// A life that is starting and will have `grace` to drain.
    #[must_use]
    pub fn new(grace: Duration) -> Lifecycle {
        let shared = Shared {
            grace,
            phase: watch::Sender::new(Phase::Starting { waiting: Vec::new() }),
            reloads: watch::Sender::new(0),
            broken: Mutex::new(None),
            tasks: Mutex::new(Vec::new()),
            next_task: AtomicU64::new(0),
        };
        Lifecycle { shared: Arc::new(shared) }
    }

    /// Keeps the process unready until the latch is dropped. `/readyz` shows its name. One that is
    /// taken after the process became ready has no effect.
    #[must_use]
    pub fn latch(&self, name: &'static str) -> Latch {
        self.apply(PhaseEvent::LatchTaken(name));
        Latch { lifecycle: self.clone(), name }
    }

    /// Waits for the drain to start; returns at once if it has.
    pub async fn draining(&self) {
        let mut phase = self.shared.phase.subscribe();
        phase.wait_for(Phase::is_draining).await.expect("self holds the sender");
    }

    /// Whether the drain has started.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.shared.phase.borrow().is_draining()
    }

    /// When the drain must be over; `None` before it starts and after the end.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.shared.phase.borrow().drain().map(|(_, deadline)| deadline)
    }

    /// Waits for the deadline of the drain or for a second signal, whichever comes first.
    pub async fn expired(&self) {
        let mut phase = self.shared.phase.subscribe();
        let drain =
            phase.wait_for(Phase::is_draining).await.expect("self holds the sender").drain();
        let Some((_, deadline)) = drain else { return std::future::pending().await };
        let expired = phase.wait_for(|phase| matches!(phase, Phase::Expired { .. }));
        if time::timeout_at(deadline, expired).await.is_err() {
            self.apply(PhaseEvent::DeadlineReached);
        }
    }

    /// How long the drain may take (`--shutdown-grace`).
    #[must_use]
    pub fn grace(&self) -> Duration {
        self.shared.grace
    }

    /// Starts the drain, as SIGTERM does. Asking again changes nothing.
    pub fn drain(&self, reason: &'static str) {
        if self.apply(PhaseEvent::DrainRequested) {
            tracing::info!(reason, grace = ?self.grace(), "Drain started");
        }
    }

    /// Reports that something essential broke: the drain starts and the exit status will be 70.
    pub fn fail(&self, what: String) {
        tracing::error!(%what, "Essential part broke");
        lock(&self.shared.broken).get_or_insert(what);
        self.drain("failure");
    }

    /// Runs a task that the process cannot do without. Its panic starts the drain and makes the
    /// exit status 70; while the drain lasts, its name is logged until it ends.
    pub fn spawn_essential<F>(&self, name: &'static str, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let id = self.shared.next_task.fetch_add(1, Ordering::Relaxed);
        lock(&self.shared.tasks).push((id, name));
        let entry = EssentialTask { lifecycle: self.clone(), id, name };
        spawn(async move {
            let _entry = entry;
            future.await
        })
    }

    /// Runs a task that serves one peer. Its panic is logged and ends nothing else, and a drain
    /// does not wait for it.
    pub fn spawn_session<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawn(future)
    }

    /// Follows the requests to reload (SIGHUP) that come from now on.
    #[must_use]
    pub fn reloads(&self) -> Reloads {
        Reloads { count: self.shared.reloads.subscribe(), _lifecycle: self.clone() }
    }

    pub(crate) fn reload(&self) {
        tracing::info!("Reload requested");
        self.shared.reloads.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Takes one SIGTERM or SIGINT: the first starts the drain, the second ends its grace.
    pub(crate) fn interrupt(&self, signal: &'static str) {
        let was_draining = self.is_draining();
        match (was_draining, self.apply(PhaseEvent::Interrupted)) {
            (false, true) => {
                tracing::info!(reason = signal, grace = ?self.grace(), "Drain started");
            }
            (true, true) => tracing::warn!(signal, "Second signal ends the grace"),
            (_, false) => {}
        }
    }

    pub(crate) fn finish(&self) {
        self.apply(PhaseEvent::Finished);
    }

    pub(crate) fn phase(&self) -> Phase {
        self.shared.phase.borrow().clone()
    }

    /// What broke first, if anything did.
    pub(crate) fn broken(&self) -> Option<String> {
        lock(&self.shared.broken).clone()
    }

    /// The names of essential tasks that have not ended, in the order of their start.
    pub(crate) fn unfinished(&self) -> Vec<&'static str> {
        lock(&self.shared.tasks).iter().map(|(_, name)| *name).collect()
    }

    /// Steps the machine; tells whether the phase changed.
    fn apply(&self, event: PhaseEvent) -> bool {
        let now = Instant::now();
        self.shared.phase.send_if_modified(|phase| {
            let next = phase.clone().step(event, now, self.shared.grace);
            let changed = next != *phase;
            *phase = next;
            changed
        })
    }
}

/// Keeps the process unready while it lives.
#[derive(Debug)]
pub struct Latch {
    lifecycle: Lifecycle,
    name: &'static str,
}

impl Latch {
    /// Lets go; the same as dropping it.
    pub fn release(self) {}
}

impl Drop for Latch {
    fn drop(&mut self) {
        self.lifecycle.apply(PhaseEvent::LatchReleased(self.name));
    }
}

/// The requests to reload, several quick ones taken as one.
#[derive(Debug)]
pub struct Reloads {
    count: watch::Receiver<u64>,
    /// Keeps the sender alive.
    _lifecycle: Lifecycle,
}

impl Reloads {
    /// Waits for the next request. Dropping the future loses none.
    pub async fn next(&mut self) {
        self.count.changed().await.expect("the lifecycle holds the sender");
    }
}

/// Strikes a task off the list when its future is gone, and tells of a panic.
struct EssentialTask {
    lifecycle: Lifecycle,
    id: u64,
    name: &'static str,
}

impl Drop for EssentialTask {
    fn drop(&mut self) {
        lock(&self.lifecycle.shared.tasks).retain(|(id, _)| *id != self.id);
        if std::thread::panicking() {
            self.lifecycle.fail(format!("task {} panicked", self.name));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that names or isolates every task")]
fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future)
}

/// No invariant spans two statements under these locks, so a panic elsewhere leaves them usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(25);

    #[test]
    fn ready_needs_every_latch_released() {
        let lifecycle = Lifecycle::new(GRACE);
        let (port, files) = (lifecycle.latch("port"), lifecycle.latch("files"));
        assert_eq!(lifecycle.phase(), Phase::Starting { waiting: vec!["port", "files"] });
        drop(port);
        assert_eq!(lifecycle.phase(), Phase::Starting { waiting: vec!["files"] });
        files.release();
        assert_eq!(lifecycle.phase(), Phase::Ready);
    }

    #[tokio::test(start_paused = true)]
    async fn expires_at_the_deadline() {
        let lifecycle = Lifecycle::new(GRACE);
        assert_eq!(lifecycle.deadline(), None);
        let start = Instant::now();
        lifecycle.drain("test");
        lifecycle.draining().await;
        assert_eq!(lifecycle.deadline(), Some(start + GRACE));
        lifecycle.expired().await;
        assert_eq!(start.elapsed(), GRACE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_signal_expires_at_once() {
        let lifecycle = Lifecycle::new(GRACE);
        lifecycle.interrupt("SIGTERM");
        lifecycle.drain("quitquitquit");
        assert!(matches!(lifecycle.phase(), Phase::Draining { .. }));
        let start = Instant::now();
        lifecycle.interrupt("SIGTERM");
        lifecycle.expired().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_panicking_essential_task_breaks_the_process() {
        let lifecycle = Lifecycle::new(GRACE);
        let (hold, released) = tokio::sync::oneshot::channel::<()>();
        let quiet = lifecycle.spawn_essential("quiet", released);
        let loud = lifecycle.spawn_essential("loud", async { panic!("on purpose") });
        assert_eq!(lifecycle.unfinished(), ["quiet", "loud"]);
        assert!(loud.await.unwrap_err().is_panic());
        assert_eq!(lifecycle.unfinished(), ["quiet"]);
        assert_eq!(lifecycle.broken().as_deref(), Some("task loud panicked"));
        lifecycle.draining().await;
        drop(hold);
        assert!(quiet.await.unwrap().is_err());
        assert!(lifecycle.unfinished().is_empty());
    }

    #[tokio::test]
    async fn reloads_are_not_lost() {
        let lifecycle = Lifecycle::new(GRACE);
        let mut reloads = lifecycle.reloads();
        lifecycle.reload();
        reloads.next().await;
        lifecycle.reload();
        lifecycle.reload();
        reloads.next().await;
    }
}
