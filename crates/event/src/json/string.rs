//! What a JSON string means.
//!
//! In: a string with its quotes, or the inner part of one. Out: the text. Halves of surrogate pairs
//! that stand alone have no meaning as text and become U+FFFD; a scanner that wants to pass strings
//! on refuses them before.

use std::borrow::Cow;

use memchr::memchr;

/// The text of a valid JSON string with its quotes; none if it is another value.
pub(crate) fn decode_string(raw: &str) -> Option<Cow<'_, str>> {
    unescape(raw.strip_prefix('"')?.strip_suffix('"')?)
}

/// The text that stands between the quotes of a string; none if an escape is not valid.
pub(crate) fn unescape(inner: &str) -> Option<Cow<'_, str>> {
    let Some(first) = memchr(b'\\', inner.as_bytes()) else { return Some(Cow::Borrowed(inner)) };
    let (mut text, mut rest) = (String::with_capacity(inner.len()), inner);
    let mut next = Some(first);
    while let Some(at) = next {
        let (plain, escape) = rest.split_at_checked(at)?;
        text.push_str(plain);
        let (character, behind) = escaped(escape)?;
        text.push(character);
        rest = behind;
        next = memchr(b'\\', rest.as_bytes());
    }
    text.push_str(rest);
    Some(Cow::Owned(text))
}

/// The character that an escape stands for, and what follows the escape.
fn escaped(text: &str) -> Option<(char, &str)> {
    let behind = text.get(2..)?;
    let character = match text.as_bytes()[1] {
        plain @ (b'"' | b'\\' | b'/') => char::from(plain),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return escaped_unit(behind),
        _ => return None,
    };
    Some((character, behind))
}

/// The same for what follows `\u`.
fn escaped_unit(text: &str) -> Option<(char, &str)> {
    let (first, behind) = unit(text)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, behind));
    }
    if let Some((second, behind)) = behind.strip_prefix("\\u").and_then(unit)
        && let (0xd800..0xdc00, 0xdc00..0xe000) = (first, second)
    {
        let joined = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return Some((char::from_u32(joined)?, behind));
    }
    Some((char::REPLACEMENT_CHARACTER, behind))
}

fn unit(text: &str) -> Option<(u32, &str)> {
    let (digits, behind) = text.split_at_checked(4)?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    Some((u32::from_str_radix(digits, 16).ok().filter(|_| is_hex)?, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_mean_what_json_says() {
        for (inner, text) in [
            ("", Some("")),
            ("plain ä", Some("plain ä")),
            (r#"\"\\\/\b\f\n\r\t"#, Some("\"\\/\u{8}\u{c}\n\r\t")),
            (r"ä\u00e4\u00E4ä", Some("ääää")),
            (r"\ud83d\ude00", Some("😀")),
            (r"\ud83d", Some("\u{fffd}")),
            (r"\ude00x", Some("\u{fffd}x")),
            (r"\ud83d\n", Some("\u{fffd}\n")),
            (r"\ud83d\u0041", Some("\u{fffd}A")),
            (r"\", None),
            (r"\x", None),
            (r"\ä", None),
            (r"\u12", None),
            (r"\u+123", None),
            (r"\u12ä", None),
        ] {
            assert_eq!(unescape(inner).as_deref(), text, "{inner}");
        }
        assert!(matches!(unescape("plain"), Some(Cow::Borrowed(_))));
        assert_eq!(decode_string(r#""a""#).as_deref(), Some("a"));
        for other in ["", "\"", "a", "[\"a\"]", "1"] {
            assert_eq!(decode_string(other), None, "{other}");
        }
    }
}
