//! Every aggregator's own protocol: what arrives, what is refused for good, what comes again.
//!
//! The sink of the tests speaks each protocol by its published definitions and keeps what its real
//! counterpart would keep: Loki one line of a stream, time and text, a bulk API one document of an
//! id.

use std::time::Duration;

use e2e::ledger::account;
use e2e::pace::{SOON, holds_for};
use e2e::shipper::Settings;
use e2e::sink::{Answer, POISON, Protocol, Sink};
use e2e::workplace::Workplace;
use e2e::writer::Numbered;

const LINES: usize = 3_000;

#[expect(clippy::print_stderr, reason = "says which protocol failed")]
fn each(scenario: impl Fn(Protocol, Workplace, Sink)) {
    for protocol in Protocol::ALL {
        eprintln!("{protocol:?}");
        scenario(protocol, Workplace::new(), Sink::speaking(protocol));
    }
}

/// Those that know a record that comes again.
fn knows_duplicates(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Bulk | Protocol::LokiProtobuf | Protocol::LokiJson)
}

#[test]
fn lines_arrive_with_where_they_are_from() {
    each(|protocol, place, sink| {
        let settings = Settings::new(&place, &sink).flag("--label", "app=w\"e\\b");
        let shipper = settings.start();
        let mut log = Numbered::open(place.log("app.log"), "app");
        let mut other = Numbered::open(place.log("other.log"), "other");
        log.lines(LINES);
        other.lines(LINES);
        log.line_with("\"quoted\" \\ \u{1}tab\t \u{20ac} end");
        sink.wait_records(2 * LINES + 1, SOON);
        shipper.drain_ok();
        sink.account(&[&log, &other]).assert_exactly_once();
        for record in sink.records() {
            assert_eq!(record.fields["app"], "w\"e\\b", "{protocol:?}");
            let writer = if record.message.starts_with("app") { &log } else { &other };
            assert_eq!(record.file, writer.path().to_str().unwrap());
        }
    });
}

/// A lost answer, a dead server, a busy one, a kill: nothing is lost, and where the server can tell
/// a record that comes again, nothing is there twice.
#[test]
fn outages_cost_nothing() {
    each(|protocol, place, sink| {
        let settings = Settings::new(&place, &sink);
        let mut log = Numbered::open(place.log("app.log"), "app");
        let shipper = settings.start();
        for answer in [
            Answer::DropAfterRead,
            Answer::Status(503, None),
            Answer::Status(429, Some(0)),
            Answer::Status(404, None),
            Answer::Status(401, None),
        ] {
            let before = sink.attempts().len();
            sink.set(answer);
            log.lines(LINES);
            sink.wait_attempts(before + 2, SOON);
            sink.set(Answer::Ok);
            sink.wait_distinct(log.written().len(), SOON);
        }
        shipper.drain_ok();
        let account = sink.account(&[&log]);
        account.assert_nothing_lost();
        if knows_duplicates(protocol) {
            account.assert_exactly_once();
        }
    });
}

