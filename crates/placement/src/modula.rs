//! Modula: the hash modulo the sum of the weights.
//!
//! nutcracker has a table with one entry per unit of weight; this keeps only where each server's
//! entries end, so that a weight of a million takes no memory.

/// Where the entries of each live server end, in the order of [`crate::Ring`].
#[derive(Debug, Clone)]
pub(crate) struct Slots {
    ends: Vec<u64>,
    servers: Vec<u32>,
}

impl Slots {
    /// `live` has at least one server: index, name and weight.
    pub(crate) fn new(live: &[(u32, &str, u32)]) -> Slots {
        let mut end = 0;
        let ends = live.iter().map(|(_, _, weight)| {
            end += u64::from(*weight);
            end
        });
        Slots { ends: ends.collect(), servers: live.iter().map(|(index, ..)| *index).collect() }
    }

    pub(crate) fn find(&self, hash: u32) -> u32 {
        let total = self.ends.last().copied().unwrap_or(1);
        let slot = u64::from(hash) % total;
        self.servers[self.ends.partition_point(|end| *end <= slot)]
    }
}
