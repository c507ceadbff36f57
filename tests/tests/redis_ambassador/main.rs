//! Black-box scenarios of redis-ambassador: the real binary, real redis-servers, real clients.
//!
//! Each file is one subject. What the peer gets wrong is named at the test that shows it; the
//! scenarios can be run against a peer, or without anything between (`OUTRIDER_AMBASSADOR`, see
//! `e2e::ambassador`). Each test has its own folder, addresses and processes.

#![expect(clippy::unwrap_used, reason = "clippy.toml reaches test functions, not their fixtures")]

mod bounds;
mod clients;
mod command_line;
mod commands;
mod ending;
mod environment;
mod failures;
mod half_closed;
mod handshake;
mod hostile;
mod left_state;
mod likeness;
mod listeners;
mod names;
mod order;
mod placement;
mod several;
mod splitting;
mod stats;
mod transparent;
mod twemproxy;
