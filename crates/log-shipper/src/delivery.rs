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
//! InFlight ── too large, poison ──▶ two halves, each InFlight; a single record: Rejected (counted)
//! InFlight ── partly ──▶ what is left: InFlight after a pause; what is refused for good: Rejected
//! InFlight ── gone ──▶ the end: positions stay where they are
//! ```
//!
//! A receiver that calls everything poison is set up wrongly. So a single record is given up as
//! poison only once the sink has taken another one; until then it waits like all others.
//!
//! There is no limit to the number of attempts: what is not acknowledged is not given up, and the
//! files wait. The pause between attempts grows to [`PAUSE_MAX`], with jitter, and is never shorter
//! than what the server asks for.

use std::sync::Arc;
use std::time::Duration;

use sidecar_runtime::{Backoff, Lifecycle};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use crate::batch::{Batch, Records};
use crate::metrics::{DropReason, Metrics};
use crate::sink::{Answer, Refusal, Rejected, Sink};

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
    /// Nothing of it is owed any more. The sink refused `rejected` of its lines for good.
    Settled { batch: Batch, rejected: u64 },
    /// The sink will never take anything again.
    Gone { why: String },
}

/// What an answer leads to.
#[derive(Debug)]
enum Step {
    Acked,
    Backoff(Duration),
    /// The same, but behind the other parts of the batch, which may prove the sink.
    Aside(Duration),
    Split([Records; 2]),
    /// Of the records of these numbers, the rest is taken; the first go again after a pause.
    Partly {
        left: Vec<usize>,
        pause: Duration,
        rejected: Rejected,
    },
    Rejected(DropReason, String),
    Gone(String),
}

/// Decides without a clock or a sink. `pause` is what the back-off says now; a sink is proven that
/// has taken a record before.
fn step(answer: Answer, records: &Records, proven: bool, pause: impl FnOnce() -> Duration) -> Step {
    let split = |reason, why| match records.halve() {
        Some(halves) => Step::Split(halves),
        None => Step::Rejected(reason, why),
    };
    match answer {
        Answer::Accepted => Step::Acked,
        Answer::Refused { after, .. } => Step::Backoff(after.unwrap_or_default().max(pause())),
        Answer::TooLarge => split(DropReason::TooLargeForSink, "too large".to_owned()),
        Answer::Poison(_) if records.len() == 1 && !proven => Step::Aside(pause()),
        Answer::Poison(why) => split(DropReason::RefusedBySink, why),
        Answer::Partly { left, rejected, .. } => {
            let pause = if left.is_empty() { Duration::ZERO } else { pause() };
            Step::Partly { left, pause, rejected }
        }
        Answer::Gone(why) => Step::Gone(why),
    }
}

