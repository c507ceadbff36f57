//! Logs that nginx sends as syslog.
//!
//! In: datagrams, one for each line, over UDP or a unix socket. Out: lines, counted as those of
//! files are; what comes with the front of nginx's error log is counted by level. A datagram that
//! finds no room is gone: over UDP the kernel counts it, a unix socket tells only nginx, which
//! writes it to its error log. So this is for where no volume can be shared; a file loses nothing.
//!
//! A socket is bound before readiness is told, so that an nginx that waits for it finds it. Each
//! turn takes a bounded number of messages for a bounded time, then others run. The name of a unix
//! socket is taken over only from a process that is gone, and taken away only while it is ours.

pub(crate) mod drops;
mod message;

use std::io;
use std::net::UdpSocket as StdUdpSocket;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram as StdUnixDatagram;
use std::path::{Path, PathBuf};

use sidecar_runtime::{Lifecycle, StartError};
use tokio::net::{UdpSocket, UnixDatagram};
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::config::SyslogAddr;
use super::families::Counts;
use super::turn::Turn;
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
    /// The name of a unix socket, for as long as it receives. Dropped before the socket, whose
    /// inode can have no other name until then.
    _name: Option<SocketName>,
    socket: Socket,
    /// Its number among the sources of lines.
    source: usize,
}

#[derive(Debug)]
enum Socket {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

/// Removed when it is dropped, unless another socket has it by then.
#[derive(Debug)]
struct SocketName {
    path: PathBuf,
    /// Device and number.
    inode: (u64, u64),
}

impl SocketName {
    fn of(path: &Path) -> io::Result<SocketName> {
        Ok(SocketName { path: path.to_path_buf(), inode: inode(path)? })
    }
}

impl Drop for SocketName {
    fn drop(&mut self) {
        let removed = match inode(&self.path) {
            Ok(inode) if inode == self.inode => std::fs::remove_file(&self.path),
            Ok(_) => Err(io::Error::other("it is the socket of another process")),
            Err(error) => Err(error),
        };
        if let Err(error) = removed {
            warn!(socket = %self.path.display(), %error, "Cannot remove a socket");
        }
    }
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|it| (it.dev(), it.ino()))
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
        Ok(Receiver { _name: name, socket, source })
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
        let mut turn = Turn::begin();
        let mut state = counts.lock();
        while taken < MESSAGES_A_TURN && !turn.is_over() {
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
    if is_stale(path)? {
        std::fs::remove_file(path)?;
    }
    let socket = StdUnixDatagram::bind(path)?;
    let name = SocketName::of(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(SOCKET_MODE))?;
    socket.set_nonblocking(true)?;
    if let Err(error) = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BYTES) {
        warn!(%error, "Cannot enlarge the receive buffer for syslog");
    }
    Ok((UnixDatagram::from_std(socket)?, name))
}

/// The socket of a process that was killed is in the way of ours. Only that one refuses: a living
/// one of another kind, or one that we have no right to, fails in other ways.
fn is_stale(path: &Path) -> io::Result<bool> {
    if !std::fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket()) {
        return Ok(false);
    }
    let connected = StdUnixDatagram::unbound()?.connect(path);
    Ok(connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused))
}

#[cfg(test)]
mod tests;
