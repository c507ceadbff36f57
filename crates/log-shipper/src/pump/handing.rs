//! When a batch leaves for the sink. See [`super`].
//!
//! The first lines after a rest leave at once. A batch that follows another closely waits for up to
//! `--batch-wait` from when that left: lines that trickle share a request, and none of them waits
//! for longer than that once the sink is free. What is full leaves as soon as the sink is free, and
//! where no more lines are to come nothing waits: with `--once`, and in the drain.

use std::time::Duration;

use tokio::time::Instant;

use super::{Pump, State};

/// While reading goes on, a batch that the sink could take does not wait longer than this.
const BATCH_AGE_MAX: Duration = Duration::from_millis(100);

/// What decides whether a batch leaves for a sink that is free.
#[derive(Debug, Clone, Copy)]
struct Handing {
    is_full: bool,
    /// No more lines are to come.
    is_last: bool,
    /// There is more to read now.
    has_more: bool,
    age: Duration,
    /// Until the batch before left so long ago that nothing is waited for.
    rest: Duration,
}

impl Handing {
    fn leaves(&self) -> bool {
        let is_ready = !self.has_more || self.age >= BATCH_AGE_MAX;
        self.is_full || is_ready && (self.is_last || self.rest.is_zero())
    }
}

impl Pump {
    /// Gives the batch to the sink if that is free and there is nothing to wait for.
    pub(super) fn hand_over(&mut self) {
        let handing = Handing {
            is_full: self.state.filling.is_full(),
            is_last: self.policy.once || self.lifecycle.is_draining(),
            has_more: self.tailer.has_ready(),
            age: self.state.filling_since.elapsed(),
            rest: self.rests_until().saturating_duration_since(Instant::now()),
        };
        let state = &mut self.state;
        let is_free = state.in_flight.is_none() || state.needs_more;
        if !is_free || state.filling.is_empty() || !handing.leaves() {
            return;
        }
        let batch = std::mem::replace(&mut state.filling, std::mem::take(&mut state.spare));
        match self.batches.try_send(batch) {
            Ok(()) => {
                let now = Instant::now();
                (state.in_flight, state.handed_at) = (state.in_flight.or(Some(now)), Some(now));
                state.out += 1;
                state.needs_more = false;
            }
            // The delivery is gone, and so is the batch: its positions do not move.
            Err(_closed) => {
                state.gone.get_or_insert("the delivery has ended".to_owned());
            }
        }
    }

    /// When the batch at hand will have waited for long enough, if the sink could take it.
    pub(super) fn hand_over_at(&self) -> Option<Instant> {
        let State { in_flight, needs_more, filling, filling_since, .. } = &self.state;
        let aged_at = self.tailer.has_ready().then(|| *filling_since + BATCH_AGE_MAX);
        let waits = (in_flight.is_none() || *needs_more) && !filling.is_empty();
        waits.then(|| self.rests_until().max(aged_at.unwrap_or(*filling_since)))
    }

    fn rests_until(&self) -> Instant {
        let State { handed_at, filling_since, .. } = self.state;
        handed_at.map_or(filling_since, |at| at + self.policy.batch_wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_waits_only_behind_another_and_only_for_more() {
        const FULL: (bool, bool) = (true, false);
        const LAST: (bool, bool) = (false, true);
        const PART: (bool, bool) = (false, false);
        for ((is_full, is_last), has_more, age, rest, expected) in [
            (PART, false, 0, 0, true),
            (PART, false, 0, 1, false),
            (PART, false, 199, 1, false),
            (PART, true, 0, 0, false),
            (PART, true, 100, 0, true),
            (PART, true, 100, 1, false),
            (LAST, false, 0, 200, true),
            (LAST, true, 0, 0, false),
            (FULL, false, 0, 200, true),
            (FULL, true, 0, 200, true),
        ] {
            let [age, rest] = [age, rest].map(Duration::from_millis);
            let handing = Handing { is_full, is_last, has_more, age, rest };
            assert_eq!(handing.leaves(), expected, "{handing:?}");
        }
    }
}
