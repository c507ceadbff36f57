//! HELLO, AUTH and RESET: who a client is and which protocol it speaks.
//!
//! A HELLO that is refused changes nothing, as in Redis 7.2 and later: name, password and protocol
//! are looked at first and take effect together. Passwords are compared in a time that does not
//! tell how much of one was right.

use resp::{Protocol, write};

use super::client::{NAME_REFUSED, is_clean};
use super::{Call, Facts, Replies, SYNTAX_ERROR, Session};
use crate::config::PoolConfig;

/// The only user there is.
const USER: &[u8] = b"default";
const WRONG_PASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";
/// What twemproxy says to `AUTH password`, the only form that it knows.
const WRONG_PASSWORD: &str = "ERR invalid password";
const NO_PASSWORD: &str = "ERR Client sent AUTH, but no password is set";
const NO_PROTOCOL: &str = "NOPROTO unsupported protocol version";
const NO_NUMBER: &str = "ERR Protocol version is not an integer or out of range";
const NO_AUTH: &str = "NOAUTH HELLO must be called with the client already authenticated, \
    otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and \
    select the RESP protocol version at the same time";

pub(super) fn auth(call: Call<'_>, session: &mut Session, pool: &PoolConfig, out: &mut Vec<u8>) {
    let refused = match (call.argc, &pool.auth) {
        (2, None) => Some(NO_PASSWORD),
        (2, Some(_)) => (!is_right(pool, USER, call.arg(1))).then_some(WRONG_PASSWORD),
        (3, _) => (!is_right(pool, call.arg(1), call.arg(2))).then_some(WRONG_PASS),
        _ => Some(SYNTAX_ERROR),
    };
    match refused {
        Some(text) => write::error(out, text),
        None => {
            session.authenticated = true;
            write::simple(out, "OK");
        }
    }
}

pub(super) fn hello(call: Call<'_>, session: &mut Session, facts: &Facts<'_>, out: &mut Vec<u8>) {
    match read_hello(call, session, facts.pool) {
        Err(text) => write::error_bytes(out, &text),
        Ok(Hello { protocol, authenticates, name }) => {
            session.authenticated |= authenticates;
            session.protocol = protocol.unwrap_or(session.protocol);
            if let Some(name) = name {
                session.name = name.into();
            }
            greet(session, facts, out);
        }
    }
}

/// As a new connection, but for its number and the library that it named.
pub(super) fn reset(session: &mut Session, pool: &PoolConfig) {
    session.protocol = Protocol::Resp2;
    session.authenticated = pool.auth.is_none();
    session.replies = Replies::On;
    session.name = Box::default();
    session.no_touch = false;
}

/// What a HELLO asks for.
struct Hello<'a> {
    /// `None`: the same as before.
    protocol: Option<Protocol>,
    authenticates: bool,
    name: Option<&'a [u8]>,
}

fn read_hello<'a>(
    call: Call<'a>,
    session: &Session,
    pool: &PoolConfig,
) -> Result<Hello<'a>, Vec<u8>> {
    let mut hello = Hello { protocol: None, authenticates: false, name: None };
    if call.argc > 1 {
        let version = std::str::from_utf8(call.arg(1)).ok().and_then(|text| text.parse().ok());
        hello.protocol = Some(match version {
            Some(2_i64) => Protocol::Resp2,
            Some(3) => Protocol::Resp3,
            Some(_) => return Err(NO_PROTOCOL.into()),
            None => return Err(NO_NUMBER.into()),
        });
    }
    let mut credentials = None;
    let mut at = 2;
    while at < call.argc {
        let left = call.argc - at - 1;
        if call.is(at, "auth") && left >= 2 {
            credentials = Some((call.arg(at + 1), call.arg(at + 2)));
            at += 3;
        } else if call.is(at, "setname") && left >= 1 {
            hello.name = Some(call.arg(at + 1));
            at += 2;
        } else {
            let option = call.arg(at);
            return Err([b"ERR Syntax error in HELLO option '", option, b"'"].concat());
        }
    }
    if hello.name.is_some_and(|name| !is_clean(name)) {
        return Err(NAME_REFUSED.into());
    }
    match credentials {
        Some((user, password)) if !is_right(pool, user, password) => Err(WRONG_PASS.into()),
        None if !session.authenticated => Err(NO_AUTH.into()),
        _ => Ok(Hello { authenticates: credentials.is_some(), ..hello }),
    }
}

fn greet(session: &Session, facts: &Facts<'_>, out: &mut Vec<u8>) {
    let text = |out: &mut Vec<u8>, name: &str, value: &str| {
        write::bulk(out, name.as_bytes());
        write::bulk(out, value.as_bytes());
    };
    let number = |out: &mut Vec<u8>, name: &str, value: u64| {
        write::bulk(out, name.as_bytes());
        write::integer(out, i64::try_from(value).unwrap_or(i64::MAX));
    };
    write::map_header(out, session.protocol, 7);
    text(out, "server", "redis");
    text(out, "version", facts.version);
    number(out, "proto", if session.protocol == Protocol::Resp3 { 3 } else { 2 });
    number(out, "id", session.id);
    text(out, "mode", "standalone");
    text(out, "role", "master");
    write::bulk(out, b"modules");
    write::array_header(out, 0);
}

/// Without a password, any is right.
fn is_right(pool: &PoolConfig, user: &[u8], password: &[u8]) -> bool {
    let is_same = pool.auth.as_ref().is_none_or(|auth| same(password, auth.expose().as_bytes()));
    user == USER && is_same
}

/// Takes a time that depends on the length of `given` only.
fn same(given: &[u8], secret: &[u8]) -> bool {
    let mut differs = u8::from(given.len() != secret.len());
    for (index, byte) in given.iter().enumerate() {
        let of_secret = secret.get(index % secret.len().max(1)).copied().unwrap_or(0);
        differs = std::hint::black_box(differs | (byte ^ of_secret));
    }
    differs == 0
}
