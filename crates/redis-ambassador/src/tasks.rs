//! The tasks of a data thread: accepting, serving clients and lanes, probing, the drain.
//!
//! Each is a few lines around polls of the [`Worker`]. A task that panics ends the whole process:
//! with one `RefCell` behind all of them there is nothing left to trust.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use sidecar_runtime::{Backoff, Lifecycle};
use tokio::net::{TcpListener, UnixListener};
use tokio::time::{self, Instant};

use crate::names::NameWatch;
use crate::socket::Socket;
use crate::worker::Worker;

/// After `accept` failed, for lack of descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The pauses between two attempts to connect ahead of requests.
const AHEAD_MIN: Duration = Duration::from_millis(100);
const AHEAD_MAX: Duration = Duration::from_secs(1);
/// How often a drain looks whether the last client has gone.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// A bound listener of a pool.
#[derive(Debug)]
pub(crate) enum PoolListener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Worker {
    /// Starts a task whose panic ends the process.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let guard = PanicGuard(self.shared.lifecycle.clone());
        drop(tokio::task::spawn_local(async move {
            let _guard = guard;
            task.await;
        }));
    }
}

struct PanicGuard(Lifecycle);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail("a data thread panicked".to_owned());
        }
    }
}

/// Accepts until the thread stops.
pub(crate) async fn accept(worker: Rc<RefCell<Worker>>, pool: usize, listener: PoolListener) {
    let keepalive = worker.borrow().config(pool).tcp_keepalive;
    while !worker.borrow().is_stopping {
        match next_connection(&listener, keepalive).await {
            Ok(socket) => admit(&worker, pool, socket),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "Accepting failed");
                worker.borrow().shared.counters.accept_errors.add(1);
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn next_connection(listener: &PoolListener, keepalive: bool) -> io::Result<Socket> {
    match listener {
        PoolListener::Tcp(listener) => {
            let (stream, _) = listener.accept().await?;
            let socket = socket2::SockRef::from(&stream);
            socket.set_tcp_nodelay(true)?;
            socket.set_keepalive(keepalive)?;
            Ok(Socket::Tcp(stream))
        }
        PoolListener::Unix(listener) => Ok(Socket::Unix(listener.accept().await?.0)),
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, InvalidInput, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | InvalidInput | NotConnected)
}

fn admit(worker: &Rc<RefCell<Worker>>, pool: usize, socket: Socket) {
    let Some(key) = worker.borrow_mut().admit(pool, socket) else { return };
    let this = Rc::clone(worker);
    worker.borrow().spawn(async move {
        poll_fn(|context| this.borrow_mut().poll_client(key, context)).await;
    });
}

/// Writes to clients at the end of each turn of the event loop.
pub(crate) async fn flush(worker: Rc<RefCell<Worker>>) {
    poll_fn(|context| worker.borrow_mut().poll_flusher(context)).await;
}

/// Keeps one lane connected for as long as it is wanted.
pub(crate) async fn serve_lane(worker: Rc<RefCell<Worker>>, key: usize) {
    let is_ahead = worker.borrow().is_ahead(key);
    let mut pauses = Backoff::new(AHEAD_MIN, AHEAD_MAX);
    let mut is_wanted_at_once = is_ahead;
    loop {
        let wanted = poll_fn(|context| worker.borrow_mut().poll_wanted(key, context));
        if !is_ahead {
            wanted.await;
        } else if !std::mem::take(&mut is_wanted_at_once) {
            // Whether requests came or the pause is over, it is time to try.
            drop(time::timeout(pauses.next(), wanted).await);
        }
        if worker.borrow().is_unwanted(key) {
            worker.borrow_mut().lane_is_down(key, None);
            return;
        }
        let plan = worker.borrow().plan_lane(key);
        let goes_on = match plan.dial().await {
            Ok(connection) => {
                pauses.reset();
                worker.borrow_mut().lane_is_up(key, connection);
                let end = poll_fn(|context| worker.borrow_mut().poll_lane(key, context)).await;
                worker.borrow_mut().lane_is_down(key, end)
            }
            Err(failure) => worker.borrow_mut().lane_is_down(key, Some(failure)),
        };
        if !goes_on {
            return;
        }
    }
}

/// Asks an ejected server whether it is back, until it is.
pub(crate) async fn probe(worker: Rc<RefCell<Worker>>, pool: usize, server: usize) {
    let mut pauses = worker.borrow().probe_pauses(pool);
    let first = worker.borrow().config(pool).server_retry_timeout;
    time::sleep(first).await;
    loop {
        let mut plan = worker.borrow().plan(pool, server);
        plan.pings = true;
        match plan.dial().await {
            Ok(_) => return worker.borrow_mut().server_is_back(pool, server),
            Err(failure) => {
                tracing::debug!(reason = failure.reason(), "Ejected server is not back");
            }
        }
        time::sleep(pauses.next()).await;
    }
}

/// Follows the addresses of a server's name.
pub(crate) async fn follow_name(
    worker: Rc<RefCell<Worker>>,
    pool: usize,
    server: usize,
    mut name: NameWatch,
) {
    loop {
        name.changed().await;
        worker.borrow_mut().address_changed(pool, server);
    }
}

/// Serves until the drain is over; tells how many clients were left with work under way.
pub(crate) async fn drain(worker: &Rc<RefCell<Worker>>) -> usize {
    let lifecycle = worker.borrow().shared.lifecycle.clone();
    let (linger, reserve) = {
        let config = &worker.borrow().shared.config;
        (config.linger, config.drain_reserve)
    };
    lifecycle.draining().await;
    let deadline = lifecycle.deadline().unwrap_or_else(Instant::now);
    let last_call = deadline.checked_sub(reserve).unwrap_or_else(Instant::now);
    tokio::select! {
        () = lifecycle.expired() => {}
        () = last_gone(worker, linger, last_call) => {}
    }
    worker.borrow_mut().stop_reading();
    tokio::select! {
        () = lifecycle.expired() => {}
        () = all_gone(worker) => {}
    }
    worker.borrow().close_all()
}

/// Waits until there was no client for `linger`, but not beyond `last_call`.
async fn last_gone(worker: &Rc<RefCell<Worker>>, linger: Duration, last_call: Instant) {
    let mut alone_since = Instant::now();
    while Instant::now() < last_call && alone_since.elapsed() < linger {
        time::sleep(DRAIN_LOOK).await;
        if worker.borrow().client_count() > 0 {
            alone_since = Instant::now();
        }
    }
}

async fn all_gone(worker: &Rc<RefCell<Worker>>) {
    while worker.borrow().client_count() > 0 {
        time::sleep(DRAIN_LOOK).await;
    }
}
