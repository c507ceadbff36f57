//! Crashes, freezes, slow restarts and reboots at random, on both kinds of node.

use std::time::Duration;

use e2e::census::kill9;
use e2e::pace::{SOON, wait_until};
use e2e::process::Signal;
use e2e::random::Random;
use e2e::seed::random;

use super::kubelet::{ARBITER, Kind, NATIVE, Pod, REGULAR, ROLES};

const EVENTS: u32 = 60;
/// With each pair of waiting times.
const EVENTS_OF_PAIR: u32 = 6;
/// Longer than the two short times of the roles, so that these run out in the middle.
const FREEZE_MAX_MS: u64 = 700;

#[test]
fn an_old_node_runs_one_copy_whatever_happens() {
    survives(&mut Pod::new(Kind::Old), EVENTS);
}

#[test]
fn a_new_node_runs_one_copy_whatever_happens() {
    survives(&mut Pod::new(Kind::New), EVENTS);
}

#[test]
fn waiting_times_change_the_latency_only() {
    for kind in [Kind::Old, Kind::New] {
        for (native_wait_ms, settle_ms) in [(0, 0), (0, 500), (500, 0)] {
            let mut pod = Pod::new(kind);
            pod.native_wait = Duration::from_millis(native_wait_ms);
            pod.settle = Duration::from_millis(settle_ms);
            survives(&mut pod, EVENTS_OF_PAIR);
        }
    }
}

/// In a pod whose containers are not restarted the idle copy ends, and nobody proves anything to a
/// native copy that comes back.
#[test]
fn native_comes_back_when_the_idle_copy_has_ended() {
    let mut pod = Pod::new(Kind::New);
    pod.on_failure = true;
    let mut command = pod.settled("the start", None);
    pod.until("the idle copy's end", |pod| pod.runs_natively() && !pod.runs(REGULAR));
    for _ in 0..3 {
        pod.signal(NATIVE, Signal::KILL);
        kill9(command);
        command = pod.settled("a crash", Some(command));
        assert!(pod.runs_natively() && !pod.runs(REGULAR));
    }
}

/// The node is upgraded under a running pod: the native copy is started beside the regular one.
#[test]
fn a_regular_copy_hands_over_when_native_appears() {
    let mut pod = Pod::new(Kind::Old);
    let old = pod.settled("the start", None);
    pod.kind = Kind::New;
    pod.until("the handover", Pod::runs_natively);
    assert_ne!(pod.settled("the handover", None), old);
    assert!(pod.runs(REGULAR), "it stays, idle");
    pod.kind = Kind::Old;
    pod.signal(NATIVE, Signal::KILL);
    kill9(pod.commands()[0]);
    pod.settled("the loss of native", None);
    assert!(!pod.runs_natively());
}

/// A kubelet that lost its memory starts ordinary containers without init containers.
#[test]
fn a_start_without_init_containers_is_no_deadlock() {
    for kind in [Kind::Old, Kind::New] {
        let mut pod = Pod::new(kind);
        pod.settled("the first start", None);
        pod.reboot();
        pod.start(REGULAR);
        // Without ticks nobody else is started.
        wait_until("the command", SOON, || pod.commands().len() == 1);
        pod.settled("the start of the others", None);
    }
}

fn survives(pod: &mut Pod, events: u32) {
    let mut random = random();
    pod.settled("the first start", None);
    for number in 0..events {
        let event = *random.one_of(&Event::ALL);
        let what = format!("event {number}, {event:?}");
        println!("{what}");
        let gone = suffer(pod, event, &mut random);
        pod.settled(&what, gone);
    }
}

#[derive(Debug, Clone, Copy)]
enum Event {
    KillCommand,
    /// At some time in the life of one of the roles; its command lives on.
    KillRole,
    KillRoleAndCommand,
    SlowNative,
    Freeze,
    FreezeAndKillCommand,
    Reboot,
    /// A reboot, and another one at some time during the start.
    RebootAgain,
    KillAtStart,
}

impl Event {
    const ALL: [Event; 9] = [
        Event::KillCommand,
        Event::KillRole,
        Event::KillRoleAndCommand,
        Event::SlowNative,
        Event::Freeze,
        Event::FreezeAndKillCommand,
        Event::Reboot,
        Event::RebootAgain,
        Event::KillAtStart,
    ];
}

/// Returns the command that cannot live any more.
fn suffer(pod: &mut Pod, event: Event, random: &mut Random) -> Option<u32> {
    let command = pod.commands()[0];
    let running: Vec<&str> = ROLES.into_iter().filter(|role| pod.runs(role)).collect();
    let role = *random.one_of(&running);
    let mut some_time = |limit_ms: u64| Duration::from_millis(random.below(limit_ms));
    match event {
        Event::KillCommand => kill9(command),
        Event::KillRole => {
            pod.signal(role, Signal::KILL);
            return None;
        }
        Event::KillRoleAndCommand => {
            pod.signal(role, Signal::KILL);
            pod.go_on_for(some_time(100));
            kill9(command);
        }
        Event::SlowNative => {
            pod.hold_back(NATIVE, some_time(FREEZE_MAX_MS));
            if pod.runs(NATIVE) {
                pod.signal(NATIVE, Signal::KILL);
            }
            kill9(command);
        }
        Event::Freeze | Event::FreezeAndKillCommand => {
            pod.signal(role, Signal::STOP);
            let kills = matches!(event, Event::FreezeAndKillCommand);
            if kills {
                kill9(command);
            }
            pod.go_on_for(some_time(FREEZE_MAX_MS));
            pod.signal(role, Signal::CONT);
            return kills.then_some(command);
        }
        Event::Reboot => pod.reboot(),
        Event::RebootAgain => {
            pod.reboot();
            pod.go_on_for(some_time(400));
            pod.reboot();
        }
        Event::KillAtStart => {
            pod.reboot();
            let victim = if some_time(2).is_zero() { NATIVE } else { ARBITER };
            pod.until("the start", |pod| pod.runs(victim) || pod.runs(REGULAR));
            pod.go_on_for(some_time(150));
            if pod.runs(victim) {
                pod.signal(victim, Signal::KILL);
            }
        }
    }
    Some(command)
}
