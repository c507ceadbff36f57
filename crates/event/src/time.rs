//! When an event happened.
//!
//! In: the forms in which programs write the time. Out: nanoseconds since 1970, UTC. What has no
//! zone of its own is in the zone of a setting, which is a distance and no name of a place: the
//! rules of summer time would be a database, and a container has none. The calendar is a little
//! arithmetic, proved against a library by the tests.

mod read;

pub(crate) use self::read::{TIME_LOCAL_BYTES, TimeReader};
use crate::near::number;

const NANOS: i64 = 1_000_000_000;
const SECONDS_A_DAY: i64 = 86_400;
const MICRO: i64 = 1_000;
const MILLI: i64 = 1_000_000;

/// A point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    nanos: i64,
}

impl Timestamp {
    /// Nanoseconds since 1970, UTC.
    #[must_use]
    pub fn from_nanos(nanos: i64) -> Timestamp {
        Timestamp { nanos }
    }

    /// Nanoseconds since 1970, UTC.
    #[must_use]
    pub fn nanos(self) -> i64 {
        self.nanos
    }

    /// Appends the time as RFC 3339 has it, in UTC, with as many groups of three digits behind the
    /// second as are needed: `2026-11-22T10:00:00.123Z`.
    pub fn write_rfc3339(self, out: &mut Vec<u8>) {
        let (seconds, fraction) = (self.nanos.div_euclid(NANOS), self.nanos.rem_euclid(NANOS));
        let (days, clock) = (seconds.div_euclid(SECONDS_A_DAY), seconds.rem_euclid(SECONDS_A_DAY));
        let (year, month, day) = date_of(days);
        let mut text = *b"0000-00-00T00:00:00";
        write_digits(year, &mut text[..4]);
        write_digits(month, &mut text[5..7]);
        write_digits(day, &mut text[8..10]);
        write_digits(clock / 3600, &mut text[11..13]);
        write_digits(clock / 60 % 60, &mut text[14..16]);
        write_digits(clock % 60, &mut text[17..]);
        out.extend_from_slice(&text);
        let (unit, digits) = match fraction {
            0 => (NANOS, 0),
            milli if milli % MILLI == 0 => (MILLI, 3),
            micro if micro % MICRO == 0 => (MICRO, 6),
            _ => (1, 9),
        };
        if digits > 0 {
            let mut text = *b".000000000";
            write_digits(fraction / unit, &mut text[1..=digits]);
            out.extend_from_slice(&text[..=digits]);
        }
        out.push(b'Z');
    }
}

/// How far the clock of a zone is before UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offset {
    seconds: i64,
}

impl Offset {
    pub const UTC: Offset = Offset { seconds: 0 };

    /// Reads `Z`, `UTC`, `+02:00`, `+0200` or `+02`, up to 23:59.
    #[must_use]
    pub fn parse(text: &str) -> Option<Offset> {
        if matches!(text, "Z" | "z" | "UTC") {
            return Some(Offset::UTC);
        }
        let (sign, digits) = text.as_bytes().split_first()?;
        let (hours, minutes) = match digits {
            [h, i, b':', m, n] | [h, i, m, n] => ([*h, *i], [*m, *n]),
            [h, i] => ([*h, *i], *b"00"),
            _ => return None,
        };
        let hours = number(&hours).filter(|hours| *hours < 24)?;
        let minutes = number(&minutes).filter(|minutes| *minutes < 60)?;
        let seconds = hours * 3600 + minutes * 60;
        match sign {
            b'+' => Some(Offset { seconds }),
            b'-' => Some(Offset { seconds: -seconds }),
            _ => None,
        }
    }
}

/// Days since 1970 of a date of the Gregorian calendar. Years are counted from March, so that the
/// day of a leap year is the last one, in eras of 400 years, which are all equally long.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The reverse of [`days_of`]: year, month, day.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

fn is_date(year: i64, month: i64, day: i64) -> bool {
    let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let last = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=last).contains(&day)
}

/// Fills `text` with the last digits of a number that is not negative.
fn write_digits(mut number: i64, text: &mut [u8]) {
    const DIGITS: &[u8; 10] = b"0123456789";
    for place in text.iter_mut().rev() {
        let digit = usize::try_from(number % 10).unwrap_or_default();
        *place = DIGITS[digit];
        number /= 10;
    }
}

#[cfg(test)]
mod tests;
