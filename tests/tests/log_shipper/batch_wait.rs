//! When a batch leaves: lines after a rest at once, those that trickle together, nothing later than
//! it has to.
//!
//! A wait of an hour shows what waits and what does not, without a clock.

use std::time::{Duration, Instant};

use e2e::pace::{SOON, holds_for};
use e2e::shipper::Settings;
use e2e::sink::{Answer, Sink};
use e2e::workplace::Workplace;
use e2e::writer::Numbered;

const LINES: usize = 1_000;
/// More than a batch.
const MANY_LINES: usize = 40_000;
const QUIET: Duration = Duration::from_millis(300);

#[test]
fn a_line_after_a_rest_leaves_at_once_and_what_follows_waits_for_the_drain() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).flag("--batch-wait", "1h").start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(1);
    sink.wait_records(1, SOON);
    shipper.wait_no_lag();
    for _ in 0..20 {
        log.lines(1);
    }
    assert!(holds_for(QUIET, || sink.attempts().len() == 1), "they had to wait for more");
    shipper.drain_ok();
    assert!(sink.attempts().len() <= 3, "one request for those, and one for what the drain found");
    sink.account(&[&log]).assert_exactly_once();
}

#[test]
fn a_full_batch_does_not_wait() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).flag("--batch-wait", "1h").start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(1);
    sink.wait_records(1, SOON);
    log.lines(MANY_LINES);
    sink.wait_records(MANY_LINES / 2, SOON);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

#[test]
fn lines_that_trickle_share_a_request() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).start();
    let start = Instant::now();
    let log = Numbered::open(place.log("app.log"), "app");
    let log = log.in_background(LINES, Duration::from_millis(1));
    sink.wait_records(LINES, SOON);
    let waits = start.elapsed().as_millis() / 200;
    let requests = sink.attempts().len();
    assert!(requests as u128 <= waits + 2, "{requests} requests in {waits} times 200 ms");
    let log = log.stop();
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

#[test]
fn without_a_wait_each_line_has_its_request() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).flag("--batch-wait", "0s").start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    for number in 1..=20 {
        log.lines(1);
        sink.wait_records(number, SOON);
    }
    assert_eq!(sink.attempts().len(), 20);
    shipper.drain_ok();
}

/// What came in while the sink had a batch has waited already.
#[test]
fn a_slow_sink_is_given_the_next_batch_as_soon_as_it_is_free() {
    let (place, sink) = (Workplace::new(), Sink::start());
    sink.set_first(&[Answer::Status(503, None)]);
    let shipper = Settings::new(&place, &sink).flag("--batch-wait", "50ms").start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(LINES);
    sink.wait_attempts(1, SOON);
    log.lines(LINES);
    sink.wait_records(2 * LINES, SOON);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

#[test]
fn a_run_that_ends_by_itself_waits_for_nothing() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(MANY_LINES);
    let settings = Settings::new(&place, &sink).flag("--batch-wait", "1h");
    let settings = settings.env("LOG_SHIPPER_ONCE", "true");
    let (code, stderr) = settings.start_command(settings.command()).wait_end(SOON);
    assert_eq!(code, 0, "{stderr}");
    sink.account(&[&log]).assert_exactly_once();
}
