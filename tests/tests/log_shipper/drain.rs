//! SIGTERM: what is in the files must leave the pod, and the end must come in time.

use std::fs;
use std::time::{Duration, Instant};

use e2e::metrics;
use e2e::pace::{SOON, holds_for, paced, wait_until};
use e2e::shipper::Settings;
use e2e::sink::{Answer, Recording, Sink};
use e2e::workplace::Workplace;
use e2e::writer::Numbered;

/// Class 12: a line that comes in two halves is one line.
#[test]
fn c12_halves_are_joined() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(1);
    log.half();
    sink.wait_records(1, SOON);
    assert!(holds_for(Duration::from_secs(3), || sink.records().len() == 1));
    log.other_half();
    sink.wait_records(2, SOON);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// Class 12: the drain delivers a half line marked as partial, and the next start the whole one.
#[test]
fn c12_half_line_and_restart() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = Settings::new(&place, &sink);
    let shipper = settings.start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(1);
    log.half();
    shipper.drain_ok();
    let records = sink.records();
    assert_eq!(records.len(), 2, "{records:?}");
    assert!(log.written()[1].text.starts_with(&records[1].message));
    assert_eq!(records[1].fields["partial"], true);
    assert!(!records[0].fields.contains_key("partial"));
    log.other_half();
    let shipper = settings.start();
    sink.wait_records(3, SOON);
    shipper.drain_ok();
    let whole = &sink.records()[2];
    assert_eq!((&whole.message, whole.offset), (&log.written()[1].text, records[1].offset));
    assert_eq!(sink.records().len(), 3);
}

/// Class 12: the last line of a process that died has no end, and nobody starts again.
#[test]
fn c12_last_line_without_newline() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(100);
    log.unended();
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// Class 12: a file that was removed, or renamed and left, will get no more: its last line counts.
#[test]
fn c12_last_line_of_a_finished_file() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).start();
    let mut removed = Numbered::open(place.log("removed.log"), "removed");
    removed.lines(10);
    removed.unended();
    let mut renamed = Numbered::open(place.log("renamed.log"), "renamed");
    renamed.lines(10);
    renamed.unended();
    sink.wait_records(20, SOON);
    removed.unlink();
    renamed.rename_to(place.log("renamed.old"));
    sink.wait_records(22, SOON);
    shipper.drain_ok();
    sink.account(&[&removed, &renamed]).assert_exactly_once();
}

/// `--partial-timeout` delivers a half line that stays one.
#[test]
fn partial_timeout_delivers_a_prompt() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).flag("--partial-timeout", "300ms").start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.unended();
    sink.wait_records(1, SOON);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// Class 14: many lines, SIGTERM at once, no second start.
#[test]
fn c14_twenty_thousand_lines_then_sigterm() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(10);
    sink.wait_records(10, SOON);
    log.lines(20_000);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// Class 14: as much as a drain may have to read; how long it takes is for the bench to say.
#[test]
fn c14_a_hundred_megabytes_then_sigterm() {
    let (place, sink) = (Workplace::new(), Sink::start_with(Recording::Counts));
    let shipper = Settings::new(&place, &sink).flag("--shutdown-grace", "2m").start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.set_padding("p".repeat(10_000));
    log.lines(10_000);
    assert!(log.file_bytes() > 100_000_000);
    let (code, stderr) = shipper.drain(4 * SOON);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(sink.counts().lines, 10_000);
}

/// Class 14: a file that is created right before SIGTERM is found by the last scan.
#[test]
fn c14_a_new_file_then_sigterm() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let deep = place.log("**/*.log");
    let settings = Settings::new(&place, &sink).flag("--include", deep.to_str().unwrap());
    let shipper = settings.start();
    fs::create_dir_all(place.log("new/deep")).unwrap();
    let mut log = Numbered::open(place.log("new/deep/app.log"), "app");
    log.lines(1000);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// Class 14: the drain also goes through files that were rotated while the sink was slow.
#[test]
fn c14_rotated_files_then_sigterm() {
    let (place, sink) = (Workplace::new(), Sink::start());
    sink.set(Answer::Hold);
    let shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    paced(6, Duration::from_millis(50), |round| {
        if round > 0 {
            log.rotate(10);
        }
        log.lines(1000);
    });
    shipper.sigterm();
    sink.set(Answer::Ok);
    let (code, stderr) = shipper.wait_end(SOON);
    assert_eq!(code, 0, "{stderr}");
    sink.account(&[&log]).assert_exactly_once();
}

