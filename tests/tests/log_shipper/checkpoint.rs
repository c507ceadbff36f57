//! The saved positions: damaged, unwritable, growing, absent.

use std::fs;
use std::path::{Path, PathBuf};

use e2e::pace::{SOON, wait_until};
use e2e::shipper::Settings;
use e2e::sink::Sink;
use e2e::workplace::{Mounted, Workplace};
use e2e::writer::Numbered;

/// Files of the state folder with their content.
fn snapshot(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

fn state_bytes(folder: &Path) -> usize {
    snapshot(folder).iter().map(|(_path, content)| content.len()).sum()
}

/// Starts with this content of the state folder and writes ten lines more. Nothing of what was
/// not delivered before may be missing.
fn check_damaged(damage: impl Fn(&mut Vec<u8>)) {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = Settings::new(&place, &sink);
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(100);
    let shipper = settings.start();
    sink.wait_records(100, SOON);
    shipper.drain_ok();
    let saved = snapshot(&place.state());
    assert!(!saved.is_empty());
    for (path, mut content) in saved.into_iter().filter(|(_path, content)| !content.is_empty()) {
        damage(&mut content);
        fs::write(path, content).unwrap();
    }
    log.lines(10);
    let mut shipper = settings.start();
    sink.wait_distinct(110, SOON);
    let stderr = shipper.process().stderr_text();
    assert!(stderr.contains("Saved positions are not used"), "{stderr}");
    shipper.drain_ok();
    sink.account(&[&log]).assert_nothing_lost();
}

/// Class 24: cut off anywhere.
#[test]
fn c24_truncated_checkpoint() {
    for part in 0..6 {
        check_damaged(|content| content.truncate(content.len() * part / 6));
    }
}

/// Class 24: one bit is wrong anywhere.
#[test]
fn c24_garbled_checkpoint() {
    for part in 0..6 {
        check_damaged(|content| {
            let position = content.len() * part / 6;
            content[position] ^= 1;
        });
    }
}

/// Class 24: a file of something else.
#[test]
fn c24_foreign_checkpoint() {
    check_damaged(|content| *content = b"{\"version\": 999, \"files\": []}\n".to_vec());
    check_damaged(|content| *content = vec![0; 4096]);
}

/// Class 24: a full disk under the state folder does not stop the shipping, and when there is
/// room again the positions are saved.
#[test]
fn c24_disk_full_under_the_state() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let _disk = Mounted::tmpfs(&place.state(), 64 * 1024);
    let filler = place.state().join("filler");
    let settings = Settings::new(&place, &sink);
    let shipper = settings.start();
    while fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&filler)
        .and_then(|mut file| std::io::Write::write_all(&mut file, &[0; 4096]))
        .is_ok()
    {}
    let mut log = Numbered::open(place.log("app.log"), "app");
    for round in 1..=5 {
        log.lines(1000);
        sink.wait_records(1000 * round, SOON);
    }
    fs::remove_file(&filler).unwrap();
    log.lines(1);
    sink.wait_records(5001, SOON);
    shipper.drain_ok();
    log.lines(100);
    let shipper = settings.start();
    sink.wait_records(5101, SOON);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// Class 25: positions of files that are gone are forgotten. Ten thousand files on the way.
#[test]
fn c25_ten_thousand_files_come_and_go() {
    const FILES: usize = 10_000;
    const DESCRIPTORS_MAX: usize = 4300;
    let (place, sink) = (Workplace::new(), Sink::start());
    let mut shipper = Settings::new(&place, &sink).start();
    let mut written = Vec::with_capacity(FILES);
    for number in 0..FILES {
        let text = format!("file {number} line one");
        fs::write(place.log(&format!("{number}.log")), format!("{text}\n")).unwrap();
        written.push(text);
    }
    sink.wait_distinct(FILES, 3 * SOON);
    let descriptors = shipper.process().open_files().len();
    assert!(descriptors < DESCRIPTORS_MAX, "{descriptors} descriptors");
    let rss = shipper.process().rss_bytes();
    assert!(rss < 96 * 1024 * 1024, "{rss} bytes");
    let mut messages = sink.messages();
    messages.sort();
    written.sort();
    assert_eq!(messages, written);
    for number in 0..FILES {
        fs::remove_file(place.log(&format!("{number}.log"))).unwrap();
    }
    let mut log = Numbered::open(place.log("last.log"), "last");
    wait_until("a small checkpoint", 2 * SOON, || {
        log.lines(1);
        state_bytes(&place.state()) < 64 * 1024
    });
    sink.wait_records(FILES + log.written().len(), SOON);
    shipper.drain_ok();
}

/// Without a place for positions it works, says so once, and starts from the beginning again.
#[test]
fn no_state_folder() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let file = place.path().join("a-file");
    fs::write(&file, "").unwrap();
    let settings = Settings::new(&place, &sink).without("--state-dir");
    let unwritable = settings.clone().flag("--state-dir", file.join("state").to_str().unwrap());
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(100);
    for (round, settings) in (1..).zip([settings, unwritable]) {
        let before = sink.records().len();
        let mut shipper = settings.start();
        sink.wait_records(before + 100, SOON);
        let stderr = shipper.process().stderr_text();
        assert_eq!(stderr.matches("positions are not kept").count(), round, "{stderr}");
        shipper.drain_ok();
    }
    sink.account(&[&log]).assert_nothing_lost();
}

/// A clean stop and start repeats nothing, whatever the number of times.
#[test]
fn restarts_repeat_nothing() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = Settings::new(&place, &sink);
    let mut log = Numbered::open(place.log("app.log"), "app");
    for _restart in 0..8 {
        log.lines(100);
        let shipper = settings.start();
        log.lines(100);
        shipper.drain_ok();
    }
    sink.account(&[&log]).assert_exactly_once();
}
