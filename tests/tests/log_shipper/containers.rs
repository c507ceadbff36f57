//! The lines of a container as its engine writes them: a line in parts, two streams in one file.
//!
//! The files are made as containerd and CRI-O make them, and rotated as a kubelet rotates them.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use e2e::pace::{SOON, wait_until};
use e2e::process::output_file;
use e2e::shipper::{Settings, Shipper};
use e2e::sink::{Answer, Protocol, Sink};
use e2e::workplace::Workplace;
use serde_json::json;

/// What one stream writes, as the engine puts it down, but in smaller parts.
fn parts(stream: &str, text: &str) -> Vec<Vec<u8>> {
    parts_of(7, stream, text)
}

fn parts_of(part_bytes: usize, stream: &str, text: &str) -> Vec<Vec<u8>> {
    let parts: Vec<&[u8]> = text.as_bytes().chunks(part_bytes).collect();
    let last = parts.len().saturating_sub(1);
    let part = |(at, part): (usize, &&[u8])| {
        let flag = if at == last { 'F' } else { 'P' };
        let head = format!("2026-11-22T10:00:{:02}.123456789Z {stream} {flag} ", at % 60);
        [head.as_bytes(), part, b"\n"].concat()
    };
    parts.iter().enumerate().map(part).collect()
}

/// One part of the one, one part of the other.
fn in_turns(one: Vec<Vec<u8>>, other: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut all = Vec::new();
    loop {
        let before = all.len();
        all.extend(one.next());
        all.extend(other.next());
        if all.len() == before {
            return all;
        }
    }
}

fn settings(place: &Workplace, sink: &Sink, parser: &str) -> Settings {
    Settings::new(place, sink).flag("--parse", parser).flag("--multiline-timeout", "1h")
}

/// What arrived of each stream, in order, each message once.
fn of_stream(sink: &Sink, stream: &str) -> Vec<String> {
    let mut seen: Vec<(u64, String)> = Vec::new();
    for record in sink.records() {
        if record.fields["iostream"] == stream {
            let known = seen.iter().any(|(offset, _)| *offset == record.offset);
            if !known {
                seen.push((record.offset, record.message));
            }
        }
    }
    seen.sort();
    seen.into_iter().map(|(_, message)| message).collect()
}

/// Half of a letter at the end of a part is no broken letter, and a kill between two parts gives
/// the line whole.
#[test]
fn a_line_in_parts_is_one_record_through_kills() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = settings(&place, &sink, "cri");
    let path = place.log("0.log");
    let mut log = File::create(&path).unwrap();
    let mut shipper = settings.start();
    let (mut outs, mut errors) = (Vec::new(), Vec::new());
    for number in 0..60 {
        let out = format!("stdout line {number} of größeren Ausmaßes, bis zum Ende");
        let error = format!("stderr line {number}, auch mit Übermaß");
        let lines = in_turns(parts("stdout", &out), parts("stderr", &error));
        for (at, line) in lines.iter().enumerate() {
            log.write_all(line).unwrap();
            if number % 15 == 14 && at % 4 == 3 {
                shipper.kill9();
                shipper = settings.start();
            }
        }
        outs.push(out);
        errors.push(error);
    }
    shipper.wait_no_lag();
    let metrics = shipper.metrics();
    assert!(metrics.sum("log_shipper_lines_unparsed_total") < 0.5);
    assert!(metrics.sum("log_shipper_lines_replaced_total") < 0.5, "half of a letter is no damage");
    shipper.drain_ok();
    // After a kill the end of a line can come again alone: the other stream's began behind it.
    let whole = |stream: &str, all: &[String]| -> Vec<String> {
        of_stream(&sink, stream).into_iter().filter(|it| all.contains(it)).collect()
    };
    assert_eq!(whole("stdout", &outs), outs);
    assert_eq!(whole("stderr", &errors), errors);
    let first = &sink.records()[0];
    assert!(first.fields.get("partial").is_none());
    assert_eq!(first.time, "2026-11-22T10:00:00.123456789Z", "of the first part");
}

/// A log that a kubelet rotates: it renames the file and lets the engine open a new one.
struct Rotated {
    live: PathBuf,
    file: File,
    rotations: usize,
    written: usize,
}

