//! The other end of the admin port: asks a running process of the same pod over loopback.
//!
//! In goes an address, the admin address of the settings or another sidecar's, out comes the status
//! of the answer. It is what an exec probe or HEALTHCHECK runs in an image that has no shell and no
//! curl, and what asks a sidecar to end. A blocking socket of the standard library with a time
//! limit is enough for one request, and starts no runtime.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::listen::Listen;

/// Kubernetes gives a probe one second unless told otherwise; this bounds the worst case alone.
const TIMEOUT: Duration = Duration::from_secs(3);
/// `HTTP/1.1 200` is 12 bytes.
const STATUS_BYTES: u64 = 12;

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
            return converse(stream, "GET", "localhost", path);
        }
        Listen::Passed => return Err(io::Error::other("no address is known")),
    };
    request("GET", address, path, TIMEOUT)
}

/// Posts nothing to `path` at `address`, and gives the status of the answer. `limit` is for each
/// step.
///
/// # Errors
/// Nobody answers within the time limit, or not in HTTP.
pub fn post(address: SocketAddr, path: &str, limit: Duration) -> io::Result<u16> {
    request("POST", address, path, limit)
}

fn request(method: &str, address: SocketAddr, path: &str, limit: Duration) -> io::Result<u16> {
    let stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    converse(stream, method, &address.to_string(), path)
}

fn converse(
    mut stream: impl Read + Write,
    method: &str,
    host: &str,
    path: &str,
) -> io::Result<u16> {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0");
    stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut start = Vec::new();
    stream.take(STATUS_BYTES).read_to_end(&mut start).map_err(|error| match error.kind() {
        // What a socket's own time limit is called.
        io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::TimedOut, "no answer in time"),
        _ => error,
    })?;
    let status = start.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5));
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
    use std::net::Shutdown;

    use super::*;

    #[test]
    fn an_answer_is_a_status_or_told_why_not() {
        for (answer, expected) in [
            (&b"HTTP/1.1 204 No Content\r\n"[..], "204"),
            (b"HTTP/1.0 503", "503"),
            (b"HTTP/1.1 2", "the answer is not HTTP/1"),
            (b"", "the answer is not HTTP/1"),
            (b"SSH-2.0-OpenSSH_9.2\r\n", "the answer is not HTTP/1"),
        ] {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            theirs.write_all(answer).unwrap();
            theirs.shutdown(Shutdown::Write).unwrap();
            let status = converse(ours, "GET", "localhost", "/healthz");
            let told = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            assert_eq!(told, expected);
        }
        let (ours, _theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let error = converse(ours, "GET", "localhost", "/healthz").unwrap_err();
        assert_eq!(error.to_string(), "no answer in time");
    }

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
