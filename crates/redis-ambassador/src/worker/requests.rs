//! What becomes of a request: answered here, sent to the server that its keys lie on, split over
//! several, given a private connection, or refused.
//!
//! With one server the ambassador is transparent: only HELLO, AUTH, CLIENT, QUIT and RESET are
//! answered here. With several, each command is treated as the table of commands says, and one
//! whose keys lie on different servers is refused, never answered in part.

use redis_commands::{Class, Command, Local, Pin, Treatment};
use resp::Args;

use super::reading::Taken;
use super::{Worker, private};
use crate::client::{ClientRef, Ending, Kind, SlotState, Wait};
use crate::config::CrossShard;
use crate::lane::{LANE_OUTBOX_MAX, Passing, Target, Waiter};
use crate::local::After;
use crate::refusals;
use crate::server::Failure;

/// As Redis says it to a version that it does not speak.
const NO_PROTOCOL: &str = "NOPROTO unsupported protocol version";
/// How the answers to a wrong password begin.
const WRONG_PASSWORD: [&[u8]; 2] = [b"-WRONGPASS", b"-ERR invalid password"];

impl Worker {
    /// Takes one whole request.
    pub(super) fn request(&mut self, key: usize, frame: &[u8], args: &Args) -> Taken {
        let command = redis_commands::lookup(args.get(frame, 0));
        let class = command.map_or(Class::Server, |command| command.class);
        if let Some(waits) = self.must_wait(key, class) {
            return Taken::Later(waits);
        }
        let client = &mut self.clients[key];
        client.last_request = self.now;
        let pool = client.pool;
        let is_transparent = self.pools[pool].is_transparent();
        if client.pin.is_some() && !is_transparent {
            // A large request is under way; the next one may be for another server.
            self.release_pin(key);
            if self.clients[key].pin.is_some() {
                return Taken::Later(Wait::Answers);
            }
        }
        let client = &self.clients[key];
        let is_pinned = client.pin.is_some();
        let is_authenticated = client.session.authenticated;
        let taken = match command {
            Some(command @ Command { treatment: Treatment::Always(local), .. }) => {
                self.ours(key, *local, command, frame, args)
            }
            _ if !is_authenticated => self.refuse_for(key, "unauthenticated", refusals::NO_AUTH),
            Some(command) if is_transparent && is_never(command, frame, args) => {
                self.refuse(key, "unsupported", &refusals::unsupported(command.name))
            }
            command if is_pinned && is_transparent => {
                self.pinned_request(key, command, frame, args)
            }
            command if is_transparent => self.transparent(key, command, frame, args),
            Some(command) => self.sharded(key, command, frame, args),
            None => self.unknown(key, frame, args),
        };
        if taken == Taken::Yes {
            let session = &mut self.clients[key].session;
            session.request_taken();
            session.last = command;
        }
        taken
    }

    /// Whether a client's next request has to wait, and for what.
    pub(super) fn must_wait(&mut self, key: usize, class: Class) -> Option<Wait> {
        let limit = self.shared.config.client_buffer;
        let is_full = self.held.memory + self.held.expected > self.shared.memory_max;
        let client = &mut self.clients[key];
        let is_in_message = client.pin.as_ref().is_some_and(|pin| {
            let lane = &self.lanes[pin.lane];
            lane.passing != Passing::Undecided && lane.reply_bytes > 0
        });
        if is_in_message && client.under_way() == 0 {
            return Some(Wait::Answers);
        }
        if client.settles {
            if client.under_way() > 0 {
                return Some(Wait::Answers);
            }
            client.settles = false;
        }
        let is_idle = client.is_idle();
        if !client.has_room(Kind::of(class), limit) || (is_full && !is_idle) {
            return Some(Wait::Room);
        }
        None
    }

