use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{ContainerStream, Offset, Parser, pattern};

const FILE: u64 = 1;

fn line(bytes: &str, offset: u64) -> Line<'_> {
    Line { bytes: bytes.as_bytes(), offset, channel: 0, time: None, is_cut: false }
}

fn rule(start: &str, continuation: &str) -> Rule {
    let read = |text: &str| (!text.is_empty()).then(|| pattern(text).unwrap());
    Rule::of_patterns(read(start), read(continuation))
}

fn limits() -> Limits {
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
fn an_ordinary_line_waits_for_nothing() {
    let mut joiner = Joiner::new(Rule::of_languages(&[Language::Java, Language::Go]), limits());
    let mut out = Out::default();
    joiner.push(1, &line("10:00 INFO started", 0), Instant::now(), out.take());
    assert_eq!(out.endings(), [Ending::Complete]);
    assert_eq!(joiner.due(), None);
}

/// A line of the file that the properties read: some begin records, some go on, some are cut.
fn any_line() -> impl Strategy<Value = (String, bool)> {
    let text = prop_oneof![
        "[SabT]{0,6}",
        Just("java.lang.Error: x".to_owned()),
        Just("\tat a.B.c(B.java:1)".to_owned()),
        Just("Caused by: y".to_owned()),
        Just("Traceback (most recent call last):".to_owned()),
        Just("  File \"a.py\", line 1, in b".to_owned()),
        Just(String::new()),
    ];
    (text, prop::bool::weighted(0.1))
}

fn any_rule() -> impl Strategy<Value = Rule> {
    prop_oneof![
        Just(Rule::Pieces),
        Just(rule("^S", "")),
        Just(rule("", "^[ab]")),
        Just(rule("^S", "^a")),
        Just(Rule::of_languages(&[Language::Java, Language::Python])),
    ]
}

/// The file, and the driver of the module's description: reads in turns, delivers what it is given,
/// acknowledges up to what is held.
struct Driver<'a> {
    lines: &'a [(String, bool)],
    /// Of each line, and of the end.
    offsets: Vec<u64>,
    joiner: Joiner,
    /// Index of the next line.
    read: usize,
    acknowledged: u64,
    delivered: BTreeMap<u64, Vec<u8>>,
    now: Instant,
}

