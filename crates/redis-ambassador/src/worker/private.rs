//! Private server connections: taking one, what passes over it, giving it back.
//!
//! Requests and replies pass as they are. What a client's state is follows from the requests that
//! it sent, except for the end of its last subscription, which the server tells.

use redis_commands::{Class, Command, Pin as Reason, Treatment};
use resp::{Args, Protocol};

use super::Worker;
use super::reading::Taken;
use crate::client::{ClientRef, Ending, Kind, SlotState, Wait};
use crate::lane::{LANE_OUTBOX_MAX, Lane, LaneUse, Target, Waiter};
use crate::private::{Expected, Pin};
use crate::server::Failure;

/// Free private connections that are kept for each server.
const IDLE_MAX: usize = 4;

impl Worker {
    /// A connection for one client alone.
    pub(super) fn private_lane(
        &mut self,
        pool: usize,
        server: usize,
        protocol: Protocol,
        client: usize,
    ) -> Result<usize, Failure> {
        let now = self.now;
        let state = self.server(pool, server);
        if let Some((until, failure)) = &state.cools
            && now < *until
        {
            return Err(failure.clone());
        }
        let idle = std::mem::take(&mut state.idle);
        let found = idle.iter().position(|lane| self.lanes[*lane].protocol == protocol);
        let state = self.server(pool, server);
        state.idle = idle;
        let key = match found {
            Some(place) => state.idle.swap_remove(place),
            None => self.open_lane(Lane::new(pool, server, protocol, LaneUse::Idle)),
        };
        self.lanes[key].use_ = LaneUse::Private(client);
        Ok(key)
    }

    /// Ends a private connection whatever is under way on it.
    pub(super) fn drop_private(&mut self, key: usize) {
        let lane = &mut self.lanes[key];
        lane.use_ = LaneUse::Idle;
        lane.is_retired = true;
        let dropped = lane.waiters.len() as u64;
        self.shared.counters.pool(lane.pool).requests_dropped.add(dropped);
        for waiter in lane.waiters.drain(..) {
            // The one part of a pair that went alone; its client has no use for it any more.
            if let Target::Part { merge, .. } = waiter.target {
                self.merging -= self.merges.remove(merge).bytes;
            }
        }
        lane.outbox.clear(&mut self.blocks);
        lane.wake();
    }

    /// Frees the private connection of a client whose state has gone.
    pub(super) fn release_pin(&mut self, key: usize) {
        let client = &mut self.clients[key];
        let is_over = |pin: &Pin| !pin.has_state();
        if client.under_way() > 0 || client.is_passing() {
            return;
        }
        let Some(pin) = client.pin.take_if(|pin| is_over(pin)) else { return };
        let lane = &mut self.lanes[pin.lane];
        let (pool, server) = (lane.pool, lane.server);
        let is_clean = lane.socket.is_some() && lane.waiters.is_empty() && !lane.is_retired;
        if is_clean && self.server(pool, server).idle.len() < IDLE_MAX {
            self.lanes[pin.lane].use_ = LaneUse::Idle;
            self.server(pool, server).idle.push(pin.lane);
        } else {
            self.drop_private(pin.lane);
        }
    }

    /// A client's private connection has ended: what state it had is lost, and so is the client's
    /// connection, as it would be without us.
    pub(super) fn private_lane_is_down(&mut self, client: usize, lane: usize) {
        let Some(client) = self.clients.get_mut(client) else { return };
        if let Some(pin) = client.pin.take_if(|pin| pin.lane == lane) {
            if pin.has_state() {
                client.ending = Ending::Answering;
            }
            client.wake();
        }
    }

    /// Takes the first request that needs a private connection.
    pub(super) fn begin_pin(
        &mut self,
        key: usize,
        command: &'static Command,
        frame: &[u8],
        args: &Args,
    ) -> Taken {
        let client = &self.clients[key];
        if client.under_way() > 0 {
            return Taken::Later(Wait::Answers);
        }
        match self.private_lane(client.pool, 0, client.session.protocol, key) {
            Ok(lane) => self.clients[key].pin = Some(Box::new(Pin::new(lane))),
            Err(failure) => return self.answer_now(key, &failure.reply()),
        }
        if command.treatment == Treatment::Pin(Reason::Wait) {
            self.send_unasked(key, &[b"PING"]);
        }
        self.pinned_request(key, Some(command), frame, args)
    }

