//! Every class of loss that depends on the sink, with every sink that acknowledges.
//!
//! Each pair is a test of its own, so a failure names both: `refused_then_killed::loki_json`. All
//! sinks are held to the same: nothing lost, and nothing doubled but what was under way when its
//! acknowledgement was lost. Volumes are small; the scenarios at the sizes at which others were
//! measured are those with `cNN` in their names, with the http sink.

mod receiver;

use std::time::Duration;

use e2e::pace::{SOON, paced, wait_until};
use e2e::shipper::Shipper;
use e2e::sink::{Answer, Protocol};
use e2e::writer::Numbered;

use self::receiver::{Kind, Receiver};

const LINES: usize = 1_000;
const HTTP: Kind = Kind::Request(Protocol::Ndjson);
const LOKI_PROTOBUF: Kind = Kind::Request(Protocol::LokiProtobuf);
const LOKI_JSON: Kind = Kind::Request(Protocol::LokiJson);
const ELASTICSEARCH: Kind = Kind::Request(Protocol::Bulk);
const OTLP_PROTOBUF: Kind = Kind::Request(Protocol::OtlpProtobuf);
const OTLP_JSON: Kind = Kind::Request(Protocol::OtlpJson);
const FORWARD: Kind = Kind::Request(Protocol::Forward);

/// A module of tests for one class, one test for each sink.
macro_rules! class {
    ($class:ident, requests) => {
        class!($class: http HTTP, loki_protobuf LOKI_PROTOBUF, loki_json LOKI_JSON,
            elasticsearch ELASTICSEARCH, otlp_protobuf OTLP_PROTOBUF, otlp_json OTLP_JSON);
    };
    ($class:ident, answers) => {
        class!($class: http HTTP, loki_protobuf LOKI_PROTOBUF, loki_json LOKI_JSON,
            elasticsearch ELASTICSEARCH, otlp_protobuf OTLP_PROTOBUF, otlp_json OTLP_JSON,
            forward FORWARD);
    };
    ($class:ident, all) => {
        class!($class: http HTTP, loki_protobuf LOKI_PROTOBUF, loki_json LOKI_JSON,
            elasticsearch ELASTICSEARCH, otlp_protobuf OTLP_PROTOBUF, otlp_json OTLP_JSON,
            forward FORWARD, syslog Kind::Syslog, file Kind::File);
    };
    ($class:ident: $($sink:ident $kind:expr),+) => {
        mod $class {
            use super::*;

            $(#[test]
            fn $sink() {
                super::$class(Receiver::new($kind));
            })+
        }
    };
}

class!(refused_then_killed, all);
class!(unanswered_then_killed, answers);
class!(taken_then_killed, answers);
class!(killed_at_any_time, all);
class!(partly_taken_then_killed: elasticsearch ELASTICSEARCH);
class!(away_for_eight_rotations, all);
class!(told_to_come_back, requests);
class!(refused_then_sigterm, all);
class!(hangs_then_sigterm, answers);
class!(answer_breaks_off, answers);
class!(burst_then_sigterm, all);
class!(last_line_without_an_end, all);
class!(half_a_line_over_a_restart, all);
class!(too_large_is_split, requests);
class!(slow_receiver, answers);
class!(memory_while_refused, answers);
class!(refused_then_killed_over_tls:
    http Kind::Secured(Protocol::Ndjson),
    loki_protobuf Kind::Secured(Protocol::LokiProtobuf),
    loki_json Kind::Secured(Protocol::LokiJson),
    elasticsearch Kind::Secured(Protocol::Bulk),
    otlp_protobuf Kind::Secured(Protocol::OtlpProtobuf),
    otlp_json Kind::Secured(Protocol::OtlpJson),
    forward Kind::Secured(Protocol::Forward));

fn wait_retries(shipper: &Shipper, count: f64) {
    shipper.wait_metric("log_shipper_retries_total", |retries| retries >= count);
}

/// Class 1: a position that was saved before the sink had the lines loses them at a kill.
fn refused_then_killed(mut receiver: Receiver) {
    let mut log = receiver.writer();
    let shipper = receiver.settings.start();
    log.lines(LINES);
    receiver.wait_all(&log);
    shipper.wait_no_lag();
    receiver.fail();
    log.lines(LINES);
    wait_retries(&shipper, 2.0);
    shipper.kill9();
    log.lines(LINES);
    receiver.recover();
    let shipper = receiver.settings.start();
    receiver.wait_all(&log);
    shipper.drain_ok();
    let account = receiver.account(&log);
    account.assert_nothing_lost();
    // Positions are saved a little after the acknowledgement; what was refused came once.
    let first = &log.written()[..LINES];
    let is_first = |text: &String| first.iter().any(|line| line.text == *text);
    assert!(account.doubled.iter().all(is_first), "{account:?}");
}

