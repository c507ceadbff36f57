//! The end: linger, flush, positions. See [`super`].

use std::time::Duration;

use sidecar_runtime::Outcome;
use tail::FileId;
use tokio::time::{Instant, sleep_until};
use tracing::info;

use super::writing::Writing;
use super::{Event, Pump, now};
use crate::keeper;

/// Between two looks at the files while lingering.
const LINGER_INTERVAL: Duration = Duration::from_millis(50);
/// Kept of the grace period for the flush, but at most a fifth of it.
const RESERVE: Duration = Duration::from_secs(2);
/// Kept of it for the last checkpoint, but at most a tenth.
const CHECKPOINT_RESERVE: Duration = Duration::from_millis(500);
/// Files named when work is left.
const NAMES_MAX: usize = 10;

impl Pump {
    pub(super) async fn drain(mut self) -> Outcome {
        let started = Instant::now();
        let grace = self.lifecycle.grace();
        let deadline = self.lifecycle.deadline().unwrap_or(started);
        let flush_at = deadline - RESERVE.min(grace / 5);
        let checkpoint_at = deadline - CHECKPOINT_RESERVE.min(grace / 10);
        self.state.pass_until = Some(flush_at);
        while !self.is_at_rest(started) && Instant::now() < flush_at && !self.is_cut_short() {
            self.tailer.rescan_now(now());
            self.pass().await;
            if self.is_at_rest(started) {
                break;
            }
            self.wait(Instant::now() + LINGER_INTERVAL).await;
        }
        info!(seconds = started.elapsed().as_secs_f64(), "The files are quiet; flushing");
        self.tailer.rescan_now(now());
        self.state.pass_until = Some(checkpoint_at);
        let partials = self.flush(checkpoint_at).await;
        self.publish();
        let is_saved = self.save_last().await;
        self.publish();
        let (dropped, quarantined) =
            (self.metrics.dropped_lines(), self.metrics.quarantined_records.get());
        self.state.accounts.close(&self.tailer, &dropped, quarantined);
        self.outcome(partials, is_saved)
    }

    /// Nothing is owed, and the files have been quiet for long enough.
    fn is_at_rest(&self, started: Instant) -> bool {
        self.is_flushed() && self.tailer.is_quiet(now(), started.into_std(), self.policy.linger)
    }

    pub(super) fn is_flushed(&self) -> bool {
        let state = &self.state;
        state.in_flight.is_none() && state.filling.is_empty() && !self.tailer.has_ready()
    }

    fn is_cut_short(&self) -> bool {
        self.state.gone.is_some()
    }

    /// Delivers everything that is there, then the last lines that have no end. Returns those of
    /// which that did not work.
    async fn flush(&mut self, until: Instant) -> Vec<FileId> {
        self.pass_until_flushed(until).await;
        self.give_out(|joiner, on_record| joiner.flush_all(on_record));
        self.pass_until_flushed(until).await;
        let mut partials = self.tailer.held_partials();
        while let Some(id) = partials.pop() {
            let (batch, way, metrics) = (&mut self.state.filling, &mut self.way, &self.metrics);
            self.tailer.read_held(id, now(), |source, line| {
                let mut writing = Writing::begin(way, source, batch, now());
                writing.add_alone(line);
                writing.end(metrics);
                tail::Flow::Stop
            });
            if self.state.filling.is_full() || partials.is_empty() {
                self.pass_until_flushed(until).await;
            }
            if !self.is_flushed() && (self.is_cut_short() || Instant::now() >= until) {
                partials.push(id);
                break;
            }
        }
        partials
    }

    async fn pass_until_flushed(&mut self, until: Instant) {
        loop {
            self.pass().await;
            if self.is_flushed() || self.is_cut_short() || Instant::now() >= until {
                return;
            }
            self.wait(until).await;
        }
    }

    /// Waits for a report or a directory event until `until`; a second signal ends everything.
    async fn wait(&mut self, until: Instant) {
        tokio::select! {
            biased;
            () = self.lifecycle.expired() => {
                self.state.gone.get_or_insert("a second signal or the deadline".to_owned());
            }
            report = self.reports.recv() => {
                self.on_event(report.map_or(Event::Closed, Event::Reported));
            }
            is_saved = keeper::saved(&mut self.keeper) => self.on_event(Event::Saved(is_saved)),
            () = sleep_until(until) => {}
        }
    }

    async fn save_last(&mut self) -> bool {
        let Some(keeper) = &mut self.keeper else { return true };
        if keeper.due().is_none() && !keeper.saved().await {
            self.tailer.snapshot_failed();
        }
        match self.tailer.snapshot() {
            Some(snapshot) => {
                keeper.save(snapshot);
                keeper.saved().await
            }
            None => true,
        }
    }

    fn outcome(&self, partials: Vec<FileId>, is_saved: bool) -> Outcome {
        let unsent: Vec<_> = self.tailer.unsent().collect();
        let is_sent = self.is_flushed() && partials.is_empty() && unsent.is_empty();
        if is_sent && is_saved {
            return Outcome::Drained;
        }
        let mut left = Vec::new();
        if !is_sent {
            let bytes: u64 = unsent.iter().map(|(_, bytes)| bytes).sum();
            left.push(format!("{bytes} unsent bytes in {} files", unsent.len()));
            let names = unsent.iter().take(NAMES_MAX);
            left.extend(
                names.map(|(source, bytes)| format!("{}: {bytes} bytes", source.path.display())),
            );
        }
        if !is_saved {
            left.push("the positions could not be saved".to_owned());
        }
        Outcome::Unfinished(left)
    }
}
