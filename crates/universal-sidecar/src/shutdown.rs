//! The main container of a Job whose sidecar is an ordinary container, and would run for ever.
//!
//! In go the main container's command and whom to tell; out comes the command's exit status, when
//! the sidecars have been told that it ended for good. They are told by the lock and the record of
//! their room, or by a POST to their admin port on loopback. A command that the kubelet will start
//! again has not ended for good.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::child::{Command, Family};
use crate::draft::Draft;
use crate::driver::{MAIN, take_own};
use crate::locks::Held;
use crate::role::Child;
use crate::room::{Room, RoomError};

/// Between two attempts to ask a sidecar.
const POST_PAUSE: Duration = Duration::from_millis(500);
/// SIGTERM before the command was started.
const STOPPED: u8 = 128 + 15;

/// The wrapped command and whom to tell.
#[derive(Debug)]
pub struct Wrapped {
    /// Of sidecars that run as `universal`.
    pub rooms: Vec<Room>,
    /// Admin ports of sidecars and the path to post to.
    pub posts: Vec<(SocketAddr, String)>,
    /// Posts nothing there, with a limit for each step, and gives the status of the answer.
    pub post: fn(SocketAddr, &str, Duration) -> io::Result<u16>,
    /// For each step of a POST.
    pub post_timeout: Duration,
    /// How long a sidecar that does not say yes is asked.
    pub post_deadline: Duration,
    /// The kubelet starts the container again after a failure.
    pub restarted_on_failure: bool,
    /// The main container's own.
    pub command: Command,
    /// Called once the command runs: a moment to give memory back.
    pub rest: fn(),
}

/// Runs the command to its exit status.
///
/// # Errors
/// A room cannot be used, before the command starts.
pub fn run_wrapped(wrapped: &Wrapped) -> Result<u8, RoomError> {
    let unusable = |source| RoomError::Unusable { path: "signals".into(), source };
    let mut family = Family::new().map_err(unusable)?;
    let mut held: Vec<Held> = Vec::new();
    let (mut ends, mut untold) = (Vec::new(), Vec::new());
    for room in &wrapped.rooms {
        held.push(take_own(room, MAIN, &mut family)?);
        match prepare_end(room, wrapped.restarted_on_failure) {
            Ok(draft) => ends.extend(draft),
            // No reason not to run: there may be space at the end.
            Err(error) => {
                tracing::warn!(%error, "End of the main container cannot be written down yet");
                untold.push(room);
            }
        }
    }
    if family.stop {
        return Ok(STOPPED);
    }
    family.start(&wrapped.command, &held.iter().collect::<Vec<_>>()).map_err(unusable)?;
    (wrapped.rest)();
    let status = loop {
        match family.child {
            Child::Ended(status) => break status,
            Child::None | Child::Running => family.wait(Duration::MAX).map_err(unusable)?,
        }
    };
    family.clear().map_err(unusable)?;
    if status == 0 || !wrapped.restarted_on_failure {
        let late = untold.into_iter().map(Room::end_of_main);
        for end in ends.into_iter().map(Ok).chain(late) {
            if let Err(error) = end.and_then(Draft::publish) {
                tracing::error!(%error, "End of the main container not written down");
            }
        }
        drop(held);
        for (address, path) in &wrapped.posts {
            ask_to_end(*address, path, wrapped, &mut family);
        }
    }
    Ok(status)
}

/// While main's lock is held its end counts for nothing, so it is written down before: whatever
/// ends this process then, the freed lock tells of it. Where a failure is not the end, it stays a
/// draft.
fn prepare_end(room: &Room, restarted_on_failure: bool) -> io::Result<Option<Draft>> {
    if restarted_on_failure {
        room.main_runs()?;
        return room.end_of_main().map(Some);
    }
    room.end_of_main()?.publish()?;
    Ok(None)
}

/// Asks until the sidecar says yes or the time is over: it may start later than the main container.
/// Failures are logged only: the main container's status is not theirs to change.
fn ask_to_end(address: SocketAddr, path: &str, wrapped: &Wrapped, family: &mut Family) {
    let until = Instant::now() + wrapped.post_deadline;
    while !family.stop {
        let failure = match (wrapped.post)(address, path, wrapped.post_timeout) {
            Ok(200..300) => {
                tracing::info!(%address, path, "Sidecar asked to end");
                return;
            }
            Ok(status @ 300..500) => {
                tracing::error!(%address, path, status, "Sidecar cannot be asked to end");
                return;
            }
            Ok(status) => format!("status {status}"),
            Err(error) => error.to_string(),
        };
        if Instant::now() >= until {
            tracing::error!(%address, path, failure, "Sidecar cannot be asked to end");
            return;
        }
        if let Err(error) = family.wait(POST_PAUSE) {
            tracing::warn!(%error, "Pause cut short");
        }
    }
}
