//! How long to wait before the next attempt.
//!
//! Each call doubles the bound, up to a maximum, and answers with a random time between half the
//! first wait and that bound. The floor keeps a loop from spinning; the randomness keeps the
//! sidecars of a thousand pods from coming back at the same instant. Waiting itself is the
//! caller's, who also watches the lifecycle meanwhile. Jitter around a fixed step was not taken:
//! after an outage it leaves all callers within the same narrow window.

use std::time::Duration;

/// A doubling, jittered wait.
#[derive(Debug, Clone)]
pub struct Backoff {
    initial: Duration,
    max: Duration,
    /// The bound of the next wait; between `initial` and `max`.
    bound: Duration,
}

impl Backoff {
    /// Starts at `initial` and never waits longer than `max`, which is raised to `initial` if it is
    /// below it.
    #[must_use]
    pub fn new(initial: Duration, max: Duration) -> Backoff {
        Backoff { initial, max: max.max(initial), bound: initial }
    }

    /// The time to wait now: at least half of the initial one, at most the present bound.
    #[expect(clippy::should_implement_trait, reason = "a wait never ends, so it is no iterator")]
    pub fn next(&mut self) -> Duration {
        let floor = self.initial / 2;
        let wait = floor + (self.bound - floor).mul_f64(fastrand::f64());
        self.bound = self.bound.saturating_mul(2).min(self.max);
        wait
    }

    /// Starts again at the initial wait, after an attempt that worked.
    pub fn reset(&mut self) {
        self.bound = self.initial;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_stay_between_half_the_initial_one_and_a_doubling_bound() {
        let (initial, max) = (Duration::from_millis(100), Duration::from_secs(1));
        for _ in 0..200 {
            let mut backoff = Backoff::new(initial, max);
            for bound_ms in [100, 200, 400, 800, 1000, 1000] {
                let wait = backoff.next();
                assert!(wait >= initial / 2, "{wait:?}");
                assert!(wait <= Duration::from_millis(bound_ms), "{wait:?} > {bound_ms}");
            }
            backoff.reset();
            assert!(backoff.next() <= initial);
        }
    }

    #[test]
    fn extreme_bounds_do_not_overflow() {
        let mut backoff = Backoff::new(Duration::ZERO, Duration::MAX);
        assert_eq!(backoff.next(), Duration::ZERO);
        let mut backoff = Backoff::new(Duration::MAX / 4, Duration::ZERO);
        for _ in 0..4 {
            assert!(backoff.next() <= Duration::MAX / 4);
        }
    }
}
