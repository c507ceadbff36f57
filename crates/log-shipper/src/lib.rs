//! Follows the files that a main container writes and ships every line.
//!
//! The way of a line, in the words of the files: `pump` takes lines from crate `tail` (discover →
//! cursor → framer) → `record` makes each a record in a `batch` ⇒ `delivery` gets the batch
//! acknowledged by one of `sink/*`, with `compress` before and retries in between. Acknowledgements
//! go back `delivery` ⇒ `pump` → tail, and from there `keeper` writes the positions (⇒ is a bounded
//! channel).
//!
//! What always holds: at most two batches exist, one filling and one at the sink; nothing else is
//! held of what the files contain. A position moves only when the sink has acknowledged everything
//! before.

mod account;
mod batch;
mod cli;
mod compress;
mod config;
mod delivery;
mod ending;
mod follow;
mod keeper;
mod metadata;
mod metrics;
mod process;
mod processor;
mod protobuf;
mod pump;
mod quarantine;
mod record;
mod rotation;
mod service;
mod sink;
mod tools;
mod trial;

pub use self::service::LogShipper;
