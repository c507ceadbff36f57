//! Decimal numbers in headers, the way Redis reads them.
//!
//! One way to write each number: no plus sign, no leading zero, no blank, nothing empty. The hot
//! scan reads a length and its line end in one go with [`line`]; what that does not take is looked
//! at again slowly with [`parse`], which alone decides what is an error.

/// More digits than an i64 has.
const DIGITS_MAX: usize = 19;

/// The header at `at`: its number, and where the next line begins. `None` says nothing but that
/// the slow way must be taken. Numbers of one or two digits, nearly all there are, cost no loop.
#[inline(always)]
pub(crate) fn header(bytes: &[u8], at: usize, marker: u8) -> Option<(usize, usize)> {
    // The shortest bulk has six bytes; the shortest array that announces one has more.
    let [first, a, b, c, d] = *bytes.get(at..)?.first_chunk()?;
    if first != marker {
        return None;
    }
    let (tens, units) = (a.wrapping_sub(b'0'), b.wrapping_sub(b'0'));
    if tens <= 9 && [b, c] == *b"\r\n" {
        return Some((usize::from(tens), at + 4));
    }
    if tens.wrapping_sub(1) <= 8 && units <= 9 && [c, d] == *b"\r\n" {
        return Some((usize::from(tens) * 10 + usize::from(units), at + 5));
    }
    line(bytes, at + 1)
}

/// The number at `at` whose CRLF is there too, and where the next line begins. `None` says nothing
/// but that the slow way must be taken.
pub(crate) fn line(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let first = bytes.get(at)?.wrapping_sub(b'0');
    if first > 9 {
        return None;
    }
    let mut value = usize::from(first);
    let mut next = at + 1;
    loop {
        let byte = *bytes.get(next)?;
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            let canonical = first != 0 || next == at + 1;
            let ends = byte == b'\r' && *bytes.get(next + 1)? == b'\n';
            return (canonical && ends).then_some((value, next + 2));
        }
        if next - at >= 9 {
            return None;
        }
        value = value * 10 + usize::from(digit);
        next += 1;
    }
}

/// The whole of `digits` as a number; `None` for anything that Redis would not take.
pub(crate) fn parse(digits: &[u8]) -> Option<i64> {
    let (negative, digits) = match digits {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= DIGITS_MAX => {}
        _ => return None,
    }
    let mut value = 0_i64;
    for byte in digits {
        let digit = i64::from(byte.checked_sub(b'0').filter(|digit| *digit <= 9)?);
        let shifted = value.checked_mul(10)?;
        value = if negative { shifted.checked_sub(digit)? } else { shifted.checked_add(digit)? };
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::{line, parse};

    #[test]
    fn only_one_way_to_write_a_number() {
        for (text, value) in [
            ("0", Some(0)),
            ("7", Some(7)),
            ("-1", Some(-1)),
            ("10", Some(10)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("", None),
            ("-", None),
            ("-0", None),
            ("00", None),
            ("01", None),
            ("+1", None),
            (" 1", None),
            ("1 ", None),
            ("1a", None),
        ] {
            assert_eq!(parse(text.as_bytes()), value, "{text:?}");
            let fast = line(format!("{text}\r\n").as_bytes(), 0);
            if let Some((fast, next)) = fast {
                assert_eq!((i64::try_from(fast).ok(), next), (value, text.len() + 2));
            }
        }
        assert_eq!(line(b"123456789\r\nx", 0), Some((123_456_789, 11)));
        assert_eq!(line(b"12\r", 0), None);
        assert_eq!(line(b"12\rx", 0), None);
    }
}
