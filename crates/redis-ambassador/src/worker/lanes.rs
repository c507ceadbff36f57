//! The connections to the servers of a thread: which there are, how they come up and go down.
//!
//! A lane's task connects when there is something to send, or ahead of that if the pool says so.
//! When a connection ends, every request under way on it fails with the reason, and the server
//! counts a failure, unless nothing was under way: an idle connection that a server closes is
//! replaced without further ado. After a failed attempt the server cools for a moment in which
//! requests fail at once.

use std::time::Duration;

use resp::Protocol;
use sidecar_runtime::Backoff;

use super::{Worker, find};
use crate::client::Ending;
use crate::dial::{Connection, Plan};
use crate::lane::{Lane, LaneUse, Target, Waiter};
use crate::metrics::unix_micros;
use crate::server::{Failure, Server};
use crate::tasks;

/// Lanes to one server that finish what they have; with more of them, a lane is not detached.
const DETACHED_MAX: usize = 8;
/// How a server refuses HELLO 3 for good.
const NO_RESP3: [&[u8]; 2] = [b"-NOPROTO", b"-ERR unknown command"];
/// Pauses of the probe of an ejected server grow to this multiple of the retry timeout.
const PROBE_PAUSE_GROWTH: u32 = 4;

impl Worker {
    pub(super) fn server(&mut self, pool: usize, server: usize) -> &mut Server {
        &mut self.pools[pool].servers[server]
    }

    /// The shared lane to a server, made if there is none, or why it cannot be used now.
    pub(super) fn shared_lane(
        &mut self,
        pool: usize,
        server: usize,
        protocol: Protocol,
    ) -> Result<usize, Failure> {
        let now = self.now;
        let state = &mut self.pools[pool].servers[server];
        if let Some((until, failure)) = &state.cools {
            if now < *until {
                return Err(failure.clone());
            }
            state.cools = None;
        }
        if let Some(lane) = state.lanes[protocol as usize] {
            return Ok(lane);
        }
        let lane = self.open_lane(Lane::new(pool, server, protocol, LaneUse::Shared));
        self.server(pool, server).lanes[protocol as usize] = Some(lane);
        Ok(lane)
    }

    /// Adds a lane and starts its task.
    pub(super) fn open_lane(&mut self, lane: Lane) -> usize {
        let key = self.lanes.insert(lane);
        if let Some(this) = self.this.upgrade() {
            self.spawn(tasks::serve_lane(this, key));
        }
        key
    }

    /// Opens the shared lanes of servers that are to be connected ahead of requests.
    pub(crate) fn preconnect(&mut self) {
        for pool in 0..self.pools.len() {
            if !self.config(pool).preconnect {
                continue;
            }
            for server in 0..self.pools[pool].servers.len() {
                // Whoever cools is tried again by its task.
                if self.shared_lane(pool, server, Protocol::Resp2).is_err() {
                    tracing::debug!(pool, server, "Server cools");
                }
            }
        }
    }

    /// Sends a request of a client over a lane.
    pub(super) fn send(&mut self, lane: usize, frame: &[u8], waiter: Waiter) {
        let lane = &mut self.lanes[lane];
        lane.push(frame, self.now, &mut self.blocks);
        lane.waiters.push_back(waiter);
        lane.wake();
        let counters = self.shared.counters.pool(lane.pool).server(lane.server);
        counters.requests.add(1);
        counters.request_bytes.add(frame.len() as u64);
    }

    /// The lane's connection stands.
    pub(crate) fn lane_is_up(&mut self, key: usize, connection: Connection) {
        self.tick();
        if let Some(version) = connection.version {
            self.version = version;
        }
        let lane = &mut self.lanes[key];
        lane.socket = Some(connection.socket);
        lane.peer = connection.peer;
        lane.wrote = self.now;
        lane.heard = self.now;
        // Waiting for the connection is no fault of the server's.
        for waiter in &mut lane.waiters {
            waiter.sent = waiter.sent.max(self.now);
        }
        let (pool, server, protocol) = (lane.pool, lane.server, lane.protocol);
        let state = &mut self.pools[pool].servers[server];
        state.takes_hello = connection.takes_hello;
        state.takes_resp3 |= protocol == Protocol::Resp3;
        state.cools = None;
        state.cooling.reset();
        let counters = self.shared.counters.pool(pool).server(server);
        counters.connects.add(1);
        counters.connections.add(1);
        // The name may have changed while it connected.
        self.address_changed(pool, server);
    }

