//! Sockets and counters as text from /proc/net.
//!
//! In go the lines of `tcp`, `tcp6` and `netstat`, out come the same sockets as from netlink, but
//! for the size of a queue, and the two counters that only this file has. Lines that do not look
//! as expected are passed over: the kernel may add files' columns, but never changed these.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Family, Kind, Seen, Socket};

/// Of one line of `tcp`; the longest has about 180.
const LINE_BYTES_MAX: u64 = 1024;
/// Of `netstat`; it has about 5,000.
const NETSTAT_BYTES_MAX: u64 = 64 << 10;
/// Bytes that are read at once; the kernel gives at most a page anyhow.
const BUFFER_BYTES: usize = 4096;
/// Values of the column `st`.
const LISTENING: [u8; 1] = [10];
/// ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK, CLOSING.
const CONNECTED: [u8; 6] = [1, 4, 5, 8, 9, 11];

/// Counters of the whole network namespace.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Drops {
    pub(super) overflows: Option<u64>,
    pub(super) drops: Option<u64>,
}

/// Goes through the sockets of one kind and family, `max` of them at most.
pub(super) fn each(
    kind: Kind,
    family: Family,
    max: u32,
    each: &mut dyn FnMut(Socket),
) -> io::Result<Seen> {
    let path = match family {
        Family::Ipv4 => "/proc/net/tcp",
        Family::Ipv6 => "/proc/net/tcp6",
    };
    match File::open(path) {
        Ok(file) => each_in(BufReader::with_capacity(BUFFER_BYTES, file), kind, max, each),
        // A kernel without IPv6.
        Err(error) if error.kind() == io::ErrorKind::NotFound && family == Family::Ipv6 => {
            Ok(Seen::All)
        }
        Err(error) => Err(error),
    }
}

fn each_in(
    mut lines: impl BufRead,
    kind: Kind,
    max: u32,
    each: &mut dyn FnMut(Socket),
) -> io::Result<Seen> {
    let states: &[u8] = match kind {
        Kind::Listening => &LISTENING,
        Kind::Connected => &CONNECTED,
    };
    let mut line = String::new();
    // Every line counts, so that sockets in other states cannot make this long.
    for _line in 0..max {
        line.clear();
        if lines.by_ref().take(LINE_BYTES_MAX).read_line(&mut line)? == 0 {
            return Ok(Seen::All);
        }
        if let Some((state, socket)) = parse(&line)
            && states.contains(&state)
        {
            each(socket);
        }
    }
    Ok(Seen::UpToTheLimit)
}

/// `  0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000  0  0 4711 ...`
fn parse(line: &str) -> Option<(u8, Socket)> {
    let mut columns = line.split_ascii_whitespace();
    let local = address(columns.nth(1)?)?;
    let state = u8::from_str_radix(columns.nth(1)?, 16).ok()?;
    let (_sent, received) = columns.next()?.split_once(':')?;
    let queue = u32::from_str_radix(received, 16).ok()?;
    let inode: u64 = columns.nth(4)?.parse().ok()?;
    Some((state, Socket { local, queue, queue_max: None, held: inode != 0 }))
}

/// The address as one or four words in the machine's byte order, the port as a number.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |place: usize| -> Option<[u8; 4]> {
        let digits = address.get(8 * place..8 * place + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut octets = [0; 16];
            for (place, four) in octets.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&word(place)?);
            }
            IpAddr::V6(Ipv6Addr::from(octets))
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

/// The counters; each is none if it cannot be read.
pub(super) fn drops() -> Drops {
    let read = || {
        let mut text = String::new();
        File::open("/proc/net/netstat")?.take(NETSTAT_BYTES_MAX).read_to_string(&mut text)?;
        io::Result::Ok(text)
    };
    read().map_or_else(|_unreadable| Drops::default(), |text| drops_in(&text))
}

/// Lines come in pairs: names, then values.
fn drops_in(netstat: &str) -> Drops {
    let mut lines = netstat.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
    let value = |wanted: &str| {
        let mut pairs = names.split_ascii_whitespace().zip(values.split_ascii_whitespace());
        pairs.find(|(name, _value)| *name == wanted)?.1.parse().ok()
    };
    Drops { overflows: value("ListenOverflows"), drops: value("ListenDrops") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 4711 1 0
   1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0
   2: 0100007F:1F90 0100007F:D432 01 00000000:00000005 00:00000000 00000000     0        0 0 1 0
   3: 0100007F:1F90 0100007F:D433 06 00000000:00000000 03:00001234 00000000     0        0 0 3 0
   4: half a line
";
    const TCP6: &str = "   0: 00000000000000000000000001000000:0050 \
        00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 99 1\n";

    fn sockets(text: &str, kind: Kind, max: u32) -> (Vec<(String, u32, bool)>, Seen) {
        let mut sockets = Vec::new();
        let mut each = |it: Socket| sockets.push((it.local.to_string(), it.queue, it.held));
        let seen = each_in(text.as_bytes(), kind, max, &mut each).unwrap();
        (sockets, seen)
    }

    #[test]
    fn sockets_are_told_by_their_state() {
        let socket = |queue, held| ("127.0.0.1:8080".to_owned(), queue, held);
        if cfg!(target_endian = "little") {
            let listening = sockets(TCP, Kind::Listening, 100);
            assert_eq!(listening, (vec![socket(3, true)], Seen::All));
            let connected = sockets(TCP, Kind::Connected, 100);
            assert_eq!(connected, (vec![socket(0, true), socket(5, false)], Seen::All));
            let six = sockets(TCP6, Kind::Listening, 100);
            assert_eq!(six, (vec![("[::1]:80".to_owned(), 0, true)], Seen::All));
            assert_eq!(sockets(TCP, Kind::Connected, 3).1, Seen::UpToTheLimit);
        }
    }

    #[test]
    fn counters_are_found_by_name() {
        let text = "TcpExt: A ListenOverflows ListenDrops B\nTcpExt: 1 2 3 4\nIpExt: X\nIpExt: 5\n";
        assert_eq!(drops_in(text), Drops { overflows: Some(2), drops: Some(3) });
        let other = "TcpExt: A ListenDrops\nTcpExt: 1 -3\n";
        assert_eq!(drops_in(other), Drops::default());
        assert_eq!(drops_in(""), Drops::default());
    }
}
