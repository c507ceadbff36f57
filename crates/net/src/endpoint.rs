//! A parsed `http://` or `https://` address.
//!
//! In goes the text of a setting, out comes host, port and request target, or an error that names
//! the value. An [`Endpoint`] always has a host and a port that is not 0, so connecting never has
//! to guess. User and password in the address are refused instead of sent: they would show up in
//! process lists and in logs. For the same reason the query, which may hold a token, is left out
//! of `Display`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use hyper::Uri;
use hyper::header::HeaderValue;
use hyper::http::uri::{Authority, InvalidUri, PathAndQuery};
use thiserror::Error;

const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

/// Where requests go: scheme, host, port, path and query.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) tls: bool,
    pub(crate) target: PathAndQuery,
    /// Value of the `Host` header: as typed, with the port only if one was typed.
    pub(crate) host_header: HeaderValue,
}

#[derive(Debug, Clone)]
pub(crate) enum Host {
    Address(IpAddr),
    /// Not an IP literal, without a trailing dot.
    Name(String),
}

/// Why a value is no endpoint. Every variant but `UserInfo` shows the value.
#[derive(Debug, Error)]
pub enum EndpointError {
    #[error("'{value}' is not an address such as http://host:port/path")]
    Syntax {
        value: String,
        #[source]
        source: Option<InvalidUri>,
    },
    #[error("'{value}' does not begin with http:// or https://")]
    Scheme { value: String },
    #[error("'{value}' has no port from 1 to 65535 after the colon")]
    Port { value: String },
    #[error("the address holds a user or a password before '@'; give them as a header")]
    UserInfo,
}

impl Endpoint {
    /// True for `https://`.
    pub fn is_tls(&self) -> bool {
        self.tls
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if text.split(['/', '?', '#']).nth(2).is_some_and(|authority| authority.contains('@')) {
            return Err(EndpointError::UserInfo);
        }
        let value = || text.to_owned();
        let syntax = |source| EndpointError::Syntax { value: value(), source };
        let uri: Uri = text.parse().map_err(|error| syntax(Some(error)))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(_) | None => return Err(EndpointError::Scheme { value: value() }),
        };
        let authority = uri.authority().ok_or_else(|| syntax(None))?;
        let host = Host::parse(authority.host()).ok_or_else(|| syntax(None))?;
        let default_port = if tls { HTTPS_PORT } else { HTTP_PORT };
        let port =
            port_of(authority, default_port).ok_or(EndpointError::Port { value: value() })?;
        let host_header = HeaderValue::from_str(authority.as_str())
            .expect("an authority holds only visible ASCII characters");
        let target = target_of(&uri).map_err(|error| syntax(Some(error)))?;
        Ok(Self { host, port, tls, target, host_header })
    }
}

/// None for a colon without a number, a number that is too large, and 0.
fn port_of(authority: &Authority, default_port: u16) -> Option<u16> {
    if authority.as_str().len() == authority.host().len() {
        return Some(default_port);
    }
    authority.port_u16().filter(|port| *port != 0)
}

/// What comes after POST in a request: with a slash even if none was typed.
fn target_of(uri: &Uri) -> Result<PathAndQuery, InvalidUri> {
    match uri.query() {
        None => uri.path().parse(),
        Some(query) => format!("{}?{query}", uri.path()).parse(),
    }
}

impl Host {
    fn parse(host: &str) -> Option<Self> {
        if let Some(inner) = host.strip_prefix('[') {
            let address = inner.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Address(IpAddr::V6(address)));
        }
        if let Ok(address) = host.parse() {
            return Some(Self::Address(IpAddr::V4(address)));
        }
        let name = host.strip_suffix('.').unwrap_or(host);
        (!name.is_empty()).then(|| Self::Name(name.to_owned()))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        let port = self.port;
        let path = self.target.path();
        match &self.host {
            Host::Name(name) => write!(f, "{scheme}://{name}:{port}{path}"),
            Host::Address(IpAddr::V4(address)) => write!(f, "{scheme}://{address}:{port}{path}"),
            Host::Address(IpAddr::V6(address)) => write!(f, "{scheme}://[{address}]:{port}{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, shown: &str, host_header: &str, target: &str) {
        let endpoint: Endpoint = text.parse().unwrap();
        assert_eq!(endpoint.to_string(), shown, "{text}");
        assert_eq!(endpoint.host_header, host_header, "{text}");
        assert_eq!(endpoint.target.as_str(), target, "{text}");
    }

    #[test]
    fn addresses_of_every_kind() {
        check("http://loki", "http://loki:80/", "loki", "/");
        check("https://loki/", "https://loki:443/", "loki", "/");
        check("http://loki.:3100/a/b", "http://loki:3100/a/b", "loki.:3100", "/a/b");
        check("http://10.0.0.1:8/in?k=v", "http://10.0.0.1:8/in", "10.0.0.1:8", "/in?k=v");
        check("https://[::1]:9/x", "https://[::1]:9/x", "[::1]:9", "/x");
        check("http://[::1]", "http://[::1]:80/", "[::1]", "/");
        check("http://h?k=v", "http://h:80/", "h", "/?k=v");
    }

    #[test]
    fn a_bad_value_is_named() {
        for text in [
            "",
            "loki",
            "loki:80",
            "/path",
            "ftp://h/",
            "http://",
            "http://h:/",
            "http://h:0/",
            "http://h:99999/",
            "http://[::1/",
            "http://[zz]/",
            "http://a b/",
            "http:///x",
            "http://.",
        ] {
            let error = text.parse::<Endpoint>().unwrap_err();
            assert!(error.to_string().contains(&format!("'{text}'")), "{text}: {error}");
        }
    }

    #[test]
    fn a_password_is_refused_and_not_shown() {
        let error = "http://user:secret@h/".parse::<Endpoint>().unwrap_err();
        assert!(matches!(error, EndpointError::UserInfo));
        assert!(!error.to_string().contains("secret"));
        assert!("http://h/a@b".parse::<Endpoint>().is_ok());
    }
}
