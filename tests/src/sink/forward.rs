//! A server of the Fluent forward protocol (`in_forward`), by its specification 1.5.
//!
//! In: a connection. Out: the messages on it, taken and acknowledged as the sink's [`Answer`] says.
//! It is strict: only PackedForward with the options that log-shipper documents is understood, and
//! rmpv says what the bytes mean. With a [`Door`] it speaks TLS, or asks for a shared key and a
//! user before it takes anything.

use std::io::{self, BufReader, Write};
use std::sync::Arc;
use std::time::Instant;

use base64::prelude::{BASE64_STANDARD, Engine};
use ring::digest::{Context, SHA512};
use rmpv::Value;
use rmpv::decode::read_value;
use rmpv::encode::write_value;
use rustls::ServerConfig;
use serde_json::Map;

use super::http::Request;
use super::protocol::Item;
use super::serving::{Wire, send, wait_for_close};
use super::{Answer, Record, Shared};

/// Different on both sides of a real connection; any bytes do.
const NONCE: &[u8] = b"\x00\xffnonce\x80";
const AUTH_SALT: &[u8] = b"\x01\xfesalt";
const HOST: &str = "receiver";

/// What a connection has to pass.
#[derive(Debug, Clone, Default)]
pub struct Door {
    pub tls: Option<Arc<ServerConfig>>,
    pub shared_key: Option<String>,
    /// Name and password; only asked for with a shared key.
    pub user: Option<(String, String)>,
}

