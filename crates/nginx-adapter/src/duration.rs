//! Durations in Go's notation, which the flags of nginx-prometheus-exporter take: `1m30s`, `1.5h`.
//!
//! In goes the text, out comes the duration or one line that says what would be accepted. Unlike
//! our own settings, `0` needs no unit and fractions are allowed; like them, a bare `5` is refused
//! and nothing is negative.

use std::time::Duration;

const EXPECTED: &str = "expected a duration such as 5s, 300ms or 1m30s";
/// Longest unit first, because `m` begins `ms`.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("μs", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
];

/// Reads a duration.
///
/// # Errors
/// Anything that Go's `time.ParseDuration` refuses, and negative ones.
pub(crate) fn go_duration(text: &str) -> Result<Duration, &'static str> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(EXPECTED);
    }
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(EXPECTED)?;
        let (number, unit) = rest.split_at(digits);
        let number: f64 = number.parse().or(Err(EXPECTED))?;
        let (name, seconds) =
            UNITS.iter().find(|(name, _)| unit.starts_with(name)).ok_or(EXPECTED)?;
        let part = Duration::try_from_secs_f64(number * seconds).or(Err(EXPECTED))?;
        sum = sum.checked_add(part).ok_or(EXPECTED)?;
        rest = unit.strip_prefix(name).unwrap_or_default();
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_go() {
        for (text, millis) in [
            ("5s", 5000),
            ("300ms", 300),
            ("1m30s", 90_000),
            ("1.5h", 5_400_000),
            (".5s", 500),
            ("1s500ms", 1500),
            ("0", 0),
            ("0s", 0),
            ("+2s", 2000),
        ] {
            assert_eq!(go_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "5", "-5s", "s", "5 s", "5d", "1..2s", ".s", "1s2", "99999999999999999999h"]
        {
            assert_eq!(go_duration(text), Err(EXPECTED), "{text}");
        }
    }
}
