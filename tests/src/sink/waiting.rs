//! Waiting for what a sink has got, with a deadline and a word for what did not come.

use std::time::{Duration, Instant};

use super::{Record, Sink, State};

impl Sink {
    /// Waits for this many records, duplicates included.
    pub fn wait_records(&self, count: usize, deadline: Duration) {
        self.wait(&format!("{count} records"), deadline, |records| records.len() >= count);
    }

    /// Waits until this many different messages have arrived.
    pub fn wait_distinct(&self, count: usize, deadline: Duration) {
        let mut distinct = std::collections::HashSet::new();
        let mut looked_at = 0;
        self.wait(&format!("{count} different records"), deadline, |records| {
            distinct.extend(records[looked_at..].iter().map(|record| record.message.clone()));
            looked_at = records.len();
            distinct.len() >= count
        });
    }

    /// Waits until the condition holds for the records so far.
    pub fn wait(
        &self,
        what: &str,
        deadline: Duration,
        mut condition: impl FnMut(&[Record]) -> bool,
    ) {
        self.wait_state(what, deadline, |state| condition(&state.checked().records));
    }

    /// Waits for this many requests, whatever was answered.
    pub fn wait_attempts(&self, count: usize, deadline: Duration) {
        let what = format!("{count} attempts");
        self.wait_state(&what, deadline, |state| state.attempts.len() >= count);
    }

    /// Waits until this many lines were accepted. The one to use in counting mode.
    pub fn wait_lines(&self, count: u64, deadline: Duration) {
        let what = format!("{count} lines");
        self.wait_state(&what, deadline, |state| state.counts.lines >= count);
    }

    fn wait_state(
        &self,
        what: &str,
        deadline: Duration,
        mut condition: impl FnMut(&State) -> bool,
    ) {
        let end = Instant::now() + deadline;
        let mut state = self.shared.lock();
        while !condition(&state) {
            let left = end.saturating_duration_since(Instant::now());
            let (records, attempts) = (state.counts.lines, state.attempts.len());
            assert!(
                !left.is_zero(),
                "waited {deadline:?} in vain for {what}: {records} records, {attempts} attempts"
            );
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
    }
}
