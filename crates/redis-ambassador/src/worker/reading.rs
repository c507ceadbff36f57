//! The turn of a client's task: write what is left over, then read, scan and take requests.
//!
//! All clients are read into one buffer. What is not taken in the same turn, a half request or one
//! that has to wait, is kept with the client; scanning goes on where it stopped. A client is not
//! read while it waits for anything, so its memory is bounded by its limit and one buffer.

use std::task::{Context, Poll};

use resp::{Args, Pending, RequestScan, Scanned};

use super::Worker;
use super::account::ALWAYS_BYTES;
use crate::client::{Ending, Wait};

/// Reads of one client before others have their turn.
const READS_PER_TURN: usize = 4;
/// Read of a client that waits for answers, so that its end is seen.
const READ_AHEAD_BYTES: usize = 16 * 1024;
/// A buffer so many times as large as what is in it is made smaller.
const SPARE_FACTOR_MAX: usize = 4;
/// Bytes scanned in one step.
const SCRATCH_BYTES: usize = super::SCRATCH_BYTES;
/// A cache line. The allocator puts a large buffer 16 bytes behind the border of a page, and some
/// processors copy to there from a page's beginning, where the kernel has it, five times slower.
const LINE_BYTES: usize = 64;

/// Whether a request was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    /// So many bytes of its front are taken; the rest follows in pieces.
    Bytes(usize),
    /// Not yet; the same request comes again when the client is woken.
    Later(Wait),
}

