//! Everything that one data thread knows: clients, server connections, and the memory they hold.
//!
//! One structure behind one `RefCell`, borrowed by thin tasks for as long as a poll takes, never
//! across an await. A task per client reads and scans; a task per server connection writes what
//! has gathered and hands out replies; one flusher writes to all clients that got something in a
//! turn of the event loop, so that a pipeline's replies leave in one system call. Threads share
//! nothing but counters and name watches. A channel between tasks was not taken: it costs an
//! allocation and a wake-up for each request.

mod account;
mod answering;
mod body;
mod lanes;
mod messages;
mod overdue;
mod private;
mod reading;
mod replies;
mod requests;
mod split;

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use placement::Ring;
use resp::{Args, RequestLimits};
use sidecar_runtime::Lifecycle;
use slab::Slab;

use crate::client::{Client, ClientRef, Ending, Held, Kind, Wait};
use crate::config::{Config, PoolConfig};
use crate::lane::Lane;
use crate::local::Session;
use crate::merge::Merge;
use crate::metrics::{Metrics, ThreadCounters};
use crate::names::NameWatch;
use crate::outbox::{Blocks, Outbox};
use crate::server::Server;
use crate::socket::Socket;

/// Bytes read at once; one buffer for all connections of a thread.
const SCRATCH_BYTES: usize = 128 * 1024;
/// Clients that get something in one turn before they are written to; each holds a block meanwhile.
const DIRTY_MAX: usize = 256;
/// From so many clients on, their memory is given back when most have gone.
const CROWD_MIN: usize = 512;
/// Until a server told its own version. Clients choose features by it.
const VERSION_UNTIL_KNOWN: &str = "7.0.0";

/// The state of one data thread.
pub(crate) struct Worker {
    pub(crate) shared: Shared,
    pub(crate) pools: Vec<Pool>,
    clients: Slab<Client>,
    pub(crate) lanes: Slab<Lane>,
    merges: Slab<Merge>,
    /// What they and replies before their turn hold together, in bytes; little above `memory_max`.
    merging: usize,
    blocks: Blocks,
    scratch: Vec<u8>,
    args: Args,
    /// Key positions and servers of the command at hand.
    positions: Vec<usize>,
    /// Clients that got something to write in this turn.
    dirty: Vec<usize>,
    /// The most clients since memory was last given back.
    crowd: usize,
    /// The request at hand was typed as a line.
    is_inline: bool,
    /// Somebody looks after the memory.
    is_watched: bool,
    /// Somebody gives free blocks back.
    is_tidied: bool,
    flusher: Option<Waker>,
    /// Clients that wait because all memory is in use.
    starved: Vec<usize>,
    /// What all clients hold together.
    held: Held,
    started: Instant,
    pub(crate) now: Duration,
    pub(crate) version: String,
    pub(crate) is_stopping: bool,
    this: Weak<RefCell<Worker>>,
}

/// What threads have in common.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) counters: Arc<ThreadCounters>,
    /// Those of all threads.
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) lifecycle: Lifecycle,
    /// Clients of each pool, of all threads.
    pub(crate) clients: Arc<[AtomicUsize]>,
    pub(crate) last_client_id: Arc<std::sync::atomic::AtomicU64>,
    /// The thread's share of `memory_max`, in bytes.
    pub(crate) memory_max: usize,
}

/// One pool as a thread sees it.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) ring: Ring,
    pub(crate) servers: Vec<Server>,
}

impl Pool {
    pub(crate) fn new(config: &PoolConfig, names: Vec<Option<NameWatch>>) -> Pool {
        Pool { ring: config.ring(), servers: names.into_iter().map(Server::new).collect() }
    }

    /// With one server nothing is split, refused or answered that it can do itself.
    pub(crate) fn is_transparent(&self) -> bool {
        self.servers.len() == 1
    }

    /// Puts into the ring what is not ejected.
    pub(crate) fn rebuild(&mut self) {
        let live: Vec<bool> = self.servers.iter().map(|server| !server.is_ejected).collect();
        self.ring.rebuild(&live);
    }
}

