//! Versions as Kubernetes and its vendors write them.
//!
//! In goes `v1.29.3-gke.1093000`, `v1.28.9+k3s1`, `1.29+` or `1.27`, out comes a version that
//! compares rightly: `-alpha.2`, `-beta.0` and `-rc.1` come before the release, every other suffix
//! is a vendor's and counts for nothing. What does not begin with two numbers is refused, never
//! guessed at. Semantic versions were not taken: they read a vendor's suffix as a pre-release.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A Kubernetes version without its vendor's suffix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// 1, so far.
    pub major: u32,
    /// The number that features go by.
    pub minor: u32,
    /// Missing in `1.29+`; then it counts as 0.
    pub patch: Option<u32>,
    /// `alpha.2`, `beta.0`, `rc.1`: before the release of that number.
    pub pre: Option<String>,
}

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a Kubernetes version such as 1.29 or v1.29.3")]
pub struct VersionError;

impl Version {
    /// The release `1.minor`.
    #[must_use]
    pub fn minor(minor: u32) -> Self {
        Self { major: 1, minor, patch: None, pre: None }
    }

    /// Whether it is the release 1.`minor` or later. A pre-release of it is not.
    #[must_use]
    pub fn is_at_least(&self, minor: u32) -> bool {
        match self.major {
            1 if self.minor == minor => self.patch.unwrap_or(0) > 0 || self.pre.is_none(),
            1 => self.minor > minor,
            major => major > 1,
        }
    }

    /// Whether it is older than the release 1.`minor`.`patch`.
    #[must_use]
    pub fn is_before(&self, minor: u32, patch: u32) -> bool {
        let release = Self { major: 1, minor, patch: Some(patch), pre: None };
        self.precedence(&release) == Ordering::Less
    }

    fn precedence(&self, other: &Self) -> Ordering {
        let numbers = |version: &Self| (version.major, version.minor, version.patch.unwrap_or(0));
        numbers(self).cmp(&numbers(other)).then_with(|| match (&self.pre, &other.pre) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(own), Some(others)) => pre_release(own).cmp(&pre_release(others)),
        })
    }
}

/// Parts that are numbers compare as numbers and come before words, as `Ok` does before `Err`.
fn pre_release(text: &str) -> Vec<Result<u64, &str>> {
    text.split('.').map(|part| part.parse().or(Err(part))).collect()
}

impl Ord for Version {
    /// By precedence; a missing patch comes before patch 0.
    fn cmp(&self, other: &Self) -> Ordering {
        self.precedence(other)
            .then_with(|| self.patch.cmp(&other.patch))
            .then_with(|| self.pre.cmp(&other.pre))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let text = text.trim().strip_prefix('v').unwrap_or(text.trim());
        let text = text.split_once('+').map_or(text, |(version, _build)| version);
        let (numbers, suffix) = match text.split_once('-') {
            Some((numbers, suffix)) => (numbers, Some(suffix)),
            None => (text, None),
        };
        let mut numbers = numbers.split('.');
        let mut next = || numbers.next().map(number).transpose();
        let (major, minor, patch) = (next()?, next()?, next()?);
        let (Some(major), Some(minor), None) = (major, minor, numbers.next()) else {
            return Err(VersionError);
        };
        let pre = suffix.filter(|suffix| {
            let word = suffix.split('.').next().unwrap_or(suffix);
            matches!(word, "alpha" | "beta" | "rc")
        });
        Ok(Self { major, minor, patch, pre: pre.map(str::to_owned) })
    }
}

fn number(text: &str) -> Result<u32, VersionError> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).ok_or(VersionError)
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if let Some(patch) = self.patch {
            write!(f, ".{patch}")?;
        }
        match &self.pre {
            Some(pre) => write!(f, "-{pre}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn vendors_write_what_they_like() {
        for (text, expected) in [
            ("v1.29.3-gke.1093000", "1.29.3"),
            ("v1.27.16-eks-a737599", "1.27.16"),
            ("v1.28.9+k3s1", "1.28.9"),
            ("1.29+", "1.29"),
            ("1.27", "1.27"),
            ("v1.29.0-alpha.2", "1.29.0-alpha.2"),
            ("v1.33.0-rc.1+build5", "1.33.0-rc.1"),
            ("v1.15.2-vk-azure-aci-v1.4.1", "1.15.2"),
            (" v1.36.3\n", "1.36.3"),
        ] {
            assert_eq!(version(text).to_string(), expected, "{text}");
        }
        for text in ["", "v", "1", "1.x", "one.two", "1.2.3.4", "1..2", "-1.2", "1.+2", "v1.-2"] {
            assert_eq!(text.parse::<Version>(), Err(VersionError), "{text}");
        }
        assert_eq!("1.99999999999".parse::<Version>(), Err(VersionError));
    }

    #[test]
    fn order() {
        let ordered = [
            "1.9",
            "1.28.9",
            "1.29.0-alpha.2",
            "1.29.0-alpha.10",
            "1.29.0-beta.0",
            "1.29.0-rc.1",
            "1.29.0",
            "1.29.3-gke.1",
            "1.30",
            "2.0",
        ];
        for pair in ordered.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn pre_releases_are_not_the_release() {
        assert!(!version("v1.29.0-alpha.2").is_at_least(29));
        assert!(version("v1.29.0-alpha.2").is_at_least(28));
        assert!(version("1.29+").is_at_least(29));
        assert!(version("v2.0.0").is_at_least(29));
        assert!(!version("v1.28.15").is_at_least(29));
        assert!(version("v1.29.2-gke.5").is_before(29, 3));
        assert!(version("v1.29.3-rc.0").is_before(29, 3));
        assert!(!version("v1.29.3-gke.1093000").is_before(29, 3));
        assert!(!version("v1.30.0").is_before(29, 3));
    }
}