impl Rotated {
    /// Which `shipper` knows of before it is rotated.
    fn new(live: PathBuf, shipper: &Shipper) -> Rotated {
        let file = File::create(&live).unwrap();
        shipper.wait_metric("log_shipper_files_known", |files| files > 0.5);
        Rotated { file, live, rotations: 0, written: 0 }
    }

    /// With a time of its own.
    fn write(&mut self, line: &[u8]) {
        let time = format!("2026-11-22T10:{:02}:{:02}", self.written / 60, self.written % 60);
        self.file.write_all(&[time.as_bytes(), &line[time.len()..]].concat()).unwrap();
        self.written += 1;
    }

    fn rotate(&mut self) {
        self.rotations += 1;
        // After a restart only the birth times tell which file was first.
        let (probe, born) = (self.live.with_extension("tick"), self.file.metadata().unwrap());
        wait_until("the clock's next tick", SOON, || {
            let tick = File::create(&probe).and_then(|probe| probe.metadata()).unwrap();
            tick.modified().unwrap() > born.created().unwrap()
        });
        let old = format!("{}.20261122-{:06}", self.live.display(), self.rotations);
        fs::rename(&self.live, old).unwrap();
        self.file = File::create(&self.live).unwrap();
    }
}

/// What arrived of each stream, as it arrived.
fn arrived(sink: &Sink, stream: &str) -> Vec<String> {
    let records = sink.records().into_iter();
    let of_stream = records.filter(|record| record.fields["iostream"] == stream);
    of_stream.map(|record| record.message).collect()
}

/// Lines of both streams, rotated within those for which `is_cut` holds. Returns them.
fn write_lines(log: &mut Rotated, is_cut: impl Fn(usize) -> bool) -> [Vec<String>; 2] {
    let (mut outs, mut errors) = (Vec::new(), Vec::new());
    for number in 0..40 {
        let out = format!("stdout line {number} of größeren Ausmaßes, bis zum Ende");
        let error = format!("stderr line {number}, auch mit Übermaß");
        let lines = in_turns(parts("stdout", &out), parts("stderr", &error));
        for (at, line) in lines.iter().enumerate() {
            log.write(line);
            if is_cut(number) && at == number % 9 {
                log.rotate();
            }
        }
        outs.push(out);
        errors.push(error);
    }
    [outs, errors]
}

/// Class 32: parts of a line lie in two files.
#[test]
fn c32_lines_cut_by_rotations_are_whole_and_in_order() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = settings(&place, &sink, "cri").start();
    let mut log = Rotated::new(place.log("0.log"), &shipper);
    let [outs, errors] = write_lines(&mut log, |number| number % 3 == 2);
    sink.wait_records(80, SOON);
    shipper.wait_no_lag();
    shipper.drain_ok();
    assert_eq!(arrived(&sink, "stdout"), outs);
    assert_eq!(arrived(&sink, "stderr"), errors);
    assert!(sink.records().iter().all(|record| record.fields.get("partial").is_none()));
}

/// The same while nothing can be delivered, with a kill that finds the backlog in several files.
#[test]
fn c32_lines_cut_by_rotations_during_an_outage_and_a_kill() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = settings(&place, &sink, "cri");
    sink.set(Answer::Status(503, None));
    let shipper = settings.start();
    let mut log = Rotated::new(place.log("0.log"), &shipper);
    let [mut outs, mut errors] = write_lines(&mut log, |number| number % 10 == 2);
    wait_until("the last rotation in a checkpoint", SOON, || {
        let saved = fs::read_to_string(place.state().join("positions")).unwrap_or_default();
        saved.contains("0.log.20261122-000004")
    });
    shipper.kill9();
    let shipper = settings.start();
    let [more_outs, more_errors] = write_lines(&mut log, |number| number % 10 == 7);
    outs.extend(more_outs);
    errors.extend(more_errors);
    sink.set(Answer::Ok);
    sink.wait_records(160, SOON);
    shipper.wait_no_lag();
    shipper.drain_ok();
    assert_eq!(arrived(&sink, "stdout"), outs);
    assert_eq!(arrived(&sink, "stderr"), errors);
}

