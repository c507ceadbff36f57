//! One client: what it sent, what it waits for, and what goes back to it, in the order it asked.
//!
//! Every request takes a [`Slot`] in its turn, and its reply leaves when all slots before it have
//! left, wherever the replies come from and whenever. A reply that comes early is parked. The
//! memory of a client is its unparsed bytes, its parked replies and its outbox; what it may have
//! under way is chosen so that the replies, at the size that they lately had, fit its limit.

mod room;
mod turns;

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Duration;

use resp::{RequestScan, Skim};

use self::room::Replies;
pub(crate) use self::room::{Held, Kind};
use self::turns::Slot;
pub(crate) use self::turns::{SlotNumber, SlotState};
use crate::local::Session;
use crate::outbox::Outbox;
use crate::private::Pin;
use crate::socket::Socket;
use crate::split::Splitting;

/// Requests of one client under way, at most.
pub(crate) const SLOTS_MAX: usize = 4096;
/// How many replies of each kind are expected to fill a client's limit before one was seen.
const FIRST_REPLIES: [usize; 2] = [64, 1];
/// What a value that was never seen counts in the thread's account, in bytes, at most.
const GUESS_MAX: usize = 64 * 1024;

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
    /// When anything last left for it.
    pub(crate) last_write: Duration,
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
    /// Bytes of replies before their turn that are not in `park`, and the memory that they hold.
    apart: usize,
    apart_held: usize,
    pub(crate) outbox: Outbox,
    pub(crate) waker: Option<Waker>,
    /// Requests under way, and the size that their replies lately had in bytes, by [`Kind`].
    kinds: [Replies; 2],
    /// Has requests under way on a lane that takes no more: the next ones wait for their answers,
    /// so that they do not overtake them on another lane.
    pub(crate) settles: bool,
    pub(crate) waits: Wait,
    pub(crate) ending: Ending,
    /// It has hung up, or closed its half, while requests of it had to wait.
    pub(crate) has_sent_all: bool,
    /// Waits until memory is free.
    pub(crate) is_starved: bool,
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
    /// One pair of a split command, too large to be held; the rest of the command follows.
    Pair(Skim, Splitting),
}

