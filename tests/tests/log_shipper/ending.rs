//! A shipper that nobody ends: it knows by itself that the work is done.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use e2e::pace::{SOON, holds_for, wait_until};
use e2e::process::{Guard, command};
use e2e::shipper::{Settings, Shipper};
use e2e::sink::{Answer, Sink};
use e2e::workplace::Workplace;
use e2e::writer::{Numbered, rotated};

/// The end came by itself, with this status; returns the log.
fn ended(shipper: Shipper, status: i32) -> String {
    let (code, stderr) = shipper.wait_end(SOON);
    assert_eq!(code, status, "{stderr}");
    stderr
}

/// A field of the last line of the log that has this message.
fn field(stderr: &str, message: &str, name: &str) -> serde_json::Value {
    let line = stderr.lines().rfind(|line| line.contains(message)).expect(message);
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    line.get(name).expect(name).clone()
}

#[test]
fn once_ships_what_is_there_and_ends() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(30_000);
    log.rotate(3);
    log.lines(20_000);
    log.unended();
    let settings =
        Settings::new(&place, &sink).flag("--include", place.log("*.1").to_str().unwrap());
    let once = settings.env("LOG_SHIPPER_ONCE", "true");
    ended(once.start_command(once.command()), 0);
    sink.account(&[&log]).assert_exactly_once();
    // The positions are saved: the next one ships what is new.
    let mut more = Numbered::open(place.log("more.log"), "more");
    more.lines(10);
    ended(once.start_command(once.command()), 0);
    // The line that had no end comes again: nobody can know that it will get none.
    assert_eq!(sink.records().len(), 50_001 + 1 + 10);
}

#[test]
fn once_ends_beside_a_writer_that_does_not_and_without_files_at_once() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let once = Settings::new(&place, &sink).env("LOG_SHIPPER_ONCE", "true");
    ended(once.start_command(once.command()), 0);
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(10_000);
    let writer = log.in_background(10, Duration::from_millis(2));
    ended(once.start_command(once.command()), 0);
    let log = writer.stop();
    let shipped = sink.records().len();
    assert!(shipped >= 10_000, "{shipped}");
    ended(once.start_command(once.command()), 0);
    sink.account(&[&log]).assert_exactly_once();
}

/// `--once` waits for the sink for as long as it takes, not only for the grace period.
#[test]
fn once_outlasts_a_dead_sink() {
    let (place, sink) = (Workplace::new(), Sink::start());
    sink.set(Answer::Status(503, None));
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(1000);
    let once = Settings::new(&place, &sink).env("LOG_SHIPPER_ONCE", "true");
    let once = once.flag("--shutdown-grace", "1s");
    let mut shipper = once.start_command(once.command());
    assert!(holds_for(Duration::from_secs(3), || shipper.process().is_running()));
    sink.set(Answer::Ok);
    ended(shipper, 0);
    sink.account(&[&log]).assert_exactly_once();
}

/// A Job: the work is a process of its own, which makes the marker as the last thing it does.
#[test]
fn a_job_ends_with_its_marker() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let done = place.log("done/marker");
    let settings = Settings::new(&place, &sink).flag("--exit-when-file", done.to_str().unwrap());
    let shipper = settings.start();
    let script = r#"
        i=0
        while [ $i -lt 20 ]; do echo "step $i of the work"; i=$((i+1)); done >>work.log
        for n in 1 2 3; do seq -f "last words $n %g" 5000 >"late-$n.log"; done
        printf 'without an end' >>work.log
        mkdir done && : >done/marker"#;
    let mut work = command("sh");
    work.args(["-c", script]);
    let mut work = Guard::spawn(work, &place.logs(), "work");
    assert_eq!(work.wait_code(SOON), 0);
    let stderr = ended(shipper, 0);
    assert!(stderr.contains("exit-when-file"), "{stderr}");
    let mut messages = sink.messages();
    assert_eq!(messages.len(), 20 + 3 * 5000 + 1);
    messages.sort();
    messages.dedup();
    assert_eq!(messages.len(), 20 + 3 * 5000 + 1);
    // A container that is started again after the end of the work ends again.
    ended(settings.start_command(settings.command()), 0);
}

