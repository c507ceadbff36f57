//! Rotation on behalf of a program that only reopens its log at a signal.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use e2e::pace::{SOON, wait_until};
use e2e::process::{Guard, command};
use e2e::shipper::Settings;
use e2e::sink::Sink;
use e2e::workplace::Workplace;
use e2e::writer::Numbered;

/// A program under a name of its own that writes numbered lines to `app.log`, and opens it anew at
/// USR1 unless it is deaf, in which case the signal would end it.
fn program(place: &Workplace, name: &str, lines: u32, is_deaf: bool) -> Guard {
    let shell = place.path().join(name);
    fs::copy("/bin/dash", &shell).unwrap();
    let trap = if is_deaf { "" } else { "trap 'exec >>app.log' USR1; " };
    let script = format!(
        "{trap}exec >>app.log; i=0; while [ $i -lt {lines} ]; do i=$((i+1)); \
         echo \"line $i of a program that knows nothing of rotation, and writes on and on\"; \
         [ $((i % 400)) -ne 0 ] || sleep 0.05; done"
    );
    let mut command = command(&shell);
    command.args(["-c", &script]);
    Guard::spawn(command, &place.logs(), "program")
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().filter(|it| it.as_ref().unwrap().path().is_file()).count()
}

fn check_exactly_once(sink: &Sink, lines: usize) {
    let number = |message: &String| message.split(' ').nth(1).unwrap().parse::<usize>().unwrap();
    let mut numbers: Vec<usize> = sink.messages().iter().map(number).collect();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(1..=lines), "{} of {lines}", numbers.len());
}

/// The log is renamed again and again while it is written.
#[test]
fn a_log_is_rotated_while_it_is_written_and_nothing_is_lost() {
    const LINES: u32 = 40_000;
    let (place, sink) = (Workplace::new(), Sink::start());
    let name = format!("rotates-{}", std::process::id());
    let settings = Settings::new(&place, &sink).env("LOG_SHIPPER_RECLAIM", "true");
    let settings = settings.flag("--rotate-at", "128KiB").flag("--rotate-process", &name);
    let shipper = settings.start();
    let mut work = program(&place, &name, LINES, false);
    let old = place.log("app.log.1");
    wait_until("a rotation", SOON, || old.exists());
    wait_until("a new log", SOON, || place.log("app.log").exists());
    wait_until("another rotation", SOON, || {
        shipper.metrics().sum("log_shipper_rotations_total") > 1.0
    });
    assert!(shipper.metrics().sum("log_shipper_rotate_errors_total") < 1.0);
    assert_eq!(work.wait_code(SOON), 0);
    sink.wait_records(usize::try_from(LINES).unwrap(), SOON);
    wait_until("the end of the old files", SOON, || files(&place.logs()) == 2);
    shipper.drain_ok();
    check_exactly_once(&sink, usize::try_from(LINES).unwrap());
}

/// A log that the program does not write would grow on under its new name.
#[test]
fn a_log_of_another_program_is_left_alone() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let name = format!("owns-{}", std::process::id());
    let settings = Settings::new(&place, &sink).flag("--rotate-at", "64KiB");
    let shipper = settings.flag("--rotate-process", &name).start();
    let mut other = Numbered::open(place.log("other.log"), "other");
    other.lines(5_000);
    let work = program(&place, &name, 100_000_000, false);
    wait_until("a rotation", SOON, || place.log("app.log.1").exists());
    wait_until("another rotation", SOON, || {
        shipper.metrics().sum("log_shipper_rotations_total") > 1.0
    });
    work.kill9();
    assert!(other.file_bytes() > 64 << 10);
    assert!(!place.log("other.log.1").exists());
    shipper.drain_ok();
}

/// A program that does not catch the signal would be ended by it: its log stays.
#[test]
fn a_program_that_does_not_reopen_its_log_is_left_alone() {
    const LINES: u32 = 20_000;
    let (place, sink) = (Workplace::new(), Sink::start());
    let name = format!("is-deaf-{}", std::process::id());
    let settings = Settings::new(&place, &sink).flag("--rotate-at", "64KiB");
    let mut work = program(&place, &name, LINES, true);
    wait_until("a large log", SOON, || {
        fs::metadata(place.log("app.log")).is_ok_and(|log| log.len() > 64 << 10)
    });
    let mut shipper = settings.flag("--rotate-process", &name).start();
    shipper.wait_metric("log_shipper_rotate_errors_total", |errors| errors > 0.0);
    let log = shipper.process().stderr_text();
    assert!(log.contains("does not catch the signal"), "{log}");
    assert_eq!(work.wait_code(SOON), 0);
    sink.wait_records(usize::try_from(LINES).unwrap(), SOON);
    assert!(!place.log("app.log.1").exists());
    shipper.drain_ok();
    check_exactly_once(&sink, usize::try_from(LINES).unwrap());
}

/// A run was killed between the renaming and the signal: the next one sends it.
#[test]
fn a_signal_that_was_not_sent_is_sent_later() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let name = format!("waits-{}", std::process::id());
    let settings = Settings::new(&place, &sink).flag("--rotate-at", "100MiB");
    let settings = settings.flag("--rotate-process", &name);
    let work = program(&place, &name, 100_000_000, false);
    let log = place.log("app.log");
    wait_until("a log", SOON, || log.exists());
    let shipper = settings.start();
    shipper.wait_metric("log_shipper_lines_acked_total", |lines| lines > 0.0);
    shipper.kill9();
    fs::rename(&log, place.log("app.log.1")).unwrap();
    let shipper = settings.start();
    wait_until("a new log", SOON, || log.exists());
    work.kill9();
    shipper.drain_ok();
    let shipped: HashSet<String> = sink.messages().into_iter().collect();
    for file in [log, place.log("app.log.1")] {
        let text = fs::read_to_string(file).unwrap();
        assert!(text.lines().all(|line| shipped.contains(line)));
    }
}