fn refused_then_killed_over_tls(receiver: Receiver) {
    refused_then_killed(receiver);
}

/// Class 1: the request was sent and nothing came back.
fn unanswered_then_killed(receiver: Receiver) {
    receiver.sink().set(Answer::Hang);
    let mut log = receiver.writer();
    let shipper = receiver.settings.start();
    log.lines(LINES);
    receiver.sink().wait_attempts(1, SOON);
    shipper.kill9();
    receiver.sink().set(Answer::Ok);
    let shipper = receiver.settings.start();
    receiver.wait_all(&log);
    shipper.drain_ok();
    receiver.account(&log).assert_exactly_once();
}

/// Class 1: the sink has the lines and the shipper dies before it knows: one batch comes again.
fn taken_then_killed(receiver: Receiver) {
    let sink = receiver.sink();
    sink.set_first(&[Answer::DropAfterRead]);
    sink.set(Answer::Hang);
    let mut log = receiver.writer();
    let shipper = receiver.settings.start();
    log.lines(LINES);
    sink.wait_attempts(2, SOON);
    let taken = sink.attempts()[0].lines;
    shipper.kill9();
    sink.set(Answer::Ok);
    let shipper = receiver.settings.start();
    receiver.wait_all(&log);
    shipper.drain_ok();
    let account = receiver.account(&log);
    account.assert_nothing_lost();
    let doubled = if receiver.knows_every_record() { 0 } else { taken };
    assert_eq!(account.doubled.len(), doubled, "{taken} were under way");
}

/// Class 1: in the middle of work, again and again.
fn killed_at_any_time(receiver: Receiver) {
    let mut log = receiver.writer();
    let mut shipper = Some(receiver.settings.start());
    paced(24, Duration::from_millis(40), |round| {
        log.lines(200);
        if round % 4 == 3 {
            shipper.take().unwrap().kill9();
            shipper = Some(receiver.settings.start());
        }
    });
    receiver.wait_all(&log);
    shipper.unwrap().drain_ok();
    let account = receiver.account(&log);
    account.assert_nothing_lost();
    if receiver.knows_every_record() {
        account.assert_exactly_once();
    }
}

/// Class 1: of each request some records were taken and others are to come again.
fn partly_taken_then_killed(receiver: Receiver) {
    receiver.sink().set(Answer::Busy(3));
    let mut log = receiver.writer();
    let shipper = receiver.settings.start();
    log.lines(LINES);
    receiver.sink().wait_records(LINES / 2, SOON);
    shipper.kill9();
    receiver.sink().set(Answer::Ok);
    let shipper = receiver.settings.start();
    receiver.wait_all(&log);
    shipper.drain_ok();
    receiver.account(&log).assert_once_in_any_order();
}

/// Class 3: the writer keeps one old file, the sink is away for eight.
fn away_for_eight_rotations(mut receiver: Receiver) {
    let mut log = receiver.writer();
    let shipper = receiver.settings.start();
    log.lines(LINES);
    receiver.wait_all(&log);
    shipper.wait_no_lag();
    receiver.fail();
    paced(8, Duration::from_millis(100), |_rotation| {
        log.lines(LINES / 4);
        log.rotate(1);
    });
    log.lines(1);
    wait_retries(&shipper, 1.0);
    receiver.recover();
    receiver.wait_all(&log);
    shipper.drain_ok();
    receiver.account(&log).assert_exactly_once();
}

/// Class 2: 429 says when to come back.
fn told_to_come_back(receiver: Receiver) {
    let sink = receiver.sink();
    sink.set_first(&[Answer::Status(429, Some(1)), Answer::Status(503, Some(0))]);
    let mut log = receiver.writer();
    log.lines(LINES);
    let shipper = receiver.settings.start();
    receiver.wait_all(&log);
    let attempts = sink.attempts();
    let pause = attempts[1].at - attempts[0].at;
    assert!(pause >= Duration::from_secs(1), "{pause:?}");
    shipper.drain_ok();
    receiver.account(&log).assert_exactly_once();
}

/// Class 15: the end comes in time, names what is left, and the next start goes on exactly there.
fn refused_then_sigterm(mut receiver: Receiver) {
    let log = check_dead(&mut receiver, Receiver::fail);
    receiver.recover();
    check_next_start(&receiver, &log);
}

fn hangs_then_sigterm(mut receiver: Receiver) {
    let log = check_dead(&mut receiver, |receiver| receiver.sink().set(Answer::Hang));
    receiver.recover();
    check_next_start(&receiver, &log);
}

