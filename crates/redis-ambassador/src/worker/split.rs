//! MGET, MSET, DEL and their kin over several servers: one piece for each server, one reply.
//!
//! A command with many keys goes out in batches, each as soon as it is there and the client has
//! room for its replies, so that neither a long command nor its long reply is ever held whole. What
//! has gone out stays so: as with twemproxy, MSET over several servers is not atomic.

use redis_commands::{Command, Split};
use resp::{Args, RequestScan, Scanned, Skim};

use super::Worker;
use super::reading::Taken;
use crate::client::{Body, ClientRef, Ending, Kind, SlotState, Wait};
use crate::lane::{LANE_OUTBOX_MAX, Target, Waiter};
use crate::merge::{Merge, Owner};
use crate::private::Pin;
use crate::refusals;
use crate::server::Failure;
use crate::split::{Splitting, step};

/// Keys, or pairs, in one batch.
const BATCH_UNITS_MAX: usize = 1024;
/// Values in the first batch, when it is not known how large they are.
const FIRST_VALUES_MAX: usize = 128;
/// A batch that has come so far goes out without waiting for more, in bytes.
const BATCH_BYTES: usize = 64 * 1024;
/// No part has this number.
const NO_PART: u16 = u16::MAX;

impl Worker {
    /// Takes a whole split command, or the first batch of one.
    pub(super) fn split_request(
        &mut self,
        key: usize,
        command: &'static Command,
        split: Split,
        frame: &[u8],
        args: &Args,
    ) -> Taken {
        let units = (args.len() - 1) / step(split);
        let is_even = (args.len() - 1).is_multiple_of(step(split));
        if (units > first_batch(split) && !self.is_inline) || !is_even {
            return self.begin_split(key, command, split, args.len(), args);
        }
        let pool = self.clients[key].pool;
        let ring = &self.pools[pool].ring;
        self.positions.clear();
        let keys = (1..args.len()).step_by(step(split));
        self.positions.extend(keys.map(|i| ring.locate(args.get(frame, i)).unwrap_or(usize::MAX)));
        let first = self.positions[0];
        if self.positions.iter().all(|server| *server == first) {
            return self.forward(key, first, frame, command);
        }
        let (left, batch) = (args.len() - 1, units);
        let splitting = Splitting { command, split, left, total: units, is_first: true, batch };
        self.send_batch(key, &splitting, frame, args, 1)
    }

    /// From here on the command's arguments are taken in batches.
    pub(super) fn begin_split(
        &mut self,
        key: usize,
        command: &'static Command,
        split: Split,
        argc: usize,
        args: &Args,
    ) -> Taken {
        if !(argc - 1).is_multiple_of(step(split)) {
            let text = redis_commands::wrong_arity_text(command);
            return self.refuse(key, "wrong_arguments", &text);
        }
        let total = (argc - 1) / step(split);
        let (left, batch) = (argc - 1, first_batch(split));
        let splitting = Splitting { command, split, left, total, is_first: true, batch };
        self.clients[key].body = Some(Box::new(Body::Split(splitting)));
        Taken::Bytes(args.whole(0).end)
    }

    /// Takes the next batch of a split command; 0 if it is not there or has to wait.
    pub(super) fn take_batch(
        &mut self,
        key: usize,
        mut splitting: Splitting,
        rest: &[u8],
        args: &mut Args,
    ) -> usize {
        let client = &mut self.clients[key];
        let limits = Self::limits(client);
        let step = step(splitting.split);
        if !splitting.is_first && splitting.split == Split::Values {
            // One batch is under way at a time if values are large, so this is about the last.
            let value_bytes = (client.value_bytes() / splitting.batch).max(1);
            let room = self.shared.config.client_buffer / value_bytes;
            splitting.batch = room.clamp(1, BATCH_UNITS_MAX);
        }
        let mut scan = RequestScan::arguments(splitting.left.min(splitting.batch * step));
        let (count, bytes) = match scan.scan(rest, args, &limits) {
            Ok(Scanned::Complete(bytes)) => (args.len(), bytes),
            Ok(Scanned::Incomplete(pending)) => {
                let count = args.len() / step * step;
                let is_full = rest.len() >= BATCH_BYTES;
                if count == 0 && pending.frame_min > self.shared.config.client_buffer {
                    if pending.complete == 1 {
                        return self.begin_pair(key, splitting, rest, args);
                    }
                    self.refuse_and_close(key, &refusals::too_large(pending.frame_min));
                    return 0;
                }
                if count == 0 || !is_full {
                    return 0;
                }
                (count, args.whole(count - 1).end)
            }
            Ok(_) => return 0,
            Err(error) => {
                self.protocol_error(key, &error);
                return 0;
            }
        };
        if let Some(waits) = self.must_wait(key, splitting.command.class) {
            self.clients[key].waits = waits;
            return 0;
        }
        let pool = self.clients[key].pool;
        let ring = &self.pools[pool].ring;
        self.positions.clear();
        let keys = (0..count).step_by(step);
        self.positions.extend(keys.map(|i| ring.locate(args.get(rest, i)).unwrap_or(usize::MAX)));
        match self.send_batch(key, &splitting, rest, args, 0) {
            Taken::Later(waits) => {
                self.clients[key].waits = waits;
                return 0;
            }
            Taken::Yes | Taken::Bytes(_) => {}
        }
        splitting.left -= count;
        splitting.batch = count / step;
        splitting.is_first = false;
        let client = &mut self.clients[key];
        client.body = (splitting.left > 0).then(|| Box::new(Body::Split(splitting)));
        if client.body.is_none() {
            client.session.request_taken();
        }
        bytes
    }

