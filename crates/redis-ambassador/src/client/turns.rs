//! The replies to a client, each in its turn.
//!
//! In come replies in any order, out go their bytes in the order of the requests. What comes before
//! its turn is copied to the park, a buffer that exists only while anything is in it; a large reply
//! to blocks of its own, which need no second copy when its turn comes.

use std::time::Duration;

use super::{Client, Ending, Kind};
use crate::merge::Merge;
use crate::outbox::{Blocks, Outbox};

/// Parked bytes from which holes are worth closing.
const PARK_COMPACT_BYTES: usize = 64 * 1024;
/// Replies from this size on are not put into the park.
const APART_MIN_BYTES: usize = 16 * 1024;

/// The place of one reply.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) state: SlotState,
    /// The client said that it wants no reply.
    pub(crate) silent: bool,
    kind: Kind,
}

#[derive(Debug)]
pub(crate) enum SlotState {
    Waiting,
    /// Its first part has left.
    Leaving,
    /// Bytes of the park.
    Parked {
        at: usize,
        len: usize,
    },
    /// Too large for the park.
    Apart(Box<Outbox>),
    /// Parts come from several servers.
    Merging,
    /// All parts are there.
    Merged(Box<Merge>),
}

/// Names a slot; stays valid until its reply has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlotNumber(u32);

impl Client {
    /// Takes the next turn.
    pub(crate) fn push_slot(&mut self, state: SlotState, kind: Kind) -> SlotNumber {
        let behind = u32::try_from(self.slots.len()).expect("at most SLOTS_MAX");
        let number = SlotNumber(self.first_slot.wrapping_add(behind));
        let silent = self.session.takes_no_reply();
        self.kinds[kind as usize].under_way += 1;
        self.slots.push_back(Slot { state, silent, kind });
        number
    }

    /// Gives an answer of our own in its turn.
    pub(crate) fn answer(&mut self, reply: &[u8], blocks: &mut Blocks) {
        if self.slots.is_empty() {
            if !self.session.takes_no_reply() {
                self.outbox.push(reply, blocks);
            }
            return;
        }
        let state = self.parked(reply, blocks);
        self.push_slot(state, Kind::Note);
    }

    /// Whether the slot is the next to leave.
    pub(crate) fn is_first(&self, slot: SlotNumber) -> bool {
        slot.0 == self.first_slot
    }

    /// Passes on a part of the reply to the request in front.
    pub(crate) fn leave(&mut self, bytes: &[u8], blocks: &mut Blocks) {
        let slot = self.slots.front_mut().expect("a reply has a slot");
        slot.state = SlotState::Leaving;
        if !slot.silent {
            self.outbox.push(bytes, blocks);
        }
    }

    /// Writes a large part of a reply at once, if the client waits for no other and has nothing
    /// else to be written; tells how many bytes its socket took.
    pub(crate) fn write_through(&mut self, bytes: &[u8], now: Duration) -> usize {
        let is_alone = self.slots.len() == 1 && !self.slots[0].silent && self.outbox.is_empty();
        if !is_alone || self.ending == Ending::Now {
            return 0;
        }
        let written = self.socket.write_through(bytes);
        if written > 0 {
            self.last_write = now;
        }
        written
    }

    /// The reply in front has left; those behind it that are there leave too.
    pub(crate) fn left(&mut self, reply_bytes: usize, blocks: &mut Blocks) {
        self.pop(reply_bytes);
        self.advance(blocks);
    }

    /// Takes a whole reply, in its turn or before it.
    pub(crate) fn reply(&mut self, slot: SlotNumber, bytes: &[u8], blocks: &mut Blocks) {
        if self.is_first(slot) {
            self.leave(bytes, blocks);
            self.left(bytes.len(), blocks);
        } else {
            let state = self.parked(bytes, blocks);
            self.slot(slot).state = state;
        }
    }

    /// Takes the parts of a reply, all of them there.
    pub(crate) fn merged(&mut self, slot: SlotNumber, merge: Box<Merge>, blocks: &mut Blocks) {
        self.slot(slot).state = SlotState::Merged(merge);
        if self.is_first(slot) {
            self.advance(blocks);
        }
    }

