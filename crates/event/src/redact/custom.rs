//! Patterns of one's own: `REGEX=REPLACEMENT`.

use std::str::FromStr;

use regex::bytes::{Captures, Regex, Replacer};

use crate::pattern::{self, PatternError};

/// What is searched, and what comes in its place.
#[derive(Debug, Clone)]
pub struct Custom {
    regex: Regex,
    replacement: String,
}

/// Why a text is no `REGEX=REPLACEMENT`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CustomError {
    #[error("expected REGEX=REPLACEMENT, with \\= for each = within REGEX")]
    NoReplacement,
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// It would put the replacement between any two bytes.
    #[error("the pattern matches the empty text")]
    MatchesNothing,
    /// A reference of the replacement, which would always be empty.
    #[error("the pattern has no group {0}; write ${{1}} where a letter follows, and $$ for a $")]
    NoGroup(String),
}

impl FromStr for Custom {
    type Err = CustomError;

    /// The first `=` without a backslash ends the pattern. In the replacement `$1` and `${name}`
    /// stand for groups, `$$` for a `$`.
    fn from_str(text: &str) -> Result<Custom, CustomError> {
        let is_end = |at: &usize| *at == 0 || text.as_bytes()[*at - 1] != b'\\';
        let mut ends = text.match_indices('=').map(|(at, _)| at).filter(is_end);
        let (pattern, replacement) = ends
            .next()
            .and_then(|at| text.split_at_checked(at))
            .ok_or(CustomError::NoReplacement)?;
        let replacement = replacement.strip_prefix('=').expect("it was split there");
        let regex = pattern::pattern(pattern)?;
        if regex.is_match(b"") {
            return Err(CustomError::MatchesNothing);
        }
        if let Some(name) = unknown_group(&regex, replacement) {
            return Err(CustomError::NoGroup(name));
        }
        Ok(Custom { regex, replacement: replacement.to_owned() })
    }
}

/// The first reference to a group that the pattern does not have.
fn unknown_group(regex: &Regex, replacement: &str) -> Option<String> {
    let is_known = |name: &str| match name.parse::<usize>() {
        Ok(number) => number < regex.captures_len(),
        Err(_) => regex.capture_names().flatten().any(|known| known == name),
    };
    let is_of_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
    let mut rest = replacement;
    while let Some((_, behind)) = rest.split_once('$') {
        let (name, then) = match behind.strip_prefix('{').and_then(|it| it.split_once('}')) {
            Some(split) => split,
            None => behind.split_at(behind.find(|it| !is_of_name(it)).unwrap_or(behind.len())),
        };
        if !name.is_empty() && !is_known(name) {
            return Some(name.to_owned());
        }
        rest = then.strip_prefix('$').filter(|_| name.is_empty()).unwrap_or(then);
    }
    None
}

impl Custom {
    /// The text with each match replaced; none if there is no match.
    pub(super) fn replace(&self, text: &[u8], count: &mut u64) -> Option<Vec<u8>> {
        if !self.regex.is_match(text) {
            return None;
        }
        let counting = Counting { replacement: &self.replacement, count };
        Some(self.regex.replace_all(text, counting).into_owned())
    }
}

struct Counting<'a> {
    replacement: &'a str,
    count: &'a mut u64,
}

impl Replacer for Counting<'_> {
    fn replace_append(&mut self, captures: &Captures<'_>, out: &mut Vec<u8>) {
        *self.count += 1;
        captures.expand(self.replacement.as_bytes(), out);
    }
}
