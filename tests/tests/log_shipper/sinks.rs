//! The other sinks, formats, labels and encodings on the wire.

use std::fs;
use std::path::{Path, PathBuf};

use e2e::pace::{SOON, wait_until};
use e2e::process::output_file;
use e2e::shipper::{Settings, Shipper};
use e2e::sink::Sink;
use e2e::workplace::Workplace;
use e2e::writer::Numbered;

/// All logs to stdout, which goes to a file.
fn start_stdout(place: &Workplace, flags: &[(&str, &str)]) -> (Shipper, PathBuf) {
    let mut settings = Settings::bare(place)
        .flag("--include", place.log("*.log").to_str().unwrap())
        .flag("--linger", "200ms");
    for (name, value) in flags {
        settings = settings.flag(name, value);
    }
    let output = place.path().join("stdout");
    let mut command = settings.command();
    command.stdout(output_file(&output));
    let mut shipper = settings.start_command(command);
    shipper.wait_ready();
    (shipper, output)
}

fn lines_of(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

fn texts(log: &Numbered) -> Vec<String> {
    log.written().iter().map(|line| line.text.clone()).collect()
}

#[test]
fn stdout_raw() {
    let place = Workplace::new();
    let (shipper, output) = start_stdout(&place, &[("--format", "raw")]);
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(5000);
    shipper.drain_ok();
    assert_eq!(lines_of(&output), texts(&log));
}

#[test]
fn stdout_prefixed() {
    let place = Workplace::new();
    let (shipper, output) = start_stdout(&place, &[("--format", "prefixed")]);
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(100);
    shipper.drain_ok();
    let lines = lines_of(&output);
    assert_eq!(lines.len(), 100);
    for (line, text) in lines.iter().zip(texts(&log)) {
        let prefix = line.strip_suffix(&text).unwrap();
        assert!(prefix.contains("app.log"), "{line}");
    }
}

#[test]
fn stdout_json_with_labels() {
    let place = Workplace::new();
    let flags = [("--format", "json"), ("--label", "pod=web-1"), ("--label", "zone=a")];
    let (shipper, output) = start_stdout(&place, &flags);
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(100);
    shipper.drain_ok();
    let lines = lines_of(&output);
    assert_eq!(lines.len(), 100);
    for (line, text) in lines.iter().zip(texts(&log)) {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(record["message"], text.as_str());
        assert_eq!(record["file"], log.path().to_str().unwrap());
        assert_eq!((&record["pod"], &record["zone"]), (&"web-1".into(), &"a".into()));
        assert!(record["time"].is_string() && record["offset"].is_u64());
    }
}

#[test]
fn file_sink() {
    let place = Workplace::new();
    let output = place.path().join("out.log");
    let settings = Settings::bare(&place)
        .flag("--include", place.log("*.log").to_str().unwrap())
        .flag("--linger", "200ms")
        .flag("--sink", "file")
        .flag("--format", "raw")
        .flag("--sink-url", &format!("file://{}", output.display()));
    let mut log = Numbered::open(place.log("app.log"), "app");
    for _restart in 0..3 {
        log.lines(500);
        let shipper = settings.start();
        log.lines(500);
        shipper.drain_ok();
    }
    assert_eq!(lines_of(&output), texts(&log));
}

/// What a shipper that was killed in the middle of a write leaves in the file.
#[test]
fn file_sink_after_half_a_write() {
    let place = Workplace::new();
    let output = place.path().join("out.log");
    let settings = Settings::bare(&place)
        .flag("--include", place.log("*.log").to_str().unwrap())
        .flag("--linger", "200ms")
        .flag("--sink", "file")
        .flag("--sink-url", &format!("file://{}", output.display()));
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(100);
    settings.start().drain_ok();
    log.lines(100);
    let next = &log.written()[100].text;
    let torn = fs::read_to_string(&output).unwrap() + next.split_at(next.len() / 2).0;
    fs::write(&output, torn).unwrap();
    settings.start().drain_ok();
    assert_eq!(lines_of(&output), texts(&log));
}

#[test]
fn blackhole_sink() {
    let place = Workplace::new();
    let settings = Settings::bare(&place)
        .flag("--include", place.log("*.log").to_str().unwrap())
        .flag("--linger", "200ms")
        .flag("--sink", "blackhole");
    let shipper = settings.start();
    Numbered::open(place.log("app.log"), "app").lines(1000);
    shipper.wait_metric("log_shipper_lines_acked_total", |lines| lines.round() >= 1000.0);
    assert_eq!(shipper.metrics().sum("log_shipper_lines_read_total").round(), 1000.0);
    shipper.drain_ok();
}

#[test]
fn compression_headers_and_labels() {
    for compression in ["none", "gzip", "zstd"] {
        let (place, sink) = (Workplace::new(), Sink::start());
        let settings = Settings::new(&place, &sink)
            .flag("--compression", compression)
            .flag("--header", "X-Scope: one")
            .flag("--header", "Authorization: Bearer abc")
            .flag("--label", "app=web");
        let shipper = settings.start();
        let mut log = Numbered::open(place.log("app.log"), "app");
        log.lines(2000);
        sink.wait_records(2000, SOON);
        shipper.drain_ok();
        sink.account(&[&log]).assert_exactly_once();
        assert!(sink.records().iter().all(|record| record.fields["app"] == "web"));
        let attempt = sink.attempts().remove(0);
        let header = |name: &str| {
            let found = attempt.headers.iter().find(|(known, _value)| known == name);
            found.map(|(_name, value)| value.as_str())
        };
        assert_eq!(attempt.target, "/ingest");
        assert_eq!(header("content-type"), Some("application/x-ndjson"));
        assert_eq!(header("x-scope"), Some("one"));
        assert_eq!(header("authorization"), Some("Bearer abc"));
        let encoding = if compression == "none" { None } else { Some(compression) };
        assert_eq!(header("content-encoding"), encoding);
    }
}

/// A reader of stdout that does not read stops the reading of files, and no line is lost.
#[test]
fn a_blocked_stdout_blocks_reading() {
    let place = Workplace::new();
    let settings = Settings::bare(&place)
        .flag("--include", place.log("*.log").to_str().unwrap())
        .flag("--linger", "200ms");
    let pipe = place.path().join("pipe");
    e2e::workplace::run(std::process::Command::new("mkfifo").arg(&pipe));
    let both_ends = fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let mut command = settings.command();
    command.stdout(both_ends.try_clone().unwrap());
    let mut shipper = settings.start_command(command);
    shipper.wait_ready();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.set_padding("p".repeat(1000));
    log.lines(30_000);
    shipper.wait_metric("log_shipper_lines_read_total", |lines| lines > 0.0);
    let peak = shipper.process().rss_peak_bytes();
    assert!(peak < 40 * 1024 * 1024, "{peak} bytes");
    let reader = std::thread::spawn(move || {
        use std::io::BufRead;
        let lines = std::io::BufReader::new(both_ends).lines();
        lines.take(30_000).map(Result::unwrap).collect::<Vec<_>>()
    });
    wait_until("the end of reading", SOON, || reader.is_finished());
    assert_eq!(reader.join().unwrap(), texts(&log));
    shipper.drain_ok();
}
