//! Randomness that differs from run to run, and can be repeated.
//!
//! Schedules of crashes are worth more if every run tries others. The seed is shown with a failed
//! test, and OUTRIDER_SEED repeats it.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::random::Random;

/// A new sequence of numbers, or the one of OUTRIDER_SEED.
pub fn random() -> Random {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let given = std::env::var("OUTRIDER_SEED").ok().map(|seed| seed.parse().unwrap());
    // Not 0.
    let seed = given.unwrap_or(u64::from(now.subsec_nanos()) | 1);
    eprintln!("OUTRIDER_SEED={seed}");
    Random::new(seed)
}
