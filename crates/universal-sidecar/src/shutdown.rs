//! The main container of a Job whose sidecar is an ordinary container, and would run for ever.
//!
//! In go the main container's command and whom to tell; out comes the command's exit status, when
//! the sidecars have been told that it ended for good. They are told by the lock and the record of
//! their room, or by a POST to their admin port on loopback. A command that the kubelet will start
//! again has not ended for good.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::child::{Command, Family};
use crate::driver::{MAIN, take_own};
use crate::locks::Held;
use crate::record::Draft;
use crate::role::Child;
use crate::room::{Room, RoomError};

/// Between two attempts to ask a sidecar.
const POST_PAUSE: Duration = Duration::from_millis(500);
/// What is read of an answer: the beginning of its status line.
const ANSWER_BYTES_MAX: u64 = 12;
/// SIGTERM before the command was started.
const STOPPED: u8 = 128 + 15;

/// The wrapped command and whom to tell.
#[derive(Debug)]
pub struct Wrapped {
    /// Of sidecars that run as `universal`.
    pub rooms: Vec<Room>,
    /// Admin ports of sidecars and the path to post to.
    pub posts: Vec<(SocketAddr, String)>,
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
    let mut ends: Vec<Draft> = Vec::new();
    for room in &wrapped.rooms {
        held.push(take_own(room, MAIN, &mut family)?);
        // While the lock is held the record counts for nothing, so it can be written before the
        // end: whatever ends this process then, the freed lock tells of it.
        let written = match wrapped.restarted_on_failure {
            false => room.end_of_main().and_then(Draft::publish),
            true => room.main_runs().and_then(|()| room.end_of_main()).map(|end| ends.push(end)),
        };
        written.map_err(|source| room.unusable("main", source))?;
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
        for end in ends {
            if let Err(error) = end.publish() {
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

/// Asks until the sidecar says yes or the time is over: it may start later than the main container.
/// Failures are logged only: the main container's status is not theirs to change.
fn ask_to_end(address: SocketAddr, path: &str, wrapped: &Wrapped, family: &mut Family) {
    let until = Instant::now() + wrapped.post_deadline;
    while !family.stop {
        let failure = match post(address, path, wrapped.post_timeout) {
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

/// The status of the answer.
fn post(address: SocketAddr, path: &str, limit: Duration) -> io::Result<u16> {
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    let line = String::from_utf8_lossy(&answer);
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no HTTP answer"))
}
