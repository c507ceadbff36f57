//! What an agent costs while its files do not grow.

use std::fs;
use std::time::Duration;

use e2e::cost::{cpu_seconds, wakeups};
use e2e::pace::paced;
use e2e::table::{Rounds, markdown};
use e2e::workplace::Workplace;

use crate::agent::{Agent, Job, To};
use crate::intake::Ports;
use crate::{Request, progress};

const FILES: [u64; 3] = [1, 50, 1000];
const CASES: [(Agent, To); 4] = [
    (Agent::Tail, To::Pipe),
    (Agent::Rsyslog, To::Tcp),
    (Agent::FluentBit, To::Http("none")),
    (Agent::LogShipper, To::Http("none")),
];
/// After the first lines: longer than a thread for blocking calls is kept, because the figures are
/// sums over living threads and would fall when one ends.
const SETTLE: Duration = Duration::from_secs(12);
const HEAD: [&str; 5] = ["files", "agent", "CPU % of a core", "wake-ups/s", "memory MB"];

#[derive(Debug, Default)]
struct Figures {
    cpu_percent: Rounds,
    wakeups_per_second: Rounds,
    memory_megabytes: Rounds,
}

pub(crate) fn run(request: &Request, ports: &Ports) -> String {
    let mut cases: Vec<(u64, Agent, To, Figures)> = Vec::new();
    for files in FILES {
        for (agent, to) in CASES {
            if agent.is_here() && agent.name().contains(&request.only) {
                cases.push((files, agent, to, Figures::default()));
            }
        }
    }
    for round in 1..=request.scale.rounds {
        for (files, agent, to, figures) in &mut cases {
            progress(&format!("round {round}: {} idle with {files} files", agent.name()));
            measure(*files, (*agent, *to), request.scale.idle, ports, figures);
        }
    }
    let row = |(files, agent, _to, figures): &(u64, Agent, To, Figures)| {
        vec![
            files.to_string(),
            agent.name().to_owned(),
            figures.cpu_percent.cell(3),
            figures.wakeups_per_second.cell(1),
            figures.memory_megabytes.cell(1),
        ]
    };
    let title = format!("Idle for {} s", request.scale.idle.as_secs());
    markdown(&title, &HEAD, &cases.iter().map(row).collect::<Vec<_>>())
}

#[expect(clippy::cast_precision_loss, reason = "bytes are far below 2^52")]
fn measure(
    files: u64,
    (agent, to): (Agent, To),
    duration: Duration,
    ports: &Ports,
    figures: &mut Figures,
) {
    let place = Workplace::new();
    let intake = ports.begin();
    for file in 0..files {
        fs::write(place.log(&format!("{file}.log")), format!("only line of {file}\n")).unwrap();
    }
    let job = Job { agent, to, folder: place.path(), input: &place.logs(), ports };
    let mut running = job.start(&intake);
    running.wait_until("one line of each file", |_running| intake.lines() >= files);
    wait(SETTLE);
    let (cpu, woken) = (cpu_seconds(running.pid()), wakeups(running.pid()));
    wait(duration);
    let seconds = duration.as_secs_f64();
    figures.cpu_percent.add(100.0 * (cpu_seconds(running.pid()) - cpu) / seconds);
    figures.wakeups_per_second.add((wakeups(running.pid()) - woken) / seconds);
    figures.memory_megabytes.add(running.guard.rss_bytes() as f64 / 1e6);
}

/// Idling is the scenario here, not a way to wait for something.
fn wait(duration: Duration) {
    paced(1, duration, |_time| {});
}
