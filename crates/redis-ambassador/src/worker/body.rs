//! Requests that are larger than a client's limit: taken as they come, never held whole.
//!
//! One with a single known key goes to its server over a private connection, so that a client that
//! sends slowly holds up nobody; a split command goes out in batches; what cannot be routed before
//! it is whole is refused and thrown away to its end.

use redis_commands::{Class, Command, Treatment};
use resp::{Args, Pending, RequestScan, Skim};

use super::Worker;
use super::reading::Taken;
use crate::client::{Body, ClientRef, Kind, SlotState, Wait};
use crate::lane::{LANE_OUTBOX_MAX, Target, Waiter};
use crate::private::Pin;
use crate::refusals;
use crate::server::Failure;
use crate::split;

impl Worker {
    /// Takes the front of a large request; 0 if it has to wait.
    pub(super) fn begin_body(
        &mut self,
        key: usize,
        rest: &[u8],
        args: &Args,
        pending: Pending,
    ) -> usize {
        let client = &mut self.clients[key];
        let limits = Self::limits(client);
        // Again from the front, so that all its complete arguments are known.
        let (mut args, mut scan) = (args.clone(), RequestScan::default());
        client.scan = RequestScan::default();
        let skim = match scan.scan(rest, &mut args, &limits) {
            Ok(_) => Skim::take_over(&scan, rest, &limits),
            Err(error) => Err(error),
        };
        let skim = match skim {
            Ok(Some(skim)) => skim,
            Ok(None) => return 0,
            Err(error) => {
                self.protocol_error(key, &error);
                return 0;
            }
        };
        let argc = pending.args.unwrap_or_default();
        let place = match self.place_of_body(key, rest, &args, argc) {
            Ok(place) => place,
            Err(Unplaced::InBatches(taken)) => return taken,
            Err(Unplaced::Nowhere(reply)) => {
                return self.refuse_body(key, &reply, skim, rest.len());
            }
        };
        let is_transparent = self.pools[self.clients[key].pool].is_transparent();
        if !is_transparent {
            self.release_pin(key);
        }
        let client = &mut self.clients[key];
        if client.pin.is_none() || !is_transparent {
            if client.under_way() > 0 {
                client.waits = Wait::Answers;
                return 0;
            }
            let (pool, protocol) = (client.pool, client.session.protocol);
            match self.private_lane(pool, place.server, protocol, key) {
                Ok(lane) => self.clients[key].pin = Some(Box::new(Pin::new(lane))),
                Err(failure) => {
                    return self.refuse_body(key, &failure.reply(), skim, rest.len());
                }
            }
        }
        let client = &mut self.clients[key];
        let lane = client.pin.as_ref().expect("just made sure").lane;
        let slot = client.push_slot(SlotState::Waiting, Kind::of(place.class));
        let target = Target::Slot { client: ClientRef::new(key, client.id), slot };
        client.body = Some(Box::new(Body::Passed(skim)));
        let waiter = Waiter { target, class: place.class, can_expire: false, sent: self.now };
        self.send(lane, rest, waiter);
        rest.len()
    }

