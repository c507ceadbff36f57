//! The copy that is an init container with `restartPolicy: Always`.
//!
//! It runs the command only after it has seen a later container alive beside itself, which no node
//! without native sidecars can show it. Where it sees none it exits with 0: there it is an ordinary
//! init container, and the pod waits for its end.

use std::time::Duration;

use super::{Act, Active, Child, Decision, LOOK_OFTEN, LOOK_SELDOM, LOOK_SOON, Role, View};

/// How `native` behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NativeSettings {
    /// For how long it looks for a later container. On a node without native sidecars every start
    /// of the pod takes this long.
    pub wait: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum State {
    Proving,
    Standby,
    Running,
}

/// The machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Native {
    state: State,
    settings: NativeSettings,
}

impl Native {
    pub(crate) fn new(settings: NativeSettings) -> Native {
        Native { state: State::Proving, settings }
    }
}

impl Role for Native {
    fn step(self, view: &View) -> (Native, Act) {
        let (state, act) = match self.state {
            State::Proving | State::Standby if view.stop => (self.state, Act::Exit(0)),
            State::Proving => self.prove(view),
            State::Standby => match view.active {
                Active::Mine => (State::Running, Act::Start),
                Active::Free => (State::Standby, Act::Take),
                // The regular copy hands over, or an orphan of an earlier life still runs.
                Active::Others => (State::Standby, Act::Wait(LOOK_OFTEN)),
            },
            State::Running => match view.child {
                Child::Ended(status) => (State::Running, Act::Exit(status)),
                Child::Running | Child::None => (State::Running, Act::Wait(LOOK_SELDOM)),
            },
        };
        (Native { state, ..self }, act)
    }
}

impl Native {
    fn prove(self, view: &View) -> (State, Act) {
        // It was proven in this sandbox; whoever proved it may have left, and main containers hold
        // no lock of ours.
        if view.decision == Some(Decision::Native) {
            return (State::Standby, Act::Wait(Duration::ZERO));
        }
        if view.arbiter || view.regular {
            return (State::Standby, Act::Record(Decision::Native));
        }
        match view.waited >= self.settings.wait {
            true => (State::Proving, Act::Exit(0)),
            false => (State::Proving, Act::Wait(LOOK_SOON)),
        }
    }
}
