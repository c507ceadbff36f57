//! Black-box scenarios of nginx-adapter: the real binary, real nginx, upstreams that lie.
//!
//! Each file is one subject. What the peer gets wrong is named at the test that shows it; the
//! scenarios can be run against a peer (`OUTRIDER_EXPORTER`, see `e2e::exporter`) to see it fail
//! there. Each test has its own folder, ports and processes.

#![expect(clippy::unwrap_used, reason = "clippy.toml reaches test functions, not their fixtures")]

mod access_log;
mod access_log_nginx;
mod crowds;
mod ending;
mod error_log;
mod faulty;
mod golden;
mod hung;
mod invocation;
mod life;
mod log_series;
mod prometheus;
mod refusals;
mod sockets;
mod surface;
mod syslog;
mod targets;
mod tutorial;
mod web_config;
