//! E-mail addresses, also where a URL has `%40` for the `@`.

use std::ops::Range;

use super::scan;

/// A name, an `@`, and a domain with a dot and two letters behind it. More may be taken than an
/// address can have, never less.
pub(super) fn find(text: &[u8], from: usize) -> Option<Range<usize>> {
    let (mut from, mut floor) = (from, from);
    loop {
        let at = scan::find_either(*b"@%", text, from)?;
        from = at + 1;
        let len = match &text[at..] {
            [b'@', ..] => 1,
            [b'%', b'4', b'0', ..] => 3,
            _ => continue,
        };
        let start = scan::start_of(text, at, floor, is_of_name);
        let domain_start = at + len;
        let end = scan::end_of(text, domain_start, is_of_domain);
        // A dot at the end is that of the sentence.
        let end = scan::start_of(text, end, domain_start, |byte| b".-".contains(&byte));
        let domain = &text[domain_start..end];
        if start < at && is_domain(domain) && !is_picture(domain) {
            return Some(behind_json_escape(text, start)..end);
        }
        (from, floor) = (domain_start, domain_start);
    }
}

/// `start`, or what lies behind an escape of JSON whose letters `start` takes for its own
/// (`\njoe@`): a backslash that is left alone would end the JSON.
fn behind_json_escape(text: &[u8], start: usize) -> usize {
    match (text[..start].last(), &text[start..]) {
        (Some(b'\\'), [b'b' | b'f' | b'n' | b'r' | b't', ..]) => start + 1,
        (Some(b'\\'), [b'u', digits @ ..])
            if digits.iter().take(4).filter(|it| it.is_ascii_hexdigit()).count() == 4 =>
        {
            start + 5
        }
        _ => start,
    }
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._%+-".contains(&byte) || byte >= 0x80
}

fn is_of_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-".contains(&byte) || byte >= 0x80
}

fn is_domain(domain: &[u8]) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte >= 0x80;
    let mut after_first = domain.get(1..).unwrap_or_default().windows(3);
    after_first.any(|it| it[0] == b'.' && is_letter(it[1]) && is_letter(it[2]))
}

/// `logo@2x.png`: a picture for a fine screen.
fn is_picture(domain: &[u8]) -> bool {
    let [b'1'..=b'4', b'x', b'.', kind @ ..] = domain else { return false };
    [b"png".as_slice(), b"jpg", b"jpeg", b"webp", b"gif", b"svg", b"avif"].contains(&kind)
}
