//! Files to framed lines with durable positions.
//!
//! The way of a byte: `discover` (globs, directory events) finds a file → `identity` says which
//! file it is → `cursor` says which byte is next → `framer` cuts lines → the caller delivers them
//! and returns the [`Span`] to [`Tailer::acknowledge`] → `checkpoint` makes the position durable.
//!
//! What always holds: a position in the checkpoint is never above a byte that the caller has not
//! acknowledged, so a crash can repeat lines but never lose them; memory does not depend on the
//! size of a file, of a line or of the backlog, because unread bytes stay where they are: in the
//! file.
//!
//! The crate does no network IO and starts no async runtime. [`Tailer`] is driven from outside by
//! `discover`, `next_ready` and `read`; only the directory watch has a thread of its own, which
//! does nothing but note what changed and call the given wake function.

mod checkpoint;
mod copies;
mod cursor;
mod discover;
mod framer;
mod identity;
mod last_lines;
mod roster;
mod tailer;
mod watch;

pub use self::checkpoint::{LoadWarning, Snapshot, StateDir, StateDirError};
pub use self::cursor::Span;
pub use self::discover::{Globs, PatternError};
pub use self::framer::{Flow, Line, LongLines, Part};
pub use self::roster::{FileId, Source};
pub use self::tailer::{
    Acknowledged, AfterShip, Backlog, From, Punching, Reclaimed, Room, Settings, Sizes, Standing,
    Stats, Tailer,
};
