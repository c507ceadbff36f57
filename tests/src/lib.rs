//! The harness of the end-to-end tests: real binaries, real peers, real signals.
//!
//! writer (numbered lines) → files → shipper (the real binary) → sink (records what it accepted)
//! → ledger (what was lost, doubled, disordered or never written). nginx writes the files of some
//! scenarios. Everything is blocking and runs on plain threads, so that a test reads from top to
//! bottom. A harness has no caller that could handle its errors: it panics with the cause, and
//! panicking is how a test fails.

#![expect(clippy::unwrap_used, reason = "a harness fails its test by panicking")]
#![expect(clippy::panic, reason = "a harness fails its test by panicking")]
#![expect(clippy::print_stderr, reason = "a failed test shows what its processes said")]

pub mod access_lines;
pub mod ambassador;
pub mod binary;
pub mod census;
pub mod certificates;
pub mod client;
pub mod cost;
pub mod curl;
pub mod dashboards;
pub mod engine;
pub mod exporter;
pub mod kube_api;
pub mod ledger;
pub mod loopback;
pub mod metrics;
pub mod name_server;
pub mod nginx;
pub mod pace;
pub mod pod;
pub mod podman;
pub mod process;
pub mod prometheus;
pub mod random;
pub mod receiver;
pub mod redis;
pub mod resp_client;
pub mod rsyslog;
pub mod seed;
pub mod shipper;
pub mod sink;
pub mod table;
pub mod upstream;
pub mod workplace;
pub mod writer;
