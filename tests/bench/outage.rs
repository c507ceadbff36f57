//! A sink that is away while a gigabyte is written, and SIGTERM with 100 MB unread.
//!
//! Of the outage count the memory while nothing is taken (503), and how fast the backlog leaves
//! afterwards; of the drain the time from the signal to the end of the process, which is 0 only if
//! everything was acknowledged. Written is by this process, at the speed of the page cache.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Instant;

use e2e::pace::SOON;
use e2e::process::Signal;
use e2e::table::{Rounds, markdown};
use e2e::workplace::Workplace;

use crate::agent::{Agent, Job, To};
use crate::corpus::Corpus;
use crate::intake::Ports;
use crate::{Request, progress};

const SINKS: [To; 3] = [To::Http("none"), To::Plain("loki"), To::Plain("elasticsearch")];
const UNREAD_BYTES: u64 = 100_000_000;
const HEAD: [&str; 5] = ["to", "memory MB, away", "peak memory MB", "backlog MB/s", "drain s"];

#[derive(Debug, Default)]
struct Figures {
    away_megabytes: Rounds,
    peak_megabytes: Rounds,
    megabytes_per_second: Rounds,
    drain_seconds: Rounds,
}

pub(crate) fn run(request: &Request, ports: &Ports) -> String {
    let corpus = Corpus::cached(request.scale.corpus_bytes);
    let unread = Corpus::cached(UNREAD_BYTES);
    let mut cases = SINKS.map(|to| (to, Figures::default()));
    for round in 1..=request.scale.rounds {
        for (to, figures) in &mut cases {
            progress(&format!("round {round}: {} away", to.name()));
            outage(*to, &corpus, ports, figures);
            progress(&format!("round {round}: SIGTERM, {}", to.name()));
            figures.drain_seconds.add(drain(*to, &unread, ports));
        }
    }
    let row = |(to, figures): &(To, Figures)| {
        vec![
            to.name(),
            figures.away_megabytes.cell(1),
            figures.peak_megabytes.cell(1),
            figures.megabytes_per_second.cell(0),
            figures.drain_seconds.cell(2),
        ]
    };
    let title = format!(
        "The sink is away while {} MB are written; SIGTERM with {} MB unread",
        corpus.bytes / 1_000_000,
        unread.bytes / 1_000_000
    );
    markdown(&title, &HEAD, &cases.iter().map(row).collect::<Vec<_>>())
}

#[expect(clippy::cast_precision_loss, reason = "bytes and lines are far below 2^52")]
fn outage(to: To, corpus: &Corpus, ports: &Ports, figures: &mut Figures) {
    let place = Workplace::new();
    let intake = ports.begin();
    intake.set_away(true);
    let log = place.log("app.log");
    File::create(&log).unwrap();
    let job = Job { agent: Agent::LogShipper, to, folder: place.path(), input: &log, ports };
    let mut running = job.start(&intake);
    running.wait_until("the first metrics", |running| running.lines_acked().is_some());
    append(corpus, &log);
    running.wait_until("a refusal", |_running| intake.refused() >= 2);
    figures.away_megabytes.add(running.guard.rss_peak_bytes() as f64 / 1e6);
    intake.set_away(false);
    running.wait_until("the first delivery", |_running| intake.first_arrival().is_some());
    let start = Instant::now();
    running.wait_until("the end of the backlog", |running| {
        running.lines_acked().is_some_and(|lines| lines >= corpus.lines as f64)
    });
    figures.megabytes_per_second.add(corpus.bytes as f64 / start.elapsed().as_secs_f64() / 1e6);
    figures.peak_megabytes.add(running.guard.rss_peak_bytes() as f64 / 1e6);
}

/// Seconds.
fn drain(to: To, corpus: &Corpus, ports: &Ports) -> f64 {
    let place = Workplace::new();
    let intake = ports.begin();
    let log = place.log("app.log");
    File::create(&log).unwrap();
    let job = Job { agent: Agent::LogShipper, to, folder: place.path(), input: &log, ports };
    let mut running = job.start(&intake);
    running.wait_until("the first metrics", |running| running.lines_acked().is_some());
    append(corpus, &log);
    let start = Instant::now();
    running.guard.signal(Signal::TERM);
    let code = running.guard.wait_code(SOON);
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(code, 0, "{}", running.guard.stderr_text());
    seconds
}

fn append(corpus: &Corpus, log: &Path) {
    let mut log = OpenOptions::new().append(true).open(log).unwrap();
    io::copy(&mut File::open(&corpus.path).unwrap(), &mut log).unwrap();
}
