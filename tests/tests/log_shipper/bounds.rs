//! What the shipper may use and what it may remove: memory, descriptors, the folder of the logs.

use std::fs;
use std::path::Path;
use std::time::Duration;

use e2e::pace::{SOON, holds_for, paced, wait_until};
use e2e::shipper::Settings;
use e2e::sink::{Answer, Sink};
use e2e::workplace::{Mounted, Workplace};
use e2e::writer::{Numbered, rotated};

/// Between rotations, so that the shipper sees each file under its first name.
const PACE: Duration = Duration::from_millis(100);

/// Of the files that are there; one may be deleted while they are counted.
fn folder_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap();
    entries.filter_map(|entry| Some(entry.unwrap().metadata().ok()?.len())).sum()
}

/// Class 22: deletion waits for the delivery, and the current file stays.
#[test]
fn c22_nothing_is_deleted_before_delivery() {
    let (place, sink) = (Workplace::new(), Sink::start());
    sink.set(Answer::Status(503, None));
    let shipper = Settings::new(&place, &sink).flag("--after-ship", "delete").start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(1000);
    paced(3, PACE, |_rotation| {
        log.rotate(3);
        log.lines(1000);
    });
    sink.wait_attempts(2, SOON);
    let old: Vec<_> = (1..=3).map(|number| rotated(log.path(), number)).collect();
    assert!(holds_for(Duration::from_secs(1), || old.iter().all(|path| path.exists())));
    sink.set(Answer::Ok);
    sink.wait_records(4000, SOON);
    wait_until("deletion", SOON, || old.iter().all(|path| !path.exists()));
    assert!(log.path().exists());
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// Class 22: or they are emptied, for a main container that counts its old files.
#[test]
fn c22_rotated_files_are_emptied_by_setting() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).flag("--after-ship", "truncate").start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(1000);
    sink.wait_records(1000, SOON);
    log.rotate(3);
    log.lines(1000);
    sink.wait_records(2000, SOON);
    let old = rotated(log.path(), 1);
    wait_until("an empty old file", SOON, || fs::metadata(&old).unwrap().len() == 0);
    assert!(log.file_bytes() > 0);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// Class 22: the size of the folder is bounded, but never by an unsent byte.
#[test]
fn c22_folder_is_bounded_after_delivery() {
    const DIR_BYTES_MAX: u64 = 200_000;
    let (place, sink) = (Workplace::new(), Sink::start());
    sink.set(Answer::Status(503, None));
    let settings = Settings::new(&place, &sink);
    let shipper = settings.flag("--max-dir-bytes", &DIR_BYTES_MAX.to_string()).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(1000);
    paced(10, PACE, |_rotation| {
        log.rotate(20);
        log.lines(1000);
    });
    let written_bytes = folder_bytes(&place.logs());
    assert!(written_bytes > 2 * DIR_BYTES_MAX);
    sink.wait_attempts(2, SOON);
    assert!(holds_for(Duration::from_secs(1), || folder_bytes(&place.logs()) == written_bytes));
    sink.set(Answer::Ok);
    sink.wait_records(11_000, SOON);
    wait_until("a smaller folder", SOON, || folder_bytes(&place.logs()) <= DIR_BYTES_MAX);
    shipper.drain_ok();
    assert!(log.path().exists());
    sink.account(&[&log]).assert_exactly_once();
}

/// With `--on-full drop-oldest` the shipper gives up old lines, and every one of them is counted.
#[test]
fn dropped_lines_are_counted() {
    let (place, sink) = (Workplace::new(), Sink::start());
    sink.set(Answer::Status(503, None));
    let shipper = Settings::new(&place, &sink).flag("--on-full", "drop-oldest").start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.set_padding("p".repeat(1000));
    paced(30, Duration::from_millis(20), |_round| log.lines(1000));
    shipper.wait_metric("log_shipper_lines_read_total", |lines| lines.round() >= 30_000.0);
    sink.set(Answer::Ok);
    shipper.wait_no_lag();
    let dropped = shipper.metrics().sum("log_shipper_lines_dropped_total").round();
    shipper.drain_ok();
    let account = sink.account(&[&log]);
    assert!(account.disordered.is_empty() && account.foreign.is_empty());
    assert!(!account.lost.is_empty());
    assert_eq!(dropped, account.lost.len() as f64);
    assert!(!account.lost.contains(&log.written().last().unwrap().text));
}

/// The file is the buffer: an outage costs no memory.
#[test]
fn memory_is_bounded_during_an_outage() {
    let (place, sink) = (Workplace::new(), Sink::start());
    sink.set(Answer::Status(503, None));
    let mut shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.set_padding("p".repeat(10_000));
    for _block in 0..60 {
        log.lines(100);
    }
    assert!(log.file_bytes() > 60_000_000);
    sink.wait_attempts(4, SOON);
    let peak = shipper.process().rss_peak_bytes();
    assert!(peak < 40 * 1024 * 1024, "{peak} bytes");
    sink.set(Answer::Ok);
    sink.wait_records(6000, SOON);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// A log volume that cannot be written is shipped all the same; the deletion is given up.
#[test]
fn read_only_log_volume() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let view = place.path().join("view");
    let _mounted = Mounted::read_only_view(&place.logs(), &view);
    let pattern = view.join("*.log");
    let settings = Settings::new(&place, &sink).without("--include");
    let settings = settings.flag("--include", pattern.to_str().unwrap());
    let shipper = settings.flag("--after-ship", "delete").start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(1000);
    sink.wait_records(1000, SOON);
    log.rotate(2);
    log.lines(1000);
    sink.wait_records(2000, SOON);
    shipper.drain_ok();
    assert!(rotated(log.path(), 1).exists());
    sink.account(&[&log]).assert_exactly_once();
}

/// Few descriptors allowed: files wait for their turn, none is forgotten.
#[test]
fn few_descriptors() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = Settings::new(&place, &sink);
    let settings = settings.wrapped_in(&["prlimit", "--nofile=64:64", "--"]);
    let mut logs = Vec::new();
    for number in 0..300 {
        let name = format!("n{number}");
        let mut log = Numbered::open(place.log(&format!("{name}.log")), &name);
        log.lines(20);
        logs.push(log);
    }
    let shipper = settings.start();
    sink.wait_records(6000, SOON);
    for log in &mut logs {
        log.lines(1);
    }
    sink.wait_records(6300, SOON);
    shipper.drain_ok();
    sink.account(&logs.iter().collect::<Vec<_>>()).assert_exactly_once();
}

/// Idle means idle: few wake-ups with files that nobody writes to.
#[test]
fn idle_costs_nearly_nothing() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let mut shipper = Settings::new(&place, &sink).start();
    for number in 0..50 {
        Numbered::open(place.log(&format!("{number}.log")), &format!("n{number}")).lines(1);
    }
    sink.wait_records(50, SOON);
    shipper.wait_no_lag();
    let before = shipper.process().context_switches();
    assert!(holds_for(Duration::from_secs(5), || true));
    let switches = shipper.process().context_switches() - before;
    assert!(switches < 50, "{switches} context switches in 5 s");
    shipper.drain_ok();
}
