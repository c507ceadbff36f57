//! Access logs of nginx and Apache in the forms `combined` and `common`.
//!
//! In: `ADDRESS IDENT USER [TIME] "REQUEST" STATUS BYTES`, then nothing, or `"REFERER" "AGENT"`,
//! then nothing, or one more quoted value, the forwarded addresses of the format `main` in the
//! nginx.conf that nginx is delivered with. Out: fields. One walk from left to right, a search for
//! each delimiter; no pattern, because what captures groups costs twenty times as much, and not the
//! general cutter of formats, because Apache escapes a `"` in another way than nginx.

use memchr::memchr;
use nginx_log::Escape;

use super::request::{Escapes, push_integer, push_request, push_text};
use crate::name::{
    BODY_BYTES_SENT, FORWARDED_FOR, REFERER, REMOTE_ADDR, REMOTE_IDENT, REMOTE_USER, STATUS,
    USER_AGENT,
};
use crate::time::{TIME_LOCAL_BYTES, TimeReader};
use crate::{Fields, Unparsed};

pub(super) fn parse<'a>(
    line: &'a str,
    times: &mut TimeReader,
    fields: &mut Fields<'a>,
) -> Result<(), Unparsed> {
    let escapes = memchr(b'\\', line.as_bytes()).map(|_at| Escape::Default);
    let (address, rest) = until(line, b' ').ok_or(Unparsed::Form("no address"))?;
    let (ident, rest) = until(rest, b' ').ok_or(Unparsed::Form("no identity"))?;
    let (user, rest) = user(rest).ok_or(Unparsed::Form("no user and time"))?;
    let (time, rest) = rest.split_at_checked(TIME_LOCAL_BYTES).unwrap_or((rest, ""));
    let time = times.time_local(time).ok_or(Unparsed::Form("no time"))?;
    let (request, rest) = rest
        .strip_prefix("] \"")
        .and_then(|it| quoted(it, escapes))
        .ok_or(Unparsed::Form("no request"))?;
    let (status, rest) = status(rest).ok_or(Unparsed::Form("no status"))?;
    let (bytes, rest) = until(rest, b' ').unwrap_or((rest, ""));
    fields.time = Some(time);
    push_text(&REMOTE_ADDR, address, escapes, fields);
    push_text(&REMOTE_IDENT, ident, escapes, fields);
    push_text(&REMOTE_USER, user, escapes, fields);
    push_request(request, escapes, fields);
    push_integer(&STATUS, status, fields);
    push_integer(&BODY_BYTES_SENT, bytes, fields);
    rest_of(rest, escapes, fields).ok_or(Unparsed::Form("no referer and user agent"))
}

/// What `combined` and `main` have and `common` has not.
fn rest_of<'a>(rest: &'a str, escapes: Escapes, fields: &mut Fields<'a>) -> Option<()> {
    if rest.is_empty() {
        return Some(());
    }
    let (referer, rest) = quoted(rest.strip_prefix('"')?, escapes)?;
    let (agent, rest) = quoted(rest.strip_prefix(" \"")?, escapes)?;
    push_text(&REFERER, referer, escapes, fields);
    push_text(&USER_AGENT, agent, escapes, fields);
    if rest.is_empty() {
        return Some(());
    }
    let (forwarded, rest) = quoted(rest.strip_prefix(" \"")?, escapes)?;
    push_text(&FORWARDED_FOR, forwarded, escapes, fields);
    rest.is_empty().then_some(())
}

/// What stands before the delimiter, and behind it.
fn until(text: &str, delimiter: u8) -> Option<(&str, &str)> {
    let at = memchr(delimiter, text.as_bytes())?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// The name of a user, which may contain anything, and what follows the `[` behind it.
fn user(text: &str) -> Option<(&str, &str)> {
    if let Some(rest) = text.strip_prefix("- [") {
        return Some(("-", rest));
    }
    let mut from = 0;
    loop {
        let at = from + memchr(b'[', text.get(from..)?.as_bytes())?;
        let rest = text.get(at + 1..)?;
        let is_time = rest.as_bytes().get(TIME_LOCAL_BYTES) == Some(&b']');
        if let Some(user) = text.get(..at)?.strip_suffix(' ').filter(|_| is_time) {
            return Some((user, rest));
        }
        from = at + 1;
    }
}

/// The text up to the `"` that ends it, and what follows that.
fn quoted(text: &str, escapes: Escapes) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let mut from = 0;
    loop {
        let at = from + memchr(b'"', &bytes[from..])?;
        let backslashes = match escapes {
            Some(_) => bytes[from..at].iter().rev().take_while(|it| **it == b'\\').count(),
            None => 0,
        };
        if backslashes.is_multiple_of(2) {
            return Some((text.get(..at)?, text.get(at + 1..)?));
        }
        from = at + 1;
    }
}

/// Three digits between spaces, and what follows them.
fn status(text: &str) -> Option<(&str, &str)> {
    let [b' ', digits @ .., b' '] = text.as_bytes().first_chunk::<5>()? else { return None };
    let (status, rest) = (text.get(1..4)?, text.get(5..)?);
    digits.iter().all(u8::is_ascii_digit).then_some((status, rest))
}
