//! What container engines write around a line.
//!
//! In: a line of a file in /var/log/pods (CRI) or of Docker's json-file. Out: the time at which the
//! engine read the text, the stream, the text as the message, and whether its line goes on: engines
//! cut lines at 16 KiB. Whoever joins the parts needs nothing else; the text may then be parsed by
//! another parser.

use std::borrow::Cow;

use super::usual::Usual;
use crate::name::STREAM;
use crate::time::TimeReader;
use crate::{Fields, Unparsed, Value, json, near};

/// `2026-11-22T10:00:00.123456789Z stdout F text`, where the flag may be followed by other tags.
pub(super) fn cri<'a>(
    line: &'a str,
    times: &mut TimeReader,
    fields: &mut Fields<'a>,
) -> Result<(), Unparsed> {
    let (time, rest) = near::split(line, b' ').ok_or(Unparsed::Form("no time"))?;
    fields.time = Some(times.civil(time).ok_or(Unparsed::Form("no time"))?);
    let (stream, rest) = near::split(rest, b' ').ok_or(Unparsed::Form("no stream"))?;
    if !matches!(stream, "stdout" | "stderr") {
        return Err(Unparsed::Form("no stream"));
    }
    // An empty line has no text and, by some engines, no space before it.
    let (tags, text) = near::split(rest, b' ').unwrap_or((rest, ""));
    let is_partial = match tags.split(':').next() {
        Some("P") => true,
        Some("F") => false,
        _ => return Err(Unparsed::Form("no flag of a part")),
    };
    fields.push(&STREAM, Value::from(stream));
    fields.is_partial = is_partial;
    fields.message = Some(Cow::Borrowed(text));
    Ok(())
}

/// `{"log":"text\n","stream":"stdout","time":"2026-11-22T10:00:00.123456789Z"}`.
pub(super) fn docker<'a>(
    line: &'a str,
    times: &mut TimeReader,
    fields: &mut Fields<'a>,
) -> Result<(), Unparsed> {
    let (mut text, mut stream, mut usual) = (None, None, Usual::default());
    json::object(line, |key, value| {
        match (&*key, value) {
            ("log", Value::Text(log)) => text = Some(log),
            ("log", Value::Json(raw)) => text = json::decode_string(raw),
            ("stream", value) => stream = Some(value),
            (_, value) => usual.take(key.into(), value, times, fields)?,
        }
        Ok(())
    })?;
    let mut text = text.ok_or(Unparsed::Form("no text in \"log\""))?;
    usual.finish(fields);
    if let Some(stream) = stream {
        fields.push(&STREAM, stream);
    }
    fields.is_partial = !text.ends_with('\n');
    let line_end = if text.ends_with("\r\n") { 2 } else { usize::from(!fields.is_partial) };
    let end = text.len() - line_end;
    match &mut text {
        Cow::Borrowed(text) => *text = text.get(..end).unwrap_or_default(),
        Cow::Owned(text) => text.truncate(end),
    }
    fields.message = Some(text);
    Ok(())
}
