//! How much of what was written the other side's kernel has not confirmed.
//!
//! The one call without a safe wrapper is here, and nowhere else. /proc/net/tcp has the number too,
//! in a list of all sockets of the pod.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::ioctl::{Getter, ioctl};

/// Of asm-generic/ioctls.h; for TCP it is what linux/sockios.h calls `SIOCOUTQ`.
const TIOCOUTQ: rustix::ioctl::Opcode = 0x5411;

/// Bytes of a TCP socket that are not confirmed, sent or not.
pub(super) fn unconfirmed(socket: BorrowedFd<'_>) -> io::Result<i32> {
    #[expect(unsafe_code, reason = "no safe wrapper knows this request")]
    // SAFETY: the kernel answers this request with one `int`, which is what the getter holds.
    let bytes = unsafe { ioctl(socket, Getter::<TIOCOUTQ, i32>::new()) };
    Ok(bytes?)
}
