//! The loop that moves lines from the files to the sink.
//!
//! In: wake-ups by the tailer, reports by the delivery, the time, the drain. Out: batches, in
//! order, one at the sink and one filling; acknowledgements to the tailer; snapshots to the keeper.
//! All that is decided here is when: a batch leaves when the sink is free and the batch is full, or
//! has waited for long enough behind the one before, so it is small and at once when the files are
//! quiet, and large when they are not. When both batches are full, reading stops and the files
//! wait; what happens in the directories is taken in all the same.
//!
//! The drain has two parts. *Linger*: follow until the files are quiet, which they are at once if
//! every writer was seen to close them. *Flush*: everything that is there, last lines without an
//! end included; then the positions, last. A reserve before the deadline is kept for the flush.

mod drain;
mod ending;
mod handing;
mod joining;
mod readers;
mod reading;
mod reclaim;
mod writing;

use std::sync::Arc;
use std::time::Duration;

use sidecar_runtime::{Lifecycle, Outcome, Reloads};
use tail::{AfterShip, Sizes, Span, Stats, Tailer};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

pub(crate) use self::ending::Agreement;
pub(crate) use self::joining::Joining;
pub(crate) use self::readers::Readers;
pub(crate) use self::writing::{Way, Writing};
use crate::account::Accounts;
use crate::batch::Batch;
use crate::config::{Config, OnFull};
use crate::delivery::Report;
use crate::keeper::{self, Keeper};
use crate::metrics::{DropReason, GroupMetrics, Metrics};
use crate::rotation::Rotation;

/// Between two looks at files that grow: a look takes in all that came in between.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(3);
/// Between two updates of the gauges.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(500);
/// For how long the sink may hold a batch before `drop-oldest` drops.
const FULL_PATIENCE: Duration = Duration::from_secs(1);

/// What the pump works by.
#[derive(Debug)]
pub(crate) struct Policy {
    /// From one batch to the next, unless that is full.
    pub(crate) batch_wait: Duration,
    pub(crate) linger: Duration,
    pub(crate) once: bool,
    pub(crate) exit_when_idle: Option<Duration>,
    pub(crate) on_full: OnFull,
    /// Holes in files that are written.
    pub(crate) reclaim: bool,
    pub(crate) after_ship: AfterShip,
    pub(crate) dir_bytes_max: Option<u64>,
}

impl Policy {
    pub(crate) fn of(config: &Config) -> Policy {
        Policy {
            batch_wait: config.batch_wait,
            linger: config.linger,
            once: config.once,
            exit_when_idle: config.exit_when_idle,
            on_full: config.on_full,
            reclaim: config.reclaim,
            after_ship: config.after_ship,
            dir_bytes_max: config.dir_bytes_max,
        }
    }
}

pub(crate) struct Pump {
    pub(crate) policy: Policy,
    pub(crate) tailer: Tailer,
    pub(crate) wake: Arc<Notify>,
    pub(crate) way: Way,
    pub(crate) batches: mpsc::Sender<Batch>,
    pub(crate) reports: mpsc::Receiver<Report>,
    pub(crate) keeper: Option<Keeper>,
    pub(crate) rotation: Option<Rotation>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) agreement: Agreement,
    pub(crate) readers: Readers,
    pub(crate) reloads: Reloads,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) groups: Vec<GroupMetrics>,
    pub(crate) state: State,
}

/// What changes while the pump runs.
#[derive(Debug)]
pub(crate) struct State {
    filling: Batch,
    /// When the first record came into it.
    filling_since: Instant,
    /// The empty buffer of the batch that was delivered last.
    spare: Batch,
    /// Since when the sink has a batch.
    in_flight: Option<Instant>,
    /// Batches that it has: more than one only if it asked for more.
    out: usize,
    /// It takes another one.
    needs_more: bool,
    /// When a batch was given to it last.
    handed_at: Option<Instant>,
    /// What was dropped behind the batch in flight: positions move over it once that is settled.
    dropped_behind: Vec<Span>,
    accounts: Accounts,
    /// When something was settled last; at first, the start.
    settled_at: Instant,
    /// With `--once`: what was there at the start and is not shipped yet.
    left_of_start: Option<Sizes>,
    gone: Option<String>,
    /// In the drain: when its next step begins.
    pass_until: Option<Instant>,
    /// Directory events wait to be taken in, not before `next_look`.
    is_woken: bool,
    next_look: Instant,
    /// The gauges are behind.
    unpublished: bool,
    publish_at: Instant,
    published: Stats,
    reclaim_at: Instant,
    above_dir_bytes: bool,
}

