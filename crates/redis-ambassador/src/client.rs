//! One client: what it sent, what it waits for, and what goes back to it, in the order it asked.
//!
//! Every request takes a [`Slot`] in its turn, and its reply leaves when all slots before it have
//! left, wherever the replies come from and whenever. A reply that comes early is parked. The
//! memory of a client is its unparsed bytes, its parked replies and its outbox; what it may have
//! under way is chosen so that the replies, at the size that they lately had, fit its limit.

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Duration;

use resp::{RequestScan, Skim};

use crate::local::Session;
use crate::merge::Merge;
use crate::outbox::{Blocks, Outbox};
use crate::private::Pin;
use crate::socket::Socket;
use crate::split::Splitting;

/// Requests of one client under way, at most.
pub(crate) const SLOTS_MAX: usize = 4096;
/// The share of its limit that a client's first replies are expected to take, before one was seen.
const FIRST_REPLIES: usize = 64;
/// Parked bytes from which holes are worth closing.
const PARK_COMPACT_BYTES: usize = 64 * 1024;

/// One connected client.
#[derive(Debug)]
pub(crate) struct Client {
    /// Never used twice, while its place in the slab is.
    pub(crate) id: u64,
    pub(crate) pool: usize,
    pub(crate) socket: Socket,
    pub(crate) session: Session,
    /// Since the thread's start, in microseconds.
    pub(crate) since: Duration,
    pub(crate) last_request: Duration,
    /// Read but not yet taken: a half request, or whole ones that have to wait.
    pub(crate) unparsed: Vec<u8>,
    /// How far the request at the front of `unparsed` was scanned.
    pub(crate) scan: RequestScan,
    slots: VecDeque<Slot>,
    /// The number of the slot in front.
    first_slot: u32,
    /// Replies that came before their turn.
    park: Vec<u8>,
    /// Bytes of `park` that are still wanted.
    parked: usize,
    pub(crate) outbox: Outbox,
    pub(crate) waker: Option<Waker>,
    /// The size of a reply, as lately seen, in bytes.
    reply_bytes: usize,
    pub(crate) waits: Wait,
    pub(crate) ending: Ending,
    /// Whether the flusher has it on its list.
    pub(crate) is_dirty: bool,
    /// Whether a server connection waits for it to read.
    pub(crate) holds_up: bool,
    pub(crate) pin: Option<Box<Pin>>,
    pub(crate) body: Option<Box<Body>>,
    pub(crate) split_result: Option<Box<SplitResult>>,
    /// What the thread's account has of it.
    pub(crate) counted: Held,
}

/// What clients hold, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Held {
    pub(crate) memory: usize,
    /// Read and not taken.
    pub(crate) requests: usize,
    /// Not left yet.
    pub(crate) replies: usize,
}

impl Held {
    /// Puts `now` in the place of `before`, which is a part of it.
    pub(crate) fn replace(&mut self, before: Held, now: Held) {
        self.memory = self.memory - before.memory + now.memory;
        self.requests = self.requests - before.requests + now.requests;
        self.replies = self.replies - before.replies + now.replies;
    }
}

/// What stops a client from being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    Nothing,
    /// Its limit: replies must leave first.
    Room,
    /// All its requests must be answered before the next is taken.
    Answers,
    /// A server connection has too much to write.
    Server,
}

/// How near a client is to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(crate) enum Ending {
    No,
    /// Nothing more is read; what is under way is answered and written, then it is closed.
    Answering,
    /// Closed as soon as anybody looks.
    Now,
}

/// A request that is taken in pieces, because it is larger than a client's limit.
#[derive(Debug)]
pub(crate) enum Body {
    /// Goes on to the client's private connection as it comes.
    Passed(Skim),
    /// Is thrown away; the error was sent.
    Refused(Skim),
    /// A split command, piece by piece.
    Split(Splitting),
}

/// What a split command that goes out in several pieces has come to so far.
#[derive(Debug, Default)]
pub(crate) struct SplitResult {
    pub(crate) sum: i64,
    pub(crate) error: Option<Vec<u8>>,
}

/// The place of one reply.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) state: SlotState,
    /// The client said that it wants no reply.
    pub(crate) silent: bool,
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
    /// Parts come from several servers.
    Merging,
    /// All parts are there.
    Merged(Box<Merge>),
}

/// Names a slot; stays valid until its reply has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlotNumber(u32);

/// Names a client; stays valid when it has gone, and then names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientRef {
    place: u32,
    /// The low half of its id: no reply is late by four billion clients.
    id: u32,
}

impl ClientRef {
    #[expect(clippy::cast_possible_truncation, reason = "as its fields say")]
    pub(crate) fn new(place: usize, id: u64) -> ClientRef {
        ClientRef { place: place as u32, id: id as u32 }
    }

    /// Its place in the slab.
    pub(crate) fn place(self) -> usize {
        self.place as usize
    }
}

