//! Addresses that nobody else has, so that a server can be stopped and started at the same one.
//!
//! All of 127.0.0.0/8 is this machine. Each process of tests takes the host that its own id spells,
//! and a fresh port below those that the kernel hands out. Ports found free by binding port 0 could
//! be taken by any outgoing connection before the server under test binds them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST_PORT: u16 = 7000;

/// An address of 127.0.0.0/8 that no other test uses.
pub fn own_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(FIRST_PORT);
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    // A process id has 22 bits.
    let host = Ipv4Addr::new(127, 64 + high, middle, low);
    (host, NEXT.fetch_add(1, Ordering::Relaxed)).into()
}

/// The same port at another of three hosts that only this process has. `other` is 1 or 2.
pub fn beside(address: SocketAddr, other: u8) -> SocketAddr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    assert!((1..=2).contains(&other), "there are two more hosts");
    (Ipv4Addr::new(127, 64 * (other + 1) + high, middle, low), address.port()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn addresses_can_be_bound_and_are_different() {
        let (one, two) = (own_address(), own_address());
        assert_ne!(one, two);
        drop(TcpListener::bind(one).unwrap());
        drop(TcpListener::bind(two).unwrap());
    }
}
