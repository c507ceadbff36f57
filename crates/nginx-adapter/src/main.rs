//! nginx-adapter: the status page, the access log and the error log of an nginx as Prometheus
//! metrics. A drop-in for nginx-prometheus-exporter.
//!
//! GET of the metrics → front (may this peer ask, in which format, until when) → scrape (one fetch
//! per target, shared) → exposition (the exporter's families) + registry (everything of our own).
//! Beside it, logs → series, counted line by line as nginx writes.

mod cli;
mod config;
mod duration;
mod exposition;
mod front;
mod logs;
mod peer_arguments;
mod scrape;
mod service;
mod sockets;
mod web_config;

use std::process::ExitCode;

fn main() -> ExitCode {
    sidecar_runtime::main::<service::NginxAdapter>()
}
