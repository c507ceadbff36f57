//! Random lines: values come back, nothing panics, time grows with the length alone.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{Fields, Offset, Parser};
use crate::Value;

const SETTINGS: [&str; 11] = [
    "none",
    "combined",
    "nginx:combined",
    "nginx:json",
    "nginx:$remote_user [$time_local] $request $http_x $status",
    "nginx-error",
    "json",
    "logfmt",
    "cri",
    "docker-json",
    "regex:(?<a>[^ ]*) (?<b>.*?)\"(?<c>.*)\"",
];

fn parser(setting: &str) -> Parser {
    Parser::from_setting(setting, Offset::UTC).unwrap()
}

/// As nginx writes a value.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |text, byte| match byte {
        b'"' | b'\\' | 0..=0x1f | 0x7f.. => text + &format!("\\x{byte:02X}"),
        plain => text + &char::from(plain).to_string(),
    })
}

/// Text without control characters, which stay escaped, and not what means nothing.
fn value() -> impl Strategy<Value = String> {
    "[ -~äß😀]{1,24}".prop_filter("no value", |text| text != "-")
}

proptest! {
    #[test]
    fn a_combined_line_gives_back_its_values(
        address in "[0-9a-f.:]{1,20}",
        user in "[a-zA-Z@. ]{0,8}[a-z]",
        second in 0..60_u32,
        method in "[A-Z]{1,7}",
        path in "/[!->@-~äß]{0,30}",
        query in value(),
        status in 100..600_i64,
        bytes in 0..=i64::MAX,
        referer in value(),
        agent in value(),
    ) {
        let line = format!(
            "{address} - {user} [22/Nov/2026:10:00:{second:02} +0000] \"{method} {}?{} HTTP/1.1\" \
             {status} {bytes} \"{}\" \"{}\"",
            escaped(&path), escaped(&query), escaped(&referer), escaped(&agent),
        );
        for setting in ["combined", "nginx:combined"] {
            let mut fields = Fields::default();
            parser(setting).parse(&line, &mut fields).unwrap();
            let nanos = (1_795_341_600 + i64::from(second)) * 1_000_000_000;
            prop_assert_eq!(fields.time.map(|time| time.nanos()), Some(nanos));
            for (name, value) in [
                ("remote_addr", Value::from(address.as_str())),
                ("remote_user", Value::from(user.as_str())),
                ("request_method", Value::from(method.as_str())),
                ("path", Value::from(path.as_str())),
                ("query", Value::from(query.as_str())),
                ("http_version", Value::from("1.1")),
                ("status", Value::Integer(status)),
                ("body_bytes_sent", Value::Integer(bytes)),
                ("http_referer", Value::from(referer.as_str())),
                ("http_user_agent", Value::from(agent.as_str())),
            ] {
                prop_assert_eq!(fields.get(name), Some(&value), "{} of {}", name, line);
            }
            prop_assert_eq!(fields.entries().len(), 10);
        }
    }

    #[test]
    fn no_line_makes_a_parser_panic_and_what_it_gives_is_json(
        any_text in ".{0,120}",
        tricky in r#"([ "\[\]\\=:,{}x#*/.-]|22/Nov/2026:10:00:00 [+]0000|GET |client: |ä){0,40}"#,
        request in r#""(GET |/|\\|"| |ä|\\x22){0,8}" 200 (1|-)( "[a\\" ]{0,6}")*"#,
    ) {
        for setting in SETTINGS {
            let mut parser = parser(setting);
            let access = format!("a - - [22/Nov/2026:10:00:00 +0000] {request}");
            for line in [&any_text, &tricky, &access] {
                let mut fields = Fields::default();
                let is_parsed = parser.parse(line, &mut fields).is_ok();
                prop_assert!(is_parsed || fields == Fields::default());
                for (_key, value) in fields.entries() {
                    let mut json = Vec::new();
                    value.write_json(&mut json);
                    prop_assert!(serde_json::from_slice::<serde_json::Value>(&json).is_ok());
                }
            }
        }
    }
}

/// Quadratic walks over such lines would take minutes.
#[test]
fn time_is_linear_in_the_length_of_a_line() {
    const BYTES: usize = 50_000;
    let access = "a - - [22/Nov/2026:10:00:00 +0000] \"";
    let error = "2026/11/22 10:00:00 [error] 1#1: ";
    let lines = [
        " ",
        "\"",
        "\\",
        "\\\"",
        "[",
        " [",
        "=",
        "a=b ",
        "{\"a\":",
        "\" ",
        ", client: ",
        "\", ",
        "ä",
    ]
    .map(|piece| piece.repeat(BYTES / piece.len()));
    let started = Instant::now();
    for setting in SETTINGS {
        let mut parser = parser(setting);
        for line in &lines {
            for front in ["", access, "{\"a\":\"", "a=\"", error] {
                let line = format!("{front}{line}");
                let mut fields = Fields::default();
                let _any = parser.parse(&line, &mut fields);
            }
        }
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}
