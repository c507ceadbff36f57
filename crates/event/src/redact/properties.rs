//! What holds for any text: nothing is left, nothing else is changed, and the time is linear.

use proptest::prelude::*;

use super::scan::STEPS;
use super::*;

fn all() -> Redactor {
    Redactor::new(&presets("all").unwrap(), Vec::new())
}

/// Bytes looked at, for each byte of the text.
fn steps(text: &[u8]) -> usize {
    STEPS.set(0);
    all().redact(text, &mut Tally::default());
    STEPS.get() / text.len()
}

#[test]
fn the_time_is_linear_whatever_is_repeated() {
    for unit in [
        "@",
        "a@",
        "a@b.",
        "a@b.c@",
        "a@b.org ",
        "%40",
        "a%40b.org",
        ":",
        "::",
        "1:",
        "::1 ",
        "a:b::",
        "1.",
        ".1",
        "1.2.3.4 ",
        "1.1.1.1.",
        "1",
        "4111 ",
        "4111-",
        "1 ",
        "4111 1111 1111 1111 ",
        "4111111111111111",
        "://",
        "a://b",
        "http://a:b@",
        "http://a:b@c/",
        "bearer ",
        "bearer=",
        "Bearer a1b2c3d4 ",
        "asic ",
        "Basic a",
        "authorization: basic a ",
        "eyJ",
        "eyJ.",
        "eyJaaaaaaa.",
        "eyJhbGciOiJI.eyJzdWIi.x ",
        "a",
        " ",
        "\\",
        "é",
        "4",
        "f:",
        "ffff:",
        "0:0:0:0:0:0:0:0 ",
    ] {
        let [once, many] =
            [2_000, 64_000].map(|bytes| steps(unit.repeat(bytes / unit.len()).as_bytes()));
        assert!(many <= once + 1, "{unit:?}: {once} steps a byte, then {many}");
        assert!(many <= 60, "{unit:?}: {many} steps a byte");
    }
}

/// What is left of an address by another way to look: the end of a name, an `@`, and a domain with
/// a dot and two letters.
fn has_email(text: &[u8]) -> bool {
    let [escape, address, picture] =
        ["%40", r"[\w.%+-]@[A-Za-z0-9-][A-Za-z0-9.-]*\.[A-Za-z]{2}", r"@[1-4]x\.[a-z]+"]
            .map(|text| crate::pattern(text).unwrap());
    let text = escape.replace_all(text, b"@".as_slice());
    address.is_match(&text) && !picture.is_match(&text)
}

/// Pieces of what is looked for, in any order.
fn any_text() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "a",
        "@",
        ".",
        "org",
        "%40",
        "x@y.com",
        "1",
        "10.0.0.1",
        ":",
        "::",
        "ffff",
        " ",
        "-",
        "4111",
        "1111",
        "4111111111111111",
        "://",
        "http",
        "/",
        "u:p",
        "Bearer ",
        "Authorization: ",
        "eyJ",
        "aaaaaaaa12",
        "\\n",
        "%3A",
        "é",
        "\"",
        "=",
        "[email]",
    ];
    let piece = prop_oneof![
        8 => prop::sample::select(pieces.to_vec()).prop_map(|it| it.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..3),
    ];
    prop::collection::vec(piece, 0..25).prop_map(|it| it.concat())
}

proptest! {
    #[test]
    fn nothing_that_is_looked_for_is_left(text in any_text()) {
        let mut tally = Tally::default();
        let redacted = all().redact(&text, &mut tally);
        prop_assert_eq!(tally.is_empty(), redacted == text);
        prop_assert!(!has_email(&redacted), "{}", String::from_utf8_lossy(&redacted));
        let words = redacted.split(|byte| b" /\"=[]".contains(byte));
        let words = words.filter_map(|word| std::str::from_utf8(word).ok());
        for address in words.filter_map(|word| word.parse::<std::net::Ipv4Addr>().ok()) {
            prop_assert_eq!(&address.octets()[1..], &[0, 0, 0]);
        }
        if std::str::from_utf8(&text).is_ok() {
            prop_assert!(std::str::from_utf8(&redacted).is_ok());
        }
    }

    #[test]
    fn each_preset_takes_any_bytes(
        text in prop::collection::vec(any::<u8>(), 0..80),
        preset in prop::sample::select(&Preset::ALL[..]),
    ) {
        let mut tally = Tally::default();
        let redactor = Redactor::new(&[preset], Vec::new());
        let redacted = redactor.redact(&text, &mut tally);
        if tally.is_empty() {
            prop_assert_eq!(redacted.as_ref(), &text);
        }
    }
}
