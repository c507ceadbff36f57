//! One server, as a line of nutcracker.yml has it: `host:port:weight [name]` or
//! `/socket:weight [name]`.
//!
//! Read from the right: what stands behind the last blank is the name, before it come the weight
//! and the port, each behind its colon. So an IPv6 address needs no brackets and may have them, and
//! so a second server behind a blank is a name. A server without a name is called by what stands
//! before the weight, as typed, brackets included; at port 11211 by its host alone; a socket by its
//! path with a colon behind it, because that is what nutcracker hashes.

use std::net::{IpAddr, SocketAddr};

use placement::node_name;

use super::listen::{check_host, port_number, unbracketed};
use super::{ServerAddress, ServerConfig};

const EXPECTED: &str = "expected HOST:PORT:WEIGHT [NAME] or /SOCKET:WEIGHT [NAME]";

/// Reads such a line.
pub(super) fn server_line(text: &str) -> Result<ServerConfig, String> {
    let (address, name) = match text.rsplit_once(' ') {
        Some((address, name)) => (address, Some(name)),
        None => (text, None),
    };
    let (address, weight) = address.rsplit_once(':').ok_or(EXPECTED)?;
    server(address, weight_number(weight)?, name.filter(|name| !name.is_empty()))
}

/// A server at `host:port` or `/socket`.
pub(super) fn server(
    address: &str,
    weight: u32,
    name: Option<&str>,
) -> Result<ServerConfig, String> {
    let named = |own: String| name.map_or(own, str::to_owned);
    if address.starts_with('/') {
        let name = named(format!("{address}:"));
        return Ok(ServerConfig { name, address: ServerAddress::Unix(address.into()), weight });
    }
    let (host, port_text) = address.rsplit_once(':').ok_or(EXPECTED)?;
    let port = port_number(port_text)?;
    let bare = unbracketed(host);
    check_host(bare)?;
    let own = node_name(host, port);
    let own = if own == host { own } else { address.to_owned() };
    let address = match bare.parse::<IpAddr>() {
        Ok(ip) => ServerAddress::Ip(SocketAddr::from((ip, port))),
        Err(_) => ServerAddress::Name { host: bare.to_owned(), port },
    };
    Ok(ServerConfig { name: named(own), address, weight })
}

/// Digits only, as nutcracker reads it.
pub(super) fn weight_number(text: &str) -> Result<u32, String> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let weight = text.parse().ok().filter(|weight| is_number && (1..=WEIGHT_MAX).contains(weight));
    weight.ok_or_else(|| format!("{text:?} is no weight from 1 to {WEIGHT_MAX}"))
}

/// What C's `int` holds.
const WEIGHT_MAX: u32 = i32::MAX.cast_unsigned();

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, name: &str, address: &str, weight: u32) {
        let server = server_line(text).unwrap();
        let found = (server.name.as_str(), server.address.to_string(), server.weight);
        assert_eq!(found, (name, address.to_owned(), weight), "{text}");
    }

    /// The names are those that a real nutcracker shows in its statistics.
    #[test]
    fn lines_that_nutcracker_takes() {
        check("127.0.0.1:6379:1", "127.0.0.1:6379", "127.0.0.1:6379", 1);
        check("redis-0.svc:6379:5 one", "one", "redis-0.svc:6379", 5);
        check("a:11211:1", "a", "a:11211", 1);
        check("a:06379:007", "a:06379", "a:6379", 7);
        check("::1:7001:1", "::1:7001", "[::1]:7001", 1);
        check("[::1]:7001:1", "[::1]:7001", "[::1]:7001", 1);
        check("[::1]:11211:1", "[::1]", "[::1]:11211", 1);
        check("/tmp/s.sock:1", "/tmp/s.sock:", "/tmp/s.sock", 1);
        check("/tmp/s.sock:2 x", "x", "/tmp/s.sock", 2);
        check("a:1:1 b:1:1", "b:1:1", "a:1", 1);
        check("a:1:2147483647", "a:1", "a:1", 2_147_483_647);
    }

    #[test]
    fn lines_that_are_refused() {
        for (text, reason) in [
            ("", EXPECTED),
            ("a", EXPECTED),
            ("a:6379", EXPECTED),
            ("a:0:1", r#""0" is no port from 1 to 65535"#),
            ("a:+99:1", r#""+99" is no port from 1 to 65535"#),
            ("a:99:0", r#""0" is no weight from 1 to 2147483647"#),
            ("a:99:2147483648", r#""2147483648" is no weight from 1 to 2147483647"#),
            ("a:99:1 b c", r#""1 b" is no weight from 1 to 2147483647"#),
            ("a:1:1 \\ b:1:1", r#""1 \\" is no weight from 1 to 2147483647"#),
            (
                "a:1:1 b:1:1 c:1:1",
                r#""a:1:1 b" is neither a name nor an address; IPv6 is written [::1]:6379"#,
            ),
            (":1:1", r#""" is neither a name nor an address; IPv6 is written [::1]:6379"#),
        ] {
            assert_eq!(server_line(text).unwrap_err(), reason, "{text}");
        }
    }
}
