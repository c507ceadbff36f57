//! `log-shipper tail`: what a person sees who follows files with it.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use e2e::binary::{built, installed};
use e2e::pace::{SOON, holds_for, wait_until};
use e2e::process::{Guard, Signal, command, output_file};
use e2e::workplace::Workplace;

/// More than a pipe holds, and than two batches.
const PIPE_FULL_BYTES: usize = 4 << 20;

/// A running `log-shipper tail` in the folder of the logs.
struct Tail {
    guard: Guard,
    stdout: PathBuf,
}

fn tail_command(arguments: &[&str]) -> Command {
    let mut command = command(built("log-shipper"));
    command.arg("tail").args(arguments);
    command
}

impl Tail {
    fn start(place: &Workplace, arguments: &[&str]) -> Tail {
        let stdout = place.path().join("stdout");
        let mut command = tail_command(arguments);
        command.stdout(output_file(&stdout));
        Tail { guard: Guard::spawn(command, &place.logs(), "tail"), stdout }
    }

    fn text(&self) -> String {
        String::from_utf8(fs::read(&self.stdout).unwrap()).unwrap()
    }

    #[track_caller]
    fn wait_text(&self, expected: &str) {
        let all_there = || self.text().len() >= expected.len();
        wait_until("the lines", SOON, all_there);
        assert_eq!(self.text(), expected);
    }

    fn end(&mut self, signal: Signal) {
        self.guard.signal(signal);
        assert_eq!(self.guard.wait_code(SOON), 0, "{}", self.guard.stderr_text());
    }
}

fn append(place: &Workplace, name: &str, text: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(place.log(name)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn numbers(name: &str, range: std::ops::RangeInclusive<u32>) -> String {
    range.map(|number| format!("{name} {number}\n")).collect()
}

#[test]
fn it_begins_with_the_last_lines_and_follows_through_rotation() {
    let place = Workplace::new();
    append(&place, "a.log", &numbers("a", 1..=100));
    let mut tail = Tail::start(&place, &["./a.log"]);
    tail.wait_text(&numbers("a", 91..=100));
    append(&place, "a.log", &numbers("a", 101..=105));
    tail.wait_text(&numbers("a", 91..=105));
    fs::rename(place.log("a.log"), place.log("a.log.1")).unwrap();
    append(&place, "a.log.1", &numbers("a", 106..=107));
    append(&place, "a.log", &numbers("a", 108..=120));
    tail.wait_text(&numbers("a", 91..=120));
    tail.end(Signal::INT);
    assert_eq!(tail.text(), numbers("a", 91..=120));
}

#[test]
fn so_many_lines_as_are_asked_for() {
    for (arguments, first) in [
        (&["-n", "2", "a.log"][..], 19),
        (&["-n0", "a.log"], 21),
        (&["-n", "+1", "-F", "a.log"], 1),
        (&["--lines=99", "-f", "../logs/a.log"], 1),
    ] {
        let place = Workplace::new();
        append(&place, "a.log", &numbers("a", 1..=20));
        let mut tail = Tail::start(&place, arguments);
        tail.wait_text(&numbers("a", first..=20));
        // With nothing to begin with, it may not have begun.
        let probe = || {
            append(&place, "a.log", "more\n");
            tail.text().ends_with("more\n")
        };
        wait_until("what comes later", SOON, probe);
        let shown = tail.text();
        assert!(shown.starts_with(&(numbers("a", first..=20) + "more\n")), "{shown}");
        tail.end(Signal::INT);
    }
}

#[test]
fn lines_of_several_files_say_which() {
    let place = Workplace::new();
    append(&place, "a.log", "one\n");
    let other = place.path().join("b.log");
    fs::write(&other, "two\n").unwrap();
    let other = other.to_str().unwrap();
    let both = format!("a.log: one\n{other}: two\n");
    for (arguments, expected) in [
        (&["a.log", other][..], both.as_str()),
        (&["--prefix=never", "a.log", other], "one\ntwo\n"),
        (&["--prefix=always", "a.log"], "a.log: one\n"),
        (&["a.log"], "one\n"),
        (&["*.log"], "a.log: one\n"),
    ] {
        let mut tail = Tail::start(&place, arguments);
        wait_until("the lines", SOON, || tail.text().len() >= expected.len());
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&tail.text()), sorted(expected), "{arguments:?}");
        tail.end(Signal::INT);
    }
}

