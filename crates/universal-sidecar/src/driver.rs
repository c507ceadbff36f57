//! Looks at the locks, asks the role's machine, obeys, and looks again.
//!
//! In go the room, the role's settings and the command; out comes the exit status. All that can go
//! wrong while it runs errs on the side of waiting: a lock that cannot be asked for counts as
//! nobody's life and as somebody's command. Nothing here decides anything.

use std::io;
use std::time::{Duration, Instant};

use rustix::process::Signal;

pub use crate::child::Command;
use crate::child::Family;
use crate::locks::{Held, LockFile};
use crate::role::arbiter::Arbiter;
use crate::role::native::Native;
use crate::role::regular::Regular;
use crate::role::{
    Act, Active, ArbiterSettings, Child, LOOK_OFTEN, LOOK_SOON, NativeSettings, RegularSettings,
    Role, View,
};
use crate::room::{Room, RoomError};

/// The lock of the one command.
pub(crate) const ACTIVE: &str = "active";
/// The lock of the wrapped main container.
pub(crate) const MAIN: &str = "main";
pub(crate) const NATIVE: &str = "native";
pub(crate) const ARBITER: &str = "arbiter";
pub(crate) const REGULAR: &str = "regular";
/// A role's lock is free for all but the moments in which others ask for it, unless the same role
/// of the same name lives twice.
const OWN_LOCK_WAIT: Duration = Duration::from_secs(5);

/// What all roles need.
#[derive(Debug)]
pub struct Settings {
    /// Where the copies meet.
    pub room: Room,
    /// Called when the role begins a long wait: a moment to give memory back.
    pub rest: fn(),
}

/// Runs the copy that is an init container with `restartPolicy: Always`, to its exit status.
///
/// # Errors
/// The room cannot be used, or another native copy of the same name lives in it.
pub fn run_native(
    settings: &Settings,
    native: NativeSettings,
    command: &Command,
) -> Result<u8, RoomError> {
    Driver::new(settings, NATIVE, Some(command))?.run(Native::new(native))
}

/// Runs the init container that follows it, to its exit status.
///
/// # Errors
/// As for [`run_native`].
pub fn run_arbiter(settings: &Settings, arbiter: ArbiterSettings) -> Result<u8, RoomError> {
    Driver::new(settings, ARBITER, None)?.run(Arbiter::new(arbiter))
}

/// Runs the copy that is an ordinary container, to its exit status.
///
/// # Errors
/// As for [`run_native`].
pub fn run_regular(
    settings: &Settings,
    regular: RegularSettings,
    command: &Command,
) -> Result<u8, RoomError> {
    Driver::new(settings, REGULAR, Some(command))?.run(Regular::new(regular))
}

struct Driver<'a> {
    settings: &'a Settings,
    command: Option<&'a Command>,
    family: Family,
    locks: Locks,
    /// While this is held, others see this role alive.
    own: Held,
    active: Option<Held>,
}

/// The locks to ask for. A role does not ask for its own.
struct Locks {
    native: Option<LockFile>,
    arbiter: Option<LockFile>,
    regular: Option<LockFile>,
    main: LockFile,
    active: LockFile,
}

impl<'a> Driver<'a> {
    fn new(
        settings: &'a Settings,
        own: &str,
        command: Option<&'a Command>,
    ) -> Result<Self, RoomError> {
        let room = &settings.room;
        let mut family = Family::new().map_err(|source| room.unusable("signals", source))?;
        let other = |role: &str| (role != own).then(|| room.lock(role)).transpose();
        let locks = Locks {
            native: other(NATIVE)?,
            arbiter: other(ARBITER)?,
            regular: other(REGULAR)?,
            main: room.lock(MAIN)?,
            active: room.lock(ACTIVE)?,
        };
        let own = take_own(room, own, &mut family)?;
        Ok(Driver { settings, command, family, locks, own, active: None })
    }