    /// Whether a part of the slot's reply has left already.
    pub(crate) fn is_leaving(&self, slot: SlotNumber) -> bool {
        let front = self.slots.front();
        self.is_first(slot) && front.is_some_and(|slot| matches!(slot.state, SlotState::Leaving))
    }

    /// Nothing of what is under way will be answered.
    pub(crate) fn forget_slots(&mut self, blocks: &mut Blocks) {
        while !self.slots.is_empty() {
            self.pop(0);
        }
        (self.parked, self.apart, self.apart_held) = (0, 0, 0);
        blocks.give(std::mem::take(&mut self.park));
    }

    fn slot(&mut self, slot: SlotNumber) -> &mut Slot {
        let index = slot.0.wrapping_sub(self.first_slot) as usize;
        &mut self.slots[index]
    }

    /// Takes the slot in front, whose reply had so many bytes.
    fn pop(&mut self, bytes: usize) {
        self.first_slot = self.first_slot.wrapping_add(1);
        if let Some(slot) = self.slots.pop_front() {
            let kind = &mut self.kinds[slot.kind as usize];
            kind.under_way -= 1;
            kind.note(bytes);
        }
    }

    /// Lets leave what is there.
    fn advance(&mut self, blocks: &mut Blocks) {
        while let Some(front) = self.slots.front() {
            match &front.state {
                SlotState::Waiting | SlotState::Leaving | SlotState::Merging => return,
                SlotState::Parked { at, len } => {
                    let bytes = *at..*at + *len;
                    let len = bytes.len();
                    self.parked -= len;
                    if !front.silent {
                        self.outbox.push(&self.park[bytes], blocks);
                    }
                    self.pop(len);
                }
                SlotState::Apart(_) => {
                    let silent = front.silent;
                    let front = self.slots.front_mut().expect("just seen");
                    let state = std::mem::replace(&mut front.state, SlotState::Leaving);
                    let SlotState::Apart(mut apart) = state else { unreachable!("just seen") };
                    let len = apart.len();
                    self.apart -= len;
                    self.apart_held -= apart.held();
                    if silent {
                        apart.clear(blocks);
                    } else {
                        self.outbox.append(*apart);
                    }
                    self.pop(len);
                }
                SlotState::Merged(_) => {
                    let silent = front.silent;
                    let before = self.outbox.len();
                    let front = self.slots.front_mut().expect("just seen");
                    let state = std::mem::replace(&mut front.state, SlotState::Leaving);
                    let SlotState::Merged(merge) = state else { unreachable!("just seen") };
                    merge.write(&mut self.split_result, |bytes| {
                        if !silent {
                            self.outbox.push(bytes, blocks);
                        }
                    });
                    self.pop(self.outbox.len() - before);
                }
            }
        }
        if self.slots.is_empty() {
            blocks.give(std::mem::take(&mut self.park));
        }
    }

    fn parked(&mut self, reply: &[u8], blocks: &mut Blocks) -> SlotState {
        if reply.len() >= APART_MIN_BYTES {
            let mut apart = Box::<Outbox>::default();
            apart.push(reply, blocks);
            self.apart += apart.len();
            self.apart_held += apart.held();
            return SlotState::Apart(apart);
        }
        if self.park.capacity() == 0 {
            self.park = blocks.take();
        }
        if self.park.len() + reply.len() > PARK_COMPACT_BYTES && self.park.len() > 2 * self.parked {
            self.close_holes();
        }
        let at = self.park.len();
        self.park.extend_from_slice(reply);
        self.parked += reply.len();
        SlotState::Parked { at, len: reply.len() }
    }

    fn close_holes(&mut self) {
        let mut kept = Vec::with_capacity(self.parked);
        for slot in &mut self.slots {
            if let SlotState::Parked { at, len } = &mut slot.state {
                let start = kept.len();
                kept.extend_from_slice(&self.park[*at..*at + *len]);
                *at = start;
            }
        }
        self.park = kept;
    }
}
