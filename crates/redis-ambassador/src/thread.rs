//! A data thread: a runtime of its own, its listeners, its share of everything.
//!
//! In go the bound listeners and what threads have in common; out comes, when the drain is over,
//! how many clients were left. The thread ends itself; nobody waits for it beyond the grace.

use std::io;
use std::rc::Rc;

use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::oneshot;

use crate::config::ServerAddress;
use crate::listener::Bound;
use crate::names::Names;
use crate::tasks::{self, PoolListener};
use crate::worker::{Pool, Shared, Worker};

/// How many clients had something under way when the thread ended. Dropped if it broke.
pub(crate) type Ended = oneshot::Receiver<usize>;

/// Starts a thread. `listeners` come with the place of their pool.
///
/// # Errors
/// The thread or its runtime cannot be made.
pub(crate) fn start(
    number: usize,
    shared: Shared,
    names: Names,
    listeners: Vec<(usize, Bound)>,
) -> io::Result<Ended> {
    let (done, ended) = oneshot::channel();
    let mut builder = Builder::new_current_thread();
    builder.enable_io().enable_time();
    let work = move || {
        let runtime = match builder.build_local(LocalOptions::default()) {
            Ok(runtime) => runtime,
            Err(error) => return shared.lifecycle.fail(format!("data thread: {error}")),
        };
        let lifecycle = shared.lifecycle.clone();
        match runtime.block_on(live(shared, names, listeners)) {
            // Nobody waits any more if the grace is over.
            Ok(left) => drop(done.send(left)),
            Err(error) => lifecycle.fail(format!("data thread: {error}")),
        }
    };
    std::thread::Builder::new().name(format!("data-{number}")).spawn(work)?;
    Ok(ended)
}

async fn live(shared: Shared, names: Names, listeners: Vec<(usize, Bound)>) -> io::Result<usize> {
    let config = shared.config.clone();
    let mut pools = Vec::new();
    let mut followed = Vec::new();
    for (pool, pool_config) in config.pools.iter().enumerate() {
        let mut watches = Vec::new();
        for (server, server_config) in pool_config.servers.iter().enumerate() {
            let watch = match &server_config.address {
                ServerAddress::Name { host, .. } => names.get(host).cloned(),
                ServerAddress::Ip(_) | ServerAddress::Unix(_) => None,
            };
            followed.extend(watch.clone().map(|watch| (pool, server, watch)));
            watches.push(watch);
        }
        pools.push(Pool::new(pool_config, watches));
    }
    let worker = Worker::new(shared, pools);
    {
        let start = worker.borrow();
        start.spawn(tasks::flush(Rc::clone(&worker)));
        for (pool, server, watch) in followed {
            start.spawn(tasks::follow_name(Rc::clone(&worker), pool, server, watch));
        }
        for (pool, bound) in listeners {
            let listener = match bound {
                Bound::Tcp(listener) => PoolListener::Tcp(TcpListener::from_std(listener)?),
                Bound::Unix(listener) => PoolListener::Unix(UnixListener::from_std(listener)?),
            };
            start.spawn(tasks::accept(Rc::clone(&worker), pool, listener));
        }
    }
    worker.borrow_mut().preconnect();
    Ok(tasks::drain(&worker).await)
}
