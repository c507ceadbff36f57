//! Access logs that the test writes: every line counted once, and the sums are those of the lines.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use e2e::access_lines::{AccessLines, Account, FORMAT};
use e2e::exporter::{Exporter, Settings};
use e2e::metrics::Metrics;
use e2e::pace::{SOON, wait_until};
use e2e::upstream::{PAGE, Reply, Upstream};
use e2e::workplace::Workplace;
use e2e::writer::rotated;

const LINES: u64 = 1_000_000;
const LINES_PER_WRITE: u64 = 1000;
/// A million lines through a debug build on a busy machine.
const LONG: Duration = Duration::from_secs(300);

const REQUESTS: &str = "nginx_http_response_requests_total";
const DURATION: &str = "nginx_http_response_duration_seconds";

/// Follows one log with the format of the lines.
fn settings(place: &Workplace, upstream: &Upstream, log: &Path) -> Settings {
    Settings::adapter(place)
        .scrape(&upstream.uri())
        .arg(format!("--access-log={}", log.display()))
        .arg(format!("--access-log-format={FORMAT}"))
}

fn append(log: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(log).unwrap()
}

fn write(lines: &mut AccessLines, file: &mut File, count: u64) {
    let mut text = String::new();
    for _line in 0..count {
        lines.append(&mut text);
    }
    file.write_all(text.as_bytes()).unwrap();
}

/// Waits until so many lines are counted.
fn wait_lines(exporter: &Exporter, count: u64) -> Metrics {
    let deadline = std::time::Instant::now() + LONG;
    loop {
        let metrics = exporter.metrics();
        let counted = metrics.sum(REQUESTS);
        if counted >= float(count) {
            return metrics;
        }
        assert!(std::time::Instant::now() < deadline, "{counted} of {count}");
        wait_until("more lines", SOON, || exporter.metrics().sum(REQUESTS) > counted);
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a test are far below 2^52")]
fn float(number: u64) -> f64 {
    number as f64
}

/// Sums of decimals in binary differ in the last places.
#[track_caller]
fn assert_near(shown: f64, expected: f64) {
    let error = (shown - expected).abs() / expected.abs().max(1.0);
    assert!(error < 1e-9, "{shown}, but it was {expected}");
}

/// Everything that the lines say, compared with the account that the writer kept.
fn assert_account(metrics: &Metrics, account: &Account) {
    assert_near(metrics.sum(REQUESTS), float(account.lines));
    for ((method, status), count) in &account.requests {
        let status = status.to_string();
        let labels = [("method", *method), ("status", status.as_str())];
        assert_near(metrics.with_labels(REQUESTS, &labels), float(*count));
    }
    assert_near(metrics.sum(&format!("{DURATION}_count")), float(account.lines));
    assert_near(metrics.sum(&format!("{DURATION}_sum")), float(account.request_ms) / 1e3);
    for (bound, count) in ["0.01", "0.1", "1"].into_iter().zip(account.request_ms_at_most) {
        // prometheus-client writes whole bounds as 1.0.
        let spellings = [bound.to_owned(), format!("{bound}.0")];
        let bucket = format!("{DURATION}_bucket");
        let shown = spellings.iter().map(|le| metrics.with_label(&bucket, "le", le)).sum();
        assert_near(shown, float(count));
    }
    let upstream = "nginx_http_response_upstream_duration_seconds";
    assert_near(metrics.sum(&format!("{upstream}_count")), float(account.upstream_lines));
    assert_near(metrics.sum(&format!("{upstream}_sum")), float(account.upstream_ms) / 1e3);
    assert_near(metrics.sum("nginx_http_response_bytes_total"), float(account.body_bytes));
    assert_near(metrics.sum("nginx_http_request_bytes_total"), float(account.request_bytes));
    assert_near(metrics.sum("nginx_adapter_log_lines_unparsed_total"), 0.0);
}

/// A million lines through two rotations by rename, the second while it is still behind.
#[test]
fn a_million_lines_through_two_rotations() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let log = place.log("access.log");
    let mut exporter = settings(&place, &upstream, &log).start_ready();
    let mut file = append(&log);
    let mut lines = AccessLines::new(0x1ead);
    let third = LINES / LINES_PER_WRITE / 3;
    for write_number in 0..LINES / LINES_PER_WRITE {
        if write_number == third || write_number == 2 * third {
            if rotated(&log, 1).exists() {
                fs::rename(rotated(&log, 1), rotated(&log, 2)).unwrap();
            }
            fs::rename(&log, rotated(&log, 1)).unwrap();
            file = append(&log);
        }
        write(&mut lines, &mut file, LINES_PER_WRITE);
    }
    let metrics = wait_lines(&exporter, LINES);
    assert_account(&metrics, lines.account());
    assert!(exporter.is_up(), "the page is read as well");
    let peak = exporter.process().rss_peak_bytes();
    assert!(peak < 32 << 20, "{peak} bytes");
    exporter.stop();
}

/// A restart in the middle: with positions kept, each line counts in one of the two lives.
#[test]
fn a_restart_counts_each_line_once() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let log = place.log("access.log");
    let state = format!("--log-state-dir={}", place.state().display());
    let settings = settings(&place, &upstream, &log).arg(state);
    let mut lines = AccessLines::new(0xb007);
    let first = settings.start_ready();
    let mut file = append(&log);
    write(&mut lines, &mut file, 5000);
    let before = wait_lines(&first, 5000);
    first.stop();
    // Written while nobody reads, half of it before a rotation.
    write(&mut lines, &mut file, 3000);
    fs::rename(&log, rotated(&log, 1)).unwrap();
    let mut file = append(&log);
    write(&mut lines, &mut file, 2000);
    let second = settings.start_ready();
    let after = wait_lines(&second, 5000);
    assert_near(before.sum(REQUESTS) + after.sum(REQUESTS), float(lines.account().lines));
    let sum = |metrics: &Metrics| metrics.sum(&format!("{DURATION}_sum"));
    assert_near(sum(&before) + sum(&after), float(lines.account().request_ms) / 1e3);
    second.stop();
}