    /// The lane's connection, or the attempt to make one, has ended. Tells whether its task is to
    /// go on.
    pub(crate) fn lane_is_down(&mut self, key: usize, failure: Option<Failure>) -> bool {
        self.tick();
        let lane = &mut self.lanes[key];
        let (pool, server, use_) = (lane.pool, lane.server, lane.use_);
        let protocol = lane.protocol;
        let was_up = lane.socket.is_some();
        let is_retired = lane.is_retired;
        self.merging -= std::mem::take(&mut lane.gathered);
        let waiters = std::mem::take(&mut lane.waiters);
        lane.outbox.clear(&mut self.blocks);
        lane.reset();
        self.show_lane(key);
        let counters = self.shared.counters.pool(pool).server(server);
        if was_up {
            counters.connections.sub(1);
        }
        let had_work = !waiters.is_empty();
        if let Some(failure @ Failure::Handshake(reply)) = &failure
            && protocol == Protocol::Resp3
            && NO_RESP3.iter().any(|refusal| reply.starts_with(refusal))
        {
            // It speaks RESP2 all the same.
            counters.error(failure.reason()).add(1);
            self.pools[pool].servers[server].takes_resp3 = false;
        } else if let Some(failure) = &failure
            && (had_work || !was_up)
        {
            counters.error(failure.reason()).add(1);
            self.server_failed(pool, server, failure, was_up);
        } else if was_up && !is_retired {
            counters.closed_idle.add(1);
        }
        let failure = failure.unwrap_or(Failure::Closed);
        self.fail(waiters, &failure);
        self.unblock(key);
        match use_ {
            LaneUse::Shared if !is_retired => true,
            LaneUse::Shared => {
                self.forget_lane(key);
                false
            }
            LaneUse::Private(client) => {
                self.private_lane_is_down(client, key);
                self.forget_lane(key);
                false
            }
            LaneUse::Idle => {
                self.forget_lane(key);
                false
            }
        }
    }

    fn forget_lane(&mut self, key: usize) {
        let lane = self.lanes.remove(key);
        let server = self.server(lane.pool, lane.server);
        server.idle.retain(|idle| *idle != key);
        for shared in &mut server.lanes {
            if *shared == Some(key) {
                *shared = None;
            }
        }
    }

    fn server_failed(&mut self, pool: usize, server: usize, failure: &Failure, was_up: bool) {
        let (limit, auto_eject) = {
            let config = self.config(pool);
            (config.server_failure_limit, config.auto_eject)
        };
        let now = self.now;
        let name = &self.shared.config.pools[pool].servers[server].name;
        let state = &mut self.pools[pool].servers[server];
        if !was_up {
            state.cools = Some((now + state.cooling.next(), failure.clone()));
            if let Some(name) = &state.name {
                name.ask();
            }
        }
        let is_too_many = state.failed(limit);
        tracing::debug!(server = name, reason = failure.reason(), "Server failed");
        if is_too_many && auto_eject {
            state.is_ejected = true;
            tracing::warn!(server = name, reason = failure.reason(), "Server ejected");
            let counters = self.shared.counters.pool(pool).server(server);
            counters.ejects.add(1);
            counters.ejected.set(1);
            counters.ejected_at.set(unix_micros());
            self.pools[pool].rebuild();
            if let Some(this) = self.this.upgrade() {
                self.spawn(tasks::probe(this, pool, server));
            }
        }
    }

    /// Whether a lane's task has nothing more to do.
    pub(crate) fn is_unwanted(&self, key: usize) -> bool {
        let lane = &self.lanes[key];
        lane.is_retired && lane.waiters.is_empty()
    }

    /// Whether a lane is connected ahead of requests.
    pub(crate) fn is_ahead(&self, key: usize) -> bool {
        let lane = &self.lanes[key];
        let is_first = lane.use_ == LaneUse::Shared && lane.protocol == Protocol::Resp2;
        is_first && self.config(lane.pool).preconnect
    }

    /// How to connect a lane.
    pub(crate) fn plan_lane(&self, key: usize) -> Plan {
        let lane = &self.lanes[key];
        let mut plan = self.plan(lane.pool, lane.server);
        plan.protocol = lane.protocol;
        plan
    }

    /// How to connect to a server.
    pub(crate) fn plan(&self, pool: usize, server: usize) -> Plan {
        let config = self.config(pool);
        let state = &self.pools[pool].servers[server];
        let mut plan = Plan::new(config, &config.servers[server], state.name.as_ref());
        plan.says_hello = state.takes_hello;
        plan
    }

