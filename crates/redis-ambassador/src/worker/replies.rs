//! The turn of a lane's task: write what has gathered, read, hand out replies.
//!
//! A reply whose client is next in turn goes straight from the read buffer to the client's outbox,
//! piece by piece if it is large, or to its socket if the client waits for nothing else. If that
//! client has no room, the lane is not read until it has, or until the client has held it up for
//! too long and is closed. A reply that comes before its turn is kept until it is whole.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::{DIRTY_MAX, Worker, find};
use crate::client::{ClientRef, Ending, SlotNumber};
use crate::lane::{LANE_OUTBOX_MAX, LaneUse, Target, Waiter};
use crate::server::Failure;

/// Of a reply that is not whole, so much is written at once.
const WRITE_BYTES: usize = 64 * 1024;
/// Reads of one lane before others have their turn.
const READS_PER_TURN: usize = 4;

/// How a lane's connection ended.
pub(crate) type LaneEnd = Option<Failure>;

impl Worker {
    /// Ready when there is something to send and no connection, or nothing more to do at all.
    pub(crate) fn poll_wanted(&mut self, key: usize, context: &mut Context<'_>) -> Poll<()> {
        let lane = &mut self.lanes[key];
        lane.waker = Some(context.waker().clone());
        lane.is_woken = false;
        let is_wanted = !lane.waiters.is_empty() || !lane.outbox.is_empty() || lane.is_retired;
        if is_wanted { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Ready when the connection has ended.
    pub(crate) fn poll_lane(&mut self, key: usize, context: &mut Context<'_>) -> Poll<LaneEnd> {
        self.tick();
        let lane = &mut self.lanes[key];
        lane.waker.get_or_insert_with(|| context.waker().clone());
        lane.is_woken = false;
        if let Some(end) = self.write_lane(key, context) {
            return Poll::Ready(end);
        }
        let mut turns = 0;
        loop {
            match self.read_lane(key, context) {
                Poll::Pending => break,
                Poll::Ready(Some(end)) => return Poll::Ready(end),
                Poll::Ready(None) => turns += 1,
            }
            if turns == READS_PER_TURN {
                context.waker().wake_by_ref();
                break;
            }
        }
        let lane = &self.lanes[key];
        if lane.is_retired && lane.waiters.is_empty() {
            return Poll::Ready(None);
        }
        self.show_lane(key);
        self.poll_time(key, context)
    }

    /// Brings the gauges of the lane's server up to date.
    pub(super) fn show_lane(&mut self, key: usize) {
        let lane = &mut self.lanes[key];
        let counters = self.shared.counters.pool(lane.pool).server(lane.server);
        let now = (lane.waiters.len() as u64, lane.outbox.len() as u64);
        let before = std::mem::replace(&mut lane.shown, now);
        counters.in_flight.sub(before.0);
        counters.in_flight.add(now.0);
        counters.queue_bytes.sub(before.1);
        counters.queue_bytes.add(now.1);
    }

    fn write_lane(&mut self, key: usize, context: &mut Context<'_>) -> Option<LaneEnd> {
        let lane = &mut self.lanes[key];
        let socket = lane.socket.as_mut().expect("a lane that is up has a socket");
        let before = lane.outbox.len();
        if let Poll::Ready(Err(error)) =
            socket.poll_write(context, &mut lane.outbox, &mut self.blocks)
        {
            return Some(Some(Failure::of(&error)));
        }
        if lane.outbox.len() < before {
            lane.wrote = self.now;
        }
        if !lane.blocked.is_empty() && lane.outbox.len() <= LANE_OUTBOX_MAX / 2 {
            self.unblock(key);
        }
        None
    }

    /// Reads once and hands out. Pending also while the lane is held up.
    fn read_lane(&mut self, key: usize, context: &mut Context<'_>) -> Poll<Option<LaneEnd>> {
        if !self.lanes[key].unread.is_empty() {
            let unread = std::mem::take(&mut self.lanes[key].unread);
            if let Err(failure) = self.hand_out(key, &unread) {
                return Poll::Ready(Some(Some(failure)));
            }
            if !self.lanes[key].unread.is_empty() {
                return Poll::Pending;
            }
        }
        let mut scratch = self.take_scratch();
        let start = scratch.len();
        let lane = &mut self.lanes[key];
        let socket = lane.socket.as_mut().expect("a lane that is up has a socket");
        let read = socket.poll_read(context, &mut scratch);
        let handed = match &read {
            Poll::Ready(Ok(count)) if *count > 0 => {
                lane.heard = self.now;
                let (pool, server) = (lane.pool, lane.server);
                let counters = self.shared.counters.pool(pool).server(server);
                counters.reply_bytes.add(*count as u64);
                self.hand_out(key, &scratch[start..])
            }
            _ => Ok(()),
        };
        self.give_scratch(scratch);
        Poll::Ready(match (ready!(read), handed) {
            (_, Err(failure)) => Some(Some(failure)),
            (Ok(0), _) => Some(Some(Failure::Closed)),
            (Ok(_), _) => None,
            (Err(error), _) => Some(Some(Failure::of(&error))),
        })
    }

    /// Gives each reply to whom it is for.
    fn hand_out(&mut self, key: usize, data: &[u8]) -> Result<(), Failure> {
        let mut at = 0;
        while at < data.len() {
            if self.dirty.len() >= DIRTY_MAX {
                self.flush_dirty();
            }
            if self.is_held_up(key) {
                self.lanes[key].unread.extend_from_slice(&data[at..]);
                return Ok(());
            }
            let lane = &mut self.lanes[key];
            let (count, is_whole) =
                lane.scan.advance(&data[at..]).map_err(|_error| Failure::Garbage)?;
            let piece = &data[at..at + count];
            at += count;
            self.hand_out_piece(key, piece, is_whole)?;
        }
        Ok(())
    }

    fn hand_out_piece(&mut self, key: usize, piece: &[u8], is_whole: bool) -> Result<(), Failure> {
        let limit = self.shared.config.client_buffer;
        let lane = &mut self.lanes[key];
        lane.reply_bytes += piece.len();
        if lane.reply_bytes > limit && !is_whole {
            self.detach(key);
        }
        let lane = &mut self.lanes[key];
        if lane.use_ != LaneUse::Shared && self.pass_message(key, piece, is_whole) {
            return Ok(());
        }
        let lane = &mut self.lanes[key];
        let Some(&waiter) = lane.waiters.front() else { return Err(Failure::Garbage) };
        if let Target::Slot { client: named, slot } = waiter.target {
            let queued = self.hand_out_reply(key, named, slot, piece, is_whole);
            if is_whole {
                self.answered(key, waiter);
            }
            match queued {
                // The pieces of one reply leave together, as far as there is room.
                Some(queued) if is_whole || queued >= (limit / 2).min(WRITE_BYTES) => {
                    self.touch(named.place());
                }
                None if is_whole => self.drop_reply(key),
                Some(_) | None => {}
            }
            return Ok(());
        }
        if let Target::Part { merge, .. } = waiter.target {
            let merge = &mut self.merges[merge];
            if self.merging + piece.len() > self.shared.memory_max {
                self.merging -= merge.bytes;
                merge.overflow();
                lane.partial = Vec::new();
            }
            if !merge.is_overflown {
                self.merging += piece.len();
                merge.bytes += piece.len();
                lane.partial.extend_from_slice(piece);
            }
        }
        if is_whole {
            let reply = std::mem::take(&mut lane.partial);
            self.answered(key, waiter);
            match waiter.target {
                Target::Part { .. } => self.complete_part(waiter, reply),
                Target::Slot { .. } | Target::Nobody => self.drop_reply(key),
            }
        }
        Ok(())
    }

    /// Gives a piece of a reply to a client; tells how much waits to leave, if it is still there.
    fn hand_out_reply(
        &mut self,
        key: usize,
        named: ClientRef,
        slot: SlotNumber,
        piece: &[u8],
        is_whole: bool,
    ) -> Option<usize> {
        let found = find(&mut self.clients, named);
        let lane = &mut self.lanes[key];
        let Some(client) = found else {
            self.merging -= std::mem::take(&mut lane.gathered);
            lane.partial = Vec::new();
            return None;
        };
        let is_next = lane.partial.is_empty();
        let written = if is_next { client.write_through(piece, self.now) } else { 0 };
        let piece = &piece[written..];
        if lane.partial.is_empty() && is_whole && piece.len() == lane.reply_bytes {
            client.reply(slot, piece, &mut self.blocks);
        } else if client.is_first(slot) {
            self.merging -= std::mem::take(&mut lane.gathered);
            client.leave(&lane.partial, &mut self.blocks);
            lane.partial = Vec::new();
            client.leave(piece, &mut self.blocks);
            if is_whole {
                client.left(lane.reply_bytes, &mut self.blocks);
            }
        } else {
            lane.partial.extend_from_slice(piece);
            self.merging += piece.len();
            lane.gathered += piece.len();
            if is_whole {
                self.merging -= std::mem::take(&mut lane.gathered);
                client.reply(slot, &lane.partial, &mut self.blocks);
                lane.partial = Vec::new();
            } else if self.merging > self.shared.memory_max {
                // It cannot wait for its turn, and nobody may wait for it.
                let counters = self.shared.counters.pool(client.pool);
                counters.clients_closed_memory.add(1);
                client.ending = Ending::Now;
                client.wake();
            }
        }
        Some(client.outbox.len())
    }

    /// Counts a reply that nobody waits for any more.
    fn drop_reply(&self, key: usize) {
        self.shared.counters.pool(self.lanes[key].pool).replies_dropped.add(1);
    }

    /// Books a whole reply.
    pub(super) fn answered(&mut self, key: usize, waiter: Waiter) {
        let lane = &mut self.lanes[key];
        lane.waiters.pop_front();
        debug_assert!(lane.partial.is_empty(), "it has gone where the reply went");
        if !waiter.can_expire {
            // Those behind it had no chance to be answered before.
            lane.waiters.iter_mut().for_each(|behind| behind.sent = self.now);
        }
        lane.reply_bytes = 0;
        lane.hold.before = Duration::ZERO;
        if let LaneUse::Private(client) = lane.use_
            && !waiter.can_expire
            && let Some(pin) = self.clients.get_mut(client).and_then(|client| client.pin.as_mut())
        {
            pin.unblock();
        }
        let lane = &self.lanes[key];
        let (pool, server) = (lane.pool, lane.server);
        self.pools[pool].servers[server].answered();
        let counters = self.shared.counters.pool(pool);
        counters.server(server).replies.add(1);
        counters.observe(waiter.class, self.now.saturating_sub(waiter.sent));
    }

    /// Gives a whole reply to whom it is for.
    pub(super) fn complete(&mut self, waiter: Waiter, reply: &[u8]) {
        match waiter.target {
            Target::Slot { client: named, slot } => {
                if let Some(client) = find(&mut self.clients, named) {
                    client.reply(slot, reply, &mut self.blocks);
                    self.touch(named.place());
                }
            }
            Target::Part { .. } => self.complete_part(waiter, reply.to_vec()),
            Target::Nobody => {}
        }
    }

    fn complete_part(&mut self, waiter: Waiter, reply: Vec<u8>) {
        let Target::Part { merge, part } = waiter.target else { return };
        if !self.merges[merge].add(usize::from(part), reply) {
            return;
        }
        let merge = self.merges.remove(merge);
        self.merging -= merge.bytes;
        let owner = merge.owner;
        if let Some(client) = find(&mut self.clients, owner.client) {
            client.merged(owner.slot, Box::new(merge), &mut self.blocks);
            self.touch(owner.client.place());
        }
    }

    /// Whether the client in front has no room for more. If so, it is noted.
    fn is_held_up(&mut self, key: usize) -> bool {
        let is_over = self.is_over();
        let fair_share = self.fair_share();
        let limit = self.shared.config.client_buffer;
        let lane = &mut self.lanes[key];
        let holder = match (lane.waiters.front().map(|waiter| waiter.target), lane.use_) {
            (Some(Target::Slot { client, .. }), _) => find(&mut self.clients, client),
            (None, LaneUse::Private(client)) => self.clients.get_mut(client),
            _ => None,
        };
        let Some(client) = holder else { return lane.release(self.now) };
        // A reply whose turn has not come is gathered: to wait for it here could be to wait for a
        // client that waits for us.
        let is_next = match lane.waiters.front().map(|waiter| waiter.target) {
            Some(Target::Slot { slot, .. }) => client.is_first(slot),
            _ => true,
        };
        let queued = client.outbox.len();
        let has_none = queued >= limit || (is_over && queued > fair_share);
        if !has_none || !is_next || client.ending == Ending::Now {
            return lane.release(self.now);
        }
        client.holds_up = true;
        if lane.hold.by.is_none() {
            lane.hold.by = Some((client.id, self.now));
            self.detach(key);
        }
        true
    }
}
