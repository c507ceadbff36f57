//! Writing requests and replies, appended to a buffer.
//!
//! Each function appends one whole element, or one header that says how many elements follow; the
//! caller writes exactly that many. What RESP2 lacks takes the form that Redis gives it there: a
//! map is an array of twice the length, a null is an empty bulk string of length -1. A tree of
//! values to be written was not taken: the replies of a proxy are short and known.

use std::io::Write;

use crate::Protocol;

/// `*n`, to be followed by `n` elements.
pub fn array_header(out: &mut Vec<u8>, n: usize) {
    header(out, b'*', n);
}

/// The header of `pairs` keys, each followed by its value.
pub fn map_header(out: &mut Vec<u8>, protocol: Protocol, pairs: usize) {
    match protocol {
        Protocol::Resp2 => header(out, b'*', pairs * 2),
        Protocol::Resp3 => header(out, b'%', pairs),
    }
}

/// The header of a set of `n` elements; an array in RESP2.
pub fn set_header(out: &mut Vec<u8>, protocol: Protocol, n: usize) {
    let marker = if protocol == Protocol::Resp3 { b'~' } else { b'*' };
    header(out, marker, n);
}

/// A string of any bytes.
pub fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    header(out, b'$', bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Text for people, which RESP3 marks as such (INFO, CLIENT LIST, LOLWUT).
pub fn text(out: &mut Vec<u8>, protocol: Protocol, text: &[u8]) {
    match protocol {
        Protocol::Resp2 => bulk(out, text),
        Protocol::Resp3 => {
            header(out, b'=', text.len() + 4);
            out.extend_from_slice(b"txt:");
            out.extend_from_slice(text);
            out.extend_from_slice(b"\r\n");
        }
    }
}

pub fn integer(out: &mut Vec<u8>, value: i64) {
    write!(out, ":{value}\r\n").expect("a Vec takes any bytes");
}

/// `+text`; CR and LF become blanks.
pub fn simple(out: &mut Vec<u8>, text: &str) {
    line(out, b'+', text.as_bytes());
}

/// `-text`, the code (`ERR …`) being part of the text; CR and LF become blanks.
pub fn error(out: &mut Vec<u8>, text: &str) {
    line(out, b'-', text.as_bytes());
}

/// As [`error`], for a text that carries bytes of a client.
pub fn error_bytes(out: &mut Vec<u8>, text: &[u8]) {
    line(out, b'-', text);
}

pub fn null(out: &mut Vec<u8>, protocol: Protocol) {
    out.extend_from_slice(match protocol {
        Protocol::Resp2 => b"$-1\r\n",
        Protocol::Resp3 => b"_\r\n",
    });
}

/// The null in the place of an array.
pub fn null_array(out: &mut Vec<u8>, protocol: Protocol) {
    out.extend_from_slice(match protocol {
        Protocol::Resp2 => b"*-1\r\n",
        Protocol::Resp3 => b"_\r\n",
    });
}

/// A whole request.
pub fn request(out: &mut Vec<u8>, args: &[&[u8]]) {
    array_header(out, args.len());
    for arg in args {
        bulk(out, arg);
    }
}

fn header(out: &mut Vec<u8>, marker: u8, mut n: usize) {
    // The marker, as many digits as a u64 has, the line end; filled from the right.
    let mut bytes = [0; 23];
    let mut at = bytes.len() - 2;
    bytes[at..].copy_from_slice(b"\r\n");
    loop {
        at -= 1;
        bytes[at] = DIGITS[n % 10];
        n /= 10;
        if n == 0 {
            break;
        }
    }
    at -= 1;
    bytes[at] = marker;
    out.extend_from_slice(&bytes[at..]);
}

const DIGITS: &[u8; 10] = b"0123456789";

fn line(out: &mut Vec<u8>, marker: u8, text: &[u8]) {
    out.push(marker);
    out.extend(text.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }));
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::{
        array_header, bulk, error, integer, map_header, null, null_array, request, set_header,
        simple, text,
    };
    use crate::Protocol::{Resp2, Resp3};

    fn check(write: impl Fn(&mut Vec<u8>), bytes: &str) {
        let mut out = Vec::new();
        write(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), bytes);
    }

    #[test]
    fn every_form() {
        check(|out| array_header(out, 0), "*0\r\n");
        check(|out| array_header(out, usize::MAX), "*18446744073709551615\r\n");
        check(|out| map_header(out, Resp2, 7), "*14\r\n");
        check(|out| map_header(out, Resp3, 7), "%7\r\n");
        check(|out| set_header(out, Resp2, 2), "*2\r\n");
        check(|out| set_header(out, Resp3, 2), "~2\r\n");
        check(|out| bulk(out, b""), "$0\r\n\r\n");
        check(|out| bulk(out, b"a\r\nb"), "$4\r\na\r\nb\r\n");
        check(|out| text(out, Resp2, b"hi"), "$2\r\nhi\r\n");
        check(|out| text(out, Resp3, b"hi"), "=6\r\ntxt:hi\r\n");
        check(|out| integer(out, i64::MIN), ":-9223372036854775808\r\n");
        check(|out| simple(out, "OK"), "+OK\r\n");
        check(|out| error(out, "ERR a\r\nb"), "-ERR a  b\r\n");
        check(|out| null(out, Resp2), "$-1\r\n");
        check(|out| null(out, Resp3), "_\r\n");
        check(|out| null_array(out, Resp2), "*-1\r\n");
        check(|out| null_array(out, Resp3), "_\r\n");
        check(|out| request(out, &[b"GET", b"k"]), "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
    }
}
