//! What a request costs: CPU, throughput, latency.

use e2e::ambassador::Ambassador;
use e2e::table::{Rounds, markdown};

use crate::load::{Load, Outcome};
use crate::subject::Servers;
use crate::{Request, progress};

/// One test of redis-benchmark. 64 KiB are not piled up 64 deep: that would measure memory.
const LOADS: [Load; 18] = [
    load("get", 16, 1, 200_000),
    load("get", 16, 16, 1_000_000),
    load("get", 16, 64, 2_000_000),
    load("set", 16, 1, 200_000),
    load("set", 16, 16, 1_000_000),
    load("set", 16, 64, 2_000_000),
    load("get", 1024, 1, 200_000),
    load("get", 1024, 16, 600_000),
    load("get", 1024, 64, 1_000_000),
    load("set", 1024, 1, 200_000),
    load("set", 1024, 16, 600_000),
    load("set", 1024, 64, 1_000_000),
    load("get", 65_536, 1, 40_000),
    load("get", 65_536, 16, 40_000),
    load("set", 65_536, 1, 40_000),
    load("set", 65_536, 16, 40_000),
    load("mget", 16, 1, 100_000),
    load("mget", 16, 16, 200_000),
];

const fn load(command: &'static str, value_bytes: usize, pipeline: u32, requests: u64) -> Load {
    let keys = if value_bytes > 10_000 { 500 } else { 10_000 };
    Load { command, value_bytes, pipeline, requests, keys }
}

/// A figure of each subject in every round; the first subject is no proxy.
type PerSubject = Vec<Vec<f64>>;

/// The rounds of one test.
#[derive(Debug, Default)]
struct Figures {
    per_second: PerSubject,
    p50_millis: PerSubject,
    p99_millis: PerSubject,
    cpu_micros: PerSubject,
}

impl Figures {
    fn add(&mut self, outcomes: &[Outcome]) {
        let each = |figure: fn(&Outcome) -> f64| outcomes.iter().map(figure).collect();
        self.per_second.push(each(|it| it.per_second));
        self.p50_millis.push(each(|it| it.p50_millis));
        self.p99_millis.push(each(|it| it.p99_millis));
        self.cpu_micros.push(each(|it| it.cpu_micros));
    }
}

pub(crate) fn run(request: &Request) -> String {
    let servers = Servers::start();
    let proxies: Vec<Ambassador> =
        request.proxies.iter().map(|subject| subject.start(&servers)).collect();
    let mut figures: Vec<Figures> = LOADS.iter().map(|_load| Figures::default()).collect();
    for round in 1..=request.scale.rounds {
        let mut filled = 0;
        for (load, figures) in LOADS.iter().zip(&mut figures) {
            progress(&format!("round {round}: {}", load.name()));
            if filled != load.value_bytes {
                servers.fill(load.keys, load.value_bytes);
                filled = load.value_bytes;
            }
            let load = Load { requests: load.requests / request.scale.divisor, ..*load };
            figures.add(&measure(&load, &servers, &proxies));
        }
    }
    tables(request, &figures)
}

fn measure(load: &Load, servers: &Servers, proxies: &[Ambassador]) -> Vec<Outcome> {
    let mut outcomes = vec![load.run(servers.direct(), None)];
    outcomes.extend(proxies.iter().map(|proxy| load.run(proxy.port(), Some(proxy.pid()))));
    outcomes
}

fn tables(request: &Request, figures: &[Figures]) -> String {
    let names: Vec<&str> = request.proxies.iter().map(|subject| subject.name.as_str()).collect();
    let ratio_names: Vec<String> =
        names[1..].iter().map(|name| format!("{name} / {}", names[0])).collect();
    let ratio_names: Vec<&str> = ratio_names.iter().map(String::as_str).collect();
    let rows = |cells: &dyn Fn(&Figures) -> Vec<String>| -> Vec<Vec<String>> {
        let tests = LOADS.iter().zip(figures);
        tests.map(|(load, figures)| [vec![load.name()], cells(figures)].concat()).collect()
    };
    let proxies = 1..=names.len();
    let others = 2..=names.len();
    let cpu = rows(&|it| {
        let own = proxies.clone().map(|subject| cell(&it.cpu_micros, 2, |of| of[subject]));
        let ratios =
            others.clone().map(|subject| cell(&it.cpu_micros, 2, |of| of[subject] / of[1]));
        own.chain(ratios).collect()
    });
    let throughput = rows(&|it| {
        let direct = cell(&it.per_second, 0, |of| of[0]);
        let of_direct =
            proxies.clone().map(|subject| cell(&it.per_second, 2, |of| of[subject] / of[0]));
        let ratios =
            others.clone().map(|subject| cell(&it.per_second, 2, |of| of[subject] / of[1]));
        [direct].into_iter().chain(of_direct).chain(ratios).collect()
    });
    let latency = rows(&|it| {
        let all = 0..=names.len();
        all.map(|subject| {
            let p50 = cell(&it.p50_millis, 2, |of| of[subject]);
            format!("{p50} / {}", cell(&it.p99_millis, 2, |of| of[subject]))
        })
        .collect()
    });
    let of_direct: Vec<String> = names.iter().map(|name| format!("{name} / direct")).collect();
    let of_direct: Vec<&str> = of_direct.iter().map(String::as_str).collect();
    [
        markdown("CPU per request, µs", &[&["test"], &names[..], &ratio_names].concat(), &cpu),
        markdown(
            "Requests per second",
            &[&["test", "direct"], &of_direct[..], &ratio_names].concat(),
            &throughput,
        ),
        markdown("Latency p50 / p99, ms", &[&["test", "direct"], &names[..]].concat(), &latency),
    ]
    .join("\n")
}

/// A figure made of each round's figures.
fn cell(rounds: &PerSubject, decimals: usize, figure: impl Fn(&[f64]) -> f64) -> String {
    let mut cell = Rounds::default();
    rounds.iter().for_each(|of_round| cell.add(figure(of_round)));
    cell.cell(decimals)
}
