//! Where a status page is, as users write it.
//!
//! In goes `http://host:port/path`, `https://...` or `unix:/socket:/path`, out comes an endpoint
//! and what the label `addr` shows: the text as typed, with five x in the place of a password. A
//! user and a password in an address are sent as basic authentication, because existing pods have
//! them there; they are in no log, label or error. An address that could never work, such as one
//! without a scheme, is refused at the start instead of being down for ever.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine};
use hyper::header::HeaderValue;
use net::{Endpoint, EndpointError};
use thiserror::Error;

const UNIX_PREFIX: &str = "unix:";
/// Shown in place of a password.
const HIDDEN: &str = "xxxxx";

/// The checked address of one status page. Displayed without its password.
#[derive(Debug, Clone)]
pub(crate) struct ScrapeUri {
    shown: String,
    pub(super) endpoint: Endpoint,
    pub(super) authorization: Option<HeaderValue>,
}

/// Why a text is no address of a status page.
#[derive(Debug, Error)]
pub(crate) enum ScrapeUriError {
    #[error("'{shown}' does not begin with http://, https:// or unix:")]
    Scheme { shown: String },
    #[error("'{shown}' is not of the form unix:/socket or unix:/socket:/path")]
    Socket { shown: String },
    #[error("'{shown}' has a user or a password that is not percent-encoded")]
    UserInfo { shown: String },
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
}

impl FromStr for ScrapeUri {
    type Err = ScrapeUriError;

    fn from_str(text: &str) -> Result<ScrapeUri, ScrapeUriError> {
        if let Some(rest) = text.strip_prefix(UNIX_PREFIX) {
            let endpoint = unix(rest).ok_or(ScrapeUriError::Socket { shown: text.to_owned() })?;
            return Ok(ScrapeUri { shown: text.to_owned(), endpoint, authorization: None });
        }
        let parts = Parts::of(text);
        let shown = parts.without_password();
        if !["http", "https"].iter().any(|scheme| parts.scheme.eq_ignore_ascii_case(scheme)) {
            return Err(ScrapeUriError::Scheme { shown });
        }
        let authorization = match parts.userinfo.map(authorization) {
            None => None,
            Some(Some(value)) => Some(value),
            Some(None) => return Err(ScrapeUriError::UserInfo { shown }),
        };
        let endpoint = format!("{}://{}", parts.scheme, parts.rest).parse()?;
        Ok(ScrapeUri { shown, endpoint, authorization })
    }
}

/// The text of an address, good or bad, fit to be shown.
pub(crate) fn without_password(text: &str) -> String {
    Parts::of(text).without_password()
}

impl fmt::Display for ScrapeUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// `/socket` or `/socket:/path`; an empty path is the root.
fn unix(text: &str) -> Option<Endpoint> {
    let (socket, path) = text.split_once(':').unwrap_or((text, ""));
    let path = if path.is_empty() { "/" } else { path };
    if socket.is_empty() || path.contains(':') {
        return None;
    }
    Endpoint::unix(PathBuf::from(socket), path).ok()
}

/// An address taken apart. A part that is missing is empty.
struct Parts<'a> {
    scheme: &'a str,
    userinfo: Option<&'a str>,
    /// Host, port, path and query.
    rest: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Parts<'a> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        match authority.rsplit_once('@') {
            None => Parts { scheme, userinfo: None, rest },
            Some((userinfo, _host)) => {
                let rest = rest.split_at(userinfo.len() + 1).1;
                Parts { scheme, userinfo: Some(userinfo), rest }
            }
        }
    }

    fn without_password(&self) -> String {
        let scheme =
            if self.scheme.is_empty() { String::new() } else { format!("{}://", self.scheme) };
        let rest = self.rest;
        match self.userinfo.map(|userinfo| userinfo.split_once(':').unwrap_or((userinfo, ""))) {
            None => format!("{scheme}{rest}"),
            Some((user, "")) => format!("{scheme}{user}@{rest}"),
            Some((user, _password)) => format!("{scheme}{user}:{HIDDEN}@{rest}"),
        }
    }
}

/// The header for `user:password`, both percent-encoded.
fn authorization(userinfo: &str) -> Option<HeaderValue> {
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let mut plain = percent_decoded(user)?;
    plain.push(b':');
    plain.extend(percent_decoded(password)?);
    let mut value =
        HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(plain))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            byte => byte,
        });
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, shown: &str, endpoint: &str, authorization: Option<&str>) {
        let uri: ScrapeUri = text.parse().unwrap();
        assert_eq!(uri.to_string(), shown, "{text}");
        assert_eq!(uri.endpoint.to_string(), endpoint, "{text}");
        let value = uri.authorization.as_ref().map(|value| value.to_str().unwrap());
        assert_eq!(value, authorization, "{text}");
        assert!(!format!("{uri:?}").contains("secret"), "{uri:?}");
    }

    #[test]
    fn every_form_is_understood_and_shown_as_typed() {
        for (text, endpoint) in [
            ("http://127.0.0.1:8080/stub_status", "http://127.0.0.1:8080/stub_status"),
            ("http://localhost/nginx_status", "http://localhost:80/nginx_status"),
            ("https://nginx/", "https://nginx:443/"),
            ("http://[::1]:8080/stub_status", "http://[::1]:8080/stub_status"),
            ("http://h", "http://h:80/"),
            ("http://h/a@b", "http://h:80/a@b"),
            ("HTTP://h/", "http://h:80/"),
            ("unix:/run/n.sock", "unix:/run/n.sock:/"),
            ("unix:/run/n.sock:", "unix:/run/n.sock:/"),
            ("unix:/run/n.sock:/stub_status", "unix:/run/n.sock:/stub_status"),
        ] {
            check(text, text, endpoint, None);
        }
    }

    #[test]
    fn a_password_is_sent_and_not_shown() {
        let end = "http://h:8/a";
        check("http://u:secret@h:8/a", "http://u:xxxxx@h:8/a", end, Some("Basic dTpzZWNyZXQ="));
        check("http://u:s%40%2Fx@h:8/a", "http://u:xxxxx@h:8/a", end, Some("Basic dTpzQC94"));
        check("http://u@h:8/a", "http://u@h:8/a", end, Some("Basic dTo="));
    }

    #[test]
    fn what_cannot_work_is_refused_without_the_password() {
        for (text, shown) in [
            ("localhost:8080/x", "'localhost:8080/x' does not begin with"),
            ("u:secret@h/x", "'u:xxxxx@h/x' does not begin with"),
            ("/stub_status", "'/stub_status' does not"),
            ("", "'' does not"),
            ("ftp://u:secret@h/", "'ftp://u:xxxxx@h/' does not"),
            ("http://u:secret%@h/", "'http://u:xxxxx@h/' has a user"),
            ("http://u:secret@/", "'http:///'"),
            ("http://h:99999/", "'http://h:99999/' has no port"),
            ("unix:", "'unix:' is not of the form"),
            ("unix::/a", "'unix::/a' is not"),
            ("unix:/a:/b:/c", "'unix:/a:/b:/c' is not"),
            ("unix:/a:b", "'unix:/a:b' is not"),
        ] {
            let error = text.parse::<ScrapeUri>().unwrap_err().to_string();
            assert!(error.contains(shown), "{text}: {error}");
            assert!(!error.contains("secret"), "{text}: {error}");
        }
    }
}
