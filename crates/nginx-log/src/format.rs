//! The text of a `log_format` as a list of variables and the literals between them.
//!
//! In: what stands in nginx.conf behind the name of the format, quoted pieces or not, or the name
//! of a preset. Out: a [`Format`]. It always holds that between two variables there is a literal
//! and that the list is not empty, so that a line can be cut in one way. What kind of value a
//! variable has is decided here once, by its name, so that cutting a line compares no names.

use std::fmt;

use crate::split::{Field, Literal, Shape};

/// nginx's predefined `combined` format.
pub const COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status \
     $body_bytes_sent \"$http_referer\" \"$http_user_agent\"";

/// The format `main` of the nginx.conf that nginx is delivered with.
pub const MAIN: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status \
     $body_bytes_sent \"$http_referer\" \"$http_user_agent\" \"$http_x_forwarded_for\"";

/// A format with everything that can be measured, as one JSON object a line. `$msec` comes first,
/// because a reader knows a file by its beginning, and the other values can all be the same in two.
pub const JSON: &str = "escape=json {\"msec\":\"$msec\",\"time\":\"$time_iso8601\",\
     \"host\":\"$host\",\
     \"method\":\"$request_method\",\"uri\":\"$request_uri\",\"status\":\"$status\",\
     \"request_time\":\"$request_time\",\
     \"upstream_response_time\":\"$upstream_response_time\",\
     \"upstream_connect_time\":\"$upstream_connect_time\",\
     \"upstream_header_time\":\"$upstream_header_time\",\
     \"upstream_cache_status\":\"$upstream_cache_status\",\
     \"request_length\":\"$request_length\",\"bytes_sent\":\"$bytes_sent\",\
     \"body_bytes_sent\":\"$body_bytes_sent\"}";

/// How nginx writes bytes that are special (`escape=` of `log_format`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Escape {
    /// `"`, `\` and all that is not printable ASCII become `\xHH`.
    #[default]
    Default,
    /// As in JSON strings: `"` becomes `\"`.
    Json,
    /// Bytes are written as they are. A `"` in a quoted value is then taken for its end only if the
    /// text that follows the variable in the format stands there.
    None,
}

/// Why a text is not a format that lines can be cut by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Nothing to read from a line.
    #[error("no variable in the format")]
    NoVariable,
    /// Nobody can tell where the first one's value ends.
    #[error("${0} and ${1} stand side by side: put a literal between them")]
    Adjacent(String, String),
    /// nginx rejects it as well.
    #[error("a $ without the name of a variable at byte {0}")]
    BareDollar(usize),
    /// A `${` without `}`.
    #[error("the closing brace of ${{ at byte {0} is missing")]
    Brace(usize),
    /// `escape=` with something that nginx does not know.
    #[error("unknown escape {0:?}: expected default, json or none")]
    Escape(String),
}

/// A parsed `log_format`.
#[derive(Clone, PartialEq, Eq)]
pub struct Format {
    pub(crate) escape: Escape,
    /// Before the first variable.
    pub(crate) lead: Box<[u8]>,
    /// At least one; the literal of each but the last is not empty.
    pub(crate) fields: Box<[Field]>,
    names: Box<[String]>,
}

impl Format {
    /// Reads the name of a preset (`combined`, `main` or `json`) or the text of a format: with or
    /// without `escape=...` in front, either as quoted pieces as they stand in nginx.conf, which
    /// are joined, or as one text without such quotes. A text is taken as pieces if it begins with
    /// `'`, or consists of `"…"` pieces only and makes a format that way. `\t`, `\n`, `\r`, `\\`,
    /// `\"` and `\'` mean what they mean in nginx.conf.
    ///
    /// # Errors
    /// See [`FormatError`].
    pub fn parse(text: &str) -> Result<Format, FormatError> {
        let text = match text.trim() {
            "combined" => COMBINED,
            "main" => MAIN,
            "json" => JSON,
            text => text,
        };
        let (escape, text) = cut_escape(text)?;
        let body = text.trim_end().strip_suffix(';').unwrap_or(text).trim_end();
        if let Some(joined) = join_pieces(body) {
            let format = Format::from_bytes(&joined, escape);
            if format.is_ok() || body.starts_with('\'') {
                return format;
            }
        }
        Format::from_bytes(&unescape(text.as_bytes()), escape)
    }

