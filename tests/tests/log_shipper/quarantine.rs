//! A place for records that the sink refuses for good: each is there with where it came from, over
//! kills and restarts, and no trouble with the place stops the shipping.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use e2e::pace::{SOON, holds_for, wait_until};
use e2e::shipper::{Settings, Shipper};
use e2e::sink::{Answer, POISON, Protocol, Sink};
use e2e::workplace::Workplace;
use e2e::writer::Numbered;
use serde_json::Value;

const LINES: usize = 500;

fn quarantine(place: &Workplace) -> PathBuf {
    place.path().join("quarantine")
}

fn settings(place: &Workplace, sink: &Sink) -> Settings {
    Settings::new(place, sink).flag("--quarantine-dir", quarantine(place).to_str().unwrap())
}

fn kept_file(dir: &Path, sink: &str) -> PathBuf {
    dir.join(format!("{sink}.quarantine.ndjson"))
}

/// What is kept for a sink of this name; the last line may be under way.
fn kept(dir: &Path, sink: &str) -> Vec<Value> {
    let text = fs::read_to_string(kept_file(dir, sink)).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _unended)| whole);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn messages(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["message"].as_str().unwrap()).collect()
}

fn sum(shipper: &Shipper, name: &str) -> usize {
    let value = shipper.metrics().sum(&format!("log_shipper_{name}"));
    format!("{value:.0}").parse().unwrap()
}

fn missed(shipper: &Shipper, reason: &str) -> f64 {
    let name = "log_shipper_quarantine_missed_records_total";
    shipper.metrics().with_label(name, "reason", reason)
}

/// The sink has taken a line, so it is known to be set up rightly, and refuses poison from now on.
fn proven(settings: &Settings, place: &Workplace, sink: &Sink) -> (Shipper, Numbered) {
    let shipper = settings.start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(1);
    sink.wait_records(1, SOON);
    sink.set(Answer::Poison);
    (shipper, log)
}

#[test]
fn what_each_protocol_refuses_is_kept_with_where_it_is_from() {
    for (protocol, name, detail) in [
        (Protocol::Bulk, "elasticsearch", "document_parsing_exception"),
        (Protocol::LokiProtobuf, "loki", "400"),
        (Protocol::LokiJson, "loki", "400"),
        (Protocol::OtlpProtobuf, "otlp", ""),
        (Protocol::OtlpJson, "otlp", ""),
    ] {
        let (place, sink) = (Workplace::new(), Sink::speaking(protocol));
        let settings = settings(&place, &sink).flag("--redact", "ipv4");
        let (shipper, mut log) = proven(&settings, &place, &sink);
        let bad = place.log("bad.log");
        fs::write(&bad, format!("good one\n{POISON} \"of\" 10.1.2.3\ngood two\n")).unwrap();
        log.lines(LINES);
        sink.wait_distinct(1 + LINES + 2, SOON);
        shipper.wait_no_lag();
        let lines = kept(&quarantine(&place), name);
        let poisoned = format!("{POISON} \"of\" [ipv4]");
        let own: Vec<_> = lines.iter().filter(|line| line["message"] == *poisoned).collect();
        assert_eq!(own.len(), 1, "{protocol:?}: {lines:?}");
        let is_otlp = name == "otlp";
        assert!(is_otlp || lines.len() == 1, "a collector does not say which: {lines:?}");
        assert_eq!(own[0]["path"], *bad.to_str().unwrap(), "{protocol:?}");
        assert_eq!((&own[0]["offset"], &own[0]["sink"]), (&9.into(), &name.into()));
        assert_eq!(own[0]["reason"], "refused_by_sink");
        assert!(own[0]["detail"].as_str().unwrap().contains(detail), "{own:?}");
        assert_eq!(sum(&shipper, "lines_dropped_total"), 1);
        assert_eq!(sum(&shipper, "quarantined_records_total"), lines.len());
        let (code, stderr) = shipper.drain(SOON);
        assert_eq!(code, 0, "{stderr}");
        assert!(stderr.contains(&format!("\"quarantined_records\":{}", lines.len())), "{stderr}");
    }
}

