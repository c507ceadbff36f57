//! Numbers and request lines from the raw bytes of a variable.
//!
//! In: bytes as nginx wrote them. Out: a value, or nothing where nginx wrote `-`, nothing, or what
//! is no number. Seconds are read as whole nanoseconds, so that sums are exact; the lists of
//! `$upstream_…` variables (one item for each server that was tried) are summed.

const NANOSECONDS: u64 = 1_000_000_000;
/// Digits behind the point that a nanosecond has.
const FRACTION_DIGITS: usize = 9;
/// Digits before the point with which nanoseconds still fit into 64 bits: 300 years.
const SECONDS_DIGITS_MAX: usize = 10;
/// Digits that always fit into 64 bits.
const SAFE_DIGITS: usize = 19;
/// What the last digit of a fraction stands for, by how many digits it has.
const FRACTION_UNITS: [u64; FRACTION_DIGITS + 1] =
    [1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];

/// A whole number, such as `$body_bytes_sent`. `None` for `-`, nothing, other text and what 64 bits
/// do not hold.
#[must_use]
pub fn integer(value: &[u8]) -> Option<u64> {
    let (number, digits) = leading_digits(value);
    if digits == value.len() && (1..=SAFE_DIGITS).contains(&digits) {
        return Some(number);
    }
    std::str::from_utf8(value).ok().filter(|it| !it.starts_with('+'))?.parse().ok()
}

/// The number that the first bytes are, and how many; wrong beyond [`SAFE_DIGITS`].
fn leading_digits(text: &[u8]) -> (u64, usize) {
    let mut number = 0_u64;
    for (index, byte) in text.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return (number, index);
        }
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    (number, text.len())
}

/// Seconds such as `0.003`, or a list of them such as `0.001, 0.002 : -`, in nanoseconds. Items
/// that are `-` or empty do not count; `None` if all are such, or one is not a number.
#[must_use]
pub fn seconds(value: &[u8]) -> Option<u64> {
    let is_separator = |byte: &u8| matches!(byte, b' ' | b',' | b':');
    let (mut sum, mut rest) = (None, value);
    while let Some(first) = rest.first() {
        if is_separator(first) {
            rest = &rest[1..];
            continue;
        }
        if *first == b'-' {
            rest = &rest[1..];
        } else {
            let (item, behind) = leading_seconds(rest)?;
            sum = Some(item.checked_add(sum.unwrap_or(0))?);
            rest = behind;
        }
        if rest.first().is_some_and(|byte| !is_separator(byte)) {
            return None;
        }
    }
    sum
}

/// The seconds that the first bytes are, and what stands behind them.
fn leading_seconds(text: &[u8]) -> Option<(u64, &[u8])> {
    let (whole, digits) = leading_digits(text);
    if !(1..=SECONDS_DIGITS_MAX).contains(&digits) {
        return None;
    }
    let (whole, behind) = (whole * NANOSECONDS, &text[digits..]);
    let Some((b'.', fraction)) = behind.split_first() else { return Some((whole, behind)) };
    let (number, digits) = leading_digits(fraction);
    let unit = FRACTION_UNITS.get(digits).filter(|_| digits > 0)?;
    Some((whole + number * unit, &fraction[digits..]))
}

/// The parts of `$request`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLine<'a> {
    pub method: &'a [u8],
    /// With the query; not empty.
    pub target: &'a [u8],
}

impl<'a> RequestLine<'a> {
    /// Reads `GET /path?query HTTP/1.1`, or `GET /path` of HTTP/0.9. `None` for `-`, nothing and
    /// whatever else a client sent that is not a request, such as the start of a TLS handshake.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<RequestLine<'a>> {
        const PROTOCOL: &[u8] = b" HTTP/";
        const VERSION_BYTES: usize = 3;
        let end = value.iter().position(|byte| *byte == b' ')?;
        let (method, rest) = (&value[..end], &value[end + 1..]);
        let is_token = |byte: &u8| byte.is_ascii_uppercase() || matches!(byte, b'_' | b'-');
        if method.is_empty() || !method.iter().all(is_token) {
            return None;
        }
        // The protocol stands behind the last space; older servers let spaces through in a path.
        let usual = rest.len().checked_sub(PROTOCOL.len() + VERSION_BYTES);
        let target = match usual.filter(|at| rest[*at..].starts_with(PROTOCOL)) {
            Some(space) => &rest[..space],
            None => match memchr::memrchr(b' ', rest) {
                Some(space) if rest[space..].starts_with(PROTOCOL) => &rest[..space],
                Some(_) => return None,
                None => rest,
            },
        };
        let is_path = !matches!(target.first(), None | Some(b'?'));
        is_path.then_some(RequestLine { method, target })
    }

    /// The target without the query.
    #[must_use]
    pub fn path(&self) -> &'a [u8] {
        without_query(self.target)
    }
}

/// The part of a request's target (`$request_uri`) before the `?`.
#[must_use]
pub fn without_query(target: &[u8]) -> &[u8] {
    memchr::memchr(b'?', target).map_or(target, |query| &target[..query])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_exact_and_lists_are_summed() {
        for (text, expected) in [
            ("0.003", Some(3_000_000)),
            ("12.345", Some(12_345_000_000)),
            ("7", Some(7_000_000_000)),
            ("0.123456789", Some(123_456_789)),
            ("0.001, 0.002 : 0.003", Some(6_000_000)),
            ("0.001, -", Some(1_000_000)),
            ("- : 0.002", Some(2_000_000)),
            ("0.000", Some(0)),
            ("-", None),
            ("", None),
            ("-, -", None),
            (" : ", None),
            ("0.1234567890", None),
            ("1.", None),
            (".5", None),
            ("-1.0", None),
            ("1e3", None),
            ("0.001, x", None),
            ("99999999999999999999", None),
            ("18446744074", None),
        ] {
            assert_eq!(seconds(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn whole_numbers() {
        for (text, expected) in [
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("-", None),
            ("", None),
            ("1 ", None),
            ("+1", None),
        ] {
            assert_eq!(integer(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_request_line_has_a_method_and_a_path_or_is_none() {
        for (text, expected) in [
            ("GET / HTTP/1.1", Some(("GET", "/"))),
            ("POST /a/b?c=d&e=/f HTTP/2.0", Some(("POST", "/a/b"))),
            ("GET /old", Some(("GET", "/old"))),
            ("GET /with space HTTP/1.1", Some(("GET", "/with space"))),
            ("CONNECT host:443 HTTP/1.1", Some(("CONNECT", "host:443"))),
            ("OPTIONS * HTTP/1.1", Some(("OPTIONS", "*"))),
            ("M-SEARCH * HTTP/1.1", Some(("M-SEARCH", "*"))),
            ("-", None),
            ("", None),
            ("GET", None),
            ("GET ", None),
            ("get / HTTP/1.1", None),
            (" / HTTP/1.1", None),
            ("GET ?a HTTP/1.1", None),
            ("GET /a b", None),
            (r"\x16\x03\x01\x02\x00\x01\x00", None),
        ] {
            let parsed = RequestLine::parse(text.as_bytes());
            let parsed = parsed.map(|it| (it.method, it.path()));
            let bytes =
                |(method, path): (&'static str, &'static str)| (method.as_bytes(), path.as_bytes());
            assert_eq!(parsed, expected.map(bytes), "{text:?}");
        }
    }
}