    fn from_bytes(text: &[u8], escape: Escape) -> Result<Format, FormatError> {
        let mut names: Vec<String> = Vec::new();
        let mut literals: Vec<Vec<u8>> = vec![Vec::new()];
        let mut at = 0;
        while let Some(byte) = text.get(at) {
            let literal = literals.last_mut().expect("it begins with one and only grows");
            if *byte != b'$' {
                literal.push(*byte);
                at += 1;
                continue;
            }
            let (name, behind) = variable(text, at)?;
            if let Some(before) = names.last()
                && literal.is_empty()
            {
                return Err(FormatError::Adjacent(before.clone(), name));
            }
            names.push(name);
            literals.push(Vec::new());
            at = behind;
        }
        if names.is_empty() {
            return Err(FormatError::NoVariable);
        }
        let mut literals = literals.into_iter().map(Vec::into_boxed_slice);
        let lead = literals.next().unwrap_or_default();
        let fields = names.iter().zip(literals);
        let fields = fields
            .map(|(name, literal)| Field { shape: shape_of(name), literal: Literal::new(literal) });
        Ok(Format { escape, lead, fields: fields.collect(), names: names.into() })
    }

    /// The variables in their order, without `$`.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// How the bytes of values are written.
    #[must_use]
    pub fn escape(&self) -> Escape {
        self.escape
    }

    /// Where a variable stands among [`Format::variables`]; the first place if there are several.
    #[must_use]
    pub fn position(&self, variable: &str) -> Option<usize> {
        self.names.iter().position(|name| name == variable)
    }
}

/// As it could stand in the setting that it was read from.
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.escape {
            Escape::Default => {}
            Escape::Json => f.write_str("escape=json ")?,
            Escape::None => f.write_str("escape=none ")?,
        }
        f.write_str(&String::from_utf8_lossy(&self.lead))?;
        for (name, field) in self.names.iter().zip(&self.fields) {
            write!(f, "${{{name}}}{}", String::from_utf8_lossy(field.literal.bytes()))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

fn cut_escape(text: &str) -> Result<(Escape, &str), FormatError> {
    let Some(rest) = text.strip_prefix("escape=") else { return Ok((Escape::Default, text)) };
    let (word, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let escape = match word {
        "default" => Escape::Default,
        "json" => Escape::Json,
        "none" => Escape::None,
        other => return Err(FormatError::Escape(other.to_owned())),
    };
    Ok((escape, rest.trim_start()))
}

/// Joins pieces that are all quoted and stand apart; `None` if the text is not made of such.
fn join_pieces(text: &str) -> Option<Vec<u8>> {
    let mut rest = text.as_bytes();
    let mut joined = Vec::new();
    while let Some((quote @ (b'\'' | b'"'), body)) = rest.split_first() {
        let mut is_escaped = false;
        let end = body.iter().position(|byte| {
            let is_end = byte == quote && !is_escaped;
            is_escaped = *byte == b'\\' && !is_escaped;
            is_end
        })?;
        joined.extend(unescape(&body[..end]));
        let behind = &body[end + 1..];
        rest = behind.trim_ascii_start();
        if behind.len() == rest.len() && !rest.is_empty() {
            return None;
        }
    }
    (rest.is_empty() && !text.is_empty()).then_some(joined)
}

/// The escapes of nginx.conf; any other backslash stays.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let meant = match bytes.peek().filter(|_| byte == b'\\') {
            Some(b't') => b'\t',
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(special @ (b'"' | b'\'' | b'\\')) => *special,
            _ => {
                plain.push(byte);
                continue;
            }
        };
        plain.push(meant);
        bytes.next();
    }
    plain
}

/// The variable whose `$` stands at `at`, and where it ends.
fn variable(text: &[u8], at: usize) -> Result<(String, usize), FormatError> {
    let behind = &text[at + 1..];
    let has_brace = behind.first() == Some(&b'{');
    let name = &behind[usize::from(has_brace)..];
    let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
    let len = name.iter().take_while(is_part).count();
    if has_brace && name.get(len) != Some(&b'}') {
        return Err(FormatError::Brace(at));
    }
    if len == 0 {
        return Err(FormatError::BareDollar(at));
    }
    let end = at + 1 + len + 2 * usize::from(has_brace);
    Ok((String::from_utf8_lossy(&name[..len]).into_owned(), end))
}

