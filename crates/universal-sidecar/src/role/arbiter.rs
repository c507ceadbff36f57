//! The plain init container right after `native`: the later container whose life is the proof.
//!
//! Without it the first later container would be a main one, so the sidecar would start together
//! with what needs it. It never starts the command itself.

use std::time::Duration;

use super::{Act, Active, Decision, LOOK_SOON, Role, View};

/// How long the main containers' start waits for a native copy that lives but does not start its
/// command: it may be stopped, or wait for an orphan.
const YIELD_MAX: Duration = Duration::from_secs(10);

/// How `arbiter` behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ArbiterSettings {
    /// For how long native may be away, between two of its runs, before it counts as gone.
    pub settle: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum State {
    Watching,
    Seen,
    Yielding,
    Gone,
    Done,
}

/// The machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Arbiter {
    state: State,
    settings: ArbiterSettings,
}

impl Arbiter {
    pub(crate) fn new(settings: ArbiterSettings) -> Arbiter {
        Arbiter { state: State::Watching, settings }
    }
}

impl Role for Arbiter {
    fn step(self, view: &View) -> (Arbiter, Act) {
        let (state, act) = match self.state {
            _ if view.stop => (self.state, Act::Exit(0)),
            State::Watching if view.native => (State::Seen, Act::Record(Decision::Native)),
            State::Watching if view.waited >= self.settings.settle => {
                (State::Gone, Act::Record(Decision::Regular))
            }
            State::Watching => (State::Watching, Act::Wait(LOOK_SOON)),
            State::Seen => (State::Yielding, Act::Wait(Duration::ZERO)),
            State::Yielding if view.active == Active::Others => (State::Done, Act::Exit(0)),
            State::Yielding if view.waited >= YIELD_MAX => (State::Done, Act::Exit(0)),
            State::Yielding if !view.native => (State::Watching, Act::Wait(LOOK_SOON)),
            State::Yielding => (State::Yielding, Act::Wait(LOOK_SOON)),
            State::Gone | State::Done => (State::Done, Act::Exit(0)),
        };
        (Arbiter { state, ..self }, act)
    }
}
