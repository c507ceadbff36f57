//! Every order of steps, crashes and restarts of the three roles, on both kinds of node.
//!
//! The model has the real machines, the locks, the record and a small kubelet. A process looks,
//! and acts on what it saw at some later moment; in between anybody else may do anything. Time is
//! an adversary: any wait may seem over at any look. Processes are killed at every point, alone or
//! with their command, and the node reboots. What must hold: never two commands; and from every
//! state reached, once crashes stop, exactly one command runs and goes on running, native's where
//! the node supports it, and native never stays where it does not. Each of the four locks is then
//! taken away, and each time the same check has to fail.

mod world;

use std::collections::{HashSet, VecDeque};

use self::world::{Container, Kind, Lock, Restart, Rules, World};
use super::IdlePolicy;

/// Rounds of calm after which everything has to be in its place.
const CALM_ROUNDS: usize = 60;
/// Rounds in which it then has to stay there.
const STEADY_ROUNDS: usize = 12;

/// Waits are over in some rounds only, so that whoever can do something does it before anybody's
/// patience ends.
fn is_late(round: usize) -> bool {
    round % 6 == 5
}

/// Lets a world come to rest.
fn comes_to_rest(mut world: World, rules: Rules) -> Result<(), &'static str> {
    for round in 0..CALM_ROUNDS {
        world.calm_round(rules, is_late(round));
    }
    for round in 0..STEADY_ROUNDS {
        world.calm_round(rules, is_late(round));
        if let Some(fault) = world.fault(rules) {
            return Err(fault);
        }
    }
    Ok(())
}

/// Where native sidecars are supported and nothing goes wrong, the command runs before the main
/// containers start.
fn runs_before_main(rules: Rules) -> Result<(), &'static str> {
    let mut world = World::new(rules.supported);
    for round in 0..CALM_ROUNDS {
        world.calm_round(rules, is_late(round));
        if world.regular != Container::Waiting {
            // It holds the lock, so its very next step starts the command.
            let about_to = world.process(Kind::Native).is_some_and(|native| native.holds_active);
            return about_to.then_some(()).ok_or("main starts before the command");
        }
    }
    Err("main never starts")
}

/// Goes through all worlds; the number of them, or the first fault.
fn check(rules: Rules, first: World) -> Result<usize, String> {
    if rules.supported {
        runs_before_main(rules)?;
    }
    let mut seen = HashSet::from([first]);
    let mut queue = VecDeque::from([first]);
    while let Some(world) = queue.pop_front() {
        if world.commands() > 1 {
            return Err(format!("two commands run: {world:?}"));
        }
        comes_to_rest(world, rules).map_err(|fault| format!("{fault} after {world:?}"))?;
        for next in world.next(rules) {
            if seen.insert(next) {
                queue.push_back(next);
            }
        }
    }
    Ok(seen.len())
}

fn rules(supported: bool, contained: bool, restart: Restart, idle: IdlePolicy) -> Rules {
    Rules { supported, contained, restart, idle, read_only: false, broken: None }
}

fn first(supported: bool) -> World {
    let mut world = World::new(supported);
    (world.kills, world.reboots, world.upgrades, world.ends) = (2, 1, 1, 1);
    world
}

#[test]
fn one_command_whatever_happens() {
    let mut worlds_in_all = 0;
    for supported in [false, true] {
        for contained in [false, true] {
            for (restart, idle) in [
                (Restart::Always, IdlePolicy::Stay),
                (Restart::OnFailure, IdlePolicy::Exit),
                (Restart::Never, IdlePolicy::Exit),
                (Restart::Never, IdlePolicy::Stay),
            ] {
                let rules = rules(supported, contained, restart, idle);
                let worlds = check(rules, first(supported));
                worlds_in_all += worlds.unwrap_or_else(|fault| panic!("{rules:?}: {fault}"));
            }
        }
    }
    assert!(worlds_in_all > 10_000, "only {worlds_in_all} worlds");
}

/// Where containers are restarted, nothing depends on the record.
#[test]
fn the_record_may_be_lost() {
    for supported in [false, true] {
        let rules = rules(supported, false, Restart::Always, IdlePolicy::Stay);
        let rules = Rules { read_only: true, ..rules };
        check(rules, first(supported)).unwrap_or_else(|fault| panic!("{rules:?}: {fault}"));
    }
}

#[test]
fn every_lock_is_needed() {
    for (broken, supported, expected) in [
        (Lock::Native, true, "native does not run the command"),
        (Lock::Arbiter, true, "main starts before the command"),
        (Lock::Regular, false, "no command runs"),
        (Lock::Active, true, "two commands run"),
    ] {
        let rules = rules(supported, false, Restart::Always, IdlePolicy::Stay);
        // The record would stand in for the regular copy's lock.
        let broken_rules = Rules { broken: Some(broken), read_only: true, ..rules };
        let fault = check(broken_rules, first(supported)).unwrap_err();
        assert!(fault.starts_with(expected), "without {broken:?}: {fault}");
    }
}
