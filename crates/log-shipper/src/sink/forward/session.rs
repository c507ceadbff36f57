//! One connection to a server that speaks the forward protocol.
//!
//! In: messages as bytes, and a deadline for each step. Out: what the server says, or the refusal
//! that it amounts to. After any of these the connection is of no use and is dropped: whether the
//! server has taken a message that it did not answer, nobody knows.
//!
//! The handshake shows both sides that the other one knows the shared key, without sending it:
//!
//! ```text
//! server: [HELO, {nonce, auth}]
//! client: [PING, host, salt, SHA-512(salt + host + nonce + key),
//!          user, SHA-512(auth + user + password)]
//! server: [PONG, result, reason, host, SHA-512(salt + host + nonce + key)]
//! ```

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use net::Stream;
use ring::digest::{Context, SHA512};
use rmp::encode;
use rmpv::Value;
use rmpv::decode::read_value_with_max_depth;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::{IN_MEMORY, string};
use crate::sink::http::{detail, refused};
use crate::sink::{Answer, Refusal};

/// Of one answer; a server that sends more speaks another protocol.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Arrays and maps within each other in an answer.
const ANSWER_DEPTH_MAX: usize = 8;

pub(super) struct Session {
    stream: Box<dyn Stream>,
    /// Bytes of answers that are not complete.
    received: BytesMut,
}

impl Session {
    pub(super) fn new(stream: Box<dyn Stream>) -> Session {
        Session { stream, received: BytesMut::new() }
    }

    /// False if the server has closed the connection, or said something that nobody asked for.
    pub(super) async fn is_open(&mut self) -> bool {
        // Let the runtime look at the sockets once: what it knows may date from the last batch.
        tokio::task::yield_now().await;
        let read = self.stream.read_buf(&mut self.received);
        timeout(Duration::ZERO, read).await.is_err() && self.received.is_empty()
    }

    pub(super) async fn write(
        &mut self,
        mut bytes: impl Buf,
        deadline: Instant,
    ) -> Result<(), Answer> {
        let write = async {
            self.stream.write_all_buf(&mut bytes).await?;
            self.stream.flush().await
        };
        by(deadline, write).await
    }

    /// The next chunk that the server acknowledges.
    pub(super) async fn acknowledged(&mut self, deadline: Instant) -> Result<String, Answer> {
        let answer = self.answer(deadline).await?;
        if let Some(chunk) = field(&answer, "ack").and_then(Value::as_str) {
            return Ok(chunk.to_owned());
        }
        let (why, what) = match answer[0].as_str() {
            Some("HELO") => (Refusal::Unauthorized, "the server asks for a shared key"),
            _ => (Refusal::Interrupted, "the answer is no acknowledgement"),
        };
        Err(refused(why, what.to_owned()))
    }

    /// Shows that we know the key, and demands the same. `user` is `USER:PASSWORD`.
    pub(super) async fn shake_hands(
        &mut self,
        key: &str,
        user: Option<&str>,
        salt: &[u8],
        deadline: Instant,
    ) -> Result<(), Answer> {
        let unauthorized = |what: &str| refused(Refusal::Unauthorized, what.to_owned());
        let helo = self.answer(deadline).await?;
        if helo[0].as_str() != Some("HELO") {
            return Err(unauthorized("the server begins with something else than HELO"));
        }
        let nonce = field(&helo[1], "nonce").and_then(bytes_of).unwrap_or_default();
        let auth = field(&helo[1], "auth").and_then(bytes_of).unwrap_or_default();
        let (name, password) = match (auth, user.and_then(|user| user.split_once(':'))) {
            ([], _) => ("", String::new()),
            (_, None) => return Err(unauthorized("the server asks for a user and a password")),
            (_, Some((name, password))) => {
                (name, digest([auth, name.as_bytes(), password.as_bytes(), &[]]))
            }
        };
        let salt = hex(salt);
        let uname = rustix::system::uname();
        let host = uname.nodename().to_string_lossy();
        let of = |host: &str| digest([salt.as_bytes(), host.as_bytes(), nonce, key.as_bytes()]);
        let mut ping = Vec::new();
        encode::write_array_len(&mut ping, 6).expect(IN_MEMORY);
        for text in ["PING", &host, &salt, &of(&host), name, &password] {
            string(&mut ping, text);
        }
        self.write(&ping[..], deadline).await?;
        let pong = self.answer(deadline).await?;
        if pong[0].as_str() != Some("PONG") || pong[1].as_bool() != Some(true) {
            let said = pong[2].as_str().unwrap_or_default();
            let what = format!("the server refuses the shared key: {}", detail(said.as_bytes()));
            return Err(refused(Refusal::Unauthorized, what));
        }
        let server = pong[3].as_str().unwrap_or_default();
        if server == host || pong[4].as_str() != Some(&of(server)) {
            // Under our own name it would only say what we said.
            return Err(unauthorized("the server does not know the shared key"));
        }
        Ok(())
    }

    async fn answer(&mut self, deadline: Instant) -> Result<Value, Answer> {
        let answer = async {
            loop {
                if let Some(answer) = decode(&mut self.received)? {
                    return Ok(answer);
                }
                if self.received.len() >= ANSWER_BYTES_MAX {
                    return Err(io::Error::other("the answer is too long"));
                }
                if self.stream.read_buf(&mut self.received).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        };
        by(deadline, answer).await
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

async fn by<T>(deadline: Instant, step: impl Future<Output = io::Result<T>>) -> Result<T, Answer> {
    match timeout_at(deadline, step).await {
        Ok(done) => done.map_err(|error| refused(Refusal::Interrupted, error.to_string())),
        Err(_elapsed) => Err(refused(Refusal::Timeout, "no answer in time".to_owned())),
    }
}

/// Takes the first answer off; `None` while it is not complete.
fn decode(received: &mut BytesMut) -> io::Result<Option<Value>> {
    let mut rest = &received[..];
    match read_value_with_max_depth(&mut rest, ANSWER_DEPTH_MAX) {
        Ok(answer) => {
            let left = rest.len();
            received.advance(received.len() - left);
            Ok(Some(answer))
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
    }
}

fn field<'a>(map: &'a Value, key: &str) -> Option<&'a Value> {
    let fields = map.as_map()?;
    fields.iter().find(|(name, _value)| name.as_str() == Some(key)).map(|(_name, value)| value)
}

/// A string or binary, as servers differ.
fn bytes_of(value: &Value) -> Option<&[u8]> {
    match value {
        Value::String(text) => Some(text.as_bytes()),
        Value::Binary(bytes) => Some(bytes),
        _ => None,
    }
}

/// SHA-512 of all parts, as the protocol writes it.
fn digest(parts: [&[u8]; 4]) -> String {
    let mut context = Context::new(&SHA512);
    parts.iter().for_each(|part| context.update(part));
    hex(context.finish().as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
