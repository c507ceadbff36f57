//! Nothing more is to be waited for: `--once` and `--exit-when-idle`. See [`super`].
//!
//! Both only start the drain, which reads what is there and decides the exit status. A sink that
//! takes nothing keeps both waiting: what is not shipped is not done. Of several sinks, all have to
//! be done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

use super::{Pump, now};

/// Whether the pumps of all sinks have come to the end of their work.
#[derive(Debug, Clone)]
pub(crate) struct Agreement {
    done: Arc<[AtomicBool]>,
    own: usize,
}

impl Agreement {
    /// One for each of so many pumps.
    pub(crate) fn among(count: usize) -> impl Iterator<Item = Agreement> {
        let done: Arc<[AtomicBool]> = (0..count).map(|_| AtomicBool::new(false)).collect();
        (0..count).map(move |own| Agreement { done: Arc::clone(&done), own })
    }

    /// Says whether the own work is done, and learns whether all is.
    fn say(&self, is_done: bool) -> bool {
        self.done[self.own].store(is_done, Ordering::Relaxed);
        self.done.iter().all(|done| done.load(Ordering::Relaxed))
    }
}

impl Pump {
    /// Starts the drain if it is time.
    pub(super) fn end_if_due(&mut self) {
        if let Some(left) = &mut self.state.left_of_start {
            self.tailer.strike_acknowledged(left);
            if self.agreement.say(left.is_empty()) {
                self.lifecycle.drain("once");
            }
            return;
        }
        if self.is_idle() {
            // No event may have told of the last line.
            self.tailer.rescan_now(now());
        }
        if self.agreement.say(self.is_idle()) {
            self.lifecycle.drain("exit-when-idle");
        }
    }

    /// When the files will have been idle for long enough, if nothing happens until then.
    pub(super) fn idle_at(&self) -> Option<Instant> {
        let idle = self.policy.exit_when_idle.filter(|_| self.is_flushed())?;
        Some(self.state.settled_at.max(Instant::from_std(self.tailer.last_growth())) + idle)
    }

    /// Never without a time to be idle for.
    fn is_idle(&self) -> bool {
        self.idle_at().is_some_and(|at| Instant::now() >= at)
    }
}
