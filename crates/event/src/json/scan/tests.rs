use proptest::prelude::*;

use super::*;

/// The members as JSON again.
fn members(line: &str) -> Result<String, Unparsed> {
    let mut out = Vec::new();
    object(line, |key, value| {
        out.extend_from_slice(key.as_bytes());
        out.push(b'=');
        value.write_json(&mut out);
        out.push(b' ');
        Ok(())
    })?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn members_of_an_object() {
    for (line, expected) in [
        ("{}", ""),
        (" { } \r\n", ""),
        (r#"{"a":"b"}"#, r#"a="b" "#),
        (r#"{"a":1,"b" : -2 ,"c":0}"#, "a=1 b=-2 c=0 "),
        (r#"{"a":1.50,"b":1e3,"c":-0,"d":1E+2,"e":0.1e-7}"#, "a=1.50 b=1e3 c=-0 d=1E+2 e=0.1e-7 "),
        (r#"{"a":9223372036854775807}"#, "a=9223372036854775807 "),
        (r#"{"a":9223372036854775808}"#, "a=9223372036854775808 "),
        (r#"{"a":true,"b":false,"c":null}"#, "a=true b=false c=null "),
        (r#"{"a\n":"\"\\\/\u00e4\ud83d\ude00"}"#, "a\n=\"\\\"\\\\\\/\\u00e4\\ud83d\\ude00\" "),
        (r#"{"a":{"b":[1,{"c":[]},"x"]},"d":[ ]}"#, r#"a={"b":[1,{"c":[]},"x"]} d=[ ] "#),
        (r#"{"ä":"a longer text with an ä"}"#, r#"ä="a longer text with an ä" "#),
    ] {
        assert_eq!(members(line).as_deref(), Ok(expected), "{line}");
    }
}

#[test]
fn what_is_not_one_object_is_refused() {
    for line in [
        "",
        " ",
        "{",
        "}",
        "[]",
        "1",
        "\"a\"",
        "null",
        "{}{}",
        "{} x",
        "{a:1}",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{,"a":1}"#,
        r#"{"a":1 "b":2}"#,
        r#"{"a":01}"#,
        r#"{"a":+1}"#,
        r#"{"a":1.}"#,
        r#"{"a":.1}"#,
        r#"{"a":1e}"#,
        r#"{"a":-}"#,
        r#"{"a":NaN}"#,
        r#"{"a":tru}"#,
        r#"{"a":truex}"#,
        r#"{"a":"\x"}"#,
        r#"{"a":"\u12"}"#,
        r#"{"a":"\ud83d"}"#,
        r#"{"a":"\ude00\ud83d"}"#,
        r#"{"a":"\"#,
        r#"{"a":"b"#,
        "{\"a\":\"\n\"}",
        "{\"a\":\"\u{1}\"}",
        "{\"a\":\"a longer text, then a tab\t\"}",
        r#"{"a":[1,]}"#,
        r#"{"a":[1}"#,
        r#"{"a":{"b"]}"#,
        r#"{"a":{"b":1]}"#,
        r#"{"a":[1]"#,
        r#"{"a":{1:2}}"#,
        r#"{"a":[,1]}"#,
        r#"{"a":]"#,
    ] {
        assert_eq!(members(line), Err(NO_OBJECT), "{line}");
    }
}

#[test]
fn depth_has_a_limit() {
    let nested =
        |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert!(members(&nested(DEPTH_MAX)).is_ok());
    assert_eq!(members(&nested(DEPTH_MAX + 1)), Err(TOO_DEEP));
    assert_eq!(members(&nested(100_000)), Err(TOO_DEEP));
}

/// Text that is JSON, or nearly.
fn nearly_json() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        4 => prop_oneof![
            Just("{"), Just("}"), Just("["), Just("]"), Just(","), Just(":"), Just("\""),
        ],
        4 => prop_oneof![
            Just("\"a\":"), Just("\"b\""), Just("1"), Just("-0.5e1"), Just("null"), Just(" "),
            Just("\"a\\n\""), Just("{}"), Just("[]"), Just("[1,2]"),
        ],
        1 => prop_oneof![
            Just("\\"), Just("\\u00e4"), Just("ä"), Just("\u{1}"), Just("0"), Just("."), Just("e"),
        ],
    ];
    proptest::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat())
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<u64>().prop_map(serde_json::Value::from),
        any::<i32>().prop_map(|number| serde_json::Value::from(f64::from(number) / 8.0)),
        ".{0,20}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            proptest::collection::btree_map(".{0,6}", inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_accepted_is_what_a_library_accepts(
        inner in nearly_json(),
        is_object in any::<bool>(),
    ) {
        let line = if is_object { format!("{{\"k\":{inner}}}") } else { inner };
        let known = serde_json::from_str::<serde_json::Value>(&line);
        let is_known = known.is_ok_and(|value| value.is_object());
        prop_assert_eq!(members(&line).is_ok(), is_known, "{}", line);
    }

    #[test]
    fn members_are_those_that_a_library_finds(value in json_value()) {
        let value = serde_json::json!({ "first": value, "last": 1 });
        let mut found = serde_json::Map::new();
        let line = value.to_string();
        object(&line, |key, value| {
            let mut json = Vec::new();
            value.write_json(&mut json);
            found.insert(key.into_owned(), serde_json::from_slice(&json).unwrap());
            Ok(())
        }).unwrap();
        prop_assert_eq!(serde_json::Value::Object(found), value);
    }

    #[test]
    fn no_text_makes_it_panic(line in ".{0,40}", rest in "[\"\\\\u0-9a-fä{}]{0,40}") {
        let _any = (members(&line), members(&rest), members(&format!("{{\"{rest}")));
    }
}
