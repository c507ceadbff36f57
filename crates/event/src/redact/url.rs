//! Credentials in URLs: `postgres://user:password@host/db`, `https://token@host`.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::scan;

static SCHEME_END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("://"));

/// What stands between `://` and the last `@` before the path. A user without a password stays
/// (`ssh://git@host`), unless the scheme is http or https: there it is a token.
pub(super) fn find(text: &[u8], from: usize) -> Option<Range<usize>> {
    let mut from = from;
    loop {
        let scheme_end = scan::find(&SCHEME_END, text, from)?;
        let start = scheme_end + 3;
        // No authority contains a slash, so none is looked at twice.
        let end = scan::end_of(text, start, is_of_authority);
        from = start;
        let Some(len) = memchr::memrchr(b'@', &text[start..end]) else { continue };
        let user = &text[start..start + len];
        if len > 0 && (user.contains(&b':') || is_http(&text[..scheme_end])) {
            return Some(start..start + len);
        }
    }
}

fn is_of_authority(byte: u8) -> bool {
    !matches!(
        byte,
        0..=b' ' | 0x7f | b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'\\' | b'`'
    )
}

fn is_http(before: &[u8]) -> bool {
    let ends_with = |word: &[u8]| {
        let at = before.len().saturating_sub(word.len());
        before[at..].eq_ignore_ascii_case(word)
    };
    ends_with(b"http") || ends_with(b"https")
}
