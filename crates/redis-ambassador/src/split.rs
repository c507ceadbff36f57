//! How far a split command that goes out in batches has come.

use redis_commands::{Command, Split};

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

/// Arguments that belong together.
pub(crate) fn step(split: Split) -> usize {
    match split {
        Split::Pairs => 2,
        Split::Values | Split::Count => 1,
    }
}
