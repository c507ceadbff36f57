//! Files are renamed, replaced, copied, emptied and removed under the shipper.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use e2e::nginx::logrotate;
use e2e::pace::{SOON, paced, wait_until};
use e2e::process::Signal;
use e2e::shipper::Settings;
use e2e::sink::{Answer, Sink};
use e2e::workplace::Workplace;
use e2e::writer::{Mode, Numbered, rotated};

/// Class 3: rotation meets back-pressure. Only one old file is kept, so seven of the eight are
/// gone from the folder when the sink comes back.
#[test]
fn c03_rotation_while_back_pressured() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(1);
    sink.wait_records(1, SOON);
    sink.set(Answer::Status(503, None));
    log.lines(999);
    paced(8, Duration::from_millis(200), |_rotation| {
        log.rotate(1);
        log.lines(2000);
    });
    sink.set(Answer::Ok);
    sink.wait_records(17_000, SOON);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// Class 4: rotation faster than any polling, of a file born after the shipper. Five old files
/// are kept, and the pattern matches the live name only.
#[test]
fn c04_sixty_quick_rotations() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(200);
    paced(60, Duration::from_millis(50), |_rotation| {
        log.rotate(5);
        log.lines(200);
    });
    sink.wait_records(12_200, SOON);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// Class 4: the writer goes on writing to the renamed file, as nginx does until it reopens.
#[test]
fn c04_late_lines_to_the_renamed_file() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).start();
    let mut old = Numbered::open(place.log("app.log"), "old");
    old.lines(100);
    sink.wait_records(100, SOON);
    old.rename_to(place.log("app.log.1"));
    let mut new = Numbered::open(place.log("app.log"), "new");
    paced(10, Duration::from_millis(200), |_round| {
        old.lines(10);
        new.lines(10);
    });
    sink.wait_records(300, SOON);
    shipper.drain_ok();
    sink.account(&[&old, &new]).assert_exactly_once();
}

/// Class 5: descriptors of deleted files. Their bytes are delivered, then the space is given back.
#[test]
fn c05_deleted_files_are_drained_and_closed() {
    let (place, sink) = (Workplace::new(), Sink::start());
    sink.set(Answer::Hold);
    let shipper = Settings::new(&place, &sink).start();
    let mut logs = Vec::new();
    for number in 0..20 {
        let name = format!("app{number}");
        let mut log = Numbered::open(place.log(&format!("{name}.log")), &name);
        log.lines(2500);
        logs.push(log);
    }
    let logs_folder = place.logs();
    wait_until("20 open files", SOON, || shipper.open_below(&logs_folder) >= 20);
    for log in &logs {
        log.unlink();
    }
    sink.set(Answer::Ok);
    sink.wait_records(50_000, SOON);
    sink.account(&logs.iter().collect::<Vec<_>>()).assert_exactly_once();
    // The space is free when the last writer has closed the file, and the shipper with it.
    drop(logs);
    wait_until("closed descriptors", SOON, || shipper.open_below(&logs_folder) <= 1);
    shipper.drain_ok();
}

/// Class 8: the shipper is level with the file at every truncation, so nothing may be missing.
fn check_copytruncate_when_level(name_of_copy: impl Fn(usize) -> String) {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    for round in 1..=20 {
        log.lines(525);
        sink.wait_records(round * 525, SOON);
        log.copytruncate(place.log(&name_of_copy(round)));
    }
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

#[test]
fn c08_copytruncate_when_level() {
    check_copytruncate_when_level(|round| format!("app.log.{round}"));
}

/// The same, and each copy is written over the one before, as a `cp` in a script does.
#[test]
fn c08_copytruncate_over_the_last_copy() {
    check_copytruncate_when_level(|_round| "app.log.1".to_owned());
}

/// Class 8: truncated at once after writing. What was not read before is in the copy.
#[test]
fn c08_copytruncate_right_after_writing() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    for round in 1..=20 {
        log.lines(25);
        sink.wait_distinct(round * 525 - 500, SOON);
        log.lines(500);
        log.copytruncate(place.log(&format!("app.log.{round}")));
    }
    sink.wait_distinct(20 * 525, SOON);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// Class 8: who reads a file while it grows may see a part of its last line, and then the copy ends
/// there. All of it was read from the original.
#[test]
fn c08_a_copy_that_ends_within_a_line() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    for round in 1..=5 {
        log.lines(525);
        sink.wait_records(round * 525, SOON);
        log.copytruncate_torn(place.log(&format!("app.log.{round}")), 7);
    }
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// Class 8: copied and emptied between two looks. The rest of the old lines is in the copy.
#[test]
fn c08_copytruncate_between_two_looks() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let mut shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(25);
    sink.wait_records(25, SOON);
    shipper.wait_no_lag();
    shipper.process().signal(Signal::STOP);
    log.lines(100);
    log.copytruncate(place.log("app.log.1"));
    log.lines(500);
    shipper.process().signal(Signal::CONT);
    sink.wait_records(625, SOON);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// Class 8: the file was empty at the last look, so nothing proves whose copy the copy is. The
/// lines are read from it all the same, or the shipper says that something may be missing.
#[test]
fn c08_copytruncate_of_what_was_never_seen() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let mut shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    wait_until("the empty file", SOON, || {
        shipper.metrics().sum("log_shipper_files_known").round() == 1.0
    });
    shipper.process().signal(Signal::STOP);
    log.lines(500);
    log.copytruncate(place.log("app.log.1"));
    log.lines(50);
    shipper.process().signal(Signal::CONT);
    sink.wait_records(50, SOON);
    wait_until("the lines or a count", SOON, || {
        sink.account(&[&log]).lost.is_empty()
            || shipper.metrics().sum("log_shipper_unknown_loss_total") > 0.0
    });
    shipper.drain_ok();
    let account = sink.account(&[&log]);
    assert!(account.foreign.is_empty() && account.doubled.is_empty());
}