impl Worker {
    pub(crate) fn new(shared: Shared, pools: Vec<Pool>) -> Rc<RefCell<Worker>> {
        Rc::new_cyclic(|this| {
            RefCell::new(Worker {
                shared,
                pools,
                clients: Slab::new(),
                lanes: Slab::new(),
                merges: Slab::new(),
                merging: 0,
                blocks: Blocks::default(),
                scratch: Vec::new(),
                args: Args::new(),
                positions: Vec::new(),
                dirty: Vec::new(),
                crowd: 0,
                is_inline: false,
                is_watched: false,
                is_tidied: false,
                flusher: None,
                starved: Vec::new(),
                held: Held::default(),
                started: Instant::now(),
                now: Duration::ZERO,
                version: VERSION_UNTIL_KNOWN.to_owned(),
                is_stopping: false,
                this: this.clone(),
            })
        })
    }

    /// Looks at the clock; once in each poll of a task.
    pub(crate) fn tick(&mut self) {
        self.now = self.started.elapsed();
    }

    pub(crate) fn config(&self, pool: usize) -> &PoolConfig {
        &self.shared.config.pools[pool]
    }

    /// Takes a new connection, unless `client_connections` are there.
    pub(crate) fn admit(&mut self, pool: usize, socket: Socket) -> Option<usize> {
        self.tick();
        if self.is_stopping {
            return None;
        }
        let counters = self.shared.counters.pool(pool);
        let count = &self.shared.clients[pool];
        let connections_max = self.config(pool).client_connections;
        let others = count.fetch_add(1, Ordering::Relaxed);
        if connections_max.is_some_and(|max| others >= max) {
            count.fetch_sub(1, Ordering::Relaxed);
            counters.clients_refused.add(1);
            // Redis' own words; a peer that has gone already needs none.
            let (mut outbox, blocks) = (Outbox::default(), &mut self.blocks);
            outbox.push(b"-ERR max number of clients reached\r\n", blocks);
            drop(socket.write_now(&mut outbox, blocks));
            outbox.clear(blocks);
            return None;
        }
        counters.clients_accepted.add(1);
        let id = self.shared.last_client_id.fetch_add(1, Ordering::Relaxed) + 1;
        let session = Session::new(id, self.config(pool).auth.is_none());
        let limit = self.shared.config.client_buffer;
        let client = Client::new(id, pool, socket, session, self.now, limit);
        self.crowd = self.crowd.max(self.clients.len() + 1);
        Some(self.clients.insert(client))
    }

    /// Ends a client; what it has under way goes to nobody.
    fn remove_client(&mut self, key: usize) {
        let mut client = self.clients.remove(key);
        self.held.replace(client.counted, Held::default());
        client.outbox.clear(&mut self.blocks);
        if let Some(pin) = client.pin.take() {
            self.drop_private(pin.lane);
        }
        if client.holds_up {
            self.wake_held_up_by(client.id);
        }
        self.shared.clients[client.pool].fetch_sub(1, Ordering::Relaxed);
        self.shared.counters.pool(client.pool).clients_closed.add(1);
        if self.crowd >= CROWD_MIN && self.clients.len() <= self.crowd / 4 {
            self.crowd = self.clients.len();
            self.clients.shrink_to_fit();
            self.blocks.release();
            sidecar_runtime::release_after_crowd();
        }
    }

    /// Counts the clients that the end of the drain closes; tells how many are owed something.
    pub(crate) fn close_all(&self) -> usize {
        for (_, client) in &self.clients {
            self.shared.counters.pool(client.pool).clients_closed_drain.add(1);
        }
        let is_owed = |client: &Client| client.under_way() > 0 || !client.outbox.is_empty();
        self.clients.iter().filter(|(_, client)| is_owed(client)).count()
    }

    pub(crate) fn client_count(&self) -> usize {
        self.clients.len()
    }

