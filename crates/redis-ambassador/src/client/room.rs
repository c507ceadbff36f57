//! What a client holds, and what the replies that are under way to it are likely to have.
//!
//! How large a reply will be is not known before it comes. Each client starts with a few requests,
//! and what it may have under way follows the size that its replies lately had, apart for those
//! that carry values: an acknowledgement says nothing about the values that follow it.

use redis_commands::Class;

/// What clients hold, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Held {
    pub(crate) memory: usize,
    /// Read and not taken.
    pub(crate) requests: usize,
    /// Not left yet.
    pub(crate) replies: usize,
    /// Under way, as far as can be told.
    pub(crate) expected: usize,
}

impl Held {
    /// Puts `now` in the place of `before`, which is a part of it.
    pub(crate) fn replace(&mut self, before: Held, now: Held) {
        self.memory = self.memory - before.memory + now.memory;
        self.requests = self.requests - before.requests + now.requests;
        self.replies = self.replies - before.replies + now.replies;
        self.expected = self.expected - before.expected + now.expected;
    }
}

/// What a reply is likely to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An acknowledgement or a number.
    Note,
    /// Of any size.
    Value,
}

impl Kind {
    pub(crate) fn of(class: Class) -> Kind {
        match class {
            Class::Write | Class::Connection | Class::Blocking => Kind::Note,
            _ => Kind::Value,
        }
    }
}

/// Replies of one kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replies {
    /// At most `SLOTS_MAX`.
    pub(super) under_way: u32,
    pub(super) bytes: usize,
    /// Whether `bytes` is more than a guess.
    pub(super) is_seen: bool,
}

impl Replies {
    pub(super) fn expected(bytes: usize) -> Replies {
        Replies { under_way: 0, bytes, is_seen: false }
    }

    /// Learns from a reply. A large one counts at once, small ones make up for it in time.
    pub(super) fn note(&mut self, bytes: usize) {
        if bytes > self.bytes || !self.is_seen {
            self.bytes = bytes;
            self.is_seen = true;
        } else {
            self.bytes -= (self.bytes - bytes).div_ceil(8);
        }
    }
}
