//! Latencies in fixed buckets.
//!
//! In go durations, out come counts for a histogram in seconds. The bounds are chosen so that no
//! two lie between the same powers of two: the number of bits of a latency leads to the only bound
//! that it has to be compared with, so that an observation costs one comparison and no loop. Finer
//! buckets were not taken: each is a series for every pool and class.

use std::time::Duration;

use super::Count;

/// In microseconds, the largest latency that belongs to each bucket but the last.
const BOUNDS_MICROS: [u64; 12] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 2_500_000, 10_000_000];
/// For each number of bits, the first bucket that a latency with so many bits can belong to.
const FIRST_BUCKET: [u8; 65] = first_buckets();

/// How many requests took how long.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// The last is for all above the last bound.
    buckets: [Count; BOUNDS_MICROS.len() + 1],
    sum_micros: Count,
}

impl Histogram {
    pub(super) fn observe(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(micros)].add(1);
        self.sum_micros.add(micros);
    }

    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().map(Count::get).sum()
    }
}

fn bucket(micros: u64) -> usize {
    let first = FIRST_BUCKET[(u64::BITS - micros.leading_zeros()) as usize] as usize;
    let is_above = BOUNDS_MICROS.get(first).is_some_and(|bound| micros > *bound);
    first + usize::from(is_above)
}

const fn first_buckets() -> [u8; 65] {
    let mut table = [0; 65];
    let mut bits = 0;
    while bits < table.len() {
        // Bounds with fewer bits are below any number with so many.
        let mut below = 0;
        while below < BOUNDS_MICROS.len()
            && ((u64::BITS - BOUNDS_MICROS[below].leading_zeros()) as usize) < bits
        {
            below += 1;
        }
        #[expect(clippy::cast_possible_truncation, reason = "there are few buckets")]
        let first = below as u8;
        table[bits] = first;
        bits += 1;
    }
    table
}

/// Sums of several histograms, as the formats want them.
#[derive(Debug, Default)]
pub(super) struct Totals {
    counts: [u64; BOUNDS_MICROS.len() + 1],
    sum_micros: u64,
}

impl Totals {
    pub(super) fn add(&mut self, histogram: &Histogram) {
        for (total, count) in self.counts.iter_mut().zip(&histogram.buckets) {
            *total += count.get();
        }
        self.sum_micros = self.sum_micros.wrapping_add(histogram.sum_micros.get());
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    #[expect(clippy::cast_precision_loss, reason = "the formats know only floats")]
    pub(super) fn sum_seconds(&self) -> f64 {
        self.sum_micros as f64 / 1e6
    }

    /// Upper bounds in seconds, each with the count of its own bucket.
    #[expect(clippy::cast_precision_loss, reason = "the formats know only floats")]
    pub(super) fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = BOUNDS_MICROS.iter().map(|micros| *micros as f64 / 1e6);
        bounds.chain([f64::INFINITY]).zip(self.counts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_finds_its_bucket() {
        let search = |micros: u64| BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        let near = BOUNDS_MICROS.iter().flat_map(|bound| bound - 1..=bound + 1);
        let powers = (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        for micros in near.chain(powers).chain([0, u64::MAX]) {
            assert_eq!(bucket(micros), search(micros), "{micros}");
        }
    }

    #[test]
    fn totals_are_in_seconds() {
        let (one, other) = (Histogram::default(), Histogram::default());
        one.observe(Duration::from_micros(100));
        one.observe(Duration::from_millis(1));
        other.observe(Duration::from_secs(20));
        let mut totals = Totals::default();
        totals.add(&one);
        totals.add(&other);
        assert_eq!(totals.count(), 3);
        assert!((totals.sum_seconds() - 20.0011).abs() < 1e-9);
        let filled: Vec<_> = totals.buckets().into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(0.0001, 1), (0.001, 1), (f64::INFINITY, 1)]);
    }
}
