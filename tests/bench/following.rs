//! A writer at a steady pace, and how long each line takes from write to arrival.
//!
//! Every line is a write of its own and carries the time just before it, as nginx without a buffer
//! writes. At high rates the lines of one millisecond are written in one go of many writes.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::{Duration, Instant};

use e2e::cost::cpu_seconds;
use e2e::pace::paced;
use e2e::table::{Rounds, markdown, percentile};
use e2e::workplace::Workplace;

use crate::agent::{Agent, Job, To};
use crate::intake::{Intake, Ports};
use crate::{Request, progress};

const LINES_PER_MILLISECOND: [u32; 2] = [1, 50];
const CASES: [(Agent, To); 6] = [
    (Agent::Tail, To::Pipe),
    (Agent::LogShipper, To::Pipe),
    (Agent::Rsyslog, To::Tcp),
    (Agent::FluentBit, To::Http("none")),
    (Agent::LogShipper, To::Http("none")),
    (Agent::LogShipper, To::Http("zstd")),
];
/// Together with the stamp about as long as a line of the corpus.
const PADDING: &str = "192.0.2.7 - - [22/Nov/2026:08:00:00 +0000] \"GET /static/app.9f3c2a.js \
                       HTTP/1.1\" 200 31415 \"https://shop.example/\" \"kube-probe/1.32\"";
const HEAD: [&str; 8] =
    ["lines/s", "agent", "to", "p50 ms", "p99 ms", "most ms", "CPU % of a core", "lost / doubled"];

#[derive(Debug, Default)]
struct Figures {
    p50: Rounds,
    p99: Rounds,
    most: Rounds,
    cpu_percent: Rounds,
    lost: Rounds,
    doubled: Rounds,
}

pub(crate) fn run(request: &Request, ports: &Ports) -> String {
    let mut cases: Vec<(u32, Agent, To, Figures)> = Vec::new();
    for rate in LINES_PER_MILLISECOND {
        for (agent, to) in CASES {
            if agent.is_here() && agent.name().contains(&request.only) {
                cases.push((rate, agent, to, Figures::default()));
            }
        }
    }
    for round in 1..=request.scale.rounds {
        for (rate, agent, to, figures) in &mut cases {
            progress(&format!("round {round}: {} follows {rate},000 lines/s", agent.name()));
            measure(*rate, (*agent, *to), request.scale.follow, ports, figures);
        }
    }
    let row = |(rate, agent, to, figures): &(u32, Agent, To, Figures)| {
        vec![
            format!("{rate},000"),
            agent.name().to_owned(),
            to.name(),
            figures.p50.cell(2),
            figures.p99.cell(2),
            figures.most.cell(1),
            figures.cpu_percent.cell(1),
            format!("{} / {}", figures.lost.sum_cell(), figures.doubled.sum_cell()),
        ]
    };
    let title = format!("Following a writer for {} s", request.scale.follow.as_secs());
    markdown(&title, &HEAD, &cases.iter().map(row).collect::<Vec<_>>())
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds and lines are far below 2^52")]
fn measure(
    rate: u32,
    (agent, to): (Agent, To),
    duration: Duration,
    ports: &Ports,
    figures: &mut Figures,
) {
    let place = Workplace::new();
    let intake = ports.begin();
    let log = place.log("app.log");
    let mut writer = OpenOptions::new().create(true).append(true).open(log).unwrap();
    let job = Job { agent, to, folder: place.path(), input: &place.logs(), ports };
    let mut running = job.start(&intake);
    // The first line shows that the agent is there; its latency is another table's figure.
    writer.write_all(intake.stamp(0, PADDING).as_bytes()).unwrap();
    running.wait_until("the first line", |_running| intake.lines() >= 1);
    intake.stamped().latencies.clear();
    let cpu_before = cpu_seconds(running.pid());
    let start = Instant::now();
    let milliseconds = u32::try_from(duration.as_millis()).unwrap();
    let mut number = 0;
    paced(milliseconds, Duration::from_millis(1), |_millisecond| {
        for _line in 0..rate {
            number += 1;
            writer.write_all(intake.stamp(number, PADDING).as_bytes()).unwrap();
        }
    });
    let written = number + 1;
    running.wait_until("the last line", |_running| arrived(&intake) >= written);
    let cpu = cpu_seconds(running.pid()) - cpu_before;
    figures.cpu_percent.add(100.0 * cpu / start.elapsed().as_secs_f64());
    drop(running);
    let mut stamped = intake.stamped();
    stamped.latencies.sort_unstable();
    let milliseconds = |nanos: u64| nanos as f64 / 1e6;
    figures.p50.add(milliseconds(percentile(&stamped.latencies, 0.5)));
    figures.p99.add(milliseconds(percentile(&stamped.latencies, 0.99)));
    figures.most.add(milliseconds(percentile(&stamped.latencies, 1.0)));
    figures.lost.add((written - distinct(&stamped.seen)) as f64);
    figures.doubled.add(stamped.doubled as f64);
}

/// Different lines so far. A lost line would never come: then the wait above says so.
fn arrived(intake: &Intake) -> u64 {
    distinct(&intake.stamped().seen)
}

fn distinct(seen: &[bool]) -> u64 {
    seen.iter().filter(|seen| **seen).count() as u64
}
