//! What access logs say, whatever their order.
//!
//! In: raw values of an access log. Out: fields. `-` and nothing are what servers write for what is
//! not there: such a value becomes no field. Escapes are decoded if text comes out; bytes that are
//! none, such as the beginning of a TLS handshake, and control characters stay as the server wrote
//! them, which loses nothing and cannot harm a terminal.

use std::borrow::Cow;

use memchr::memchr;
use nginx_log::{Escape, RequestLine};

use crate::name::{METHOD, Name, PATH, QUERY, REQUEST, TARGET, VERSION};
use crate::{Fields, Value, json, near};

/// What is known of a variable's values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Integer,
    /// Such as `0.003`; or a list, if there were several upstreams.
    Seconds,
    Text,
}

impl Kind {
    /// By the name of the variable.
    pub(super) fn of(variable: &str) -> Kind {
        match variable {
            "status"
            | "body_bytes_sent"
            | "bytes_sent"
            | "request_length"
            | "remote_port"
            | "server_port"
            | "connection"
            | "connection_requests"
            | "pid"
            | "tid" => Kind::Integer,
            "request_time"
            | "upstream_response_time"
            | "upstream_connect_time"
            | "upstream_header_time"
            | "upstream_queue_time" => Kind::Seconds,
            _ => Kind::Text,
        }
    }
}

/// The value as what it should be, or as text if it is something else.
pub(super) fn value_of(kind: Kind, raw: &str) -> Value<'_> {
    let is_number =
        |digits: &str| digits.bytes().all(|it| it.is_ascii_digit()) && !digits.is_empty();
    match kind {
        Kind::Integer if is_number(raw) => {
            near::number(raw.as_bytes()).map_or(Value::from(raw), Value::Integer)
        }
        Kind::Seconds => {
            let (whole, fraction) = raw.split_once('.').unwrap_or((raw, "0"));
            let leads_with_zero = whole.len() > 1 && whole.starts_with('0');
            match is_number(whole) && is_number(fraction) && !leads_with_zero {
                true => Value::Number(raw),
                false => Value::from(raw),
            }
        }
        Kind::Integer | Kind::Text => Value::from(raw),
    }
}

/// What a value is written with: none if there is no backslash in it or in its line.
pub(super) type Escapes = Option<Escape>;

/// A text.
#[inline(always)]
pub(super) fn push_text<'a>(
    name: &'static Name,
    raw: &'a str,
    escapes: Escapes,
    fields: &mut Fields<'a>,
) {
    if !matches!(raw, "" | "-") {
        fields.push(name, Value::Text(decode(raw, escapes)));
    }
}

/// A number, or whatever stands there instead.
pub(super) fn push_number<'a>(
    name: &'static Name,
    kind: Kind,
    raw: &'a str,
    fields: &mut Fields<'a>,
) {
    if !matches!(raw, "" | "-") {
        fields.push(name, value_of(kind, raw));
    }
}

/// `GET /path?query HTTP/1.1`, or what a client sent instead.
pub(super) fn push_request<'a>(raw: &'a str, escapes: Escapes, fields: &mut Fields<'a>) {
    let Some((method, target, protocol)) = request_parts(raw) else {
        push_text(&REQUEST, raw, escapes, fields);
        return;
    };
    fields.push(&METHOD, Value::from(method));
    push_target(target, escapes, fields);
    push_protocol(protocol, fields);
}

/// What a request asks for: path and query, or the whole if it is no path.
#[inline(always)]
pub(super) fn push_target<'a>(raw: &'a str, escapes: Escapes, fields: &mut Fields<'a>) {
    if !raw.starts_with('/') {
        push_text(&TARGET, raw, escapes, fields);
        return;
    }
    let Some((path, query)) = near::split(raw, b'?') else {
        fields.push(&PATH, Value::Text(decode(raw, escapes)));
        return;
    };
    fields.push(&PATH, Value::Text(decode(path, escapes)));
    push_text(&QUERY, query, escapes, fields);
}

/// The version in `HTTP/1.1`; that of HTTP/2.0 and 3.0 is 2 and 3.
#[inline(always)]
pub(super) fn push_protocol<'a>(raw: &'a str, fields: &mut Fields<'a>) {
    let version = match raw {
        "HTTP/1.1" => "1.1",
        "HTTP/2.0" => "2",
        "HTTP/3.0" => "3",
        other => other.strip_prefix("HTTP/").unwrap_or(other),
    };
    push_text(&VERSION, version, None, fields);
}

/// Method, target and protocol, the latter empty in HTTP/0.9.
#[inline(always)]
fn request_parts(raw: &str) -> Option<(&str, &str, &str)> {
    let parts = RequestLine::parse(raw.as_bytes())?;
    let target = parts.method.len() + 1;
    let protocol = target + parts.target.len();
    let behind = raw.get(protocol + 1..).unwrap_or("");
    Some((raw.get(..target - 1)?, raw.get(target..protocol)?, behind))
}

#[inline(always)]
fn decode(raw: &str, escapes: Escapes) -> Cow<'_, str> {
    match escapes {
        None => Cow::Borrowed(raw),
        Some(escape) => decode_as(raw, escape),
    }
}

fn decode_as(raw: &str, escape: Escape) -> Cow<'_, str> {
    let decoded = match escape {
        Escape::Default => decode_hex(raw),
        Escape::Json => json::unescape(raw),
        Escape::None => None,
    };
    decoded.filter(|text| !text.contains(char::is_control)).unwrap_or(Cow::Borrowed(raw))
}

/// Decodes `\xHH`, and `\"` and `\\` of Apache; none if that is no text.
fn decode_hex(raw: &str) -> Option<Cow<'_, str>> {
    let first = memchr(b'\\', raw.as_bytes())?;
    let (plain, mut rest) = raw.as_bytes().split_at(first);
    let mut bytes = plain.to_vec();
    while let Some((byte, behind)) = rest.split_first() {
        (rest, _) = (behind, bytes.push(*byte));
        if *byte != b'\\' {
            continue;
        }
        let last = bytes.last_mut()?;
        (*last, rest) = match behind {
            [special @ (b'"' | b'\\'), behind @ ..] => (*special, behind),
            [b'x', high, low, behind @ ..] => {
                let digit = |digit: &u8| char::from(*digit).to_digit(16);
                let byte = u8::try_from(digit(high)? << 4 | digit(low)?).ok()?;
                (byte, behind)
            }
            _ => return None,
        };
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}
