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
//! What is rejected is kept in the quarantine, if there is one, before the batch is settled.
//!
//! A receiver that calls everything poison is set up wrongly, or somebody else answers for it. So a
//! single record is given up as poison only if the sink has taken another one after it refused this
//! one, and refuses it again. Where no other record is left that could prove the sink, the pump is
//! asked for the next batch, up to [`HELD_BATCHES_MAX`]; until then the record waits. In a drain no
//! more may come, so what the sink took since it refused the batch of the record is proof enough.
//!
//! There is no limit to the number of attempts: what is not acknowledged is not given up, and the
//! files wait. The pause between attempts grows to [`PAUSE_MAX`], with jitter, and is never shorter
//! than what the server asks for.

mod owed;

use std::sync::Arc;
use std::time::Duration;

use sidecar_runtime::{Backoff, Lifecycle};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use self::owed::{Held, Owed, Part};
use crate::batch::{Batch, Records};
use crate::metrics::{DropReason, Metrics};
use crate::quarantine::Quarantine;
use crate::sink::{Answer, Refusal, Rejected, Sink};

/// The first pause after a failed attempt, before jitter.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause that we choose ourselves.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// The longest pause in a drain, whatever the server asks for: the time is limited.
const DRAIN_PAUSE_MAX: Duration = Duration::from_secs(1);
/// Batches that wait for the end of each other, so that one that is refused does not keep back what
/// could prove the sink.
const HELD_BATCHES_MAX: usize = 4;
/// A failure that goes on is logged so often.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// What became of a batch.
#[derive(Debug)]
pub(crate) enum Report {
    /// Nothing of it is owed any more. The sink refused `rejected` of its lines for good.
    Settled { batch: Batch, rejected: u64 },
    /// Only records that are refused are left: another batch may come before those are settled.
    NeedsMore,
    /// The sink will never take anything again.
    Gone { why: String },
}

