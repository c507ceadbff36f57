//! Time in tests: waiting for a condition, and doing something at a steady pace.
//!
//! A test never waits for time to pass in the hope that something has happened: [`wait_for`] looks
//! for the condition until a deadline and names what did not come. A pace is different: it is part
//! of a scenario ("60 rotations 50 ms apart"), and these are the only two places that sleep.

use std::time::{Duration, Instant};

const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The deadline for everything that should happen soon; far above what it takes on a slow machine.
pub const SOON: Duration = Duration::from_secs(30);

/// Looks for a value every few milliseconds; panics with `what` at the deadline.
pub fn wait_for<T>(what: &str, deadline: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain for {what}");
        pause(LOOK_AGAIN);
    }
}

/// Like [`wait_for`], for a plain condition.
pub fn wait_until(what: &str, deadline: Duration, mut condition: impl FnMut() -> bool) {
    wait_for(what, deadline, || condition().then_some(()));
}

/// Calls `act` with 0, 1, 2 … once per `interval`, the first time after one interval. A late call
/// does not delay the later ones.
pub fn paced(times: u32, interval: Duration, mut act: impl FnMut(u32)) {
    let start = Instant::now();
    for number in 0..times {
        pause((interval * (number + 1)).saturating_sub(start.elapsed()));
        act(number);
    }
}

/// True if the condition holds all the time for `duration`.
pub fn holds_for(duration: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < duration {
        if !condition() {
            return false;
        }
        pause(LOOK_AGAIN);
    }
    condition()
}

pub(crate) fn pause(duration: Duration) {
    #[expect(clippy::disallowed_methods, reason = "the one place that waits, see the header")]
    std::thread::sleep(duration);
}
