//! One connection to a server: who waits for its replies, in the order of the requests.
//!
//! A shared lane carries the requests of all clients of a thread that speak one protocol; requests
//! that come in one turn of the event loop leave in one write. A private lane belongs to one client
//! while a command's state or size demands it. Replies are matched by their order alone; a request
//! that timed out keeps its place, and its late reply goes to nobody.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Waker;
use std::time::Duration;

use redis_commands::Class;
use resp::{Protocol, ReplyScan};
use tokio::time::Sleep;

use crate::client::{ClientRef, SlotNumber};
use crate::outbox::{Blocks, Outbox};
use crate::socket::Socket;

/// Bytes that wait to be written; with more, clients are not read.
pub(crate) const LANE_OUTBOX_MAX: usize = 512 * 1024;

/// A server that answers nothing for so many request timeouts is given up.
const TIMEOUTS_MAX: u32 = 2;

/// A connection to a server, or the wish for one.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) pool: usize,
    pub(crate) server: usize,
    pub(crate) protocol: Protocol,
    pub(crate) use_: LaneUse,
    /// `None` until connected.
    pub(crate) socket: Option<Socket>,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) waiters: VecDeque<Waiter>,
    pub(crate) outbox: Outbox,
    pub(crate) scan: ReplyScan,
    /// The beginning of a reply whose turn has not come.
    pub(crate) partial: Vec<u8>,
    /// Of a private lane: what the frame under way is.
    pub(crate) passing: Passing,
    /// Of `partial`: bytes that are in the thread's account.
    pub(crate) gathered: usize,
    /// Bytes of the reply under way that were taken.
    pub(crate) reply_bytes: usize,
    /// When the server last sent anything, since the thread's start.
    pub(crate) heard: Duration,
    /// When it last took anything, or there was nothing for it.
    pub(crate) wrote: Duration,
    /// Requests and bytes of this lane that the gauges show.
    pub(crate) shown: (u64, u64),
    /// Read, and held back because the client they are for has no room.
    pub(crate) unread: Vec<u8>,
    pub(crate) hold: Hold,
    /// Clients that wait until there is room in `outbox`.
    pub(crate) blocked: Vec<usize>,
    pub(crate) waker: Option<Waker>,
    pub(crate) is_woken: bool,
    /// Takes no new requests; ends when all are answered.
    pub(crate) is_retired: bool,
    pub(crate) timer: Option<Pin<Box<Sleep>>>,
    /// When `timer` ends, since the thread's start.
    pub(crate) timer_at: Duration,
}

/// What a frame on a private lane is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passing {
    /// Too little of it is there.
    Undecided,
    Reply,
    /// Nobody asked for it.
    Message,
    /// It says how many subscriptions there are.
    Confirmation,
}

/// Who may use a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LaneUse {
    Shared,
    /// The client with this place.
    Private(usize),
    /// Private, and free for the next who needs one.
    Idle,
}

/// How long the reply under way was held up by its client.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    /// The id of the client that has no room, and since when.
    pub(crate) by: Option<(u64, Duration)>,
    /// Earlier pauses of the same reply.
    pub(crate) before: Duration,
}

/// One request under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiter {
    pub(crate) target: Target,
    pub(crate) class: Class,
    /// Not for requests that may take any time, such as blocking ones.
    pub(crate) can_expire: bool,
    /// Since the thread's start.
    pub(crate) sent: Duration,
}

/// Where a reply goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Slot {
        client: ClientRef,
        slot: SlotNumber,
    },
    Part {
        merge: usize,
        part: u16,
    },
    /// It came too late, or nobody asked.
    Nobody,
}

impl Waiter {
    fn expires(&self) -> bool {
        self.can_expire && self.target != Target::Nobody
    }
}

impl Lane {
    pub(crate) fn new(pool: usize, server: usize, protocol: Protocol, use_: LaneUse) -> Lane {
        Lane {
            pool,
            server,
            protocol,
            use_,
            socket: None,
            peer: None,
            waiters: VecDeque::new(),
            outbox: Outbox::default(),
            scan: ReplyScan::new(),
            partial: Vec::new(),
            passing: Passing::Undecided,
            gathered: 0,
            reply_bytes: 0,
            heard: Duration::ZERO,
            wrote: Duration::ZERO,
            shown: (0, 0),
            unread: Vec::new(),
            hold: Hold::default(),
            blocked: Vec::new(),
            waker: None,
            is_woken: false,
            is_retired: false,
            timer: None,
            timer_at: Duration::MAX,
        }
    }

