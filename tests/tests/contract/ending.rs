//! How it ends: signals, the grace period, exit statuses.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use e2e::pace::{SOON, wait_until};
use e2e::process::Signal;
use e2e::workplace::Workplace;
use serde_json::Value;

use crate::SUBJECTS;
use crate::subject::complaints;

/// What an end at once may take on a loaded machine.
const AT_ONCE: Duration = Duration::from_secs(5);

#[test]
fn without_work_a_signal_ends_it_at_once() {
    for subject in SUBJECTS {
        for signal in [Signal::TERM, Signal::INT] {
            let place = Workplace::new();
            let running = subject.start_idle(&place);
            running.signal(signal);
            let (status, log) = running.end(AT_ONCE);
            assert_eq!(status, 0, "{log:?}");
        }
    }
}

#[test]
fn under_load_it_drains() {
    for subject in SUBJECTS {
        let place = Workplace::new();
        let scene = (subject.loaded)(&place);
        let running = subject.start(&place, &scene.arguments);
        (scene.wait_busy)();
        running.signal(Signal::TERM);
        wait_until("the drain", SOON, || running.ask("GET", "/readyz").status == 503);
        (scene.calm)();
        let (status, log) = running.end(SOON);
        assert_eq!(status, 0, "{log:?}");
    }
}

#[test]
fn a_stuck_peer_does_not_outlast_the_grace() {
    for subject in SUBJECTS {
        let place = Workplace::new();
        let mut scene = (subject.stuck)(&place);
        scene.arguments.push("--shutdown-grace=2s".to_owned());
        let running = subject.start(&place, &scene.arguments);
        (scene.wait_busy)();
        let start = Instant::now();
        running.signal(Signal::TERM);
        let (status, log) = running.end(SOON);
        assert_eq!(status, 75, "{log:?}");
        // The image may use its last moments after the grace to say what is left.
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
        assert_names_what_is_left(&log);
    }
}

#[test]
fn a_second_signal_does_not_wait_for_the_grace() {
    for subject in SUBJECTS {
        let place = Workplace::new();
        let scene = (subject.stuck)(&place);
        let running = subject.start(&place, &scene.arguments);
        (scene.wait_busy)();
        running.signal(Signal::TERM);
        running.wait_logged("Drain started");
        running.signal(Signal::TERM);
        let (status, log) = running.end(AT_ONCE);
        assert_eq!(status, 75, "{log:?}");
        assert_names_what_is_left(&log);
    }
}

#[track_caller]
fn assert_names_what_is_left(log: &[Value]) {
    let last = log.iter().find(|line| line["message"] == "Grace over with work left");
    let left = last.and_then(|line| line["left"].as_str()).unwrap_or_default();
    assert!(!left.is_empty(), "{log:?}");
}

#[test]
fn a_hangup_ends_nothing() {
    for subject in SUBJECTS {
        let place = Workplace::new();
        let running = subject.start_idle(&place);
        running.signal(Signal::HUP);
        running.wait_logged("Reload requested");
        assert_eq!(running.ask("GET", "/readyz").status, 200);
        running.signal(Signal::TERM);
        assert_eq!(running.end(AT_ONCE).0, 0);
    }
}

#[test]
fn a_taken_port_is_named() {
    for subject in SUBJECTS {
        let place = Workplace::new();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let mut arguments = (subject.idle)(&place);
        arguments.push(format!("--admin-listen={address}"));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = subject.run(&arguments, &[]);
        let log = crate::subject::json_lines(str::from_utf8(&output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(69), "{log:?}");
        assert_eq!(complaints(&log), [("admin-listen".to_owned(), address)]);
        assert_eq!(output.stdout, b"");
    }
}
