//! What stub_status cannot know: the listening sockets as the kernel sees them.
//!
//! The sidecar shares the network namespace of the pod. In go the ports to look at, out come, for
//! each listening TCP socket but our own, how many connections wait to be accepted, how many may,
//! and how many a process holds; and the overflows and drops of the whole namespace. Together with
//! the page they show connections that nginx counts but nobody has, which happens when a worker
//! was killed. The kernel is asked by sock_diag over netlink, or, where that is refused, by reading
//! /proc/net/tcp. Nothing is kept between two readings; each is bounded in sockets and bytes.
//! A netlink crate was not taken: two fixed structures are less than its dependencies.

mod diag;
mod families;
mod proc_net;
mod tally;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use self::diag::Diag;
use self::proc_net::Drops;
pub(crate) use self::tally::SocketReport;
use self::tally::{Ports, Tally};

/// Of connections looked at in one reading. With more of them none are shown.
const CONNECTIONS_MAX: u32 = 100_000;
/// Of listening sockets looked at in one reading.
const LISTENERS_MAX: u32 = 10_000;

/// One TCP socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Socket {
    local: SocketAddr,
    /// Of a listening socket: connections that wait to be accepted.
    queue: u32,
    /// Of a listening socket: how many may wait. /proc does not tell.
    queue_max: Option<u32>,
    /// Whether a process has it; what waits to be accepted, or was closed, belongs to none.
    held: bool,
}

/// Which sockets to go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Listening,
    /// Those a process can hold, from the handshake's end until both sides have closed.
    Connected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Ipv4,
    Ipv6,
}

/// Whether all sockets were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    All,
    /// There were more than allowed.
    UpToTheLimit,
}

/// A source of socket metrics for the registry; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Sockets {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ports: Ports,
    source: Source,
    /// What the page said last, if that can be compared with the sockets.
    active: Mutex<Option<u64>>,
    failing: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Netlink,
    Proc,
}

impl Sockets {
    /// Looks at `ports`, or at all if that is empty, but never at `own`.
    ///
    /// # Errors
    /// Neither way to ask the kernel is open.
    pub(crate) fn open(ports: Vec<u16>, own: Vec<u16>) -> io::Result<Sockets> {
        let ports = Ports { shown: ports, own };
        let source = match Source::Netlink.read(&ports) {
            Ok(_report) => Source::Netlink,
            Err(error) => {
                Source::Proc.read(&ports)?;
                tracing::info!(%error, "Sockets are read from /proc, netlink is refused");
                Source::Proc
            }
        };
        let shared = Shared { ports, source, active: Mutex::new(None), failing: false.into() };
        Ok(Sockets { shared: Arc::new(shared) })
    }

    /// The sockets of this moment.
    ///
    /// # Errors
    /// The kernel refused.
    pub(crate) fn read(&self) -> io::Result<SocketReport> {
        self.shared.source.read(&self.shared.ports)
    }

    /// Tells how many connections the page has just said are active. None if it could not be read,
    /// if there are several targets, or if it was read over a unix socket, whose connection would
    /// itself look like a phantom: then none are shown.
    pub(crate) fn set_active(&self, active: Option<u64>) {
        *self.shared.active.lock().unwrap_or_else(PoisonError::into_inner) = active;
    }

    fn active(&self) -> Option<u64> {
        *self.shared.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same as `read`, with the first of consecutive failures logged.
    fn read_or_log(&self) -> Option<SocketReport> {
        let report = self.read();
        let failed = report.is_err();
        let failed_before = self.shared.failing.swap(failed, Ordering::Relaxed);
        match &report {
            Err(error) if !failed_before => tracing::warn!(%error, "Sockets cannot be read"),
            Ok(_) if failed_before => tracing::info!("Sockets can be read again"),
            Ok(_) | Err(_) => {}
        }
        report.ok()
    }
}

impl Source {
    fn read(self, ports: &Ports) -> io::Result<SocketReport> {
        let mut tally = Tally::new(ports);
        match self {
            Source::Netlink => {
                let mut diag = Diag::open()?;
                tally.read(|kind, family, max, each| diag.dump(kind, family, max, each))?;
            }
            Source::Proc => tally.read(proc_net::each)?,
        }
        let Drops { overflows, drops } = proc_net::drops();
        Ok(tally.report(overflows, drops))
    }
}

impl Tally<'_> {
    /// Listening sockets first: connections are counted for them. Going through all connections of
    /// the machine is the dear part, so a family in which nobody listens is left out: a connection
    /// has the family of the socket that it came to.
    fn read(
        &mut self,
        mut go: impl FnMut(Kind, Family, u32, &mut dyn FnMut(Socket)) -> io::Result<Seen>,
    ) -> io::Result<()> {
        let mut listening = Vec::new();
        for family in [Family::Ipv4, Family::Ipv6] {
            let mut any = false;
            let each = &mut |socket| any |= self.listener(socket);
            go(Kind::Listening, family, LISTENERS_MAX, each)?;
            listening.extend(any.then_some(family));
        }
        for family in listening {
            let each = &mut |socket| self.connection(socket);
            if go(Kind::Connected, family, CONNECTIONS_MAX, each)? == Seen::UpToTheLimit {
                self.forget_connections();
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