/// Whatever else goes on, such as saving positions, a line is counted long before the next rescan
/// of all files would find it.
#[test]
fn lines_are_counted_soon() {
    const ROUNDS: u64 = 400;
    const SOON_ENOUGH: Duration = Duration::from_secs(5);
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let log = place.log("access.log");
    let state = format!("--log-state-dir={}", place.state().display());
    let exporter = settings(&place, &upstream, &log).arg(state).start_ready();
    let mut lines = AccessLines::new(11);
    let mut file = append(&log);
    for round in 1..=ROUNDS {
        write(&mut lines, &mut file, 1);
        wait_until("a line to be counted", SOON_ENOUGH, || {
            exporter.metrics().sum(REQUESTS) >= float(round)
        });
    }
    assert_account(&exporter.metrics(), lines.account());
    exporter.stop();
}

/// Without kept positions what is old is not counted, because nobody knows when it was.
#[test]
fn without_a_state_it_begins_at_the_end() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let log = place.log("access.log");
    let mut lines = AccessLines::new(3);
    let mut file = append(&log);
    write(&mut lines, &mut file, 1000);
    let exporter = settings(&place, &upstream, &log).start_ready();
    write(&mut lines, &mut file, 500);
    let metrics = wait_lines(&exporter, 500);
    assert_near(metrics.sum(REQUESTS), 500.0);
    exporter.stop();
}

/// A file that appears after the start is read from its beginning, also by a pattern.
#[test]
fn a_new_file_is_read_from_its_beginning() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let exporter = settings(&place, &upstream, &place.log("*.log")).start_ready();
    let mut lines = AccessLines::new(3);
    for name in ["a.log", "b.log"] {
        let mut file = append(&place.log(name));
        write(&mut lines, &mut file, 1000);
    }
    assert_account(&wait_lines(&exporter, 2000), lines.account());
    exporter.stop();
}

/// Lines that are not of the format are counted as such, and nothing else is lost to them. The
/// lines themselves are in no log of ours.
#[test]
fn lines_that_do_not_fit_are_counted() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let log = place.log("access.log");
    let exporter = settings(&place, &upstream, &log).start_ready();
    let mut lines = AccessLines::new(5);
    let mut file = append(&log);
    write(&mut lines, &mut file, 100);
    file.write_all(b"not a line of nginx 5ecret\n\n\xff\xfe\x00 5ecret\n").unwrap();
    file.write_all(&[b'x'; 100_000]).unwrap();
    file.write_all(b"\n").unwrap();
    write(&mut lines, &mut file, 100);
    let metrics = wait_lines(&exporter, 200);
    assert_near(metrics.sum(REQUESTS), 200.0);
    let unparsed = metrics.sum("nginx_adapter_log_lines_unparsed_total");
    assert!((3.0..=5.0).contains(&unparsed), "{unparsed}");
    let log = exporter.stop();
    assert!(!log.contains("5ecret"), "{log}");
}

/// A line in two writes is one line; what is written before the end of the drain counts.
#[test]
fn a_line_in_two_writes_is_one() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let log = place.log("access.log");
    let exporter = settings(&place, &upstream, &log).start_ready();
    let mut lines = AccessLines::new(5);
    let mut file = append(&log);
    write(&mut lines, &mut file, 10);
    wait_lines(&exporter, 10);
    let mut text = String::new();
    lines.append(&mut text);
    let (first, second) = text.split_at(text.len() / 2);
    file.write_all(first.as_bytes()).unwrap();
    assert_near(exporter.metrics().sum(REQUESTS), 10.0);
    file.write_all(second.as_bytes()).unwrap();
    assert_account(&wait_lines(&exporter, 11), lines.account());
    exporter.stop();
}

/// copytruncate: what stood before the truncation is not counted again.
#[test]
fn a_truncated_log_is_read_on() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let log = place.log("access.log");
    let exporter = settings(&place, &upstream, &log).start_ready();
    let mut lines = AccessLines::new(5);
    let mut file = append(&log);
    write(&mut lines, &mut file, 1000);
    wait_lines(&exporter, 1000);
    fs::copy(&log, rotated(&log, 1)).unwrap();
    file.set_len(0).unwrap();
    write(&mut lines, &mut file, 300);
    assert_account(&wait_lines(&exporter, 1300), lines.account());
    exporter.stop();
}