#[test]
fn files_that_come_later_are_shown_from_their_beginning() {
    let place = Workplace::new();
    let mut tail = Tail::start(&place, &["-n1", "--prefix=never", "new.log", "sub/*.txt"]);
    wait_until("a word on the missing file", SOON, || {
        tail.guard.stderr_text().contains("Waiting for a file")
    });
    append(&place, "new.log", "one\ntwo\n");
    tail.wait_text("one\ntwo\n");
    fs::create_dir(place.log("sub")).unwrap();
    append(&place, "sub/b.txt", "three\n");
    tail.wait_text("one\ntwo\nthree\n");
    tail.end(Signal::INT);
}

/// The end of an app: what is there is shown.
#[test]
fn sigterm_shows_the_last_line_without_an_end() {
    let place = Workplace::new();
    append(&place, "a.log", "whole\n");
    let mut tail = Tail::start(&place, &["a.log"]);
    tail.wait_text("whole\n");
    append(&place, "a.log", "more\nhalf");
    tail.end(Signal::TERM);
    assert_eq!(tail.text(), "whole\nmore\nhalf\n");
}

/// Whoever reads slowly holds it up, and it holds nothing but its batch; a signal ends it.
#[test]
fn a_reader_that_waits_is_waited_for() {
    let place = Workplace::new();
    let line = "x".repeat(1000) + "\n";
    append(&place, "a.log", &line.repeat(PIPE_FULL_BYTES * 4 / line.len()));
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = tail_command(&["-n", "+1", "a.log"]);
    command.stdout(Stdio::from(writer));
    let mut guard = Guard::spawn(command, &place.logs(), "tail");
    let mut first = vec![0; PIPE_FULL_BYTES];
    reader.read_exact(&mut first).unwrap();
    assert!(first.chunks_exact(line.len()).all(|chunk| chunk == line.as_bytes()));
    assert!(holds_for(Duration::from_millis(200), || guard.is_running()));
    assert!(guard.rss_bytes() < 24 << 20, "{} bytes", guard.rss_bytes());
    guard.signal(Signal::INT);
    assert_eq!(guard.wait_code(SOON), 0);
}

#[test]
fn a_reader_that_leaves_ends_it() {
    let place = Workplace::new();
    append(&place, "a.log", &numbers("a", 1..=3));
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = tail_command(&["a.log"]);
    command.stdout(Stdio::from(writer));
    let mut guard = Guard::spawn(command, &place.logs(), "tail");
    reader.read_exact(&mut [0; 4]).unwrap();
    drop(reader);
    wait_until("the end", SOON, || {
        append(&place, "a.log", "more\n");
        !guard.is_running()
    });
    assert_eq!((guard.wait_code(SOON), guard.stderr_text().as_str()), (0, ""));
}

/// `script` gives it a terminal.
#[test]
fn colours_are_for_terminals() {
    for (no_color, expected) in [("", "\u{1b}[36ma.log:\u{1b}[0m one"), ("1", "a.log: one")] {
        let place = Workplace::new();
        append(&place, "a.log", "one\n");
        let line = format!("{} tail --prefix always a.log", built("log-shipper").display());
        let mut script = command(installed("script", "bsdutils"));
        script.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]);
        let stdout = place.path().join("stdout");
        script.env("NO_COLOR", no_color).stdout(output_file(&stdout));
        let _guard = Guard::spawn(script, &place.logs(), "script");
        wait_until("the line", SOON, || {
            let shown = String::from_utf8(fs::read(&stdout).unwrap()).unwrap();
            shown.lines().next() == Some(expected)
        });
    }
}

#[test]
fn what_is_wrong_is_named_at_once() {
    let place = Workplace::new();
    for (arguments, named) in [
        (&["tail", "-n", "ten", "--prefix=often", "."][..], &["ten", "often", "directory"][..]),
        (&["tail"], &["missing"]),
        (&["tail", "a.log", "--sink=stdout"], &["--sink"]),
        (&["--sink=stdout", "tail", "a.log"], &["first word"]),
    ] {
        let mut command = command(built("log-shipper"));
        command.args(arguments);
        let mut guard = Guard::spawn(command, &place.logs(), "tail");
        assert_eq!(guard.wait_code(SOON), 64, "{arguments:?}");
        let stderr = guard.stderr_text();
        assert!(named.iter().all(|word| stderr.contains(word)), "{arguments:?}: {stderr}");
    }
}
