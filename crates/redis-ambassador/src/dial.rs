//! From a server's address to a connection that is ready for requests.
//!
//! resolve (what the name watch knows) → connect → AUTH, HELLO, SELECT. All steps share one
//! deadline, and each address of a name gets an equal part of what is left. HELLO tells the
//! server's version, which clients are told in turn; a server that answers it with an error is
//! fine as long as its clients speak RESP2, and one that hangs up on it is connected to again
//! without it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use resp::{Protocol, ReplyScan};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};

use crate::config::{PoolConfig, ServerAddress, ServerConfig};
use crate::names::NameWatch;
use crate::server::Failure;
use crate::socket::Socket;

/// For a connection to be made, if the pool has no shorter timeout.
const DIAL_MAX: Duration = Duration::from_secs(10);
/// Of all replies of a handshake, in bytes.
const HANDSHAKE_BYTES_MAX: usize = 16 * 1024;

/// What to connect to, and how.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    place: Place,
    auth: Option<String>,
    db: u32,
    keepalive: bool,
    limit: Duration,
    pub(crate) protocol: Protocol,
    pub(crate) says_hello: bool,
    /// Whether the server has to answer a PING as well.
    pub(crate) pings: bool,
}

#[derive(Debug, Clone)]
enum Place {
    Address(SocketAddr),
    Name(NameWatch, u16),
    Unix(PathBuf),
}

/// A connection to a server that is ready for requests.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: Socket,
    /// `None` over a unix socket.
    pub(crate) peer: Option<SocketAddr>,
    /// What the server said it is.
    pub(crate) version: Option<String>,
    /// Whether it took HELLO, or answered with an error.
    pub(crate) takes_hello: bool,
}

impl Plan {
    pub(crate) fn new(pool: &PoolConfig, server: &ServerConfig, name: Option<&NameWatch>) -> Plan {
        let place = match (&server.address, name) {
            (ServerAddress::Ip(address), _) => Place::Address(*address),
            (ServerAddress::Name { port, .. }, Some(name)) => Place::Name(name.clone(), *port),
            (ServerAddress::Name { .. }, None) => unreachable!("every name is followed"),
            (ServerAddress::Unix(path), _) => Place::Unix(path.clone()),
        };
        Plan {
            place,
            auth: pool.auth.as_ref().map(|auth| auth.expose().to_owned()),
            db: pool.db,
            keepalive: pool.tcp_keepalive,
            limit: pool.timeout.map_or(DIAL_MAX, |timeout| timeout.min(DIAL_MAX)),
            protocol: Protocol::Resp2,
            says_hello: true,
            pings: false,
        }
    }

    /// Makes one attempt.
    pub(crate) async fn dial(mut self) -> Result<Connection, Failure> {
        let deadline = Instant::now() + self.limit;
        match self.attempt(deadline).await {
            Err(Failure::Closed) if self.says_hello && self.protocol == Protocol::Resp2 => {
                self.says_hello = false;
                self.attempt(deadline).await
            }
            result => result,
        }
    }

    async fn attempt(&self, deadline: Instant) -> Result<Connection, Failure> {
        let takes_hello = self.says_hello;
        if let Place::Unix(path) = &self.place {
            let mut stream = within(deadline, UnixStream::connect(path)).await?;
            let version = within(deadline, self.shake(&mut stream)).await?;
            let socket = Socket::Unix(stream);
            return Ok(Connection { socket, peer: None, version: version?, takes_hello });
        }
        let mut stream = self.connect(deadline).await?;
        let peer = stream.peer_addr().ok();
        let version = within(deadline, self.shake(&mut stream)).await?;
        let socket = Socket::Tcp(stream);
        Ok(Connection { socket, peer, version: version?, takes_hello })
    }

