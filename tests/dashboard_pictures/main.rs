//! `make pictures`: draws each image's dashboard from real data, `images/<image>/dashboard.svg`.
//!
//! The set-up is the one of the tests of the dashboards (`e2e::dashboards`): real binaries, real
//! traffic, a real Prometheus. For some minutes a story runs in which things break and recover;
//! then every query of every panel is asked for the whole time, and the answers are drawn where the
//! panel is in Grafana. There is no Grafana: the drawing is plain SVG, a likeness.

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]
#![expect(clippy::unwrap_used, reason = "there is no caller to handle an error")]

mod chart;
mod lines;
mod picture;
mod stat;
mod svg;
mod table;
mod units;

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use e2e::dashboards::{Dashboard, IMAGES, Plan, Stage, image_file};
use e2e::pace::paced;

use self::lines::Span;

/// Before the pictures begin, so that rates have a past.
const WARM_UP_SECONDS: u32 = 15;
const STORY_SECONDS: u32 = 140;
const SECOND: Duration = Duration::from_secs(1);
/// What happens, by the second of the story.
const STORY: [(u32, Event); 7] = [
    (30, Event::Sink(true)),
    (55, Event::Sink(false)),
    (60, Event::Server(true)),
    (70, Event::OldNode),
    (90, Event::Server(false)),
    (95, Event::Nginx(true)),
    (107, Event::Nginx(false)),
];

/// Something breaks (true) or recovers.
#[derive(Debug, Clone, Copy)]
enum Event {
    Sink(bool),
    Server(bool),
    Nginx(bool),
    OldNode,
}

fn main() {
    let mut stage = Stage::start(Plan { nodes: 4 });
    println!("Traffic for {} s …", WARM_UP_SECONDS + STORY_SECONDS);
    paced(WARM_UP_SECONDS, SECOND, |_second| ());
    let from = now();
    paced(STORY_SECONDS, SECOND, |second| {
        for (_when, event) in STORY.iter().filter(|(when, _event)| *when == second) {
            println!("{second:4} s  {event:?}");
            play(&mut stage, *event);
        }
    });
    let span = Span { from, to: from + u64::from(STORY_SECONDS) };
    for image in IMAGES {
        let picture = picture::draw(&Dashboard::of(image), caption(image), &stage, span);
        let file = image_file(image, "dashboard.svg");
        fs::write(&file, &picture).unwrap();
        println!("{}: {} bytes", file.display(), picture.len());
    }
}

fn play(stage: &mut Stage, event: Event) {
    match event {
        Event::Sink(broken) => stage.break_sink(broken),
        Event::Server(broken) => stage.break_server(broken),
        Event::Nginx(broken) => stage.break_nginx(broken),
        Event::OldNode => stage.add_old_node(),
    }
}

fn caption(image: &str) -> &'static str {
    match image {
        "log-shipper" => "the sink answers 503 from 0:30 to 0:55",
        "nginx-adapter" => "nginx is killed at 1:35 and started again at 1:47",
        "redis-ambassador" => "one of three redis-servers is killed at 1:00, back at 1:30",
        _ => "an old node joins the cluster at 1:10",
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
