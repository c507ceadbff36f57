//! Logs that nginx sends as syslog.
//!
//! In: datagrams, one for each line, over UDP or a unix socket. Out: lines, counted as those of
//! files are; what comes with the front of nginx's error log is counted by level. A datagram that
//! finds no room is gone: over UDP the kernel counts it, a unix socket tells only nginx, which
//! writes it to its error log. So this is for where no volume can be shared; a file loses nothing.
//!
//! A socket is bound before readiness is told, so that an nginx that waits for it finds it. Each
//! turn takes a bounded number of messages, then others run.

pub(crate) mod drops;
mod message;

use std::io;
use std::net::UdpSocket as StdUdpSocket;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixDatagram as StdUnixDatagram;
use std::path::{Path, PathBuf};

use sidecar_runtime::{Lifecycle, StartError};
use tokio::net::{UdpSocket, UnixDatagram};
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::config::SyslogAddr;
use super::families::Counts;
use super::{LINGER, end_of_linger};

/// The largest datagram; nginx sends at most 2 KiB of a line unless told otherwise.
const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Messages taken before others run.
const MESSAGES_A_TURN: usize = 128;
/// Room that the kernel is asked for; it gives what `net.core.rmem_max` allows.
const RECEIVE_BYTES: usize = 4 << 20;
/// nginx runs under another user.
const SOCKET_MODE: u32 = 0o666;

/// A socket that receives.
#[derive(Debug)]
pub(crate) struct Receiver {
    socket: Socket,
    /// Its number among the sources of lines.
    source: usize,
    /// The name of a unix socket, for as long as it receives.
    _name: Option<SocketName>,
}

#[derive(Debug)]
enum Socket {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

/// Removed when it is dropped.
#[derive(Debug)]
struct SocketName(PathBuf);

impl Drop for SocketName {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            warn!(socket = %self.0.display(), %error, "Cannot remove a socket");
        }
    }
}

impl Receiver {
    pub(crate) fn bind(addr: &SyslogAddr, source: usize) -> Result<Receiver, StartError> {
        let bound = match addr {
            SyslogAddr::Udp(addr) => bind_udp(*addr).map(|socket| (Socket::Udp(socket), None)),
            SyslogAddr::Unix(path) => {
                bind_unix(path).map(|(socket, name)| (Socket::Unix(socket), Some(name)))
            }
        };
        let (socket, name) =
            bound.map_err(|error| StartError::new("syslog-listen", addr.to_string(), error))?;
        Ok(Receiver { socket, source, _name: name })
    }

    /// The inode of a UDP socket, by which the kernel lists what it dropped.
    pub(crate) fn udp_inode(&self) -> Option<u64> {
        match &self.socket {
            Socket::Udp(socket) => rustix::fs::fstat(socket).ok().map(|stat| stat.st_ino),
            Socket::Unix(_) => None,
        }
    }

    /// Counts until the drain, and in it until nothing has come for a while.
    pub(crate) async fn run(self, counts: Counts, lifecycle: Lifecycle) {
        let mut buffer = vec![0; MESSAGE_BYTES_MAX];
        loop {
            tokio::select! {
                biased;
                () = lifecycle.draining() => break,
                () = self.readable() => {}
            }
            self.take_turn(&mut buffer, &counts);
            tokio::task::yield_now().await;
        }
        let end = end_of_linger(&lifecycle);
        let mut quiet_at = Instant::now() + LINGER;
        while Instant::now() < end {
            tokio::select! {
                biased;
                () = lifecycle.expired() => break,
                () = self.readable() => {}
                () = sleep_until(quiet_at.min(end)) => break,
            }
            if self.take_turn(&mut buffer, &counts) > 0 {
                quiet_at = Instant::now() + LINGER;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn readable(&self) {
        let ready = match &self.socket {
            Socket::Udp(socket) => socket.readable().await,
            Socket::Unix(socket) => socket.readable().await,
        };
        if let Err(error) = ready {
            // Only if the runtime is going down.
            warn!(%error, "Cannot wait for syslog messages");
            std::future::pending::<()>().await;
        }
    }

    /// Takes what is there, up to a turn's worth; returns how much it was.
    fn take_turn(&self, buffer: &mut [u8], counts: &Counts) -> usize {
        let mut taken = 0;
        let mut state = counts.lock();
        while taken < MESSAGES_A_TURN {
            let received = match &self.socket {
                Socket::Udp(socket) => socket.try_recv(buffer),
                Socket::Unix(socket) => socket.try_recv(buffer),
            };
            let length = match received {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    // The error was that of one datagram, and is cleared by asking.
                    warn!(%error, "Cannot receive a syslog message");
                    break;
                }
            };
            taken += 1;
            let state = &mut *state;
            if let Some(syslog) = &mut state.sources.syslog {
                syslog.messages += 1;
            }
            state.sources.lines[self.source].1 += 1;
            match message::line_of(&buffer[..length]) {
                Some(line) => match nginx_log::Level::of_line(line) {
                    Some(level) => state.tally.count_level(level),
                    None => state.tally.count_access(line),
                },
                None => state.tally.unparsed += 1,
            }
        }
        taken
    }
}

fn bind_udp(addr: std::net::SocketAddr) -> io::Result<UdpSocket> {
    let socket = StdUdpSocket::bind(addr)?;
    socket.set_nonblocking(true)?;
    // A smaller buffer is no reason not to start.
    if let Err(error) = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BYTES) {
        warn!(%error, "Cannot enlarge the receive buffer for syslog");
    }
    UdpSocket::from_std(socket)
}

fn bind_unix(path: &Path) -> io::Result<(UnixDatagram, SocketName)> {
    // The socket of a process that was killed is in the way of ours.
    let is_stale = std::fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket());
    if is_stale && StdUnixDatagram::unbound()?.connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    let socket = StdUnixDatagram::bind(path)?;
    let name = SocketName(path.to_path_buf());
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(SOCKET_MODE))?;
    socket.set_nonblocking(true)?;
    if let Err(error) = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BYTES) {
        warn!(%error, "Cannot enlarge the receive buffer for syslog");
    }
    Ok((UnixDatagram::from_std(socket)?, name))
}

#[cfg(test)]
mod tests;
