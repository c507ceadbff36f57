//! What holds for a secret in JSON, however its text is escaped: it does not leave, and the line
//! stays JSON.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

/// What is secret, and the text around it.
const SECRETS: [(&str, &str, &str); 7] = [
    ("https://", "user:hunter2", "@db.example/x/y"),
    ("Bearer ", "abcdef0123456789", " end"),
    ("Authorization: Basic ", "dXNlcjpodW50ZXIy", ""),
    ("to ", "joe.doe@example.org", ", said he/she"),
    ("from [", "2001:db8::beef:1", "]"),
    ("from ", "203.0.113.77", ":80"),
    ("card ", "4111 1111 1111 1111", "."),
];

/// The text as a JSON string; `ways` says for each character how it is written.
fn quoted(text: &str, ways: &[u8]) -> String {
    let mut out = String::from("\"");
    for (character, way) in text.chars().zip(ways.iter().cycle()) {
        match (character, way) {
            ('/', 1) => out.push_str("\\/"),
            (_, 2) => out.push_str(&format!("\\u{:04x}", u32::from(character))),
            (_, 3) => out.push_str(&format!("\\u{:04X}", u32::from(character))),
            ('"' | '\\', _) => out.extend(['\\', character]),
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

/// The text, and all texts that it means to one who decodes JSON, and JSON in that.
fn meanings(text: &str, into: &mut Vec<String>) {
    into.push(text.to_owned());
    match serde_json::from_str(text) {
        Ok(Json::Object(members)) => members.iter().for_each(|(key, value)| {
            meanings(key, into);
            meanings(&value.to_string(), into);
        }),
        Ok(Json::Array(items)) => items.iter().for_each(|item| meanings(&item.to_string(), into)),
        Ok(Json::String(inner)) => meanings(&inner, into),
        _ => {}
    }
}

proptest! {
    #[test]
    fn no_secret_hides_behind_escapes(
        which in 0..SECRETS.len(),
        ways in prop::collection::vec(0_u8..4, 1..20),
        outer_ways in prop::collection::vec(0_u8..4, 1..20),
        before in "[\"\n\t\\\\ ,]?",
        place in 0..6,
    ) {
        let (start, secret, end) = SECRETS[which];
        let string = quoted(&format!("a{before} {start}{secret}{end}"), &ways)
            .replace('\n', "\\n").replace('\t', "\\t");
        let line = match place {
            0 => string,
            1 => format!("{{\"msg\":{string},\"n\":1}}"),
            2 => format!("{{\"a\":{{\"b\":[1,{{\"c\" : {string}}}]}}}}"),
            3 => format!("{{{string}:true}}"),
            4 => format!("{{\n  \"a\": [\n    {string}\n  ]\n}}"),
            // A container engine's line of a program that logs JSON.
            _ => format!("{{\"log\":{}}}", quoted(&format!("{{\"m\":{string}}}"), &outer_ways)),
        };
        prop_assert!(serde_json::from_str::<Json>(&line).is_ok(), "{}", line);
        let mut tally = Tally::default();
        let all = Redactor::new(&presets("all").unwrap(), Vec::new());
        let redacted = all.redact(line.as_bytes(), &mut tally).into_owned();
        let redacted = String::from_utf8(redacted).unwrap();
        prop_assert!(serde_json::from_str::<Json>(&redacted).is_ok(), "{} {}", line, redacted);
        let mut all_meanings = Vec::new();
        meanings(&redacted, &mut all_meanings);
        for meaning in all_meanings {
            prop_assert!(!meaning.contains(secret), "{} {}", line, redacted);
        }
        prop_assert!(!tally.is_empty());
    }
}

#[test]
fn a_place_is_counted_once_and_structure_stays() {
    let custom: Custom = r"order-\d+=order-0".parse().unwrap();
    let redactor = Redactor::new(&[Preset::Email, Preset::Ipv4Net], vec![custom]);
    let mut tally = Tally::default();
    let line = json!({"a": [{"b": "x\ta@b.org 10.1.2.3\n"}, 1], "c": "C:\\temp", "d": "order-77"});
    let line = line.to_string().replace('@', "\\u0040");
    let redacted = redactor.redact(line.as_bytes(), &mut tally);
    let redacted: Json = serde_json::from_slice(&redacted).unwrap();
    let expected =
        json!({"a": [{"b": "x\t[email] 10.1.2.0\n"}, 1], "c": "C:\\temp", "d": "order-0"});
    assert_eq!(redacted, expected);
    assert_eq!((tally.of(Preset::Email), tally.of(Preset::Ipv4Net)), (1, 1));
}

#[test]
fn a_text_with_nothing_to_take_out_keeps_its_escapes() {
    let line = r#"{"path":"C:\\u0041\/x","b":"\u0041\n"} \u0041"#;
    let all = Redactor::new(&presets("all").unwrap(), Vec::new());
    let redacted = all.redact(line.as_bytes(), &mut Tally::default());
    assert!(matches!(redacted, Cow::Borrowed(_)));
}
