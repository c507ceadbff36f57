//! Escapes of JSON that hide what is looked for.
//!
//! In: bytes, which may be JSON. Out: the same with `\/` and `\u0040` and their like as the
//! characters that a receiver makes of them. Quotes, backslashes and control characters stay
//! escaped, so JSON stays JSON of the same meaning. JSON within a string of JSON has more
//! backslashes; all of them go.

/// None if there are no such escapes.
pub(super) fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut copied, mut from) = (0, 0);
    while let Some(found) = memchr::memchr(b'\\', &text[from..]) {
        let start = from + found;
        let behind = text[start..].iter().position(|byte| *byte != b'\\');
        let behind = behind.map_or(text.len(), |len| start + len);
        let (character, end) = match text[behind..] {
            [b'/', ..] => (b'/', behind + 1),
            [b'u', b'0', b'0', high, low, ..] => match (digit(high), digit(low)) {
                (Some(high), Some(low)) => (high << 4 | low, behind + 5),
                _ => (0, behind),
            },
            _ => (0, behind),
        };
        from = end;
        if matches!(character, b' '..=b'~') && !matches!(character, b'"' | b'\\') {
            out.extend_from_slice(&text[copied..start]);
            out.push(character);
            copied = end;
        }
    }
    if copied == 0 {
        return None;
    }
    out.extend_from_slice(&text[copied..]);
    Some(out)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_receiver_would_read_is_read() {
        for (text, expected) in [
            (r"https:\/\/a\/b", Some("https://a/b")),
            (r"joe\u0040example.org", Some("joe@example.org")),
            (r"\u0042earer\u0020x", Some("Bearer x")),
            (r"joe\\u0040example.org", Some("joe@example.org")),
            (r#"\u0022 \u005c \u000a \u00e9 \n \" \\"#, None),
            (r"\u004", None),
            (r"\u00zz\", None),
            ("plain", None),
            ("", None),
        ] {
            let decoded = decoded(text.as_bytes()).map(|it| String::from_utf8(it).unwrap());
            assert_eq!(decoded.as_deref(), expected, "{text}");
        }
    }
}