    /// Takes the front of a pair whose value is too large to be held: it goes out alone, over a
    /// private connection, when all that was before it is answered.
    fn begin_pair(
        &mut self,
        key: usize,
        mut splitting: Splitting,
        rest: &[u8],
        args: &mut Args,
    ) -> usize {
        self.release_pin(key);
        let client = &mut self.clients[key];
        if client.under_way() > 0 {
            client.waits = Wait::Answers;
            return 0;
        }
        let (pool, protocol) = (client.pool, client.session.protocol);
        let limits = Self::limits(client);
        let mut scan = RequestScan::arguments(2);
        let skim = match scan.scan(rest, args, &limits) {
            Ok(_) => Skim::take_over(&scan, rest, &limits),
            Err(error) => Err(error),
        };
        let Ok(Some(skim)) = skim else { return 0 };
        let lane = match self.pools[pool].ring.locate(args.get(rest, 0)) {
            Some(server) => self.private_lane(pool, server, protocol, key),
            None => Err(Failure::Refused),
        };
        let client = &mut self.clients[key];
        let class = splitting.command.class;
        let slot = client.push_slot(SlotState::Merging, Kind::of(class));
        let owner = Owner { client: ClientRef::new(key, client.id), slot };
        let place = splitting.place(1);
        splitting.left -= 2;
        splitting.is_first = false;
        client.settles = true;
        client.body = Some(Box::new(Body::Pair(skim, splitting)));
        let merge = self.merges.insert(Merge::new(splitting.split, 1, place, owner));
        let target = Target::Part { merge, part: 0 };
        let waiter = Waiter { target, class, can_expire: false, sent: self.now };
        match lane {
            Ok(lane) => {
                self.clients[key].pin = Some(Box::new(Pin::new(lane)));
                let mut head = Vec::with_capacity(48);
                resp::write::array_header(&mut head, 3);
                resp::write::bulk(&mut head, splitting.command.name.as_bytes());
                self.send(lane, &head, waiter);
                self.lanes[lane].outbox.push(rest, &mut self.blocks);
            }
            Err(failure) => self.complete(waiter, &failure.reply()),
        }
        rest.len()
    }

    /// Sends the units whose servers are in `positions`, and whose arguments begin at `start`.
    fn send_batch(
        &mut self,
        key: usize,
        splitting: &Splitting,
        frame: &[u8],
        args: &Args,
        start: usize,
    ) -> Taken {
        let positions = std::mem::take(&mut self.positions);
        let taken = self.send_parts(key, splitting, &positions, frame, args, start);
        self.positions = positions;
        taken
    }

    fn send_parts(
        &mut self,
        key: usize,
        splitting: &Splitting,
        servers: &[usize],
        frame: &[u8],
        args: &Args,
        start: usize,
    ) -> Taken {
        let client = &self.clients[key];
        let (pool, protocol) = (client.pool, client.session.protocol);
        let mut parts: Vec<(usize, Result<usize, Failure>, usize)> = Vec::new();
        let mut part_of = vec![NO_PART; self.pools[pool].servers.len() + 1];
        let nowhere = part_of.len() - 1;
        for server in servers {
            let place = &mut part_of[(*server).min(nowhere)];
            if *place == NO_PART {
                *place = u16::try_from(parts.len()).expect("no more parts than servers");
                let lane = match *server {
                    usize::MAX => Err(Failure::Refused),
                    server => self.shared_lane(pool, server, protocol),
                };
                if let Ok(lane) = lane
                    && self.lanes[lane].outbox.len() > LANE_OUTBOX_MAX
                {
                    self.lanes[lane].blocked.push(key);
                    return Taken::Later(Wait::Server);
                }
                parts.push((*server, lane, 0));
            }
            parts[usize::from(*place)].2 += 1;
        }
        let step = step(splitting.split);
        let client = &mut self.clients[key];
        let slot = client.push_slot(SlotState::Merging, Kind::of(splitting.command.class));
        let owner = Owner { client: ClientRef::new(key, client.id), slot };
        let place = splitting.place(servers.len());
        let class = splitting.command.class;
        let mut merge = Merge::new(splitting.split, parts.len(), place, owner);
        for server in servers {
            merge.expect(part_of[(*server).min(nowhere)]);
        }
        let merge = self.merges.insert(merge);
        let mut header = Vec::with_capacity(48);
        for (part, (_, lane, units)) in (0..).zip(&parts) {
            let target = Target::Part { merge, part };
            let waiter = Waiter { target, class, can_expire: true, sent: self.now };
            match lane {
                Ok(lane) => {
                    header.clear();
                    resp::write::array_header(&mut header, units * step + 1);
                    resp::write::bulk(&mut header, splitting.command.name.as_bytes());
                    self.send(*lane, &header, waiter);
                }
                Err(failure) => self.complete(waiter, &failure.reply()),
            }
        }
        for (unit, server) in servers.iter().enumerate() {
            let (_, lane, _) = &parts[usize::from(part_of[(*server).min(nowhere)])];
            if let Ok(lane) = lane {
                let first = start + unit * step;
                let bytes = args.whole(first).start..args.whole(first + step - 1).end;
                self.lanes[*lane].outbox.push(&frame[bytes], &mut self.blocks);
            }
        }
        let counters = self.shared.counters.pool(pool);
        counters.splits.add(1);
        counters.fragments.add(parts.len() as u64);
        Taken::Yes
    }

    fn refuse_and_close(&mut self, key: usize, text: &str) {
        self.refuse(key, "too_large", text);
        self.clients[key].ending = Ending::Answering;
        self.touch(key);
    }
}

fn first_batch(split: Split) -> usize {
    if split == Split::Values { FIRST_VALUES_MAX } else { BATCH_UNITS_MAX }
}
