//! Which file is it? Inodes come back, contents are equal, files shrink and grow again.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use e2e::ledger;
use e2e::pace::SOON;
use e2e::process::Signal;
use e2e::shipper::Settings;
use e2e::sink::Sink;
use e2e::workplace::{Mounted, Workplace};
use e2e::writer::Numbered;

const EXT4_BYTES: u64 = 16 * 1024 * 1024;
const TRIES_MAX: u32 = 1000;

/// Removes a log and creates it again until it has the same inode.
fn recreate_with_same_inode(path: &Path, name: &str) -> Numbered {
    let before = fs::metadata(path).unwrap().ino();
    for _try in 0..TRIES_MAX {
        fs::remove_file(path).unwrap();
        let log = Numbered::open(path, name);
        if fs::metadata(path).unwrap().ino() == before {
            return log;
        }
    }
    unreachable!("ext4 gives out a freed inode again at once");
}

/// Class 6: the inode comes back with other content while the shipper is down.
#[test]
fn c06_inode_reuse_while_stopped() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let _disk = Mounted::ext4(&place.logs(), EXT4_BYTES);
    let settings = Settings::new(&place, &sink);
    let mut first = Numbered::open(place.log("app.log"), "first");
    first.lines(500);
    let shipper = settings.start();
    sink.wait_records(500, SOON);
    shipper.drain_ok();
    let path = place.log("app.log");
    let first_written = first.written().to_vec();
    drop(first);
    let mut second = recreate_with_same_inode(&path, "second");
    second.lines(700);
    let shipper = settings.start();
    sink.wait_records(1200, SOON);
    shipper.drain_ok();
    let messages = sink.messages();
    let written = first_written.iter().chain(second.written());
    ledger::account(written, messages.iter().map(String::as_str)).assert_exactly_once();
}

/// Class 6: the inode comes back while the shipper runs. It holds the old file open, so that the
/// inode is free only after it has let go.
#[test]
fn c06_inode_reuse_while_running() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let _disk = Mounted::ext4(&place.logs(), EXT4_BYTES);
    let shipper = Settings::new(&place, &sink).start();
    let mut written = Vec::new();
    let path = place.log("app.log");
    for round in 0..20 {
        let mut log = Numbered::open(&path, &format!("round{round}"));
        log.lines(50 + 10 * round);
        written.extend_from_slice(log.written());
        sink.wait_records(written.len(), SOON);
        log.unlink();
    }
    shipper.drain_ok();
    let messages = sink.messages();
    ledger::account(&written, messages.iter().map(String::as_str)).assert_exactly_once();
}

/// Class 7: emptied and at once larger than before, while the shipper runs.
#[test]
fn c07_truncate_and_grow_while_running() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    let mut count = 0;
    for lines in [500, 1000, 2000, 4000, 8000] {
        log.lines(lines);
        count += lines;
        sink.wait_records(count, SOON);
        log.truncate();
    }
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// Class 7: emptied and larger than before, while the shipper is down.
#[test]
fn c07_truncate_and_grow_while_stopped() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = Settings::new(&place, &sink);
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(500);
    let shipper = settings.start();
    sink.wait_records(500, SOON);
    shipper.drain_ok();
    log.truncate();
    log.lines(5000);
    let shipper = settings.start();
    sink.wait_records(5500, SOON);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// Class 7: emptied, and then grown to exactly the old size before anybody looks.
#[test]
fn c07_truncate_and_grow_to_the_same_size() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = Settings::new(&place, &sink);
    let mut log = Numbered::open(place.log("app.log"), "app");
    let mut shipper = settings.start();
    log.lines(500);
    sink.wait_records(500, SOON);
    shipper.wait_no_lag();
    shipper.process().signal(Signal::STOP);
    log.truncate();
    log.lines(500);
    shipper.process().signal(Signal::CONT);
    sink.wait_records(1000, SOON);
    shipper.drain_ok();
    log.truncate();
    log.lines(500);
    let shipper = settings.start();
    sink.wait_records(1500, SOON);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// Class 10: two live files that begin alike are two files.
#[test]
fn c10_equal_beginnings() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).start();
    let header = "h".repeat(3000);
    let mut logs = Vec::new();
    for name in ["a", "b"] {
        let path = place.log(&format!("{name}.log"));
        fs::write(&path, format!("{header}\n")).unwrap();
        let mut log = Numbered::open(path, name);
        log.lines(299);
        logs.push(log);
    }
    sink.wait_records(600, SOON);
    shipper.drain_ok();
    let messages = sink.messages();
    let (headers, others): (Vec<_>, Vec<_>) = messages.iter().partition(|text| **text == header);
    assert_eq!(headers.len(), 2);
    let written = logs.iter().flat_map(|log| log.written());
    ledger::account(written, others.into_iter().map(String::as_str)).assert_exactly_once();
}

/// Class 10: equal files, of which one grows on after a restart.
#[test]
fn c10_equal_files_after_a_restart() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = Settings::new(&place, &sink);
    for name in ["a.log", "b.log"] {
        fs::write(place.log(name), "the same line\n").unwrap();
    }
    let shipper = settings.start();
    sink.wait_records(2, SOON);
    shipper.drain_ok();
    let mut log = Numbered::open(place.log("b.log"), "b");
    log.lines(10);
    let shipper = settings.start();
    sink.wait_records(12, SOON);
    shipper.drain_ok();
    assert_eq!(sink.records().len(), 12);
    assert!(sink.records()[2..].iter().all(|record| record.file.ends_with("b.log")));
}

/// Class 11: no file is too small.
#[test]
fn c11_a_file_of_seventeen_bytes() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = Settings::new(&place, &sink);
    fs::write(place.log("tiny.log"), "just seventeen..\n").unwrap();
    fs::write(place.log("empty.log"), "").unwrap();
    let shipper = settings.start();
    sink.wait_records(1, SOON);
    shipper.drain_ok();
    settings.start().drain_ok();
    assert_eq!(sink.messages(), ["just seventeen.."]);
}

/// Class 11: a file of one line without its end is delivered by the drain at the latest.
#[test]
fn c11_a_file_of_one_unended_line() {
    let (place, sink) = (Workplace::new(), Sink::start());
    fs::write(place.log("tiny.log"), "no end").unwrap();
    Settings::new(&place, &sink).start().drain_ok();
    assert_eq!(sink.messages(), ["no end"]);
}