fn check_dead(receiver: &mut Receiver, fail: impl Fn(&mut Receiver)) -> Numbered {
    let settings = receiver.settings.clone().flag("--shutdown-grace", "1s");
    let mut log = receiver.writer();
    let shipper = settings.start();
    log.lines(LINES);
    receiver.wait_all(&log);
    shipper.wait_no_lag();
    let delivered = log.file_bytes();
    fail(receiver);
    log.lines(LINES);
    shipper.wait_metric("log_shipper_lag_bytes", |lag_bytes| lag_bytes > 0.0);
    let (code, stderr) = shipper.drain(SOON);
    assert_eq!(code, 75, "{stderr}");
    let left = log.file_bytes() - delivered;
    assert!(stderr.contains(&left.to_string()), "{left} bytes are left: {stderr}");
    log
}

fn check_next_start(receiver: &Receiver, log: &Numbered) {
    let shipper = receiver.settings.start();
    receiver.wait_all(log);
    shipper.drain_ok();
    receiver.account(log).assert_exactly_once();
}

/// The connection ends in the middle of the answer: that batch is there twice at most, and the
/// attempt that was made again is counted.
fn answer_breaks_off(receiver: Receiver) {
    let sink = receiver.sink();
    sink.set_first(&[Answer::CutAnswer]);
    let mut log = receiver.writer();
    log.lines(LINES);
    let shipper = receiver.settings.start();
    receiver.wait_all(&log);
    shipper.wait_no_lag();
    wait_retries(&shipper, 1.0);
    shipper.drain_ok();
    let account = receiver.account(&log);
    account.assert_nothing_lost();
    let taken = sink.attempts()[0].lines;
    // Loki knows a line of the same time as well.
    let knows = matches!(sink.protocol().flags()[0].1, "loki" | "elasticsearch");
    let doubled = if knows { 0 } else { taken };
    assert_eq!(account.doubled.len(), doubled, "{taken} were under way");
}

/// Class 14: many lines, SIGTERM at once, no second start.
fn burst_then_sigterm(receiver: Receiver) {
    let mut log = receiver.writer();
    let shipper = receiver.settings.start();
    log.lines(20_000);
    shipper.drain_ok();
    receiver.wait_all(&log);
    receiver.account(&log).assert_exactly_once();
}

/// Class 12: the last line of a process that died.
fn last_line_without_an_end(receiver: Receiver) {
    let mut log = receiver.writer();
    let shipper = receiver.settings.start();
    log.lines(10);
    log.unended();
    shipper.drain_ok();
    receiver.wait_all(&log);
    receiver.account(&log).assert_exactly_once();
}

/// Class 12: the drain ships the half, the next start the whole.
fn half_a_line_over_a_restart(receiver: Receiver) {
    let mut log = receiver.writer();
    let shipper = receiver.settings.start();
    log.lines(1);
    log.half();
    shipper.drain_ok();
    wait_until("the half line", SOON, || receiver.messages().len() == 2);
    log.other_half();
    let shipper = receiver.settings.start();
    receiver.wait_all(&log);
    shipper.drain_ok();
    wait_until("the whole line", SOON, || receiver.messages().len() == 3);
    let messages = receiver.messages();
    let whole = &log.written()[1].text;
    assert!(whole.starts_with(&messages[1]) && messages[1].len() < whole.len(), "{messages:?}");
    assert_eq!([&messages[0], &messages[2]], [&log.written()[0].text, whole]);
}

/// Class 2: 413 halves the request.
fn too_large_is_split(receiver: Receiver) {
    receiver.sink().set(Answer::TooLargeOver(8_000));
    let mut log = receiver.writer();
    log.lines(LINES);
    let shipper = receiver.settings.start();
    receiver.wait_all(&log);
    shipper.drain_ok();
    receiver.account(&log).assert_exactly_once();
}

/// A sink that takes its time with each batch holds up nothing but itself, also in a drain.
fn slow_receiver(receiver: Receiver) {
    receiver.sink().set(Answer::Slow(100));
    let mut log = receiver.writer();
    log.set_padding("x".repeat(1_000));
    let shipper = receiver.settings.start();
    log.lines(3 * LINES);
    shipper.drain_ok();
    receiver.account(&log).assert_exactly_once();
}

/// The file is the buffer: what waits for a sink is not in memory.
fn memory_while_refused(mut receiver: Receiver) {
    receiver.fail();
    let mut log = receiver.writer();
    log.set_padding("p".repeat(10_000));
    let mut shipper = receiver.settings.start();
    for _block in 0..20 {
        log.lines(200);
    }
    assert!(log.file_bytes() > 40_000_000);
    wait_retries(&shipper, 2.0);
    let peak = shipper.process().rss_peak_bytes();
    assert!(peak < 40 * 1024 * 1024, "{peak} bytes");
}
