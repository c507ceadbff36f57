//! Ketama: every server has points on a circle of 32-bit values, a key belongs to the next point.
//!
//! In go the live servers in the order of [`crate::Ring`], out comes a [`Continuum`]. A server of
//! average weight gets 160 points. Their number is computed in single precision, rounding after
//! every step, because that decides how many a server gets when the weights do not divide evenly; a
//! server far below the average gets none. Values lie in an array of their own, apart from the
//! servers, and a table over their upper bits says where to begin to look: MD5 spreads the points
//! evenly, so a look-up compares one or two of them, where halving the array would take nine steps.

use crate::hash::md5_words;

/// Points of a server of average weight.
const POINTS: f32 = 160.0;
/// Points that one digest gives.
const POINTS_A_DIGEST: f32 = 4.0;

/// The points in the order of their values.
#[derive(Debug, Clone)]
pub(crate) struct Continuum {
    values: Vec<u32>,
    /// The server of each value.
    servers: Vec<u32>,
    /// For each value of a hash's upper bits, the first point that is not below all such hashes.
    starts: Vec<u32>,
    /// What is left of a hash to the right of these upper bits.
    shift: u32,
}

impl Continuum {
    /// `live` has at least two servers: index, name and weight.
    pub(crate) fn new(live: &[(u32, &str, u32)]) -> Continuum {
        let total: u32 = live.iter().fold(0, |total, (_, _, weight)| total.saturating_add(*weight));
        let mut points: Vec<(u32, u32)> = Vec::new();
        for (server, name, weight) in live {
            for digest in 0..digests(*weight, total, live.len()) {
                let words = md5_words(format!("{name}-{digest}").as_bytes());
                points.extend(words.map(|value| (value, *server)));
            }
        }
        // Stable, as glibc's qsort is for so small an array: equal values keep the servers' order.
        points.sort_by_key(|(value, _)| *value);
        let values: Vec<u32> = points.iter().map(|(value, _)| *value).collect();
        let servers = points.iter().map(|(_, server)| *server).collect();
        let bits = values.len().next_power_of_two().trailing_zeros().max(1);
        let shift = u32::BITS - bits;
        let starts = (0..1_u32 << bits)
            .map(|upper| index(values.partition_point(|value| value >> shift < upper)))
            .collect();
        Continuum { values, servers, starts, shift }
    }

    /// The server of the first point from `hash` on; after the last comes the first. There is a
    /// point, because a server of at least average weight has 160.
    pub(crate) fn find(&self, hash: u32) -> u32 {
        let start = self.starts[(hash >> self.shift) as usize] as usize;
        let after = self.values[start..].iter().take_while(|value| **value < hash).count();
        let found = start + after;
        self.servers[if found == self.values.len() { 0 } else { found }]
    }
}

/// How many digests a server's points take. Each step rounds to single precision but the tiny
/// addition, which is made in double precision.
#[expect(clippy::cast_precision_loss, reason = "rounding to f32 is the specification")]
#[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is the specification")]
#[expect(clippy::cast_sign_loss, reason = "no weight is negative")]
fn digests(weight: u32, total: u32, live: usize) -> u32 {
    let share = weight as f32 / total as f32;
    let digests = share * POINTS / POINTS_A_DIGEST * live as f32;
    ((f64::from(digests) + 1e-10) as f32).floor() as u32
}

/// 160 points a server: far below what 32 bits count.
fn index(count: usize) -> u32 {
    u32::try_from(count).expect("fewer points than 32 bits count")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_up_finds_the_next_point() {
        let continuum = Continuum::new(&[(0, "a:1", 1), (1, "b:1", 2), (2, "c:1", 40)]);
        let mut hashes: Vec<u32> = continuum
            .values
            .iter()
            .flat_map(|value| [value.wrapping_sub(1), *value, value.wrapping_add(1)])
            .collect();
        hashes.extend([0, 1, 0x7fff, u32::MAX]);
        for hash in hashes {
            let next = continuum.values.partition_point(|value| *value < hash);
            let expected = continuum.servers[next % continuum.values.len()];
            assert_eq!(continuum.find(hash), expected, "{hash}");
        }
    }

    #[test]
    fn numbers_of_points() {
        for (weight, total, live, expected) in
            [(1, 2, 2, 40), (1, 3, 3, 40), (10, 63, 3, 19), (1, 100_001, 2, 0), (1, 7, 7, 40)]
        {
            assert_eq!(digests(weight, total, live), expected, "{weight}/{total} of {live}");
        }
    }
}