/// The sink is down when the work is done: 75 after the grace, and the next start ships the rest.
#[test]
fn a_marker_while_the_sink_is_down() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let marker = place.path().join("done");
    let settings = Settings::new(&place, &sink).flag("--exit-when-file", marker.to_str().unwrap());
    let settings = settings.flag("--shutdown-grace", "2s");
    let shipper = settings.start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(1000);
    sink.wait_records(1000, SOON);
    shipper.wait_no_lag();
    sink.set(Answer::Status(503, None));
    log.lines(5000);
    fs::write(&marker, "").unwrap();
    let stderr = ended(shipper, 75);
    let left = log.file_bytes() * 5 / 6;
    assert_eq!(field(&stderr, "Account of all files", "left_bytes"), left);
    assert_eq!(field(&stderr, "Account of a file", "acknowledged_bytes"), left / 5);
    sink.set(Answer::Ok);
    ended(settings.start_command(settings.command()), 0);
    sink.account(&[&log]).assert_exactly_once();
}

#[test]
fn idle_files_end_it_but_not_before_everything_is_shipped() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = Settings::new(&place, &sink).flag("--exit-when-idle", "1s");
    let mut shipper = settings.start();
    let log = Numbered::open(place.log("app.log"), "app");
    let writer = log.in_background(10, Duration::from_millis(100));
    assert!(holds_for(Duration::from_secs(2), || shipper.process().is_running()));
    sink.set(Answer::Status(503, None));
    let mut log = writer.stop();
    log.lines(10);
    assert!(holds_for(Duration::from_secs(2), || shipper.process().is_running()));
    sink.set(Answer::Ok);
    let stderr = ended(shipper, 0);
    assert!(stderr.contains("exit-when-idle"), "{stderr}");
    sink.account(&[&log]).assert_exactly_once();
}

/// A program of a name that no other process has.
fn program(folder: &Path, name: &str) -> Command {
    let path = folder.join(name);
    if !path.exists() {
        fs::copy("/bin/sleep", &path).unwrap();
    }
    let mut command = command(path);
    command.arg("1000");
    command
}

#[test]
fn it_ends_with_a_process_of_the_pod() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let name = format!("work-of-{}", std::process::id());
    let settings = Settings::new(&place, &sink).flag("--exit-when-process", &name);
    let mut shipper = settings.start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.lines(10);
    assert!(holds_for(Duration::from_secs(1), || shipper.process().is_running()));
    let work = Guard::spawn(program(place.path(), &name), place.path(), "work");
    wait_until("the process to be seen", SOON, || {
        shipper.process().stderr_text().contains("Watching a process")
    });
    assert!(holds_for(Duration::from_secs(1), || shipper.process().is_running()));
    log.lines(10_000);
    work.kill9();
    let stderr = ended(shipper, 0);
    assert!(stderr.contains("exit-when-process"), "{stderr}");
    sink.account(&[&log]).assert_exactly_once();
}

/// Every byte is accounted for: written = read, read = acknowledged + dropped.
#[test]
fn the_log_closes_with_an_account_of_every_file() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = Settings::new(&place, &sink).flag("--long-lines", "drop");
    let shipper = settings.flag("--max-line-bytes", "1000").start();
    let mut a = Numbered::open(place.log("a.log"), "a");
    let mut b = Numbered::open(place.log("b.log"), "b");
    a.lines(1000);
    sink.wait_records(1000, SOON);
    let old = a.file_bytes();
    a.rotate(3);
    a.lines(500);
    b.lines(10);
    b.line_with(&"x".repeat(5000));
    b.lines(10);
    b.unended();
    let (a_bytes, b_bytes) = (old + a.file_bytes(), b.file_bytes());
    let (code, stderr) = shipper.drain(SOON);
    assert_eq!(code, 0, "{stderr}");
    let of_all = |name: &str| field(&stderr, "Account of all files", name);
    assert_eq!(of_all("files"), 2);
    assert_eq!(of_all("written_bytes"), a_bytes + b_bytes);
    let unended = of_all("unended_bytes").as_u64().unwrap();
    assert_eq!(of_all("acknowledged_bytes"), a_bytes + b_bytes - unended);
    assert_eq!((of_all("left_bytes"), of_all("lost_bytes")), (0.into(), 0.into()));
    assert_eq!((of_all("read_lines"), of_all("acknowledged_lines")), (1520.into(), 1520.into()));
    assert_eq!(of_all("dropped_lines"), "too_long=1");
    let of_a = stderr.lines().find(|line| line.contains("Account of a file")).unwrap();
    assert!(of_a.contains("a.log\"") && of_a.contains(&a_bytes.to_string()), "{of_a}");
    assert!(!rotated(a.path(), 2).exists());
}