    /// With one server: everything goes there.
    fn transparent(
        &mut self,
        key: usize,
        command: Option<&'static Command>,
        frame: &[u8],
        args: &Args,
    ) -> Taken {
        let Some(command) = command else {
            return self.forward_class(key, 0, frame, Class::Server);
        };
        match command.treatment {
            // The database that a client knows as 0 is the pool's.
            Treatment::Pin(Pin::Select) if args.len() == 2 && args.get(frame, 1) == b"0" => {
                self.answer_now(key, b"+OK\r\n")
            }
            Treatment::Pin(_) if private::needs_pin(command, frame, args) => {
                self.begin_pin(key, command, frame, args)
            }
            _ => self.forward(key, 0, frame, command),
        }
    }

    /// With several servers.
    fn sharded(
        &mut self,
        key: usize,
        command: &'static Command,
        frame: &[u8],
        args: &Args,
    ) -> Taken {
        if let Treatment::Local(local) = command.treatment {
            return self.ours(key, local, command, frame, args);
        }
        let Some(command) = command.resolve(args.len(), &|i| args.get(frame, i)) else {
            return self.unknown(key, frame, args);
        };
        if !command.arity_fits(args.len()) {
            let text = redis_commands::wrong_arity_text(command);
            return self.refuse(key, "wrong_arguments", &text);
        }
        match command.treatment {
            Treatment::Split(split) => self.split_request(key, command, split, frame, args),
            Treatment::Pin(Pin::Select) if args.get(frame, 1) == b"0" => {
                self.answer_now(key, b"+OK\r\n")
            }
            Treatment::Pin(Pin::BlockOption) if private::needs_pin(command, frame, args) => {
                self.refuse(key, "unsupported", &refusals::needs_one_server(command.name))
            }
            Treatment::Forward | Treatment::Pin(Pin::BlockOption) => {
                match self.route(key, command, frame, args) {
                    Ok(server) => self.forward(key, server, frame, command),
                    Err(NoRoute { reason, reply }) => self.refuse_for(key, reason, &reply),
                }
            }
            _ => self.refuse(key, "unsupported", &refusals::needs_one_server(command.name)),
        }
    }

    /// The server that all keys of a command lie on, or the reply that says why there is none.
    fn route(
        &mut self,
        key: usize,
        command: &'static Command,
        frame: &[u8],
        args: &Args,
    ) -> Result<usize, NoRoute> {
        let pool = self.clients[key].pool;
        let ring = &self.pools[pool].ring;
        let refused = || NoRoute { reason: "server", reply: Failure::Refused.reply().into_owned() };
        if let Some(first) = command.first_key() {
            return ring.locate(args.get(frame, first)).ok_or_else(refused);
        }
        let error = |reason, text: &str| {
            let mut reply = Vec::new();
            resp::write::error(&mut reply, text);
            NoRoute { reason, reply }
        };
        let word = |i| args.get(frame, i);
        if command.key_positions(args.len(), &word, &mut self.positions).is_err() {
            // Any server says best what is wrong with it.
            return ring.locate(b"").ok_or_else(refused);
        }
        let Some((first, others)) = self.positions.split_first() else {
            return Err(error("unsupported", &refusals::no_key(command.name)));
        };
        let first_key = args.get(frame, *first);
        let server = ring.locate(first_key).ok_or_else(refused)?;
        if self.shared.config.cross_shard == CrossShard::Refuse {
            let elsewhere = others.iter().map(|i| args.get(frame, *i));
            let mut elsewhere = elsewhere.filter(|other| ring.locate(other) != Some(server));
            if let Some(other) = elsewhere.next() {
                return Err(error("cross_shard", &refusals::cross_shard(first_key, other)));
            }
        }
        Ok(server)
    }

    pub(super) fn forward(
        &mut self,
        key: usize,
        server: usize,
        frame: &[u8],
        command: &'static Command,
    ) -> Taken {
        self.forward_class(key, server, frame, command.class)
    }

    fn forward_class(&mut self, key: usize, server: usize, frame: &[u8], class: Class) -> Taken {
        let client = &self.clients[key];
        let lane = match server {
            usize::MAX => Err(Failure::Refused),
            server => self.shared_lane(client.pool, server, client.session.protocol),
        };
        let lane = match lane {
            Ok(lane) => lane,
            Err(failure) => return self.refuse_for(key, "server", &failure.reply()),
        };
        if self.lanes[lane].outbox.len() > LANE_OUTBOX_MAX {
            self.lanes[lane].blocked.push(key);
            return Taken::Later(Wait::Server);
        }
        let client = &mut self.clients[key];
        let slot = client.push_slot(SlotState::Waiting, Kind::of(class));
        let target = Target::Slot { client: ClientRef::new(key, client.id), slot };
        self.send(lane, frame, Waiter { target, class, can_expire: true, sent: self.now });
        Taken::Yes
    }

