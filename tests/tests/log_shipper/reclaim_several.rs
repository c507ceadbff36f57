//! Room on the shared volume with several sinks: nothing goes that one of them lacks.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use e2e::pace::{SOON, holds_for, paced, wait_until};
use e2e::shipper::Settings;
use e2e::sink::{Answer, Protocol, Sink};
use e2e::workplace::Workplace;
use e2e::writer::{Numbered, rotated};

/// Two sinks by a settings file, with more settings of the whole.
fn settings(place: &Workplace, sinks: [&Sink; 2], whole: &str) -> Settings {
    let [first, second] = sinks.map(|sink| {
        let flags = sink.protocol().flags().iter();
        let flags = flags.map(|(flag, value)| format!(", {}: {value:?}", flag.trim_matches('-')));
        format!("sink-url: {:?}{}", sink.url(), flags.collect::<String>())
    });
    let include = place.log("*.log");
    let file = format!(
        "include: {include:?}\nlinger: 200ms\nmultiline-timeout: 1s\n{whole}\nsinks:\n\
         - {{name: first, {first}}}\n- {{name: second, {second}}}\n"
    );
    let path = place.path().join("settings.yaml");
    fs::write(&path, file).unwrap();
    Settings::bare(place).flag("--config", path.to_str().unwrap())
}

fn disk_bytes(file: &Path) -> u64 {
    fs::metadata(file).unwrap().blocks() * 512
}

/// One sink takes nothing while the log is rotated and written; kills come in between. Whichever of
/// the two it is, and whichever makes the room.
fn check_dead_sink(number_of_dead: usize) {
    let place = Workplace::new();
    let sinks = [Sink::start(), Sink::speaking(Protocol::Bulk)];
    let (dead, healthy) = (&sinks[number_of_dead], &sinks[1 - number_of_dead]);
    let settings = settings(&place, [&sinks[0], &sinks[1]], "reclaim: true");
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.set_padding("p".repeat(1000));
    dead.set(Answer::Status(503, None));
    let mut shipper = settings.start();
    for _ in 0..3 {
        log.lines(500);
        healthy.wait_distinct(log.written().len(), SOON);
        log.rotate(9);
    }
    paced(5, Duration::from_millis(100), |_| log.lines(1000));
    healthy.wait_distinct(log.written().len(), SOON);
    shipper.kill9();
    shipper = settings.start();
    let is_all_there = || {
        (1..=3).all(|number| disk_bytes(&rotated(log.path(), number)) > 400_000)
            && disk_bytes(log.path()) > 5_000_000
    };
    assert!(holds_for(Duration::from_secs(4), is_all_there), "something went that one sink lacks");
    dead.set(Answer::Ok);
    dead.wait_distinct(log.written().len(), SOON);
    wait_until("the end of the old files", SOON, || {
        (1..=3).all(|number| !rotated(log.path(), number).exists())
    });
    wait_until("a hole", SOON, || disk_bytes(log.path()) < 1_000_000);
    log.lines(100);
    dead.wait_distinct(log.written().len(), SOON);
    shipper.kill9();
    let shipper = settings.start();
    log.lines(100);
    for sink in &sinks {
        sink.wait_distinct(log.written().len(), SOON);
    }
    shipper.drain_ok();
    for sink in &sinks {
        sink.account(&[&log]).assert_nothing_lost();
    }
}

#[test]
fn nothing_goes_that_the_first_sink_lacks() {
    check_dead_sink(0);
}

#[test]
fn nothing_goes_that_the_second_sink_lacks() {
    check_dead_sink(1);
}

/// Truncated in place again and again, with holes before and a sink that comes later.
#[test]
fn copies_are_known_by_all_sinks() {
    let place = Workplace::new();
    let sinks = [Sink::start(), Sink::start()];
    let shipper = settings(&place, [&sinks[0], &sinks[1]], "reclaim: true").start();
    let mut log = Numbered::open(place.log("app.log"), "app");
    log.set_padding("p".repeat(1000));
    for round in 1..=4 {
        sinks[round % 2].set(Answer::Hold);
        log.lines(2000);
        sinks[1 - round % 2].wait_distinct(log.written().len(), SOON);
        sinks[round % 2].set(Answer::Ok);
        for sink in &sinks {
            sink.wait_distinct(log.written().len(), SOON);
        }
        wait_until("a hole", SOON, || disk_bytes(log.path()) < 1_000_000);
        log.lines(50);
        log.copytruncate(place.log(&format!("app.log.{round}")));
    }
    log.lines(10);
    for sink in &sinks {
        sink.wait_distinct(log.written().len(), SOON);
    }
    shipper.drain_ok();
    for sink in &sinks {
        sink.account(&[&log]).assert_exactly_once();
    }
}

#[test]
fn what_several_sinks_cannot_agree_on_is_refused() {
    let place = Workplace::new();
    let sinks = [Sink::start(), Sink::start()];
    let sinks = [&sinks[0], &sinks[1]];
    let file = place.path().join("settings.yaml");
    for (whole, own, reason) in [
        ("reclaim: true", "include: /logs/*.other", "different files"),
        ("max-dir-bytes: 1MiB", "on-full: drop-oldest", "what other sinks need"),
    ] {
        let settings = settings(&place, sinks, whole);
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("name: second", &format!("name: second, {own}"))).unwrap();
        let (code, stderr) = settings.run_to_end(SOON);
        assert_eq!(code, 64, "{stderr}");
        assert!(stderr.contains(reason), "{stderr}");
    }
}
