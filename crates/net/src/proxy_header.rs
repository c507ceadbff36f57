//! The PROXY protocol header, version 2, that tells a server who connects.
//!
//! In go the two ends of a stream that was just opened, out come the bytes to send before anything
//! else, TLS included. They name the stream's own ends: whoever connects here acts for itself. A
//! server that was told to expect the header drops connections without it. Version 1, the same as
//! a line of text, was not taken: it cannot name unix sockets.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2, a connection on behalf of another.
const VERSION_AND_COMMAND: u8 = 0x21;
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;
const UNIX_STREAM: u8 = 0x31;
/// Of one end's path; a longer one is cut off.
const UNIX_PATH_BYTES: usize = 108;

/// For a TCP stream. Both ends are of one family, since the kernel made the stream from them.
pub(crate) fn for_tcp(local: SocketAddr, remote: SocketAddr) -> Vec<u8> {
    let (family, mut addresses) = match (local.ip(), remote.ip()) {
        (IpAddr::V4(local), IpAddr::V4(remote)) => {
            (TCP_OVER_IPV4, [local.octets(), remote.octets()].concat())
        }
        (local, remote) => (TCP_OVER_IPV6, [six(local), six(remote)].concat()),
    };
    addresses.extend_from_slice(&local.port().to_be_bytes());
    addresses.extend_from_slice(&remote.port().to_be_bytes());
    header(family, &addresses)
}

/// For a unix socket at `path`; our own end has no name.
pub(crate) fn for_unix(path: &Path) -> Vec<u8> {
    let mut addresses = [0; 2 * UNIX_PATH_BYTES];
    let path = path.as_os_str().as_bytes();
    let path = &path[..path.len().min(UNIX_PATH_BYTES)];
    addresses[UNIX_PATH_BYTES..][..path.len()].copy_from_slice(path);
    header(UNIX_STREAM, &addresses)
}

fn six(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

fn header(family: u8, addresses: &[u8]) -> Vec<u8> {
    let length = u16::try_from(addresses.len()).expect("two addresses are at most 216 bytes");
    let mut header = SIGNATURE.to_vec();
    header.extend_from_slice(&[VERSION_AND_COMMAND, family]);
    header.extend_from_slice(&length.to_be_bytes());
    header.extend_from_slice(addresses);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(local: &str, remote: &str, family: u8, addresses: &[u8]) {
        let header = for_tcp(local.parse().unwrap(), remote.parse().unwrap());
        assert_eq!(header[..12], SIGNATURE);
        assert_eq!(header[12..14], [0x21, family]);
        assert_eq!(usize::from(header[14]) << 8 | usize::from(header[15]), addresses.len());
        assert_eq!(header[16..], *addresses);
    }

    #[test]
    fn both_ends_of_a_tcp_stream_are_named() {
        let four = [127, 0, 0, 1, 10, 0, 0, 9, 0x1f, 0x90, 0, 80];
        check("127.0.0.1:8080", "10.0.0.9:80", TCP_OVER_IPV4, &four);
        let mut six = [0; 36];
        (six[15], six[31], six[33], six[35]) = (1, 2, 5, 6);
        check("[::1]:5", "[::2]:6", TCP_OVER_IPV6, &six);
    }

    #[test]
    fn a_unix_socket_is_named_by_its_path() {
        let header = for_unix(Path::new("/run/nginx.sock"));
        assert_eq!((header.len(), header[13], header[15]), (16 + 216, UNIX_STREAM, 216));
        assert!(header[16..][..108].iter().all(|byte| *byte == 0));
        assert_eq!(&header[16 + 108..][..15], b"/run/nginx.sock");
        assert!(header[16 + 108 + 15..].iter().all(|byte| *byte == 0));
        let long = "/x".repeat(200);
        assert_eq!(for_unix(Path::new(&long)).len(), 16 + 216);
    }
}
