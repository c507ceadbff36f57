//! Stack traces arrive as one record, whatever happens between their lines.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::time::Duration;

use e2e::cost::cpu_seconds;
use e2e::pace::{SOON, holds_for, wait_until};
use e2e::shipper::{Settings, Shipper};
use e2e::sink::{Answer, Sink};
use e2e::workplace::Workplace;

/// An ordinary line, and a trace of five lines.
fn round(number: usize) -> [String; 2] {
    let mut trace = format!("java.lang.IllegalStateException: number {number}");
    for depth in 0..3 {
        write!(trace, "\n\tat com.example.Shop.buy(Shop.java:{depth})").unwrap();
    }
    trace.push_str("\nCaused by: java.io.IOException: disk");
    [format!("INFO number {number} begins"), trace]
}

fn settings(place: &Workplace, sink: &Sink) -> Settings {
    Settings::new(place, sink).flag("--multiline", "java")
}

fn metric(shipper: &Shipper, name: &str) -> f64 {
    shipper.metrics().sum(name)
}

#[test]
fn traces_are_records_through_kills_and_slow_writers() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = settings(&place, &sink);
    let mut log = File::create(place.log("app.log")).unwrap();
    let mut expected = Vec::new();
    let mut shipper = settings.start();
    for number in 0..60 {
        for record in round(number) {
            // Written line by line, with a kill between two of them now and then.
            for line in record.lines() {
                writeln!(log, "{line}").unwrap();
                if number % 15 == 14 && line.contains("java:1") {
                    shipper.kill9();
                    shipper = settings.start();
                }
            }
            expected.push(record);
        }
    }
    sink.wait_distinct(expected.len(), SOON);
    shipper.drain_ok();
    let mut messages = sink.messages();
    // A kill repeats what was not acknowledged, in whole records.
    messages.dedup();
    messages.sort();
    messages.dedup();
    expected.sort();
    assert_eq!(messages, expected);
}

#[test]
fn the_last_record_comes_with_the_drain_or_in_time() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let [_, trace] = round(1);
    let drained = settings(&place, &sink).flag("--multiline-timeout", "1h").start();
    fs::write(place.log("app.log"), format!("{trace}\n")).unwrap();
    drained.wait_metric("log_shipper_lines_read_total", |lines| lines > 4.5);
    assert_eq!(sink.messages().len(), 0, "it may go on");
    assert!(metric(&drained, "log_shipper_lines_acked_total") < 0.5);
    drained.drain_ok();
    assert_eq!(sink.messages(), std::slice::from_ref(&trace));
    let timed = settings(&place, &sink).flag("--multiline-timeout", "100ms").start();
    fs::write(place.log("other.log"), format!("{trace}\n")).unwrap();
    sink.wait_records(2, SOON);
    timed.wait_no_lag();
    timed.drain_ok();
    assert_eq!(sink.messages(), [trace.clone(), trace]);
}

/// What is not given out is not acknowledged, and comes whole after a kill.
#[test]
fn a_record_that_is_held_is_read_again() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = settings(&place, &sink).flag("--multiline-timeout", "1h");
    let [line, trace] = round(7);
    let shipper = settings.start();
    fs::write(place.log("app.log"), format!("{line}\n{trace}\n")).unwrap();
    sink.wait_records(1, SOON);
    shipper.wait_metric("log_shipper_lines_acked_total", |lines| lines > 0.5);
    shipper.kill9();
    let shipper = settings.start();
    shipper.wait_metric("log_shipper_lines_read_total", |lines| lines > 4.5);
    shipper.drain_ok();
    let messages = sink.messages();
    assert_eq!(messages.iter().filter(|message| **message == trace).count(), 1, "{messages:?}");
}

#[test]
fn limits_cut_and_patterns_join() {
    let (place, sink) = (Workplace::new(), Sink::start());
    sink.set(Answer::Ok);
    let settings = Settings::new(&place, &sink).flag("--multiline-start", "^BEGIN");
    let shipper = settings.flag("--multiline-max-lines", "3").start();
    let text = "BEGIN a\n1\nBEGIN b\n1\n2\n3\n4\nBEGIN c\n";
    fs::write(place.log("app.log"), text).unwrap();
    sink.wait_records(4, SOON);
    shipper.wait_no_lag();
    assert!((metric(&shipper, "log_shipper_records_cut_total") - 1.0).abs() < 0.1);
    shipper.drain_ok();
    assert_eq!(sink.messages(), ["BEGIN a\n1", "BEGIN b\n1\n2", "3\n4", "BEGIN c"]);
    assert_eq!(sink.records()[1].fields["cut"], true);
}

/// A record that is held while the sink takes nothing costs no time: nothing is looked at again and
/// again because it is late.
#[test]
fn a_held_record_waits_with_the_sink() {
    let (place, sink) = (Workplace::new(), Sink::start());
    sink.set(Answer::Status(503, Some(600)));
    let mut shipper = settings(&place, &sink).flag("--multiline-timeout", "100ms").start();
    let rounds: String = (0..20_000).map(|number| round(number).join("\n") + "\n").collect();
    fs::write(place.log("app.log"), &rounds).unwrap();
    shipper.wait_metric("log_shipper_batch_bytes", |bytes| bytes > 500_000.0);
    let before = cpu_seconds(shipper.process().pid());
    assert!(holds_for(Duration::from_secs(2), || true));
    let spent = cpu_seconds(shipper.process().pid()) - before;
    assert!(spent < 0.5, "{spent} s in 2 s");
}

/// A file that is never read to its end must not hold back the record of one that is quiet.
#[test]
fn a_record_of_a_quiet_file_does_not_wait_for_the_others() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = settings(&place, &sink).flag("--multiline-timeout", "200ms");
    let settings = settings.flag("--exclude-lines", "never read");
    let busy = place.log("busy.log");
    fs::write(&busy, "INFO a line of a file that is never read to its end\n".repeat(2_000_000))
        .unwrap();
    let [_, trace] = round(1);
    fs::write(place.log("quiet.log"), format!("{trace}\n")).unwrap();
    let shipper = settings.start();
    wait_until("the trace", SOON, || sink.messages().contains(&trace));
    let lag = shipper.metrics().sum("log_shipper_lag_bytes");
    assert!(lag > 1_000_000.0, "the busy file was read to its end: {lag}");
    shipper.kill9();
}