impl State {
    pub(crate) fn new(keeps_origins: bool) -> State {
        let now = Instant::now();
        State {
            filling: Batch::new(keeps_origins),
            filling_since: now,
            spare: Batch::new(keeps_origins),
            in_flight: None,
            out: 0,
            needs_more: false,
            handed_at: None,
            dropped_behind: Vec::new(),
            accounts: Accounts::new(),
            settled_at: now,
            left_of_start: None,
            gone: None,
            pass_until: None,
            is_woken: false,
            next_look: now,
            unpublished: true,
            publish_at: now,
            published: Stats::default(),
            reclaim_at: now,
            above_dir_bytes: false,
        }
    }
}

/// What the pump waits for.
#[derive(Debug)]
enum Event {
    Reported(Report),
    /// The delivery has ended.
    Closed,
    Saved(bool),
    /// Directory events came, or something is due.
    Look,
    Reload,
    Drain,
}

impl Pump {
    pub(crate) async fn run(mut self) -> Outcome {
        self.look();
        self.punch();
        self.state.left_of_start = self.policy.once.then(|| self.tailer.sizes());
        while self.state.gone.is_none() {
            self.pass().await;
            self.end_if_due();
            match self.next_event().await {
                Event::Drain => break,
                event => self.on_event(event),
            }
        }
        self.drain().await
    }

    async fn next_event(&mut self) -> Event {
        loop {
            let deadline = self.next_deadline();
            let next_look = self.state.next_look;
            return tokio::select! {
                biased;
                () = self.lifecycle.draining() => Event::Drain,
                report = self.reports.recv() => report.map_or(Event::Closed, Event::Reported),
                is_saved = keeper::saved(&mut self.keeper) => Event::Saved(is_saved),
                () = self.reloads.next() => Event::Reload,
                () = self.wake.notified(), if !self.state.is_woken => {
                    self.state.is_woken = true;
                    continue;
                }
                () = sleep_until(next_look), if self.state.is_woken => Event::Look,
                () = sleep_until(deadline) => Event::Look,
            };
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Reported(report) => self.on_report(report),
            Event::Closed => {
                self.state.gone.get_or_insert("the delivery has ended".to_owned());
            }
            Event::Saved(true) | Event::Drain => {}
            Event::Look => self.look(),
            Event::Saved(false) => self.tailer.snapshot_failed(),
            Event::Reload => {
                info!("Looking at all files again");
                self.tailer.rescan_now(now());
            }
        }
    }

    fn next_deadline(&self) -> Instant {
        let mut deadline = Instant::from_std(self.tailer.next_deadline());
        if self.tailer.is_changed() {
            let save = self.keeper.as_ref().and_then(Keeper::due);
            deadline = save.map_or(deadline, |at| at.min(deadline));
        }
        if let (OnFull::DropOldest, Some(since)) = (self.policy.on_full, self.state.in_flight) {
            let stuck_at = since + FULL_PATIENCE;
            deadline = if self.state.filling.is_full() { deadline.min(stuck_at) } else { deadline };
        }
        if let Some(at) = self.hand_over_at() {
            deadline = deadline.min(at);
        }
        if self.state.unpublished {
            deadline = deadline.min(self.state.publish_at);
        }
        // With a full batch nothing is given out: it is the sink that is waited for.
        let joining = self.way.joining.as_ref().filter(|_| !self.state.filling.is_full());
        if let Some(due) = joining.and_then(|joining| joining.joiner.due()) {
            deadline = deadline.min(Instant::from_std(due));
        }
        if let Some(at) = self.idle_at() {
            deadline = deadline.min(at);
        }
        deadline
    }

    /// Takes in what happened in the directories.
    fn look(&mut self) {
        if std::mem::take(&mut self.state.is_woken) {
            // What grew may have to wait unread: the lag shows it.
            self.state.unpublished = true;
        }
        self.tailer.discover(now());
        self.state.next_look = Instant::now() + FOLLOW_INTERVAL;
    }

