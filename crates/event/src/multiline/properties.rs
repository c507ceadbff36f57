//! Records against any turns of reading, rotations, kills and limits.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::tests::{FILE, limits, line, rule};
use super::*;
use crate::{ContainerStream, Offset, Parser};

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

/// A log that is rotated, and the driver of the module's description: reads in turns, delivers what
/// it is given, acknowledges of each file up to what is held.
struct Driver<'a> {
    lines: &'a [(String, bool)],
    /// The file of each line, and the offset in it.
    places: Vec<(u64, u64)>,
    /// The end of each file.
    ends: Vec<u64>,
    joiner: Joiner,
    /// Index of the next line.
    read: usize,
    acknowledged: Vec<u64>,
    delivered: BTreeMap<(u64, u64), Vec<u8>>,
    now: Instant,
}

impl<'a> Driver<'a> {
    /// A new file begins at each line whose number is in `rotations`.
    fn new(
        lines: &'a [(String, bool)],
        rotations: &BTreeSet<usize>,
        rule: Rule,
        limits: Limits,
    ) -> Driver<'a> {
        let (mut places, mut ends) = (Vec::new(), vec![0]);
        for (at, (text, is_cut)) in lines.iter().enumerate() {
            if at > 0 && rotations.contains(&at) {
                ends.push(0);
            }
            let file = ends.len() as u64 - 1;
            let end = ends.last_mut().unwrap();
            places.push((file, *end));
            // Two empty pieces would have the same offset.
            *end += (text.len() as u64 + u64::from(!is_cut)).max(1);
        }
        let (joiner, acknowledged) = (Joiner::new(rule, limits), vec![0; ends.len()]);
        let (read, delivered, now) = (0, BTreeMap::new(), Instant::now());
        Driver { lines, places, ends, joiner, read, acknowledged, delivered, now }
    }

    fn turn(&mut self, lines: usize) {
        let until = (self.read + lines).min(self.lines.len());
        for at in self.read..until {
            let (text, is_cut) = &self.lines[at];
            let (file, offset) = self.places[at];
            if file > 0 && offset == 0 {
                self.joiner.carry(file - 1, file, |_channel| false);
            }
            let line = Line { is_cut: *is_cut, ..line(text, offset) };
            let delivered = &mut self.delivered;
            self.joiner.push(file, &line, self.now, |it| {
                let earlier = delivered.insert((it.file, it.offset), it.bytes.to_vec());
                assert!(earlier.is_none_or(|earlier| earlier == it.bytes), "at {}", it.offset);
            });
        }
        self.read = until;
        let next = self.places.get(until).copied().unwrap_or((u64::MAX, 0));
        for (file, acknowledged) in (0..).zip(&mut self.acknowledged) {
            let read = match file.cmp(&next.0) {
                Ordering::Less => self.ends[usize::try_from(file).unwrap()],
                Ordering::Equal => next.1,
                Ordering::Greater => 0,
            };
            let position = self.joiner.held_from(file).unwrap_or(read);
            assert!(*acknowledged <= position && position <= read, "of file {file}");
            *acknowledged = position;
        }
    }

    fn is_killed(&mut self) {
        self.joiner = Joiner::new(self.joiner.rule.clone(), self.joiner.limits);
        let acknowledged = |file: u64| self.acknowledged[usize::try_from(file).unwrap()];
        let is_done = |(file, offset): &(u64, u64)| *offset < acknowledged(*file);
        let done = self.places.iter().filter(|place| is_done(place)).count();
        let first = self.places.iter().position(|place| !is_done(place));
        self.read = first.unwrap_or(self.places.len());
        assert_eq!(self.read, done, "nothing behind a record that is held is acknowledged");
    }

    fn ends(mut self) -> Vec<Vec<u8>> {
        while self.read < self.lines.len() {
            self.turn(usize::MAX / 2);
        }
        let delivered = &mut self.delivered;
        self.joiner.flush_all(|it| {
            assert!(delivered.insert((it.file, it.offset), it.bytes.into()).is_none());
        });
        assert!((0..).zip(&self.ends).all(|(file, _)| self.joiner.held_from(file).is_none()));
        self.delivered.into_values().collect()
    }
}

proptest! {
    /// However the reading is cut into turns, whenever the log is rotated and whenever the process
    /// is killed, the records are those of one undisturbed reading of one file.
    #[test]
    fn records_do_not_depend_on_turns_and_kills(
        lines in prop::collection::vec(any_line(), 0..40),
        rule in any_rule(),
        (lines_max, bytes_max) in (1_u32..6, 1_usize..60),
        rotations in prop::collection::btree_set(0_usize..40, 0..6),
        acts in prop::collection::vec((0_usize..8, prop::bool::weighted(0.3)), 0..30),
    ) {
        let limits = Limits { lines_max, bytes_max, ..limits() };
        let expected = Driver::new(&lines, &BTreeSet::new(), rule.clone(), limits).ends();
        let mut driver = Driver::new(&lines, &rotations, rule, limits);
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
