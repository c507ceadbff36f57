//! Whether other programs would reach the server through a proxy.
//!
//! In go the host and the variables that kubectl reads, out comes the name of the variable that it
//! would follow and we do not. A proxy is not used: it sees nothing of TLS, but `CONNECT` with its
//! own credentials is a protocol more. As in Go, loopback is never proxied, and `NO_PROXY` has
//! names (with those below them), addresses and networks. The value may hold a password and is not
//! given.

use std::net::IpAddr;

use net::Endpoint;

const PROXY: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// None if there is no proxy for `server`, which is reached over TLS.
pub(super) fn ignored(
    server: &Endpoint,
    variable: &impl Fn(&str) -> Option<String>,
) -> Option<&'static str> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let proxy = PROXY.into_iter().find(|name| set(name).is_some())?;
    let exceptions = NO_PROXY.into_iter().find_map(set).unwrap_or_default();
    let host = server.host_text();
    let is_direct = is_loopback(&host)
        || exceptions.split(',').any(|exception| covers(exception.trim(), &host, server.port()));
    (server.is_tls() && !is_direct).then_some(proxy)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether one entry of `NO_PROXY` is about this host.
fn covers(exception: &str, host: &str, port: u16) -> bool {
    let exception = exception.to_ascii_lowercase();
    if exception == "*" {
        return true;
    }
    if let Some((network, bits)) = exception.split_once('/') {
        let (Ok(network), Ok(address), Ok(bits)) = (network.parse(), host.parse(), bits.parse())
        else {
            return false;
        };
        return is_within(address, network, bits);
    }
    let name = match exception.rsplit_once(':') {
        // An address of IPv6 has more colons than that of a port.
        Some((name, own)) if !name.contains(':') || name.ends_with(']') => {
            if own.parse() != Ok(port) {
                return false;
            }
            name
        }
        _ => exception.as_str(),
    };
    let name = name.trim_matches(['[', ']']).trim_start_matches('*');
    if let Ok(address) = name.parse::<IpAddr>() {
        return host.parse() == Ok(address);
    }
    let domain = name.trim_start_matches('.');
    let is_below =
        host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.') && !domain.is_empty());
    is_below || host == name
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let same = |one: u128, other: u128, width: u32| {
        bits <= width && (one ^ other).checked_shr(width - bits).unwrap_or(0) == 0
    };
    match (address, network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            same(one.to_bits().into(), other.to_bits().into(), 32)
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => same(one.to_bits(), other.to_bits(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignored_with(server: &str, variables: &[(&str, &str)]) -> Option<&'static str> {
        ignored(&server.parse().unwrap(), &|name| {
            let (_, value) = variables.iter().find(|(own, _)| *own == name)?;
            Some((*value).to_owned())
        })
    }

    #[test]
    fn a_proxy_is_named_where_kubectl_would_use_it() {
        let upper = ("HTTPS_PROXY", "http://me:sesame@proxy:3128");
        let far = "https://api.shop.test:6443";
        assert_eq!(ignored_with(far, &[upper]), Some("HTTPS_PROXY"));
        assert_eq!(ignored_with(far, &[("https_proxy", "proxy:3128")]), Some("https_proxy"));
        assert_eq!(ignored_with(far, &[]), None);
        assert_eq!(ignored_with(far, &[("HTTPS_PROXY", "")]), None);
        for near in ["http://api.shop.test", "https://localhost:1", "https://127.0.0.1:6443"] {
            assert_eq!(ignored_with(near, &[upper]), None, "{near}");
        }
        assert_eq!(ignored_with(far, &[upper, ("no_proxy", "a, shop.test")]), None);
        assert_eq!(ignored_with(far, &[upper, ("NO_PROXY", "other.test")]), Some("HTTPS_PROXY"));
    }

    #[test]
    fn exceptions() {
        for (exception, host, expected) in [
            ("*", "h", true),
            ("", "h", false),
            ("shop.test", "shop.test", true),
            ("shop.test", "api.shop.test", true),
            (".shop.test", "api.shop.test", true),
            (".shop.test", "shop.test", false),
            ("*.shop.test", "api.shop.test", true),
            ("shop.test", "workshop.test", false),
            ("SHOP.test:6443", "shop.test", true),
            ("shop.test:1", "shop.test", false),
            ("10.0.0.7", "10.0.0.7", true),
            ("10.0.0.7:6443", "10.0.0.7", true),
            ("10.0.0.0/8", "10.200.0.7", true),
            ("10.0.0.0/16", "10.200.0.7", false),
            ("0.0.0.0/0", "10.0.0.7", true),
            ("10.0.0.0/99", "10.0.0.7", false),
            ("10.0.0.0/8", "api.shop.test", false),
            ("fd00::/8", "fd12::1", true),
            ("fd00::1", "fd00::1", true),
            ("[fd00::1]:6443", "fd00::1", true),
        ] {
            assert_eq!(covers(exception, host, 6443), expected, "{exception} {host}");
        }
    }
}
