//! Which records are shipped?
//!
//! In: a record with what was parsed of it, and the time. Out: nothing, or why it is dropped; the
//! reason is the label under which it is counted. A dropped record is acknowledged like one that
//! was delivered. All decisions but that of the rate depend on the record alone, so one that is
//! read again after a restart is decided alike.
//!
//! The order is that of [`DropReason`]: what costs a record its place is said by the first filter
//! that wants it gone, and only records that no other filter drops count for the rate.

mod rate;
mod sample;

use std::time::Instant;

use regex::bytes::RegexSet;

use self::rate::Buckets;
pub use self::rate::{Rate, RateError};
pub use self::sample::{Sample, SampleError};
use crate::{Fields, Level};

/// Why a record is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// It matches no pattern of those that are to be shipped.
    NotIncluded,
    /// It matches a pattern of those that are not.
    Excluded,
    /// Its level is below the least.
    BelowLevel,
    /// It is not in the sample.
    NotSampled,
    /// Its file has had its share.
    RateLimited,
}

impl DropReason {
    /// Every reason, in the order in which the filters are asked.
    pub const ALL: [DropReason; 5] = [
        DropReason::NotIncluded,
        DropReason::Excluded,
        DropReason::BelowLevel,
        DropReason::NotSampled,
        DropReason::RateLimited,
    ];

    /// Its name in metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            DropReason::NotIncluded => "not_included",
            DropReason::Excluded => "excluded",
            DropReason::BelowLevel => "below_level",
            DropReason::NotSampled => "not_sampled",
            DropReason::RateLimited => "rate_limited",
        }
    }
}

/// What is shipped; by default everything.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// One of these must match somewhere in the record.
    pub include: Option<RegexSet>,
    /// None of these may.
    pub exclude: Option<RegexSet>,
    /// A record without a level passes.
    pub level_min: Option<Level>,
    pub sample: Option<Sample>,
    pub rate: Option<Rate>,
}

impl Settings {
    /// Every record passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let patterns = self.include.is_none() && self.exclude.is_none();
        patterns && self.level_min.is_none() && self.sample.is_none() && self.rate.is_none()
    }
}

/// A record before it is shipped.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Stands for the file's content, over restarts.
    pub file: u64,
    /// Of the first byte, from the start of the file.
    pub offset: u64,
    /// As it stands in the file.
    pub text: &'a [u8],
    /// Empty if nothing was parsed.
    pub fields: &'a Fields<'a>,
}

/// Decides record by record.
#[derive(Debug, Clone)]
pub struct Filter {
    settings: Settings,
    buckets: Option<Buckets>,
}

impl Filter {
    #[must_use]
    pub fn new(settings: Settings) -> Filter {
        let buckets = settings.rate.map(Buckets::new);
        Filter { settings, buckets }
    }

    /// Why the record is dropped; none if it is to be shipped.
    pub fn drops(&mut self, record: &Candidate<'_>, now: Instant) -> Option<DropReason> {
        let settings = &self.settings;
        if settings.include.as_ref().is_some_and(|set| !set.is_match(record.text)) {
            return Some(DropReason::NotIncluded);
        }
        if settings.exclude.as_ref().is_some_and(|set| set.is_match(record.text)) {
            return Some(DropReason::Excluded);
        }
        if let (Some(least), Some(level)) = (settings.level_min, record.fields.level)
            && level < least
        {
            return Some(DropReason::BelowLevel);
        }
        if settings.sample.as_ref().is_some_and(|sample| !sample.takes(record)) {
            return Some(DropReason::NotSampled);
        }
        let buckets = self.buckets.as_mut()?;
        (!buckets.takes(record.file, now)).then_some(DropReason::RateLimited)
    }
}

/// The text names no level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected one of trace, debug, info, notice, warn, error, critical, alert, fatal, emergency"
)]
pub struct LevelError;

/// Reads a level as a setting.
///
/// # Errors
/// [`LevelError`] for what [`Level::of_word`] does not know.
pub fn level(text: &str) -> Result<Level, LevelError> {
    Level::of_word(text).ok_or(LevelError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Value, patterns};

    fn drops(settings: &Settings, text: &str, level: Option<Level>) -> Option<&'static str> {
        let mut fields = Fields::default();
        fields.level = level;
        fields.push("id", Value::from(text));
        let record = Candidate { file: 1, offset: 0, text: text.as_bytes(), fields: &fields };
        let mut filter = Filter::new(settings.clone());
        filter.drops(&record, Instant::now()).map(DropReason::label)
    }

    #[test]
    fn patterns_and_level() {
        let all = Settings::default();
        assert!(all.is_empty());
        assert_eq!(drops(&all, "anything", Some(Level::Trace)), None);

        let settings = Settings {
            include: patterns(&["^GET", "^POST"]).ok(),
            exclude: patterns(&["/healthz", "kube-probe"]).ok(),
            level_min: Some(Level::Warn),
            ..Settings::default()
        };
        assert!(!settings.is_empty());
        for (text, level, expected) in [
            ("GET /", None, None),
            ("POST /a", Some(Level::Warn), None),
            ("POST /a", Some(Level::Fatal), None),
            ("PUT /", None, Some("not_included")),
            ("PUT /healthz", None, Some("not_included")),
            ("GET /healthz", Some(Level::Info), Some("excluded")),
            ("GET / kube-probe/1.30", None, Some("excluded")),
            ("GET /", Some(Level::Notice), Some("below_level")),
        ] {
            assert_eq!(drops(&settings, text, level), expected, "{text} {level:?}");
        }
    }

    #[test]
    fn only_what_no_other_filter_drops_counts_for_the_rate() {
        let settings = Settings {
            exclude: patterns(&["no"]).ok(),
            rate: "1".parse().ok(),
            ..Settings::default()
        };
        let (mut filter, now, fields) = (Filter::new(settings), Instant::now(), Fields::default());
        let mut drops = |text: &str| {
            let record = Candidate { file: 1, offset: 0, text: text.as_bytes(), fields: &fields };
            filter.drops(&record, now)
        };
        assert_eq!(drops("no"), Some(DropReason::Excluded));
        assert_eq!(drops("yes"), None);
        assert_eq!(drops("yes"), Some(DropReason::RateLimited));
    }

    #[test]
    fn levels_are_words() {
        assert_eq!(level("WARN"), Ok(Level::Warn));
        let error = level("loud").expect_err("it is no level").to_string();
        for word in Level::ALL {
            assert!(error.contains(word.as_str()), "{word} is missing");
            assert_eq!(level(word.as_str()), Ok(word));
        }
    }
}
