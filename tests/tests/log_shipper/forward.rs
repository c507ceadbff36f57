//! Fluent forward: what is acknowledged by its chunk is delivered, and nothing else is.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use e2e::certificates::Authority;
use e2e::pace::{SOON, holds_for};
use e2e::shipper::Settings;
use e2e::sink::{Answer, Door, Protocol, Sink};
use e2e::workplace::Workplace;
use e2e::writer::Numbered;

const LINES: usize = 3_000;

fn plain() -> (Workplace, Sink) {
    (Workplace::new(), Sink::speaking(Protocol::Forward))
}

fn chunks(sink: &Sink) -> Vec<String> {
    let chunk = |headers: &[(String, String)]| {
        headers.iter().find(|(name, _)| name == "chunk").unwrap().1.clone()
    };
    sink.attempts().iter().map(|attempt| chunk(&attempt.headers)).collect()
}

#[test]
fn lines_arrive_by_tag_with_where_they_are_from() {
    for codec in ["none", "gzip"] {
        let (place, sink) = plain();
        let shipper = Settings::new(&place, &sink)
            .flag("--label", "app=w\"e\\b")
            .flag("--compression", codec)
            .flag("--forward-tag", "pod.{stream}.log")
            .start();
        let mut log = Numbered::open(place.log("app.log"), "app");
        let mut other = Numbered::open(place.log("the other.log"), "other");
        log.lines(LINES);
        other.lines(LINES);
        log.line_with("\"quoted\" \\ \u{1}tab\t \u{20ac} end");
        sink.wait_records(2 * LINES + 1, SOON);
        shipper.drain_ok();
        sink.account(&[&log, &other]).assert_exactly_once();
        for record in sink.records() {
            let writer = if record.message.starts_with("app") { &log } else { &other };
            assert_eq!(record.file, writer.path().to_str().unwrap());
            assert_eq!(record.fields["app"], "w\"e\\b");
            let stream = writer.path().file_stem().unwrap().to_str().unwrap();
            assert_eq!(record.fields["stream"], stream);
            let length = record.fields.len();
            assert_eq!(length, 2, "{record:?}");
        }
        let tags: BTreeSet<String> = sink.attempts().into_iter().map(|it| it.target).collect();
        assert_eq!(tags, ["pod.app.log", "pod.the_other.log"].map(str::to_owned).into());
        let packed = sink.attempts().iter().all(|attempt| {
            attempt.headers.contains(&("content-encoding".to_owned(), "gzip".to_owned()))
        });
        assert_eq!(packed, codec == "gzip");
    }
}

#[test]
fn ids_and_pieces_are_marked() {
    let (place, sink) = plain();
    let shipper = Settings::new(&place, &sink)
        .flag("--max-line-bytes", "64")
        .env("LOG_SHIPPER_RECORD_ID", "true")
        .start();
    fs::write(place.log("long.log"), format!("{}\nhalf\u{20ac}\nend", "x".repeat(100))).unwrap();
    sink.wait_records(3, SOON);
    shipper.drain_ok();
    let records = sink.records();
    let marks: Vec<(bool, bool)> = records
        .iter()
        .map(|it| (it.fields.contains_key("split"), it.fields.contains_key("partial")))
        .collect();
    assert_eq!(marks, [(true, false), (false, false), (false, false), (false, true)]);
    let ids: BTreeSet<String> = records.iter().map(|it| it.fields["id"].to_string()).collect();
    assert_eq!(ids.len(), 4);
    let times: Vec<&String> = records.iter().map(|it| &it.time).collect();
    assert!(times.is_sorted(), "{times:?}");
}

/// Nothing is acknowledged in this protocol but by an answer with the chunk of the message.
#[test]
fn what_is_not_acknowledged_comes_again() {
    let (place, sink) = plain();
    let shipper = Settings::new(&place, &sink).flag("--sink-timeout", "500ms").start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    // Those that are recorded and not acknowledged come twice.
    for (answer, is_recorded) in [
        (Answer::Status(503, None), false),
        (Answer::Hang, false),
        (Answer::DropAfterRead, true),
        (Answer::WrongAck, true),
        (Answer::HalfAck, true),
    ] {
        let (before, doubled) = (sink.attempts().len(), sink.account(&[&log]).doubled.len());
        sink.set(answer);
        log.lines(LINES);
        sink.wait_attempts(before + 2, SOON);
        assert!(holds_for(Duration::from_millis(100), || {
            let acknowledged = shipper.metrics().sum("log_shipper_lines_acked_total");
            let earlier = u32::try_from(log.written().len() - LINES).unwrap();
            (acknowledged - f64::from(earlier)).abs() < 0.5
        }));
        sink.set(Answer::Ok);
        sink.wait_distinct(log.written().len(), SOON);
        shipper.wait_no_lag();
        let account = sink.account(&[&log]);
        account.assert_nothing_lost();
        assert_eq!(account.doubled.len() > doubled, is_recorded, "{answer:?}");
    }
    shipper.drain_ok();
    // What comes again has the chunk that it had.
    let (chunks, distinct) = (chunks(&sink), chunks(&sink).into_iter().collect::<BTreeSet<_>>());
    assert!(distinct.len() <= chunks.len() - 5, "{} of {}", distinct.len(), chunks.len());
}

