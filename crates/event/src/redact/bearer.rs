//! Tokens: `Authorization: Bearer …`, `Authorization: Basic …` or `Token …`, JSON web tokens.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::scan;

type Find = fn(&[u8], usize) -> Option<Range<usize>>;

/// The searches, each for one word.
pub(super) const FINDS: [Find; 5] = [
    |text, from| find_scheme(&BEARER, true, text, from),
    |text, from| find_scheme(&BEARER_CAPITAL, true, text, from),
    |text, from| find_scheme(&BASIC, false, text, from),
    |text, from| find_scheme(&TOKEN, false, text, from),
    find_jwt,
];

/// Behind the first letter, which may be a capital.
static BEARER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("earer"));
static BEARER_CAPITAL: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("EARER"));
static BASIC: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("asic "));
static TOKEN: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("oken "));
/// `{"` in base64.
static JWT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("eyJ"));

/// A token that does not follow the name of the header is at least so long, and has a digit ...
const TOKEN_BYTES_MIN: usize = 8;
/// ... or is longer than words are.
const WORD_BYTES_MAX: usize = 20;
/// Bytes between the scheme and its token.
const GAP_BYTES_MAX: usize = 4;
/// Bytes between the header's name and the scheme, with the name.
const HEADER_BYTES_MAX: usize = 24;
/// The shortest first part of a JSON web token, `{"alg":"…`, and the shortest second one.
const JWT_BYTES_MIN: (usize, usize) = (10, 4);

/// What follows the name of an authentication scheme: in a header everything, and elsewhere, if the
/// scheme is not also an ordinary word, what looks like a token.
fn find_scheme(
    word: &Finder<'_>,
    is_telling: bool,
    text: &[u8],
    from: usize,
) -> Option<Range<usize>> {
    let mut from = from;
    loop {
        let at = scan::find(word, text, from)?;
        from = at + word.needle().len();
        let Some(first) =
            at.checked_sub(1).filter(|at| matches!(text[*at], b'b' | b'B' | b't' | b'T'))
        else {
            continue;
        };
        let is_gap = |byte| matches!(byte, b' ' | b'\t' | b'+' | b':' | b'=');
        let is_escaped = text[from..].starts_with(b"%20");
        let start = if is_escaped { from + 3 } else { scan::end_of(text, from, is_gap) };
        let has_gap = start > from || word.needle().ends_with(b" ");
        if !has_gap || start - from > GAP_BYTES_MAX || scan::goes_on_before(text, first) {
            continue;
        }
        let end = scan::end_of(text, start, is_of_token);
        let token = &text[start..end];
        let looks_like_one = token.len() >= WORD_BYTES_MAX
            || token.len() >= TOKEN_BYTES_MIN && token.iter().any(u8::is_ascii_digit);
        let is_token = is_telling && looks_like_one || is_header(&text[..first]);
        if is_token && !token.is_empty() {
            return Some(start..end);
        }
        // The token may be the word itself.
        from = start;
    }
}

fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=%".contains(&byte)
}

/// The text ends with the name of the header, and what may stand between that and its value.
fn is_header(before: &[u8]) -> bool {
    let near = &before[before.len().saturating_sub(HEADER_BYTES_MAX)..];
    let is_between = |byte| b" \t:='\"\\[".contains(&byte);
    let end = scan::start_of(near, near.len(), 0, is_between);
    const NAME: &[u8] = b"authorization";
    end >= NAME.len() && near[end - NAME.len()..end].eq_ignore_ascii_case(NAME)
}

/// Parts in base64 with dots between them, of which the first is a JSON object.
fn find_jwt(text: &[u8], from: usize) -> Option<Range<usize>> {
    let mut from = from;
    loop {
        let start = scan::find(&JWT, text, from)?;
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let first = scan::end_of(text, start, is_base64);
        from = first;
        if first - start < JWT_BYTES_MIN.0 || text.get(first) != Some(&b'.') {
            continue;
        }
        let second = scan::end_of(text, first + 1, is_base64);
        from = second;
        if second - first > JWT_BYTES_MIN.1 {
            let end = scan::end_of(text, second, |byte| is_base64(byte) || byte == b'.');
            return Some(start..end);
        }
    }
}
