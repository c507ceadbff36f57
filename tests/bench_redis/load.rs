//! One run of redis-benchmark, and what the proxy spent on it.

use std::net::SocketAddr;
use std::process::Stdio;

use e2e::binary::installed;
use e2e::cost::thread_cpu_seconds;
use e2e::process::command;

pub(crate) const CONNECTIONS: u32 = 50;

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) command: &'static str,
    pub(crate) value_bytes: usize,
    pub(crate) pipeline: u32,
    pub(crate) requests: u64,
    /// How many different keys.
    pub(crate) keys: u64,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) per_second: f64,
    pub(crate) p50_millis: f64,
    pub(crate) p99_millis: f64,
    /// Of the proxy; 0 without one.
    pub(crate) cpu_micros: f64,
}

impl Load {
    pub(crate) fn name(&self) -> String {
        let size = match self.value_bytes {
            bytes if bytes >= 1024 => format!("{} KiB", bytes / 1024),
            bytes => format!("{bytes} B"),
        };
        format!("{} {size} P{}", self.command.to_uppercase(), self.pipeline)
    }

    /// Runs it against an address; `proxy` is the process that listens there.
    pub(crate) fn run(&self, address: SocketAddr, proxy: Option<u32>) -> Outcome {
        let mut benchmark = command(installed("redis-benchmark", "redis-tools"));
        benchmark.args(["-h", &address.ip().to_string(), "-p", &address.port().to_string()]);
        benchmark.args(["-c", &CONNECTIONS.to_string(), "-P", &self.pipeline.to_string()]);
        benchmark.args(["-n", &self.requests.to_string(), "-r", &self.keys.to_string()]);
        benchmark.args(["-d", &self.value_bytes.to_string(), "--csv"]);
        if self.command == "mget" {
            benchmark.arg("mget").args(["key:__rand_int__"; 10]);
        } else {
            benchmark.args(["-t", self.command]);
        }
        let cpu = proxy.map_or(0.0, thread_cpu_seconds);
        let output = benchmark.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
        let cpu = proxy.map_or(0.0, thread_cpu_seconds) - cpu;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        let row = text.lines().last().unwrap_or_else(|| panic!("redis-benchmark said nothing"));
        let fields: Vec<f64> =
            row.rsplit("\",\"").filter_map(|field| field.trim_matches('"').parse().ok()).collect();
        // From the end: most, p99, p95, p50, least, mean, per second.
        let [_, p99_millis, _, p50_millis, _, _, per_second] = fields[..7] else {
            panic!("redis-benchmark said {row}");
        };
        #[expect(clippy::cast_precision_loss, reason = "a number of requests is far below 2^52")]
        let cpu_micros = cpu * 1e6 / self.requests as f64;
        Outcome { per_second, p50_millis, p99_millis, cpu_micros }
    }
}
