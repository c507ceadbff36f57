//! The connections of a sink: a thread accepts, and one for each connection reads requests, has
//! them taken and writes the answers.

use std::io::{BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use super::http::{self, read_request};
use super::{Answer, Shared};

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

/// Requests of one connection until it ends. A broken connection is the sender's to handle.
fn serve(shared: &Shared, stream: TcpStream) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::with_capacity(http::READ_BUFFER_BYTES, stream);
    let mut body = Vec::new();
    let mut decoded = Vec::new();
    while let Ok(Some(request)) = read_request(&mut reader, &mut body) {
        let answer = shared.next_answer();
        let plain = match request.decode(&body, &mut decoded) {
            Ok(plain) => plain,
            Err(error) => {
                shared.lock().malformed = Some(error.to_string());
                return;
            }
        };
        let answered = match shared.take(&request, plain, answer) {
            Some(bytes) => writer.write_all(&bytes).is_ok(),
            None if answer == Answer::Hang => wait_for_close(&mut reader),
            None => false,
        };
        if !answered {
            drop(writer.shutdown(Shutdown::Both));
            return;
        }
    }
}

/// Reads until the peer gives up. Always false: there was no answer.
fn wait_for_close(reader: &mut impl std::io::Read) -> bool {
    drop(std::io::copy(reader, &mut std::io::sink()));
    false
}
