//! What scraping costs: CPU, time, memory, bytes, and the start.

use std::time::Instant;

use e2e::cost::thread_cpu_seconds;
use e2e::exporter::{Exporter, listen_on};
use e2e::nginx::{Nginx, STATUS_PATH};
use e2e::pace::{paced, wait_for};
use e2e::table::{Rounds, markdown, percentile};
use e2e::workplace::{Workplace, free_address};

use crate::flood::flood;
use crate::serial::Scraper;
use crate::subject::{Subject, leave_the_last_processor};
use crate::{REST, Request, Scale, progress};

const LOAD_CONNECTIONS: u32 = 16;
const FLOOD_CONNECTIONS: u32 = 200;
/// Before anything is measured: code and buffers are there, as in a process that runs for weeks.
const WARM_UP_SCRAPES: u32 = 200;

#[derive(Debug, Default)]
struct Figures {
    serial_cpu_micros: Rounds,
    p50_micros: Rounds,
    p99_micros: Rounds,
    load_per_second: Rounds,
    load_cpu_micros: Rounds,
    memory_idle: Rounds,
    memory_after_one: Rounds,
    memory_after_many: Rounds,
    memory_after_flood: Rounds,
    start_millis: Rounds,
    payload_bytes: Rounds,
    binary_bytes: Rounds,
}

pub(crate) fn run(request: &Request) -> String {
    leave_the_last_processor();
    let place = Workplace::new();
    let nginx = Nginx::start(place.path(), &place.logs());
    let mut all: Vec<(&Subject, Figures)> =
        request.subjects.iter().map(|subject| (subject, Figures::default())).collect();
    for round in 1..=request.scale.rounds {
        for (subject, figures) in &mut all {
            progress(&format!("round {round}: {}", subject.name));
            measure(subject, &nginx, &request.scale, figures);
        }
        for _start in 0..request.scale.starts {
            for (subject, figures) in &mut all {
                let millis = start(subject, &nginx).0.as_secs_f64() * 1e3;
                figures.start_millis.add(millis);
            }
        }
    }
    table(request, &all)
}

fn table(request: &Request, all: &[(&Subject, Figures)]) -> String {
    let scrapes = request.scale.serial_scrapes;
    let row = |name: &str, cell: &dyn Fn(&Figures) -> String| {
        let cells = all.iter().map(|(_subject, figures)| cell(figures));
        std::iter::once(name.to_owned()).chain(cells).collect::<Vec<_>>()
    };
    let rows = [
        row("CPU per scrape, one after the other, µs", &|it| it.serial_cpu_micros.cell(0)),
        row("p50, µs", &|it| it.p50_micros.cell(0)),
        row("p99, µs", &|it| it.p99_micros.cell(0)),
        row("scrapes/s with 16 connections", &|it| it.load_per_second.cell(0)),
        row("CPU per scrape with 16 connections, µs", &|it| it.load_cpu_micros.cell(0)),
        row("resident before any scrape, MB", &|it| it.memory_idle.cell(1)),
        row("resident after 1 scrape, MB", &|it| it.memory_after_one.cell(1)),
        row(&format!("resident after {scrapes} scrapes, MB"), &|it| it.memory_after_many.cell(1)),
        row("resident 2 s after 200 connections, MB", &|it| it.memory_after_flood.cell(1)),
        row("start to first good scrape, ms", &|it| it.start_millis.cell(1)),
        row("payload, bytes", &|it| it.payload_bytes.cell(0)),
        row("binary, MB", &|it| it.binary_bytes.cell(1)),
    ];
    let names = all.iter().map(|(subject, _figures)| subject.name.as_str());
    let head: Vec<&str> = std::iter::once("").chain(names).collect();
    markdown("Scrapes", &head, &rows)
}

/// Starts it and polls until a scrape is good.
fn start(subject: &Subject, nginx: &Nginx) -> (std::time::Duration, Workplace, Exporter) {
    let place = Workplace::new();
    let address = free_address();
    let uri = format!("http://{}{STATUS_PATH}", nginx.address());
    let settings = subject.settings(&place).scrape(&uri).arg(listen_on(address));
    let start = Instant::now();
    let exporter = settings.spawn(address.into());
    let mut scraper = connect_at_once(address);
    let (_time, text) = scraper.scrape();
    let took = start.elapsed();
    assert!(text.contains("\nnginx_up 1\n"), "{text}");
    (took, place, exporter)
}

/// Megabytes resident while nobody asks.
fn idle_megabytes(subject: &Subject, nginx: &Nginx) -> f64 {
    let place = Workplace::new();
    let uri = format!("http://{}{STATUS_PATH}", nginx.address());
    let mut exporter = subject.settings(&place).scrape(&uri).start();
    rest();
    megabytes(&mut exporter)
}

#[expect(clippy::cast_precision_loss, reason = "bytes are far below 2^52")]
fn megabytes(exporter: &mut Exporter) -> f64 {
    exporter.process().rss_bytes() as f64 / 1e6
}

/// Without a pause between the attempts, which would be most of what is measured.
fn connect_at_once(address: std::net::SocketAddr) -> Scraper {
    let start = Instant::now();
    loop {
        if let Ok(scraper) = Scraper::connect(address) {
            return scraper;
        }
        assert!(start.elapsed() < e2e::pace::SOON, "it does not listen at {address}");
        std::thread::yield_now();
    }
}

#[expect(clippy::cast_precision_loss, reason = "bytes and nanoseconds are far below 2^52")]
fn measure(subject: &Subject, nginx: &Nginx, scale: &Scale, figures: &mut Figures) {
    figures.memory_idle.add(idle_megabytes(subject, nginx));
    let (_took, _place, mut exporter) = start(subject, nginx);
    let pid = exporter.pid();
    rest();
    figures.memory_after_one.add(megabytes(&mut exporter));
    figures.binary_bytes.add(subject.binary_bytes() as f64 / 1e6);
    let mut scraper =
        wait_for("a connection", e2e::pace::SOON, || Scraper::connect(exporter.port()).ok());
    for _scrape in 0..WARM_UP_SCRAPES {
        scraper.scrape();
    }
    figures.payload_bytes.add(scraper.scrape().1.len() as f64);
    let cpu = thread_cpu_seconds(pid);
    let mut times: Vec<u64> = (0..scale.serial_scrapes)
        .map(|_scrape| u64::try_from(scraper.scrape().0.as_nanos()).unwrap())
        .collect();
    let per_scrape = (thread_cpu_seconds(pid) - cpu) / f64::from(scale.serial_scrapes);
    figures.serial_cpu_micros.add(per_scrape * 1e6);
    times.sort_unstable();
    figures.p50_micros.add(percentile(&times, 0.5) as f64 / 1e3);
    figures.p99_micros.add(percentile(&times, 0.99) as f64 / 1e3);
    figures.memory_after_many.add(megabytes(&mut exporter));
    drop(scraper);
    let cpu = thread_cpu_seconds(pid);
    let load = flood(exporter.port(), LOAD_CONNECTIONS, scale.load_seconds);
    figures.load_per_second.add(load.per_second);
    figures.load_cpu_micros.add((thread_cpu_seconds(pid) - cpu) / load.scrapes * 1e6);
    flood(exporter.port(), FLOOD_CONNECTIONS, scale.flood_seconds);
    rest();
    figures.memory_after_flood.add(megabytes(&mut exporter));
}

/// Part of what is measured: memory after a while without work.
fn rest() {
    paced(1, REST, |_time| {});
}
