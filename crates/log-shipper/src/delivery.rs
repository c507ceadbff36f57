//! Until the sink has taken it.
//!
//! In: one batch at a time. Out: a [`Report`] for each, in the same order, once nothing of it is
//! owed.
//!
//! ```text
//!          batch             accepted
//! Idle ───────────▶ InFlight ──────────▶ Acked (or the next part of the batch)
//!                   ▲      │ refused, no answer
//!            time   │      ▼
//!                   └── Backoff
//! InFlight ── too large ──▶ two halves, each InFlight; a single record: Rejected (counted)
//! InFlight ── gone ──▶ the end: positions stay where they are
//! ```
//!
//! There is no limit to the number of attempts: what is not acknowledged is not given up, and the
//! files wait. The pause between attempts grows to [`PAUSE_MAX`], with jitter, and is never shorter
//! than what the server asks for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sidecar_runtime::{Backoff, Lifecycle};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use crate::batch::{Batch, halve};
use crate::metrics::{DropReason, Metrics};
use crate::sink::{Answer, Refusal, Sink};

/// The first pause after a failed attempt, before jitter.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause that we choose ourselves.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// The longest pause in a drain, whatever the server asks for: the time is limited.
const DRAIN_PAUSE_MAX: Duration = Duration::from_secs(1);
/// A failure that goes on is logged so often.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// What became of a batch.
#[derive(Debug)]
pub(crate) enum Report {
    /// Nothing of it is owed any more. `rejected` of its lines were too large for the sink.
    Settled { batch: Batch, rejected: u64 },
    /// The sink will never take anything again.
    Gone { why: String },
}

/// What an answer leads to.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Acked,
    Backoff(Duration),
    Split(usize),
    Rejected,
    Gone,
}

/// Decides without a clock or a sink; `pause` is what the back-off says now.
fn step(answer: &Answer, records: &[u8], pause: impl FnOnce() -> Duration) -> Step {
    match answer {
        Answer::Accepted => Step::Acked,
        Answer::Refused { after, .. } => Step::Backoff(after.unwrap_or_default().max(pause())),
        Answer::TooLarge => halve(records).map_or(Step::Rejected, Step::Split),
        Answer::Gone(_) => Step::Gone,
    }
}

pub(crate) struct Delivery {
    sink: Sink,
    backoff: Backoff,
    metrics: Arc<Metrics>,
    lifecycle: Lifecycle,
    failing: Option<Failing>,
}

/// A row of failed attempts.
#[derive(Debug)]
struct Failing {
    since: Instant,
    attempts: u64,
    logged: Instant,
}

impl Delivery {
    pub(crate) fn new(sink: Sink, metrics: Arc<Metrics>, lifecycle: Lifecycle) -> Delivery {
        let backoff = Backoff::new(PAUSE_MIN, PAUSE_MAX);
        Delivery { sink, backoff, metrics, lifecycle, failing: None }
    }

    /// Delivers batches until no more come.
    pub(crate) async fn run(
        mut self,
        mut batches: mpsc::Receiver<Batch>,
        reports: mpsc::Sender<Report>,
    ) {
        while let Some(batch) = batches.recv().await {
            let report = self.deliver(batch).await;
            let is_end = matches!(report, Report::Gone { .. });
            if reports.send(report).await.is_err() || is_end {
                return;
            }
        }
    }

    async fn deliver(&mut self, mut batch: Batch) -> Report {
        let whole = Bytes::from(std::mem::take(&mut batch.records));
        // Halves of halves: at most one for each halving of the batch.
        let mut parts = vec![whole.clone()];
        let mut rejected = 0;
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            let answer = self.sink.send(part.clone()).await;
            match step(&answer, &part, || self.backoff.next()) {
                Step::Acked => self.on_accepted(part.len()),
                Step::Backoff(pause) => {
                    self.on_refused(&answer, pause);
                    parts.push(part);
                    pause_within(&self.lifecycle, pause).await;
                }
                Step::Split(at) => {
                    parts.push(part.slice(at..));
                    parts.push(part.slice(..at));
                }
                Step::Rejected => {
                    warn!(bytes = part.len(), "The sink refuses a single record as too large");
                    self.metrics.dropped(DropReason::TooLargeForSink, 1);
                    rejected += 1;
                }
                Step::Gone => {
                    let Answer::Gone(why) = answer else { unreachable!("only it leads here") };
                    return Report::Gone { why };
                }
            }
        }
        // The buffer goes back to be filled again.
        batch.records = Vec::from(whole);
        Report::Settled { batch, rejected }
    }

    fn on_accepted(&mut self, bytes: usize) {
        self.metrics.requests_accepted.inc();
        self.metrics.sent_bytes.inc_by(bytes as u64);
        self.backoff.reset();
        if let Some(failing) = self.failing.take() {
            self.metrics.sink_failing.set(0);
            let seconds = failing.since.elapsed().as_secs_f64();
            info!(attempts = failing.attempts, seconds, "The sink takes records again");
        }
    }

    fn on_refused(&mut self, answer: &Answer, pause: Duration) {
        let Answer::Refused { why, detail, .. } = answer else { return };
        self.metrics.refused(*why);
        let now = Instant::now();
        let is_first = self.failing.is_none();
        let failing = self.failing.get_or_insert(Failing { since: now, attempts: 0, logged: now });
        failing.attempts += 1;
        if is_first || now.duration_since(failing.logged) >= LOG_INTERVAL {
            failing.logged = now;
            let (attempts, reason) = (failing.attempts, Refusal::label(*why));
            warn!(reason, %detail, attempts, ?pause, "The sink takes no records; trying again");
            self.metrics.sink_failing.set(1);
        }
    }
}

/// Sleeps; a drain that begins cuts the sleep short.
async fn pause_within(lifecycle: &Lifecycle, pause: Duration) {
    let end = Instant::now() + pause;
    tokio::select! {
        () = sleep_until(end) => {}
        () = lifecycle.draining() => sleep_until(end.min(Instant::now() + DRAIN_PAUSE_MAX)).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_leads_to_one_step() {
        let pause = || Duration::from_secs(2);
        let refused = |after: Option<u64>| Answer::Refused {
            why: Refusal::Throttled,
            detail: String::new(),
            after: after.map(Duration::from_secs),
        };
        for (answer, records, expected) in [
            (Answer::Accepted, "a\nb\n", Step::Acked),
            (refused(None), "a\n", Step::Backoff(Duration::from_secs(2))),
            (refused(Some(1)), "a\n", Step::Backoff(Duration::from_secs(2))),
            (refused(Some(7)), "a\n", Step::Backoff(Duration::from_secs(7))),
            (Answer::TooLarge, "a\nb\n", Step::Split(2)),
            (Answer::TooLarge, "a\n", Step::Rejected),
            (Answer::Gone(String::new()), "a\n", Step::Gone),
        ] {
            assert_eq!(step(&answer, records.as_bytes(), pause), expected, "{answer:?}");
        }
    }
}