    /// How long to wait between two probes of an ejected server.
    pub(crate) fn probe_pauses(&self, pool: usize) -> Backoff {
        let retry = self.config(pool).server_retry_timeout;
        Backoff::new(retry, retry * PROBE_PAUSE_GROWTH)
    }

    /// An ejected server answered a PING.
    pub(crate) fn server_is_back(&mut self, pool: usize, server: usize) {
        let name = &self.shared.config.pools[pool].servers[server].name;
        tracing::info!(server = name, "Server is back");
        let state = &mut self.pools[pool].servers[server];
        state.is_ejected = false;
        state.cools = None;
        state.answered();
        self.shared.counters.pool(pool).server(server).ejected.set(0);
        self.pools[pool].rebuild();
    }

    /// The server's name has other addresses now: connections to old ones take no new requests.
    pub(crate) fn address_changed(&mut self, pool: usize, server: usize) {
        let Some(name) = &self.pools[pool].servers[server].name else { return };
        let addresses = name.addresses();
        if addresses.is_empty() {
            return;
        }
        self.pools[pool].servers[server].cools = None;
        for (key, lane) in &mut self.lanes {
            let is_old = lane.peer.is_some_and(|peer| !addresses.contains(&peer.ip()));
            if (lane.pool, lane.server) == (pool, server) && is_old && !lane.is_retired {
                lane.is_retired = true;
                lane.wake();
                let state = &mut self.pools[pool].servers[server];
                state.idle.retain(|idle| *idle != key);
                for shared in &mut state.lanes {
                    if *shared == Some(key) {
                        *shared = None;
                    }
                }
            }
        }
    }

    /// From now on a shared lane takes no new requests, so that a large reply, or one that its
    /// client does not read, holds up only what is behind it already.
    pub(super) fn detach(&mut self, key: usize) {
        let lane = &self.lanes[key];
        let (pool, server, protocol) = (lane.pool, lane.server, lane.protocol as usize);
        let is_current = self.server(pool, server).lanes[protocol] == Some(key);
        let others = self
            .lanes
            .iter()
            .filter(|(_, lane)| lane.is_retired && (lane.pool, lane.server) == (pool, server));
        if !is_current || others.count() >= DETACHED_MAX {
            return;
        }
        self.server(pool, server).lanes[protocol] = None;
        self.lanes[key].is_retired = true;
        for waiter in &self.lanes[key].waiters {
            let client = match waiter.target {
                Target::Slot { client, .. } => client,
                Target::Part { merge, .. } => self.merges[merge].owner.client,
                Target::Nobody => continue,
            };
            if let Some(client) = find(&mut self.clients, client) {
                client.settles = true;
            }
        }
    }

    /// Answers requests that get no reply any more.
    fn fail(&mut self, waiters: impl IntoIterator<Item = Waiter>, failure: &Failure) {
        let reply = failure.reply().into_owned();
        for waiter in waiters {
            if let Target::Slot { client, slot } = waiter.target
                && let Some(client) = self.client(client)
                && client.is_leaving(slot)
            {
                // Half a reply has left; nothing could follow it.
                client.ending = Ending::Now;
                client.wake();
                continue;
            }
            self.complete(waiter, &reply);
        }
    }

    /// A request's time is over; its place in the lane stays.
    pub(super) fn expire(&mut self, lane: usize, index: usize) {
        let Some(waiter) = self.lanes[lane].waiters.get_mut(index) else { return };
        let expired = *waiter;
        waiter.target = Target::Nobody;
        self.fail([expired], &Failure::TimedOut);
    }

    /// Lets clients go on that waited for room in a lane.
    pub(super) fn unblock(&mut self, lane: usize) {
        for key in std::mem::take(&mut self.lanes[lane].blocked) {
            if let Some(client) = self.clients.get_mut(key) {
                client.wake();
            }
        }
    }

    pub(super) fn server_timed_out(&mut self, lane: usize) {
        let (pool, server) = (self.lanes[lane].pool, self.lanes[lane].server);
        self.shared.counters.pool(pool).server(server).error(Failure::TimedOut.reason()).add(1);
        self.server_failed(pool, server, &Failure::TimedOut, true);
    }

    /// The request timeout of a lane's pool.
    pub(super) fn timeout(&self, lane: usize) -> Option<Duration> {
        self.config(self.lanes[lane].pool).timeout
    }
}
