//! Several sinks in one process, each with its own position.
//!
//! Class 26: a sink that takes nothing holds up itself alone, and what it missed is not sent again
//! to the others.

use std::fs;
use std::process::Stdio;

use e2e::binary::built;
use e2e::pace::{SOON, wait_until};
use e2e::process::command;
use e2e::shipper::Settings;
use e2e::sink::{Answer, Protocol, Sink};
use e2e::workplace::Workplace;
use e2e::writer::Numbered;

const LINES: usize = 5_000;

/// Settings with a sink for each of these names, which may have more settings of its own.
fn settings(place: &Workplace, sinks: &[(&str, &Sink, &str)]) -> Settings {
    let mut file = format!("include: {:?}\nlinger: 200ms\nsinks:\n", place.log("*.log"));
    for (name, sink, own) in sinks {
        let url = sink.url();
        let flags = sink.protocol().flags().iter();
        let flags = flags.map(|(flag, value)| format!(", {}: {value:?}", flag.trim_matches('-')));
        let flags: String = flags.collect();
        file += &format!("- {{name: {name}, sink-url: {url:?}{flags}{own}}}\n");
    }
    let path = place.path().join("settings.yaml");
    fs::write(&path, file).unwrap();
    Settings::bare(place).flag("--config", path.to_str().unwrap())
}

#[test]
fn c26_a_dead_sink_holds_up_itself_alone() {
    let place = Workplace::new();
    let (good, bad) = (Sink::speaking(Protocol::Bulk), Sink::start());
    let settings = settings(&place, &[("good", &good, ""), ("bad", &bad, "")]);
    let mut log = Numbered::open(place.log("app.log"), "app");
    bad.set(Answer::Status(503, None));
    let shipper = settings.start();
    for _ in 0..4 {
        log.lines(LINES);
        good.wait_records(log.written().len(), SOON);
        log.rotate(9);
    }
    let metrics = shipper.metrics();
    let acked = |name| metrics.with_label("log_shipper_lines_acked_total", "sink", name);
    assert!(acked("bad") < 1.0);
    let failing = |name| metrics.with_label("log_shipper_sink_failing", "sink", name) > 0.5;
    assert!(failing("bad") && !failing("good"));
    // A save under way may be older than the last acknowledgements; the one behind it is not.
    for _ in 0..2 {
        let saved =
            || shipper.metrics().with_label("log_shipper_checkpoints_total", "sink", "good");
        let before = saved();
        log.lines(1);
        wait_until("positions to be saved", SOON, || saved() > before);
    }
    // What the dead one owes is kept over a kill; the other gets nothing twice for it.
    shipper.kill9();
    let sent = good.attempts().len();
    let shipper = settings.start();
    bad.set(Answer::Ok);
    bad.wait_distinct(log.written().len(), SOON);
    shipper.drain_ok();
    bad.account(&[&log]).assert_exactly_once();
    good.account(&[&log]).assert_exactly_once();
    let again = good.attempts().len() - sent;
    assert!(again <= 2, "{again} requests to the healthy sink after the kill");
}

#[test]
fn c26_sigterm_with_one_dead_sink() {
    let place = Workplace::new();
    let (good, bad) = (Sink::start(), Sink::start());
    let settings = settings(&place, &[("good", &good, ""), ("bad", &bad, "")]);
    let settings = settings.flag("--shutdown-grace", "2s");
    let mut log = Numbered::open(place.log("app.log"), "app");
    bad.set(Answer::Hang);
    let shipper = settings.start();
    log.lines(LINES);
    let (code, stderr) = shipper.drain(SOON);
    assert_eq!(code, 75, "{stderr}");
    assert!(stderr.contains("unsent bytes in 1 files"), "{stderr}");
    good.account(&[&log]).assert_exactly_once();
    bad.set(Answer::Ok);
    bad.cut_connections();
    let shipper = settings.start();
    bad.wait_distinct(LINES, SOON);
    shipper.drain_ok();
    bad.account(&[&log]).assert_exactly_once();
    good.account(&[&log]).assert_exactly_once();
}

