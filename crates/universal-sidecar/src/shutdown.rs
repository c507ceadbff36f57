//! The main container of a Job whose sidecar is an ordinary container, and would run for ever.
//!
//! In go the main container's command and whom to tell; out comes the command's exit status, when
//! the sidecars have been told that it ended for good. They are told by the lock and the record of
//! their room, or by a POST to their admin port on loopback. A command that the kubelet will start
//! again has not ended for good.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::child::{Command, Family};
use crate::driver::{MAIN, take_own};
use crate::locks::Held;
use crate::role::Child;
use crate::room::{Room, RoomError};

/// A sidecar may be between two of its runs.
const POST_ATTEMPTS: usize = 5;
const POST_PAUSE: Duration = Duration::from_millis(300);
/// What is read of an answer: its status line.
const ANSWER_BYTES_MAX: usize = 64;

/// The wrapped command and whom to tell.
#[derive(Debug)]
pub struct Wrapped {
    /// Of sidecars that run as `universal`.
    pub rooms: Vec<Room>,
    /// Admin ports of sidecars and the path to post to.
    pub posts: Vec<(SocketAddr, String)>,
    /// For each POST.
    pub post_timeout: Duration,
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
    for room in &wrapped.rooms {
        held.push(take_own(room, MAIN, &mut family)?);
        if let Err(error) = room.set_main(false) {
            tracing::warn!(%error, "Start of the main container not written down");
        }
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
        tell(wrapped, &mut family);
    }
    Ok(status)
}

/// Errors are logged only: the main container's status is not theirs to change.
fn tell(wrapped: &Wrapped, family: &mut Family) {
    for room in &wrapped.rooms {
        if let Err(error) = room.set_main(true) {
            tracing::error!(%error, "End of the main container not written down");
        }
    }
    for (address, path) in &wrapped.posts {
        let mut attempt = 1;
        loop {
            match post(*address, path, wrapped.post_timeout) {
                Ok(answer) => {
                    tracing::info!(%address, path, answer, "Sidecar asked to end");
                    break;
                }
                Err(error) if attempt == POST_ATTEMPTS => {
                    tracing::error!(%address, path, %error, "Sidecar cannot be asked to end");
                    break;
                }
                Err(_) => attempt += 1,
            }
            if let Err(error) = family.wait(POST_PAUSE) {
                tracing::warn!(%error, "Pause cut short");
            }
        }
    }
}

/// The status line of the answer.
fn post(address: SocketAddr, path: &str, limit: Duration) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    let mut answer = [0; ANSWER_BYTES_MAX];
    let read = stream.read(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer[..read]);
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}