    /// The client of that name, if it is still there.
    fn client(&mut self, named: ClientRef) -> Option<&mut Client> {
        find(&mut self.clients, named)
    }

    fn limits(client: &Client) -> RequestLimits {
        if client.session.authenticated {
            RequestLimits::OPEN
        } else {
            RequestLimits::UNAUTHENTICATED
        }
    }

    /// From now on nothing more is read; what is under way is answered.
    pub(crate) fn stop_reading(&mut self) {
        self.is_stopping = true;
        for (_, client) in &mut self.clients {
            if client.ending == Ending::No {
                // Half a request is none.
                let is_half = client.body.is_some();
                client.ending = if is_half { Ending::Now } else { Ending::Answering };
            }
            if let Some(waker) = &client.waker {
                waker.wake_by_ref();
            }
        }
    }

    /// Puts a client on the flusher's list.
    fn touch(&mut self, key: usize) {
        let client = &mut self.clients[key];
        if !client.is_dirty {
            client.is_dirty = true;
            self.dirty.push(key);
            if self.dirty.len() == 1
                && let Some(flusher) = &self.flusher
            {
                flusher.wake_by_ref();
            }
        }
    }

    /// Writes to every client that got something since the last time. It runs behind all tasks
    /// that were ready with it.
    pub(crate) fn poll_flusher(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.flusher.is_none() {
            self.flusher = Some(context.waker().clone());
        }
        self.flush_dirty();
        if self.blocks.are_many()
            && !self.is_tidied
            && let Some(this) = self.this.upgrade()
        {
            self.is_tidied = true;
            self.spawn(account::tidy(this));
        }
        self.shared.counters.queue_bytes_in.set(self.held.requests as u64);
        self.shared.counters.queue_bytes_out.set(self.held.replies as u64);
        Poll::Pending
    }

    fn flush_dirty(&mut self) {
        let dirty = std::mem::take(&mut self.dirty);
        for key in &dirty {
            self.flush(*key);
        }
        debug_assert!(self.dirty.is_empty(), "flushing gives no client anything to write");
        self.dirty = dirty;
        self.dirty.clear();
    }

    fn flush(&mut self, key: usize) {
        let Some(client) = self.clients.get_mut(key) else { return };
        client.is_dirty = false;
        let before = client.outbox.len();
        if client.ending != Ending::Now
            && client.socket.write_now(&mut client.outbox, &mut self.blocks).is_err()
        {
            self.shared.counters.pool(client.pool).clients_closed_error.add(1);
            client.ending = Ending::Now;
        }
        if client.outbox.len() < before {
            client.last_write = self.now;
        }
        self.settle(key);
        let limit = self.shared.config.client_buffer;
        let client = &self.clients[key];
        let can_go_on = match client.waits {
            Wait::Nothing | Wait::Server => false,
            // What else must be there is looked at when its turn comes.
            Wait::Room => client.has_room(Kind::Note, limit),
            Wait::Answers => client.under_way() == 0,
        };
        if can_go_on || !client.outbox.is_empty() || client.ending != Ending::No {
            client.wake();
        }
    }

    /// After bytes have left: lets go on which lanes waited for that.
    fn settle(&mut self, key: usize) {
        self.release_pin(key);
        let limit = self.shared.config.client_buffer;
        let client = &mut self.clients[key];
        if client.holds_up && client.outbox.len() <= limit / 2 {
            client.holds_up = false;
            let id = client.id;
            self.wake_held_up_by(id);
        }
        self.count_memory(key);
    }

    fn wake_held_up_by(&mut self, id: u64) {
        for (_, lane) in &mut self.lanes {
            if lane.hold.by.is_some_and(|(by, _)| by == id) {
                lane.wake();
            }
        }
    }
}

/// The client of that name, if it is still there.
fn find(clients: &mut Slab<Client>, named: ClientRef) -> Option<&mut Client> {
    let client = clients.get_mut(named.place())?;
    (ClientRef::new(named.place(), client.id) == named).then_some(client)
}
