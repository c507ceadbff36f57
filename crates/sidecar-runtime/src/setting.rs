//! Readers of the kinds of values that settings have: durations, sizes, addresses, choices.
//!
//! In goes the text as typed, out comes the value or one line that says what would be accepted.
//! They are pure and know no setting's name; [`crate::Rejections::parse`] adds that. Clap's own
//! value parsers were not used, because clap stops at the first bad value.

use std::time::Duration;

/// The longest that anything may last, 100 years: a moment that is so far off can still be told.
const DURATION_MAX: Duration = Duration::from_hours(100 * 365 * 24);

/// Why a text is not a value of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// Not a duration.
    #[error("expected a duration such as 30s, 250ms or 0s")]
    Duration,
    /// Above 100 years.
    #[error("expected at most 36500d")]
    LongDuration,
    /// No time at all, where that would be of no use.
    #[error("has to be more than 0s")]
    NoDuration,
    /// Not a number of bytes, or more than 64 bits hold.
    #[error("expected a number of bytes such as 4096, 64KiB, 1MiB or 1M (a million)")]
    Bytes,
    /// Not an address to listen on.
    #[error("expected ADDRESS:PORT such as 0.0.0.0:9180, [::1]:9180 or :9180, or unix:PATH")]
    Listen,
    /// Not one of the words on offer.
    #[error("expected one of {0}")]
    Choice(String),
    /// Not a yes or no.
    #[error("expected true or false")]
    Flag,
}

/// Reads a duration with its unit: `30s`, `250ms`, `1m 30s`, `0s`.
///
/// # Errors
/// [`SettingError::Duration`] for anything else, a bare number included, and
/// [`SettingError::LongDuration`] above 100 years.
pub fn duration(text: &str) -> Result<Duration, SettingError> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration > DURATION_MAX => Err(SettingError::LongDuration),
        Ok(duration) => Ok(duration),
        Err(_) => Err(SettingError::Duration),
    }
}

/// Reads a duration that is not zero.
///
/// # Errors
/// Those of [`duration`], and [`SettingError::NoDuration`].
pub fn positive_duration(text: &str) -> Result<Duration, SettingError> {
    match duration(text)? {
        Duration::ZERO => Err(SettingError::NoDuration),
        duration => Ok(duration),
    }
}

/// Reads a size in bytes. `K`, `M`, `G` and `T` are powers of 1000; `Ki`, `Mi`, `Gi` and `Ti`
/// powers of 1024; a final `B` may follow each.
///
/// # Errors
/// [`SettingError::Bytes`] for anything else, and for what 64 bits do not hold.
pub fn bytes(text: &str) -> Result<u64, SettingError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().or(Err(SettingError::Bytes))?;
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let factor: u64 = match unit.strip_suffix('B').unwrap_or(unit) {
        "" => 1,
        "K" | "k" => 1000,
        "M" => 1000_u64.pow(2),
        "G" => 1000_u64.pow(3),
        "T" => 1000_u64.pow(4),
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        _ => return Err(SettingError::Bytes),
    };
    number.checked_mul(factor).ok_or(SettingError::Bytes)
}

/// Reads a yes or no as variables and files write it.
///
/// # Errors
/// [`SettingError::Flag`] for anything but true, false, t, f, yes, no, on, off, 1 and 0.
pub fn flag(text: &str) -> Result<bool, SettingError> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "on" | "1" => Ok(true),
        "false" | "f" | "no" | "off" | "0" => Ok(false),
        _ => Err(SettingError::Flag),
    }
}

/// Makes a reader of one of `choices`, each a word and what it stands for.
pub fn one_of<T: Clone>(choices: &[(&str, T)]) -> impl FnOnce(&str) -> Result<T, SettingError> {
    move |text| match choices.iter().find(|(word, _)| *word == text) {
        Some((_, value)) => Ok(value.clone()),
        None => {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            Err(SettingError::Choice(words.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in
            [("30s", 30_000), ("250ms", 250), ("0s", 0), ("1m 30s", 90_000), ("2h", 7_200_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "30", "s", "-1s", "soon", "99999999999999999999s"] {
            assert_eq!(duration(text), Err(SettingError::Duration), "{text}");
        }
        assert_eq!(duration("36500d"), Ok(DURATION_MAX));
        for text in ["36500d 1ns", "18446744073709551615s"] {
            assert_eq!(duration(text), Err(SettingError::LongDuration), "{text}");
        }
        assert_eq!(positive_duration("1ns"), Ok(Duration::from_nanos(1)));
        assert_eq!(positive_duration("0s"), Err(SettingError::NoDuration));
    }

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("0", 0),
            ("4096", 4096),
            ("64KiB", 65_536),
            ("64Ki", 65_536),
            ("1MiB", 1_048_576),
            ("1M", 1_000_000),
            ("1 MB", 1_000_000),
            ("3k", 3000),
            ("7B", 7),
            ("2Gi", 2 << 30),
            ("1T", 1_000_000_000_000),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in ["", "B", "1X", "1.5M", "-1", "1m", "99999999Ti", "99999999999999999999", "1é"]
        {
            assert_eq!(bytes(text), Err(SettingError::Bytes), "{text}");
        }
    }

    #[test]
    fn flags_and_choices() {
        for (text, expected) in [("true", true), ("ON", true), ("0", false), ("No", false)] {
            assert_eq!(flag(text), Ok(expected), "{text}");
        }
        assert_eq!(flag("perhaps"), Err(SettingError::Flag));
        let choices = [("gzip", 1), ("zstd", 2)];
        assert_eq!(one_of(&choices)("zstd"), Ok(2));
        let error = one_of(&choices)("lz4").unwrap_err();
        assert_eq!(error.to_string(), "expected one of gzip, zstd");
    }
}
