//! Text to time.
//!
//! In: one of the forms of nginx, RFC 3339 and its relatives, or seconds since 1970. Out: a time.
//! Lines of one second mostly stand together, so the second that was read last is kept with its
//! text: the same text again costs a comparison.

use super::{MICRO, MILLI, NANOS, Offset, SECONDS_A_DAY, Timestamp, days_of, is_date};
use crate::near::number;

/// `22/Nov/2026:10:00:00 +0000`
pub(crate) const TIME_LOCAL_BYTES: usize = 26;
/// `2026-11-22T10:00:00`
const CIVIL_BYTES: usize = 19;
/// A number below this is no time in seconds since 1970 (this one is of 1973) but something else
/// that has such a name, as the duration of a request.
const SECONDS_MIN: i64 = 100_000_000;
const FRACTION_DIGITS: usize = 9;
const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

/// Reads times of one log.
#[derive(Debug, Clone)]
pub(crate) struct TimeReader {
    /// Of times without a zone.
    offset: Offset,
    local: LocalDay,
    civil: Second<CIVIL_BYTES>,
}

/// The second that was read last.
#[derive(Debug, Clone)]
struct Second<const N: usize> {
    text: [u8; N],
    seconds: i64,
}

impl<const N: usize> Second<N> {
    /// No second has this text.
    const NONE: Second<N> = Second { text: [0; N], seconds: 0 };

    fn get(&mut self, text: &[u8; N], read: impl Fn(&[u8; N]) -> Option<i64>) -> Option<i64> {
        if self.text != *text {
            self.seconds = read(text)?;
            self.text = *text;
        }
        Some(self.seconds)
    }
}

/// The day that was read last in the form of nginx, with its zone.
#[derive(Debug, Clone)]
struct LocalDay {
    /// `22/Nov/2026:`
    day: [u8; 12],
    /// ` +0000`
    zone: [u8; 6],
    /// When it began.
    seconds: i64,
}

impl LocalDay {
    /// No day has this text.
    const NONE: LocalDay = LocalDay { day: [0; 12], zone: [0; 6], seconds: 0 };

    #[inline(always)]
    fn seconds(&mut self, text: &[u8; TIME_LOCAL_BYTES]) -> Option<i64> {
        let (day, rest) = text.split_first_chunk::<12>()?;
        let (time, zone) = rest.split_first_chunk::<8>()?;
        let zone = zone.first_chunk::<6>()?;
        if self.day != *day || self.zone != *zone {
            let seconds = local_day(day, zone)?;
            *self = LocalDay { day: *day, zone: *zone, seconds };
        }
        Some(self.seconds + clock(time)?)
    }
}

impl TimeReader {
    pub(crate) fn new(offset: Offset) -> TimeReader {
        TimeReader { offset, local: LocalDay::NONE, civil: Second::NONE }
    }

    /// `22/Nov/2026:10:00:00 +0000`, as nginx and Apache write it.
    #[inline]
    pub(crate) fn time_local(&mut self, text: &[u8; TIME_LOCAL_BYTES]) -> Option<Timestamp> {
        timestamp(self.local.seconds(text)?, 0)
    }

    /// `2026-11-22T10:00:00` with `T` or a space, `-` or `/`, then any fraction behind `.` or `,`,
    /// then a zone or none.
    pub(crate) fn civil(&mut self, text: &str) -> Option<Timestamp> {
        let (front, rest) = text.as_bytes().split_first_chunk()?;
        let (fraction, zone) = match rest.first() {
            Some(b'.' | b',') => fraction(&rest[1..])?,
            _ => (0, rest),
        };
        let zone = text.get(text.len() - zone.len()..)?.trim_start();
        let offset = if zone.is_empty() { self.offset } else { Offset::parse(zone)? };
        let seconds = self.civil.get(front, civil_seconds)?;
        timestamp(seconds - offset.seconds, fraction)
    }

    /// Seconds since 1970 with any fraction, or milliseconds, microseconds, nanoseconds: the size
    /// of the number tells which.
    pub(crate) fn unix(text: &str) -> Option<Timestamp> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let whole: i64 = text.get(..digits)?.parse().ok()?;
        let fraction = match text.as_bytes().get(digits) {
            None => 0,
            Some(b'.') => {
                let (fraction, behind) = fraction(text.get(digits + 1..)?.as_bytes())?;
                behind.is_empty().then_some(fraction)?
            }
            Some(_) => return None,
        };
        let unit = match whole {
            SECONDS_MIN..100_000_000_000 => NANOS,
            100_000_000_000..100_000_000_000_000 => MILLI,
            100_000_000_000_000..100_000_000_000_000_000 => MICRO,
            100_000_000_000_000_000.. => 1,
            _ => return None,
        };
        let nanos = whole.checked_mul(unit)?.checked_add(fraction / (NANOS / unit))?;
        Some(Timestamp { nanos })
    }

    /// Any of the forms.
    pub(crate) fn any(&mut self, text: &str) -> Option<Timestamp> {
        match text.as_bytes() {
            [_, _, b'/', ..] => self.time_local(text.as_bytes().try_into().ok()?),
            [_, _, _, _, b'-' | b'/', ..] => self.civil(text),
            _ => TimeReader::unix(text),
        }
    }
}

fn timestamp(seconds: i64, fraction: i64) -> Option<Timestamp> {
    Some(Timestamp { nanos: seconds.checked_mul(NANOS)?.checked_add(fraction)? })
}

/// Seconds since 1970 at the beginning of the day.
fn local_day(day: &[u8; 12], zone: &[u8; 6]) -> Option<i64> {
    let [_, _, b'/', _, _, _, b'/', _, _, _, _, b':'] = day else { return None };
    let month = MONTHS.chunks(3).position(|month| *month == day[3..6])?;
    let month = i64::try_from(month).ok()? + 1;
    let days = days(number(&day[7..11])?, month, number(&day[..2])?)?;
    let offset = Offset::parse(std::str::from_utf8(zone.strip_prefix(b" ")?).ok()?)?;
    Some(days * SECONDS_A_DAY - offset.seconds)
}

/// As if it were in UTC.
fn civil_seconds(text: &[u8; CIVIL_BYTES]) -> Option<i64> {
    if text[4] != text[7]
        || !matches!(text[4], b'-' | b'/')
        || !matches!(text[10], b'T' | b't' | b' ')
    {
        return None;
    }
    let days = days(number(&text[..4])?, number(&text[5..7])?, number(&text[8..10])?)?;
    Some(days * SECONDS_A_DAY + clock(text[11..].try_into().ok()?)?)
}

fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    is_date(year, month, day).then(|| days_of(year, month, day))
}

/// Seconds since midnight of `10:00:00`; a leap second is the next one.
fn clock(text: &[u8; 8]) -> Option<i64> {
    let [h, i, b':', m, n, b':', s, t] = *text else { return None };
    let (hour, minute, second) = (number(&[h, i])?, number(&[m, n])?, number(&[s, t])?);
    (hour < 24 && minute < 60 && second <= 60).then(|| hour * 3600 + minute * 60 + second)
}

/// Nanoseconds of the digits that `text` begins with, of which there is at least one, and what
/// follows; digits beyond the ninth are cut off.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, behind) = text.split_at(digits);
    let kept = digits.get(..FRACTION_DIGITS).unwrap_or(digits);
    let missing = u32::try_from(FRACTION_DIGITS - kept.len()).ok()?;
    (!digits.is_empty()).then_some((number(kept)? * 10_i64.pow(missing), behind))
}