/// A kubelet rotates within a stack trace; its lines are whole, and so is the trace.
#[test]
fn c32_a_trace_over_a_rotation_is_one_record() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = settings(&place, &sink, "cri").flag("--multiline", "java");
    let shipper = settings.start();
    let mut log = Rotated::new(place.log("0.log"), &shipper);
    let trace = ["java.io.IOException: disk", "\tat com.example.Shop.buy(Shop.java:1)"];
    for (at, line) in trace.iter().enumerate() {
        log.write(&parts_of(100, "stderr", line).concat());
        if at == 0 {
            log.rotate();
        }
    }
    log.write(&parts_of(100, "stderr", "the next").concat());
    sink.wait_records(1, SOON);
    shipper.drain_ok();
    assert_eq!(arrived(&sink, "stderr"), [trace.join("\n"), "the next".to_owned()]);
}

/// A kubelet renames the file and lets the engine open a new one; the path says whose it is.
#[test]
fn a_kubelet_rotates_and_json_is_read_within() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let folder = place.logs().join("shop_web-0_2f0c7a3e-6a1c-4c55-9d3e-000000000001/nginx");
    fs::create_dir_all(&folder).unwrap();
    let live = folder.join("0.log");
    let json = |number: u32| {
        let level = if number < 150 { "warn" } else { "info" };
        format!(r#"{{"level":"{level}","msg":"number {number}","n":{number}}}"#)
    };
    let settings = settings(&place, &sink, "cri:json")
        .flag("--include", place.logs().join("*/*/*.log").to_str().unwrap())
        .env("LOG_SHIPPER_KUBERNETES_PATHS", "true")
        .env("NODE_NAME", "node-a");
    let mut log = File::create(&live).unwrap();
    let shipper = settings.start();
    for number in 0..300 {
        for part in parts("stdout", &json(number)) {
            log.write_all(&part).unwrap();
        }
        if number % 100 == 99 {
            let rotated = format!("0.log.20261122-1000{:02}", number / 100);
            fs::rename(&live, folder.join(rotated)).unwrap();
            log = File::create(&live).unwrap();
        }
    }
    sink.wait_distinct(300, SOON);
    shipper.wait_no_lag();
    shipper.drain_ok();
    let mut records = sink.records();
    assert_eq!(records.len(), 300);
    records.sort_by_key(|record| record.fields["n"].as_u64());
    for (number, record) in (0..).zip(&records) {
        assert_eq!(record.message, format!("number {number}"));
        assert_eq!(record.fields["level"], if number < 150 { "warn" } else { "info" });
        let kubernetes = json!({
            "namespace_name": "shop",
            "pod_name": "web-0",
            "pod_id": "2f0c7a3e-6a1c-4c55-9d3e-000000000001",
            "container_name": "nginx",
            "host": "node-a",
        });
        assert_eq!(record.fields["kubernetes"], kubernetes);
    }
}

/// A stack trace of one stream, with the other's lines and a line in parts between its own.
#[test]
fn a_trace_within_containers_lines_is_one_record() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = settings(&place, &sink, "cri").flag("--multiline", "java");
    let trace = [
        "java.lang.IllegalStateException: a message in several parts",
        "\tat com.example.Shop.buy(Shop.java:1)",
        "Caused by: java.io.IOException: disk",
    ];
    let traces: Vec<Vec<u8>> = trace.iter().flat_map(|line| parts_of(40, "stderr", line)).collect();
    let out: Vec<Vec<u8>> = (0..5).flat_map(|n| parts("stdout", &format!("line {n}"))).collect();
    let shipper = settings.start();
    fs::write(place.log("0.log"), in_turns(traces, out).concat()).unwrap();
    shipper.wait_metric("log_shipper_lines_read_total", |lines| lines > 8.5);
    shipper.drain_ok();
    assert_eq!(of_stream(&sink, "stderr"), [trace.join("\n")]);
    let lines: Vec<String> = (0..5).map(|n| format!("line {n}")).collect();
    assert_eq!(of_stream(&sink, "stdout"), lines);
}

