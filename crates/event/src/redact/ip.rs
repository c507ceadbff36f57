//! Addresses of IPv4 and IPv6.
//!
//! A run of the bytes that addresses are made of is taken as a whole: it is one address or none, so
//! `1.2.3.4.5` and `12:30:45` are none.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::scan;

/// Bytes of the shortest address of IPv4.
const IPV4_BYTES_MIN: usize = 7;
/// Bytes of the longest address of either kind.
const ADDRESS_BYTES_MAX: usize = 45;

/// Four numbers with dots that no letter adjoins.
pub(super) fn find_ipv4(text: &[u8], from: usize) -> Option<Range<usize>> {
    let mut from = from;
    let is_of_run = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    loop {
        let dot = scan::find_byte(b'.', text, from)?;
        // The next dot of an address is behind one to three digits.
        let next = &text[dot + 1..text.len().min(dot + 5)];
        let is_first = dot > from && text[dot - 1].is_ascii_digit();
        if !is_first || !next.contains(&b'.') {
            from = dot + 1;
            continue;
        }
        let start = scan::start_of(text, dot, from, |byte| byte.is_ascii_digit());
        let start = scan::behind_escape(text, start).min(dot);
        let run_end = scan::end_of(text, dot, is_of_run);
        let end = scan::start_of(text, run_end, dot, |byte| byte == b'.');
        from = run_end;
        let is_word = scan::goes_on_before(text, start) || scan::goes_on_at(text, run_end);
        let is_host = |it: Ipv4Addr| it.octets()[1..] != [0, 0, 0];
        if end - start >= IPV4_BYTES_MIN
            && !is_word
            && parse(&text[start..end]).is_some_and(is_host)
        {
            return Some(start..end);
        }
    }
}

/// Eight groups, or fewer with `::`.
pub(super) fn find_ipv6(text: &[u8], from: usize) -> Option<Range<usize>> {
    let mut from = from;
    loop {
        let colon = scan::find_byte(b':', text, from)?;
        let next = &text[colon + 1..text.len().min(colon + 6)];
        if !next.contains(&b':') {
            from = colon + 1;
            continue;
        }
        let start = scan::start_of(text, colon, from, |byte| byte.is_ascii_hexdigit());
        let start = scan::behind_escape(text, start).min(colon);
        let is_of_run = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
        let run_end = scan::end_of(text, colon, is_of_run);
        from = run_end;
        let Some(address) = trim_ipv6(text, start..run_end) else { continue };
        let is_word = scan::goes_on_before(text, address.start) || scan::goes_on_at(text, run_end);
        if !is_word && is_ipv6(&text[address.clone()]) {
            return Some(address);
        }
    }
}

/// Leaves out a colon before the address (`client:::1`), and the colon or dots of the sentence.
fn trim_ipv6(text: &[u8], run: Range<usize>) -> Option<Range<usize>> {
    let Range { mut start, mut end } = run;
    match text[start..end] {
        [b':', b':', b':', ..] => start += 1,
        [b':', next, ..] if next != b':' => start += 1,
        _ => {}
    }
    while end > start && text[end - 1] == b'.' {
        end -= 1;
    }
    if end > start + 1 && text[end - 1] == b':' && text[end - 2] != b':' {
        end -= 1;
    }
    (end - start >= 3).then_some(start..end)
}

/// `add::face` is a name in a program, `13:55:36` a time.
fn is_ipv6(text: &[u8]) -> bool {
    if text.len() > ADDRESS_BYTES_MAX {
        return false;
    }
    let colons = text.iter().filter(|byte| **byte == b':').count();
    let is_short = text.windows(2).any(|it| it == b"::");
    let groups = text.split(|byte| *byte == b':').filter(|group| !group.is_empty()).count();
    let is_telling = groups >= 3 || text.iter().any(u8::is_ascii_digit);
    (is_short && is_telling || colons >= 6) && parse::<Ipv6Addr>(text).is_some()
}

fn parse<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    if text.len() > ADDRESS_BYTES_MAX {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Writes an address with a zero for its last number.
pub(super) fn write_ipv4_net(address: &[u8], out: &mut Vec<u8>) {
    let end = memchr::memrchr(b'.', address).map_or(0, |dot| dot + 1);
    out.extend_from_slice(&address[..end]);
    out.push(b'0');
}

/// Writes the first 48 bits of an address, or the network of the IPv4 address within.
pub(super) fn write_ipv6_net(address: &[u8], out: &mut Vec<u8>) {
    let Some(address) = parse::<Ipv6Addr>(address) else { return };
    let net = match (address.to_ipv4_mapped(), address.segments()) {
        (Some(inner), _) => {
            let [a, b, c, _] = inner.octets();
            Ipv4Addr::new(a, b, c, 0).to_ipv6_mapped()
        }
        (None, [a, b, c, ..]) => Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0),
    };
    out.extend_from_slice(net.to_string().as_bytes());
}