/// Of what is sent again after a kill, only the bulk API knows every line: its ids are made of file
/// and offset.
#[test]
fn a_kill_makes_no_duplicates_where_records_have_ids() {
    let (place, sink) = (Workplace::new(), Sink::speaking(Protocol::Bulk));
    let settings = Settings::new(&place, &sink);
    let mut log = Numbered::open(place.log("app.log"), "app");
    sink.set(Answer::DropAfterRead);
    let shipper = settings.start();
    log.lines(LINES);
    sink.wait_attempts(2, SOON);
    shipper.kill9();
    sink.set(Answer::Ok);
    let shipper = settings.start();
    sink.wait_distinct(LINES, SOON);
    shipper.wait_no_lag();
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// One record that the server will never take: it is given up and counted, all others arrive. A
/// receiver without a protocol for that gets all of them again until it takes them.
#[test]
fn a_poisoned_record_costs_itself_only() {
    each(|protocol, place, sink| {
        let settings = Settings::new(&place, &sink);
        let shipper = settings.start();
        let mut log = Numbered::open(place.log("app.log"), "app");
        log.lines(100);
        sink.wait_records(100, SOON);
        sink.set(Answer::Poison);
        let before = sink.attempts().len();
        std::fs::write(place.log("bad.log"), format!("one {POISON}\ntwo\nthree {POISON}\n"))
            .unwrap();
        log.lines(LINES);
        if protocol == Protocol::Ndjson {
            sink.wait_attempts(before + 3, SOON);
            sink.set(Answer::Ok);
        }
        let bad = if protocol == Protocol::Ndjson { 3 } else { 1 };
        sink.wait_distinct(100 + LINES + bad, SOON);
        shipper.wait_no_lag();
        let dropped = shipper.metrics().with_label(
            "log_shipper_lines_dropped_total",
            "reason",
            "refused_by_sink",
        );
        assert_eq!(dropped.round(), if protocol == Protocol::Ndjson { 0.0 } else { 2.0 });
        shipper.drain_ok();
        let messages = sink.messages();
        let good = messages.iter().map(String::as_str).filter(|text| text.starts_with("app"));
        let account = account(log.written(), good);
        account.assert_nothing_lost();
        if knows_duplicates(protocol) {
            account.assert_exactly_once();
        }
    });
}

/// A receiver that calls everything bad is set up wrongly: nothing is given up.
#[test]
fn nothing_is_given_up_before_the_sink_has_taken_a_record() {
    for protocol in Protocol::ALL {
        let (place, sink) = (Workplace::new(), Sink::speaking(protocol));
        sink.set(Answer::Status(400, None));
        let shipper = Settings::new(&place, &sink).start();
        let mut log = Numbered::open(place.log("app.log"), "app");
        log.lines(2);
        // Both together, and each alone.
        sink.wait_attempts(4, SOON);
        assert!(shipper.metrics().sum("log_shipper_lines_dropped_total").abs() < 0.5);
        sink.set(Answer::Ok);
        sink.wait_distinct(2, SOON);
        shipper.drain_ok();
        sink.account(&[&log]).assert_once_in_any_order();
    }
}

/// The same of one that took records before: somebody else may answer for it now.
#[test]
fn nothing_is_given_up_while_the_sink_refuses_everything() {
    for protocol in Protocol::ALL {
        let (place, sink) = (Workplace::new(), Sink::speaking(protocol));
        let shipper = Settings::new(&place, &sink).start();
        let mut log = Numbered::open(place.log("app.log"), "app");
        log.lines(10);
        sink.wait_records(10, SOON);
        shipper.wait_no_lag();
        sink.set(Answer::Status(400, None));
        let before = sink.attempts().len();
        log.lines(10);
        sink.wait_attempts(before + 8, SOON);
        log.lines(10);
        sink.wait_attempts(before + 12, SOON);
        sink.set(Answer::Ok);
        sink.wait_distinct(30, SOON);
        shipper.drain_ok();
        sink.account(&[&log]).assert_once_in_any_order();
    }
}

/// The first record of all is one that the sink will never take: it must not hold up those behind.
#[test]
fn a_poisoned_record_that_stands_alone_holds_up_nothing() {
    each(|protocol, place, sink| {
        if protocol == Protocol::Ndjson {
            return;
        }
        sink.set(Answer::Poison);
        let shipper = Settings::new(&place, &sink).start();
        std::fs::write(place.log("bad.log"), format!("one {POISON}\n")).unwrap();
        sink.wait_attempts(1, SOON);
        let mut log = Numbered::open(place.log("app.log"), "app");
        log.lines(10);
        sink.wait_distinct(10, SOON);
        shipper.wait_no_lag();
        let dropped = shipper.metrics().sum("log_shipper_lines_dropped_total");
        assert_eq!(dropped.round(), 1.0, "{protocol:?}");
        shipper.drain_ok();
        sink.account(&[&log]).assert_once_in_any_order();
    });
}

/// Without positions all is read again, and what stands at an old offset may be new.
#[test]
fn new_lines_at_old_offsets_are_new() {
    let (place, sink) = (Workplace::new(), Sink::speaking(Protocol::Bulk));
    let settings = Settings::new(&place, &sink);
    let mut log = Numbered::open(place.log("app.log"), "app");
    for round in 1..=3 {
        log.lines(5);
        let shipper = settings.start();
        sink.wait_distinct(round * 5, SOON);
        shipper.drain_ok();
        std::fs::remove_dir_all(place.state()).unwrap();
        std::fs::create_dir(place.state()).unwrap();
        log.truncate();
    }
    sink.account(&[&log]).assert_exactly_once();
}

/// A bulk API that is busy takes some documents and not others: only those go again.
#[test]
fn busy_documents_go_again_alone() {
    let (place, sink) = (Workplace::new(), Sink::speaking(Protocol::Bulk));
    sink.set(Answer::Busy(3));
    let shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(200);
    // The first of each request is refused, so one alone never gets through.
    sink.wait_distinct(199, SOON);
    let sent: usize = sink.attempts().iter().map(|attempt| attempt.lines).sum();
    assert!(sent < 2 * 200, "{sent} documents were sent for 200");
    assert!(holds_for(Duration::from_millis(300), || sink.records().len() == 199));
    sink.set(Answer::Ok);
    sink.wait_distinct(200, SOON);
    shipper.drain_ok();
    sink.account(&[&log]).assert_once_in_any_order();
}

#[test]
fn compression_is_what_the_servers_take() {
    for (protocol, codec) in [
        (Protocol::LokiJson, "gzip"),
        (Protocol::Bulk, "gzip"),
        (Protocol::OtlpProtobuf, "gzip"),
        (Protocol::OtlpProtobuf, "zstd"),
        (Protocol::OtlpJson, "gzip"),
    ] {
        let (place, sink) = (Workplace::new(), Sink::speaking(protocol));
        let shipper = Settings::new(&place, &sink).flag("--compression", codec).start();
        let mut log = Numbered::open(place.log("app.log"), "app");
        log.lines(LINES);
        sink.wait_records(LINES, SOON);
        shipper.drain_ok();
        sink.account(&[&log]).assert_exactly_once();
        let attempt = sink.attempts().remove(0);
        let encoding = attempt.headers.iter().find(|(name, _)| name == "content-encoding");
        assert_eq!(encoding.unwrap().1, codec);
    }
}

/// Pieces of lines are marked in each protocol's own way.
#[test]
fn pieces_are_marked() {
    for (protocol, mark) in [
        (Protocol::LokiProtobuf, "split"),
        (Protocol::LokiJson, "split"),
        (Protocol::Bulk, "flags"),
        (Protocol::OtlpProtobuf, "log.split"),
        (Protocol::OtlpJson, "log.split"),
    ] {
        let (place, sink) = (Workplace::new(), Sink::speaking(protocol));
        let shipper = Settings::new(&place, &sink).flag("--max-line-bytes", "64").start();
        std::fs::write(place.log("long.log"), format!("{}\nshort\n", "x".repeat(100))).unwrap();
        sink.wait_records(3, SOON);
        shipper.drain_ok();
        let marked: Vec<bool> =
            sink.records().iter().map(|record| record.fields.contains_key(mark)).collect();
        assert_eq!(marked.iter().filter(|marked| **marked).count(), 1, "{protocol:?} {marked:?}");
    }
}