/// Class 8: what was never read and is in no copy that can be found is gone. That is counted.
#[test]
fn c08_a_loss_that_nobody_can_help_is_counted() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let mut shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(500);
    sink.wait_records(500, SOON);
    shipper.wait_no_lag();
    shipper.process().signal(Signal::STOP);
    log.lines(100);
    log.copytruncate(place.path().join("hidden"));
    log.lines(50);
    shipper.process().signal(Signal::CONT);
    sink.wait_records(550, SOON);
    shipper.wait_metric("log_shipper_unknown_loss_total", |events| events > 0.0);
    shipper.drain_ok();
    let account = sink.account(&[&log]);
    assert_eq!(account.lost.len(), 100);
    assert!(account.doubled.is_empty() && account.foreign.is_empty());
}

/// Class 9: the writer has its own position, so after a truncation the file begins with a hole.
#[test]
fn c09_hole_after_copytruncate() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open_with(place.log("app.log"), "app", Mode::OwnPosition);
    log.lines(5000);
    sink.wait_records(5000, SOON);
    log.copytruncate(place.log("app.log.1"));
    log.lines(500);
    sink.wait_records(5500, SOON);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// Class 21: a symbolic link is pointed elsewhere, and late lines go to the old target.
#[test]
fn c21_repointed_symlink() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).start();
    let data = place.path().join("data");
    fs::create_dir(&data).unwrap();
    let mut one = Numbered::open(data.join("one"), "one");
    one.lines(1000);
    symlink(data.join("one"), place.log("app.log")).unwrap();
    sink.wait_records(1000, SOON);
    let mut two = Numbered::open(data.join("two"), "two");
    symlink(data.join("two"), place.log("new")).unwrap();
    fs::rename(place.log("new"), place.log("app.log")).unwrap();
    two.lines(100);
    one.lines(50);
    sink.wait_records(1150, SOON);
    shipper.drain_ok();
    sink.account(&[&one, &two]).assert_exactly_once();
}

/// Class 23: the rotated file is compressed, and the pattern matches everything.
#[test]
fn c23_compressed_twin_is_not_read() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let all = place.log("*");
    let settings = Settings::new(&place, &sink).without("--include");
    let shipper = settings.flag("--include", all.to_str().unwrap()).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    let rule = format!("{} {{ rotate 10\n compress\n create\n }}", log.path().display());
    for round in 1..=4 {
        log.lines(500);
        sink.wait_records(round * 500, SOON);
        logrotate(place.path(), &rule);
        log.reopen();
    }
    assert!(place.log("app.log.4.gz").exists());
    log.lines(1);
    sink.wait_records(2001, SOON);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// Class 23: compressed while the sink is down: the plain file is gone before it was read.
#[test]
fn c23_compressed_during_an_outage() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(1);
    sink.wait_records(1, SOON);
    sink.set(Answer::Status(503, None));
    let rule = format!("{} {{ rotate 10\n compress\n create\n }}", log.path().display());
    for _round in 0..3 {
        log.lines(1000);
        logrotate(place.path(), &rule);
        log.reopen();
    }
    sink.set(Answer::Ok);
    sink.wait_records(3001, SOON);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// Rotation while the shipper is down: the old file is found again under its new name.
#[test]
fn rotated_while_stopped() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let all = place.log("*.log*");
    let settings = Settings::new(&place, &sink).flag("--include", all.to_str().unwrap());
    let shipper = settings.start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(500);
    sink.wait_records(500, SOON);
    shipper.drain_ok();
    log.lines(500);
    log.rename_to(rotated(log.path(), 1));
    log.reopen();
    log.lines(500);
    let shipper = settings.start();
    sink.wait_records(1500, SOON);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}
