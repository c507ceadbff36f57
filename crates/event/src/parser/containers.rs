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
use crate::{Fields, Timestamp, Unparsed, Value, json, near};

/// A line of CRI without what the engine has put around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ContainerLine<'a> {
    /// When the engine read the text.
    pub time: Timestamp,
    pub stream: ContainerStream,
    /// Bytes, because an engine cuts a line at any of them.
    pub text: &'a [u8],
    /// The text goes on in the next line of the stream.
    pub is_partial: bool,
}

/// Where a container has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerStream {
    Stdout,
    Stderr,
}

impl ContainerStream {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ContainerStream::Stdout => "stdout",
            ContainerStream::Stderr => "stderr",
        }
    }
}

/// `2026-11-22T10:00:00.123456789Z stdout F text`, where the flag may be followed by other tags.
pub(super) fn cri_line<'a>(
    line: &'a [u8],
    times: &mut TimeReader,
) -> Result<ContainerLine<'a>, Unparsed> {
    let (time, rest) = word(line);
    let time = str::from_utf8(time).ok().and_then(|time| times.civil(time));
    let time = time.ok_or(Unparsed::Form("no time"))?;
    let (stream, rest) = word(rest);
    let stream = match stream {
        b"stdout" => ContainerStream::Stdout,
        b"stderr" => ContainerStream::Stderr,
        _ => return Err(Unparsed::Form("no stream")),
    };
    let (tags, text) = word(rest);
    let is_partial = match tags {
        [b'P'] | [b'P', b':', ..] => true,
        [b'F'] | [b'F', b':', ..] => false,
        _ => return Err(Unparsed::Form("no flag of a part")),
    };
    Ok(ContainerLine { time, stream, text, is_partial })
}

/// What stands before the first space, and behind it. An empty line has no text and, by some
/// engines, no space before it.
fn word(line: &[u8]) -> (&[u8], &[u8]) {
    let at = near::find(b' ', line).unwrap_or(line.len());
    (&line[..at], line.get(at + 1..).unwrap_or_default())
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
