//! A server that gives wrong answers: what an nginx, or what stands before it, may do at its worst.
//!
//! Each connection reads one request head and then does what the standing [`Reply`] says, byte for
//! byte, so that a test can break an answer wherever it likes. TCP or unix socket, a thread per
//! connection; the threads end when the other side closes or the upstream is dropped.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use crate::pace::pause;

/// A page as nginx 1.22 writes it.
pub const PAGE: &str = "Active connections: 291 \nserver accepts handled requests\n \
                        16630948 16630946 31070465 \nReading: 6 Writing: 179 Waiting: 106 \n";

const HEAD_BYTES_MAX: usize = 64 * 1024;
const ENDLESS_CHUNK_BYTES: usize = 64 * 1024;

/// What happens after a request has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A whole answer; the connection is kept for more requests.
    Keep(Vec<u8>),
    /// These bytes, then the end of the stream.
    Close(Vec<u8>),
    /// These bytes, then nothing until the other side closes.
    Silence(Vec<u8>),
    /// These bytes one by one, so far apart.
    Drip(Vec<u8>, Duration),
    /// These bytes, then line after line for ever.
    Endless(Vec<u8>),
    /// These bytes, then a reset instead of an end.
    Reset(Vec<u8>),
}

/// A running server; it stops to listen with the test.
#[derive(Debug)]
pub struct Upstream {
    shared: Arc<Shared>,
    address: Option<SocketAddr>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    reply: Reply,
    /// Used up before `reply` counts.
    first: VecDeque<Reply>,
    requests: Vec<String>,
    connections: usize,
    ended: bool,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Reply {
    /// 200 with a length, kept alive.
    pub fn page(body: &str) -> Self {
        Self::Keep(answer("200 OK", "", body))
    }
}

/// A whole answer with a length; each line of `headers` ends with CR LF.
pub fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes()
}

impl Upstream {
    /// On a free loopback port.
    pub fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let accept = move || listener.accept().map(|(stream, _peer)| Stream::Tcp(stream));
        Self::run(reply, Some(address), accept)
    }

    /// On a unix socket.
    pub fn start_unix(path: &Path, reply: Reply) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let accept = move || listener.accept().map(|(stream, _peer)| Stream::Unix(stream));
        Self::run(reply, None, accept)
    }

    fn run(
        reply: Reply,
        address: Option<SocketAddr>,
        accept: impl Fn() -> io::Result<Stream> + Send + 'static,
    ) -> Self {
        let state = State {
            reply,
            first: VecDeque::new(),
            requests: Vec::new(),
            connections: 0,
            ended: false,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            while let Ok(stream) = accept() {
                if accepting.lock().ended {
                    return;
                }
                accepting.lock().connections += 1;
                let shared = Arc::clone(&accepting);
                // What goes wrong with a connection is what the test is about.
                std::thread::spawn(move || drop(serve(stream, &shared)));
            }
        });
        Self { shared, address }
    }

    pub fn address(&self) -> SocketAddr {
        self.address.expect("not asked of a unix socket")
    }

    /// As a scrape URI.
    pub fn uri(&self) -> String {
        format!("http://{}/stub_status", self.address())
    }

    /// The standing reply, from the next request on.
    pub fn set(&self, reply: Reply) {
        self.shared.lock().reply = reply;
    }

    /// Replies for the next requests, one each, before the standing one counts.
    pub fn set_first(&self, replies: impl IntoIterator<Item = Reply>) {
        self.shared.lock().first.extend(replies);
    }

    /// The heads of the requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.shared.lock().requests.clone()
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.lock().connections
    }

    /// Waits until so many requests have been read.
    pub fn wait_requests(&self, count: usize, deadline: Duration) {
        let state = self.shared.lock();
        let short = |state: &mut State| state.requests.len() < count;
        let waited = self.shared.changed.wait_timeout_while(state, deadline, short).unwrap();
        assert!(!waited.1.timed_out(), "{} of {count} requests", waited.0.requests.len());
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        // Wakes the accepting thread; a unix socket goes with the folder of the test.
        if let Some(address) = self.address {
            drop(TcpStream::connect(address));
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_reply(&self, head: String) -> Reply {
        let mut state = self.lock();
        state.requests.push(head);
        self.changed.notify_all();
        state.first.pop_front().unwrap_or_else(|| state.reply.clone())
    }
}

fn serve(mut stream: Stream, shared: &Shared) -> io::Result<()> {
    while let Some(head) = read_head(&mut stream)? {
        let last = head.to_ascii_lowercase().contains("\r\nconnection: close");
        match shared.next_reply(head) {
            Reply::Keep(bytes) => {
                stream.write_all(&bytes)?;
                if last {
                    return stream.end();
                }
            }
            Reply::Close(bytes) => {
                stream.write_all(&bytes)?;
                return stream.end();
            }
            Reply::Silence(bytes) => {
                stream.write_all(&bytes)?;
                return stream.until_closed();
            }
            Reply::Drip(bytes, gap) => {
                for byte in bytes {
                    stream.write_all(&[byte])?;
                    pause(gap);
                }
                return stream.end();
            }
            Reply::Endless(bytes) => {
                stream.write_all(&bytes)?;
                let lines = b"Active connections: 1 \n".repeat(ENDLESS_CHUNK_BYTES / 23);
                while !shared.lock().ended {
                    stream.write_all(&lines)?;
                }
                return Ok(());
            }
            Reply::Reset(bytes) => {
                stream.write_all(&bytes)?;
                set_socket_linger(stream.as_fd(), Some(Duration::ZERO))?;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// None at the end of the stream.
fn read_head(stream: &mut Stream) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 || head.len() > HEAD_BYTES_MAX {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    Ok(Some(String::from_utf8_lossy(&head).into_owned()))
}

impl Stream {
    /// Half-closes and waits for the other side, so that nothing on its way is cut off.
    fn end(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write)?,
            Self::Unix(stream) => stream.shutdown(Shutdown::Write)?,
        }
        self.until_closed()
    }

    fn until_closed(&mut self) -> io::Result<()> {
        let mut rest = [0; 1024];
        while self.read(&mut rest)? > 0 {}
        Ok(())
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            #[expect(clippy::disallowed_methods, reason = "this is the trait that write_all needs")]
            Self::Tcp(stream) => stream.write(bytes),
            #[expect(clippy::disallowed_methods, reason = "this is the trait that write_all needs")]
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Request;
    use crate::pace::SOON;

    #[test]
    fn replies_are_given_in_order() {
        let upstream = Upstream::start(Reply::page(PAGE));
        let closed = Reply::Close(answer("404 Not Found", "", "gone"));
        upstream.set_first([closed, Reply::Reset(b"HTTP/1.1 2".to_vec())]);
        let ask = || Request::get("/stub_status").send(&upstream.address().into());
        assert_eq!(ask().unwrap().status, 404);
        assert!(ask().is_err());
        upstream.wait_requests(2, SOON);
        assert!(upstream.requests()[0].starts_with("GET /stub_status HTTP/1.1\r\n"));
    }
}