impl Worker {
    /// Ready when the client has gone.
    pub(crate) fn poll_client(&mut self, key: usize, context: &mut Context<'_>) -> Poll<()> {
        self.tick();
        let client = &mut self.clients[key];
        if client.waker.is_none() {
            client.waker = Some(context.waker().clone());
        }
        let blocks = &mut self.blocks;
        let before = client.outbox.len();
        if client.ending != Ending::Now
            && let Poll::Ready(Err(_)) =
                client.socket.poll_write(context, &mut client.outbox, blocks)
        {
            self.shared.counters.pool(client.pool).clients_closed_error.add(1);
            client.ending = Ending::Now;
        }
        if client.outbox.len() < before {
            client.last_write = self.now;
        }
        self.settle(key);
        for _ in 0..READS_PER_TURN {
            if self.has_ended(key) {
                self.remove_client(key);
                return Poll::Ready(());
            }
            if !self.may_go_on(key) {
                return Poll::Pending;
            }
            match self.read(key, context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) => self.count_memory(key),
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn has_ended(&self, key: usize) -> bool {
        let client = &self.clients[key];
        match client.ending {
            Ending::No => false,
            Ending::Answering => {
                let is_blocked = client.pin.as_ref().is_some_and(|pin| pin.is_blocked());
                let is_answered = client.under_way() == 0 || is_blocked;
                is_answered && client.outbox.is_empty()
            }
            Ending::Now => true,
        }
    }

    /// Takes what waited, if it can be taken now; tells whether the client is to be read.
    fn may_go_on(&mut self, key: usize) -> bool {
        let client = &mut self.clients[key];
        if client.ending != Ending::No {
            return false;
        }
        // What waits for answers is not looked at again before it can be taken.
        let can_take = client.waits != Wait::Answers || client.under_way() == 0;
        if client.waits != Wait::Nothing && can_take {
            self.take_waiting(key);
        }
        let is_over = self.is_over();
        let client = &self.clients[key];
        let is_read = match client.waits {
            Wait::Nothing => true,
            Wait::Room if client.queued() > 0 => false,
            // It waits for answers, which may never come; its end is to be seen.
            Wait::Answers | Wait::Room => {
                !client.has_sent_all && client.unparsed.len() < READ_AHEAD_BYTES
            }
            Wait::Server => false,
        };
        if client.ending != Ending::No {
            client.wake();
            return false;
        }
        if is_read && is_over && client.counted.memory > ALWAYS_BYTES {
            self.starve(key);
            return false;
        }
        is_read
    }

    /// Takes what had to wait, as far as it can be taken now.
    fn take_waiting(&mut self, key: usize) {
        let client = &mut self.clients[key];
        client.waits = Wait::Nothing;
        let unparsed = std::mem::take(&mut client.unparsed);
        let taken = self.take_requests(key, &unparsed);
        self.keep_unparsed(key, unparsed, taken);
        self.count_memory(key);
    }

    /// Keeps what was not taken, in no more memory than it needs.
    fn keep_unparsed(&mut self, key: usize, mut unparsed: Vec<u8>, taken: usize) {
        if taken == unparsed.len() {
            return self.blocks.give(unparsed);
        }
        unparsed.drain(..taken);
        if unparsed.capacity() > SPARE_FACTOR_MAX * unparsed.len() {
            unparsed.shrink_to(unparsed.len().max(ALWAYS_BYTES));
        }
        self.clients[key].unparsed = unparsed;
    }

    /// Reads once. Ready also at the client's end.
    fn read(&mut self, key: usize, context: &mut Context<'_>) -> Poll<()> {
        if self.clients[key].unparsed.is_empty() {
            return self.read_scratch(key, context);
        }
        let client = &mut self.clients[key];
        let mut unparsed = std::mem::take(&mut client.unparsed);
        if unparsed.len() == unparsed.capacity() {
            unparsed.reserve(unparsed.len().min(SCRATCH_BYTES));
        }
        let read = client.socket.poll_read(context, &mut unparsed);
        let taken = match read {
            Poll::Ready(Ok(count)) if count > 0 => self.take_requests(key, &unparsed),
            _ => 0,
        };
        self.keep_unparsed(key, unparsed, taken);
        read.map(|result| self.note_end(key, result))
    }

    fn read_scratch(&mut self, key: usize, context: &mut Context<'_>) -> Poll<()> {
        // Above the thread's share, little is read at once.
        let is_over = self.is_over();
        let mut scratch = if is_over { self.blocks.take() } else { self.take_scratch() };
        let start = scratch.len();
        let read = self.clients[key].socket.poll_read(context, &mut scratch);
        if matches!(read, Poll::Ready(Ok(count)) if count > 0) {
            let taken = self.take_requests(key, &scratch[start..]);
            let rest = &scratch[start + taken..];
            if !rest.is_empty() {
                let mut unparsed = self.blocks.take();
                unparsed.extend_from_slice(rest);
                self.clients[key].unparsed = unparsed;
            }
        }
        if is_over {
            self.blocks.give(scratch);
        } else {
            self.give_scratch(scratch);
        }
        read.map(|result| self.note_end(key, result))
    }

    /// The thread's read buffer. What is read goes behind the few bytes that are in it: they put
    /// it on the border of a cache line.
    pub(super) fn take_scratch(&mut self) -> Vec<u8> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.reserve_exact(LINE_BYTES + SCRATCH_BYTES);
        scratch.resize(scratch.as_ptr().align_offset(LINE_BYTES), 0);
        scratch
    }

    pub(super) fn give_scratch(&mut self, scratch: Vec<u8>) {
        self.scratch = scratch;
    }

    fn note_end(&mut self, key: usize, read: std::io::Result<usize>) {
        let client = &mut self.clients[key];
        match read {
            // What it sent before is still taken, if it ever can be.
            Ok(0) if client.waits != Wait::Nothing && !client.is_open_ended() => {
                client.has_sent_all = true;
            }
            Ok(0) => client.hung_up(),
            Ok(_) => {}
            Err(_) => {
                self.shared.counters.pool(client.pool).clients_closed_error.add(1);
                client.ending = Ending::Now;
            }
        }
    }

    /// Takes requests from the front of `data` until it ends or one has to wait; tells how many
    /// bytes were taken.
    fn take_requests(&mut self, key: usize, data: &[u8]) -> usize {
        let mut args = std::mem::take(&mut self.args);
        let mut at = 0;
        while at < data.len() {
            let client = &mut self.clients[key];
            if client.ending != Ending::No || client.waits != Wait::Nothing {
                break;
            }
            let rest = &data[at..];
            if client.body.is_some() {
                match self.take_body(key, rest, &mut args) {
                    0 => break,
                    count => at += count,
                }
                continue;
            }
            match self.take_request(key, rest, &mut args) {
                0 => break,
                count => at += count,
            }
        }
        self.args = args;
        at
    }

    /// Takes one request; 0 if it is not whole or has to wait.
    fn take_request(&mut self, key: usize, rest: &[u8], args: &mut Args) -> usize {
        let client = &mut self.clients[key];
        let limits = Self::limits(client);
        let mut scan = client.scan;
        let scanned = scan.scan(rest, args, &limits);
        client.scan = RequestScan::default();
        let (len, taken) = match scanned {
            Ok(Scanned::Complete(len)) => (len, self.request(key, &rest[..len], args)),
            Ok(Scanned::Empty(len)) => return len,
            Ok(Scanned::Inline(len)) => (len, self.inline_request(key, &rest[..len], args)),
            Ok(Scanned::Incomplete(pending)) => {
                client.scan = scan;
                return self.incomplete(key, rest, args, pending);
            }
            Err(error) => {
                self.protocol_error(key, &error);
                return 0;
            }
        };
        match taken {
            Taken::Yes => len,
            Taken::Bytes(count) => count,
            Taken::Later(waits) => {
                self.clients[key].waits = waits;
                0
            }
        }
    }

    fn inline_request(&mut self, key: usize, line: &[u8], args: &mut Args) -> Taken {
        let words = match resp::split_inline(line) {
            Ok(words) => words,
            Err(error) => {
                self.protocol_error(key, &error);
                return Taken::Yes;
            }
        };
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let mut frame = Vec::new();
        resp::write::request(&mut frame, &words);
        let limits = Self::limits(&self.clients[key]);
        match RequestScan::default().scan(&frame, args, &limits) {
            Ok(Scanned::Complete(_)) => {
                self.is_inline = true;
                let taken = self.request(key, &frame, args);
                self.is_inline = false;
                taken
            }
            Ok(_) => Taken::Yes,
            Err(error) => {
                self.protocol_error(key, &error);
                Taken::Yes
            }
        }
    }

    /// A request that has not come whole: it is kept, or, if it is too large for that, taken in
    /// pieces.
    fn incomplete(&mut self, key: usize, rest: &[u8], args: &Args, pending: Pending) -> usize {
        if pending.frame_min <= self.shared.config.client_buffer {
            return 0;
        }
        self.begin_body(key, rest, args, pending)
    }

    pub(super) fn protocol_error(&mut self, key: usize, error: &resp::ProtocolError) {
        let mut reply = Vec::new();
        resp::write::error(&mut reply, &format!("ERR {error}"));
        let client = &mut self.clients[key];
        client.answer(&reply, &mut self.blocks);
        client.ending = Ending::Answering;
        self.shared.counters.pool(client.pool).clients_closed_protocol.add(1);
        self.touch(key);
    }
}