    /// Takes a part of a request. A large one is written at once, as far as the server takes it.
    pub(crate) fn push(&mut self, bytes: &[u8], now: Duration, blocks: &mut Blocks) {
        let mut rest = bytes;
        if self.outbox.is_empty() {
            self.wrote = now;
            if let Some(socket) = &self.socket {
                rest = &bytes[socket.write_through(bytes)..];
            }
        }
        self.outbox.push(rest, blocks);
    }

    /// The client that held it up has room, or has gone; always false. What is behind had no chance
    /// to be answered meanwhile.
    pub(crate) fn release(&mut self, now: Duration) -> bool {
        if let Some((_, since)) = self.hold.by.take() {
            let held = now.saturating_sub(since);
            self.hold.before += held;
            self.heard = now;
            self.waiters.iter_mut().for_each(|waiter| waiter.sent = now.min(waiter.sent + held));
        }
        false
    }

    /// Whether others than the client in front wait, or may yet.
    pub(crate) fn has_others_behind(&self) -> bool {
        let client = |waiter: &Waiter| match waiter.target {
            Target::Slot { client, .. } => Some(client),
            Target::Part { .. } | Target::Nobody => None,
        };
        let first = self.waiters.front().and_then(client);
        !self.is_retired || self.waiters.iter().any(|waiter| client(waiter) != first)
    }

    /// Has its task look at it in this turn of the event loop, after what is already in line.
    pub(crate) fn wake(&mut self) {
        if !self.is_woken
            && let Some(waker) = &self.waker
        {
            self.is_woken = true;
            waker.wake_by_ref();
        }
    }

    /// Forgets what belongs to a connection that has ended.
    pub(crate) fn reset(&mut self) {
        self.socket = None;
        self.peer = None;
        self.scan = ReplyScan::new();
        self.partial = Vec::new();
        self.unread = Vec::new();
        self.passing = Passing::Undecided;
        self.reply_bytes = 0;
        self.hold = Hold::default();
    }

    /// Requests at the front whose time is over; earlier ones of them are nobody's already.
    pub(crate) fn overdue(&self, now: Duration, timeout: Duration) -> Vec<usize> {
        if self.hold.by.is_some() {
            return Vec::new();
        }
        let is_overdue = |waiter: &&Waiter| waiter.sent + timeout <= now;
        let front = self.waiters.iter().take_while(is_overdue);
        // Whatever is behind a request that may take any time waits for it.
        let front = front.take_while(|waiter| waiter.can_expire || waiter.target == Target::Nobody);
        let front = front.enumerate().skip(usize::from(self.reply_bytes > 0));
        front.filter(|(_, waiter)| waiter.expires()).map(|(index, _)| index).collect()
    }

    /// When the next request is overdue, or the whole lane is given up. A reply that has begun is
    /// not overdue.
    pub(crate) fn next_overdue(&self, timeout: Duration) -> Option<Duration> {
        if self.hold.by.is_some() {
            return None;
        }
        let front = self.waiters.front()?;
        if front.target != Target::Nobody && !front.can_expire {
            return self.given_up(timeout);
        }
        let waiting = self.waiters.iter().skip(usize::from(self.reply_bytes > 0));
        let request = waiting.into_iter().find(|waiter| waiter.target != Target::Nobody);
        let request = request.filter(|waiter| waiter.can_expire);
        let request = request.map(|waiter| waiter.sent + timeout);
        self.given_up(timeout).into_iter().chain(request).min()
    }

    /// When a server is given up that has left a request unanswered and says nothing, has stopped
    /// in the middle of a reply, or does not take requests.
    pub(crate) fn given_up(&self, timeout: Duration) -> Option<Duration> {
        if self.hold.by.is_some() {
            return None;
        }
        let patience = timeout * TIMEOUTS_MAX;
        let front = self.waiters.front()?;
        let is_expired = front.target == Target::Nobody && front.can_expire;
        let silent = (is_expired || self.reply_bytes > 0).then(|| front.sent.max(self.heard));
        let deaf = (!self.outbox.is_empty()).then(|| self.wrote.max(self.heard));
        silent.into_iter().chain(deaf).min().map(|since| since + patience)
    }
}