/// Class 15: SIGTERM while the sink gives this answer. The end comes within the grace period, says
/// what is left, and the next start goes on exactly there.
fn check_dead_sink(answer: Answer) {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = Settings::new(&place, &sink).flag("--shutdown-grace", "2s");
    let shipper = settings.start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(1000);
    sink.wait_records(1000, SOON);
    shipper.wait_no_lag();
    sink.set(answer);
    log.lines(5000);
    shipper.wait_metric("log_shipper_lag_bytes", |lag_bytes| lag_bytes > 0.0);
    let start = Instant::now();
    let unsent = log.file_bytes() * 5 / 6;
    let (code, stderr) = shipper.drain(SOON);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    assert_eq!(code, 75, "{stderr}");
    assert!(stderr.contains(&unsent.to_string()), "{unsent} unsent bytes are named: {stderr}");
    sink.set(Answer::Ok);
    let shipper = settings.start();
    sink.wait_records(6000, SOON);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

#[test]
fn c15_sigterm_with_a_failing_sink() {
    check_dead_sink(Answer::Status(503, None));
}

#[test]
fn c15_sigterm_with_a_hanging_sink() {
    check_dead_sink(Answer::Hang);
}

#[test]
fn c15_sigterm_with_an_absent_sink() {
    check_dead_sink(Answer::Refuse);
}

/// Class 15: a long `Retry-After` does not outlast the grace period.
#[test]
fn c15_sigterm_while_waiting_as_told() {
    check_dead_sink(Answer::Status(429, Some(600)));
}

/// A second SIGTERM does not wait for the grace period.
#[test]
fn a_second_sigterm_ends_at_once() {
    let (place, sink) = (Workplace::new(), Sink::start());
    sink.set(Answer::Hang);
    let settings = Settings::new(&place, &sink);
    let shipper = settings.start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(100);
    sink.wait_attempts(1, SOON);
    shipper.sigterm();
    wait_until("the start of the drain", SOON, || {
        metrics::get(shipper.admin(), "/readyz").is_ok_and(|(status, _body)| status == 503)
    });
    let start = Instant::now();
    let (code, stderr) = shipper.drain(SOON);
    assert_eq!(code, 75, "{stderr}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    sink.set(Answer::Ok);
    let shipper = settings.start();
    sink.wait_records(100, SOON);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// Class 16: an ordinary sidecar gets SIGTERM together with the main container, which writes on.
#[test]
fn c16_writer_goes_on_after_sigterm() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).flag("--linger", "1s").start();
    let log = Numbered::open(place.log("app.log"), "app");
    let writer = log.in_background(20, Duration::from_millis(50));
    sink.wait_records(100, SOON);
    shipper.sigterm();
    let start = Instant::now();
    assert!(holds_for(Duration::from_secs(3), || {
        metrics::get(shipper.admin(), "/healthz").is_ok()
    }));
    let log = writer.stop();
    let (code, stderr) = shipper.wait_end(SOON);
    assert_eq!(code, 0, "{stderr}");
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    sink.account(&[&log]).assert_exactly_once();
}

/// Class 16: a writer that never ends is followed only until the grace period needs its reserve.
#[test]
fn c16_writer_never_ends() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = Settings::new(&place, &sink).flag("--shutdown-grace", "4s");
    let settings = settings.flag("--linger", "1s");
    let shipper = settings.start();
    let writer = Numbered::open(place.log("app.log"), "app");
    let writer = writer.in_background(20, Duration::from_millis(50));
    sink.wait_records(100, SOON);
    let start = Instant::now();
    let (_code, _stderr) = shipper.drain(SOON);
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    let log = writer.stop();
    let shipper = settings.start();
    sink.wait_distinct(log.written().len(), SOON);
    shipper.drain_ok();
    sink.account(&[&log]).assert_nothing_lost();
}

/// Class 16: a native sidecar gets SIGTERM after the main container has ended: no waiting then.
#[test]
fn c16_writer_is_gone_before_sigterm() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).flag("--linger", "10s").start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(1000);
    let written = log.written().to_vec();
    drop(log);
    sink.wait_records(1000, SOON);
    let start = Instant::now();
    shipper.drain_ok();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(sink.records().len(), written.len());
}