    fn run<R: Role>(mut self, mut role: R) -> Result<u8, RoomError> {
        let room = &self.settings.room;
        let mut since = Instant::now();
        let mut long_waits = 0_u32;
        let mut unwritten = false;
        loop {
            self.attend(Duration::ZERO)?;
            self.check_locks()?;
            let view = self.look(since.elapsed());
            let (next, act) = role.step(&view);
            if next != role {
                tracing::debug!(?view, ?act, "State changed");
                (role, since, long_waits) = (next, Instant::now(), 0);
            }
            match act {
                Act::Wait(Duration::ZERO) => {}
                Act::Wait(limit) => {
                    // What led here is done by the second one.
                    if long_waits == 1 {
                        (self.settings.rest)();
                    }
                    long_waits = long_waits.saturating_add(u32::from(limit >= LOOK_OFTEN));
                    self.attend(limit)?;
                }
                Act::Take => {
                    let taken = self.locks.active.take();
                    self.active = taken.map_err(|source| room.unusable(ACTIVE, source))?;
                    if self.active.is_none() {
                        // Somebody was faster, or asks for it just now.
                        self.attend(LOOK_SOON)?;
                    }
                }
                Act::Release => self.release()?,
                Act::Start => self.start()?,
                Act::Terminate => {
                    tracing::info!(native = view.native, "Command has to give way");
                    self.family.terminate();
                }
                Act::Kill => self.family.send(Signal::KILL),
                Act::Record(decision) => {
                    let decided = decision.word();
                    match room.decide(decision) {
                        Ok(()) => tracing::info!(decided, "Decided"),
                        Err(_) if unwritten => {}
                        Err(error) => {
                            tracing::warn!(decided, %error, "Decision not written down");
                            unwritten = true;
                        }
                    }
                }
                Act::Exit(status) => {
                    self.release()?;
                    let View { native, arbiter, regular, stop, .. } = view;
                    tracing::info!(status, native, arbiter, regular, stop, "Role ended");
                    return Ok(status);
                }
            }
        }
    }

    /// Without its files at their places this role is dead to others, and they run the command too:
    /// the container has to begin anew.
    fn check_locks(&mut self) -> Result<(), RoomError> {
        let held = [Some(&self.own), self.active.as_ref()];
        let Some(lost) = held.into_iter().flatten().find(|held| held.is_lost()) else {
            return Ok(());
        };
        let path = lost.path().to_owned();
        self.family.send(Signal::KILL);
        self.release()?;
        Err(RoomError::Lost { path })
    }

    fn look(&mut self, waited: Duration) -> View {
        let room = &self.settings.room;
        let locks = &mut self.locks;
        View {
            native: locks.native.as_mut().is_some_and(|lock| answer(lock.is_held(), false)),
            arbiter: locks.arbiter.as_mut().is_some_and(|lock| answer(lock.is_held(), false)),
            regular: locks.regular.as_mut().is_some_and(|lock| answer(lock.is_held(), false)),
            active: match &self.active {
                Some(_) => Active::Mine,
                None if answer(locks.active.is_held(), true) => Active::Others,
                None => Active::Free,
            },
            main_ended: room.main_ended() && !answer(locks.main.is_held(), true),
            decision: room.decision(),
            child: self.family.child,
            stop: self.family.stop,
            waited,
        }
    }

    fn start(&mut self) -> Result<(), RoomError> {
        let command = self.command.expect("a role without a command never starts one");
        let active = self.active.as_ref().expect("a command starts under the lock only");
        let started = self.family.start(command, &[active]);
        started.map_err(|source| self.settings.room.unusable(ACTIVE, source))
    }

    fn release(&mut self) -> Result<(), RoomError> {
        if self.family.child != Child::None {
            let cleared = self.family.clear();
            cleared.map_err(|source| self.settings.room.unusable("children", source))?;
        }
        self.active = None;
        Ok(())
    }

    fn attend(&mut self, limit: Duration) -> Result<(), RoomError> {
        let attended = self.family.wait(limit);
        attended.map_err(|source| self.settings.room.unusable("signals", source))
    }
}

/// Takes a role's own lock. Somebody who asks for it holds it for a moment.
pub(crate) fn take_own(room: &Room, role: &str, family: &mut Family) -> Result<Held, RoomError> {
    let lock = room.lock(role)?;
    let until = Instant::now() + OWN_LOCK_WAIT;
    loop {
        match lock.take().map_err(|source| room.unusable(role, source))? {
            Some(held) => return Ok(held),
            None if Instant::now() >= until => {
                return Err(RoomError::Taken { role: role.to_owned(), path: room.folder().into() });
            }
            None => {
                let waited = family.wait(LOOK_SOON);
                waited.map_err(|source| room.unusable("signals", source))?;
            }
        }
    }
}

fn answer(asked: io::Result<bool>, otherwise: bool) -> bool {
    asked.unwrap_or_else(|error| {
        tracing::warn!(%error, "Lock cannot be asked for");
        otherwise
    })
}
