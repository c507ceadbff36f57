//! So many records of each file in a second.
//!
//! In: a file and the time. Out: whether one more of its records is taken. Of each file only the
//! time is kept at which its bucket would be full again, so a file that is quiet can be forgotten.
//! A record that is read again after a restart meets another bucket, and may be decided otherwise.

use std::collections::HashMap;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// Files of which a bucket is kept; with more all begin again with a full one.
const FILES_MAX: usize = 10_000;

/// A rate, and how much may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    per_second: u32,
    burst: u32,
}

/// The text is no rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected LINES or LINES:BURST, so many in a second and at once, whole numbers above 0")]
pub struct RateError;

impl FromStr for Rate {
    type Err = RateError;

    /// Reads `LINES` or `LINES:BURST`. Without a burst it is the lines of a second.
    fn from_str(text: &str) -> Result<Rate, RateError> {
        let (lines, burst) = text.split_once(':').unwrap_or((text, text));
        let read = |text: &str| text.parse().ok().filter(|it| *it > 0).ok_or(RateError);
        Ok(Rate { per_second: read(lines)?, burst: read(burst)? })
    }
}

/// What each file has used.
#[derive(Debug, Clone)]
pub(super) struct Buckets {
    /// What one record costs.
    interval: Duration,
    /// What a full bucket holds.
    capacity: Duration,
    /// When the bucket of a file is full again.
    full_at: HashMap<u64, Instant>,
}

impl Buckets {
    pub(super) fn new(rate: Rate) -> Buckets {
        let interval = Duration::from_secs(1) / rate.per_second;
        Buckets { interval, capacity: interval * rate.burst, full_at: HashMap::new() }
    }

    pub(super) fn takes(&mut self, file: u64, now: Instant) -> bool {
        let full_at = self.full_at.get(&file).map_or(now, |at| now.max(*at));
        let then = full_at + self.interval;
        let takes = then.duration_since(now) <= self.capacity;
        if takes {
            if self.full_at.len() >= FILES_MAX && !self.full_at.contains_key(&file) {
                self.full_at.clear();
            }
            self.full_at.insert(file, then);
        }
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate_for_each_file() {
        let (mut buckets, start) = (Buckets::new("10:3".parse().unwrap()), Instant::now());
        let mut takes = |file, millis| buckets.takes(file, start + Duration::from_millis(millis));
        assert_eq!([0; 4].map(|at| takes(1, at)), [true, true, true, false]);
        assert_eq!([0; 4].map(|at| takes(2, at)), [true, true, true, false]);
        let later = [99, 100, 100, 199, 200].map(|at| takes(1, at));
        assert_eq!(later, [false, true, false, false, true]);
        assert_eq!([10_000; 4].map(|at| takes(1, at)), [true, true, true, false]);
        assert!((11..21).all(|second| takes(1, second * 1000)));
    }

    #[test]
    fn a_fast_rate_is_kept_over_a_second() {
        let (mut buckets, start) = (Buckets::new("1000:1".parse().unwrap()), Instant::now());
        let ticks = (0..10_000).map(|tick| start + Duration::from_micros(tick * 100));
        assert_eq!(ticks.filter(|at| buckets.takes(1, *at)).count(), 1000);
    }

    #[test]
    fn the_files_that_are_kept_are_limited() {
        let (mut buckets, now) = (Buckets::new("1".parse().unwrap()), Instant::now());
        for file in 0..3 * FILES_MAX as u64 {
            assert!(buckets.takes(file, now));
            assert!(buckets.full_at.len() <= FILES_MAX);
        }
        assert!(!buckets.takes(3 * FILES_MAX as u64 - 1, now));
    }

    #[test]
    fn settings() {
        assert_eq!("5".parse(), Ok(Rate { per_second: 5, burst: 5 }));
        assert_eq!("5:1".parse(), Ok(Rate { per_second: 5, burst: 1 }));
        for text in ["", "0", "5:0", "5:", "-1", "1.5", "5/s", "99999999999"] {
            assert_eq!(text.parse::<Rate>(), Err(RateError), "{text}");
        }
        let mut widest = Buckets::new("4294967295:4294967295".parse().unwrap());
        assert!(widest.takes(1, Instant::now()));
    }
}
