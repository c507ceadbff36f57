//! A connection over TCP or a unix socket, polled without futures.
//!
//! Reading appends to a buffer; writing takes the blocks of an [`Outbox`], or many bytes from where
//! they lie. tokio clears a socket's readiness when a read or write moved less than it could have,
//! so a turn costs one system call in each direction and no second one that would only say "not
//! now".

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::outbox::{Blocks, Outbox, SLICES_MAX};

/// From this size on, a write of its own costs less than a copy to write it with others.
const THROUGH_MIN_BYTES: usize = 32 * 1024;

/// A connected stream.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Socket::Tcp(stream) => stream.as_raw_fd(),
            Socket::Unix(stream) => stream.as_raw_fd(),
        }
    }
}

impl Socket {
    /// Of the peer and of our side, as Redis shows them; empty once the peer has gone.
    pub(crate) fn addresses(&self) -> (String, String) {
        let text = |address: io::Result<SocketAddr>| address.map(shown).unwrap_or_default();
        match self {
            Socket::Tcp(stream) => (text(stream.peer_addr()), text(stream.local_addr())),
            Socket::Unix(stream) => {
                let path = stream.local_addr().ok();
                let path = path.as_ref().and_then(|address| address.as_pathname());
                let shown = format!("{}:0", path.unwrap_or(Path::new("")).display());
                (shown.clone(), shown)
            }
        }
    }

    /// Where the peer connected; 0 for a unix socket.
    pub(crate) fn tcp_port(&self) -> u16 {
        match self {
            Socket::Tcp(stream) => stream.local_addr().map_or(0, |address| address.port()),
            Socket::Unix(_) => 0,
        }
    }

    /// Appends what has come, at most the buffer's free capacity. 0 is the peer's end.
    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        debug_assert!(buffer.capacity() > buffer.len(), "0 would look like the end");
        match self {
            Socket::Tcp(stream) => pin!(stream.read_buf(buffer)).poll(context),
            Socket::Unix(stream) => pin!(stream.read_buf(buffer)).poll(context),
        }
    }

    /// Writes until nothing is left or the socket is full; then `context` is woken when it is not.
    pub(crate) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        outbox: &mut Outbox,
        blocks: &mut Blocks,
    ) -> Poll<io::Result<()>> {
        while !outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let count = outbox.slices(&mut slices);
            // One slice is a plain write, which costs the kernel less.
            let written = match (&mut *self, &slices[..count]) {
                (Socket::Tcp(stream), [one]) => Pin::new(stream).poll_write(context, one),
                (Socket::Unix(stream), [one]) => Pin::new(stream).poll_write(context, one),
                (Socket::Tcp(stream), all) => Pin::new(stream).poll_write_vectored(context, all),
                (Socket::Unix(stream), all) => Pin::new(stream).poll_write_vectored(context, all),
            };
            match written {
                Poll::Ready(Ok(written)) => outbox.consume(written, blocks),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes of many `bytes` what the socket takes now, and tells how many those are; few are left
    /// for an outbox. Who writes next sees the error, if there is one.
    pub(crate) fn write_through(&self, bytes: &[u8]) -> usize {
        if bytes.len() < THROUGH_MIN_BYTES { 0 } else { self.try_write(bytes).unwrap_or(0) }
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.try_write(bytes),
            Socket::Unix(stream) => stream.try_write(bytes),
        }
    }

    /// Writes what the socket takes now; nobody is woken when it takes more.
    pub(crate) fn write_now(&self, outbox: &mut Outbox, blocks: &mut Blocks) -> io::Result<()> {
        while !outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let count = outbox.slices(&mut slices);
            let written = match (self, &slices[..count]) {
                (socket, [one]) => socket.try_write(one),
                (Socket::Tcp(stream), all) => stream.try_write_vectored(all),
                (Socket::Unix(stream), all) => stream.try_write_vectored(all),
            };
            match written {
                Ok(written) => outbox.consume(written, blocks),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// An IPv4 address as such, also on a socket of both families.
fn shown(address: SocketAddr) -> String {
    SocketAddr::new(address.ip().to_canonical(), address.port()).to_string()
}
