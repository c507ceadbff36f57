//! The Redis protocol as a proxy needs it: where a frame begins and ends, and how one is written.
//!
//! The way of a request: [`RequestScan`] goes over the bytes that a client sent, in place, and
//! leaves the ranges of the arguments in [`Args`]; a request too long to be kept is gone over with
//! [`Skim`] as it passes. The way of a reply: [`ReplyScan`] tells where it ends; [`elements`] and
//! [`integer`] read one that must be merged. Replies of our own are made with [`mod@write`]; whole
//! small frames (handshakes, tests) are read into a tree with [`frame`].
//!
//! What always holds: every scanner resumes where it stopped, nesting is counted and never
//! recursed into, nothing is allocated for a command, and any bytes give frames or an error value.
//! A parser that builds a tree was not taken for the traffic itself: it costs ten times a scan,
//! starts again at the first byte of a half frame, and recurses as deep as a client likes.

mod args;
mod elements;
mod error;
pub mod frame;
mod inline;
mod number;
mod reply;
mod request;
mod skim;
pub mod write;

pub use self::args::Args;
pub use self::elements::{Elements, elements, integer};
pub use self::error::ProtocolError;
pub use self::inline::split_inline;
pub use self::reply::{REPLY_DEPTH_MAX, ReplyScan};
pub use self::request::{INLINE_MAX, Pending, RequestLimits, RequestScan, Scanned};
pub use self::skim::Skim;

/// The version of the protocol that a connection speaks, as agreed by HELLO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// What a connection speaks until HELLO says otherwise.
    #[default]
    Resp2,
    Resp3,
}
