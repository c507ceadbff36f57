//! Why a request has no usable answer.
//!
//! In goes what the client met, out comes what a caller does about it: say which right is missing,
//! say that nothing answers, or look again with other limits. The answer of a server that refuses
//! is kept whole, because its text names the webhook or policy. Sources are not repeated in the
//! texts: print them with [`net::with_causes`].

use std::time::Duration;

use hyper::header::HeaderMap;
use net::{Response, SendError};
use serde_json::Value;
use thiserror::Error;

use crate::access::AccessError;

/// Of an answer that is no Status object, in characters.
const TEXT_CHARS_MAX: usize = 300;

/// A request without a usable answer.
#[derive(Debug, Error)]
pub enum Failure {
    /// The server answered, with another status than 2xx.
    #[error("{code} {message}")]
    Refused {
        code: u16,
        /// As in the Status object, such as `Forbidden` or `Invalid`; empty if there is none.
        reason: String,
        /// The text of the Status object, or the beginning of what came instead.
        message: String,
        /// The Status object; null if the server sent something else.
        status: Value,
    },
    /// No connection, or it was lost before the answer was complete.
    #[error("no answer from {server}")]
    Unreachable {
        server: String,
        #[source]
        source: SendError,
    },
    /// It began to answer.
    #[error("the answer of {server} broke off: {reason}")]
    BrokeOff { server: String, reason: String },
    #[error("no answer from {server} within {limit:?}")]
    TimedOut { server: String, limit: Duration },
    #[error("the answer to {path} is larger than {bytes_max} bytes")]
    TooLarge { path: String, bytes_max: usize },
    #[error("the list {path} has more than {pages_max} pages")]
    TooManyPages { path: String, pages_max: usize },
    #[error("the answer to {path} is no list")]
    NoList { path: String },
    #[error("the answer to {path} is not the JSON that was asked for")]
    NotJson {
        path: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("'{path}' is no path of a request")]
    Path { path: String },
    /// Nothing to show to the server, such as after an exec plugin that failed.
    #[error("no credential")]
    Credential(#[source] AccessError),
    /// A URL, an authority or a certificate that cannot be used.
    #[error(transparent)]
    Setting(#[from] AccessError),
}

impl Failure {
    /// 401 or 403: a right is missing.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        matches!(self.code(), Some(401 | 403))
    }

    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// Nobody answered, so nothing is known about what was asked.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::BrokeOff { .. } | Self::TimedOut { .. } => true,
            Self::Credential(_)
            | Self::Setting(_)
            | Self::Refused { .. }
            | Self::TooLarge { .. }
            | Self::TooManyPages { .. }
            | Self::NoList { .. }
            | Self::NotJson { .. }
            | Self::Path { .. } => false,
        }
    }

    /// The HTTP status, if there was an answer with one that is not 2xx.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// What an answer with another status than 2xx says.
    pub(crate) fn refused(code: u16, body: &[u8]) -> Self {
        let status: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let text = |name: &str| status.get(name).and_then(Value::as_str);
        let reason = text("reason").unwrap_or_default().to_owned();
        let message = match text("message") {
            Some(message) => message.to_owned(),
            None => {
                let raw = String::from_utf8_lossy(body);
                raw.trim().chars().take(TEXT_CHARS_MAX).filter(|it| !it.is_control()).collect()
            }
        };
        Self::Refused { code, reason, message, status }
    }

    pub(crate) fn unanswered(server: &str, source: SendError, limit: Duration) -> Self {
        let server = server.to_owned();
        match source {
            SendError::Timeout { .. } => Self::TimedOut { server, limit },
            source => Self::Unreachable { server, source },
        }
    }
}

/// The texts of the `Warning` headers: `299 - "text"`.
pub(crate) fn warnings(headers: &HeaderMap) -> Vec<String> {
    let text = |value: &str| {
        let quoted = value.split_once('"')?.1.rsplit_once('"')?.0;
        Some(quoted.replace("\\\"", "\"").replace("\\\\", "\\"))
    };
    let values = headers.get_all(hyper::header::WARNING).iter();
    values.filter_map(|value| text(std::str::from_utf8(value.as_bytes()).ok()?)).collect()
}

/// The JSON of a 2xx answer.
pub(crate) fn json(path: &str, response: &Response) -> Result<Value, Failure> {
    let code = response.status.as_u16();
    if !response.status.is_success() {
        return Err(Failure::refused(code, &response.body));
    }
    parsed(path, &response.body)
}

/// What came in an answer to a request for JSON.
pub(crate) fn parsed(path: &str, body: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(body)
        .map_err(|source| Failure::NotJson { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_object_is_kept_whole() {
        let body = br#"{"kind":"Status","reason":"Forbidden","message":"no","details":{"x":1}}"#;
        let failure = Failure::refused(403, body);
        assert!(failure.is_forbidden() && !failure.is_unreachable());
        assert_eq!(failure.to_string(), "403 no");
        let Failure::Refused { reason, status, .. } = failure else { panic!("{failure:?}") };
        assert_eq!(reason, "Forbidden");
        assert_eq!(status.pointer("/details/x"), Some(&Value::from(1)));
    }

    #[test]
    fn what_is_no_status_object_is_shown_in_part() {
        let failure = Failure::refused(502, format!("\n<html>{}", "x".repeat(9000)).as_bytes());
        let text = failure.to_string();
        assert!(text.starts_with("502 <html>x") && text.len() < 400, "{text}");
        assert!(Failure::refused(404, b"").is_not_found());
    }

    #[test]
    fn warnings_lose_their_quotes() {
        let mut headers = HeaderMap::new();
        for value in [r#"299 - "a \"b\" c""#, "299 - none", r#"299 - "d""#] {
            headers.append(hyper::header::WARNING, value.parse().unwrap());
        }
        assert_eq!(warnings(&headers), [r#"a "b" c"#, "d"]);
    }
}
