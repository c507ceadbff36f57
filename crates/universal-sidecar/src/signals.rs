//! Signals as something to wait for, with a time limit.
//!
//! Each handler writes a byte into a socket that `poll` watches: the time between a look and a wait
//! cannot lose one. As PID 1 a process has no default for most signals, so all that somebody may
//! send on purpose are caught here.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

/// Passed on to the command. The last is `SIGCHLD`, which is for us.
const CAUGHT: [i32; 8] = [SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGCHLD];

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caught {
    /// A child has ended.
    Child,
    /// Any other.
    Signal(i32),
}

pub(crate) struct Signals {
    delivery: SignalDelivery<UnixStream, SignalOnly>,
}

impl Signals {
    pub(crate) fn catch() -> io::Result<Signals> {
        let (read, write) = UnixStream::pair()?;
        Ok(Signals { delivery: SignalDelivery::with_pipe(read, write, SignalOnly, CAUGHT)? })
    }

    /// Returns after `limit`, or as soon as something has come. [`Duration::MAX`] is no limit.
    pub(crate) fn wait(&self, limit: Duration) -> io::Result<()> {
        let limit = Timespec::try_from(limit).ok();
        let mut watched = [PollFd::new(self.delivery.get_read(), PollFlags::IN)];
        match poll(&mut watched, limit.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// What has come since the last call.
    pub(crate) fn caught(&mut self) -> Vec<Caught> {
        let classify = |signal| match signal {
            SIGCHLD => Caught::Child,
            other => Caught::Signal(other),
        };
        self.delivery.pending().map(classify).collect()
    }
}

impl std::fmt::Debug for Signals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signals").field("socket", &self.delivery.get_read().as_fd()).finish()
    }
}