    /// Where a large request goes, from what has come of it.
    fn place_of_body(
        &mut self,
        key: usize,
        rest: &[u8],
        args: &Args,
        argc: usize,
    ) -> Result<BodyPlace, Unplaced> {
        let pool = self.clients[key].pool;
        let nowhere = |text: &str| {
            let mut reply = Vec::new();
            resp::write::error(&mut reply, text);
            Unplaced::Nowhere(reply)
        };
        if !self.clients[key].session.authenticated {
            return Err(Unplaced::Nowhere(refusals::NO_AUTH.to_vec()));
        }
        let too_large = || nowhere(&refusals::too_large(rest.len()));
        let command = match args.is_empty() {
            true => return Err(too_large()),
            false => redis_commands::lookup(args.get(rest, 0)),
        };
        let class = command.map_or(Class::Write, |command| command.class);
        let leaves_state = |command: &Command| {
            use redis_commands::Pin::{Monitor, PubSub, Select, Transaction};
            let pins = matches!(
                command.treatment,
                Treatment::Pin(Monitor | PubSub | Select | Transaction)
            );
            pins || matches!(command.treatment, Treatment::Always(_) | Treatment::Never)
        };
        if command.is_some_and(leaves_state) {
            return Err(too_large());
        }
        if self.pools[pool].is_transparent() {
            return Ok(BodyPlace { server: 0, class });
        }
        let command = command.ok_or_else(too_large)?;
        if !command.arity_fits(argc) {
            return Err(nowhere(&redis_commands::wrong_arity_text(command)));
        }
        if let Treatment::Split(split) = command.treatment {
            if !(argc - 1).is_multiple_of(split::step(split)) {
                return Err(nowhere(&redis_commands::wrong_arity_text(command)));
            }
            return Err(match self.begin_split(key, command, split, argc, args) {
                Taken::Bytes(count) => Unplaced::InBatches(count),
                Taken::Yes | Taken::Later(_) => Unplaced::InBatches(0),
            });
        }
        let first =
            command.first_key().filter(|first| *first < args.len()).ok_or_else(too_large)?;
        match self.pools[pool].ring.locate(args.get(rest, first)) {
            Some(server) => Ok(BodyPlace { server, class }),
            None => Err(Unplaced::Nowhere(Failure::Refused.reply().into_owned())),
        }
    }

    fn refuse_body(&mut self, key: usize, reply: &[u8], skim: Skim, taken: usize) -> usize {
        self.refuse_for(key, "too_large", reply);
        self.clients[key].body = Some(Box::new(Body::Refused(skim)));
        taken
    }

    /// Takes more of a large request; 0 if it has to wait.
    pub(super) fn take_body(&mut self, key: usize, rest: &[u8], args: &mut Args) -> usize {
        let client = &mut self.clients[key];
        let lane = client.pin.as_ref().map(|pin| pin.lane);
        let (skim, lane) = match client.body.as_deref_mut().expect("the caller looked") {
            Body::Pair(skim, _) => (skim, lane),
            Body::Split(splitting) => {
                let splitting = *splitting;
                return self.take_batch(key, splitting, rest, args);
            }
            // Without its lane it has failed, and was answered.
            Body::Passed(skim) => (skim, lane),
            Body::Refused(skim) => (skim, None),
        };
        if let Some(lane) = lane
            && self.lanes[lane].outbox.len() > LANE_OUTBOX_MAX
        {
            client.waits = Wait::Server;
            self.lanes[lane].blocked.push(key);
            return 0;
        }
        let (count, is_over) = match skim.advance(rest) {
            Ok(advanced) => advanced,
            Err(error) => {
                if let Some(pin) = client.pin.take() {
                    // With it go the replies that were to come over it.
                    client.forget_slots(&mut self.blocks);
                    self.drop_private(pin.lane);
                }
                self.protocol_error(key, &error);
                return 0;
            }
        };
        if is_over {
            if let Some(lane) = lane
                && let Some(waiter) = self.lanes[lane].waiters.back_mut()
            {
                // Only now does the server know all of it.
                (waiter.can_expire, waiter.sent) = (true, self.now);
            }
            client.body = match client.body.take().map(|body| *body) {
                Some(Body::Pair(_, rest)) if rest.left > 0 => Some(Box::new(Body::Split(rest))),
                _ => {
                    client.session.request_taken();
                    None
                }
            };
        }
        if let Some(lane) = lane {
            let lane = &mut self.lanes[lane];
            lane.push(&rest[..count], self.now, &mut self.blocks);
            lane.wake();
        }
        count
    }
}

/// Where a large request goes.
struct BodyPlace {
    server: usize,
    class: Class,
}

/// Why a large request goes to no single server.
enum Unplaced {
    /// A split command; so many bytes are taken.
    InBatches(usize),
    /// It is refused with this reply.
    Nowhere(Vec<u8>),
}
