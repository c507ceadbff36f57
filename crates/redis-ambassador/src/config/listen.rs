//! Addresses to listen on, as nutcracker writes them.
//!
//! `host:port` is split at the last colon, so that an IPv6 address needs no brackets, and may have
//! them. A path is a unix socket, behind a blank come its permissions in octal. `:port` is every
//! address; nutcracker does not have that. Names are resolved when the port is opened.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{PoolListen, StatsListen};

const EXPECTED: &str = "expected HOST:PORT, :PORT, /SOCKET or \"/SOCKET MODE\"";
const STATS_EXPECTED: &str = "expected ADDRESS:PORT, :PORT or off";
/// Permission bits that a socket can have.
const MODE_MAX: u32 = 0o777;

/// Where clients connect.
pub(super) fn pool_listen(text: &str) -> Result<PoolListen, String> {
    let text = text.trim();
    let text = text.strip_prefix("unix:").unwrap_or(text);
    if text.starts_with('/') {
        return unix(text);
    }
    let (host, port) = text.rsplit_once(':').ok_or(EXPECTED)?;
    let host = unbracketed(host);
    if !host.is_empty() {
        check_host(host)?;
    }
    Ok(PoolListen::Tcp { host: host.to_owned(), port: port_number(port)? })
}

/// Where statistics are served; `None` for `off` and for nothing.
pub(super) fn stats_listen(text: &str) -> Result<Option<StatsListen>, String> {
    let text = text.trim();
    if text.is_empty() || text == "off" {
        return Ok(None);
    }
    let (host, port) = text.rsplit_once(':').ok_or(STATS_EXPECTED)?;
    let port = port_number(port)?;
    let address = match unbracketed(host) {
        "" => return Ok(Some(StatsListen::Everywhere(port))),
        "localhost" => IpAddr::from(Ipv4Addr::LOCALHOST),
        host => host.parse().or(Err(STATS_EXPECTED))?,
    };
    Ok(Some(StatsListen::Address(SocketAddr::from((address, port)))))
}

/// `[::1]` without its brackets; anything else as it is.
pub(super) fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// A name or an address, without a port.
pub(super) fn check_host(host: &str) -> Result<(), String> {
    let is_name =
        !host.contains(|c: char| c.is_whitespace() || c.is_control() || ":/[]".contains(c));
    if !host.is_empty() && (is_name || host.parse::<IpAddr>().is_ok()) {
        return Ok(());
    }
    Err(format!("{host:?} is neither a name nor an address; IPv6 is written [::1]:6379"))
}

/// Digits only, as nutcracker reads it.
pub(super) fn port_number(text: &str) -> Result<u16, String> {
    let port = text.parse().ok().filter(|port| *port > 0 && !text.starts_with('+'));
    port.ok_or_else(|| format!("{text:?} is no port from 1 to 65535"))
}

fn unix(text: &str) -> Result<PoolListen, String> {
    let (path, mode) = match text.split_once(char::is_whitespace) {
        Some((path, mode)) => (path, Some(mode.trim())),
        None => (text, None),
    };
    let octal = |text: &str| {
        let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= MODE_MAX);
        mode.ok_or_else(|| format!("{text:?} are no permissions such as 0660"))
    };
    Ok(PoolListen::Unix { path: path.into(), mode: mode.map(octal).transpose()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, host: &str, port: u16) {
        assert_eq!(
            pool_listen(text),
            Ok(PoolListen::Tcp { host: host.to_owned(), port }),
            "{text}"
        );
    }

    #[test]
    fn addresses() {
        check("127.0.0.1:6380", "127.0.0.1", 6380);
        check("0.0.0.0:6380", "0.0.0.0", 6380);
        check(":6380", "", 6380);
        check("redis:1", "redis", 1);
        check("::1:6380", "::1", 6380);
        check("[::1]:65535", "::1", 65535);
        for text in ["", "6380", "a:", "a:0", "a:65536", "a:+1", "a b:1", "x:y:1", "[::1:1", "a:b"]
        {
            pool_listen(text).unwrap_err();
        }
    }

    #[test]
    fn sockets() {
        let unix = |path: &str, mode| Ok(PoolListen::Unix { path: path.into(), mode });
        assert_eq!(pool_listen("/run/a.sock"), unix("/run/a.sock", None));
        assert_eq!(pool_listen("unix:/run/a.sock"), unix("/run/a.sock", None));
        assert_eq!(pool_listen("/run/a.sock 0666"), unix("/run/a.sock", Some(0o666)));
        assert_eq!(pool_listen("/run/a.sock  660"), unix("/run/a.sock", Some(0o660)));
        for text in ["/a 888", "/a 01777", "/a rw", "/a 0666 x"] {
            pool_listen(text).unwrap_err();
        }
    }

    #[test]
    fn statistics() {
        for text in ["", "off", " "] {
            assert_eq!(stats_listen(text), Ok(None));
        }
        let address = |text: &str| Ok(Some(StatsListen::Address(text.parse().unwrap())));
        assert_eq!(stats_listen(":22222"), Ok(Some(StatsListen::Everywhere(22222))));
        assert_eq!(stats_listen("0.0.0.0:22222"), address("0.0.0.0:22222"));
        assert_eq!(stats_listen("localhost:1"), address("127.0.0.1:1"));
        assert_eq!(stats_listen("[::1]:1"), address("[::1]:1"));
        for text in ["22222", "a:1", "127.0.0.1", "127.0.0.1:0"] {
            stats_listen(text).unwrap_err();
        }
    }
}
