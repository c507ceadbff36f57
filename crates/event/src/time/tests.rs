use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::*;

/// By a reader whose zone is two hours before UTC.
fn read(text: &str) -> Option<i64> {
    let mut reader = TimeReader::new(Offset::parse("+02:00").unwrap());
    let first = reader.any(text);
    assert_eq!(reader.any(text), first, "the second time: {text}");
    first.map(Timestamp::nanos)
}

/// As RFC 3339, by a library.
fn library(nanos: u64) -> String {
    let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos);
    humantime::format_rfc3339_nanos(time).to_string()
}

#[test]
fn forms_of_nginx_and_others() {
    const AT: i64 = 1_795_341_600 * NANOS;
    for (text, expected) in [
        ("22/Nov/2026:10:00:00 +0000", Some(AT)),
        ("22/Nov/2026:12:30:00 +0230", Some(AT)),
        ("21/Nov/2026:23:00:00 -1100", Some(AT)),
        ("22/nov/2026:10:00:00 +0000", None),
        ("22/Nov/2026:10:00:00 +000", None),
        ("22/Nov/2026:10:00:00  0000", None),
        ("31/Nov/2026:10:00:00 +0000", None),
        ("22/Nov/2026:24:00:00 +0000", None),
        ("2026-11-22T10:00:00+00:00", Some(AT)),
        ("2026-11-22T10:00:00Z", Some(AT)),
        ("2026-11-22t10:00:00z", Some(AT)),
        ("2026-11-22 12:00:00", Some(AT)),
        ("2026/11/22 12:00:00", Some(AT)),
        ("2026-11-22 10:00:00 UTC", Some(AT)),
        ("2026-11-22 10:00:00 +0000", Some(AT)),
        ("2026-11-22T11:00:00+01", Some(AT)),
        ("2026-11-22T10:00:00.5Z", Some(AT + NANOS / 2)),
        ("2026-11-22 12:00:00,123", Some(AT + 123 * MILLI)),
        ("2026-11-22T10:00:00.1234567891Z", Some(AT + 123_456_789)),
        ("2026-11-22T10:00:00.Z", None),
        ("2026-11-22T10:00:00 CET", None),
        ("2026-11/22T10:00:00Z", None),
        ("2026-11-22_10:00:00Z", None),
        ("2026-02-29T10:00:00Z", None),
        ("2026-11-22T10:00", None),
        ("2026-11-22T10:00:0äZ", None),
        ("2026-11-22T10:00:00Zä", None),
        ("9999-11-22T10:00:00Z", None),
        ("2026-11-22T09:59:60Z", Some(AT)),
        ("1795341600", Some(AT)),
        ("1795341600.123", Some(AT + 123 * MILLI)),
        ("1795341600123", Some(AT + 123 * MILLI)),
        ("1795341600123.5", Some(AT + 123 * MILLI + MILLI / 2)),
        ("1795341600123456", Some(AT + 123_456 * MICRO)),
        ("1795341600123456789", Some(AT + 123_456_789)),
        ("17953416001234567890", None),
        ("1795341600.", None),
        ("1795341600x", None),
        ("-1795341600", None),
        ("12", None),
        ("", None),
        ("ä", None),
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn one_second_is_kept_and_not_more() {
    let mut reader = TimeReader::new(Offset::UTC);
    for (text, second) in [
        ("22/Nov/2026:10:00:00 +0000", Some(0)),
        ("22/Nov/2026:10:00:00 +0000", Some(0)),
        ("22/Nov/2026:10:00:01 +0000", Some(1)),
        ("22/Nov/2026:10:00:61 +0000", None),
        ("22/Nov/2026:10:00:01 +0000", Some(1)),
        ("2026-11-22T10:00:02Z", Some(2)),
        ("2026-11-22T11:00:02+01:00", Some(2)),
        ("2026-11-22T10:00:02.000Z", Some(2)),
    ] {
        let expected = second.map(|second| (1_795_341_600 + second) * NANOS);
        assert_eq!(reader.any(text).map(Timestamp::nanos), expected, "{text}");
    }
}

#[test]
fn offsets_of_settings() {
    for (text, seconds) in [
        ("UTC", Some(0)),
        ("Z", Some(0)),
        ("+00:00", Some(0)),
        ("-05:30", Some(-19_800)),
        ("+0545", Some(20_700)),
        ("+14", Some(50_400)),
        ("", None),
        ("+24:00", None),
        ("+01:60", None),
        ("01:00", None),
        ("+1", None),
        ("CET", None),
        ("+ä", None),
    ] {
        assert_eq!(Offset::parse(text).map(|offset| offset.seconds), seconds, "{text}");
    }
}

#[test]
fn only_digits_that_are_needed_are_written() {
    for (nanos, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (1_795_341_600 * NANOS + 120 * MILLI, "2026-11-22T10:00:00.120Z"),
        (1_795_341_600 * NANOS + MICRO, "2026-11-22T10:00:00.000001Z"),
        (951_782_400 * NANOS, "2000-02-29T00:00:00Z"),
    ] {
        let mut out = Vec::new();
        Timestamp::from_nanos(nanos).write_rfc3339(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }
}

proptest! {
    #[test]
    fn reading_and_writing_agree_with_a_library(nanos in 0..i64::MAX) {
        let expected = library(u64::try_from(nanos).unwrap());
        prop_assert_eq!(read(&expected), Some(nanos));
        let mut out = Vec::new();
        Timestamp::from_nanos(nanos).write_rfc3339(&mut out);
        let written = String::from_utf8(out).unwrap();
        prop_assert_eq!(read(&written), Some(nanos));
        prop_assert_eq!(written.get(..19), expected.get(..19));
    }

    #[test]
    fn days_are_counted_one_by_one(days in -200_000..1_000_000_i64) {
        let (year, month, day) = date_of(days);
        prop_assert!(is_date(year, month, day));
        prop_assert_eq!(days_of(year, month, day), days);
        let next = date_of(days + 1);
        let is_last = !is_date(year, month, day + 1);
        prop_assert!(next == (year, month, day + 1) || next.2 == 1 && is_last);
    }

    #[test]
    fn no_text_makes_the_readers_fail(text in "[0-9T:/. +Zä-]{0,32}") {
        let _any = (read(&text), Offset::parse(&text));
    }
}
