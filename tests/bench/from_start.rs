//! The whole corpus, from the start of the agent to the last line.

use std::fs::{self, File};
use std::io::Read;
use std::time::Instant;

use e2e::cost::{bytes_read, bytes_written, cpu_seconds};
use e2e::table::{Rounds, markdown};
use e2e::workplace::Workplace;

use crate::agent::{Agent, Job, Running, To};
use crate::corpus::Corpus;
use crate::intake::{Intake, Ports};
use crate::{Request, progress};

const CASES: [(Agent, To); 25] = [
    (Agent::LogShipper, To::Nothing),
    (Agent::FluentBit, To::Nothing),
    (Agent::Cat, To::Null),
    (Agent::Tail, To::Null),
    (Agent::LogShipper, To::Null),
    (Agent::LogShipper, To::NullJson),
    (Agent::Tail, To::File),
    (Agent::Rsyslog, To::File),
    (Agent::LogShipper, To::File),
    (Agent::Rsyslog, To::Tcp),
    (Agent::FluentBit, To::Http("none")),
    (Agent::LogShipper, To::Http("none")),
    (Agent::FluentBit, To::Http("gzip")),
    (Agent::LogShipper, To::Http("gzip")),
    (Agent::LogShipper, To::Http("zstd")),
    (Agent::LogShipper, To::Plain("loki")),
    (Agent::LogShipper, To::Plain("elasticsearch")),
    (Agent::LogShipper, To::Plain("otlp")),
    (Agent::LogShipper, To::Plain("forward")),
    (Agent::LogShipper, To::Plain("syslog")),
    (Agent::LogShipper, To::Parsed("http")),
    (Agent::LogShipper, To::Parsed("loki")),
    (Agent::LogShipper, To::Parsed("elasticsearch")),
    (Agent::LogShipper, To::Parsed("otlp")),
    (Agent::Cat, To::File),
];
const HEAD: [&str; 7] =
    ["to", "agent", "CPU s/GB", "MB/s", "peak memory MB", "lines missing", "lines too many"];

#[derive(Debug, Default)]
struct Figures {
    cpu_seconds_per_gb: Rounds,
    megabytes_per_second: Rounds,
    memory_megabytes: Rounds,
    missing: Rounds,
    surplus: Rounds,
}

pub(crate) fn run(request: &Request, corpus: &Corpus, ports: &Ports) -> String {
    let wanted = |agent: Agent| agent.is_here() && agent.name().contains(&request.only);
    let cases: Vec<(Agent, To)> = CASES.into_iter().filter(|(agent, _to)| wanted(*agent)).collect();
    let mut figures: Vec<Figures> = cases.iter().map(|_case| Figures::default()).collect();
    for round in 1..=request.scale.rounds {
        for ((agent, to), figures) in cases.iter().zip(&mut figures) {
            progress(&format!("round {round}: {} to {}", agent.name(), to.name()));
            measure(*agent, *to, corpus, ports, figures);
        }
    }
    let rows: Vec<Vec<String>> = cases
        .iter()
        .zip(&figures)
        .map(|((agent, to), figures)| {
            vec![
                to.name(),
                agent.name().to_owned(),
                figures.cpu_seconds_per_gb.cell(2),
                figures.megabytes_per_second.cell(0),
                figures.memory_megabytes.cell(1),
                figures.missing.sum_cell(),
                figures.surplus.sum_cell(),
            ]
        })
        .collect();
    let title = format!("{} lines, {} bytes, from the start", corpus.lines, corpus.bytes);
    markdown(&title, &HEAD, &rows)
}

#[expect(clippy::cast_precision_loss, reason = "bytes and lines are far below 2^52")]
fn measure(agent: Agent, to: To, corpus: &Corpus, ports: &Ports, figures: &mut Figures) {
    let place = Workplace::new();
    let intake = ports.begin();
    let job = Job { agent, to, folder: place.path(), input: &corpus.path, ports };
    let start = Instant::now();
    let mut running = job.start(&intake);
    let what = format!("the end of {} to {}", agent.name(), to.name());
    running.wait_until(&what, |running| is_done(&job, running, corpus, &intake));
    let seconds = start.elapsed().as_secs_f64();
    let bytes = corpus.bytes as f64;
    figures.cpu_seconds_per_gb.add(cpu_seconds(running.pid()) / bytes * 1e9);
    figures.megabytes_per_second.add(bytes / seconds / 1e6);
    figures.memory_megabytes.add(running.guard.rss_peak_bytes() as f64 / 1e6);
    drop(running);
    if let Some(lines) = lines_delivered(&job, &intake) {
        figures.missing.add(corpus.lines.saturating_sub(lines) as f64);
        figures.surplus.add(lines.saturating_sub(corpus.lines) as f64);
    }
}

#[expect(clippy::cast_precision_loss, reason = "lines are far below 2^52")]
fn is_done(job: &Job<'_>, running: &Running, corpus: &Corpus, intake: &Intake) -> bool {
    match (job.to, job.agent) {
        (To::Http(_) | To::Tcp | To::Pipe, _) => intake.lines() >= corpus.lines,
        (To::File, _) => {
            fs::metadata(job.output()).is_ok_and(|metadata| metadata.len() >= corpus.bytes)
        }
        (_, Agent::LogShipper) => {
            // Looking at /proc costs the agent nothing, asking it does.
            let is_sent = matches!(job.to, To::Parsed(_) | To::Plain(_));
            (is_sent || bytes_read(running.pid()) >= corpus.bytes)
                && running.lines_acked().is_some_and(|lines| lines >= corpus.lines as f64)
        }
        _ => bytes_written(running.pid()) >= corpus.bytes,
    }
}

/// None where nobody counts them.
fn lines_delivered(job: &Job<'_>, intake: &Intake) -> Option<u64> {
    match job.to {
        To::Http(_) | To::Tcp | To::Pipe | To::Plain("forward" | "syslog") => Some(intake.lines()),
        To::File => Some(count_lines(File::open(job.output()).unwrap())),
        To::Nothing | To::Null | To::NullJson | To::Parsed(_) | To::Plain(_) => None,
    }
}

fn count_lines(mut file: File) -> u64 {
    let mut chunk = vec![0; 1 << 20];
    let mut lines = 0;
    loop {
        let read = file.read(&mut chunk).unwrap();
        if read == 0 {
            return lines;
        }
        lines += memchr::memchr_iter(b'\n', &chunk[..read]).count() as u64;
    }
}
