//! A server for tests: raw bytes on a loopback socket, one thread for all connections.
//!
//! A test gives a function from (number of the connection, request as text) to what is written,
//! and so can cut, stall or close at an exact byte. Connections are served one after the other.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::access::{Access, AccessOptions};
use crate::api::{Api, Limits};
use crate::credential::{Identity, Proof};

/// What happens after an answer was written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Keep,
    Close,
    /// As `Keep`, but it is written in so many pieces with a pause before each.
    Slowly(usize, Duration),
    /// Nothing more, until the client goes away.
    Hang,
}

pub(crate) struct FakeServer {
    pub(crate) address: SocketAddr,
    /// Number of the connection and the whole request.
    seen: Arc<Mutex<Vec<(usize, String)>>>,
}

impl FakeServer {
    pub(crate) fn start(
        mut answer: impl FnMut(usize, &str) -> (Vec<u8>, Then) + Send + 'static,
    ) -> FakeServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        std::thread::spawn(move || {
            for number in 0.. {
                let mut stream = listener.accept().unwrap().0;
                while let Some(request) = read_request(&mut stream) {
                    log.lock().unwrap().push((number, request.clone()));
                    let (bytes, then) = answer(number, &request);
                    let written = match then {
                        Then::Slowly(pieces, pause) => {
                            bytes.chunks(bytes.len().div_ceil(pieces)).try_for_each(|piece| {
                                #[expect(
                                    clippy::disallowed_methods,
                                    reason = "a slow server is what the test is about"
                                )]
                                std::thread::sleep(pause);
                                stream.write_all(piece)
                            })
                        }
                        _ => stream.write_all(&bytes),
                    };
                    // A client that stops reading closes.
                    if written.is_err() || then == Then::Close {
                        break;
                    }
                    if then == Then::Hang {
                        while stream.read(&mut [0; 1024]).is_ok_and(|length| length > 0) {}
                        break;
                    }
                }
            }
        });
        FakeServer { address, seen }
    }

    /// The first lines of all requests, each behind the number of its connection.
    pub(crate) fn lines(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let line = |(number, request): &(usize, String)| {
            format!("{number} {}", request.lines().next().unwrap_or_default())
        };
        seen.iter().map(line).collect()
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(_number, request)| request.clone()).collect()
    }

    /// A client for `path` on it that shows `proof`, which a real one does over TLS only.
    pub(crate) fn api(&self, path: &str, proof: Proof, limits: Limits) -> Api {
        let server = Some(format!("http://{}{path}", self.address));
        let options = AccessOptions { server, ..AccessOptions::default() };
        let mut access = Access::find(&options, |_name| None).unwrap();
        access.identity = Identity { proof, ..Identity::default() };
        Api::new(access, limits).unwrap()
    }
}

/// Answers that come late are a failure of the test, unless it has limits of its own.
pub(crate) fn patient() -> Limits {
    Limits { request_timeout: Duration::from_secs(20), ..Limits::default() }
}

/// A whole answer. `head` is the status, and other headers behind line ends.
pub(crate) fn answer(head: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        request.push(byte[0]);
    }
    let head = String::from_utf8(request).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).ok()?;
    Some(head + &String::from_utf8(body).unwrap())
}