pub(crate) struct Delivery {
    sink: Sink,
    backoff: Backoff,
    metrics: Arc<Metrics>,
    lifecycle: Lifecycle,
    failing: Option<Failing>,
    /// The sink has taken a record.
    proven: bool,
    rejections_logged: Option<Instant>,
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
        Delivery {
            sink,
            backoff,
            metrics,
            lifecycle,
            failing: None,
            proven: false,
            rejections_logged: None,
        }
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
        let whole = batch.take_records();
        // Halves of halves: at most one for each halving of the batch.
        let mut parts = vec![whole.clone()];
        let mut rejected = 0;
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            let answer = self.sink.send(&part).await;
            let failure = answer.failure();
            match step(answer, &part, self.proven, || self.backoff.next()) {
                Step::Acked => self.on_accepted(part.bytes().len()),
                Step::Backoff(pause) => {
                    parts.push(part);
                    self.wait(failure, pause).await;
                }
                Step::Aside(pause) => {
                    parts.insert(0, part);
                    self.wait(failure, pause).await;
                }
                Step::Split([first, second]) => parts.extend([second, first]),
                Step::Partly { left, pause, rejected: refused } => {
                    rejected += refused.count;
                    if left.len() as u64 + refused.count < part.len() as u64 {
                        self.on_accepted(part.bytes().len() - part.pick(&left).bytes().len());
                    }
                    self.on_rejected(DropReason::RefusedBySink, &refused);
                    if !left.is_empty() {
                        parts.push(part.pick(&left));
                        self.wait(failure, pause).await;
                    }
                }
                Step::Rejected(reason, why) => {
                    self.on_rejected(reason, &Rejected { count: 1, why });
                    rejected += 1;
                }
                Step::Gone(why) => return Report::Gone { why },
            }
        }
        // The buffers go back to be filled again.
        batch.give_back(whole);
        Report::Settled { batch, rejected }
    }

    fn on_accepted(&mut self, bytes: usize) {
        self.proven = true;
        self.metrics.requests_accepted.inc();
        self.metrics.sent_bytes.inc_by(bytes as u64);
        self.backoff.reset();
        if let Some(failing) = self.failing.take() {
            self.metrics.sink_failing.set(0);
            let seconds = failing.since.elapsed().as_secs_f64();
            info!(attempts = failing.attempts, seconds, "The sink takes records again");
        }
    }

    fn on_rejected(&mut self, reason: DropReason, Rejected { count, why }: &Rejected) {
        if *count == 0 {
            return;
        }
        self.metrics.dropped(reason, *count);
        let now = Instant::now();
        if self.rejections_logged.is_none_or(|at| now.duration_since(at) >= LOG_INTERVAL) {
            self.rejections_logged = Some(now);
            warn!(reason = reason.label(), count, why, "The sink refuses records for good");
        }
    }

    /// Counts a failed attempt and sleeps; a drain that begins cuts the sleep short.
    async fn wait(&mut self, failure: Option<(Refusal, String)>, pause: Duration) {
        if let Some((why, detail)) = failure {
            self.on_refused(why, &detail, pause);
        }
        let end = Instant::now() + pause;
        tokio::select! {
            () = sleep_until(end) => {}
            () = self.lifecycle.draining() => {
                sleep_until(end.min(Instant::now() + DRAIN_PAUSE_MAX)).await;
            }
        }
    }

    fn on_refused(&mut self, why: Refusal, detail: &str, pause: Duration) {
        self.metrics.refused(why);
        let now = Instant::now();
        let is_first = self.failing.is_none();
        let failing = self.failing.get_or_insert(Failing { since: now, attempts: 0, logged: now });
        failing.attempts += 1;
        if is_first || now.duration_since(failing.logged) >= LOG_INTERVAL {
            failing.logged = now;
            let (attempts, reason) = (failing.attempts, why.label());
            warn!(reason, detail, attempts, ?pause, "The sink takes no records; trying again");
            self.metrics.sink_failing.set(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(count: usize) -> Records {
        let mut batch = Batch::default();
        batch.begin(b"");
        for number in 0..count {
            batch.add(|out| out.extend_from_slice(number.to_string().as_bytes()));
        }
        batch.take_records()
    }

    /// What a step does, in short.
    fn shown(step: Step) -> String {
        match step {
            Step::Acked => "acked".to_owned(),
            Step::Backoff(pause) => format!("again in {pause:?}"),
            Step::Aside(pause) => format!("last, in {pause:?}"),
            Step::Split(halves) => format!("{} and {}", halves[0].len(), halves[1].len()),
            Step::Partly { left, pause, rejected } => {
                format!("{left:?} in {pause:?}, without {}", rejected.count)
            }
            Step::Rejected(reason, _) => reason.label().to_owned(),
            Step::Gone(_) => "gone".to_owned(),
        }
    }

    #[test]
    fn every_answer_leads_to_one_step() {
        let refused = |after: Option<u64>| Answer::Refused {
            why: Refusal::Throttled,
            detail: String::new(),
            after: after.map(Duration::from_secs),
        };
        let poison = || Answer::Poison("bad".to_owned());
        let partly = |left: &[usize]| Answer::Partly {
            left: left.to_vec(),
            why: "busy".to_owned(),
            rejected: Rejected { count: 1, why: "bad".to_owned() },
        };
        for (answer, count, proven, expected) in [
            (Answer::Accepted, 2, false, "acked"),
            (refused(None), 1, true, "again in 2s"),
            (refused(Some(1)), 1, true, "again in 2s"),
            (refused(Some(7)), 1, true, "again in 7s"),
            (Answer::TooLarge, 2, false, "1 and 1"),
            (Answer::TooLarge, 1, false, "too_large_for_sink"),
            (poison(), 3, false, "1 and 2"),
            (poison(), 1, false, "last, in 2s"),
            (poison(), 1, true, "refused_by_sink"),
            (partly(&[1, 2]), 3, true, "[1, 2] in 2s, without 1"),
            (partly(&[]), 3, true, "[] in 0ns, without 1"),
            (Answer::Gone(String::new()), 1, true, "gone"),
        ] {
            let what = format!("{answer:?} {count} {proven}");
            let pause = || Duration::from_secs(2);
            assert_eq!(shown(step(answer, &records(count), proven, pause)), expected, "{what}");
        }
    }
}
