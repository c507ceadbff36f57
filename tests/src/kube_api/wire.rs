//! Sockets of the fake servers: plain or TLS, a thread for each connection, answers cut anywhere.
//!
//! In goes a function from a request to a [`Reaction`], out comes a server that runs until it is
//! dropped. Connections are kept for more requests, as API servers do, and large bodies go out in
//! chunks. What goes wrong with a connection is what a test is about, so it only ends that
//! connection.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::answer::{Answer, Fault};
use crate::certificates::{Authority, Pair};
use crate::sink::http::{Request, read_request};

/// Bodies above this are sent in chunks, without a length.
const WHOLE_BYTES_MAX: usize = 4096;
const CHUNK_BYTES: usize = 32 * 1024;

/// What a server does with a request.
#[derive(Debug)]
pub(super) enum Reaction {
    Answer(Answer),
    /// The answer as this fault leaves it.
    Faulty(Answer, Fault),
}

/// A request and who sent it.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) request: &'a Request,
    pub(super) body: &'a [u8],
    /// The client's certificate, as DER.
    pub(super) certificate: Option<Vec<u8>>,
}

/// Listens until it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
}

enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Server {
    /// `tls` makes it HTTPS.
    pub(super) fn start(
        address: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        react: impl Fn(&Call<'_>) -> Reaction + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let (react, over) = (Arc::new(react), Arc::clone(&ended));
        thread::spawn(move || {
            while let Ok((stream, _peer)) = listener.accept() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (tls, react) = (tls.clone(), Arc::clone(&react));
                thread::spawn(move || drop(serve(stream, tls, &*react)));
            }
        });
        Self { address, ended }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the accepting thread.
        drop(TcpStream::connect(self.address));
    }
}

/// A configuration that shows `pair` and knows the client certificates of `clients`.
pub(super) fn tls(pair: &Pair, clients: Option<&Authority>) -> Arc<ServerConfig> {
    let mut config = pair.server_config(clients);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

fn serve(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    react: &dyn Fn(&Call<'_>) -> Reaction,
) -> io::Result<()> {
    let mut reader = BufReader::new(Wire::new(stream, tls)?);
    let mut body = Vec::new();
    while let Some(request) = read_request(&mut reader, &mut body)? {
        let certificate = reader.get_ref().certificate();
        let last = request.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
        let wire = reader.get_mut();
        match react(&Call { request: &request, body: &body, certificate }) {
            Reaction::Answer(answer) => wire.write_all(&answer.encoded())?,
            Reaction::Faulty(answer, fault) => {
                if !give_faulty(wire, answer, &fault)? {
                    return Ok(());
                }
            }
        }
        wire.flush()?;
        if last {
            return wire.end();
        }
    }
    Ok(())
}

/// False: the connection ends.
fn give_faulty(wire: &mut Wire, answer: Answer, fault: &Fault) -> io::Result<bool> {
    match fault {
        Fault::Silent => {
            wire.until_closed()?;
            Ok(false)
        }
        Fault::Stalled(length) => {
            wire.write_all(&answer.cut(*length))?;
            wire.flush()?;
            wire.until_closed()?;
            Ok(false)
        }
        Fault::Truncated(length) => {
            wire.write_all(&answer.cut(*length))?;
            wire.end()?;
            Ok(false)
        }
        Fault::Reset => {
            set_socket_linger(wire.socket().as_fd(), Some(Duration::ZERO))?;
            Ok(false)
        }
        changed => {
            wire.write_all(&answer.changed(changed).encoded())?;
            Ok(true)
        }
    }
}

impl Answer {
    /// Head and body as they go over the wire.
    fn encoded(&self) -> Vec<u8> {
        let mut bytes = self.head().into_bytes();
        self.append_body(&mut bytes, self.body.len());
        if self.is_chunked() {
            bytes.extend(b"0\r\n\r\n");
        }
        bytes
    }

    /// The same with only so many bytes of the body, and no end.
    fn cut(&self, length: usize) -> Vec<u8> {
        let mut bytes = self.head().into_bytes();
        self.append_body(&mut bytes, length.min(self.body.len()));
        bytes
    }

    fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} Fake\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.is_chunked() {
            head.push_str("transfer-encoding: chunked\r\n\r\n");
        } else {
            head.push_str(&format!("content-length: {}\r\n\r\n", self.body.len()));
        }
        head
    }

    fn is_chunked(&self) -> bool {
        self.body.len() > WHOLE_BYTES_MAX
    }

    fn append_body(&self, bytes: &mut Vec<u8>, length: usize) {
        let body = &self.body[..length];
        if !self.is_chunked() {
            bytes.extend_from_slice(body);
            return;
        }
        for chunk in body.chunks(CHUNK_BYTES) {
            bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend(b"\r\n");
        }
    }
}

impl Wire {
    fn new(stream: TcpStream, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        match tls {
            None => Ok(Self::Plain(stream)),
            Some(config) => {
                let connection = ServerConnection::new(config).map_err(io::Error::other)?;
                Ok(Self::Tls(Box::new(StreamOwned::new(connection, stream))))
            }
        }
    }

    fn certificate(&self) -> Option<Vec<u8>> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => {
                stream.conn.peer_certificates()?.first().map(|first| first.to_vec())
            }
        }
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }

    /// Without the end that TLS has, as when a machine goes away.
    fn end(&mut self) -> io::Result<()> {
        self.flush()?;
        self.socket().shutdown(std::net::Shutdown::Write)?;
        self.until_closed()
    }

    fn until_closed(&mut self) -> io::Result<()> {
        let mut rest = [0; 1024];
        while self.read(&mut rest)? > 0 {}
        Ok(())
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            #[expect(clippy::disallowed_methods, reason = "this is the trait that write_all needs")]
            Self::Plain(stream) => stream.write(bytes),
            #[expect(clippy::disallowed_methods, reason = "this is the trait that write_all needs")]
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