#[test]
fn a_record_too_large_alone_is_kept() {
    let (place, sink) = (Workplace::new(), Sink::start());
    sink.set(Answer::TooLargeOver(4_000));
    let shipper = settings(&place, &sink).start();
    let large = "x".repeat(10_000);
    fs::write(place.log("app.log"), format!("small\n{large}\nsmall too\n")).unwrap();
    sink.wait_distinct(2, SOON);
    shipper.wait_no_lag();
    shipper.drain_ok();
    let lines = kept(&quarantine(&place), "http");
    assert_eq!(messages(&lines), [large]);
    assert_eq!(lines[0]["reason"], "too_large_for_sink");
}

/// What was kept and not yet acknowledged comes again: twice at most for each kill, and never not
/// at all.
#[test]
fn kills_lose_nothing_that_was_refused() {
    let (place, sink) = (Workplace::new(), Sink::speaking(Protocol::Bulk));
    let settings = settings(&place, &sink);
    let (mut shipper, mut log) = proven(&settings, &place, &sink);
    let file = kept_file(&quarantine(&place), "elasticsearch");
    let mut bad = Vec::new();
    for round in 0..6 {
        for number in 0..20 {
            bad.push(format!("{POISON} {round} {number}"));
            log.line_with(bad.last().unwrap());
            log.lines(20);
        }
        // At once, so that the positions are hardly saved.
        wait_until("the last to be kept", SOON, || {
            let lines = kept(&quarantine(&place), "elasticsearch");
            messages(&lines).iter().any(|message| message.ends_with(bad.last().unwrap()))
        });
        shipper.kill9();
        // Half a line, as a kill may leave it.
        let mut text = fs::read(&file).unwrap();
        text.extend_from_slice(b"{\"time\":\"20");
        fs::write(&file, text).unwrap();
        shipper = settings.start();
    }
    let good = log.written().len() - bad.len();
    sink.wait_distinct(good, SOON);
    shipper.wait_no_lag();
    shipper.drain_ok();
    let lines = kept(&quarantine(&place), "elasticsearch");
    assert!(fs::read(&file).unwrap().ends_with(b"}\n"));
    for text in &bad {
        let times = messages(&lines).iter().filter(|message| message.ends_with(text)).count();
        assert!((1..=7).contains(&times), "{text} is there {times} times");
    }
    assert_eq!(sink.messages().len(), good, "ids let the store know what comes again");
}

#[test]
fn a_restart_goes_on_behind_what_is_kept() {
    let (place, sink) = (Workplace::new(), Sink::speaking(Protocol::Bulk));
    let settings = settings(&place, &sink);
    let (mut shipper, _log) = proven(&settings, &place, &sink);
    for number in 0..3 {
        fs::write(place.log(&format!("bad{number}.log")), format!("{POISON} {number}\n")).unwrap();
        shipper.wait_metric("log_shipper_quarantined_records_total", |records| records > 0.0);
        shipper.wait_no_lag();
        shipper.drain_ok();
        shipper = settings.start();
    }
    shipper.drain_ok();
    let lines = kept(&quarantine(&place), "elasticsearch");
    let expected = [0, 1, 2].map(|number| format!("{POISON} {number}"));
    assert_eq!(messages(&lines), expected);
}

#[test]
fn a_full_quarantine_keeps_what_it_has_and_counts_the_rest() {
    let (place, sink) = (Workplace::new(), Sink::speaking(Protocol::Bulk));
    let settings = settings(&place, &sink).flag("--quarantine-max-bytes", "1000");
    let (shipper, mut log) = proven(&settings, &place, &sink);
    let bad: Vec<String> = (0..20).map(|number| format!("{POISON} {number}\n")).collect();
    fs::write(place.log("bad.log"), bad.concat()).unwrap();
    log.lines(LINES);
    sink.wait_distinct(1 + LINES, SOON);
    shipper.wait_no_lag();
    let lines = kept(&quarantine(&place), "elasticsearch");
    assert!((1..20).contains(&lines.len()) && messages(&lines)[0] == bad[0].trim_end());
    assert_eq!(sum(&shipper, "quarantined_records_total"), lines.len());
    assert_eq!(sum(&shipper, "quarantine_missed_records_total"), 20 - lines.len());
    assert!(missed(&shipper, "full") > 0.0 && missed(&shipper, "io") < 1.0);
    // Somebody takes the file away: there is room again.
    let file = kept_file(&quarantine(&place), "elasticsearch");
    fs::rename(&file, place.path().join("looked-at")).unwrap();
    fs::write(place.log("more.log"), format!("{POISON} more\n")).unwrap();
    wait_until("a new file", SOON, || !kept(&quarantine(&place), "elasticsearch").is_empty());
    let (code, stderr) = shipper.drain(SOON);
    assert_eq!(code, 0, "{stderr}");
    for message in ["The quarantine is full", "The quarantine takes records again"] {
        assert_eq!(stderr.matches(message).count(), 1, "{stderr}");
    }
}

