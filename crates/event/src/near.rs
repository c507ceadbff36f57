//! Searches that end after a few bytes.
//!
//! In: bytes. Out: the first place of what is searched. Eight bytes are looked at as one number: a
//! search that uses the widest instructions costs more to set up than such a value is long. Of the
//! bits that mark a hit, the lowest is exact, and that is the one asked for.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = ONES << 7;

/// The first place of `byte`.
#[inline(always)]
pub(crate) fn find(byte: u8, text: &[u8]) -> Option<usize> {
    let wanted = ONES * u64::from(byte);
    let (words, rest) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let hits = below(u64::from_le_bytes(*word) ^ wanted, 1) & HIGH;
        if hits != 0 {
            return Some(index * 8 + hits.trailing_zeros() as usize / 8);
        }
    }
    let at = rest.iter().position(|it| *it == byte)?;
    Some(text.len() - rest.len() + at)
}

/// What stands before the first place of a byte that is ASCII, and behind it.
#[inline(always)]
pub(crate) fn split(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = find(byte, text.as_bytes())?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// How many bytes at the beginning neither end a JSON string nor are escapes or control characters.
#[inline(always)]
pub(crate) fn plain_json(text: &[u8]) -> usize {
    const QUOTE: u64 = ONES * b'"' as u64;
    const ESCAPE: u64 = ONES * b'\\' as u64;
    let (words, rest) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let hits = below(word ^ QUOTE, 1) | below(word ^ ESCAPE, 1) | below(word, 0x20);
        let hits = hits & HIGH;
        if hits != 0 {
            return index * 8 + hits.trailing_zeros() as usize / 8;
        }
    }
    let plain = |byte: &&u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
    text.len() - rest.len() + rest.iter().take_while(plain).count()
}

/// Digits as a number; none if there is anything else among them or they are too many.
#[inline(always)]
pub(crate) fn number(digits: &[u8]) -> Option<i64> {
    /// So many always fit.
    const SAFE_DIGITS: usize = 18;
    if digits.len() > SAFE_DIGITS {
        let are_digits = digits.iter().all(u8::is_ascii_digit);
        return std::str::from_utf8(digits).ok().filter(|_| are_digits)?.parse().ok();
    }
    digits.iter().try_fold(0, |number: i64, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit <= 9).then(|| number * 10 + i64::from(digit))
    })
}

/// The highest bit of each byte that is below the limit, and perhaps of some behind the first such.
fn below(word: u64, limit: u64) -> u64 {
    word.wrapping_sub(ONES * limit) & !word
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let calm = prop_oneof![20 => 0x20..=0xff_u8, 1 => any::<u8>()];
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            proptest::collection::vec(calm, 0..40),
        ]
    }

    #[test]
    fn digits_are_numbers_or_not() {
        for (digits, number) in [
            ("", Some(0)),
            ("007", Some(7)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("000000000000000000000000001", Some(1)),
            ("-1", None),
            ("+000000000000000000000000001", None),
            ("1 ", None),
        ] {
            assert_eq!(super::number(digits.as_bytes()), number, "{digits}");
        }
    }

    proptest! {
        #[test]
        fn places_are_those_of_a_plain_search(text in bytes(), byte in any::<u8>()) {
            for byte in [byte, text.last().copied().unwrap_or_default()] {
                prop_assert_eq!(find(byte, &text), text.iter().position(|it| *it == byte));
            }
            let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
            let expected = text.iter().position(special).unwrap_or(text.len());
            prop_assert_eq!(plain_json(&text), expected);
        }
    }
}
