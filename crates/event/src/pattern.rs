//! Regular expressions over every line.
//!
//! In: a pattern as typed. Out: one that matches bytes in time linear in them. Classes such as `\w`
//! and `(?i)` mean ASCII, `.` any byte but LF; letters beyond ASCII match as they are written,
//! though not within brackets. Lines need not be UTF-8.

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

/// Bytes of a compiled pattern, or of a set of them.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Bytes that the search keeps to be fast; with less than it wants, it is slower.
const CACHE_BYTES_MAX: usize = 512 << 10;

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It would match every line.
    #[error("the pattern is empty")]
    Empty,
    /// It is no regular expression, or wants what ASCII classes cannot.
    #[error("not a regular expression: {0}")]
    Syntax(String),
    /// It repeats too much.
    #[error("the pattern is larger than {PATTERN_BYTES_MAX} bytes when compiled")]
    TooLarge,
}

/// Reads one pattern.
///
/// # Errors
/// Each [`PatternError`].
pub fn pattern(text: &str) -> Result<Regex, PatternError> {
    if text.is_empty() {
        return Err(PatternError::Empty);
    }
    let mut builder = RegexBuilder::new(text);
    builder.unicode(false).size_limit(PATTERN_BYTES_MAX).dfa_size_limit(CACHE_BYTES_MAX);
    builder.build().map_err(|error| PatternError::of(&error))
}

/// Reads patterns of which any may match.
///
/// # Errors
/// Each [`PatternError`], of the first pattern that has one, or of all together.
pub fn patterns<T: AsRef<str>>(texts: &[T]) -> Result<RegexSet, PatternError> {
    for text in texts {
        pattern(text.as_ref())?;
    }
    let mut builder = RegexSetBuilder::new(texts);
    builder.unicode(false).size_limit(PATTERN_BYTES_MAX).dfa_size_limit(CACHE_BYTES_MAX);
    builder.build().map_err(|error| PatternError::of(&error))
}

impl PatternError {
    fn of(error: &regex::Error) -> PatternError {
        match error {
            // The text draws the pattern and an arrow; the last line says what is wrong.
            regex::Error::Syntax(text) => {
                let why = text.rsplit("error: ").next().unwrap_or(text).trim();
                PatternError::Syntax(why.lines().collect::<Vec<_>>().join(" "))
            }
            _ => PatternError::TooLarge,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_pattern_is_told_in_one_line() {
        for (text, expected) in [
            ("", "the pattern is empty"),
            ("(", "not a regular expression: unclosed group"),
            ("a{9999}{9999}", "the pattern is larger than 1048576 bytes when compiled"),
            (r"(a)\1", "not a regular expression: backreferences are not supported"),
            (
                "(?=a)",
                "not a regular expression: look-around, including look-ahead and \
                       look-behind, is not supported",
            ),
        ] {
            let error = pattern(text).expect_err("it is no pattern").to_string();
            assert_eq!(error, expected, "{text}");
        }
        let error = patterns(&["good", "["]).expect_err("one is no pattern").to_string();
        assert_eq!(error, "not a regular expression: unclosed character class");
    }

    #[test]
    fn patterns_match_bytes() {
        let regex = pattern(r"^\d+ (?i)größe\b.").unwrap();
        assert!(regex.is_match(b"12 Gr\xc3\xb6\xc3\x9fe \xff"));
        assert!(pattern(r"^.\w$").unwrap().is_match(b"\xffa"));
    }
}
