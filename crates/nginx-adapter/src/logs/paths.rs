//! From the path of a request to a label with few values.
//!
//! In: rules `REGEX=REPLACEMENT` and a raw path. Out: the number of a label; 0 is `other`. The
//! label is the replacement alone, with `$1` filled in, so that what a rule does not mention never
//! reaches Prometheus. Labels are bounded in number and length. Matching costs microseconds and
//! grows with the path, so of a long one rules see the beginning only, and verdicts are remembered;
//! when too many are, all are forgotten, because paths that keep coming are back at once.

use std::collections::HashMap;
use std::str::FromStr;

use regex_lite::Regex;

use super::hashing::Hashing;
use super::label::{LABEL_BYTES_MAX, OTHER, bounded};

/// Paths whose label is remembered: at most 2 MiB.
const REMEMBERED_MAX: usize = 4096;
/// Of a longer path only the beginning is looked at.
const PATH_BYTES_MAX: usize = 512;

/// One `--access-log-path-rule`.
#[derive(Debug)]
pub(crate) struct PathRule {
    regex: Regex,
    replacement: String,
}

/// Why a text is not a rule.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PathRuleError {
    #[error("expected REGEX=REPLACEMENT")]
    NoReplacement,
    #[error("not a regular expression: {0}")]
    Regex(String),
}

impl FromStr for PathRule {
    type Err = PathRuleError;

    /// The last `=` divides; an expression may contain others.
    fn from_str(text: &str) -> Result<PathRule, PathRuleError> {
        let (regex, replacement) = text.rsplit_once('=').ok_or(PathRuleError::NoReplacement)?;
        if regex.is_empty() || replacement.is_empty() {
            return Err(PathRuleError::NoReplacement);
        }
        let regex = Regex::new(regex).map_err(|error| PathRuleError::Regex(error.to_string()))?;
        Ok(PathRule { regex, replacement: replacement.to_owned() })
    }
}

/// Rewrites paths and numbers their labels.
#[derive(Debug)]
pub(crate) struct Paths {
    rules: Vec<PathRule>,
    labels: Vec<String>,
    numbers: HashMap<String, u32>,
    labels_max: usize,
    remembered: HashMap<Box<[u8]>, u32, Hashing>,
}

impl Paths {
    pub(crate) fn new(rules: Vec<PathRule>, labels_max: usize) -> Paths {
        Paths {
            rules,
            labels: vec![OTHER.to_owned()],
            numbers: HashMap::from([(OTHER.to_owned(), 0)]),
            labels_max,
            remembered: HashMap::with_hasher(Hashing::new()),
        }
    }

    /// The number of the path's label.
    pub(crate) fn number(&mut self, path: &[u8]) -> u32 {
        let path = &path[..path.len().min(PATH_BYTES_MAX)];
        if let Some(number) = self.remembered.get(path) {
            return *number;
        }
        let number = self.rewrite(path);
        if self.remembered.len() >= REMEMBERED_MAX {
            self.remembered.clear();
        }
        self.remembered.insert(path.into(), number);
        number
    }

    pub(crate) fn label(&self, number: u32) -> &str {
        let index = usize::try_from(number).unwrap_or(0);
        self.labels.get(index).map_or(OTHER, String::as_str)
    }

    fn rewrite(&mut self, path: &[u8]) -> u32 {
        let path = String::from_utf8_lossy(path);
        let matching = self.rules.iter().find_map(|rule| Some((rule, rule.regex.captures(&path)?)));
        let Some((rule, captures)) = matching else { return 0 };
        let mut label = String::new();
        captures.expand(&rule.replacement, &mut label);
        let label = bounded(&label, LABEL_BYTES_MAX);
        if let Some(number) = self.numbers.get(label) {
            return *number;
        }
        let Ok(number) = u32::try_from(self.labels.len()) else { return 0 };
        if self.labels.len() > self.labels_max {
            return 0;
        }
        self.numbers.insert(label.to_owned(), number);
        self.labels.push(label.to_owned());
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(rules: &[&str], labels_max: usize) -> Paths {
        Paths::new(rules.iter().map(|it| it.parse().unwrap()).collect(), labels_max)
    }

    fn label(paths: &mut Paths, path: &str) -> String {
        let number = paths.number(path.as_bytes());
        assert_eq!(paths.number(path.as_bytes()), number);
        paths.label(number).to_owned()
    }

    #[test]
    fn the_first_rule_that_matches_names_the_whole_path() {
        let mut paths = paths(
            &["^/users/[0-9]+$=/users/:id", "^/(api|admin)/v[0-9]=/$1", "^/$=/", "a=b=c"],
            1000,
        );
        for (path, expected) in [
            ("/users/17", "/users/:id"),
            ("/users/17/orders", "other"),
            ("/api/v2/x/y", "/api"),
            ("/admin/v1", "/admin"),
            ("/", "/"),
            ("/a=b", "c"),
            ("", "other"),
            ("/\u{fffd}", "other"),
        ] {
            assert_eq!(label(&mut paths, path), expected, "{path}");
        }
        assert_eq!(paths.number(b"/\xff"), 0);
    }

    #[test]
    fn labels_and_memory_are_bounded() {
        let mut paths = paths(&["^(/.*)=$1"], 10);
        for index in 0..2 * REMEMBERED_MAX {
            label(&mut paths, &format!("/{index}"));
        }
        assert_eq!(paths.labels.len(), 11);
        assert_eq!((paths.label(1), paths.label(10), paths.label(11)), ("/0", "/9", "other"));
        assert!(paths.remembered.len() <= REMEMBERED_MAX);
        let mut paths = self::paths(&["^(/.*)=$1"], 10);
        assert_eq!(label(&mut paths, &"/".repeat(100_000)).len(), LABEL_BYTES_MAX);
    }

    #[test]
    fn of_a_long_path_only_the_beginning_is_looked_at_and_remembered() {
        let mut paths = paths(&["^/a.*z$=z", "^/a=a"], 10);
        let path = |tail: &str| format!("/{}{tail}", "a".repeat(PATH_BYTES_MAX - 2));
        assert_eq!(label(&mut paths, &path("z")), "z");
        assert_eq!(label(&mut paths, &path("zy")), "z");
        assert_eq!(label(&mut paths, &path("yz")), "a");
        assert_eq!(paths.remembered.len(), 2);
        assert!(paths.remembered.keys().all(|it| it.len() == PATH_BYTES_MAX));
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for wrong in ["", "^/", "=x", "^/=", "(=x"] {
            assert!(wrong.parse::<PathRule>().is_err(), "{wrong}");
        }
    }
}
