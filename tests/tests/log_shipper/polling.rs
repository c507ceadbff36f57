//! Without inotify: limits used up, or a file system that sends no events.
//!
//! The limits are lowered in a user namespace of the shipper's own, so that the machine keeps its.

use std::fs;
use std::time::Duration;

use e2e::pace::{SOON, paced};
use e2e::shipper::Settings;
use e2e::sink::Sink;
use e2e::workplace::Workplace;
use e2e::writer::Numbered;

/// The shipper may have this many inotify instances and watches.
fn limited(settings: Settings, instances: u32, watches: u32) -> Settings {
    let script = format!(
        "echo {instances} >/proc/sys/user/max_inotify_instances && \
         echo {watches} >/proc/sys/user/max_inotify_watches && exec \"$@\""
    );
    settings.wrapped_in(&["unshare", "--user", "--map-root-user", "sh", "-c", &script, "sh"])
}

fn check_limits(instances: u32, watches: u32) {
    let (place, sink) = (Workplace::new(), Sink::start());
    let deep = place.log("**/*.log");
    let settings = Settings::new(&place, &sink).without("--include");
    let settings = settings.flag("--include", deep.to_str().unwrap());
    let mut shipper = limited(settings, instances, watches).start();
    let mut logs = Vec::new();
    for name in ["a", "b", "c"] {
        fs::create_dir(place.log(name)).unwrap();
        let mut log = Numbered::open(place.log(name).join("app.log"), name);
        log.lines(100);
        logs.push(log);
    }
    sink.wait_records(300, SOON);
    for log in &mut logs {
        log.rotate(3);
        log.lines(100);
    }
    sink.wait_records(600, SOON);
    assert!(shipper.metrics().sum("log_shipper_directories_polled") > 0.0);
    let stderr = shipper.process().stderr_text();
    assert!(stderr.contains("polling instead"), "a warning says so: {stderr}");
    shipper.drain_ok();
    sink.account(&logs.iter().collect::<Vec<_>>()).assert_exactly_once();
}

/// Class 18: no inotify instance is left (EMFILE).
#[test]
fn c18_no_inotify_instance() {
    check_limits(0, 100);
}

/// Class 18: the watches run out (ENOSPC) with the second folder.
#[test]
fn c18_too_few_watches() {
    check_limits(10, 2);
}

/// Class 20: where no events come, truncation, growth, deletion and new files are seen by looking.
#[test]
fn c20_everything_is_seen_by_polling() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = limited(Settings::new(&place, &sink), 0, 0).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    let mut removed = Numbered::open(place.log("removed.log"), "removed");
    log.lines(100);
    removed.lines(100);
    sink.wait_records(200, SOON);
    log.truncate();
    log.lines(300);
    removed.unlink();
    removed.lines(10);
    sink.wait_records(510, SOON);
    // Slower than it looks: what comes and goes between two looks cannot be seen.
    paced(3, Duration::from_secs(3), |_rotation| {
        log.rotate(5);
        log.lines(100);
    });
    sink.wait_records(810, SOON);
    shipper.drain_ok();
    sink.account(&[&log, &removed]).assert_exactly_once();
}
