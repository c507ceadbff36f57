//! `make bench-redis`: redis-ambassador beside nutcracker, and what no proxy at all would do.
//!
//! Two redis-servers, the same pool of nutcracker.yml for each proxy, redis-benchmark as the load,
//! rounds that interleave the subjects, because the machine is never quiet. Out come Markdown
//! tables with the median of the rounds and, in brackets, the least and the most; ratios are taken
//! within a round. CPU per request and memory are the firm figures; throughput and latency depend
//! on the machine, which load, servers and proxy share. `--also PATH` adds another program with
//! nutcracker's interface, e.g. an older build.

#![expect(clippy::print_stdout, reason = "the tables are the output")]
#![expect(clippy::print_stderr, reason = "progress must not be in the tables")]
#![expect(clippy::unwrap_used, reason = "there is no caller to handle an error")]
#![expect(clippy::panic, reason = "there is no caller to handle an error")]

mod load;
mod memory;
mod requests;
mod subject;

use self::subject::Subject;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Scale {
    rounds: usize,
    /// Requests of a test are divided by it.
    divisor: u64,
}

const FULL: Scale = Scale { rounds: 5, divisor: 1 };
const QUICK: Scale = Scale { rounds: 1, divisor: 4 };
const SECTIONS: [&str; 2] = ["requests", "memory"];
const USAGE: &str = "bench-redis [--quick] [--rounds N] [--also PATH]... [requests | memory]...";

/// What the command line asks for.
#[derive(Debug)]
struct Request {
    scale: Scale,
    /// Without the one that is no proxy. The first is what ratios are to.
    proxies: Vec<Subject>,
    sections: Vec<String>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let request = parse(&arguments).unwrap_or_else(|| panic!("usage: {USAGE}"));
    let wanted = |section: &str| {
        request.sections.is_empty() || request.sections.iter().any(|named| named == section)
    };
    println!("{}\n", conditions(&request, &arguments));
    if wanted("requests") {
        println!("{}", requests::run(&request));
    }
    if wanted("memory") {
        println!("{}", memory::run(&request));
    }
}

fn parse(arguments: &[String]) -> Option<Request> {
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let scale = if quick { QUICK } else { FULL };
    let proxies = vec![Subject::nutcracker(), Subject::ours()];
    let mut request = Request { scale, proxies, sections: Vec::new() };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => {}
            "--rounds" => request.scale.rounds = arguments.next()?.parse().ok()?,
            "--also" => request.proxies.push(Subject::other(arguments.next()?)),
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
        "`make bench-redis ARGS=\"{}\"`, rounds: {}, {cores} cores, Linux {}; 2 redis-servers, \
         50 connections",
        arguments.join(" "),
        request.scale.rounds,
        kernel.trim()
    )
}

/// Says on stderr what is being measured.
fn progress(what: &str) {
    eprintln!("bench-redis: {what}");
}
