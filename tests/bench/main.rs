//! `make bench-logs`: log-shipper beside `cat`, `tail -F`, rsyslog and what else is on PATH.
//!
//! corpus (1 GB, fixed seed) or a writer → one agent at a time → an intake in this process that
//! counts and stamps. Agents are measured from outside, by /proc, so that all are measured alike;
//! rounds are interleaved (A B C A B C), because the machine is never quiet. Out come Markdown
//! tables with the median of the rounds and, in brackets, the least and the most. Throughput
//! depends on the machine; CPU seconds per GB of input are the firm figure.

#![expect(clippy::print_stdout, reason = "the tables are the output")]
#![expect(clippy::print_stderr, reason = "progress must not be in the tables")]
#![expect(clippy::unwrap_used, reason = "there is no caller to handle an error")]
#![expect(clippy::panic, reason = "there is no caller to handle an error")]

mod agent;
mod corpus;
mod first_line;
mod following;
mod from_start;
mod idle;
mod intake;
mod outage;

use std::time::Duration;

use self::agent::Agent;
use self::corpus::Corpus;
use self::intake::Ports;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Scale {
    rounds: usize,
    corpus_bytes: u64,
    follow: Duration,
    idle: Duration,
    starts: usize,
}

const FULL: Scale = Scale {
    rounds: 3,
    corpus_bytes: 1_000_000_000,
    follow: Duration::from_secs(10),
    idle: Duration::from_secs(10),
    starts: 10,
};
const QUICK: Scale = Scale {
    rounds: 1,
    corpus_bytes: 100_000_000,
    follow: Duration::from_secs(3),
    idle: Duration::from_secs(3),
    starts: 3,
};
const SECTIONS: [&str; 5] = ["from-start", "following", "idle", "first-line", "outage"];
const USAGE: &str = "bench-logs [--quick] [--rounds N] [--only AGENT] \
                     [from-start | following | idle | first-line | outage]...";

/// What the command line asks for.
#[derive(Debug)]
struct Request {
    scale: Scale,
    /// Part of an agent's name.
    only: String,
    sections: Vec<String>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let request = parse(&arguments).unwrap_or_else(|| panic!("usage: {USAGE}"));
    let wanted = |section: &str| {
        request.sections.is_empty() || request.sections.iter().any(|named| named == section)
    };
    let ports = Ports::open();
    println!("{}\n", conditions(&request, &arguments));
    if wanted("from-start") {
        let corpus = Corpus::cached(request.scale.corpus_bytes);
        println!("{}", from_start::run(&request, &corpus, &ports));
    }
    if wanted("following") {
        println!("{}", following::run(&request, &ports));
    }
    if wanted("idle") {
        println!("{}", idle::run(&request, &ports));
    }
    if wanted("first-line") {
        println!("{}", first_line::run(&request, &ports));
    }
    if wanted("outage") && Agent::LogShipper.name().contains(&request.only) {
        println!("{}", outage::run(&request, &ports));
    }
}

fn parse(arguments: &[String]) -> Option<Request> {
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let scale = if quick { QUICK } else { FULL };
    let mut request = Request { scale, only: String::new(), sections: Vec::new() };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => {}
            "--rounds" => request.scale.rounds = arguments.next()?.parse().ok()?,
            "--only" => request.only = arguments.next()?.clone(),
            section if SECTIONS.contains(&section) => request.sections.push(section.to_owned()),
            _ => return None,
        }
    }
    (request.scale.rounds > 0).then_some(request)
}

/// What a reader must know to judge the figures.
fn conditions(request: &Request, arguments: &[String]) -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let cores = std::thread::available_parallelism().unwrap();
    format!(
        "`make bench-logs ARGS=\"{}\"`, rounds: {}, {cores} cores, Linux {}",
        arguments.join(" "),
        request.scale.rounds,
        kernel.trim()
    )
}

/// Says on stderr what is being measured.
fn progress(what: &str) {
    eprintln!("bench-logs: {what}");
}