/// Of several messages of a batch, those that were acknowledged do not come again.
#[test]
fn each_message_is_acknowledged_alone() {
    let (place, sink) = plain();
    let settings = Settings::new(&place, &sink);
    let logs: Vec<Numbered> = (0..100)
        .map(|number| {
            let name = format!("app{number}");
            let mut log = Numbered::open(place.log(&format!("{name}.log")), &name);
            log.lines(20);
            log
        })
        .collect();
    let first: Vec<Answer> =
        (0..50).map(|_| Answer::Ok).chain([Answer::Status(503, None)]).collect();
    sink.set_first(&first);
    let shipper = settings.start();
    sink.wait_records(2_000, SOON);
    shipper.drain_ok();
    sink.account(&logs.iter().collect::<Vec<_>>()).assert_exactly_once();
    assert_eq!(shipper_chunks_sent_twice(&sink), 1);
}

fn shipper_chunks_sent_twice(sink: &Sink) -> usize {
    let chunks = chunks(sink);
    chunks.len() - chunks.iter().collect::<BTreeSet<_>>().len()
}

#[test]
fn a_cut_connection_costs_no_line() {
    let (place, sink) = plain();
    let shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    for _round in 0..10 {
        log.lines(LINES);
        sink.cut_connections();
        sink.wait_distinct(log.written().len(), SOON);
    }
    shipper.wait_no_lag();
    // A connection that the server closes between two batches is not used again.
    let retries = shipper.metrics().sum("log_shipper_retries_total");
    sink.cut_connections();
    log.lines(1);
    sink.wait_distinct(log.written().len(), SOON);
    assert!((shipper.metrics().sum("log_shipper_retries_total") - retries).abs() < 0.5);
    shipper.drain_ok();
    sink.account(&[&log]).assert_nothing_lost();
}

#[test]
fn a_kill_and_a_dead_sink_lose_nothing() {
    let (place, sink) = plain();
    let settings = Settings::new(&place, &sink).flag("--shutdown-grace", "2s");
    let mut log = Numbered::open(place.log("app.log"), "app");
    let shipper = settings.start();
    log.lines(LINES);
    sink.wait_records(LINES, SOON);
    shipper.wait_no_lag();
    sink.set(Answer::Hold);
    log.lines(LINES);
    shipper.wait_metric("log_shipper_lag_bytes", |lag_bytes| lag_bytes > 0.0);
    shipper.kill9();
    sink.set(Answer::Refuse);
    let shipper = settings.start();
    log.lines(LINES);
    shipper.wait_metric("log_shipper_retries_total", |retries| retries >= 2.0);
    let (code, stderr) = shipper.drain(SOON);
    assert_eq!(code, 75, "{stderr}");
    sink.set(Answer::Ok);
    let shipper = settings.start();
    sink.wait_distinct(3 * LINES, SOON);
    shipper.drain_ok();
    sink.account(&[&log]).assert_nothing_lost();
}

#[test]
fn a_drain_delivers_what_is_there() {
    let (place, sink) = plain();
    let shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(50_000);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// A wrong key, a missing one, a wrong password: nothing is delivered until it is set right, which
/// needs no restart, and no secret is logged.
#[test]
fn keys_and_passwords_open_the_door() {
    let place = Workplace::new();
    let user = Some(("shipper".to_owned(), "p:ass".to_owned()));
    let sink = Sink::behind(Door { shared_key: Some("right key".to_owned()), user, tls: None });
    let (key, login) = (place.path().join("key"), place.path().join("login"));
    fs::write(&key, "wrong key\n").unwrap();
    fs::write(&login, "shipper:wrong\n").unwrap();
    let settings = Settings::new(&place, &sink);
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(LINES);
    let without = settings.start();
    let refused = |retries: f64| {
        let label = ("reason", "unauthorized");
        move |shipper: &e2e::shipper::Shipper| {
            e2e::pace::wait_until("refusals", SOON, || {
                let metrics = shipper.metrics();
                metrics.with_label("log_shipper_retries_total", label.0, label.1) >= retries
            });
        }
    };
    refused(1.0)(&without);
    drop(without);
    let settings = settings
        .flag("--forward-shared-key-file", key.to_str().unwrap())
        .flag("--basic-auth-file", login.to_str().unwrap());
    let shipper = settings.start();
    refused(2.0)(&shipper);
    fs::write(&key, "right key\n").unwrap();
    refused(4.0)(&shipper);
    assert!(sink.attempts().is_empty());
    fs::write(&login, "shipper:p:ass\n").unwrap();
    sink.wait_records(LINES, SOON);
    let (code, stderr) = shipper.drain(SOON);
    assert_eq!(code, 0, "{stderr}");
    assert!(!stderr.contains("right key") && !stderr.contains("p:ass"), "{stderr}");
    sink.account(&[&log]).assert_exactly_once();
}

#[test]
fn tls_is_verified() {
    let place = Workplace::new();
    let authority = Authority::new(place.path(), "ca");
    let tls = Some(Arc::new(authority.sign("server").server_config(None)));
    let sink = Sink::behind(Door { tls, ..Door::default() });
    let other = Authority::new(place.path(), "other-ca");
    let settings = Settings::new(&place, &sink);
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(LINES);
    let shipper = settings.clone().flag("--sink-ca-file", other.file().to_str().unwrap()).start();
    shipper.wait_metric("log_shipper_retries_total", |retries| retries >= 2.0);
    assert!(sink.attempts().is_empty());
    drop(shipper);
    let shipper = settings.flag("--sink-ca-file", authority.file().to_str().unwrap()).start();
    sink.wait_records(LINES, SOON);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}
