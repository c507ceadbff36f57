//! Who lives in a room, for probes and people.

use crate::driver::{ACTIVE, ARBITER, MAIN, NATIVE, REGULAR};
use crate::room::{Room, RoomError};

/// What the locks and the record say now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomStatus {
    /// The native copy lives.
    pub native: bool,
    /// The arbiter lives.
    pub arbiter: bool,
    /// The regular copy lives.
    pub regular: bool,
    /// The wrapped main container lives.
    pub main: bool,
    /// The command runs.
    pub active: bool,
    /// The record of this generation.
    pub decision: Option<&'static str>,
    /// The wrapped main container has ended for good.
    pub main_ended: bool,
}

/// Asks for every lock of a room.
///
/// # Errors
/// A lock cannot be asked for.
pub fn status(room: &Room) -> Result<RoomStatus, RoomError> {
    let held =
        |role: &str| room.lock(role)?.is_held().map_err(|source| room.unusable(role, source));
    let main = held(MAIN)?;
    Ok(RoomStatus {
        native: held(NATIVE)?,
        arbiter: held(ARBITER)?,
        regular: held(REGULAR)?,
        main,
        active: held(ACTIVE)?,
        decision: room.decision().map(crate::role::Decision::word),
        main_ended: !main && room.main_ended(),
    })
}
