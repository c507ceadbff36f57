//! `make demo`: every line that a real nginx writes arrives and is counted, whatever happens, and
//! every key of an app is on the right one of two redis-servers.
//!
//! nginx → access.log and error.log → log-shipper → a recording HTTP sink in this process; and
//! nginx → its page and its logs → nginx-adapter → metrics. Under load the logs are renamed and
//! reopened, the shipper is killed with SIGKILL and started again, and at last gets SIGTERM. What
//! nginx wrote is counted from the files themselves, not from the load generator. Then
//! keys go through redis-ambassador, and native-sidecar-probe runs a sidecar on both kinds of node.
//! Exit status 0 only if every line of every file arrived and was counted, every reply was right
//! and one copy of the sidecar ran. All files are in a temporary folder that goes with the process.

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]
#![expect(clippy::unwrap_used, reason = "there is no caller to handle an error")]

mod account;
mod adapter;
mod probe;
mod shards;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use e2e::metrics;
use e2e::nginx::{Nginx, Site};
use e2e::pace::{SOON, wait_until};
use e2e::shipper::{Settings, Shipper};
use e2e::sink::Sink;
use e2e::workplace::Workplace;
use e2e::writer::rotated;

use self::account::Account;

const LOAD_SECONDS: u32 = 8;
const CONNECTIONS: u32 = 4;
/// Each is a line of the error log. Asked for twice.
const MISSING_PAGES: usize = 200;
/// What lies between two events of the story, at least.
const LINES_BETWEEN: u64 = 5_000;
const TIME_BETWEEN: Duration = Duration::from_secs(2);
const BYTES_WITHOUT_SHIPPER: u64 = 1_000_000;

fn main() -> ExitCode {
    let start = Instant::now();
    let tell = |what: String| println!("{:5.1} s  {what}", start.elapsed().as_secs_f64());
    let (place, sink) = (Workplace::new(), Sink::start());
    let (access_log, error_log) = (place.log("access.log"), place.log("error.log"));

    let site = Site::new(place.path(), &place.logs());
    let exporter = adapter::start(&place, &site);
    tell(format!("nginx-adapter shows http://{}/metrics", exporter.port()));
    let mut nginx = site.start();
    tell(format!("nginx serves http://{}, logs to {}", nginx.address(), place.logs().display()));
    let settings = Settings::new(&place, &sink).env("LOG_SHIPPER_RECORD_ID", "true");
    let mut shipper = settings.start();
    tell(format!("log-shipper follows *.log there, posts to {}", sink.url()));

    let mut load = nginx.wrk(LOAD_SECONDS, CONNECTIONS);
    tell(format!("wrk asks for pages over {CONNECTIONS} connections, for {LOAD_SECONDS} s"));
    request_missing_pages(&nginx);
    let_time_pass(&sink);

    for log in [&access_log, &error_log] {
        fs::rename(log, rotated(log, 1)).unwrap();
    }
    nginx.reopen();
    tell("both logs renamed, nginx told to open new ones, as logrotate does".to_owned());
    let_time_pass(&sink);

    let mut cost = Cost::default();
    cost.add(&mut shipper);
    shipper.kill9();
    tell("log-shipper killed with SIGKILL, nginx goes on".to_owned());
    let length_at_kill = length(&access_log);
    request_missing_pages(&nginx);
    wait_until("lines that nobody reads", SOON, || {
        length(&access_log) > length_at_kill + BYTES_WITHOUT_SHIPPER
    });
    shipper = settings.start();
    tell("log-shipper started again".to_owned());

    assert_eq!(load.wait_code(SOON), 0, "wrk failed: {}", load.stderr_text());
    let requests = adapter::requests(&exporter);
    nginx.stop();
    tell("load over, nginx ended: its files are final".to_owned());
    cost.add(&mut shipper);
    let (status, log) = shipper.drain(SOON);
    tell(format!("SIGTERM to log-shipper: exit status {status}"));
    let (metrics, counted) = adapter::counted(&exporter, &place.logs());
    exporter.wait_up(false);
    tell("nginx-adapter shows nginx_up 0, and goes on serving".to_owned());

    let (shards, sharded) = shards::run(&tell);
    let (verdict, proven) = probe::run(&tell);

    let account = Account::new(&place.logs(), &sink);
    println!("\n{account}");
    println!("log-shipper took {cost}.");
    let of_status =
        |status| metrics.with_label("nginx_http_response_requests_total", "status", status);
    println!(
        "nginx-adapter showed {requests} requests of nginx's page, and counted {} answers of \
         status 200 and {} of 404 in the access logs.",
        of_status("200"),
        of_status("404")
    );
    println!("\n{shards}");
    println!("{verdict}");
    if status == 0 && account.is_even() && counted && sharded && proven {
        println!("No line is missing, no key is lost, no reply was wrong, no sidecar ran twice.");
        return ExitCode::SUCCESS;
    }
    println!("Not as promised. log-shipper said:\n{log}");
    ExitCode::FAILURE
}

fn let_time_pass(sink: &Sink) {
    let (start, lines) = (Instant::now(), sink.counts().lines);
    wait_until("lines", SOON, || {
        start.elapsed() >= TIME_BETWEEN && sink.counts().lines >= lines + LINES_BETWEEN
    });
}

fn request_missing_pages(nginx: &Nginx) {
    for page in 0..MISSING_PAGES {
        let (status, _body) = metrics::get(nginx.address(), &format!("/missing/{page}")).unwrap();
        assert_eq!(status, 404);
    }
}

/// 0 for a file that is not there yet.
fn length(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |metadata| metadata.len())
}

/// What the two runs of the shipper took together.
#[derive(Debug, Default)]
struct Cost {
    cpu_seconds: f64,
    memory_bytes_peak: u64,
}

impl Cost {
    /// Call it at the end of a run.
    fn add(&mut self, shipper: &mut Shipper) {
        self.cpu_seconds += shipper.metrics().sum("process_cpu_seconds_total");
        self.memory_bytes_peak = self.memory_bytes_peak.max(shipper.process().rss_peak_bytes());
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let megabytes = self.memory_bytes_peak.div_ceil(100_000);
        let (whole, tenth) = (megabytes / 10, megabytes % 10);
        write!(formatter, "{:.2} s of CPU, at most {whole}.{tenth} MB of memory", self.cpu_seconds)
    }
}
