//! Files that look like others, or like something they are not: nothing waits for ever, nothing is
//! taken for a copy, nothing live is reclaimed.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::Duration;

use e2e::pace::{SOON, holds_for, paced};
use e2e::shipper::Settings;
use e2e::sink::{Answer, Sink};
use e2e::workplace::Workplace;
use e2e::writer::Numbered;

/// A second log that begins like the first one, under a name that begins like its name.
#[test]
fn a_name_and_a_beginning_that_two_files_share() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).start();
    fs::write(place.log("app.log"), "header\n").unwrap();
    sink.wait_records(1, SOON);
    fs::write(place.log("app-worker.log"), "header\nof the worker\n").unwrap();
    fs::write(place.log("app-1.log"), "header\nof number one\n").unwrap();
    sink.wait_records(5, SOON);
    shipper.wait_no_lag();
    shipper.drain_ok();
    assert_eq!(sink.records().len(), 5);
}

/// One of two such files is emptied: the other one is no copy, and is neither deleted nor torn.
#[test]
fn a_lookalike_is_not_reclaimed() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).flag("--after-ship", "delete").start();
    let (one, two) = (place.log("app.log"), place.log("app2.log"));
    fs::write(&one, "banner\n").unwrap();
    fs::write(&two, "banner\nfoo\n").unwrap();
    sink.wait_records(3, SOON);
    fs::write(&one, "another beginning\n").unwrap();
    sink.wait_records(4, SOON);
    let mut live = OpenOptions::new().append(true).open(&two).unwrap();
    live.write_all(b"half").unwrap();
    assert!(holds_for(Duration::from_secs(6), || two.exists() && sink.records().len() == 4));
    live.write_all(b" rest\n").unwrap();
    sink.wait_records(5, SOON);
    shipper.drain_ok();
    assert_eq!(sink.messages().last().unwrap(), "half rest");
}

/// `--from end` means every file that is there, whatever it is called.
#[test]
fn from_end_passes_over_all_that_is_there() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let names: Vec<String> = (1..9).map(|number| format!("app-{number}.log")).collect();
    let all = || names.iter().map(String::as_str).chain(["app.log"]);
    for name in all() {
        fs::write(place.log(name), format!("old {name}\n")).unwrap();
    }
    let shipper = Settings::new(&place, &sink).flag("--from", "end").start();
    for name in all() {
        let mut file = OpenOptions::new().append(true).open(place.log(name)).unwrap();
        file.write_all(format!("new {name}\n").as_bytes()).unwrap();
    }
    sink.wait_records(9, SOON);
    shipper.drain_ok();
    assert!(sink.messages().iter().all(|message| message.starts_with("new ")));
}

/// A UTF-16 file that stops in the middle of a character holds up nobody.
#[test]
fn half_a_utf_16_character() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).start();
    fs::write(place.log("wide.log"), b"\xff\xfea\0\n\0b").unwrap();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(100);
    sink.wait_records(101, SOON);
    log.lines(100);
    sink.wait_records(201, SOON);
    shipper.drain_ok();
}

/// A deleted file has two writers; the first one closes it, the second one goes on.
#[test]
fn the_second_writer_of_a_deleted_file() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let path = place.log("app.log");
    let open = || OpenOptions::new().create(true).append(true).open(&path).unwrap();
    let (mut first, mut second) = (open(), open());
    first.write_all(b"one\n").unwrap();
    let shipper = Settings::new(&place, &sink).start();
    sink.wait_records(1, SOON);
    fs::remove_file(&path).unwrap();
    drop(first);
    paced(4, Duration::from_secs(1), |_round| second.write_all(b"two\n").unwrap());
    sink.wait_records(5, SOON);
    shipper.drain_ok();
}

/// Positions are saved while the drain lasts, not only at its end.
#[test]
fn a_kill_in_the_middle_of_a_drain() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = Settings::new(&place, &sink).flag("--linger", "5s");
    let shipper = settings.start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(10);
    sink.wait_records(10, SOON);
    shipper.sigterm();
    paced(40, Duration::from_millis(100), |_round| log.lines(1));
    sink.wait_records(50, SOON);
    shipper.kill9();
    let shipper = settings.start();
    log.lines(1);
    sink.wait_distinct(51, SOON);
    shipper.drain_ok();
    let account = sink.account(&[&log]);
    account.assert_nothing_lost();
    assert!(account.doubled.len() <= 20, "{} doubled", account.doubled.len());
}

/// What was copied at rest, or backed up, is delivered: it has no age.
#[test]
fn a_copy_at_rest_does_not_age() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(100);
    sink.wait_records(100, SOON);
    log.copytruncate(place.log("app.log.1"));
    log.lines(10);
    sink.wait_records(110, SOON);
    fs::copy(place.log("app.log"), place.log("app.log.bak")).unwrap();
    shipper.wait_metric("log_shipper_lag_seconds", |age| age == 0.0);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// Secrets stand in addresses and headers by mistake; they are not repeated in the log.
#[test]
fn no_secret_is_printed() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = || Settings::new(&place, &sink);
    for settings in [
        settings().flag("--sink-url", "user:topsecret@host/x"),
        settings().flag("--sink-url", "http://user:topsecret@host/x"),
        settings().flag("--header", "Authorization Bearer topsecret"),
        settings().flag("--header", "Bad Name: topsecret"),
    ] {
        let (code, stderr) = settings.run_to_end(SOON);
        assert_eq!(code, 64, "{stderr}");
        assert!(!stderr.contains("topsecret"), "{stderr}");
    }
    sink.set(Answer::Ok);
    let url = format!("{}?api_key=topsecret", sink.url());
    let mut shipper =
        settings().flag("--sink-url", &url).flag("--header", "Cookie: a=1,topsecret").start();
    let stderr = shipper.process().stderr_text();
    assert!(!stderr.contains("topsecret"), "{stderr}");
    shipper.drain_ok();
}
