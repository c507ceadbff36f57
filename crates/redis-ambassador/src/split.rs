//! How far a split command that goes out in batches has come.

use redis_commands::{Command, Split};

use crate::merge::Place;

/// A split command under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Splitting {
    pub(crate) command: &'static Command,
    pub(crate) split: Split,
    /// Arguments that have not gone out.
    pub(crate) left: usize,
    /// Keys, or pairs of key and value, of the whole command.
    pub(crate) total: usize,
    pub(crate) is_first: bool,
    /// Units in the last batch.
    pub(crate) batch: usize,
}

impl Splitting {
    /// The place of the next batch, of so many units.
    pub(crate) fn place(&self, units: usize) -> Place {
        let is_last = units * step(self.split) == self.left;
        Place { is_first: self.is_first, is_last, total: self.total }
    }
}

/// Arguments that belong together.
pub(crate) fn step(split: Split) -> usize {
    match split {
        Split::Pairs => 2,
        Split::Values | Split::Count => 1,
    }
}
