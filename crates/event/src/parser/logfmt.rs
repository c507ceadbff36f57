//! Lines of `key=value` pairs.
//!
//! In: a line such as `level=info msg="a text" took=1.5ms`. Out: time, level and message by their
//! usual keys, the other pairs as fields. Values stay text, since nothing in the line says which of
//! them are numbers. A word without `=` makes the line one of another form: in most lines with such
//! a word it is the rest of a value that should have been quoted.

use memchr::{memchr, memchr2};

use super::usual::Usual;
use crate::time::TimeReader;
use crate::{Fields, Unparsed, Value, json};

const NO_PAIRS: Unparsed = Unparsed::Form("not key=value pairs");

pub(super) fn parse<'a>(
    line: &'a str,
    times: &mut TimeReader,
    fields: &mut Fields<'a>,
) -> Result<(), Unparsed> {
    let mut usual = Usual::default();
    let mut rest = line.trim_ascii();
    if rest.is_empty() {
        return Err(NO_PAIRS);
    }
    while !rest.is_empty() {
        let (key, value, behind) = pair(rest).ok_or(NO_PAIRS)?;
        usual.take(key.into(), value, times, fields)?;
        rest = behind.trim_ascii_start();
    }
    usual.finish(fields);
    Ok(())
}

/// The first pair, and what follows it.
fn pair(text: &str) -> Option<(&str, Value<'_>, &str)> {
    let end = memchr2(b'=', b' ', text.as_bytes())?;
    let (key, rest) = text.split_at_checked(end)?;
    let rest = rest.strip_prefix('=').filter(|_| !key.is_empty() && !key.contains('"'))?;
    if let Some(inner) = rest.strip_prefix('"') {
        let end = quote(inner.as_bytes())?;
        let (inner, behind) = inner.split_at_checked(end)?;
        let behind = behind.strip_prefix('"')?;
        // Go writes other bytes as \xHH, which has no meaning as text: those stay as they are.
        let text = json::unescape(inner).unwrap_or(inner.into());
        let is_end = behind.is_empty() || behind.starts_with(' ');
        return is_end.then_some((key, Value::Text(text), behind));
    }
    let end = memchr(b' ', rest.as_bytes()).unwrap_or(rest.len());
    let (value, behind) = rest.split_at_checked(end)?;
    (!value.contains('"')).then_some((key, Value::from(value), behind))
}

/// Where the `"` stands that ends a text.
fn quote(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}
