use super::*;
use crate::pattern;

pub(super) const FILE: u64 = 1;

pub(super) fn line(bytes: &str, offset: u64) -> Line<'_> {
    Line { bytes: bytes.as_bytes(), offset, channel: 0, time: None, is_cut: false }
}

pub(super) fn rule(start: &str, continuation: &str) -> Rule {
    let read = |text: &str| (!text.is_empty()).then(|| pattern(text).unwrap());
    Rule::of_patterns(read(start), read(continuation))
}

pub(super) fn limits() -> Limits {
    Limits::new(1 << 20)
}

/// What was given out, in order.
#[derive(Debug, Default)]
struct Out(Vec<(u64, String, Ending)>);

impl Out {
    fn take(&mut self) -> impl FnMut(&Record<'_>) {
        |it| self.0.push((it.offset, String::from_utf8_lossy(it.bytes).into_owned(), it.ending))
    }

    fn texts(&self) -> Vec<&str> {
        self.0.iter().map(|(_, text, _)| text.as_str()).collect()
    }

    fn endings(&self) -> Vec<Ending> {
        self.0.iter().map(|(_, _, ending)| *ending).collect()
    }
}

/// Pushes each word as a line, without the time going on, and flushes.
fn join(joiner: &mut Joiner, lines: &[&str]) -> Out {
    let (now, mut offset, mut out) = (Instant::now(), 0, Out::default());
    for text in lines {
        joiner.push(FILE, &line(text, offset), now, out.take());
        offset += text.len() as u64 + 1;
    }
    joiner.flush_all(out.take());
    assert_eq!((joiner.held_bytes(), joiner.held_from(FILE)), (0, None));
    out
}

#[test]
fn patterns_say_what_begins_and_what_goes_on() {
    let lines = ["+a", "+b", "[c", "+d", "e", "+f", "[g", "[h"];
    for (start, continuation, expected) in [
        ("", "", &lines[..]),
        (r"^\[", "", &["+a\n+b", "[c\n+d\ne\n+f", "[g", "[h"]),
        ("", r"^\+", &["+a\n+b", "[c\n+d", "e\n+f", "[g", "[h"]),
        (r"^\[", r"^\+", &["+a\n+b", "[c\n+d", "e", "+f", "[g", "[h"]),
    ] {
        let out = join(&mut Joiner::new(rule(start, continuation), limits()), &lines);
        assert_eq!(out.texts(), expected, "{start} {continuation}");
    }
}

#[test]
fn pieces_of_a_line_are_joined_without_a_line_end_and_by_channel() {
    let (now, mut out) = (Instant::now(), Out::default());
    for start in ["", r"^\["] {
        let mut joiner = Joiner::new(rule(start, ""), limits());
        let pieces = [("[a", 0, true), ("[x", 1, false), ("[b", 0, true), ("c", 0, false)];
        for ((text, channel, is_cut), offset) in pieces.into_iter().zip(0..) {
            joiner.push(FILE, &Line { channel, is_cut, ..line(text, offset) }, now, out.take());
        }
        joiner.flush_all(out.take());
        let mut texts = out.texts();
        texts.sort_unstable();
        assert_eq!(texts, ["[a[bc", "[x"]);
        out.0.clear();
    }
}

#[test]
fn a_limit_cuts_a_record_and_the_rest_goes_on_by_itself() {
    let tight = Limits { lines_max: 2, ..limits() };
    let out = join(&mut Joiner::new(rule("^S", ""), tight), &["S", "a", "b", "c", "S", "d"]);
    assert_eq!(out.texts(), ["S\na", "b\nc", "S\nd"]);
    assert_eq!(out.endings(), [Ending::Lines, Ending::Complete, Ending::Flushed]);

    let tight = Limits { bytes_max: 4, ..limits() };
    let lines = ["S1", "a", "b", "longer", "c", "S"];
    let out = join(&mut Joiner::new(rule("^S", ""), tight), &lines);
    assert_eq!(out.texts(), ["S1\na", "b", "longer", "c", "S"]);
    use Ending::{Bytes, Complete, Flushed};
    assert_eq!(out.endings(), [Bytes, Bytes, Bytes, Complete, Flushed]);
}