    /// Answers a command that is ours.
    fn ours(
        &mut self,
        key: usize,
        local: Local,
        command: &'static Command,
        frame: &[u8],
        args: &Args,
    ) -> Taken {
        let client = &self.clients[key];
        let is_confirming = client.pin.as_ref().is_some_and(|pin| pin.is_confirming());
        let waits = matches!(local, Local::Hello | Local::Reset) && client.under_way() > 0;
        if waits || is_confirming {
            return Taken::Later(Wait::Answers);
        }
        if local == Local::Hello && self.refuses_resp3(key, frame, args) {
            return self.refuse(key, "unsupported", NO_PROTOCOL);
        }
        let pin = self.clients[key].pin.as_ref();
        if local == Local::Hello && pin.is_some_and(|pin| pin.is_elsewhere_for_hello()) {
            return self.refuse(key, "unsupported", refusals::HELLO_NOT_NOW);
        }
        let mut reply = Vec::new();
        let after = self.local_answer(key, local, command, frame, args, &mut reply);
        let client = &mut self.clients[key];
        let counters = self.shared.counters.pool(client.pool);
        counters.local(command.class).add(1);
        if WRONG_PASSWORD.iter().any(|text| reply.starts_with(text)) {
            counters.error("wrong_password").add(1);
        }
        if !reply.is_empty() {
            client.answer(&reply, &mut self.blocks);
        }
        match after {
            After::Stay => {}
            After::Close => client.ending = Ending::Answering,
            After::Reset => {
                if let Some(pin) = client.pin.take() {
                    self.drop_private(pin.lane);
                }
            }
        }
        self.follow_protocol(key);
        self.touch(key);
        Taken::Yes
    }

    /// Whether a client asks for RESP3 and a server is known that does not speak it.
    fn refuses_resp3(&self, key: usize, frame: &[u8], args: &Args) -> bool {
        let servers = &self.pools[self.clients[key].pool].servers;
        let is_asked = args.len() > 1 && args.get(frame, 1) == b"3";
        is_asked && servers.iter().any(|server| !server.takes_resp3)
    }

    /// Answers at once, in its turn.
    pub(super) fn answer_now(&mut self, key: usize, reply: &[u8]) -> Taken {
        self.clients[key].answer(reply, &mut self.blocks);
        self.touch(key);
        Taken::Yes
    }

    /// Says what is wrong with a request. `reason` is that of the metrics.
    pub(super) fn refuse(&mut self, key: usize, reason: &str, text: &str) -> Taken {
        let mut reply = Vec::new();
        resp::write::error(&mut reply, text);
        self.refuse_for(key, reason, &reply)
    }

    pub(super) fn refuse_for(&mut self, key: usize, reason: &str, reply: &[u8]) -> Taken {
        let pool = self.clients[key].pool;
        self.shared.counters.pool(pool).error(reason).add(1);
        self.answer_now(key, reply)
    }

    fn unknown(&mut self, key: usize, frame: &[u8], args: &Args) -> Taken {
        let text = redis_commands::unknown_text(args.len(), &|i| args.get(frame, i));
        let mut reply = Vec::new();
        resp::write::error_bytes(&mut reply, &text);
        self.refuse_for(key, "unknown_command", &reply)
    }
}

/// Whether a call would turn the connection into something else for good.
fn is_never(command: &'static Command, frame: &[u8], args: &Args) -> bool {
    // An unknown subcommand gets its error from the server.
    let resolved = command.resolve(args.len(), &|i| args.get(frame, i));
    resolved.unwrap_or(command).treatment == Treatment::Never
}

/// Why a command has no server.
struct NoRoute {
    reason: &'static str,
    reply: Vec<u8>,
}
