//! What the three roles decide, without clock, files or processes.
//!
//! In goes a [`View`] of the locks, the record and the own command; out come the next state and one
//! [`Act`]. The driver keeps the time since the last change of state and obeys. That one command
//! runs at most is kept by one lock alone, `active`: no decision here can break it. The rest
//! decides who takes that lock and when it is given away.
//!
//! ```text
//! native    Proving ─▶ Standby ─▶ Running ─▶ exit
//!              └─▶ exit 0: nobody later lives, so this node runs it as an ordinary init container
//! arbiter   Watching ─▶ Yielding ─▶ exit 0
//!              └─▶ exit 0: native is gone
//! regular   Settling ─▶ Competing ─▶ Running ─▶ Stopping ─▶ Idle
//!              └─────────▶ Idle ◀──────┘ Idle ─▶ Settling when native is gone
//! ```
//!
//! The model in `role/model.rs` runs these machines through every crash and every order of steps.

pub(crate) mod arbiter;
#[cfg(test)]
mod model;
pub(crate) mod native;
pub(crate) mod regular;

use std::time::Duration;

pub use self::{
    arbiter::ArbiterSettings,
    native::NativeSettings,
    regular::{IdlePolicy, RegularSettings},
};

/// How often a role looks while a container's start waits for the outcome.
pub(crate) const LOOK_SOON: Duration = Duration::from_millis(20);
/// How often a role looks while somebody else is about to stop.
pub(crate) const LOOK_OFTEN: Duration = Duration::from_millis(200);
/// How often an idle role looks.
pub(crate) const LOOK_SELDOM: Duration = Duration::from_secs(1);

/// Who holds `active`, the lock of the one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Active {
    Free,
    Mine,
    Others,
}

/// What the record says, if it was written in this generation: what was proven by locks before, by
/// roles that may have left since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Decision {
    /// A later container and native saw each other alive.
    Native,
    /// The arbiter saw native gone.
    Regular,
}

/// The container's own command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Child {
    None,
    Running,
    /// With this exit status; 128 and the signal's number after a signal.
    Ended(u8),
}

/// What a role sees. A lock counts as alive if somebody else holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct View {
    pub(crate) native: bool,
    pub(crate) arbiter: bool,
    pub(crate) regular: bool,
    pub(crate) active: Active,
    /// The wrapped main container has ended for good.
    pub(crate) main_ended: bool,
    pub(crate) decision: Option<Decision>,
    pub(crate) child: Child,
    /// SIGTERM, SIGINT or SIGQUIT came. The child has got it too.
    pub(crate) stop: bool,
    /// Since the role's state changed.
    pub(crate) waited: Duration,
}

/// What a role does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Act {
    /// Look again after this time, or when a signal comes or the child ends.
    Wait(Duration),
    /// Try to take `active`, and look again.
    Take,
    /// Give `active` back.
    Release,
    /// Start the command. Only while `active` is mine.
    Start,
    /// SIGTERM to the command.
    Terminate,
    /// SIGKILL to the command.
    Kill,
    /// Write down what was seen.
    Record(Decision),
    Exit(u8),
}

/// A role's machine.
pub(crate) trait Role: Copy + PartialEq {
    fn step(self, view: &View) -> (Self, Act);
}