impl<'a> Driver<'a> {
    fn new(lines: &'a [(String, bool)], rule: Rule, limits: Limits) -> Driver<'a> {
        let mut offsets = vec![0];
        for (text, is_cut) in lines {
            let end = offsets[offsets.len() - 1] + text.len() as u64 + u64::from(!is_cut);
            // Two empty pieces would have the same offset.
            offsets.push(end.max(offsets[offsets.len() - 1] + 1));
        }
        let (joiner, now) = (Joiner::new(rule, limits), Instant::now());
        let (read, delivered) = (0, BTreeMap::new());
        Driver { lines, offsets, joiner, read, acknowledged: 0, delivered, now }
    }

    fn turn(&mut self, lines: usize) {
        let until = (self.read + lines).min(self.lines.len());
        for at in self.read..until {
            let (text, is_cut) = &self.lines[at];
            let line = Line { is_cut: *is_cut, ..line(text, self.offsets[at]) };
            let delivered = &mut self.delivered;
            self.joiner.push(FILE, &line, self.now, |it| {
                let earlier = delivered.insert(it.offset, it.bytes.to_vec());
                assert!(earlier.is_none_or(|earlier| earlier == it.bytes), "at {}", it.offset);
            });
        }
        self.read = until;
        let end = self.offsets[until];
        let position = self.joiner.held_from(FILE).unwrap_or(end);
        assert!(self.acknowledged <= position && position <= end);
        self.acknowledged = position;
    }

    fn is_killed(&mut self) {
        self.joiner = Joiner::new(self.joiner.rule.clone(), self.joiner.limits);
        let at = self.offsets.iter().position(|offset| *offset == self.acknowledged);
        self.read = at.expect("a record begins with a line");
    }

    fn ends(mut self) -> BTreeMap<u64, Vec<u8>> {
        while self.read < self.lines.len() {
            self.turn(usize::MAX / 2);
        }
        let delivered = &mut self.delivered;
        self.joiner.flush_all(|it| assert!(delivered.insert(it.offset, it.bytes.into()).is_none()));
        self.delivered
    }
}

proptest! {
    /// However the reading is cut into turns, and whenever the process is killed, the records are
    /// those of one undisturbed reading.
    #[test]
    fn records_do_not_depend_on_turns_and_kills(
        lines in prop::collection::vec(any_line(), 0..40),
        rule in any_rule(),
        (lines_max, bytes_max) in (1_u32..6, 1_usize..60),
        acts in prop::collection::vec((0_usize..8, prop::bool::weighted(0.3)), 0..30),
    ) {
        let limits = Limits { lines_max, bytes_max, ..limits() };
        let expected = Driver::new(&lines, rule.clone(), limits).ends();
        let mut driver = Driver::new(&lines, rule, limits);
        for (lines, is_killed) in acts {
            driver.turn(lines);
            if is_killed {
                driver.is_killed();
            }
        }
        prop_assert_eq!(driver.ends(), expected);
    }

    /// However an engine cuts what a container writes to its two streams, and whichever way the
    /// parts lie between each other: each stream has its lines back.
    #[test]
    fn containers_lines_come_back_whole(
        lines in prop::collection::vec(("[aé \\r]{0,12}", any::<bool>()), 0..20),
        part_bytes in 1_usize..6,
        picks in prop::collection::vec(any::<bool>(), 200),
    ) {
        // Of each stream all parts in order, the next stream picked at random.
        let mut parts: [Vec<Vec<u8>>; 2] = Default::default();
        for (text, is_stderr) in &lines {
            let name = if *is_stderr { "stderr" } else { "stdout" };
            let mut rest = text.as_bytes();
            loop {
                let (part, behind) = rest.split_at(part_bytes.min(rest.len()));
                rest = behind;
                let flag = if rest.is_empty() { 'F' } else { 'P' };
                let head = format!("2026-11-22T10:00:00.1Z {name} {flag} ");
                parts[usize::from(*is_stderr)].push([head.as_bytes(), part].concat());
                if rest.is_empty() {
                    break;
                }
            }
        }
        let mut parts = parts.map(Vec::into_iter);
        let mut picks = picks.into_iter().map(usize::from);
        let mut parser = Parser::from_setting("cri", Offset::UTC).unwrap();
        let mut joiner = Joiner::new(Rule::Pieces, limits());
        let mut got: [Vec<String>; 2] = Default::default();
        for offset in 0.. {
            let pick = picks.next().unwrap_or_default();
            let next = parts[pick].next().or_else(|| parts[1 - pick].next());
            let Some(next) = next else { break };
            let part = parser.container_line(&next).unwrap();
            let line = Line {
                bytes: part.text,
                offset,
                channel: u8::from(part.stream == ContainerStream::Stderr),
                time: Some(part.time),
                is_cut: part.is_partial,
            };
            joiner.push(FILE, &line, Instant::now(), |it| {
                assert!(!it.is_partial && it.time.is_some());
                got[usize::from(it.channel)].push(String::from_utf8(it.bytes.to_vec()).unwrap());
            });
        }
        prop_assert_eq!(joiner.held_bytes(), 0);
        let of = |stream: bool| {
            let of = lines.iter().filter(|(_, is_stderr)| *is_stderr == stream);
            of.map(|(text, _)| text.clone()).collect::<Vec<_>>()
        };
        prop_assert_eq!(got, [of(false), of(true)]);
    }

    /// Whatever ends a record, each line is in one record of its channel, in order, and the limits
    /// hold.
    #[test]
    fn no_line_is_lost_or_doubled(
        lines in prop::collection::vec((any_line(), 0_u64..3, 0_u8..2, 0_u64..900), 0..60),
        rule in any_rule(),
        held_bytes_max in 0_usize..80,
    ) {
        let limits = Limits { lines_max: 5, bytes_max: 50, held_bytes_max, ..limits() };
        let mut joiner = Joiner::new(rule, limits);
        let mut now = Instant::now();
        let (mut expected, mut got) = (BTreeMap::new(), BTreeMap::new());
        let mut on_record = |it: &Record<'_>| {
            assert!(it.lines <= 5 && (it.bytes.len() <= 50 || it.lines == 1));
            let text: &mut Vec<u8> = got.entry((it.file, it.channel)).or_default();
            text.extend(it.bytes.iter().filter(|byte| **byte != b'\n'));
        };
        for (offset, ((text, is_cut), file, channel, millis)) in (0..).zip(&lines) {
            now += Duration::from_millis(*millis);
            joiner.expire(now, |file| file != 1, &mut on_record);
            let line = Line { channel: *channel, is_cut: *is_cut, ..line(text, offset) };
            joiner.push(*file, &line, now, &mut on_record);
            assert!(joiner.held_bytes() <= held_bytes_max);
            let all: &mut Vec<u8> = expected.entry((*file, *channel)).or_default();
            all.extend(text.as_bytes());
        }
        joiner.flush_all(on_record);
        prop_assert_eq!(joiner.held_bytes(), 0);
        prop_assert_eq!(got, expected);
    }
}
