//! The copy that is an ordinary container.
//!
//! It runs the command if it can take `active` and native does not live. If native ever appears
//! while it runs, that is the proof of native support: it stops its command and gives `active`
//! away. Its command is also stopped when a wrapped main container has ended, so that a Job ends.

use std::time::Duration;

use super::{Act, Active, Child, Decision, LOOK_OFTEN, LOOK_SELDOM, LOOK_SOON, Role, View};

/// What the copy does that has nothing to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IdlePolicy {
    /// Exits with 0, as soon as native runs the command. For pods whose containers are not
    /// restarted: the pod is not Ready afterwards, as with any container that has ended.
    Exit,
    /// Exits with 0 when the wrapped main container has ended.
    WaitMain,
    /// Stays until a signal comes.
    Stay,
}

/// How `regular` behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RegularSettings {
    /// For how long native may be away, between two of its runs, before its place is taken.
    pub settle: Duration,
    /// What it does while native runs the command.
    pub idle: IdlePolicy,
    /// From SIGTERM to SIGKILL when the command has to give way.
    pub grace: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum State {
    Settling,
    /// As `Settling`, after native has been there in this process's life.
    Vacant,
    Competing,
    Running,
    Stopping(Reason),
    Killing(Reason),
    Releasing,
    Idle,
    Noting,
    Retiring,
}

/// Why the command is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Reason {
    Handover,
    MainEnded,
}

/// The machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Regular {
    state: State,
    settings: RegularSettings,
}

impl Regular {
    pub(crate) fn new(settings: RegularSettings) -> Regular {
        Regular { state: State::Settling, settings }
    }
}

impl Role for Regular {
    fn step(self, view: &View) -> (Regular, Act) {
        let (state, act) = match self.state {
            State::Settling | State::Vacant | State::Competing | State::Idle if view.stop => {
                (self.state, Act::Exit(0))
            }
            State::Settling => self.settle(view, view.decision == Some(Decision::Regular)),
            State::Vacant => self.settle(view, false),
            State::Competing => compete(view),
            State::Running => run(view),
            State::Stopping(reason) => self.stop(view, reason),
            State::Killing(reason) => killed(view, reason),
            State::Releasing => (State::Idle, Act::Release),
            State::Idle => self.idle(view),
            State::Noting => (State::Idle, Act::Wait(LOOK_SELDOM)),
            State::Retiring => (State::Retiring, Act::Exit(0)),
        };
        (Regular { state, ..self }, act)
    }
}

impl Regular {
    /// `known`: the arbiter has waited already.
    fn settle(self, view: &View, known: bool) -> (State, Act) {
        if view.native {
            return (State::Idle, Act::Wait(Duration::ZERO));
        }
        if view.main_ended {
            return (State::Retiring, Act::Wait(Duration::ZERO));
        }
        match known || view.waited >= self.settings.settle {
            true => (State::Competing, Act::Wait(Duration::ZERO)),
            false => (self.state, Act::Wait(LOOK_SOON.max(self.settings.settle / 8))),
        }
    }

    fn stop(self, view: &View, reason: Reason) -> (State, Act) {
        match view.child {
            Child::Running if view.waited >= self.settings.grace => {
                (State::Killing(reason), Act::Kill)
            }
            Child::Running => (State::Stopping(reason), Act::Wait(LOOK_OFTEN)),
            Child::None | Child::Ended(_) => killed(view, reason),
        }
    }

    fn idle(self, view: &View) -> (State, Act) {
        let looked = (State::Idle, Act::Wait(LOOK_SELDOM));
        match self.settings.idle {
            IdlePolicy::WaitMain if view.main_ended => (State::Retiring, Act::Wait(Duration::ZERO)),
            _ if !view.native => (State::Vacant, Act::Wait(Duration::ZERO)),
            // Whoever leaves, or is killed for good, can prove nothing to native later.
            _ if view.decision != Some(Decision::Native) => {
                (State::Noting, Act::Record(Decision::Native))
            }
            IdlePolicy::Exit if view.active == Active::Others => {
                (State::Retiring, Act::Wait(Duration::ZERO))
            }
            IdlePolicy::Exit => (State::Idle, Act::Wait(LOOK_OFTEN)),
            IdlePolicy::WaitMain | IdlePolicy::Stay => looked,
        }
    }
}

fn compete(view: &View) -> (State, Act) {
    match view.active {
        Active::Mine if view.native => (State::Releasing, Act::Wait(Duration::ZERO)),
        Active::Mine => (State::Running, Act::Start),
        _ if view.native => (State::Idle, Act::Wait(Duration::ZERO)),
        _ if view.main_ended => (State::Retiring, Act::Wait(Duration::ZERO)),
        Active::Free => (State::Competing, Act::Take),
        Active::Others => (State::Competing, Act::Wait(LOOK_SELDOM)),
    }
}

fn run(view: &View) -> (State, Act) {
    match view.child {
        Child::Ended(status) => (State::Running, Act::Exit(status)),
        _ if view.native => (State::Stopping(Reason::Handover), Act::Terminate),
        _ if view.main_ended => (State::Stopping(Reason::MainEnded), Act::Terminate),
        _ => (State::Running, Act::Wait(LOOK_SELDOM)),
    }
}

fn killed(view: &View, reason: Reason) -> (State, Act) {
    match (view.child, reason) {
        (Child::Running, _) => (State::Killing(reason), Act::Wait(LOOK_OFTEN)),
        _ if view.stop => (State::Retiring, Act::Wait(Duration::ZERO)),
        (_, Reason::Handover) => (State::Releasing, Act::Wait(Duration::ZERO)),
        (_, Reason::MainEnded) => (State::Retiring, Act::Wait(Duration::ZERO)),
    }
}