    /// Reads while the sink has room, and does what is due. Ends before that when the drain begins,
    /// or in the drain at its next step.
    async fn pass(&mut self) {
        loop {
            self.hand_over();
            let is_over = match self.state.pass_until {
                Some(until) => Instant::now() >= until,
                None => self.lifecycle.is_draining(),
            };
            if is_over {
                break;
            }
            if self.state.filling.is_full() && !self.make_room() {
                break;
            }
            self.expire_if_due();
            let Some((id, source)) = self.tailer.next_ready() else { break };
            self.read(id, &source);
            self.let_others_run().await;
        }
        self.hand_over();
        self.save_if_due();
        self.reclaim_if_due();
        self.rotate_if_due();
        self.publish_if_due();
    }

    /// Between two turns of reading: probes are answered, the sink goes on, new files are opened.
    async fn let_others_run(&mut self) {
        tokio::task::yield_now().await;
        while let Ok(report) = self.reports.try_recv() {
            self.on_report(report);
        }
        self.tailer.discover(now());
        self.save_if_due();
        self.publish_if_due();
    }

    fn on_report(&mut self, report: Report) {
        match report {
            Report::Settled { mut batch, rejected } => {
                self.state.unpublished = true;
                self.state.out -= 1;
                self.state.needs_more = false;
                self.state.in_flight = self.state.in_flight.filter(|_| self.state.out > 0);
                self.state.settled_at = Instant::now();
                let mut rejected = rejected;
                for span in &batch.spans {
                    self.tailer.acknowledge(span);
                    let group = &self.groups[span.group];
                    let of_span = rejected.min(span.lines);
                    group.lines_acked.inc_by(span.lines - of_span);
                    group.bytes_acked.inc_by(span.bytes);
                    self.state.accounts.settled(span, of_span);
                    rejected -= of_span;
                }
                if self.state.out == 0 {
                    for span in std::mem::take(&mut self.state.dropped_behind) {
                        self.tailer.acknowledge(&span);
                    }
                }
                batch.clear();
                self.state.spare = batch;
                self.punch();
            }
            Report::NeedsMore => self.state.needs_more = true,
            Report::Gone { why } => {
                warn!(%why, "The sink is gone");
                self.state.gone = Some(why);
            }
        }
    }

    /// Both batches are full. With `drop-oldest`, and a sink that is stuck, the one that waits is
    /// given up; the one at the sink may have been taken, so it stays.
    fn make_room(&mut self) -> bool {
        let state = &mut self.state;
        let stuck = state.in_flight.is_some_and(|since| since.elapsed() >= FULL_PATIENCE);
        if self.policy.on_full == OnFull::Block || !stuck {
            return false;
        }
        self.metrics.dropped(DropReason::OnFull, state.filling.lines());
        for span in &state.filling.spans {
            // Of each file the last span stands for all.
            state.dropped_behind.retain(|earlier| !earlier.is_superseded_by(span));
            state.dropped_behind.push(*span);
            state.accounts.dropped(span);
        }
        state.filling.clear();
        true
    }

    fn save_if_due(&mut self) {
        let Some(keeper) = &mut self.keeper else { return };
        if keeper.due().is_some_and(|at| Instant::now() >= at)
            && let Some(snapshot) = self.tailer.snapshot()
        {
            keeper.save(snapshot);
        }
    }

    fn publish_if_due(&mut self) {
        let state = &self.state;
        let stale = state.unpublished || self.tailer.stats() != state.published;
        if stale && Instant::now() >= state.publish_at {
            self.publish();
            self.state.publish_at = Instant::now() + PUBLISH_INTERVAL;
        }
    }

    fn publish(&mut self) {
        self.state.unpublished = false;
        let stats = self.tailer.stats();
        self.metrics.add(&self.state.published, &stats);
        self.state.published = stats;
        self.metrics.publish(&self.tailer.backlog(), &self.tailer.room());
        let waiting = i64::try_from(self.state.filling.bytes()).unwrap_or(i64::MAX);
        self.metrics.batch_bytes.set(waiting);
        self.state.accounts.forget_gone(&self.tailer);
        self.tell_the_leader();
    }
}

fn now() -> std::time::Instant {
    std::time::Instant::now()
}