fn shape_of(name: &str) -> Shape {
    match name {
        "status" => Shape::Status,
        "body_bytes_sent"
        | "bytes_sent"
        | "request_length"
        | "connection"
        | "connection_requests"
        | "remote_port"
        | "server_port" => Shape::Digits,
        "request_time" | "msec" => Shape::Seconds,
        "time_local" => Shape::TimeLocal,
        "upstream_addr"
        | "upstream_status"
        | "upstream_response_time"
        | "upstream_connect_time"
        | "upstream_header_time"
        | "upstream_queue_time"
        | "upstream_response_length"
        | "upstream_bytes_received"
        | "upstream_bytes_sent" => Shape::List,
        _ => Shape::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        Format::parse(text).unwrap().variables().map(str::to_owned).collect()
    }

    #[test]
    fn the_text_of_nginx_conf_is_read_quoted_or_not() {
        let plain = Format::parse("$remote_addr [$time_local] \"$request\" $status").unwrap();
        let pieces = "'$remote_addr [$time_local] '\n   '\"$request\" $status';";
        assert_eq!(Format::parse(pieces), Ok(plain.clone()));
        let double = r#""$remote_addr [$time_local] " "\"$request\" $status""#;
        assert_eq!(Format::parse(double), Ok(plain));
        assert_eq!(names("${status}ms $body_bytes_sent"), ["status", "body_bytes_sent"]);
        assert_eq!(names(r"'$status\t$msec'"), names("$status\t$msec"));
        assert_eq!(Format::parse(r"'$status\t$msec'"), Format::parse("$status\t$msec"));
        assert_eq!(Format::parse(r"$status\t$msec"), Format::parse("$status\t$msec"));
        // Not pieces: the variables would stand side by side.
        assert_eq!(*Format::parse(r#""$host" "$uri""#).unwrap().lead, *b"\"");
        let json = Format::parse("escape=json '{\"s\":\"$status\"}'").unwrap();
        assert_eq!((json.escape, &*json.lead), (Escape::Json, b"{\"s\":\"".as_slice()));
        assert_eq!(Format::parse("escape=default $status"), Format::parse("$status"));
        assert_eq!(Format::parse("escape=none $host").unwrap().escape, Escape::None);
    }

    #[test]
    fn presets_are_their_texts() {
        for (name, text) in [("combined", COMBINED), ("main", MAIN), ("json", JSON)] {
            assert_eq!(Format::parse(name), Format::parse(text), "{name}");
        }
        assert_eq!(names("combined").len(), 8);
        assert_eq!(names("main").last().unwrap(), "http_x_forwarded_for");
        assert_eq!(Format::parse("json").unwrap().escape, Escape::Json);
        // What a file begins with tells it from others, so something unique comes first.
        assert_eq!(names("json").first().unwrap(), "msec");
        assert_eq!(Format::parse(&format!("'{COMBINED}'")), Format::parse("combined"));
    }

    #[test]
    fn a_format_shows_itself_as_it_is_read() {
        for text in ["combined", "json", "escape=none $status|${uri}."] {
            let format = Format::parse(text).unwrap();
            assert_eq!(Format::parse(&format.to_string()), Ok(format), "{text}");
        }
    }

    #[test]
    fn what_no_line_can_be_cut_by_is_refused() {
        let error = |text: &str| Format::parse(text).unwrap_err();
        let adjacent = FormatError::Adjacent("host".to_owned(), "uri".to_owned());
        assert_eq!(error("$host$uri"), adjacent);
        assert_eq!(error("'$host' '${uri}'"), adjacent);
        assert_eq!(error(""), FormatError::NoVariable);
        assert_eq!(error("upstream"), FormatError::NoVariable);
        assert_eq!(error("a $ b"), FormatError::BareDollar(2));
        assert_eq!(error("a ${}"), FormatError::BareDollar(2));
        assert_eq!(error("a ${status"), FormatError::Brace(2));
        assert_eq!(error("escape=xml $a"), FormatError::Escape("xml".to_owned()));
        assert_eq!(error("escape=json"), FormatError::NoVariable);
    }
}
