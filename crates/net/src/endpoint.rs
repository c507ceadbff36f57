//! A parsed `http://` or `https://` address, one of another [`Scheme`], or a unix socket.
//!
//! In goes the text of a setting, out comes host, port and request target, or an error that names
//! the value. An [`Endpoint`] always has a host and a port that is not 0, or the path of a socket,
//! so connecting never has to guess. How an image writes the path of a socket is the image's. User
//! and password in the address are refused instead of sent: they would show up in process lists and
//! in logs. For the same reason the query, which may hold a token, is left out of `Display`.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use hyper::Uri;
use hyper::header::HeaderValue;
use hyper::http::uri::{Authority, InvalidUri, PathAndQuery};
use thiserror::Error;

const HTTP: Scheme = Scheme { name: "http", tls: false, port: 80 };
const HTTPS: Scheme = Scheme { name: "https", tls: true, port: 443 };
/// What stands for the host in requests over a unix socket.
const UNIX_HOST: &str = "unix";

/// What an address begins with, before `://`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheme {
    /// In lower case.
    pub name: &'static str,
    /// Connections are wrapped in TLS.
    pub tls: bool,
    /// Where no port is typed. Not 0.
    pub port: u16,
}

/// Where requests go: scheme, host, port, path and query.
#[derive(Debug, Clone)]
pub struct Endpoint {
    scheme: Scheme,
    pub(crate) host: Host,
    /// Not 0, except for a unix socket.
    pub(crate) port: u16,
    pub(crate) target: PathAndQuery,
    /// Value of the `Host` header: as typed, with the port only if one was typed.
    pub(crate) host_header: HeaderValue,
}

#[derive(Debug, Clone)]
pub(crate) enum Host {
    Address(IpAddr),
    /// Not an IP literal, without a trailing dot.
    Name(String),
    Socket(PathBuf),
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
    #[error("'{value}' does not begin with {expected}")]
    Scheme { value: String, expected: String },
    #[error("'{value}' has no port from 1 to 65535 after the colon")]
    Port { value: String },
    #[error("the address holds a user or a password before '@'; give them as a header")]
    UserInfo,
}

impl Endpoint {
    /// HTTP over the unix socket at `path`, with `Host: unix`. `target` begins with a slash.
    ///
    /// # Errors
    /// A target that is no path.
    pub fn unix(path: PathBuf, target: &str) -> Result<Self, EndpointError> {
        let syntax = |source| EndpointError::Syntax { value: target.to_owned(), source };
        if !target.starts_with('/') {
            return Err(syntax(None));
        }
        let target = target.parse().map_err(|error| syntax(Some(error)))?;
        let host_header = HeaderValue::from_static(UNIX_HOST);
        Ok(Self { scheme: HTTP, host: Host::Socket(path), port: 0, target, host_header })
    }

    /// An address of one of these schemes.
    ///
    /// # Errors
    /// As for `from_str`, which knows `http` and `https`.
    pub fn of_schemes(text: &str, schemes: &[Scheme]) -> Result<Self, EndpointError> {
        if text.split(['/', '?', '#']).nth(2).is_some_and(|authority| authority.contains('@')) {
            return Err(EndpointError::UserInfo);
        }
        let value = || text.to_owned();
        let syntax = |source| EndpointError::Syntax { value: value(), source };
        let uri: Uri = text.parse().map_err(|error| syntax(Some(error)))?;
        let typed = uri.scheme_str().unwrap_or_default();
        let known = schemes.iter().find(|scheme| scheme.name.eq_ignore_ascii_case(typed));
        let scheme = *known.ok_or_else(|| {
            let names: Vec<_> =
                schemes.iter().map(|scheme| format!("{}://", scheme.name)).collect();
            EndpointError::Scheme { value: value(), expected: names.join(" or ") }
        })?;
        let authority = uri.authority().ok_or_else(|| syntax(None))?;
        let host = Host::parse(authority.host()).ok_or_else(|| syntax(None))?;
        let port = port_of(authority, scheme.port).ok_or(EndpointError::Port { value: value() })?;
        let host_header = HeaderValue::from_str(authority.as_str())
            .expect("an authority holds only visible ASCII characters");
        let target = target_of(&uri).map_err(|error| syntax(Some(error)))?;
        Ok(Self { scheme, host, port, target, host_header })
    }

