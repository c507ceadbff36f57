//! The loop that counts the lines of files.
//!
//! In: wake-ups by the tailer, the time, the drain. Out: lines into the tally, and positions that
//! move at once, because a line that is counted is done. After each turn of reading, which is
//! bounded in bytes and in time, the runtime has its chance, so that a writer that floods delays a
//! scrape by one turn at most. In the drain files are followed until they are quiet: beside an
//! nginx that ends at the same time its last lines are still to come.

use std::sync::Arc;
use std::time::Duration;

use sidecar_runtime::{Lifecycle, Reloads};
use tail::{FileId, Flow, Source, Tailer};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tracing::info;

use super::families::Counts;
use super::keeper::{self, Keeper};
use super::turn::Turn;
use super::{LINGER, end_of_linger};

/// Between two looks at files that grow. A scrape is seconds apart from the next, so many lines may
/// share the cost of a look.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(50);
/// Between two looks at the files while lingering.
const LINGER_INTERVAL: Duration = Duration::from_millis(50);
/// Between two updates of what is shown about files that are being read. Telling how much is left
/// goes through all of them, so not after each turn.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(250);

/// Follows files.
pub(crate) struct Files {
    pub(crate) tailer: Tailer,
    pub(crate) wake: Arc<Notify>,
    pub(crate) counts: Counts,
    /// So many of the first groups are error logs.
    pub(crate) error_groups: usize,
    pub(crate) keeper: Option<Keeper>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) reloads: Reloads,
    /// While there is always more to read.
    pub(crate) publish_at: Instant,
}

/// What the loop waits for.
#[derive(Debug)]
enum Event {
    Look,
    Saved(bool),
    Reload,
    Drain,
}

/// A wake-up is kept until the look that it asks for, whatever comes between.
#[derive(Debug)]
struct NextLook {
    /// Not earlier than this.
    from: Instant,
    is_woken: bool,
}

impl Files {
    pub(crate) async fn run(mut self) {
        let mut look = NextLook { from: Instant::now(), is_woken: false };
        loop {
            self.pass(None).await;
            match self.next_event(&mut look).await {
                Event::Look => {
                    self.tailer.discover(now());
                    look = NextLook { from: Instant::now() + FOLLOW_INTERVAL, is_woken: false };
                }
                Event::Saved(true) => {}
                Event::Saved(false) => self.tailer.snapshot_failed(),
                Event::Reload => {
                    info!("Looking at all logs again");
                    self.tailer.rescan_now(now());
                }
                Event::Drain => break,
            }
        }
        self.drain().await;
    }

    async fn next_event(&mut self, look: &mut NextLook) -> Event {
        let mut deadline = Instant::from_std(self.tailer.next_deadline());
        if self.tailer.is_changed() {
            let save = self.keeper.as_ref().and_then(Keeper::due);
            deadline = save.map_or(deadline, |at| at.min(deadline));
        }
        loop {
            return tokio::select! {
                biased;
                () = self.lifecycle.draining() => Event::Drain,
                is_saved = keeper::saved(&mut self.keeper) => Event::Saved(is_saved),
                () = self.reloads.next() => Event::Reload,
                () = self.wake.notified(), if !look.is_woken => {
                    look.is_woken = true;
                    continue;
                }
                () = sleep_until(look.from), if look.is_woken => Event::Look,
                () = sleep_until(deadline) => Event::Look,
            };
        }
    }

    /// Counts everything that is there. Ends before that at `until`, or without it when the drain
    /// begins.
    async fn pass(&mut self, until: Option<Instant>) {
        loop {
            let is_over = match until {
                Some(until) => Instant::now() >= until,
                None => self.lifecycle.is_draining(),
            };
            if is_over {
                break;
            }
            let Some((id, source)) = self.tailer.next_ready() else { break };
            self.read(id, &source);
            if Instant::now() >= self.publish_at {
                self.publish();
            }
            tokio::task::yield_now().await;
            self.tailer.discover(now());
            // A long backlog must not keep positions from being saved again and again.
            if self.keeper.as_ref().is_some_and(Keeper::is_done)
                && !keeper::saved(&mut self.keeper).await
            {
                self.tailer.snapshot_failed();
            }
            self.save_if_due();
        }
        self.save_if_due();
        self.publish();
    }

    fn read(&mut self, id: FileId, source: &Source) {
        let is_error_log = source.group < self.error_groups;
        let mut state = self.counts.lock();
        let tally = &mut state.tally;
        let mut turn = Turn::begin();
        let span = self.tailer.read(id, now(), |line| {
            match is_error_log {
                true => tally.count_error(line.text()),
                false => tally.count_access(line.text()),
            }
            if turn.is_over() { Flow::Stop } else { Flow::Continue }
        });
        if let Some(span) = span {
            state.sources.lines[source.group].1 += span.lines;
            self.tailer.acknowledge(&span);
            let reclaimed = self.tailer.punch();
            if let Some(files) = &mut state.sources.files {
                files.reclaimed_bytes += reclaimed.hole_bytes;
                files.reclaim_refused += reclaimed.refused;
            }
        }
    }

    fn publish(&mut self) {
        self.publish_at = Instant::now() + PUBLISH_INTERVAL;
        let (stats, backlog) = (self.tailer.stats(), self.tailer.backlog());
        let mut state = self.counts.lock();
        if let Some(files) = &mut state.sources.files {
            files.lag_bytes = backlog.bytes;
            files.lost_bytes = stats.lost_bytes;
            files.read_errors = stats.read_errors;
            let long_lines = stats.long_lines_dropped - files.long_lines;
            files.long_lines = stats.long_lines_dropped;
            state.tally.unparsed += long_lines;
        }
    }

    fn save_if_due(&mut self) {
        let Some(keeper) = &mut self.keeper else { return };
        if keeper.due().is_some_and(|at| Instant::now() >= at)
            && let Some(snapshot) = self.tailer.snapshot()
        {
            keeper.save(snapshot);
        }
    }

    async fn drain(mut self) {
        let started = Instant::now();
        let end = end_of_linger(&self.lifecycle);
        loop {
            self.tailer.rescan_now(now());
            self.pass(Some(end)).await;
            let is_quiet = self.tailer.is_quiet(now(), started.into_std(), LINGER);
            if is_quiet || Instant::now() >= end {
                break;
            }
            tokio::select! {
                biased;
                () = self.lifecycle.expired() => break,
                is_saved = keeper::saved(&mut self.keeper) => {
                    if !is_saved {
                        self.tailer.snapshot_failed();
                    }
                }
                () = sleep_until(Instant::now() + LINGER_INTERVAL) => {}
            }
        }
        let left = self.tailer.backlog().bytes;
        info!(seconds = started.elapsed().as_secs_f64(), left, "The logs are quiet");
        self.save_last().await;
    }

    /// Saves the positions; bounded by the deadline of the drain, like everything here.
    async fn save_last(&mut self) {
        let Some(keeper) = &mut self.keeper else { return };
        let lifecycle = self.lifecycle.clone();
        let saving = async {
            if keeper.due().is_none() && !keeper.saved().await {
                self.tailer.snapshot_failed();
            }
            if let Some(snapshot) = self.tailer.snapshot() {
                keeper.save(snapshot);
                keeper.saved().await;
            }
        };
        tokio::select! {
            biased;
            () = saving => {}
            () = lifecycle.expired() => {}
        }
    }
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").finish_non_exhaustive()
    }
}

fn now() -> std::time::Instant {
    std::time::Instant::now()
}