/// Messages of one connection until it ends.
pub(super) fn serve(shared: &Shared, door: &Door, wire: &mut BufReader<Box<dyn Wire>>) {
    if let Some(key) = &door.shared_key
        && !shake_hands(wire, key, door.user.as_ref()).unwrap_or(false)
    {
        return;
    }
    while let Ok(message) = read_value(wire) {
        let (request, chunk, body) = match parse(message) {
            Ok(parsed) => parsed,
            Err(error) => return shared.malformed(error),
        };
        let answer = shared.next_answer();
        let mut decoded = Vec::new();
        let plain = match request.decode(&body, &mut decoded) {
            Ok(plain) => plain,
            Err(error) => return shared.malformed(error.to_string()),
        };
        let is_acknowledged = matches!(shared.take(&request, plain, answer), Some((200, _)));
        let ack = |chunk: &str| bytes(&Value::Map(vec![("ack".into(), chunk.into())]));
        let answered = match answer {
            Answer::Hang => wait_for_close(wire),
            Answer::WrongAck => wire.get_mut().write_all(&ack("AAAA")).is_ok(),
            Answer::HalfAck | Answer::CutAnswer => {
                let ack = ack(&chunk);
                let is_sent = send(wire, &ack[..ack.len() / 2]).is_ok();
                is_sent && answer == Answer::HalfAck && wait_for_close(wire)
            }
            _ => is_acknowledged && send(wire, &ack(&chunk)).is_ok(),
        };
        if !answered {
            return;
        }
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_value(&mut bytes, value).unwrap();
    bytes
}

/// Says whether the client knows the key and the user.
fn shake_hands(
    wire: &mut BufReader<Box<dyn Wire>>,
    key: &str,
    user: Option<&(String, String)>,
) -> io::Result<bool> {
    let auth = if user.is_some() { AUTH_SALT } else { b"" };
    let options = [
        ("nonce", Value::Binary(NONCE.to_vec())),
        ("auth", Value::Binary(auth.to_vec())),
        ("keepalive", Value::Boolean(true)),
    ];
    let options = options.into_iter().map(|(name, value)| (name.into(), value)).collect();
    send(wire, &bytes(&Value::Array(vec!["HELO".into(), Value::Map(options)])))?;
    let ping = read_value(wire).map_err(io::Error::other)?;
    let text = |at: usize| ping[at].as_str().unwrap_or_default().to_owned();
    let (host, salt) = (text(1), text(2));
    let digest_of = |host: &str| digest(&[salt.as_bytes(), host.as_bytes(), NONCE, key.as_bytes()]);
    let passes = match user {
        None => text(4).is_empty() && text(5).is_empty(),
        Some((name, password)) => {
            let expected = digest(&[AUTH_SALT, name.as_bytes(), password.as_bytes()]);
            text(4) == *name && text(5) == expected
        }
    };
    let knows = text(0) == "PING" && text(3) == digest_of(&host) && passes;
    let reason = if knows { "" } else { "shared_key mismatch" };
    // A server that refuses says no more of itself.
    let (host, proof) = if knows { (HOST, digest_of(HOST)) } else { ("", String::new()) };
    let pong: Vec<Value> =
        vec!["PONG".into(), knows.into(), reason.into(), host.into(), proof.into()];
    send(wire, &bytes(&Value::Array(pong)))?;
    Ok(knows)
}

fn digest(parts: &[&[u8]]) -> String {
    let mut context = Context::new(&SHA512);
    parts.iter().for_each(|part| context.update(part));
    context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A message as a request: its tag is the target, its options are headers. And its chunk.
fn parse(message: Value) -> Result<(Request, String, Vec<u8>), String> {
    let Value::Array(parts) = message else { return Err(format!("{message} is no array")) };
    let [Value::String(tag), Value::Binary(entries), Value::Map(options)] = &parts[..] else {
        return Err("a message is tag, entries as binary, and options".to_owned());
    };
    let (mut chunk, mut headers) = (None, Vec::new());
    for (name, value) in options {
        match (name.as_str().unwrap_or_default(), value) {
            ("chunk", Value::String(id)) => chunk = id.as_str().map(str::to_owned),
            ("size", Value::Integer(size)) => headers.push(("size".to_owned(), size.to_string())),
            ("compressed", Value::String(codec)) => {
                let codec = codec.as_str().unwrap_or_default().to_owned();
                headers.push(("content-encoding".to_owned(), codec));
            }
            (name, value) => return Err(format!("an option {name} of {value}")),
        }
    }
    let chunk = chunk.ok_or("a message without a chunk")?;
    let id = BASE64_STANDARD.decode(&chunk).map_err(|error| error.to_string())?;
    if id.len() != 16 {
        return Err(format!("a chunk of {} bytes", id.len()));
    }
    headers.push(("chunk".to_owned(), chunk.clone()));
    let target = tag.as_str().ok_or("a tag that is no text")?.to_owned();
    let body = entries.clone();
    let method = "FORWARD".to_owned();
    Ok((Request { method, target, headers, body_bytes: body.len() }, chunk, body))
}

/// The entries of a message.
pub(super) fn items(request: &Request, mut body: &[u8]) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    while !body.is_empty() {
        let entry = read_value(&mut body).map_err(|error| error.to_string())?;
        items.push(Item { id: None, record: record(entry)? });
    }
    match request.header("size") {
        Some(size) if size == items.len().to_string() => Ok(items),
        size => Err(format!("{} entries with the size {size:?}", items.len())),
    }
}

fn record(entry: Value) -> Result<Record, String> {
    let Some([Value::Ext(0, time), Value::Map(pairs)]) = entry.as_array().map(Vec::as_slice) else {
        return Err(format!("{entry} is no EventTime and map"));
    };
    let time: [u8; 8] = time[..].try_into().or(Err("EventTime has 8 bytes"))?;
    let (seconds, nanos) = (u64::from_be_bytes(time) >> 32, u64::from_be_bytes(time) & 0xffff_ffff);
    if nanos >= 1_000_000_000 {
        return Err(format!("{nanos} nanoseconds"));
    }
    let mut fields = Map::new();
    for (name, value) in pairs {
        let value = match value {
            Value::String(text) => text.as_str().ok_or("text that is not UTF-8")?.into(),
            Value::Integer(number) => number.as_u64().ok_or("a negative number")?.into(),
            Value::Boolean(truth) => (*truth).into(),
            other => return Err(format!("a field of {other}")),
        };
        let name = name.as_str().ok_or("a name that is no text")?;
        if fields.insert(name.to_owned(), value).is_some() {
            return Err(format!("two fields {name}"));
        }
    }
    let mut text = |name: &str| {
        let value = fields.remove(name).and_then(|value| Some(value.as_str()?.to_owned()));
        value.ok_or_else(|| format!("no field {name}"))
    };
    let (message, file) = (text("message")?, text("file")?);
    let offset = fields.remove("offset").and_then(|offset| offset.as_u64()).ok_or("no offset")?;
    let time = format!("{seconds}.{nanos:09}");
    Ok(Record { message, file, offset, time, fields, arrived: Instant::now() })
}
