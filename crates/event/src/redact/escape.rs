//! What escapes of JSON hide from a search: `https:\/\/…`, `joe\u0040example.org`.
//!
//! In: a text, JSON or not. Out: the same text with such escapes as the characters that they stand
//! for, or with the contents of its strings changed. Any number of backslashes counts as one, as
//! JSON within JSON has them. A quote, a backslash and what is no visible character stay escapes,
//! so that JSON stays JSON. The line is not parsed: it need not be JSON as a whole.

use std::borrow::Cow;

use memchr::memchr;

use crate::json::unescape;

/// The text without escapes that need not be; none if it has none.
pub(super) fn plain(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut copied, mut from) = (0, 0);
    while let Some(at) = memchr(b'\\', &text[from..]) {
        let start = from + at;
        let (character, end) = escape(text, start);
        from = end;
        if let Some(character) = character {
            out.extend_from_slice(&text[copied..start]);
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            copied = end;
        }
    }
    if copied == 0 {
        return None;
    }
    out.extend_from_slice(&text[copied..]);
    Some(out)
}

/// The character of the escape that begins with the backslashes at `start`, if it is one that need
/// not be; and where to go on.
fn escape(text: &[u8], start: usize) -> (Option<char>, usize) {
    let end = super::scan::end_of(text, start, |byte| byte == b'\\');
    if text.get(end) == Some(&b'/') {
        return (Some('/'), end + 1);
    }
    let Some(first) = unit(text, end) else { return (None, end) };
    let mut behind = end + 5;
    let mut number = first;
    if let 0xd800..0xdc00 = first {
        let next = super::scan::end_of(text, behind, |byte| byte == b'\\');
        let Some(second @ 0xdc00..0xe000) = unit(text, next).filter(|_| next > behind) else {
            return (None, behind);
        };
        number = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        behind = next + 5;
    }
    let is_visible = |it: &char| !it.is_control() && !matches!(it, '"' | '\\');
    (char::from_u32(number).filter(is_visible), behind)
}

/// The number of `uXXXX`.
fn unit(text: &[u8], at: usize) -> Option<u32> {
    let [b'u', digits @ ..] = text.get(at..at + 5)? else { return None };
    digits.iter().try_fold(0, |number, digit| {
        char::from(*digit).to_digit(16).map(|digit| number << 4 | digit)
    })
}

/// The text with each quoted string that has escapes as `change` wants its meaning; none if it
/// wants none changed.
pub(super) fn in_strings(
    text: &[u8],
    mut change: impl FnMut(&str) -> Option<String>,
) -> Option<Vec<u8>> {
    memchr(b'\\', text)?;
    let (mut out, mut copied, mut from) = (Vec::new(), 0, 0);
    while let Some(at) = memchr(b'"', &text[from..]) {
        let start = from + at + 1;
        let Some(end) = end_of_string(text, start) else { break };
        from = end + 1;
        let meaning = std::str::from_utf8(&text[start..end]).ok().and_then(unescape);
        // Without escapes it was seen as it stands.
        let Some(Cow::Owned(meaning)) = meaning else { continue };
        if let Some(changed) = change(&meaning) {
            out.extend_from_slice(&text[copied..start - 1]);
            json_escape_simd::escape_into(&changed, &mut out);
            copied = from;
        }
    }
    if copied == 0 {
        return None;
    }
    out.extend_from_slice(&text[copied..]);
    Some(out)
}

/// The index of the quote that ends the string.
fn end_of_string(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_need_not_be_an_escape_is_decoded() {
        for (text, expected) in [
            (r"https:\/\/a", Some("https://a")),
            (r"https:\\\/\\\/a", Some("https://a")),
            (r"joe\u0040b \\u00E4\ud83d\ude00", Some("joe@b ä😀")),
            (r#"\" \\ \n \u0022 \u005c \u0000 \ud83d \ude00 \ud83dx \u12 \u"#, None),
            ("\\", None),
            ("", None),
        ] {
            let plain = plain(text.as_bytes());
            assert_eq!(plain.as_deref(), expected.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn strings_with_escapes_are_shown_by_what_they_mean() {
        let mut seen = Vec::new();
        let text = br#"{"a":"x\ty","b":"\"","c":["plain","\\"],"d\n":1} "\"#;
        let changed = in_strings(text, |meaning| {
            seen.push(meaning.to_owned());
            (meaning == "\"").then(|| "\n".to_owned())
        });
        assert_eq!(seen, ["x\ty", "\"", "\\", "d\n"]);
        let expected = br#"{"a":"x\ty","b":"\n","c":["plain","\\"],"d\n":1} "\"#;
        assert_eq!(changed.as_deref(), Some(&expected[..]));
    }
}
