//! Which files are followed, from when on, and how soon.

use std::fs;
use std::time::{Duration, Instant};

use e2e::pace::{SOON, holds_for, paced};
use e2e::process::Signal;
use e2e::shipper::Settings;
use e2e::sink::Sink;
use e2e::workplace::Workplace;
use e2e::writer::Numbered;

/// Class 19: more events than the kernel's queue holds. What they said is found out otherwise.
#[test]
fn c19_overflow_of_the_event_queue() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let mut shipper = Settings::new(&place, &sink).start();
    let mut known = Numbered::open(place.log("known.log"), "known");
    known.lines(100);
    sink.wait_records(100, SOON);
    shipper.process().signal(Signal::STOP);
    let (one, two) = (place.log("one.tmp"), place.log("two.tmp"));
    fs::write(&one, "").unwrap();
    for _round in 0..5000 {
        fs::rename(&one, &two).unwrap();
        fs::rename(&two, &one).unwrap();
    }
    known.lines(100);
    known.rotate(2);
    known.lines(100);
    let mut born = Numbered::open(place.log("born.log"), "born");
    born.lines(100);
    shipper.process().signal(Signal::CONT);
    sink.wait_records(400, SOON);
    shipper.wait_metric("log_shipper_event_overflows_total", |overflows| overflows > 0.0);
    shipper.drain_ok();
    sink.account(&[&known, &born]).assert_exactly_once();
}

/// Class 31: a line that comes after a quiet time is sent at once.
#[test]
fn c31_latency_after_idling() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(1);
    sink.wait_records(1, SOON);
    let mut written_at = Vec::new();
    paced(8, Duration::from_millis(500), |_round| {
        log.lines(1);
        written_at.push(Instant::now());
    });
    sink.wait_records(9, SOON);
    let records = sink.records();
    let arrivals = records[1..].iter().map(|record| record.arrived);
    let mut latencies: Vec<Duration> = arrivals
        .zip(written_at)
        .map(|(arrived, at)| arrived.saturating_duration_since(at))
        .collect();
    latencies.sort();
    assert!(latencies[4] < Duration::from_millis(100), "{latencies:?}");
    shipper.drain_ok();
}

/// Folders that appear later, files in them, and a root that is not there yet.
#[test]
fn late_and_nested_folders() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let root = place.path().join("later");
    let deep = root.join("**/*.log");
    let settings = Settings::new(&place, &sink).without("--include");
    let shipper = settings.flag("--include", deep.to_str().unwrap()).start();
    let mut logs = Vec::new();
    for (number, folder) in ["", "a", "a/b", "a/b/c", "d/e/f"].iter().enumerate() {
        fs::create_dir_all(root.join(folder)).unwrap();
        let name = format!("n{number}");
        let mut log = Numbered::open(root.join(folder).join("app.log"), &name);
        log.lines(100);
        logs.push(log);
        fs::write(root.join(folder).join("app.txt"), "not a log\n").unwrap();
    }
    sink.wait_records(500, SOON);
    shipper.drain_ok();
    sink.account(&logs.iter().collect::<Vec<_>>()).assert_exactly_once();
}

/// A folder that is removed and made again is followed again.
#[test]
fn a_folder_comes_back() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).start();
    let mut logs = Vec::new();
    for round in 0..3 {
        let mut log = Numbered::open(place.log("app.log"), &format!("round{round}"));
        log.lines(100);
        logs.push(log);
        sink.wait_records(100 * (round + 1), SOON);
        fs::remove_dir_all(place.logs()).unwrap();
        fs::create_dir(place.logs()).unwrap();
    }
    shipper.drain_ok();
    sink.account(&logs.iter().collect::<Vec<_>>()).assert_exactly_once();
}

/// Several patterns, and one that takes files out again.
#[test]
fn include_and_exclude() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = Settings::new(&place, &sink)
        .flag("--include", place.log("*.txt").to_str().unwrap())
        .flag("--exclude", place.log("debug*").to_str().unwrap());
    let shipper = settings.start();
    let mut wanted = Vec::new();
    for name in ["a.log", "b.txt"] {
        let mut log = Numbered::open(place.log(name), name);
        log.lines(10);
        wanted.push(log);
    }
    for name in ["debug.log", "c.out"] {
        Numbered::open(place.log(name), name).lines(10);
    }
    sink.wait_records(20, SOON);
    shipper.drain_ok();
    sink.account(&wanted.iter().collect::<Vec<_>>()).assert_exactly_once();
}

/// `--from end` skips what is there at the start, but not files that come later.
#[test]
fn from_end_skips_the_past() {
    let (place, sink) = (Workplace::new(), Sink::start());
    Numbered::open(place.log("old.log"), "past").lines(100);
    let shipper = Settings::new(&place, &sink).flag("--from", "end").start();
    let mut old = Numbered::open(place.log("old.log"), "old");
    old.lines(10);
    let mut new = Numbered::open(place.log("new.log"), "new");
    new.lines(10);
    sink.wait_records(20, SOON);
    shipper.drain_ok();
    sink.account(&[&old, &new]).assert_exactly_once();
}

/// Without `--include` nothing outside /logs is followed, and that folder may be missing.
#[test]
fn an_absent_folder_is_waited_for() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).without("--include").start();
    Numbered::open(place.log("app.log"), "app").lines(10);
    assert!(holds_for(Duration::from_millis(500), || sink.records().is_empty()));
    shipper.drain_ok();
}
