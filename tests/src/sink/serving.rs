//! The sink's connections: accepted in threads, with TLS or without, until somebody ends them.
//!
//! In: a listener's address. Out: requests that were read to their end are taken, and answered as
//! the sink's [`Answer`] says. The protocols over HTTP are served here, forward by itself.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use rustls::{ServerConnection, StreamOwned};

use super::http::{self, read_request};
use super::{Answer, Protocol, Shared, forward};

/// Listens and accepts in a thread until the listener is shut down.
pub(super) fn listen(shared: &Arc<Shared>, address: SocketAddr) -> SocketAddr {
    let bind = || TcpListener::bind(address).ok().map(Arc::new);
    let listener = crate::pace::wait_for("the sink's port", crate::pace::SOON, bind);
    shared.lock().listener = Some(Arc::clone(&listener));
    let address = listener.local_addr().unwrap();
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        while let Ok((stream, _peer)) = listener.accept() {
            let mut state = shared.lock();
            if state.listener.is_none() {
                break;
            }
            state.connections.push(stream.try_clone().unwrap());
            drop(state);
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || serve(&shared, stream));
        }
    });
    address
}

/// A connection, with TLS or without.
pub(super) trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

/// One connection until it ends. A broken one is the sender's to handle.
fn serve(shared: &Shared, stream: TcpStream) {
    let socket = stream.try_clone().unwrap();
    let wire: Box<dyn Wire> = match &shared.door.tls {
        None => Box::new(stream),
        Some(config) => {
            let session = ServerConnection::new(Arc::clone(config)).unwrap();
            Box::new(StreamOwned::new(session, stream))
        }
    };
    let mut wire = BufReader::with_capacity(http::READ_BUFFER_BYTES, wire);
    match shared.protocol {
        Protocol::Forward => forward::serve(shared, &shared.door, &mut wire),
        _ => serve_http(shared, &mut wire),
    }
    // The sink holds the connection as well.
    drop(socket.shutdown(Shutdown::Both));
}

fn serve_http(shared: &Shared, wire: &mut BufReader<Box<dyn Wire>>) {
    let mut body = Vec::new();
    let mut decoded = Vec::new();
    while let Ok(Some(request)) = read_request(wire, &mut body) {
        let answer = shared.next_answer();
        let plain = match request.decode(&body, &mut decoded) {
            Ok(plain) => plain,
            Err(error) => return shared.malformed(error.to_string()),
        };
        let retry_after = match answer {
            Answer::Status(_, retry_after) => retry_after,
            _ => None,
        };
        let answered = match shared.take(&request, plain, answer) {
            Some((status, body)) => {
                let bytes = http::answer(status, retry_after, &body);
                let part = if answer == Answer::CutAnswer { bytes.len() / 2 } else { bytes.len() };
                send(wire, &bytes[..part]).is_ok() && answer != Answer::CutAnswer
            }
            None if answer == Answer::Hang => wait_for_close(wire),
            None => false,
        };
        if !answered {
            return;
        }
    }
}

pub(super) fn send(wire: &mut BufReader<Box<dyn Wire>>, bytes: &[u8]) -> io::Result<()> {
    wire.get_mut().write_all(bytes)?;
    wire.get_mut().flush()
}

/// Reads until the peer gives up. Always false: there was no answer.
pub(super) fn wait_for_close(reader: &mut impl Read) -> bool {
    drop(io::copy(reader, &mut io::sink()));
    false
}