    /// Sends a request over the client's private connection.
    pub(super) fn pinned_request(
        &mut self,
        key: usize,
        command: Option<&'static Command>,
        frame: &[u8],
        args: &Args,
    ) -> Taken {
        let client = &mut self.clients[key];
        let pin = client.pin.as_mut().expect("the caller looked");
        let lane = pin.lane;
        if self.lanes[lane].outbox.len() > LANE_OUTBOX_MAX {
            self.lanes[lane].blocked.push(key);
            return Taken::Later(Wait::Server);
        }
        let class = command.map_or(Class::Server, |command| command.class);
        let reason = command.and_then(|command| match command.treatment {
            Treatment::Pin(reason) => Some(reason),
            // EXEC, DISCARD and UNWATCH need no private connection, but end what MULTI began.
            _ if command.class == Class::Transaction => Some(Reason::Transaction),
            _ => None,
        });
        if reason == Some(Reason::PubSub) && args.len() == 1 && pin.is_confirming() {
            // How many it ends is not known yet.
            return Taken::Later(Wait::Answers);
        }
        let expected = pin.note(reason, frame, args);
        let mut can_expire = true;
        match expected {
            Expected::Reply => {}
            Expected::ReplyAtAnyTime => can_expire = false,
            Expected::Messages => {
                let lane = &mut self.lanes[lane];
                lane.outbox.push(frame, &mut self.blocks);
                lane.wake();
                return Taken::Yes;
            }
        }
        let slot = client.push_slot(SlotState::Waiting, Kind::of(class));
        let target = Target::Slot { client: ClientRef::new(key, client.id), slot };
        let waiter = Waiter { target, class, can_expire, sent: self.now };
        if reason == Some(Reason::Select) && args.len() == 2 && args.get(frame, 1) == b"0" {
            let select = self.select_own(key);
            self.send(lane, &select, waiter);
        } else {
            self.send(lane, frame, waiter);
        }
        Taken::Yes
    }

    /// SELECT of the database that a client knows as 0.
    fn select_own(&self, key: usize) -> Vec<u8> {
        let mut frame = Vec::new();
        let db = self.config(self.clients[key].pool).db.to_string();
        resp::write::request(&mut frame, &[b"SELECT", db.as_bytes()]);
        frame
    }

    /// Sends something over the client's private connection whose reply nobody wants.
    fn send_unasked(&mut self, key: usize, words: &[&[u8]]) {
        let Some(pin) = &self.clients[key].pin else { return };
        let lane = pin.lane;
        let mut frame = Vec::new();
        resp::write::request(&mut frame, words);
        let (target, class) = (Target::Nobody, Class::Connection);
        self.send(lane, &frame, Waiter { target, class, can_expire: false, sent: self.now });
    }

    /// Tells the private connection, if there is one, that the client speaks another protocol now.
    pub(super) fn follow_protocol(&mut self, key: usize) {
        let client = &self.clients[key];
        let protocol = client.session.protocol;
        let Some(lane) = client.pin.as_ref().map(|pin| pin.lane) else { return };
        if self.lanes[lane].protocol == protocol {
            return;
        }
        self.lanes[lane].protocol = protocol;
        let version: &[u8] = if protocol == Protocol::Resp3 { b"3" } else { b"2" };
        self.send_unasked(key, &[b"HELLO", version]);
    }
}

/// Whether a command that may need a private connection does.
pub(super) fn needs_pin(command: &Command, frame: &[u8], args: &Args) -> bool {
    match command.treatment {
        Treatment::Pin(Reason::Transaction) => matches!(command.name, "multi" | "watch"),
        Treatment::Pin(Reason::BlockOption) => command.blocks(args.len(), &|i| args.get(frame, i)),
        // Anything else is an error, and changes nothing.
        Treatment::Pin(Reason::Select) => args.len() == 2 && chooses_other(frame, args),
        Treatment::Pin(_) => command.arity_fits(args.len()),
        _ => false,
    }
}

/// Whether SELECT names a database other than the one that clients know as 0.
fn chooses_other(frame: &[u8], args: &Args) -> bool {
    let number = (args.len() == 2).then(|| args.get(frame, 1));
    number.is_some_and(|number| number != b"0" && number.iter().all(u8::is_ascii_digit))
}
