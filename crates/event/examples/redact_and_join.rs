//! What redaction and joining cost: prints nanoseconds of CPU for a line of an access log.
//!
//! In: nothing. Out: one line for each preset alone, for all of them, and for the rules by which
//! lines are joined, for lines that lie in memory. `cargo run --release -p event --example
//! redact_and_join`. CPU time rather than time, because a busy machine changes it little.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for a terminal")]

use std::hint::black_box;
use std::time::Instant;

use event::multiline::{Joiner, Language, Limits, Line, Rule};
use event::redact::{Preset, Redactor, Tally, presets};

const LINES: u64 = 1_000_000;
/// The best counts: what shares the machine can only make a round worse.
const ROUNDS: u64 = 5;
const DIFFERENT: usize = 1_000;

fn main() {
    let lines: Vec<String> = (0..DIFFERENT).map(line).collect();
    println!("{} bytes a line: {}", lines[1].len(), lines[1]);
    for preset in Preset::ALL {
        redact(preset.name(), &Redactor::new(&[preset], Vec::new()), &lines);
    }
    redact("all presets", &Redactor::new(&presets("all").unwrap(), Vec::new()), &lines);
    let pattern = vec![r"session\=\w+=session=[session]".parse().unwrap()];
    redact("a pattern that never matches", &Redactor::new(&[], pattern), &lines);

    let languages = "java python go ruby node".split(' ').map(|it| it.parse().unwrap());
    let languages: Vec<Language> = languages.collect();
    for (at, language) in languages.iter().enumerate() {
        join(&format!("{language:?}"), Rule::of_languages(&languages[at..=at]), &lines);
    }
    join("all languages", Rule::of_languages(&languages), &lines);
    let start = event::pattern(r"^\d+\.\d+\.\d+\.\d+ ").unwrap();
    join("a start pattern, every line a record", Rule::Start(start), &lines);
    let start = event::pattern(r"^10\.0\.0\.").unwrap();
    join("a start pattern, 256 lines a record", Rule::Start(start), &lines);
}

fn redact(name: &str, redactor: &Redactor, lines: &[String]) {
    let mut tally = Tally::default();
    let each = best(lines, |line| {
        black_box(redactor.redact(line.as_bytes(), &mut tally));
    });
    println!("{each:4} ns a line: redact, {name}");
}

fn join(name: &str, rule: Rule, lines: &[String]) {
    let mut joiner = Joiner::new(rule, Limits::new(1 << 20));
    let (now, mut offset) = (Instant::now(), 0);
    let each = best(lines, |line| {
        let line = Line { bytes: line.as_bytes(), offset, channel: 0, time: None, is_cut: false };
        joiner.push(7, &line, now, |record| {
            black_box(record);
        });
        offset += line.bytes.len() as u64 + 1;
    });
    println!("{each:4} ns a line: join, {name}");
}

fn best(lines: &[String], mut work: impl FnMut(&str)) -> u64 {
    let mut each = u64::MAX;
    for _ in 0..ROUNDS {
        let before = cpu_nanoseconds();
        for line in lines.iter().cycle().take(usize::try_from(LINES).unwrap()) {
            work(line);
        }
        each = each.min((cpu_nanoseconds() - before) / LINES);
    }
    each
}

fn line(index: usize) -> String {
    let method = ["GET", "GET", "GET", "POST"][index % 4];
    let status = [200, 200, 200, 304, 404, 502][index % 6];
    format!(
        "10.0.{}.7 - - [22/Nov/2026:10:00:00 +0000] \"{method} /api/{index} HTTP/1.1\" {status} \
         {} \"https://shop.example/list\" \"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) \
         Gecko/20100101 Firefox/128.0\"",
        index % 256,
        index * 37,
    )
}

/// Of this process so far.
fn cpu_nanoseconds() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}
