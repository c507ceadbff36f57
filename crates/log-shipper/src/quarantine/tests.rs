//! The file of a quarantine: what a line says, what it takes, what a kill leaves.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::*;
use crate::batch::Batch;

fn records(texts: &[&str]) -> Records {
    let mut batch = Batch::new(true);
    batch.begin(b"");
    for (number, text) in texts.iter().enumerate() {
        batch.begin_file(Path::new(if number == 0 { "/logs/first.log" } else { "/logs/b.log" }));
        batch.add(|out| out.push(0));
        batch.note(number as u64 * 10, text.as_bytes());
    }
    batch.take_records()
}

fn store(dir: &Path, bytes_max: u64) -> Store {
    let path = dir.join("es.quarantine.ndjson");
    Store { path, sink: "es".to_owned(), bytes_max, file: None, full_at: None }
}

fn rejected(each: &[(usize, &str)]) -> Rejected {
    let why = each.first().map(|(_, why)| (*why).to_owned()).unwrap_or_default();
    let numbered = each.iter().map(|(number, why)| (*number, (*why).to_owned())).collect();
    Rejected { count: each.len() as u64, why, each: numbered }
}

fn kept(store: &Store) -> Vec<Value> {
    let text = fs::read_to_string(&store.path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_line_says_what_was_refused_and_why() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = store(&dir.path().join("made"), u64::MAX);
    let of = records(&["one", "tw\"o\n", "three"]);
    let long = "\u{20ac}".repeat(1000);
    let kept_of = store.keep(&of, "refused_by_sink", &rejected(&[(0, "bad"), (1, &long)])).unwrap();
    assert_eq!((kept_of.records, kept_of.missed), (2, 0));
    assert_eq!(kept_of.bytes, fs::metadata(&store.path).unwrap().len());
    let lines = kept(&store);
    assert!(lines[0]["time"].as_str().unwrap().ends_with('Z'));
    for (line, field, expected) in [
        (0, "sink", "es"),
        (0, "reason", "refused_by_sink"),
        (0, "detail", "bad"),
        (0, "path", "/logs/first.log"),
        (0, "message", "one"),
        (1, "path", "/logs/b.log"),
        (1, "message", "tw\"o\n"),
        (1, "detail", &"\u{20ac}".repeat(DETAIL_BYTES_MAX / 3)),
    ] {
        assert_eq!(lines[line][field], expected, "{field} of {line}");
    }
    assert_eq!((&lines[0]["offset"], &lines[1]["offset"]), (&Value::from(0), &Value::from(10)));
}

/// Halves and picks of a batch know their own records.
#[test]
fn what_nobody_points_at_is_kept_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = store(dir.path(), u64::MAX);
    let [_, second] = records(&["one", "two", "three", "four"]).halve().unwrap();
    let all = Rejected { count: 1, why: "bad".to_owned(), each: Vec::new() };
    store.keep(&second.pick(&[1]), "too_large_for_sink", &all).unwrap();
    store.keep(&second, "refused_by_sink", &all).unwrap();
    let messages: Vec<_> = kept(&store).iter().map(|line| line["message"].clone()).collect();
    assert_eq!(messages, ["four", "three", "four"]);
}

#[test]
fn a_full_file_keeps_what_it_has_until_it_is_moved_or_emptied() {
    let dir = tempfile::tempdir().unwrap();
    let of = records(&["one", "two", &"x".repeat(200)]);
    let mut store = store(dir.path(), 400);
    let counts = |store: &mut Store| {
        let kept = store.keep(&of, "refused_by_sink", &rejected(&[(0, ""), (1, ""), (2, "")]));
        kept.map(|kept| (kept.records, kept.missed)).unwrap()
    };
    assert_eq!(counts(&mut store), (2, 1));
    assert_eq!(counts(&mut store), (0, 3));
    // One that is short enough would be there without those before it.
    let short = store.keep(&records(&[""]), "", &rejected(&[(0, "")])).unwrap();
    assert_eq!(short.missed, 1);
    fs::rename(&store.path, dir.path().join("moved")).unwrap();
    assert_eq!(counts(&mut store), (2, 1));
    File::options().write(true).open(&store.path).unwrap().set_len(0).unwrap();
    assert_eq!(counts(&mut store), (2, 1));
    assert_eq!(kept(&store).len(), 2);
}

#[test]
fn a_part_of_a_line_is_cut_off_when_the_file_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let half = format!("{{\"message\":\"{}", "x".repeat(200 << 10));
    for (left, whole) in [
        ("", 0),
        ("{\"time\":", 0),
        ("{}\n", 1),
        ("{}\n{}\n{\"ti", 2),
        (&format!("{{}}\n{half}"), 1),
        (&half, 0),
    ] {
        let mut store = store(dir.path(), u64::MAX);
        fs::write(&store.path, left).unwrap();
        store.keep(&records(&["one"]), "refused_by_sink", &rejected(&[(0, "bad")])).unwrap();
        let lines = kept(&store);
        assert_eq!((lines.len(), &lines[whole]["message"]), (whole + 1, &Value::from("one")));
    }
}

#[test]
fn what_cannot_be_opened_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = store(&dir.path().join("file"), u64::MAX);
    fs::write(dir.path().join("file"), "").unwrap();
    let (of, bad) = (records(&["one"]), rejected(&[(0, "bad")]));
    assert!(store.keep(&of, "refused_by_sink", &bad).is_err());
    fs::remove_file(dir.path().join("file")).unwrap();
    assert!(store.keep(&of, "refused_by_sink", &bad).is_ok());
    assert_eq!(kept(&store).len(), 1);
}