/// What never gets its last part is shipped, and says so: in the drain, and in time.
#[test]
fn a_line_without_its_last_part_is_shipped_and_marked() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = settings(&place, &sink, "cri");
    let first = &parts("stdout", "the end is missing")[..2];
    fs::write(place.log("0.log"), first.concat()).unwrap();
    let drained = settings.start();
    drained.wait_metric("log_shipper_lines_read_total", |lines| lines > 1.5);
    assert_eq!(sink.messages().len(), 0, "it may go on");
    assert!(drained.metrics().sum("log_shipper_lines_acked_total") < 0.5);
    drained.drain_ok();
    fs::write(place.log("1.log"), first.concat()).unwrap();
    let timed = settings.flag("--multiline-timeout", "100ms").start();
    sink.wait_records(2, SOON);
    timed.wait_no_lag();
    timed.drain_ok();
    for record in sink.records() {
        assert_eq!(record.message, "the end is mis");
        assert_eq!(record.fields["partial"], true);
    }
}

/// What is not of the form is shipped as it is, between parts as well; a line that is too long is
/// cut and says so.
#[test]
fn other_lines_between_parts_and_lines_beyond_the_limit() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = settings(&place, &sink, "cri").flag("--max-line-bytes", "64");
    let shipper = settings.start();
    let mut lines = parts("stdout", "in three parts, or so");
    lines.insert(1, b"not from a container\n".to_vec());
    lines.extend(parts("stdout", &"x".repeat(100)));
    fs::write(place.log("0.log"), lines.concat()).unwrap();
    sink.wait_records(4, SOON);
    shipper.wait_no_lag();
    assert!((shipper.metrics().sum("log_shipper_lines_unparsed_total") - 1.0).abs() < 0.1);
    assert!((shipper.metrics().sum("log_shipper_records_cut_total") - 1.0).abs() < 0.1);
    shipper.drain_ok();
    let mut messages: Vec<(String, bool, bool)> = Vec::new();
    for record in sink.records() {
        let is = |mark: &str| record.fields.get(mark).is_some();
        messages.push((record.message.clone(), is("unparsed"), is("cut")));
    }
    assert_eq!(
        messages,
        [
            ("not from a container".to_owned(), true, false),
            ("in three parts, or so".to_owned(), false, false),
            ("x".repeat(63), false, true),
            ("x".repeat(37), false, false),
        ]
    );
}

/// What the engine says holds also where the text is not of its form.
#[test]
fn text_that_is_no_json_keeps_its_stream_and_time() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = settings(&place, &sink, "cri:json").start();
    fs::write(place.log("0.log"), parts("stderr", "panic: plain text").concat()).unwrap();
    sink.wait_records(1, SOON);
    shipper.drain_ok();
    let record = &sink.records()[0];
    assert_eq!(record.message, "panic: plain text");
    assert_eq!(record.time, "2026-11-22T10:00:00.123456789Z");
    assert_eq!(record.fields["iostream"], "stderr");
    assert_eq!(record.fields["unparsed"], true);
}

/// Raw lines are what the container wrote, without what the engine puts before them.
#[test]
fn raw_lines_and_loki_have_the_containers_text() {
    let place = Workplace::new();
    let path: PathBuf = place.log("0.log");
    fs::write(&path, parts("stdout", "as it was written").concat()).unwrap();
    let raw = Settings::bare(&place)
        .flag("--include", path.to_str().unwrap())
        .flag("--sink", "stdout")
        .flag("--parse", "cri")
        .env("LOG_SHIPPER_ONCE", "true");
    let output = place.path().join("stdout");
    let mut command = raw.command();
    command.stdout(output_file(&output));
    let (code, stderr) = raw.start_command(command).wait_end(SOON);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(fs::read_to_string(output).unwrap(), "as it was written\n");
    let sink = Sink::speaking(Protocol::LokiProtobuf);
    let file = File::create(place.log("1.log")).unwrap();
    file.write_all_at(&parts("stderr", "for Loki as well").concat(), 0).unwrap();
    let shipper = settings(&place, &sink, "cri").flag("--exclude", path.to_str().unwrap()).start();
    sink.wait_records(1, SOON);
    shipper.drain_ok();
    let record = &sink.records()[0];
    assert_eq!(record.message, "for Loki as well");
    assert_eq!(record.fields["iostream"], "stderr");
}
