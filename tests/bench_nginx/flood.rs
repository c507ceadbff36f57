//! wrk against /metrics: many connections at once.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use e2e::binary::installed;

/// What one run did.
#[derive(Debug)]
pub(crate) struct Flood {
    pub(crate) per_second: f64,
    pub(crate) scrapes: f64,
}

/// Runs wrk to its end.
pub(crate) fn flood(address: SocketAddr, connections: u32, seconds: u32) -> Flood {
    let mut wrk = Command::new(installed("wrk", "wrk"));
    wrk.args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s")]);
    let output =
        wrk.arg(format!("http://{address}/metrics")).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("Non-2xx"), "{text}");
    let line_with = |part: &str| text.lines().find(|line| line.contains(part)).unwrap().trim();
    let rate = line_with("Requests/sec:").trim_start_matches("Requests/sec:").trim();
    let scrapes = line_with(" requests in ").split(' ').next().unwrap();
    Flood { per_second: rate.parse().unwrap(), scrapes: scrapes.parse().unwrap() }
}
