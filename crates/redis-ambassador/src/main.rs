//! redis-ambassador: the app talks to localhost, its keys lie on many Redis servers. A drop-in for
//! twemproxy.
//!
//! listener → client (its requests, scanned in place) → requests (which server) → lane (one
//! connection, shared) → replies → the client's slots, in the order of its requests. Beside the
//! data threads, the main thread follows names, serves metrics and twemproxy's statistics.

mod cli;
mod client;
mod config;
mod dial;
mod lane;
mod listener;
mod local;
mod locate;
mod merge;
mod metrics;
mod names;
mod outbox;
mod peer_arguments;
mod private;
mod refusals;
mod server;
mod service;
mod socket;
mod split;
mod stats;
mod tasks;
mod thread;
mod worker;

use std::process::ExitCode;

fn main() -> ExitCode {
    sidecar_runtime::main::<service::RedisAmbassador>()
}
