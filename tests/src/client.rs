//! One HTTP request to a TCP port or a unix socket, and the answer byte for byte.
//!
//! A connection per request, read to its end, so that what a server sends after its answer shows
//! up too. The answer's body is kept as bytes because it may be compressed, and the time that the
//! answer took is kept because some answers must come before a deadline.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a whole answer may take unless a request says otherwise.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A request without a body.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    timeout: Duration,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// Status line and headers as received.
    pub head: String,
    /// Without chunk framing, still compressed if it was.
    pub body: Vec<u8>,
    /// From before the connection to the last byte.
    pub took: Duration,
}

/// A connection on which a request was sent and nothing read yet. Dropping it abandons the request.
#[derive(Debug)]
pub struct Pending {
    stream: Stream,
    start: Instant,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Request {
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            timeout: ANSWER_TIMEOUT,
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The answer must be there after this time.
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends it and reads the answer.
    pub fn send(&self, address: &Address) -> io::Result<Answer> {
        self.start(address)?.finish()
    }

    /// Sends it only.
    pub fn start(&self, address: &Address) -> io::Result<Pending> {
        let start = Instant::now();
        let mut stream = Stream::connect(address, self.timeout)?;
        let host = match address {
            Address::Tcp(address) => address.to_string(),
            Address::Unix(_) => "unix".to_owned(),
        };
        let mut head = format!("{} {} HTTP/1.1\r\nhost: {host}\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("connection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        Ok(Pending { stream, start })
    }
}

impl Pending {
    /// Reads the answer.
    pub fn finish(mut self) -> io::Result<Answer> {
        let mut received = Vec::new();
        self.stream.read_to_end(&mut received)?;
        let took = self.start.elapsed();
        let end =
            memchr::memmem::find(&received, b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let body = received.split_off(end + 4);
        let head = String::from_utf8_lossy(&received).trim_end().to_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut answer =
            Answer { status: status.ok_or(io::ErrorKind::InvalidData)?, head, body, took };
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = unchunked(&answer.body).ok_or(io::ErrorKind::InvalidData)?;
        }
        Ok(answer)
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim()).next()
    }

    /// The body as text; panics if it is none.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as text after gzip, which it must be.
    pub fn gunzipped(&self) -> String {
        assert_eq!(self.header("content-encoding"), Some("gzip"), "{}", self.head);
        let mut text = String::new();
        flate2::read::GzDecoder::new(&self.body[..]).read_to_string(&mut text).unwrap();
        text
    }
}

impl Stream {
    fn connect(address: &Address, timeout: Duration) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_read_timeout(Some(timeout))?;
                Ok(Self::Tcp(stream))
            }
            Address::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(timeout))?;
                Ok(Self::Unix(stream))
            }
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            Self::Unix(stream) => stream.write_all(bytes),
        }
    }

    fn read_to_end(&mut self, received: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read_to_end(received),
            Self::Unix(stream) => stream.read_to_end(received),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

/// None if the framing is broken.
fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line_end = memchr::memmem::find(rest, b"\r\n")?;
        let size = std::str::from_utf8(&rest[..line_end]).ok()?;
        let size = usize::from_str_radix(size, 16).ok()?;
        rest = &rest[line_end + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_put_together() {
        assert_eq!(unchunked(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").unwrap(), b"abcde");
        assert_eq!(unchunked(b"3\r\nab"), None);
    }
}
