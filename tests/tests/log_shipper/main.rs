//! Black-box scenarios of log-shipper: the real binary, numbered lines, a sink that fails.
//!
//! A name that begins with `cNN` stands for a class of loss or duplication known from other log
//! shippers; the class is described at the test. Sizes such as 17,000 lines are those at which
//! other shippers were measured. Each test has its own folder, ports and processes.

#![expect(clippy::unwrap_used, reason = "clippy.toml reaches test functions, not their helpers")]

mod aggregators;
mod batch_wait;
mod bounds;
mod checkpoint;
mod containers;
mod discovery;
mod drain;
mod ending;
mod every_sink;
mod following;
mod forward;
mod framing;
mod identity;
mod lookalikes;
mod metadata;
mod multiline;
mod nginx;
mod outage;
mod polling;
mod processing;
mod quarantine;
mod receivers;
mod reclaim;
mod reclaim_several;
mod rotate_at;
mod rotation;
mod secured;
mod settings;
mod several;
mod sinks;
mod syslog;
