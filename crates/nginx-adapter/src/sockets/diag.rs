//! Sockets from the kernel's sock_diag, over netlink.
//!
//! In goes a question for the sockets of one kind and family, out come those sockets. The kernel
//! filters by state, so the many sockets in TIME_WAIT cost nothing. Question and answer are fixed
//! structures of linux/inet_diag.h; they are written and read at byte offsets, and an answer that
//! is too short is an error, not a panic. Needs no capability; a sandbox may refuse the family.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

use super::{Family, Kind, Seen, Socket};

/// The kernel answers at once; this is for one that does not.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// One datagram of an answer; the kernel makes none larger.
const DATAGRAM_BYTES_MAX: usize = 32 << 10;

const MESSAGE_HEADER_BYTES: usize = 16;
const QUESTION_BYTES: usize = MESSAGE_HEADER_BYTES + 56;
/// Of an answer, without its attributes.
const ANSWER_BYTES: usize = 72;

const MESSAGE_ERROR: u16 = 2;
const MESSAGE_DONE: u16 = 3;
/// The type of both question and answer.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// A question, for everything that fits.
const REQUEST_AND_DUMP: u16 = 0x1 | 0x300;
const TCP: u8 = 6;
const INET: u8 = 2;
const INET6: u8 = 10;
/// One bit for each state.
const LISTENING: u32 = 1 << 10;
/// ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK, CLOSING.
const CONNECTED: u32 = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 11;

#[derive(Debug)]
pub(super) struct Diag {
    socket: OwnedFd,
    buffer: Vec<u8>,
    /// Tells the answers of one question from those of another.
    sequence: u32,
}

/// One message of an answer.
#[derive(Debug, PartialEq, Eq)]
enum Message {
    Socket(Socket),
    /// The last one.
    Done,
    /// The kernel's error number.
    Error(i32),
    /// Of another question, or of no interest.
    Other,
}

impl Diag {
    pub(super) fn open() -> io::Result<Diag> {
        let flags = SocketFlags::CLOEXEC;
        let family = AddressFamily::NETLINK;
        let protocol = Some(netlink::SOCK_DIAG);
        let socket = rustix::net::socket_with(family, SocketType::DGRAM, flags, protocol)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER_TIMEOUT))?;
        Ok(Diag { socket, buffer: vec![0; DATAGRAM_BYTES_MAX], sequence: 0 })
    }

    /// Goes through the sockets of one kind and family, `max` of them at most. After that limit,
    /// or after an error, the rest of the answer is still to come: ask no more.
    pub(super) fn dump(
        &mut self,
        kind: Kind,
        family: Family,
        max: u32,
        each: &mut dyn FnMut(Socket),
    ) -> io::Result<Seen> {
        self.sequence += 1;
        let question = question(kind, family, self.sequence);
        rustix::net::send(&self.socket, &question, SendFlags::empty())?;
        let mut left = max;
        loop {
            let (_filled, length) =
                rustix::net::recv(&self.socket, &mut self.buffer[..], RecvFlags::TRUNC)?;
            let datagram = self.buffer.get(..length).ok_or(io::ErrorKind::InvalidData)?;
            if datagram.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            for message in (Messages { rest: datagram, sequence: self.sequence }) {
                match message? {
                    Message::Done => return Ok(Seen::All),
                    Message::Error(number) => return Err(io::Error::from_raw_os_error(number)),
                    Message::Other => {}
                    Message::Socket(_) if left == 0 => return Ok(Seen::UpToTheLimit),
                    Message::Socket(socket) => {
                        left -= 1;
                        each(socket);
                    }
                }
            }
        }
    }
}

/// A netlink header and `struct inet_diag_req_v2`. All that is not set means "any".
fn question(kind: Kind, family: Family, sequence: u32) -> [u8; QUESTION_BYTES] {
    let mut question = [0; QUESTION_BYTES];
    let mut put = |place: usize, bytes: &[u8]| {
        question[place..place + bytes.len()].copy_from_slice(bytes);
    };
    let length = u32::try_from(QUESTION_BYTES).expect("72");
    put(0, &length.to_ne_bytes());
    put(4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(6, &REQUEST_AND_DUMP.to_ne_bytes());
    put(8, &sequence.to_ne_bytes());
    let family = match family {
        Family::Ipv4 => INET,
        Family::Ipv6 => INET6,
    };
    put(16, &[family, TCP]);
    let states = match kind {
        Kind::Listening => LISTENING,
        Kind::Connected => CONNECTED,
    };
    put(20, &states.to_ne_bytes());
    question
}

/// The messages of one datagram.
struct Messages<'a> {
    rest: &'a [u8],
    sequence: u32,
}

impl Iterator for Messages<'_> {
    type Item = io::Result<Message>;

    fn next(&mut self) -> Option<io::Result<Message>> {
        if self.rest.is_empty() {
            return None;
        }
        let message = self.take();
        if message.is_none() {
            self.rest = &[];
        }
        Some(message.ok_or(io::ErrorKind::InvalidData.into()))
    }
}

