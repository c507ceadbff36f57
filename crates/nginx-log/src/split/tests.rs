use proptest::prelude::*;

use super::*;
use crate::format::{COMBINED, JSON};

/// Splits and gives the values as text.
fn split(format: &str, line: &str) -> Result<Vec<String>, SplitError> {
    let format = Format::parse(format).unwrap();
    let mut values = Values::default();
    format.split(line.as_bytes(), &mut values)?;
    let text = |index| String::from_utf8_lossy(values.get(line.as_bytes(), index)).into_owned();
    Ok((0..format.variables().count()).map(text).collect())
}

fn check(format: &str, line: &str, expected: &[&str]) {
    assert_eq!(split(format, line).as_deref(), Ok(to_owned(expected).as_slice()), "{line}");
}

fn to_owned(values: &[&str]) -> Vec<String> {
    values.iter().map(|it| (*it).to_owned()).collect()
}

#[test]
fn a_combined_line() {
    check(
        COMBINED,
        r#"10.0.0.1 - jo [22/Nov/2026:06:44:12 +0000] "GET /a?b HTTP/1.1" 200 612 "-" "x\x22y z""#,
        &[
            "10.0.0.1",
            "jo",
            "22/Nov/2026:06:44:12 +0000",
            "GET /a?b HTTP/1.1",
            "200",
            "612",
            "-",
            r"x\x22y z",
        ],
    );
    assert_eq!(split(COMBINED, ""), Err(SplitError::Literal(0)));
    assert_eq!(split("[$status]", "x"), Err(SplitError::Lead));
    assert_eq!(split("'\"$request\"'", "\"a\" b"), Err(SplitError::Trailing));
    assert_eq!(split("\"$request\" $status", "\"a\"  200"), Ok(to_owned(&["a", " 200"])));
    assert_eq!(split("\"$request\" $status", "\"a\""), Err(SplitError::Literal(0)));
}

#[test]
fn upstream_lists_keep_their_spaces() {
    let format = "$upstream_response_time $request_time";
    check(format, "0.001, 0.002 : 0.003 0.006", &["0.001, 0.002 : 0.003", "0.006"]);
    check(format, "-, - : 0.003 0.006", &["-, - : 0.003", "0.006"]);
    check(format, "- 0.006", &["-", "0.006"]);
    check(format, " 0.006", &["", "0.006"]);
    let format = "$upstream_addr $upstream_status $upstream_connect_time \"$host\"";
    let line = "[::1]:80, unix:/a : 127.0.0.1:8080 502, 504 : 200 -, 0.001 : 0.002 \"h\"";
    let expected =
        ["[::1]:80, unix:/a : 127.0.0.1:8080", "502, 504 : 200", "-, 0.001 : 0.002", "h"];
    check(format, line, &expected);
    check("u=$upstream_response_time; t=$request_time", "u=0.1, 0.2; t=1.0", &["0.1, 0.2", "1.0"]);
    check("$status|$upstream_addr", "200|a, b : c", &["200", "a, b : c"]);
}

#[test]
fn unquoted_texts_with_spaces_end_where_the_next_variable_fits() {
    let format = "$time_local $request $status $body_bytes_sent $request_time";
    let time = "22/Nov/2026:06:44:12 +0000";
    check(
        format,
        &format!("{time} GET /a b HTTP/1.1 200 5 0.001"),
        &[time, "GET /a b HTTP/1.1", "200", "5", "0.001"],
    );
    check(format, &format!("{time} - 400 0 0.000"), &[time, "-", "400", "0", "0.000"]);
    check(
        "$remote_user [$time_local] x",
        &format!("a [b] [{time}] x"),
        &["a [b]", "22/Nov/2026:06:44:12 +0000"],
    );
    check("$http_user_agent $status", "curl 8 200", &["curl 8", "200"]);
    check("$http_user_agent $msec", "a 1 b 1.5", &["a 1 b", "1.5"]);
}

