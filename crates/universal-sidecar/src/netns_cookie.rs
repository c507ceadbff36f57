//! The number of this process's network namespace, which is never used twice in one boot.
//!
//! It tells one sandbox of a pod from the next. The inode number of the namespace would not: the
//! kernel gives the next namespace the number of the last. The one call without a safe wrapper is
//! here, and nowhere else.

use std::mem::size_of;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;

/// `SO_NETNS_COOKIE` of asm-generic/socket.h.
const SO_NETNS_COOKIE: libc::c_int = 71;

/// None before Linux 5.14.
pub(crate) fn netns_cookie() -> Option<u64> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    let mut cookie: u64 = 0;
    let mut length = libc::socklen_t::try_from(size_of::<u64>()).ok()?;
    #[expect(unsafe_code, reason = "no safe wrapper knows this option")]
    // SAFETY: the kernel writes at most `length` bytes, the size of `cookie`, which outlives it.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    (result == 0).then_some(cookie)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_for_all_of_a_process() {
        assert!(netns_cookie().is_some());
        assert_eq!(netns_cookie(), netns_cookie());
    }
}