impl Client {
    pub(crate) fn new(
        id: u64,
        pool: usize,
        socket: Socket,
        session: Session,
        now: Duration,
        limit: usize,
    ) -> Client {
        Client {
            id,
            pool,
            socket,
            session,
            since: now,
            last_request: now,
            unparsed: Vec::new(),
            scan: RequestScan::default(),
            slots: VecDeque::new(),
            first_slot: 0,
            park: Vec::new(),
            parked: 0,
            outbox: Outbox::default(),
            waker: None,
            reply_bytes: limit / FIRST_REPLIES,
            waits: Wait::Nothing,
            ending: Ending::No,
            is_dirty: false,
            holds_up: false,
            pin: None,
            body: None,
            split_result: None,
            counted: Held::default(),
        }
    }

    /// Has its task look at it.
    pub(crate) fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    /// It sends nothing more: what it asked is answered, but nobody waits for what may never come.
    pub(crate) fn hung_up(&mut self) {
        let is_open_ended = self.pin.is_some() || self.body.is_some();
        self.ending = if is_open_ended { Ending::Now } else { Ending::Answering };
    }

    /// Whether it waits for messages only.
    pub(crate) fn is_only_listening(&self) -> bool {
        self.pin.as_ref().is_some_and(|pin| pin.is_listening())
    }

    /// Requests under way.
    pub(crate) fn under_way(&self) -> usize {
        self.slots.len()
    }

    /// The size that its replies lately had, in bytes.
    pub(crate) fn reply_bytes(&self) -> usize {
        self.reply_bytes
    }

    /// Bytes of replies that have not left.
    pub(crate) fn queued(&self) -> usize {
        self.outbox.len() + self.parked
    }

    /// What it holds apart from itself.
    pub(crate) fn held(&self) -> Held {
        Held {
            memory: self.unparsed.capacity() + self.park.capacity() + self.outbox.held(),
            requests: self.unparsed.len(),
            replies: self.queued(),
        }
    }

    /// Whether the replies under way, and one more, are likely to fit `limit`.
    pub(crate) fn has_room(&self, limit: usize) -> bool {
        let expected = (self.slots.len() + 1) * self.reply_bytes;
        let queued = self.queued();
        // One request at a time is always allowed, however large its reply may be.
        (queued + expected <= limit || (self.slots.is_empty() && queued == 0))
            && self.slots.len() < SLOTS_MAX
    }

    /// Takes the next turn.
    pub(crate) fn push_slot(&mut self, state: SlotState) -> SlotNumber {
        let behind = u32::try_from(self.slots.len()).expect("at most SLOTS_MAX");
        let number = SlotNumber(self.first_slot.wrapping_add(behind));
        let silent = self.session.takes_no_reply();
        self.slots.push_back(Slot { state, silent });
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
        self.push_slot(state);
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

    /// The reply in front has left; those behind it that are there leave too.
    pub(crate) fn left(&mut self, reply_bytes: usize, blocks: &mut Blocks) {
        self.note_size(reply_bytes);
        self.pop();
        self.advance(blocks);
    }

    /// Takes a whole reply, in its turn or before it.
    pub(crate) fn reply(&mut self, slot: SlotNumber, bytes: &[u8], blocks: &mut Blocks) {
        if self.is_first(slot) {
            self.leave(bytes, blocks);
            self.left(bytes.len(), blocks);
        } else {
            self.note_size(bytes.len());
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

    fn slot(&mut self, slot: SlotNumber) -> &mut Slot {
        let index = slot.0.wrapping_sub(self.first_slot) as usize;
        &mut self.slots[index]
    }

    fn note_size(&mut self, bytes: usize) {
        if bytes > self.reply_bytes {
            self.reply_bytes = bytes;
        } else {
            self.reply_bytes -= (self.reply_bytes - bytes).div_ceil(8);
        }
    }

    fn pop(&mut self) -> Option<Slot> {
        self.first_slot = self.first_slot.wrapping_add(1);
        self.slots.pop_front()
    }

    /// Lets leave what is there.
    fn advance(&mut self, blocks: &mut Blocks) {
        while let Some(front) = self.slots.front() {
            match &front.state {
                SlotState::Waiting | SlotState::Leaving | SlotState::Merging => return,
                SlotState::Parked { at, len } => {
                    let bytes = *at..*at + *len;
                    self.parked -= bytes.len();
                    if !front.silent {
                        self.outbox.push(&self.park[bytes], blocks);
                    }
                    self.pop();
                }
                SlotState::Merged(_) => {
                    let Some(Slot { state: SlotState::Merged(merge), silent }) = self.pop() else {
                        unreachable!("just seen")
                    };
                    let before = self.outbox.len();
                    merge.write(&mut self.split_result, |bytes| {
                        if !silent {
                            self.outbox.push(bytes, blocks);
                        }
                    });
                    self.note_size(self.outbox.len() - before);
                }
            }
        }
        if self.slots.is_empty() {
            blocks.give(std::mem::take(&mut self.park));
        }
    }

    fn parked(&mut self, reply: &[u8], blocks: &mut Blocks) -> SlotState {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_clients_fit_a_small_container() {
        assert!(size_of::<Client>() <= 512, "{}", size_of::<Client>());
        assert!(size_of::<Slot>() <= 32, "{}", size_of::<Slot>());
    }
}