/// A place that cannot be written costs what it should have kept, and nothing else.
#[test]
fn a_place_that_cannot_be_written_stops_nothing() {
    let (place, sink) = (Workplace::new(), Sink::speaking(Protocol::Bulk));
    fs::write(quarantine(&place), "a file where the directory should be").unwrap();
    let settings = settings(&place, &sink);
    let (shipper, mut log) = proven(&settings, &place, &sink);
    fs::write(place.log("bad.log"), format!("{POISON} one\n{POISON} two\n")).unwrap();
    log.lines(LINES);
    sink.wait_distinct(1 + LINES, SOON);
    shipper.wait_no_lag();
    assert_eq!(sum(&shipper, "lines_dropped_total"), 2);
    assert_eq!(missed(&shipper, "io").round(), 2.0);
    // Once it can be, it is.
    fs::remove_file(quarantine(&place)).unwrap();
    fs::write(place.log("more.log"), format!("{POISON} more\n")).unwrap();
    shipper.wait_metric("log_shipper_quarantined_records_total", |records| records > 0.0);
    let (code, stderr) = shipper.drain(SOON);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(stderr.matches("The quarantine cannot be written").count(), 1, "{stderr}");
    assert_eq!(messages(&kept(&quarantine(&place), "elasticsearch")), [format!("{POISON} more")]);
}

/// Neither its own quarantine nor another sink's is followed, wherever it lies.
#[test]
fn no_sink_follows_a_quarantine() {
    let place = Workplace::new();
    let (one, two) = (Sink::speaking(Protocol::Bulk), Sink::speaking(Protocol::Bulk));
    let item = |name: &str, sink: &Sink, dir: PathBuf| {
        format!(
            "- {{name: {name}, sink: elasticsearch, sink-url: {:?}, quarantine-dir: {dir:?}}}\n",
            sink.url()
        )
    };
    let within = place.logs().join("quarantine");
    let file = format!(
        "include: {:?}\nlinger: 200ms\nsinks:\n{}{}",
        place.log("**/*"),
        item("one", &one, within.clone()),
        item("two", &two, place.logs()),
    );
    let path = place.path().join("settings.yaml");
    fs::write(&path, file).unwrap();
    let settings = Settings::bare(&place).flag("--config", path.to_str().unwrap());
    let shipper = settings.start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(1);
    for sink in [&one, &two] {
        sink.wait_records(1, SOON);
        sink.set(Answer::Poison);
    }
    log.line_with(POISON);
    log.lines(1);
    for sink in [&one, &two] {
        sink.wait_records(2, SOON);
    }
    wait_until("both to keep it", SOON, || {
        kept(&within, "one").len() == 1 && kept(&place.logs(), "two").len() == 1
    });
    let quiet = || one.records().len() == 2 && two.records().len() == 2;
    assert!(holds_for(Duration::from_millis(300), quiet));
    shipper.drain_ok();
}

/// The way back: a shipper that reads what was kept.
#[test]
fn what_is_kept_can_be_shipped_again() {
    let (place, sink) = (Workplace::new(), Sink::speaking(Protocol::Bulk));
    let (shipper, _log) = proven(&settings(&place, &sink), &place, &sink);
    fs::write(place.log("bad.log"), format!("{POISON} one\n{POISON} two\n")).unwrap();
    shipper.wait_metric("log_shipper_quarantined_records_total", |records| records > 1.0);
    shipper.wait_no_lag();
    shipper.drain_ok();
    let other = Sink::start();
    let again = Settings::new(&place, &other)
        .flag("--state-dir", place.path().join("again").to_str().unwrap())
        .without("--include")
        .flag("--include", quarantine(&place).join("*.ndjson").to_str().unwrap())
        .flag("--parse", "json")
        .env("LOG_SHIPPER_ONCE", "true");
    let (code, stderr) = again.start_command(again.command()).wait_end(SOON);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(other.messages(), [format!("{POISON} one"), format!("{POISON} two")]);
}
