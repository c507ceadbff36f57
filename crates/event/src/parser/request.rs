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
use crate::{Fields, Value, json};

/// What a line's values are written with: none if there is no backslash in the line.
pub(super) type Escapes = Option<Escape>;

/// A text.
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

/// A whole number, or whatever stands there instead.
pub(super) fn push_integer<'a>(name: &'static Name, raw: &'a str, fields: &mut Fields<'a>) {
    match nginx_log::integer(raw.as_bytes()).map(i64::try_from) {
        Some(Ok(number)) => fields.push(name, Value::Integer(number)),
        _ => push_text(name, raw, None, fields),
    }
}

/// Seconds such as `0.003`; the lists of several upstreams are text.
pub(super) fn push_seconds<'a>(name: &'static Name, raw: &'a str, fields: &mut Fields<'a>) {
    let (whole, fraction) = raw.split_once('.').unwrap_or((raw, "0"));
    let is_number =
        |digits: &str| digits.bytes().all(|it| it.is_ascii_digit()) && !digits.is_empty();
    let leads_with_zero = whole.len() > 1 && whole.starts_with('0');
    match is_number(whole) && is_number(fraction) && !leads_with_zero {
        true => fields.push(name, Value::Number(raw)),
        false => push_text(name, raw, None, fields),
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
pub(super) fn push_target<'a>(raw: &'a str, escapes: Escapes, fields: &mut Fields<'a>) {
    if !raw.starts_with('/') {
        push_text(&TARGET, raw, escapes, fields);
        return;
    }
    let end = memchr(b'?', raw.as_bytes()).unwrap_or(raw.len());
    let (path, query) = raw.split_at_checked(end).unwrap_or((raw, ""));
    fields.push(&PATH, Value::Text(decode(path, escapes)));
    if let Some(query) = query.strip_prefix('?') {
        push_text(&QUERY, query, escapes, fields);
    }
}

/// The version in `HTTP/1.1`; that of HTTP/2.0 and 3.0 is 2 and 3.
pub(super) fn push_protocol<'a>(raw: &'a str, fields: &mut Fields<'a>) {
    let version = raw.trim_start_matches(' ').strip_prefix("HTTP/").unwrap_or(raw);
    let version = match version {
        "2.0" => "2",
        "3.0" => "3",
        other => other,
    };
    push_text(&VERSION, version, None, fields);
}

fn request_parts(raw: &str) -> Option<(&str, &str, &str)> {
    let parts = RequestLine::parse(raw.as_bytes())?;
    let (method, rest) = raw.split_at_checked(parts.method.len())?;
    let (target, protocol) = rest.strip_prefix(' ')?.split_at_checked(parts.target.len())?;
    Some((method, target, protocol))
}

fn decode(raw: &str, escapes: Escapes) -> Cow<'_, str> {
    let decoded = match escapes {
        Some(Escape::Default) => decode_hex(raw),
        Some(Escape::Json) => json::unescape(raw),
        Some(Escape::None) | None => None,
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
