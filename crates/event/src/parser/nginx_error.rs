//! The error log of nginx.
//!
//! In: `2026/11/22 10:00:00 [error] 12#12: *3 open() "/x" failed (2: No such file or directory),
//! client: 10.0.0.1, server: localhost, request: "GET /x HTTP/1.1", host: "localhost"`. Out: the
//! level, the numbers of process, thread and connection, the text as the message, and what stands
//! behind it as fields. The time has no zone: it is in that of the setting. nginx escapes nothing
//! here, so the text and each value may contain what looks like the next one, and a client can put
//! it there. The list counts only if it goes on in nginx's order to the end of the line, and is a
//! part of the message otherwise.

use memchr::{memchr, memmem};
use nginx_log::Level;

use super::request::{Kind, push_number, push_request, push_text};
use crate::name::{
    CONNECTION, HTTP_HOST, PID, REFERER, REMOTE_ADDR, SERVER, SUBREQUEST, TID, UPSTREAM,
};
use crate::time::TimeReader;
use crate::{Fields, Unparsed};

/// `2026/11/22 10:00:00`
const TIME_BYTES: usize = 19;
/// What follows the message, in this order; all but the first two in quotes.
const LIST: [&str; 7] =
    ["client", "server", "request", "subrequest", "upstream", "host", "referrer"];
/// Places in a line that are tried as the beginning of the list.
const LIST_TRIES_MAX: usize = 4;

pub(super) fn parse<'a>(
    line: &'a str,
    times: &mut TimeReader,
    fields: &mut Fields<'a>,
) -> Result<(), Unparsed> {
    let level = Level::of_line(line.as_bytes()).ok_or(Unparsed::Form("no time and level"))?;
    let (time, rest) = line.split_at_checked(TIME_BYTES).unwrap_or((line, ""));
    fields.time = Some(times.civil(time).ok_or(Unparsed::Form("no time"))?);
    fields.level = Some(level.into());
    let rest = rest.split_once("] ").map_or("", |(_level, rest)| rest);
    let (process, rest) = rest.split_once(": ").ok_or(Unparsed::Form("no process"))?;
    let (pid, tid) = process.split_once('#').ok_or(Unparsed::Form("no process"))?;
    push_number(&PID, Kind::Integer, pid, fields);
    push_number(&TID, Kind::Integer, tid, fields);
    let (connection, rest) = connection(rest).unwrap_or(("", rest));
    push_number(&CONNECTION, Kind::Integer, connection, fields);
    let places = memmem::find_iter(rest.as_bytes(), ", client: ").take(LIST_TRIES_MAX);
    let mut splits = places.filter_map(|at| rest.split_at_checked(at));
    let found = splits.find_map(|(message, list)| Some((message, values(list)?)));
    let (message, [client, server, request, subrequest, upstream, host, referrer]) =
        found.unwrap_or((rest, [""; LIST.len()]));
    push_text(&REMOTE_ADDR, client, None, fields);
    push_text(&SERVER, server, None, fields);
    push_request(request, None, fields);
    push_text(&SUBREQUEST, subrequest, None, fields);
    push_text(&UPSTREAM, upstream, None, fields);
    push_text(&HTTP_HOST, host, None, fields);
    push_text(&REFERER, referrer, None, fields);
    fields.message = Some(message.into());
    Ok(())
}

/// The number in `*3 text`, and the text.
fn connection(text: &str) -> Option<(&str, &str)> {
    let (number, rest) = text.strip_prefix('*')?.split_once(' ')?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then_some((number, rest))
}

/// The values of a list, which is all of `text`.
fn values(text: &str) -> Option<[&str; LIST.len()]> {
    let mut values = [""; LIST.len()];
    let mut rest = text;
    for (value, key) in values.iter_mut().zip(LIST) {
        let behind = rest.strip_prefix(", ").and_then(|it| it.strip_prefix(key));
        if let Some(behind) = behind.and_then(|it| it.strip_prefix(": ")) {
            (*value, rest) = self::value(behind)?;
        }
    }
    rest.is_empty().then_some(values)
}

/// The first value, and what follows it: the end or the comma before the next one.
fn value(text: &str) -> Option<(&str, &str)> {
    let Some(inner) = text.strip_prefix('"') else {
        return text.split_at_checked(text.find(", ").unwrap_or(text.len()));
    };
    let mut from = 0;
    loop {
        let at = from + memchr(b'"', inner.as_bytes().get(from..)?)?;
        let behind = inner.get(at + 1..)?;
        if behind.is_empty() || behind.starts_with(", ") {
            return Some((inner.get(..at)?, behind));
        }
        from = at + 1;
    }
}
