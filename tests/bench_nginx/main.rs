//! `make bench-nginx`: nginx-adapter beside prometheus-nginx-exporter, and its way through logs.
//!
//! One real nginx with one worker, each exporter on a processor of its own, nginx and the scraping
//! on the others; exporters are measured from outside, by /proc, in interleaved rounds, because the
//! machine is never quiet. Out come Markdown tables with the median of the rounds and, in brackets,
//! the least and the most. CPU per scrape and per line and memory are the firm figures; rates
//! depend on the machine. `--also PATH` adds another release of the peer.

#![expect(clippy::print_stdout, reason = "the tables are the output")]
#![expect(clippy::print_stderr, reason = "progress must not be in the tables")]
#![expect(clippy::unwrap_used, reason = "there is no caller to handle an error")]
#![expect(clippy::panic, reason = "there is no caller to handle an error")]

mod flood;
mod lines;
mod scrapes;
mod serial;
mod subject;

use std::time::Duration;

use self::subject::Subject;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Scale {
    rounds: usize,
    serial_scrapes: u32,
    starts: u32,
    load_seconds: u32,
    flood_seconds: u32,
    lines: u64,
}

const FULL: Scale = Scale {
    rounds: 3,
    serial_scrapes: 100_000,
    starts: 10,
    load_seconds: 5,
    flood_seconds: 4,
    lines: 5_000_000,
};
const QUICK: Scale = Scale {
    rounds: 1,
    serial_scrapes: 5_000,
    starts: 3,
    load_seconds: 2,
    flood_seconds: 2,
    lines: 1_000_000,
};
/// After the flood, before memory is looked at.
const REST: Duration = Duration::from_secs(2);
const SECTIONS: [&str; 2] = ["scrapes", "lines"];
const USAGE: &str = "bench-nginx [--quick] [--rounds N] [--also PATH]... [scrapes | lines]...";

/// What the command line asks for.
#[derive(Debug)]
struct Request {
    scale: Scale,
    subjects: Vec<Subject>,
    sections: Vec<String>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let request = parse(&arguments).unwrap_or_else(|| panic!("usage: {USAGE}"));
    let wanted = |section: &str| {
        request.sections.is_empty() || request.sections.iter().any(|named| named == section)
    };
    println!("{}\n", conditions(&request, &arguments));
    if wanted("scrapes") {
        println!("{}", scrapes::run(&request));
    }
    if wanted("lines") {
        println!("{}", lines::run(&request));
    }
}

fn parse(arguments: &[String]) -> Option<Request> {
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let scale = if quick { QUICK } else { FULL };
    let subjects = vec![Subject::ours(), Subject::installed_peer()];
    let mut request = Request { scale, subjects, sections: Vec::new() };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => {}
            "--rounds" => request.scale.rounds = arguments.next()?.parse().ok()?,
            "--also" => request.subjects.push(Subject::peer(arguments.next()?)),
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
        "`make bench-nginx ARGS=\"{}\"`, rounds: {}, {cores} cores, Linux {}",
        arguments.join(" "),
        request.scale.rounds,
        kernel.trim()
    )
}

/// Says on stderr what is being measured.
fn progress(what: &str) {
    eprintln!("bench-nginx: {what}");
}
