//! The sink is down, slow, picky or forgetful, and the shipper may be killed meanwhile.

use std::time::Duration;

use e2e::pace::{SOON, holds_for, paced};
use e2e::shipper::Settings;
use e2e::sink::{Answer, Sink};
use e2e::workplace::Workplace;
use e2e::writer::{Numbered, rotated};

/// Class 1: a position saved before the sink has accepted the bytes loses them at a kill.
#[test]
fn c01_kill_during_an_outage() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = Settings::new(&place, &sink);
    let shipper = settings.start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(1000);
    sink.wait_records(1000, SOON);
    sink.set(Answer::Status(503, None));
    let before = sink.attempts().len();
    log.lines(5000);
    sink.wait_attempts(before + 2, SOON);
    shipper.kill9();
    sink.set(Answer::Ok);
    let shipper = settings.start();
    sink.wait_distinct(6000, SOON);
    shipper.drain_ok();
    sink.account(&[&log]).assert_nothing_lost();
}

/// Class 1 again: killed at any instant of normal work, with rotations in between.
#[test]
fn c01_kill_in_a_loop() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = Settings::new(&place, &sink);
    let mut log = Numbered::open(place.log("app.log"), "app");
    let mut shipper = Some(settings.start());
    paced(60, Duration::from_millis(100), |round| {
        log.lines(200);
        if round % 10 == 9 {
            log.rename_to(rotated(log.path(), round));
            log.reopen();
        }
        if round % 4 == 3 {
            shipper.take().unwrap().kill9();
            shipper = Some(settings.start());
        }
    });
    sink.wait_distinct(12_000, SOON);
    shipper.unwrap().drain_ok();
    sink.account(&[&log]).assert_nothing_lost();
}

/// Class 2: lines dropped after some number of retries. Here every attempt may fail for long.
#[test]
fn c02_outages_of_every_kind_end_without_loss() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = Settings::new(&place, &sink);
    let shipper = settings.start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    let mut written = 0;
    for status in [503, 500, 400, 401, 404, 408] {
        sink.set(Answer::Status(status, None));
        log.lines(500);
        written += 500;
        sink.wait_attempts(sink.attempts().len() + 2, SOON);
        sink.set(Answer::Ok);
        sink.wait_records(written, SOON);
    }
    // A sink that records before it answers: cutting the connection now could lose the answer.
    shipper.wait_no_lag();
    sink.set(Answer::Refuse);
    log.lines(500);
    shipper.wait_metric("log_shipper_lag_bytes", |lag_bytes| lag_bytes > 0.0);
    assert!(holds_for(Duration::from_secs(1), || sink.records().len() == written));
    sink.set(Answer::Ok);
    sink.wait_records(written + 500, SOON);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// Class 2: 429 says when to come back, and that is obeyed.
#[test]
fn c02_retry_after_is_obeyed() {
    let (place, sink) = (Workplace::new(), Sink::start());
    sink.set_first(&[Answer::Status(429, Some(2)), Answer::Status(503, Some(1))]);
    let shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(5000);
    sink.wait_records(5000, SOON);
    let at: Vec<_> = sink.attempts().iter().map(|attempt| attempt.at).collect();
    assert!(at[1] - at[0] >= Duration::from_secs(2), "{:?}", at[1] - at[0]);
    assert!(at[2] - at[1] >= Duration::from_secs(1), "{:?}", at[2] - at[1]);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// Class 2: a batch that is too large is split; only a line that is too large alone is dropped.
#[test]
fn c02_too_large_batches_are_split() {
    let (place, sink) = (Workplace::new(), Sink::start());
    sink.set(Answer::TooLargeOver(3000));
    let shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(500);
    log.line_with(&"x".repeat(5000));
    log.lines(500);
    sink.wait_records(1000, SOON);
    shipper.wait_metric("log_shipper_lines_dropped_total", |lines| lines > 0.0);
    let metrics = shipper.metrics();
    assert_eq!(metrics.sum("log_shipper_lines_dropped_total").round(), 1.0);
    let name = "log_shipper_lines_dropped_total";
    assert_eq!(metrics.with_label(name, "reason", "too_large_for_sink").round(), 1.0);
    shipper.drain_ok();
    let account = sink.account(&[&log]);
    assert_eq!(account.lost, [log.written()[500].text.clone()]);
    assert!(account.doubled.is_empty() && account.disordered.is_empty());
}

/// The sink accepts, but its answer is lost: the batch may come again, nothing may be missing.
#[test]
fn a_lost_answer_costs_no_line() {
    let (place, sink) = (Workplace::new(), Sink::start());
    sink.set_first(&[Answer::DropAfterRead, Answer::Ok, Answer::DropAfterRead]);
    let shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    paced(20, Duration::from_millis(20), |_round| log.lines(100));
    sink.wait_distinct(2000, SOON);
    shipper.drain_ok();
    let account = sink.account(&[&log]);
    account.assert_nothing_lost();
    assert!(!account.doubled.is_empty(), "a lost answer means that the batch is sent again");
}

/// A record that is sent twice can be recognised: same file, same offset.
#[test]
fn a_repeated_record_has_the_same_file_and_offset() {
    let (place, sink) = (Workplace::new(), Sink::start());
    sink.set_first(&[Answer::DropAfterRead]);
    let shipper = Settings::new(&place, &sink).start();
    Numbered::open(place.log("app.log"), "app").lines(10);
    sink.wait_records(20, SOON);
    shipper.drain_ok();
    let records = sink.records();
    for (first, second) in records[..10].iter().zip(&records[10..]) {
        assert_eq!((&first.message, &first.file), (&second.message, &second.file));
        assert_eq!(first.offset, second.offset);
    }
}
