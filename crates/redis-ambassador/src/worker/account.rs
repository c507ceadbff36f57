//! The memory of all clients of a thread, and what gives way when there is too much of it.
//!
//! Above the thread's share, only clients that hold next to nothing are read, and servers are not
//! read for others. Of those that do not move for as long as a stall may last, the one that holds
//! most is closed, and so on.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time;

use super::Worker;
use crate::client::{Client, Ending};

/// What a client may hold whatever the others do, in bytes.
pub(super) const ALWAYS_BYTES: usize = 16 * 1024;
/// How often a thread that is above its share looks again.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often blocks that nobody needed are given back.
const TIDY_EVERY: Duration = Duration::from_secs(1);

impl Worker {
    /// Brings the account up to date for one client.
    pub(super) fn count_memory(&mut self, key: usize) {
        let client = &mut self.clients[key];
        let held = client.held();
        self.held.replace(client.counted, held);
        client.counted = held;
        if self.is_over()
            && !self.is_watched
            && let Some(this) = self.this.upgrade()
        {
            self.is_watched = true;
            self.spawn(watch(this));
        }
    }

    /// Whether clients hold more than they may together.
    pub(super) fn is_over(&self) -> bool {
        self.held.memory > self.shared.memory_max
    }

    /// Replies that a client may hold whatever the others do, in bytes.
    pub(super) fn fair_share(&self) -> usize {
        (self.shared.memory_max / self.clients.len().max(1)).max(ALWAYS_BYTES)
    }

    /// Has a client wait until memory is free.
    pub(super) fn starve(&mut self, key: usize) {
        if !std::mem::replace(&mut self.clients[key].is_starved, true) {
            self.starved.push(key);
            self.shared.counters.memory_waits.add(1);
        }
    }

    fn feed_starved(&mut self) {
        for key in std::mem::take(&mut self.starved) {
            if let Some(client) = self.clients.get_mut(key) {
                client.is_starved = false;
                client.wake();
            }
        }
        for (_, lane) in &mut self.lanes {
            lane.wake();
        }
    }

    /// Of those that have not moved for as long as a stall may last.
    fn close_largest(&mut self) {
        let stall = self.shared.config.client_stall_timeout;
        let now = self.now;
        let is_still = |client: &Client| {
            client.last_write + stall <= now && client.last_request + stall <= now
        };
        let still = self.clients.iter_mut().filter(|(_, client)| is_still(client));
        let largest = still.max_by_key(|(_, client)| client.counted.memory);
        let Some((_, client)) = largest else { return };
        tracing::warn!(
            client = client.id,
            bytes = client.counted.memory,
            memory_max = self.shared.memory_max,
            "Client closed: all memory is in use, and it does not move"
        );
        client.ending = Ending::Now;
        client.wake();
        self.shared.counters.pool(client.pool).clients_closed_memory.add(1);
    }
}

/// Runs while the thread is above its share.
async fn watch(worker: Rc<RefCell<Worker>>) {
    loop {
        time::sleep(LOOK_EVERY).await;
        let mut worker = worker.borrow_mut();
        if !worker.is_over() {
            worker.is_watched = false;
            return worker.feed_starved();
        }
        worker.tick();
        worker.close_largest();
    }
}

/// Runs while more blocks are kept than idle ones may be.
pub(super) async fn tidy(worker: Rc<RefCell<Worker>>) {
    while worker.borrow().blocks.are_many() {
        time::sleep(TIDY_EVERY).await;
        worker.borrow_mut().blocks.tidy();
    }
    worker.borrow_mut().is_tidied = false;
}
