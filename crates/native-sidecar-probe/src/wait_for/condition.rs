//! What can be waited for, as typed.
//!
//! In goes one text with its scheme, out comes a [`Condition`] or why it is none. A scheme is
//! always asked for: `db:5432` could be a file, a name or a port.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use net::{Endpoint, with_causes};

const SCHEMES: [&str; 7] = ["tcp://", "http://", "https://", "dns://", "file:", "unix:", "dns:"];
/// Longer ones are no names.
const HOST_CHARACTERS_MAX: usize = 253;

/// One thing to wait for.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    /// Something accepts connections there.
    Tcp { host: String, port: u16 },
    /// It answers with one of the statuses.
    Http(Endpoint),
    /// The name has an address.
    Dns(String),
    /// Something is at this path.
    File(PathBuf),
    /// Something accepts connections on this socket.
    Unix(PathBuf),
}

/// The parts of an argument. A comma counts only where a scheme follows, so that addresses and
/// paths may hold some.
pub(super) fn alternatives(argument: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(argument);
    std::iter::from_fn(move || {
        let text = rest?;
        let begins = |at: &usize| {
            let behind = text.get(at + 1..).unwrap_or_default();
            SCHEMES.iter().any(|scheme| behind.starts_with(scheme))
        };
        let comma = text.match_indices(',').map(|(at, _comma)| at).find(begins);
        let (first, others) = match comma {
            Some(at) => (text.get(..at)?, text.get(at + 1..)),
            None => (text, None),
        };
        rest = others;
        Some(first)
    })
}

impl Condition {
    pub(super) fn parse(text: &str) -> Result<Condition, String> {
        if let Some(address) = text.strip_prefix("tcp://") {
            let (host, port) = host_and_port(address)?;
            return Ok(Condition::Tcp { host, port });
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            let endpoint: Endpoint = text.parse().map_err(|error| with_causes(&error))?;
            return Ok(Condition::Http(endpoint));
        }
        if let Some(name) = text.strip_prefix("dns://").or_else(|| text.strip_prefix("dns:")) {
            return host_name(name).map(Condition::Dns);
        }
        if let Some(path) = text.strip_prefix("file:") {
            return absolute(path).map(Condition::File);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return absolute(path).map(Condition::Unix);
        }
        Err("expected tcp://HOST:PORT, http://…, https://…, dns://NAME, file:///PATH or \
             unix:///PATH"
            .to_owned())
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp://[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            // Without its query, which may hold a secret.
            Self::Http(endpoint) => endpoint.fmt(f),
            Self::Dns(name) => write!(f, "dns://{name}"),
            Self::File(path) => write!(f, "file://{}", path.display()),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

fn host_and_port(address: &str) -> Result<(String, u16), String> {
    let address = address.strip_suffix('/').unwrap_or(address);
    let (host, port) = address.rsplit_once(':').ok_or("expected a port, as in tcp://db:5432")?;
    let port = port.parse().ok().filter(|port| *port != 0);
    let port = port.ok_or("expected a port from 1 to 65535")?;
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match inner {
        Some(inner) if inner.parse::<Ipv6Addr>().is_ok() => Ok((inner.to_owned(), port)),
        Some(_inner) => Err("expected an IPv6 address between the brackets".to_owned()),
        None => Ok((host_name(host)?, port)),
    }
}

fn host_name(name: &str) -> Result<String, String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let labels = name.strip_suffix('.').unwrap_or(name);
    let is_name = labels.split('.').all(|label| !label.is_empty()) && name.chars().all(is_allowed);
    match is_name && name.len() <= HOST_CHARACTERS_MAX {
        true => Ok(name.to_owned()),
        false => Err("expected the name of a host".to_owned()),
    }
}

/// `///run/x`, or `/run/x`.
fn absolute(path: &str) -> Result<PathBuf, String> {
    let path = path.strip_prefix("//").unwrap_or(path);
    match path.starts_with('/') && path != "/" {
        true => Ok(PathBuf::from(path)),
        false => Err("expected an absolute path".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, shown: &str) {
        assert_eq!(Condition::parse(text).unwrap().to_string(), shown, "{text}");
    }

    #[test]
    fn conditions_of_every_kind() {
        check("tcp://db:5432", "tcp://db:5432");
        check("tcp://[::1]:80/", "tcp://[::1]:80");
        check("http://cache/ready?token=x", "http://cache:80/ready");
        check("https://cache:8443", "https://cache:8443/");
        check("dns://my_db.svc.cluster.local.", "dns://my_db.svc.cluster.local.");
        check("dns:db", "dns://db");
        check("file:///run/ready", "file:///run/ready");
        check("file:/run/ready", "file:///run/ready");
        check("unix:///run/app.sock", "unix:///run/app.sock");
    }

    #[test]
    fn what_is_no_condition_is_told() {
        for text in [
            "",
            "db:5432",
            "tcp://db",
            "tcp://:80",
            "tcp://db:0",
            "tcp://db:x",
            "tcp://::1:80",
            "tcp://[x]:80",
            "http://",
            "ftp://x",
            "dns://",
            "dns://a..b",
            "dns://a b",
            "file:relative",
            "file:///",
            "unix:",
            "unix://host/path",
        ] {
            assert!(Condition::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_comma_counts_before_a_scheme() {
        let parts = |text| alternatives(text).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(parts("tcp://a:1,tcp://b:2"), ["tcp://a:1", "tcp://b:2"]);
        assert_eq!(parts("http://a/x,y,file:/z"), ["http://a/x,y", "file:/z"]);
        assert_eq!(parts("file:/a,b"), ["file:/a,b"]);
        assert_eq!(parts(""), [""]);
    }
}