#[test]
fn the_oldest_makes_room() {
    let tight = Limits { held_bytes_max: 10, ..limits() };
    let (mut joiner, now) = (Joiner::new(rule("^S", ""), tight), Instant::now());
    let mut out = Out::default();
    for (file, text) in [(1, "S123"), (2, "S1"), (1, "45"), (2, "2345"), (3, "S")] {
        let at = now + Duration::from_millis(file);
        joiner.push(file, &line(text, 0), at, out.take());
        assert!(joiner.held_bytes() <= 10);
    }
    assert_eq!(out.texts(), ["S123\n45"]);
    assert_eq!(out.endings(), [Ending::Room]);
    assert_eq!(joiner.held_bytes(), 8);
    joiner.push(4, &line("longer than everything", 0), now, out.take());
    assert_eq!(joiner.held_bytes(), 8, "{out:?}");
}

#[test]
fn time_ends_a_record_unless_lines_wait_in_the_file() {
    let second = Duration::from_secs(1);
    let (mut joiner, now) = (Joiner::new(rule("^S", ""), limits()), Instant::now());
    let mut out = Out::default();
    assert_eq!(joiner.due(), None);
    joiner.push(1, &line("S", 0), now, out.take());
    joiner.push(1, &line("a", 2), now + second / 2, out.take());
    joiner.push(2, &line("S2", 0), now + second, out.take());
    assert_eq!(joiner.due(), Some(now + second));
    joiner.expire(now + second, |_file| true, out.take());
    assert!(out.0.is_empty());
    assert_eq!(joiner.due(), Some(now + second * 3 / 2));
    joiner.expire(now + second * 3 / 2, |file| file == 2, out.take());
    assert!(out.0.is_empty(), "its next line waits");
    joiner.expire(now + second * 3 / 2, |_file| true, out.take());
    assert_eq!((out.texts(), out.endings()), (vec!["S\na"], vec![Ending::Timeout]));
    assert_eq!((joiner.held_from(1), joiner.held_from(2)), (None, Some(0)));

    assert_eq!(joiner.due(), Some(now + second * 2));
    joiner.expire(now + second * 2, |_file| true, out.take());
    assert_eq!(out.texts(), ["S\na", "S2"]);
    assert_eq!(joiner.due(), None);
}

#[test]
fn a_file_that_ends_gives_out_what_is_held_of_it() {
    let (mut joiner, now) = (Joiner::new(rule("^S", ""), limits()), Instant::now());
    let mut out = Out::default();
    for file in [1, 2] {
        joiner.push(file, &line("S", file), now, out.take());
    }
    joiner.flush(1, out.take());
    assert_eq!(out.0, [(1, "S".to_owned(), Ending::Flushed)]);
    assert_eq!(joiner.held_from(2), Some(2));
}

#[test]
fn a_line_that_breaks_off_is_not_carried_and_a_part_is() {
    let (mut joiner, now) = (Joiner::new(Rule::Pieces, limits()), Instant::now());
    let (mut out, breaks_off) = (Out::default(), |channel| channel == 0);
    for (file, is_cut) in [(1, true), (2, false)] {
        joiner.carry(1, file, breaks_off);
        for channel in [0, 1] {
            let text = format!("{file} of {channel}, ");
            let line = Line { channel, is_cut, ..line(&text, 7) };
            joiner.push(file, &line, now, out.take());
        }
        assert_eq!(joiner.held_from(1), Some(7));
    }
    assert_eq!(out.texts(), ["2 of 0, ", "1 of 1, 2 of 1, "]);
    joiner.flush(1, out.take());
    assert_eq!(out.texts()[2..], ["1 of 0, "]);
    for file in 2..9 {
        joiner.push(file, &Line { is_cut: true, ..line("more", 0) }, now, out.take());
        joiner.carry(file, file + 1, |_| false);
    }
    assert_eq!(joiner.carried.len(), 7, "a file each that the record is in");
    joiner.push(9, &line(" or less", 0), now, out.take());
    joiner.push(9, &Line { is_cut: true, ..line("", 0) }, now, out.take());
    joiner.carry(9, 10, |_| false);
    assert_eq!(joiner.carried.len(), 1);
}

#[test]
fn an_ordinary_line_waits_for_nothing() {
    let mut joiner = Joiner::new(Rule::of_languages(&[Language::Java, Language::Go]), limits());
    let mut out = Out::default();
    joiner.push(1, &line("10:00 INFO started", 0), Instant::now(), out.take());
    assert_eq!(out.endings(), [Ending::Complete]);
    assert_eq!(joiner.due(), None);
}
