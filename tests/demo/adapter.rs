//! The adapter's side of the demo: what it counts is what nginx counted and wrote.
//!
//! In goes an nginx to be started, out come its requests as the adapter shows them, and whether the
//! lines counted from its logs, by status and by level, are the lines that are in them.

use std::fs;
use std::path::Path;

use e2e::exporter::{Exporter, Settings};
use e2e::metrics::Metrics;
use e2e::nginx::Site;
use e2e::pace::{SOON, wait_until};
use e2e::workplace::Workplace;

/// The format `numbered` of the nginx in the demo.
const FORMAT: &str = "$connection-$connection_requests $remote_addr [$time_local] \
    \"$request\" $status $body_bytes_sent \"$http_user_agent\"";

/// Starts it, before nginx, with the single-dash form of the exporter that it replaces.
pub(crate) fn start(place: &Workplace, site: &Site) -> Exporter {
    Settings::adapter(place)
        .scrape(&site.status_uri())
        .arg(format!("--access-log={}/access.log*", place.logs().display()))
        .arg(format!("--access-log-format={FORMAT}"))
        .arg(format!("--error-log={}/error.log*", place.logs().display()))
        .start()
}

/// nginx's numbers as the adapter shows them. Call it while nginx runs and nobody asks for pages.
pub(crate) fn requests(adapter: &Exporter) -> f64 {
    adapter.metrics().sum("nginx_http_requests_total")
}

/// Waits until all lines of the final files are counted; the last numbers if that does not come.
pub(crate) fn counted(adapter: &Exporter, logs: &Path) -> (Metrics, bool) {
    let (access, error) = (lines(logs, "access.log"), lines(logs, "error.log"));
    let is_even = |metrics: &Metrics| {
        let parsed = metrics.sum("nginx_http_response_requests_total");
        same(parsed, access) && same(metrics.sum("nginx_error_log_lines_total"), error)
    };
    wait_until("the lines counted", SOON, || is_even(&adapter.metrics()));
    let metrics = adapter.metrics();
    let even = is_even(&metrics);
    (metrics, even)
}

fn same(shown: f64, lines: usize) -> bool {
    format!("{shown}") == lines.to_string()
}

/// Of all files that begin with `name`.
fn lines(logs: &Path, name: &str) -> usize {
    let files = fs::read_dir(logs).unwrap().map(|entry| entry.unwrap());
    let files = files.filter(|entry| entry.file_name().to_string_lossy().starts_with(name));
    files.map(|entry| fs::read_to_string(entry.path()).unwrap().lines().count()).sum()
}
