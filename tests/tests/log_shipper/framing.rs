//! Bytes become lines: long ones, broken ones, other encodings.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use e2e::pace::SOON;
use e2e::shipper::Settings;
use e2e::sink::Sink;
use e2e::workplace::Workplace;
use e2e::writer::Numbered;

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(bytes).unwrap();
}

/// Class 13: a long line comes in pieces, and the lines after it are as always.
#[test]
fn c13_long_line_is_split() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).flag("--max-line-bytes", "65536").start();
    let path = place.log("app.log");
    let mut log = Numbered::open(&path, "app");
    log.lines(100);
    let long: String = (0..20_000).map(|number| format!("{number:010}")).collect();
    append(&path, format!("{long}\n").as_bytes());
    log.lines(100);
    sink.wait_records(204, SOON);
    shipper.drain_ok();
    let messages = sink.messages();
    assert_eq!(messages.len(), 204);
    assert_eq!(messages[100..104].concat(), long);
    let others: Vec<_> = messages[..100].iter().chain(&messages[104..]).cloned().collect();
    let written: Vec<_> = log.written().iter().map(|line| line.text.clone()).collect();
    assert_eq!(others, written);
}

/// Class 13: or it is dropped and counted, by setting.
#[test]
fn c13_long_line_is_dropped_by_setting() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = Settings::new(&place, &sink).flag("--max-line-bytes", "65536");
    let shipper = settings.flag("--long-lines", "drop").start();
    let path = place.log("app.log");
    let mut log = Numbered::open(&path, "app");
    log.lines(100);
    append(&path, format!("{}\n", "x".repeat(200_000)).as_bytes());
    log.lines(100);
    sink.wait_records(200, SOON);
    shipper.wait_metric("log_shipper_lines_dropped_total", |lines| lines > 0.0);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// Class 13: a line without end does not fill the memory.
#[test]
fn c13_endless_line_is_bounded() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let mut shipper = Settings::new(&place, &sink).start();
    let path = place.log("app.log");
    for _block in 0..30 {
        append(&path, "y".repeat(1024 * 1024).as_bytes());
    }
    append(&path, b"\n");
    let mut log = Numbered::open(&path, "app");
    log.lines(10);
    sink.wait("the last line", SOON, |records| {
        records.last().is_some_and(|record| record.message == log.written()[9].text)
    });
    let peak = shipper.process().rss_peak_bytes();
    assert!(peak < 64 * 1024 * 1024, "{peak} bytes");
    shipper.drain_ok();
    let bytes: usize = sink.messages().iter().filter(|m| m.starts_with('y')).map(String::len).sum();
    assert_eq!(bytes, 30 * 1024 * 1024);
}

/// Class 29: bytes that are no UTF-8 become U+FFFD; all else stays.
#[test]
fn c29_bad_bytes() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).start();
    let path = place.log("app.log");
    append(&path, b"first \"quoted\" \\ back\ttab\n");
    append(&path, b"bad \xff\xfe\x80\x00\x01\xc3\n");
    append(&path, "good \u{1F600} \u{e9}\n".as_bytes());
    append(&path, b"\n\x1b[31mred\x1b[0m\x7f\n");
    sink.wait_records(5, SOON);
    assert_eq!(shipper.metrics().sum("log_shipper_lines_replaced_total").round(), 1.0);
    shipper.drain_ok();
    let messages = sink.messages();
    assert_eq!(messages[0], "first \"quoted\" \\ back\ttab");
    assert!(messages[1].starts_with("bad \u{fffd}\u{fffd}\u{fffd}\0\u{1}"), "{:?}", messages[1]);
    assert!(messages[1].ends_with('\u{fffd}'), "{:?}", messages[1]);
    assert_eq!(messages[2], "good \u{1F600} \u{e9}");
    assert_eq!(messages[3], "");
    assert_eq!(messages[4], "\u{1b}[31mred\u{1b}[0m\u{7f}");
    let offsets: Vec<_> = sink.records().iter().map(|record| record.offset).collect();
    assert_eq!(offsets, [0, 26, 37, 50, 51]);
}

/// CR LF is one line end; a CR elsewhere is content of the file, but never of a message.
#[test]
fn crlf_is_a_line_end() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.use_crlf();
    log.lines(100);
    sink.wait_records(100, SOON);
    shipper.drain_ok();
    sink.account(&[&log]).assert_exactly_once();
}

/// Class 30: UTF-16 with a byte order mark, in both orders, with both line ends, over a restart.
#[test]
fn c30_utf16() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = Settings::new(&place, &sink);
    let write = |text: &str, round: u32| {
        for name in ["le", "be"] {
            for (line_end, end_name) in [("\n", "lf"), ("\r\n", "crlf")] {
                let text = format!("{name} {end_name} {text} \u{1F600}\u{10a}\u{a0a}{line_end}");
                let mark = if round == 0 { "\u{feff}" } else { "" };
                let units = mark.encode_utf16().chain(text.encode_utf16());
                let bytes: Vec<u8> = match name {
                    "le" => units.flat_map(u16::to_le_bytes).collect(),
                    _ => units.flat_map(u16::to_be_bytes).collect(),
                };
                append(&place.log(&format!("{name}-{end_name}.log")), &bytes);
            }
        }
    };
    for (round, text) in (0..).zip(["one", "two"]) {
        write(text, round);
        let shipper = settings.start();
        let expected = if round == 0 { 4 } else { 8 };
        sink.wait_records(expected, SOON);
        shipper.drain_ok();
    }
    let mut messages = sink.messages();
    messages.sort();
    let mut expected = Vec::new();
    for name in ["be crlf", "be lf", "le crlf", "le lf"] {
        for text in ["one", "two"] {
            expected.push(format!("{name} {text} \u{1F600}\u{10a}\u{a0a}"));
        }
    }
    assert_eq!(messages, expected);
}

/// The offset of a record is that of its first byte in the file.
#[test]
fn offsets_lead_back_to_the_file() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let shipper = Settings::new(&place, &sink).start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(1000);
    sink.wait_records(1000, SOON);
    shipper.drain_ok();
    let content = fs::read_to_string(log.path()).unwrap();
    for record in sink.records() {
        let offset = usize::try_from(record.offset).unwrap();
        assert!(content.get(offset..).unwrap().starts_with(&record.message));
        assert_eq!(Path::new(&record.file), log.path());
        assert!(record.time.ends_with('Z'), "{}", record.time);
    }
}