/// What a split command that goes out in several pieces has come to so far.
#[derive(Debug, Default)]
pub(crate) struct SplitResult {
    pub(crate) sum: i64,
    pub(crate) error: Option<Vec<u8>>,
}

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
            last_write: now,
            unparsed: Vec::new(),
            scan: RequestScan::default(),
            slots: VecDeque::new(),
            first_slot: 0,
            park: Vec::new(),
            parked: 0,
            apart: 0,
            apart_held: 0,
            outbox: Outbox::default(),
            waker: None,
            kinds: FIRST_REPLIES.map(|count| Replies::expected(limit / count)),
            settles: false,
            waits: Wait::Nothing,
            ending: Ending::No,
            has_sent_all: false,
            is_starved: false,
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
        let is_cut = self.body.is_some() || self.is_open_ended();
        self.ending = if is_cut { Ending::Now } else { Ending::Answering };
    }

    /// Whether the request under way goes over its private connection as it comes.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self.body.as_deref(), Some(Body::Passed(_) | Body::Pair(..)))
    }

    /// Whether what it waits for may never come.
    pub(crate) fn is_open_ended(&self) -> bool {
        self.pin.as_ref().is_some_and(|pin| pin.is_open_ended())
    }

    /// Requests under way.
    pub(crate) fn under_way(&self) -> usize {
        self.slots.len()
    }

    /// The size that its values lately had, in bytes.
    pub(crate) fn value_bytes(&self) -> usize {
        self.kinds[Kind::Value as usize].bytes
    }

    /// Bytes of replies that have not left.
    pub(crate) fn queued(&self) -> usize {
        self.outbox.len() + self.parked + self.apart
    }

    /// What it holds apart from itself.
    pub(crate) fn held(&self) -> Held {
        Held {
            memory: self.unparsed.capacity()
                + self.park.capacity()
                + self.apart_held
                + self.outbox.held(),
            requests: self.unparsed.len(),
            replies: self.queued(),
            expected: self.expected_by_all(),
        }
    }

    /// Bytes that the replies under way are likely to have.
    pub(crate) fn expected(&self) -> usize {
        self.kinds.iter().map(|kind| kind.under_way as usize * kind.bytes).sum()
    }

    /// The same for the thread's account, where large guesses would add up to more than there is.
    fn expected_by_all(&self) -> usize {
        let bytes = |kind: &Replies| if kind.is_seen { kind.bytes } else { GUESS_MAX };
        let of = |kind: &Replies| kind.under_way as usize * bytes(kind).min(kind.bytes);
        let is_open_ended = self.is_open_ended();
        if is_open_ended { 0 } else { self.kinds.iter().map(of).sum() }
    }

    /// Whether the replies under way, and one more, are likely to fit `limit`.
    pub(crate) fn has_room(&self, kind: Kind, limit: usize) -> bool {
        let expected = self.expected() + self.kinds[kind as usize].bytes;
        (self.queued() + expected <= limit || self.is_idle()) && self.slots.len() < SLOTS_MAX
    }

    /// Whether nothing is under way to or from it. One request is always allowed then, however
    /// large its reply may be.
    pub(crate) fn is_idle(&self) -> bool {
        self.slots.is_empty() && self.queued() == 0
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use tokio::net::UnixStream;
    use tokio::runtime::Builder;

    use super::*;
    use crate::outbox::{Blocks, SLICES_MAX};

    /// Gives a test a client over a connection that takes what is written.
    fn with_client(test: impl FnOnce(Client, UnixStream)) {
        let runtime = Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let (ours, theirs) = UnixStream::pair().unwrap();
            ours.writable().await.unwrap();
            let session = Session::new(1, true);
            test(Client::new(1, 0, Socket::Unix(ours), session, Duration::ZERO, 1 << 20), theirs);
        });
    }

    fn take_all(client: &mut Client, blocks: &mut Blocks) -> Vec<u8> {
        let mut taken = Vec::new();
        while !client.outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let count = client.outbox.slices(&mut slices);
            let before = taken.len();
            slices[..count].iter().for_each(|slice| taken.extend_from_slice(slice));
            client.outbox.consume(taken.len() - before, blocks);
        }
        taken
    }

    #[test]
    fn replies_of_any_size_leave_in_the_order_of_the_requests() {
        with_client(|mut client, _theirs| {
            let mut random = fastrand::Rng::with_seed(7);
            let mut blocks = Blocks::default();
            for _ in 0..100 {
                let reply = |n: u8| vec![n; random.usize(1..40 * 1024)];
                let replies: Vec<Vec<u8>> = (0..9).map(reply).collect();
                let slot = |_| client.push_slot(SlotState::Waiting, Kind::Value);
                let slots: Vec<SlotNumber> = replies.iter().map(slot).collect();
                let mut order: Vec<usize> = (0..replies.len()).collect();
                random.shuffle(&mut order);
                let mut queued = 0;
                for i in order {
                    client.reply(slots[i], &replies[i], &mut blocks);
                    queued += replies[i].len();
                    assert_eq!(client.queued(), queued);
                    assert!(client.held().memory >= queued);
                }
                assert_eq!(take_all(&mut client, &mut blocks), replies.concat());
                assert_eq!((client.queued(), client.held().memory), (0, 0));
            }
        });
    }

    #[test]
    fn only_a_large_reply_that_nothing_else_waits_for_is_written_through() {
        with_client(|mut client, _theirs| {
            let mut blocks = Blocks::default();
            let large = [b'x'; 32 * 1024];
            let written = |client: &mut Client| client.write_through(&large, Duration::ZERO);
            let first = client.push_slot(SlotState::Waiting, Kind::Value);
            let second = client.push_slot(SlotState::Waiting, Kind::Value);
            assert_eq!(written(&mut client), 0, "two are waited for");
            client.reply(first, b"first", &mut blocks);
            assert_eq!(written(&mut client), 0, "the first has not left");
            take_all(&mut client, &mut blocks);
            assert_eq!(client.write_through(b"small", Duration::ZERO), 0);
            assert_eq!(written(&mut client), large.len());
            client.reply(second, b"", &mut blocks);
            assert_eq!(written(&mut client), 0, "nobody asked");
            client.push_slot(SlotState::Waiting, Kind::Value);
            client.ending = Ending::Now;
            assert_eq!(written(&mut client), 0, "it is closed");
        });
    }

    #[test]
    fn ten_thousand_clients_fit_a_small_container() {
        assert!(size_of::<Client>() <= 512, "{}", size_of::<Client>());
        assert!(size_of::<Slot>() <= 32, "{}", size_of::<Slot>());
    }
}