    /// The error of the last address stands for all.
    async fn connect(&self, deadline: Instant) -> Result<TcpStream, Failure> {
        let addresses = self.addresses(deadline).await;
        let mut last = Failure::Unresolved;
        for (tried, address) in addresses.iter().enumerate() {
            let now = Instant::now();
            let untried = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            let share = now + deadline.saturating_duration_since(now) / untried;
            match within(share, TcpStream::connect(address)).await {
                Ok(stream) => {
                    let socket = socket2::SockRef::from(&stream);
                    let options = socket
                        .set_tcp_nodelay(true)
                        .and_then(|()| socket.set_keepalive(self.keepalive));
                    return options.map(|()| stream).map_err(|error| Failure::of(&error));
                }
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    async fn addresses(&self, deadline: Instant) -> Vec<SocketAddr> {
        match &self.place {
            Place::Address(address) => vec![*address],
            Place::Unix(_) => Vec::new(),
            Place::Name(name, port) => {
                let mut name = name.clone();
                while name.is_unknown_yet() {
                    if timeout_at(deadline, name.changed()).await.is_err() {
                        break;
                    }
                }
                let addresses = name.connectable().into_iter();
                addresses.map(|address| SocketAddr::new(address, *port)).collect()
            }
        }
    }

    /// Says who we are and what we want, and waits for every answer.
    async fn shake<S>(&self, stream: &mut S) -> io::Result<Result<Option<String>, Failure>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut requests = Vec::new();
        let mut steps = Vec::new();
        let mut say = |step, words: &[&[u8]]| {
            resp::write::request(&mut requests, words);
            steps.push(step);
        };
        if let Some(password) = &self.auth {
            say(Step::Auth, &[b"AUTH", password.as_bytes()]);
        }
        match self.protocol {
            Protocol::Resp3 => say(Step::Hello { is_needed: true }, &[b"HELLO", b"3"]),
            Protocol::Resp2 if self.says_hello => {
                say(Step::Hello { is_needed: false }, &[b"HELLO", b"2"]);
            }
            Protocol::Resp2 => {}
        }
        if self.db > 0 {
            say(Step::Select, &[b"SELECT", self.db.to_string().as_bytes()]);
        }
        if self.pings {
            say(Step::Ping, &[b"PING"]);
        }
        stream.write_all(&requests).await?;
        let mut version = None;
        let mut replies = Replies { stream, buffer: Vec::new() };
        for step in steps {
            let reply = replies.next().await?;
            let is_error = reply.first() == Some(&b'-');
            match step {
                Step::Hello { is_needed: false } if is_error => {}
                Step::Hello { .. } if !is_error => version = version_in(&reply, self.protocol),
                Step::Ping if !reply.starts_with(b"+PONG") => return Ok(Err(refusal(reply))),
                _ if is_error => return Ok(Err(Failure::Handshake(reply))),
                _ => {}
            }
        }
        Ok(Ok(version))
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Auth,
    Hello { is_needed: bool },
    Select,
    Ping,
}

fn refusal(reply: Vec<u8>) -> Failure {
    if reply.first() == Some(&b'-') { Failure::Handshake(reply) } else { Failure::Garbage }
}

/// The replies of a handshake, one by one.
struct Replies<'a, S> {
    stream: &'a mut S,
    /// Read and not yet taken.
    buffer: Vec<u8>,
}

impl<S: AsyncRead + Unpin> Replies<'_, S> {
    async fn next(&mut self) -> io::Result<Vec<u8>> {
        let mut scan = ReplyScan::new();
        let mut scanned = 0;
        loop {
            let (count, is_whole) =
                scan.advance(&self.buffer[scanned..]).map_err(io::Error::other)?;
            scanned += count;
            if is_whole {
                let rest = self.buffer.split_off(scanned);
                return Ok(std::mem::replace(&mut self.buffer, rest));
            }
            if self.buffer.len() > HANDSHAKE_BYTES_MAX {
                return Err(io::Error::other("Handshake too long"));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// The version in the reply to HELLO. It goes to clients as it is, so it must be a plain word.
fn version_in(reply: &[u8], protocol: Protocol) -> Option<String> {
    let frame = resp::frame::decode(reply, protocol).ok()?;
    let version = std::str::from_utf8(frame.value("version")?.bytes()?).ok()?;
    let is_plain = version.bytes().all(|byte| byte.is_ascii_graphic());
    (is_plain && version.starts_with(|c: char| c.is_ascii_digit())).then(|| version.to_owned())
}

async fn within<T>(
    deadline: Instant,
    step: impl Future<Output = io::Result<T>>,
) -> Result<T, Failure> {
    match timeout_at(deadline, step).await {
        Ok(result) => result.map_err(|error| Failure::of(&error)),
        Err(_elapsed) => Err(Failure::TimedOut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_in_both_forms_of_the_reply() {
        let flat = b"*4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n";
        let map = b"%2\r\n$6\r\nserver\r\n$6\r\nvalkey\r\n$7\r\nversion\r\n$5\r\n8.0.1\r\n";
        for (reply, protocol, version) in [
            (&flat[..], Protocol::Resp2, "7.0.15"),
            (map, Protocol::Resp3, "8.0.1"),
            (b"%1\r\n$7\r\nversion\r\n$3\r\nabc\r\n", Protocol::Resp3, ""),
            (b"%1\r\n$7\r\nversion\r\n$3\r\n7\r\n\r\n", Protocol::Resp3, ""),
            (b"+OK\r\n", Protocol::Resp2, ""),
        ] {
            assert_eq!(version_in(reply, protocol).unwrap_or_default(), version);
        }
    }
}