impl Messages<'_> {
    fn take(&mut self) -> Option<Message> {
        let length = usize::try_from(u32::from_ne_bytes(bytes(self.rest, 0)?)).ok()?;
        let kind = u16::from_ne_bytes(bytes(self.rest, 4)?);
        let sequence = u32::from_ne_bytes(bytes(self.rest, 8)?);
        let payload = self.rest.get(MESSAGE_HEADER_BYTES..length)?;
        // Messages begin at multiples of four; behind the last one nothing need follow.
        self.rest = self.rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        match kind {
            _ if sequence != self.sequence => Some(Message::Other),
            MESSAGE_DONE => Some(Message::Done),
            MESSAGE_ERROR => {
                let number = i32::from_ne_bytes(bytes(payload, 0)?);
                Some(Message::Error(number.checked_neg()?))
            }
            SOCK_DIAG_BY_FAMILY => socket(payload),
            _ => Some(Message::Other),
        }
    }
}

/// `struct inet_diag_msg`
fn socket(answer: &[u8]) -> Option<Message> {
    let answer = answer.get(..ANSWER_BYTES)?;
    let address = match answer[0] {
        INET => IpAddr::V4(Ipv4Addr::from(bytes::<4>(answer, 8)?)),
        INET6 => IpAddr::V6(Ipv6Addr::from(bytes::<16>(answer, 8)?)),
        _ => return Some(Message::Other),
    };
    let port = u16::from_be_bytes(bytes(answer, 4)?);
    let number = |place| Some(u32::from_ne_bytes(bytes(answer, place)?));
    let (queue, queue_max, inode) = (number(56)?, number(60)?, number(68)?);
    let local = SocketAddr::new(address, port);
    Some(Message::Socket(Socket { local, queue, queue_max: Some(queue_max), held: inode != 0 }))
}

fn bytes<const N: usize>(from: &[u8], place: usize) -> Option<[u8; N]> {
    from.get(place..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    const SEQUENCE: u32 = 1;

    fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(MESSAGE_HEADER_BYTES + payload.len()).unwrap();
        let mut message = length.to_ne_bytes().to_vec();
        message.extend_from_slice(&kind.to_ne_bytes());
        message.extend_from_slice(&2u16.to_ne_bytes());
        message.extend_from_slice(&SEQUENCE.to_ne_bytes());
        message.extend_from_slice(&[0; 4]);
        message.extend_from_slice(payload);
        message.resize(message.len().next_multiple_of(4), 0);
        message
    }

    fn messages(datagram: &[u8]) -> Vec<Option<Message>> {
        Messages { rest: datagram, sequence: SEQUENCE }.map(Result::ok).collect()
    }

    /// As a kernel 6.18 answered on a machine with the low byte first: a socket that listens on
    /// 127.0.0.1:34075 with 3 of 7 places taken, its attributes, then the end.
    const RECORDED: &str = "\
        7c00000014000200010000006a620000020a0000851b00007f00000100000000000000000000000000000000\
        000000000000000000000000000000000800000000000000000000000300000007000000000000008cfb0a00\
        050008000000000008000f00000000000c001500010000000000000006001600520000001400000003000200\
        010000006a62000000000000";

    #[test]
    #[cfg(target_endian = "little")]
    fn a_recorded_answer_is_understood() {
        let digits = RECORDED.as_bytes().chunks_exact(2);
        let digits = digits.map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16));
        let datagram = digits.collect::<Result<Vec<_>, _>>().unwrap();
        let local = "127.0.0.1:34075".parse().unwrap();
        let socket = Socket { local, queue: 3, queue_max: Some(7), held: true };
        assert_eq!(messages(&datagram), [Some(Message::Socket(socket)), Some(Message::Done)]);
    }

    #[test]
    fn a_damaged_answer_is_an_error() {
        let whole = message(SOCK_DIAG_BY_FAMILY, &[0; ANSWER_BYTES]);
        assert_eq!(messages(&whole), [Some(Message::Other)]);
        let short = message(SOCK_DIAG_BY_FAMILY, &[0; ANSWER_BYTES - 4]);
        for damaged in [&short, &whole[..40], &whole[..7]] {
            assert_eq!(messages(damaged), [None]);
        }
        let mut tiny = whole.clone();
        tiny[..4].copy_from_slice(&3u32.to_ne_bytes());
        assert_eq!(messages(&tiny), [None]);
    }

    #[test]
    fn the_end_and_errors_are_told_apart() {
        assert_eq!(messages(&message(MESSAGE_DONE, &[0; 4])), [Some(Message::Done)]);
        let refused = message(MESSAGE_ERROR, &(-13i32).to_ne_bytes());
        assert_eq!(messages(&refused), [Some(Message::Error(13))]);
        let mut other = message(MESSAGE_DONE, &[0; 4]);
        other[8] ^= 0x10;
        assert_eq!(messages(&other), [Some(Message::Other)]);
    }

    proptest! {
        #[test]
        fn any_bytes_end(datagram in any::<Vec<u8>>(), length: u8, kind in 0..32u8) {
            let mut datagram = datagram;
            if let Some(head) = datagram.first_chunk_mut::<8>() {
                *head = [length, 0, 0, 0, kind, 0, 0, 0];
            }
            assert!(messages(&datagram).len() <= datagram.len());
        }
    }
}
