//! A real nginx writes the logs: under load, with its own reopening, and with logrotate.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use e2e::nginx::{Nginx, logrotate};
use e2e::pace::{SOON, paced};
use e2e::shipper::Settings;
use e2e::sink::Sink;
use e2e::workplace::Workplace;

const WRK_SECONDS: u32 = 3;
const CONNECTIONS: u32 = 2;

/// How many times each line stands in the access logs, rotated ones included.
fn lines_on_disk(logs: &Path) -> HashMap<String, i64> {
    let mut lines = HashMap::new();
    for entry in fs::read_dir(logs).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("access.log") {
            for line in fs::read_to_string(path).unwrap().lines() {
                *lines.entry(line.to_owned()).or_insert(0) += 1;
            }
        }
    }
    lines
}

/// Messages that came from the access log.
fn delivered(sink: &Sink) -> HashMap<String, i64> {
    let mut lines = HashMap::new();
    for record in sink.records() {
        if record.file.ends_with("access.log") {
            *lines.entry(record.message).or_insert(0) += 1;
        }
    }
    lines
}

/// Runs wrk against nginx while `rotate` is called every half second, then ends nginx and the
/// shipper, in the order of a native sidecar.
fn under_load(place: &Workplace, rotate: impl Fn(&Nginx, u32)) -> Sink {
    let sink = Sink::start();
    let shipper = Settings::new(place, &sink).start();
    let mut nginx = Nginx::start(place.path(), &place.logs());
    nginx.get(10);
    let mut wrk = nginx.wrk(WRK_SECONDS, CONNECTIONS);
    paced(WRK_SECONDS * 2, Duration::from_millis(500), |round| rotate(&nginx, round));
    assert_eq!(wrk.wait_code(SOON), 0);
    nginx.stop();
    shipper.drain_ok();
    sink
}

#[test]
fn nginx_under_load_with_reopen() {
    let place = Workplace::new();
    let sink = under_load(&place, |nginx, round| {
        let old = nginx.access_log().with_extension(format!("log.{round}"));
        fs::rename(nginx.access_log(), old).unwrap();
        nginx.reopen();
    });
    let written = lines_on_disk(&place.logs());
    assert!(written.len() > 1000, "{} lines are no load", written.len());
    assert!(written == delivered(&sink), "{} lines, {}", written.len(), delivered(&sink).len());
}

#[test]
fn nginx_under_load_with_logrotate_create() {
    let place = Workplace::new();
    let sink = under_load(&place, |nginx, _round| {
        let log = nginx.access_log();
        let rule = format!(
            "{} {{ rotate 100\n create\n postrotate\n kill -USR1 {}\n endscript\n }}",
            log.display(),
            nginx.pid()
        );
        logrotate(place.path(), &rule);
    });
    let written = lines_on_disk(&place.logs());
    assert!(written.len() > 1000, "{} lines are no load", written.len());
    assert!(written == delivered(&sink), "{} lines, {}", written.len(), delivered(&sink).len());
}

/// Between its copy and its truncation logrotate itself loses what nginx writes. What is in the
/// copies or in the log must have been delivered, and nothing twice. A copy may end within a line:
/// a reader sees the part of it that lies before a page's end first. The shipper read all of it.
#[test]
fn nginx_under_load_with_logrotate_copytruncate() {
    let place = Workplace::new();
    let sink = under_load(&place, |nginx, _round| {
        let rule = format!("{} {{ rotate 100\n copytruncate\n }}", nginx.access_log().display());
        logrotate(place.path(), &rule);
    });
    let written = lines_on_disk(&place.logs());
    let delivered = delivered(&sink);
    assert!(written.len() > 1000, "{} lines are no load", written.len());
    let is_torn = |part: &String| delivered.keys().any(|line| line.starts_with(part));
    let missing = written.keys().filter(|line| !delivered.contains_key(*line));
    let lost = missing.filter(|line| !is_torn(line)).count();
    let doubled = delivered.values().filter(|count| **count > 1).count();
    assert_eq!((lost, doubled), (0, 0), "of {} lines", written.len());
}

/// access.log and error.log, a kill in the middle, and the drain after nginx has ended.
#[test]
fn nginx_with_a_kill() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = Settings::new(&place, &sink);
    let shipper = settings.start();
    let mut nginx = Nginx::start(place.path(), &place.logs());
    nginx.get(100);
    shipper.kill9();
    nginx.get(100);
    let shipper = settings.start();
    nginx.reload();
    nginx.get(100);
    nginx.stop();
    shipper.drain_ok();
    let delivered = delivered(&sink);
    assert_eq!(delivered.len(), 300);
    assert!(lines_on_disk(&place.logs()).keys().all(|line| delivered.contains_key(line)));
    let errors = fs::read_to_string(place.log("error.log")).unwrap();
    let messages = sink.messages();
    assert!(errors.lines().count() > 3);
    assert!(errors.lines().all(|line| messages.iter().any(|message| message == line)));
}
