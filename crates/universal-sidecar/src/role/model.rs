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

use self::world::{Container, Kind, Lock, Rules, World};
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
        if let Some(fault) = world.fault() {
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
fn check(rules: Rules) -> Result<usize, String> {
    if rules.supported {
        runs_before_main(rules)?;
    }
    let mut first = World::new(rules.supported);
    (first.kills, first.reboots, first.upgrades) = (3, 1, 1);
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

fn rules(supported: bool, contained: bool, idle: IdlePolicy) -> Rules {
    Rules { supported, contained, idle, broken: None }
}

#[test]
fn one_command_whatever_happens() {
    for supported in [false, true] {
        for contained in [false, true] {
            for idle in [IdlePolicy::Stay, IdlePolicy::Exit] {
                let rules = rules(supported, contained, idle);
                let worlds = check(rules).unwrap_or_else(|fault| panic!("{rules:?}: {fault}"));
                assert!(worlds > 1000, "{rules:?}: only {worlds} worlds");
            }
        }
    }
}

#[test]
fn every_lock_is_needed() {
    for (broken, expected) in [
        (Lock::Native, "native does not run the command"),
        (Lock::Arbiter, "main starts before the command"),
        (Lock::Regular, "no command runs"),
        (Lock::Active, "two commands run"),
    ] {
        let rules = rules(true, false, IdlePolicy::Stay);
        let fault = check(Rules { broken: Some(broken), ..rules }).unwrap_err();
        assert!(fault.starts_with(expected), "without {broken:?}: {fault}");
    }
}