#[test]
fn files_go_by_routes() {
    let place = Workplace::new();
    let (access, error) = (Sink::speaking(Protocol::LokiProtobuf), Sink::start());
    let own = |name: &str| format!(", include: {:?}", place.log(name));
    let settings = settings(
        &place,
        &[("access", &access, &own("access.log")), ("error", &error, &own("error.log"))],
    );
    let shipper = settings.start();
    let mut first = Numbered::open(place.log("access.log"), "access");
    let mut second = Numbered::open(place.log("error.log"), "error");
    first.lines(LINES);
    second.lines(LINES);
    access.wait_records(LINES, SOON);
    error.wait_records(LINES, SOON);
    shipper.drain_ok();
    access.account(&[&first]).assert_exactly_once();
    error.account(&[&second]).assert_exactly_once();
}

/// What one sink writes is no log of another.
#[test]
fn files_that_sinks_write_are_not_followed() {
    let place = Workplace::new();
    let mut file = format!("include: {:?}\nlinger: 200ms\nsinks:\n", place.log("**"));
    for name in ["a", "b"] {
        let url = format!("file://{}", place.log(&format!("{name}.out")).display());
        file += &format!("- {{name: {name}, sink: file, sink-url: {url:?}}}\n");
    }
    let path = place.path().join("settings.yaml");
    fs::write(&path, file).unwrap();
    fs::write(place.log("app.log"), "one line\n").unwrap();
    let shipper = Settings::bare(&place).flag("--config", path.to_str().unwrap()).start();
    let lines = |name| fs::read_to_string(place.log(name)).map_or(0, |text| text.lines().count());
    wait_until("a line in both", SOON, || lines("a.out") > 0 && lines("b.out") > 0);
    shipper.drain_ok();
    assert_eq!((lines("a.out"), lines("b.out")), (1, 1));
}

#[test]
fn every_bad_section_is_named() {
    let place = Workplace::new();
    for (sections, names) in [
        (
            "[{name: a, sink: pigeon}, {name: b, linger: x}]",
            &["sinks.a.sink", "sinks.b.linger"][..],
        ),
        ("[{name: a}, {name: b}]", &["standard output"]),
        ("[{name: a, state-dir: /x}]", &["sinks.a.state-dir", "/x", "whole"]),
        ("[{name: a, log-level: debug}]", &["sinks.a.log-level", "whole"]),
        ("[{name: a, linger: 1s}]", &["sinks.a.linger", "flag"]),
        ("[{name: a, speed: 9}]", &["sinks.a.speed"]),
        ("[{sink: stdout}]", &["sinks", "no name"]),
    ] {
        let path = place.path().join("settings.yaml");
        fs::write(&path, format!("sinks: {sections}\n")).unwrap();
        let settings = Settings::bare(&place).flag("--config", path.to_str().unwrap());
        let settings = match sections.contains("1s") {
            true => settings.flag("--linger", "2s"),
            false => settings,
        };
        let (code, stderr) = settings.run_to_end(SOON);
        assert_eq!(code, 64, "{sections}: {stderr}");
        for name in names {
            assert!(stderr.contains(name), "{sections}: {name}: {stderr}");
        }
    }
}

/// What a sink sets for itself is shown under its name, without secrets.
#[test]
fn explain_shows_the_settings_of_each_sink() {
    let place = Workplace::new();
    let path = place.path().join("settings.yaml");
    let text = "linger: 2s\n\
                sinks:\n\
                - {name: a, sink: loki, sink-url: 'http://loki:3100', label: [x=1, y=2]}\n\
                - {name: b, sink: http, sink-url: 'http://b/', linger: 3s,\n\
                \x20  header: ['x-key: word']}\n";
    fs::write(&path, text).unwrap();
    let mut explain = command(built("log-shipper"));
    explain.arg("explain").arg(format!("--config={}", path.display())).stdout(Stdio::piped());
    let output = explain.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(!table.contains("word"), "{table}");
    let rows: Vec<Vec<&str>> =
        table.lines().map(|line| line.split("  ").map(str::trim).collect()).collect();
    let cells = |setting: &str| -> Vec<&str> {
        let row = rows.iter().find(|row| row[0] == setting);
        let row = row.unwrap_or_else(|| panic!("no {setting}: {table}"));
        row[1..].iter().copied().filter(|cell| !cell.is_empty()).collect()
    };
    let place = |setting: &str| format!("file {}: {setting}", path.display());
    for (setting, value) in [
        ("linger", "2s"),
        ("sinks.a.sink", "loki"),
        ("sinks.a.sink-url", "http://loki:3100"),
        ("sinks.a.label", "x=1, y=2"),
        ("sinks.b.header", "(hidden)"),
        ("sinks.b.linger", "3s"),
    ] {
        assert_eq!(cells(setting), [value, &place(setting)]);
    }
}
