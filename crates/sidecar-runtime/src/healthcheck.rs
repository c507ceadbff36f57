//! The other end of the probes: asks the running process of the same pod over loopback.
//!
//! In goes the admin address of the settings, out comes whether the answer was 200. It is what an
//! exec probe or HEALTHCHECK runs in an image that has no shell and no curl. A blocking socket of
//! the standard library with a time limit is enough for one request, and starts no runtime.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::listen::Listen;

/// Kubernetes gives a probe one second unless told otherwise; this bounds the worst case alone.
const TIMEOUT: Duration = Duration::from_secs(3);
/// `HTTP/1.1 200` is 12 bytes.
const STATUS_BYTES: usize = 12;

/// Asks for `path` at a listener of this process's settings.
///
/// # Errors
/// Nobody answers within the time limit, or not in HTTP.
pub(crate) fn ask(listen: &Listen, path: &str) -> io::Result<u16> {
    let address = match listen {
        Listen::Tcp(address) => reachable(*address),
        Listen::Everywhere(port) => SocketAddr::from((Ipv4Addr::LOCALHOST, *port)),
        Listen::Unix(socket) => {
            let stream = UnixStream::connect(socket)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            return converse(stream, path);
        }
        Listen::Passed => return Err(io::Error::other("no address is known")),
    };
    let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    converse(stream, path)
}

fn converse(mut stream: impl Read + Write, path: &str) -> io::Result<u16> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut start = [0; STATUS_BYTES];
    stream.read_exact(&mut start)?;
    let status = start.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..));
    let status = status.and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
    status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP/1"))
}

/// Where a listener on `listen` can be reached from the same pod.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unspecified_addresses_are_reached_over_loopback() {
        for (listen, expected) in [
            ("0.0.0.0:9180", "127.0.0.1:9180"),
            ("[::]:9180", "[::1]:9180"),
            ("10.0.0.7:9180", "10.0.0.7:9180"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), expected);
        }
    }
}