/// What an answer leads to.
#[derive(Debug)]
enum Step {
    Acked,
    Backoff(Duration),
    /// Behind all others, which may prove the sink.
    Aside,
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

/// Decides without a clock or a sink. `pause` is what the back-off says now; the sink is proven if
/// it has taken a record after it refused these.
fn step(answer: Answer, records: &Records, proven: bool, pause: impl FnOnce() -> Duration) -> Step {
    let split = |reason, why| match records.halve() {
        Some(halves) => Step::Split(halves),
        None => Step::Rejected(reason, why),
    };
    match answer {
        Answer::Accepted => Step::Acked,
        Answer::Refused { after, .. } => Step::Backoff(after.unwrap_or_default().max(pause())),
        Answer::TooLarge => split(DropReason::TooLargeForSink, "too large".to_owned()),
        Answer::Poison(_) if records.len() == 1 && !proven => Step::Aside,
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
    quarantine: Option<Quarantine>,
    backoff: Backoff,
    metrics: Arc<Metrics>,
    lifecycle: Lifecycle,
    failing: Option<Failing>,
    /// How often the sink has taken records.
    accepted: u64,
    rejections_logged: Option<Instant>,
}

/// Asks the pump for what could prove the sink.
#[derive(Debug)]
struct More {
    /// When it was asked last, and whether that was answered.
    asked: Option<(Instant, bool)>,
}

impl More {
    /// The next batch, if it is there. Asks for it: the first time at once, and then at intervals,
    /// so that a batch holds what came in the meantime.
    async fn ask(
        &mut self,
        owed: &Owed,
        batches: &mut mpsc::Receiver<Batch>,
        reports: &mpsc::Sender<Report>,
    ) -> Option<Batch> {
        if let Some((at, false)) = self.asked {
            let batch = batches.try_recv().ok()?;
            self.asked = Some((at, true));
            return Some(batch);
        }
        let is_due = self.asked.is_none_or(|(at, _)| at.elapsed() >= PAUSE_MAX);
        if is_due && owed.held.len() < HELD_BATCHES_MAX {
            self.asked = Some((Instant::now(), false));
            let _is_heard = reports.send(Report::NeedsMore).await;
        }
        None
    }
}

/// A row of failed attempts.
#[derive(Debug)]
struct Failing {
    since: Instant,
    attempts: u64,
    logged: Instant,
}

impl Delivery {
    pub(crate) fn new(
        sink: Sink,
        quarantine: Option<Quarantine>,
        metrics: Arc<Metrics>,
        lifecycle: Lifecycle,
    ) -> Delivery {
        let backoff = Backoff::new(PAUSE_MIN, PAUSE_MAX);
        Delivery {
            sink,
            quarantine,
            backoff,
            metrics,
            lifecycle,
            failing: None,
            accepted: 0,
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
            let mut owed = Owed::default();
            owed.hold(batch);
            let gone = self.deliver(&mut owed, &mut batches, &reports).await;
            if let Some(why) = gone {
                let _is_heard = reports.send(Report::Gone { why }).await;
                return;
            }
            for Held { mut batch, whole, rejected } in owed.held {
                // The buffers go back to be filled again.
                batch.give_back(whole);
                if reports.send(Report::Settled { batch, rejected }).await.is_err() {
                    return;
                }
            }
        }
    }

    /// Delivers what is owed. Returns why the sink is gone, if it is.
    async fn deliver(
        &mut self,
        owed: &mut Owed,
        batches: &mut mpsc::Receiver<Batch>,
        reports: &mpsc::Sender<Report>,
    ) -> Option<String> {
        let mut more = More { asked: None };
        while let Some(mut part) = owed.next() {
            let answer = self.sink.send(&part.records).await;
            let failure = answer.failure();
            if matches!(answer, Answer::Poison(_)) {
                part.refused(self.accepted);
            }
            let proven = part.is_proven(self.accepted, self.lifecycle.is_draining());
            match step(answer, &part.records, proven, || self.backoff.next()) {
                Step::Acked => {
                    self.on_taken(part.records.bytes().len());
                    self.on_recovered();
                }
                Step::Backoff(pause) => {
                    owed.again(part);
                    self.wait(failure, pause).await;
                }
                Step::Aside => {
                    let is_silent = part.is_silent_since(self.accepted);
                    let is_all = owed.aside(part, self.accepted);
                    if is_all && let Some(batch) = more.ask(owed, batches, reports).await {
                        owed.hold(batch);
                    } else if is_all || is_silent {
                        let pause = self.backoff.next();
                        self.wait(failure, pause).await;
                    }
                }
                Step::Split(halves) => owed.split(part, halves),
                Step::Partly { left, pause, rejected } => {
                    let records = part.records.pick(&left);
                    owed.held[part.batch].rejected += rejected.count;
                    if (left.len() as u64 + rejected.count) < part.records.len() as u64 {
                        self.on_taken(part.records.bytes().len() - records.bytes().len());
                    }
                    self.on_rejected(DropReason::RefusedBySink, &part.records, rejected).await;
                    if left.is_empty() {
                        self.on_recovered();
                    } else {
                        owed.again(Part::of(records, part.batch));
                        self.wait(failure, pause).await;
                    }
                }
                Step::Rejected(reason, why) => {
                    owed.held[part.batch].rejected += 1;
                    let rejected = Rejected { count: 1, why, each: Vec::new() };
                    self.on_rejected(reason, &part.records, rejected).await;
                }
                Step::Gone(why) => return Some(why),
            }
        }
        None
    }

    fn on_taken(&mut self, bytes: usize) {
        self.accepted += 1;
        self.metrics.requests_accepted.inc();
        self.metrics.sent_bytes.inc_by(bytes as u64);
        self.backoff.reset();
    }

    fn on_recovered(&mut self) {
        if let Some(failing) = self.failing.take() {
            self.metrics.sink_failing.set(0);
            let seconds = failing.since.elapsed().as_secs_f64();
            info!(attempts = failing.attempts, seconds, "The sink takes records again");
        }
    }

    /// Counts and keeps what of a part is given up.
    async fn on_rejected(&mut self, reason: DropReason, part: &Records, rejected: Rejected) {
        let Rejected { count, ref why, .. } = rejected;
        if count == 0 {
            return;
        }
        self.metrics.dropped(reason, count);
        let now = Instant::now();
        if self.rejections_logged.is_none_or(|at| now.duration_since(at) >= LOG_INTERVAL) {
            self.rejections_logged = Some(now);
            warn!(reason = reason.label(), count, why, "The sink refuses records for good");
        }
        if let Some(quarantine) = &mut self.quarantine {
            quarantine.keep(part.clone(), reason, rejected).await;
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
            Step::Aside => "last".to_owned(),
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
            rejected: Rejected { count: 1, why: "bad".to_owned(), each: Vec::new() },
        };
        for (answer, count, proven, expected) in [
            (Answer::Accepted, 2, false, "acked"),
            (refused(None), 1, true, "again in 2s"),
            (refused(Some(1)), 1, true, "again in 2s"),
            (refused(Some(7)), 1, true, "again in 7s"),
            (Answer::TooLarge, 2, false, "1 and 1"),
            (Answer::TooLarge, 1, false, "too_large_for_sink"),
            (poison(), 3, false, "1 and 2"),
            (poison(), 1, false, "last"),
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
