//! What it costs to have it: memory and wake-ups without work, of the release binary.

use std::time::Duration;

use e2e::binary::released;
use e2e::pace::{SOON, holds_for, wait_until};
use e2e::workplace::{Workplace, free_address};

use crate::SUBJECTS;

const MEMORY_BYTES_MAX: u64 = 3_000_000;
const WATCHED: Duration = Duration::from_secs(5);
/// In that time. A rescan every few seconds is work; a timer every tenth of a second is not.
const WAKEUPS_MAX: u64 = 10;

#[test]
fn idle_it_costs_next_to_nothing() {
    for subject in SUBJECTS {
        let place = Workplace::new();
        let words = [released(subject.name).into()];
        let mut running = subject.spawn(&place, &words, &(subject.idle)(&place), free_address());
        // Not by a probe: an answer is not idling, and brings the code that makes it into memory.
        running.wait_logged("Started");
        let what = format!("at most {MEMORY_BYTES_MAX} bytes of memory");
        wait_until(&what, SOON, || running.guard.rss_bytes() <= MEMORY_BYTES_MAX);
        let before = running.guard.context_switches();
        assert!(holds_for(WATCHED, || running.guard.is_running()));
        let wakeups = running.guard.context_switches() - before;
        assert!(wakeups <= WAKEUPS_MAX, "{wakeups} wake-ups in {WATCHED:?}");
        let memory_bytes = running.guard.rss_bytes();
        assert!(memory_bytes <= MEMORY_BYTES_MAX, "{memory_bytes} bytes resident");
    }
}
