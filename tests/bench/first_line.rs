//! From the start of an agent to the arrival of a line that was there before it.

use std::fs;
use std::time::Instant;

use e2e::table::{Rounds, markdown};
use e2e::workplace::Workplace;

use crate::agent::{Agent, Job, To};
use crate::intake::Ports;
use crate::{Request, progress};

const CASES: [(Agent, To); 5] = [
    (Agent::Tail, To::Pipe),
    (Agent::LogShipper, To::Pipe),
    (Agent::Rsyslog, To::Tcp),
    (Agent::FluentBit, To::Http("none")),
    (Agent::LogShipper, To::Http("none")),
];

pub(crate) fn run(request: &Request, ports: &Ports) -> String {
    progress("start to first line");
    let wanted = |agent: Agent| agent.is_here() && agent.name().contains(&request.only);
    let cases = CASES.into_iter().filter(|(agent, _to)| wanted(*agent));
    let mut cases: Vec<(Agent, To, Rounds)> =
        cases.map(|(agent, to)| (agent, to, Rounds::default())).collect();
    for _start in 0..request.scale.starts {
        for (agent, to, milliseconds) in &mut cases {
            milliseconds.add(measure(*agent, *to, ports));
        }
    }
    let row = |(agent, to, milliseconds): &(Agent, To, Rounds)| {
        vec![agent.name().to_owned(), to.name(), milliseconds.cell(1)]
    };
    let title = format!("Start to first line, {} starts", request.scale.starts);
    markdown(&title, &["agent", "to", "ms"], &cases.iter().map(row).collect::<Vec<_>>())
}

fn measure(agent: Agent, to: To, ports: &Ports) -> f64 {
    let place = Workplace::new();
    let intake = ports.begin();
    fs::write(place.log("app.log"), "the first line\n").unwrap();
    let job = Job { agent, to, folder: place.path(), input: &place.logs(), ports };
    let start = Instant::now();
    let mut running = job.start(&intake);
    running.wait_until("the first line", |_running| intake.first_arrival().is_some());
    let arrival = intake.first_arrival().unwrap();
    arrival.duration_since(start).as_secs_f64() * 1e3
}