    /// What the address began with.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whether `uri`, which has a scheme and an authority, leads to the same server.
    pub fn is_origin_of(&self, uri: &Uri) -> bool {
        let is_same = uri.scheme_str() == Some(self.scheme.name);
        let (Some(authority), true) = (uri.authority(), is_same) else {
            return false;
        };
        let host = authority.host();
        match &self.host {
            Host::Socket(_) => host.eq_ignore_ascii_case(UNIX_HOST),
            own => {
                let port = port_of(authority, self.scheme.port);
                port == Some(self.port) && Host::parse(host).is_some_and(|host| host.is(own))
            }
        }
    }

    /// The name in lower case, the address without brackets, or the path of a socket.
    pub fn host_text(&self) -> String {
        match &self.host {
            Host::Address(address) => address.to_string(),
            Host::Name(name) => name.to_ascii_lowercase(),
            Host::Socket(path) => path.display().to_string(),
        }
    }

    /// Not 0, except for a unix socket.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query of requests.
    pub fn target(&self) -> &PathAndQuery {
        &self.target
    }

    /// True for `https://`, and for other schemes that say so.
    pub fn is_tls(&self) -> bool {
        self.scheme.tls
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        Self::of_schemes(text, &[HTTP, HTTPS])
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

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Address(one), Self::Address(other)) => one == other,
            (Self::Name(one), Self::Name(other)) => one.eq_ignore_ascii_case(other),
            (Self::Socket(one), Self::Socket(other)) => one == other,
            _ => false,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, port) = (self.scheme.name, self.port);
        let path = self.target.path();
        match &self.host {
            Host::Socket(socket) => write!(f, "unix:{}:{path}", socket.display()),
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
    fn other_schemes_have_their_own_ports() {
        let schemes = [
            Scheme { name: "tcp", tls: false, port: 514 },
            Scheme { name: "tls", tls: true, port: 6514 },
        ];
        let endpoint = |text| Endpoint::of_schemes(text, &schemes);
        for (text, shown, tls) in
            [("tcp://Logs", "tcp://Logs:514/", false), ("TLS://[::1]:99", "tls://[::1]:99/", true)]
        {
            let endpoint = endpoint(text).unwrap();
            assert_eq!((endpoint.to_string().as_str(), endpoint.is_tls()), (shown, tls));
        }
        let error = endpoint("http://logs").unwrap_err().to_string();
        assert!(error.ends_with("does not begin with tcp:// or tls://"), "{error}");
    }

    #[test]
    fn a_unix_socket_has_a_path_and_a_target() {
        let endpoint = Endpoint::unix(PathBuf::from("/run/n.sock"), "/status?a=b").unwrap();
        assert_eq!(endpoint.to_string(), "unix:/run/n.sock:/status");
        assert_eq!(endpoint.host_header, "unix");
        assert_eq!(endpoint.target.as_str(), "/status?a=b");
        for target in ["", "status", "/a b"] {
            assert!(Endpoint::unix(PathBuf::from("/run/n.sock"), target).is_err(), "{target}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let endpoint: Endpoint = "http://Web:80/a".parse().unwrap();
        let socket = Endpoint::unix(PathBuf::from("/run/n.sock"), "/").unwrap();
        for (uri, same, same_as_socket) in [
            ("http://web/b", true, false),
            ("http://web.:80/", true, false),
            ("https://web/b", false, false),
            ("http://web:81/b", false, false),
            ("http://other/", false, false),
            ("http://10.0.0.1/", false, false),
            ("http://unix/b", false, true),
            ("/b", false, false),
        ] {
            let uri: Uri = uri.parse().unwrap();
            assert_eq!(endpoint.is_origin_of(&uri), same, "{uri}");
            assert_eq!(socket.is_origin_of(&uri), same_as_socket, "{uri}");
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
