//! What a line of the access log costs, from a file of millions of them.
//!
//! The file is complete before it is moved to where the adapter looks for it, so that neither
//! writing nor waiting is measured. All is read when the kernel has handed over so many bytes;
//! that every line was counted is asserted afterwards.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use e2e::access_lines::{AccessLines, FORMAT};
use e2e::cost::{bytes_read, thread_cpu_seconds};
use e2e::pace::{SOON, wait_until};
use e2e::table::{Rounds, markdown};
use e2e::workplace::{Workplace, free_address};

use crate::subject::{Subject, leave_the_last_processor};
use crate::{Request, progress};

const SEED: u64 = 0x0005_1eed;
const CHUNK_BYTES: usize = 1 << 20;
const REQUESTS: &str = "nginx_http_response_requests_total";
const HEAD: [&str; 5] = ["format", "bytes a line", "CPU ns a line", "million lines/s", "memory MB"];

/// How much of each line is kept.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Combined,
    WithTime,
    Full,
}

#[derive(Debug, Default)]
struct Figures {
    bytes: Rounds,
    cpu_nanos: Rounds,
    millions_per_second: Rounds,
    memory_megabytes: Rounds,
}

impl Shape {
    fn name(self) -> &'static str {
        match self {
            Self::Combined => "combined",
            Self::WithTime => "combined and $request_time",
            Self::Full => "the same with upstream time, host, request bytes and cache status",
        }
    }

    fn format(self) -> String {
        let words = match self {
            Self::Combined => 5,
            Self::WithTime => 4,
            Self::Full => 0,
        };
        let kept = FORMAT.split(' ').count() - words;
        FORMAT.split(' ').take(kept).collect::<Vec<_>>().join(" ")
    }

    /// A whole line cut to this shape.
    fn cut(self, line: &str) -> &str {
        let agent_end = line.rfind('"').unwrap() + 1;
        match self {
            Self::Combined => line.split_at(agent_end).0,
            Self::WithTime => {
                let time = line.split_at(agent_end + 1).1;
                line.split_at(agent_end + 1 + time.find(' ').unwrap()).0
            }
            Self::Full => line,
        }
    }
}

pub(crate) fn run(request: &Request) -> String {
    leave_the_last_processor();
    let shapes = [Shape::Combined, Shape::WithTime, Shape::Full];
    let mut all = shapes.map(|shape| (shape, Figures::default()));
    for round in 1..=request.scale.rounds {
        for (shape, figures) in &mut all {
            progress(&format!("round {round}: {} lines, {}", request.scale.lines, shape.name()));
            measure(*shape, request.scale.lines, figures);
        }
    }
    let row = |(shape, figures): &(Shape, Figures)| {
        vec![
            shape.name().to_owned(),
            figures.bytes.cell(0),
            figures.cpu_nanos.cell(0),
            figures.millions_per_second.cell(2),
            figures.memory_megabytes.cell(1),
        ]
    };
    let title = format!("{} lines of an access log", request.scale.lines);
    markdown(&title, &HEAD, &all.iter().map(row).collect::<Vec<_>>())
}

#[expect(clippy::cast_precision_loss, reason = "bytes and lines are far below 2^52")]
fn measure(shape: Shape, lines: u64, figures: &mut Figures) {
    let place = Workplace::new();
    let log = place.log("access.log");
    let ready = write_lines(shape, lines, &place.path().join("ready"));
    let bytes = fs::metadata(&ready).unwrap().len();
    let settings = Subject::ours()
        .settings(&place)
        .scrape(&format!("http://{}/stub_status", free_address()))
        .arg(format!("--access-log={}", log.display()))
        .arg(format!("--access-log-format={}", shape.format()));
    let mut exporter = settings.start();
    // What an answer needs is in memory before anything is measured.
    assert_eq!(exporter.metrics().sum(REQUESTS), 0.0);
    let (pid, read_before) = (exporter.pid(), bytes_read(exporter.pid()));
    let cpu = thread_cpu_seconds(pid);
    let start = Instant::now();
    fs::rename(&ready, &log).unwrap();
    wait_until("the whole file to be read", 10 * SOON, || bytes_read(pid) >= read_before + bytes);
    let took = start.elapsed();
    let metrics = exporter.wait_metrics("all lines", |it| it.sum(REQUESTS) >= lines as f64);
    let cpu = thread_cpu_seconds(pid) - cpu;
    assert_eq!(metrics.sum(REQUESTS), lines as f64);
    figures.bytes.add(bytes as f64 / lines as f64);
    figures.cpu_nanos.add(cpu * 1e9 / lines as f64);
    figures.millions_per_second.add(lines as f64 / 1e6 / took.as_secs_f64());
    figures.memory_megabytes.add(exporter.process().rss_bytes() as f64 / 1e6);
}

fn write_lines(shape: Shape, count: u64, path: &Path) -> PathBuf {
    let mut file = BufWriter::with_capacity(CHUNK_BYTES, File::create(path).unwrap());
    let mut lines = AccessLines::new(SEED);
    let mut line = String::new();
    for _line in 0..count {
        line.clear();
        lines.append(&mut line);
        writeln!(file, "{}", shape.cut(line.trim_end())).unwrap();
    }
    file.flush().unwrap();
    path.to_owned()
}
