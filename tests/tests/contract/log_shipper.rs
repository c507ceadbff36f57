//! log-shipper under the contract.

use std::rc::Rc;
use std::time::Duration;

use e2e::pace::SOON;
use e2e::sink::{Answer, Sink};
use e2e::workplace::Workplace;
use e2e::writer::Numbered;

use crate::subject::{Scene, Subject};

pub(crate) const SUBJECT: Subject = Subject {
    name: "log-shipper",
    admin_port: 9180,
    idle,
    loaded,
    stuck,
    bad_values: &[
        ("sink", "pigeon"),
        ("format", "xml"),
        ("linger", "1 parsec"),
        ("max-line-bytes", "many"),
    ],
    metric_prefix: "log_shipper_",
    has_landing_page: false,
    prefers_text: false,
};

fn idle(place: &Workplace) -> Vec<String> {
    vec![
        format!("--include={}", place.log("*.log").display()),
        format!("--state-dir={}", place.state().display()),
        "--sink=blackhole".to_owned(),
    ]
}

/// A writer that does not stop by itself.
fn loaded(place: &Workplace) -> Scene {
    let sink = Rc::new(Sink::start());
    let writer = Numbered::open(place.log("app.log"), "app");
    let writer = writer.in_background(100, Duration::from_millis(10));
    let (arguments, peer) = (to_sink(place, &sink), Rc::clone(&sink));
    Scene {
        arguments,
        wait_busy: Box::new(move || sink.wait_records(1000, SOON)),
        calm: Box::new(move || {
            writer.stop();
            drop(peer);
        }),
    }
}

/// A sink that takes requests and never answers.
fn stuck(place: &Workplace) -> Scene {
    let sink = Sink::start();
    sink.set(Answer::Hang);
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(1000);
    Scene {
        arguments: to_sink(place, &sink),
        wait_busy: Box::new(move || sink.wait_attempts(1, SOON)),
        calm: Box::new(move || drop(log)),
    }
}

fn to_sink(place: &Workplace, sink: &Sink) -> Vec<String> {
    let mut arguments = idle(place);
    arguments.retain(|argument| !argument.starts_with("--sink"));
    arguments.extend(["--sink=http".to_owned(), format!("--sink-url={}", sink.url())]);
    arguments
}
