//! The parsers, by the name that a setting gives them.
//!
//! In: a line without its end, and a list of fields. Out: the fields that the line says, appended,
//! or why it is not of the form; the list is then as it was before, and the line is shipped as it
//! is. There is no parser that guesses the form line by line: the same line would have other fields
//! from one day to the next.

mod combined;
mod containers;
mod json;
mod logfmt;
mod nginx;
mod nginx_error;
mod pattern;
mod request;
mod usual;

use nginx_log::{Format, FormatError};

pub use self::containers::{ContainerLine, ContainerStream};
use self::nginx::Nginx;
use self::pattern::Pattern;
use crate::name::STREAM;
use crate::time::TimeReader;
use crate::{Fields, Offset, Value};

/// Why a line was not parsed; what is in it says nothing about other lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unparsed {
    /// It is not of the form.
    #[error("{0}")]
    Form(&'static str),
    /// It is, but beyond a limit.
    #[error("{0}")]
    Limit(&'static str),
}

impl Unparsed {
    /// The label for a counter: `form` or `limit`.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Unparsed::Form(_) => "form",
            Unparsed::Limit(_) => "limit",
        }
    }
}

/// Why a setting names no parser.
#[derive(Debug, thiserror::Error)]
pub enum ParserError {
    #[error(
        "expected one of none, combined, common, nginx:FORMAT, nginx-error, json, logfmt, cri, \
         cri:PARSER, docker-json, regex:PATTERN"
    )]
    Unknown,
    #[error("log_format")]
    Format(#[from] FormatError),
    #[error("pattern")]
    Pattern(#[from] regex::Error),
    #[error("no group with a name, such as (?<status>...), in the pattern")]
    NoGroup,
}

/// Reads the lines of one log. It keeps what saves time for the next line, so each log has its own.
#[derive(Debug, Clone)]
pub struct Parser {
    form: Form,
    times: TimeReader,
}

#[derive(Debug, Clone)]
enum Form {
    None,
    Combined,
    Nginx(Nginx),
    NginxError,
    Json,
    Logfmt,
    /// And the parser of the text.
    Cri(Option<Box<Parser>>),
    Docker,
    Pattern(Pattern),
}

impl Parser {
    /// Reads the setting. `offset` is the zone of times that do not name their own.
    ///
    /// # Errors
    /// See [`ParserError`].
    pub fn from_setting(text: &str, offset: Offset) -> Result<Parser, ParserError> {
        let (name, argument) = match text.split_once(':') {
            Some((name, argument)) => (name, Some(argument)),
            None => (text, None),
        };
        let form = match (name, argument) {
            ("none", None) => Form::None,
            ("combined" | "common", None) => Form::Combined,
            ("nginx", Some(format)) => Form::Nginx(Nginx::new(Format::parse(format)?)),
            ("nginx-error", None) => Form::NginxError,
            ("json", None) => Form::Json,
            ("logfmt", None) => Form::Logfmt,
            ("cri", None) => Form::Cri(None),
            ("cri", Some(inner)) => match Parser::from_setting(inner, offset)? {
                Parser { form: Form::Cri(_) | Form::Docker, .. } => {
                    return Err(ParserError::Unknown);
                }
                inner => Form::Cri(Some(Box::new(inner))),
            },
            ("docker-json", None) => Form::Docker,
            ("regex", Some(pattern)) => Form::Pattern(Pattern::new(pattern)?),
            _ => return Err(ParserError::Unknown),
        };
        Ok(Parser { form, times: TimeReader::new(offset) })
    }

    /// Reads one line. Values borrow from it where they can.
    ///
    /// # Errors
    /// Why the line is not of the form; `fields` is then as it was.
    pub fn parse<'a>(&mut self, line: &'a str, fields: &mut Fields<'a>) -> Result<(), Unparsed> {
        let before = fields.mark();
        let times = &mut self.times;
        let result = match &mut self.form {
            Form::None => Ok(()),
            Form::Combined => combined::parse(line, times, fields),
            Form::Nginx(nginx) => nginx.parse(line, times, fields),
            Form::NginxError => nginx_error::parse(line, times, fields),
            Form::Json => json::parse(line, times, fields),
            Form::Logfmt => logfmt::parse(line, times, fields),
            Form::Cri(inner) => containers::cri_line(line.as_bytes(), times).and_then(|part| {
                // Behind a space, so between two characters.
                let text = line.get(line.len() - part.text.len()..).unwrap_or_default();
                text_of_stream(inner.as_deref_mut(), part.stream, text, fields)?;
                fields.time = fields.time.or(Some(part.time));
                fields.is_partial = part.is_partial;
                Ok(())
            }),
            Form::Docker => containers::docker(line, times, fields),
            Form::Pattern(pattern) => pattern.parse(line, times, fields),
        };
        if result.is_err() {
            fields.back_to(before);
        }
        result
    }

    /// Whether lines are of a container and may be parts of longer ones, which are to be joined
    /// before [`Parser::parse_text`].
    #[must_use]
    pub fn is_of_containers(&self) -> bool {
        matches!(self.form, Form::Cri(_))
    }

    /// Takes off what the engine has put around a line of a container.
    ///
    /// # Errors
    /// It is no such line.
    pub fn container_line<'a>(&mut self, line: &'a [u8]) -> Result<ContainerLine<'a>, Unparsed> {
        containers::cri_line(line, &mut self.times)
    }

    /// Reads the text that a container has written, without what the engine put around it.
    ///
    /// # Errors
    /// Why the text is not of the form that it should have; `fields` holds the stream then.
    pub fn parse_text<'a>(
        &mut self,
        stream: ContainerStream,
        text: &'a str,
        fields: &mut Fields<'a>,
    ) -> Result<(), Unparsed> {
        let inner = match &mut self.form {
            Form::Cri(inner) => inner.as_deref_mut(),
            _ => None,
        };
        text_of_stream(inner, stream, text, fields)
    }
}

fn text_of_stream<'a>(
    inner: Option<&mut Parser>,
    stream: ContainerStream,
    text: &'a str,
    fields: &mut Fields<'a>,
) -> Result<(), Unparsed> {
    fields.push(&STREAM, Value::from(stream.name()));
    match inner {
        Some(inner) => inner.parse(text, fields),
        None => {
            fields.message = Some(text.into());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
