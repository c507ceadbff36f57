//! twemproxy's statistics: one JSON object to whoever connects, then the end of the connection.
//!
//! In go the counters of all threads, out come the names, the order and the spacing of nutcracker
//! 0.5.0, so that what reads these numbers today goes on. They are those of the moment; nutcracker
//! adds them up every 30 s. Pools and servers are sorted as there, by the length of the name and
//! then by its bytes. A few connections at a time, each for a bounded time, beside everything else:
//! a reader that does not read holds up nobody but the next readers.

mod object;

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::io::Errno;
use sidecar_runtime::{Backoff, Lifecycle, StartError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{self, timeout};

use self::object::{Moment, object};
use crate::config::StatsListen;
use crate::metrics::Metrics;

/// More wait in the listen queue.
const CONNECTIONS_MAX: usize = 16;
/// For a reader to take the object.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
/// For a reader to hang up. To close before it has read what it was sent, with anything of its own
/// unread here, would take the object back.
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);
/// What a reader may send; nobody looks at it.
const LINGER_BYTES_MAX: u64 = 4096;
/// Waits after an accept that failed, which mostly means that descriptors ran out.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
const ACCEPT_RETRY_MAX: Duration = Duration::from_secs(1);
const HOST_NAME_FILE: &str = "/proc/sys/kernel/hostname";

/// Binds the port and serves it until the process ends.
///
/// # Errors
/// The address is taken or not ours.
pub(crate) async fn open(
    listen: StatsListen,
    metrics: Arc<Metrics>,
    lifecycle: &Lifecycle,
) -> Result<(), StartError> {
    let bound = match listen {
        StatsListen::Address(address) => TcpListener::bind(address).await,
        StatsListen::Everywhere(port) => bind_everywhere(port).await,
    };
    let typed = || match listen {
        StatsListen::Address(address) => address.to_string(),
        StatsListen::Everywhere(port) => format!(":{port}"),
    };
    let listener = bound.map_err(|error| StartError::new("stats-listen", typed(), error))?;
    let host = std::fs::read_to_string(HOST_NAME_FILE).unwrap_or_default();
    let source = Source { metrics, host: host.trim_end().to_owned(), started: Instant::now() };
    lifecycle.spawn_session(serve(listener, Arc::new(source), lifecycle.clone()));
    Ok(())
}

async fn bind_everywhere(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).await {
        Err(error)
            if matches!(error.kind(), ErrorKind::AddrNotAvailable | ErrorKind::Unsupported)
                || error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error()) =>
        {
            TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).await
        }
        bound => bound,
    }
}

/// What the object is made of.
#[derive(Debug)]
struct Source {
    metrics: Arc<Metrics>,
    host: String,
    started: Instant,
}

async fn serve(listener: TcpListener, source: Arc<Source>, lifecycle: Lifecycle) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut backoff = Backoff::new(ACCEPT_RETRY, ACCEPT_RETRY_MAX);
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await;
        let slot = slot.expect("nobody closes the semaphore");
        let stream = match listener.accept().await {
            Ok((stream, _peer)) => stream,
            Err(error) => {
                tracing::warn!(%error, "Statistics port cannot accept");
                time::sleep(backoff.next()).await;
                continue;
            }
        };
        backoff.reset();
        let object = source.object();
        lifecycle.spawn_session(async move {
            if let Err(error) = answer(stream, &object).await {
                tracing::debug!(%error, "Statistics were not read");
            }
            drop(slot);
        });
    }
}

async fn answer(mut stream: TcpStream, object: &str) -> io::Result<()> {
    let write = async {
        stream.write_all(object.as_bytes()).await?;
        stream.shutdown().await
    };
    timeout(WRITE_TIMEOUT, write).await.map_err(|_elapsed| ErrorKind::TimedOut)??;
    let mut rest = stream.take(LINGER_BYTES_MAX);
    let mut sink = tokio::io::sink();
    let linger = tokio::io::copy(&mut rest, &mut sink);
    // Whoever stays has been told that it is over.
    match timeout(LINGER_TIMEOUT, linger).await {
        Ok(read) => read.map(|_bytes| ()),
        Err(_elapsed) => Ok(()),
    }
}

impl Source {
    fn object(&self) -> String {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let moment = Moment {
            host: &self.host,
            uptime: self.started.elapsed(),
            unix_seconds: since_1970.as_secs(),
        };
        object(&self.metrics, &moment)
    }
}

#[cfg(test)]
mod tests;