#[test]
fn json_lines_are_cut_by_the_literals_of_the_format() {
    let format = r#"escape=json {"uri":"$uri","status":$status,"ua":"$http_user_agent"}"#;
    let line = r#"{"uri":"/\"a\\","status":200,"ua":"b\\\",\"status\":500"}"#;
    check(format, line, &[r#"/\"a\\"#, "200", r#"b\\\",\"status\":500"#]);
    let line = r#"{"uri":"","status":,"ua":"\\\\"}"#;
    check(format, line, &["", "", r"\\\\"]);
    assert_eq!(split(format, r#"{"uri":"/\","#), Err(SplitError::Literal(0)));
    let values = Format::parse(JSON).unwrap().variables().count();
    assert_eq!(values, 14);
}

#[test]
fn without_escapes_a_quoted_value_ends_where_the_whole_literal_stands() {
    let format = r#"escape=none "$http_user_agent" $status"#;
    check(format, r#""a "b" c" 200"#, &[r#"a "b" c"#, "200"]);
    check("escape=none '\"$host\"'", "\"a\"b\"", &["a\"b"]);
}

/// A variable of a random format, its value, and how nginx writes that.
fn piece(escape: Escape) -> impl Strategy<Value = (String, String)> {
    let item = "[a-z0-9][a-z0-9.:]{0,8}";
    let list = (item, proptest::collection::vec(("(, | : )", item), 0..4));
    let list = list.prop_map(|(first, more)| {
        more.into_iter().fold(first, |list, (separator, item)| list + &separator + &item)
    });
    let named = |name: &'static str| move |value: String| (name.to_owned(), value);
    let quoted = proptest::collection::vec(any::<u8>(), 0..12);
    prop_oneof![
        "[0-9]{3}".prop_map(named("$status")),
        "[0-9]{1,9}".prop_map(named("$body_bytes_sent")),
        "[0-9]{1,4}\\.[0-9]{3}".prop_map(named("$request_time")),
        list.prop_map(named("$upstream_response_time")),
        "[0-3][0-9]/Nov/20[0-9]{2}:[0-9]{2}:00:00 \\+0000".prop_map(named("$time_local")),
        "[a-zA-Z0-9.-]{0,9}".prop_map(named("$remote_addr")),
        quoted.prop_map(move |bytes| ("\"$request\"".to_owned(), escaped(&bytes, escape))),
    ]
}

/// As nginx writes it; text, because what it does not escape is UTF-8 here.
fn escaped(bytes: &[u8], escape: Escape) -> String {
    let text = String::from_utf8_lossy(bytes).into_owned();
    match escape {
        Escape::Default => bytes.iter().fold(String::new(), |text, byte| match byte {
            b'"' | b'\\' | 0..=0x1f | 0x7f.. => text + &format!("\\x{byte:02X}"),
            plain => text + &char::from(*plain).to_string(),
        }),
        _ => text.chars().fold(String::new(), |text, character| match character {
            '"' | '\\' => text + "\\" + &character.to_string(),
            '\0'..='\x1f' => text + &format!("\\u{:04X}", u32::from(character)),
            plain => text + &plain.to_string(),
        }),
    }
}

fn formats_with_a_line() -> impl Strategy<Value = (Escape, Vec<(String, String)>, Vec<String>)> {
    let literal = prop_oneof![
        3 => Just(" ".to_owned()),
        1 => Just(" - ".to_owned()),
        1 => Just("\t".to_owned()),
        1 => Just(" [".to_owned()),
        1 => Just("|".to_owned()),
        1 => Just(" u=".to_owned()),
    ];
    prop_oneof![Just(Escape::Default), Just(Escape::Json)].prop_flat_map(move |escape| {
        (
            Just(escape),
            proptest::collection::vec(piece(escape), 1..9),
            proptest::collection::vec(literal.clone(), 9),
        )
    })
}

proptest! {
    #[test]
    fn a_line_splits_back_into_what_it_was_made_of(
        (escape, pieces, literals) in formats_with_a_line(),
    ) {
        let (mut format, mut line) = (String::new(), String::new());
        if escape == Escape::Json {
            format.push_str("escape=json ");
        }
        format.push('>');
        line.push('>');
        for ((variable, value), literal) in pieces.iter().zip(&literals) {
            format.push_str(variable);
            format.push_str(literal);
            let quote = if variable.starts_with('"') { "\"" } else { "" };
            line.extend([quote, value, quote, literal]);
        }
        format.push('.');
        line.push('.');
        let expected: Vec<String> = pieces.into_iter().map(|(_, value)| value).collect();
        prop_assert_eq!(split(&format, &line), Ok(expected), "{} of {}", line, format);
    }

    #[test]
    fn no_bytes_make_it_panic(
        format in "(escape=(json|none) )?([ \"\\[:,a]{0,3}[$](status|upstream_addr|msec)){1,4}",
        line in proptest::collection::vec(any::<u8>(), 0..80),
        spaces in "[ :,\"\\\\0-9.]{0,80}",
    ) {
        let mut values = Values::default();
        if let Ok(format) = Format::parse(&format) {
            for line in [line.as_slice(), spaces.as_bytes()] {
                if format.split(line, &mut values).is_ok() {
                    for index in 0..format.variables().count() {
                        let value = values.get(line, index);
                        let _any = (crate::seconds(value), crate::RequestLine::parse(value));
                    }
                }
                let _any = crate::Level::of_line(line);
            }
        }
    }

    #[test]
    fn no_text_makes_the_format_parser_panic(
        text in ".{0,60}",
        tricky in "[$ {}'\"\\\\;a=]{0,30}",
    ) {
        let _any = (Format::parse(&text), Format::parse(&tricky));
    }
}
