//! Access logs of nginx and Apache in the forms `combined` and `common`.
//!
//! In: `ADDRESS IDENT USER [TIME] "REQUEST" STATUS BYTES`, then nothing, or `"REFERER" "AGENT"`,
//! then nothing, or one more quoted value, the forwarded addresses of the format `main` in the
//! nginx.conf that nginx is delivered with. Out: fields. One walk from left to right, a search for
//! each delimiter; no pattern, because what captures groups costs ten times as much, and not the
//! general cutter of formats, because Apache escapes a `"` in another way than nginx. The steps are
//! so short that calls would be a tenth of the cost: hence `inline(always)`.

use memchr::{memchr_iter, memchr2};
use nginx_log::Escape;

use super::request::{Escapes, push_request, push_text};
use crate::name::{
    BODY_BYTES_SENT, FORWARDED_FOR, REFERER, REMOTE_ADDR, REMOTE_IDENT, REMOTE_USER, STATUS,
    USER_AGENT,
};
use crate::near;
use crate::time::{TIME_LOCAL_BYTES, TimeReader};
use crate::{Fields, Unparsed, Value};

const ESCAPES: Escapes = Some(Escape::Default);

pub(super) fn parse<'a>(
    line: &'a str,
    times: &mut TimeReader,
    fields: &mut Fields<'a>,
) -> Result<(), Unparsed> {
    let mut walk = Walk { line, at: 0 };
    let address = walk.word().ok_or(Unparsed::Form("no address"))?;
    push_text(&REMOTE_ADDR, address, None, fields);
    if !walk.skip(b"- - [") {
        let ident = walk.word().ok_or(Unparsed::Form("no identity"))?;
        let user = walk.user().ok_or(Unparsed::Form("no user and time"))?;
        push_text(&REMOTE_IDENT, ident, None, fields);
        push_text(&REMOTE_USER, user, ESCAPES, fields);
    }
    let time = walk.rest().first_chunk().and_then(|time| times.time_local(time));
    fields.time = Some(time.ok_or(Unparsed::Form("no time"))?);
    walk.at += TIME_LOCAL_BYTES;
    let request = if walk.skip(b"] \"") { walk.quoted() } else { None };
    let (request, escapes) = request.ok_or(Unparsed::Form("no request"))?;
    push_request(request, escapes, fields);
    let status = walk.status().ok_or(Unparsed::Form("no status"))?;
    fields.push(&STATUS, Value::Integer(status));
    if let Some(size) = walk.size().ok_or(Unparsed::Form("no size"))? {
        fields.push(&BODY_BYTES_SENT, Value::Integer(size));
    }
    // `common` ends here, `combined` behind two more, `main` behind three.
    for (place, name) in [&REFERER, &USER_AGENT, &FORWARDED_FOR].into_iter().enumerate() {
        if walk.at == line.len() && place != 1 {
            return Ok(());
        }
        let value = if walk.skip(b" \"") { walk.quoted() } else { None };
        let (value, escapes) = value.ok_or(Unparsed::Form("no referer and user agent"))?;
        push_text(name, value, escapes, fields);
    }
    if walk.at == line.len() { Ok(()) } else { Err(Unparsed::Form("more than referer and agent")) }
}

/// A place in a line: never behind its end, and always at the beginning of a character, because
/// only ASCII is stepped over.
struct Walk<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Walk<'a> {
    #[inline(always)]
    fn rest(&self) -> &'a [u8] {
        &self.line.as_bytes()[self.at..]
    }

    /// Steps over a text if it is what comes next.
    #[inline(always)]
    fn skip<const N: usize>(&mut self, text: &[u8; N]) -> bool {
        let is_next = self.rest().first_chunk() == Some(text);
        self.at += if is_next { N } else { 0 };
        is_next
    }

    /// Takes so many bytes and steps over the ASCII byte behind them.
    #[inline(always)]
    fn take(&mut self, len: usize) -> Option<&'a str> {
        let end = self.at + len;
        let text = self.line.get(self.at..end)?;
        self.at = end + 1;
        Some(text)
    }

    /// What stands before the next space.
    #[inline(always)]
    fn word(&mut self) -> Option<&'a str> {
        self.take(near::find(b' ', self.rest())?)
    }

    /// The name of a user, which may contain anything, before ` [` and a time.
    fn user(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let is_end = |at: usize| {
            rest[..at].ends_with(b" ") && rest.get(at + 1 + TIME_LOCAL_BYTES) == Some(&b']')
        };
        let end = memchr_iter(b'[', rest).find(|at| is_end(*at))?;
        let user = self.take(end - 1)?;
        self.at += 1;
        Some(user)
    }

    /// The text before the `"` that ends it, and whether it has escapes.
    #[inline(always)]
    fn quoted(&mut self) -> Option<(&'a str, Escapes)> {
        let rest = self.rest();
        let mut end = memchr2(b'"', b'\\', rest)?;
        let mut escapes = None;
        while rest[end] == b'\\' {
            // What stands behind it is a part of it, also if it is a `"`, as Apache writes it.
            escapes = ESCAPES;
            let behind = end + 2;
            end = behind + memchr2(b'"', b'\\', rest.get(behind..)?)?;
        }
        Some((self.take(end)?, escapes))
    }

    /// Three digits between spaces.
    #[inline(always)]
    fn status(&mut self) -> Option<i64> {
        let [b' ', digits @ .., b' '] = self.rest().first_chunk::<5>()? else { return None };
        self.at += 5;
        near::number(digits)
    }

    /// A number, or `-` for none, before a space or the end.
    #[inline(always)]
    fn size(&mut self) -> Option<Option<i64>> {
        let rest = self.rest();
        let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
        self.at += end;
        match &rest[..end] {
            b"-" => Some(None),
            b"" => None,
            digits => near::number(digits).map(Some),
        }
    }
}
