//! Texts and what they mean, as tried against kubectl; limits; and JSON, which must stay what it
//! is.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn values(text: &str) -> Vec<Value> {
    let documents = read(text, &Limits::default()).unwrap();
    documents.into_iter().map(|document| document.value).collect()
}

fn refused(text: &str) -> String {
    read(text, &Limits::default()).unwrap_err().to_string()
}

#[test]
fn documents_in_one_text() {
    let text = "---\n# nothing\n---\na: 1\n---\n~\n---\n- b\n...\n---\nc: {}\n";
    assert_eq!(values(text), [json!({"a": 1}), json!(["b"]), json!({"c": {}})]);
    assert_eq!(values(""), Vec::<Value>::new());
    assert_eq!(values("\u{feff}a: 1\r\nb: 2\r\n"), [json!({"a": 1, "b": 2})]);
}

#[test]
fn quotes_and_tags_say_what_a_scalar_is() {
    let text = "a: 'yes'\nb: \"1\"\nc: |\n  1\nd: !!str 5\ne: !own 5\nf: !!int '5'\ng: ! 5\n\
                h: !!float 5\ni: !!bool 'on'\nj: !!timestamp 2020-01-01\n\"k\\u0021\": yes\n";
    let expected = json!({
        "a": "yes", "b": "1", "c": "1\n", "d": "5", "e": "5", "f": 5, "g": "5", "h": 5,
        "i": true, "j": "2020-01-01", "k!": true,
    });
    assert_eq!(values(text), [expected]);
    assert_eq!(refused("a: 1\nb: !!bool maybe\n"), "line 2: \"maybe\" is no bool");
    assert_eq!(refused("a: .inf\n"), "line 1: .inf is no number that JSON can say");
    assert!(refused("a: !!binary aGk=\n").contains("!!binary"));
}

#[test]
fn keys_become_texts() {
    let text = "1: a\nyes: b\n1.50: c\n0x10: d\n";
    assert_eq!(values(text), [json!({"1": "a", "true": "b", "1.5": "c", "16": "d"})]);
    assert_eq!(refused("a: 1\n~: b\n"), "line 2: a key that is no text");
    assert_eq!(refused("[a]: b\n"), "line 1: a key that is no text");
}

#[test]
fn a_double_key_is_an_error() {
    assert_eq!(refused("a: 1\nb: 2\na: 3\n"), "line 3: the key \"a\" is there twice");
    assert_eq!(refused("y: 1\ntrue: 3\n"), "line 2: the key \"true\" is there twice");
    assert_eq!(refused("{\"a\": 1,\n\"a\": 2}"), "line 2: the key \"a\" is there twice");
}

#[test]
fn aliases_and_merges_work_as_with_kubectl() {
    let base = "x: &a {p: 1, q: 2}\nz: &b {p: 5, r: 6}\n";
    for (text, expected) in [
        ("d: *a\n", json!({"p": 1, "q": 2})),
        ("d:\n  <<: *a\n  p: 3\n", json!({"p": 3, "q": 2})),
        ("d:\n  p: 3\n  <<: *a\n", json!({"p": 1, "q": 2})),
        ("d:\n  <<: [*a, *b]\n", json!({"p": 1, "r": 6, "q": 2})),
        ("d:\n  <<: *a\n  <<: *b\n", json!({"p": 5, "q": 2, "r": 6})),
        ("d:\n  '<<': *a\n", json!({"<<": {"p": 1, "q": 2}})),
        ("d: {? &k name : 1, c: *k}\n", json!({"name": 1, "c": "name"})),
    ] {
        assert_eq!(values(&format!("{base}{text}"))[0]["d"], expected, "{text}");
    }
    assert!(refused("d:\n  <<: 5\n").starts_with("line 2: `<<` takes"));
    assert!(refused("a: &x\n  b: *x\n").starts_with("line 2: an alias inside"));
    assert!(refused("a: *x\n").starts_with("line 1: "));
    assert!(refused("a: &x 1\n---\nb: *x\n").starts_with("line 3: "));
}

#[test]
fn lines_by_pointer() {
    let text = "# a pod\nkind: Pod\nspec:\n  containers:\n    - name: a\n      x/y: &v\n\
                \x20       z: 1\n\
                \x20   -\n      name: b\n      w: *v\n---\n- c\n";
    let documents = read(text, &Limits::default()).unwrap();
    for (pointer, line) in [
        ("", 2),
        ("/kind", 2),
        ("/spec/containers/0", 5),
        ("/spec/containers/0/x~1y/z", 7),
        ("/spec/containers/1/name", 9),
        ("/spec/containers/1/missing/deeper", 9),
        ("/spec/containers/1/w", 10),
        ("/spec/containers/1/w/z", 7),
        ("/spec/containers/7", 4),
    ] {
        assert_eq!(documents[0].line(pointer), line, "{pointer}");
    }
    assert_eq!(documents[1].line("/0"), 12);
    let json = read("{\n \"a\": {\n  \"b\": 1}}", &Limits::default()).unwrap();
    assert_eq!(json[0].line("/a/b"), 3);
}

#[test]
fn lists_hold_objects() {
    let text = "kind: List\nitems:\n- kind: Pod\n- kind: PodList\n  items:\n  - kind: X\n";
    let documents = read(text, &Limits::default()).unwrap();
    let objects = documents[0].objects();
    let pointers: Vec<_> = objects.iter().map(|object| object.pointer.as_str()).collect();
    assert_eq!(pointers, ["/items/0", "/items/1/items/0"]);
    let single = read("kind: Pod\nitems: 5\n", &Limits::default()).unwrap();
    assert_eq!(single[0].objects()[0].pointer, "");
}

#[test]
fn json_is_read_even_where_it_is_no_yaml() {
    let text = "{\"a\": \"\\ud83d\\ude00\",\t\"b\":1.10}";
    assert_eq!(values(text), [serde_json::from_str::<Value>(text).unwrap()]);
    let two = "{\"a\": 1}\n{\"a\": \"\\ud83d\\ude00\"}";
    assert_eq!(values(two), [json!({"a": 1}), json!({"a": "\u{1f600}"})]);
    let deep =
        format!("{{\"a\": \"\\ud83d\\ude00\", \"b\": {}{}}}", "[".repeat(70), "]".repeat(70));
    assert!(refused(&deep).contains("64 levels"));
    assert!(refused("{\"a\": }x").starts_with("line 1"));
    assert!(refused("a: b: c\n").starts_with("line 1: "));
    assert!(refused("a:\n\tb: 2\n").starts_with("line 2: tabs"));
}

/// Each would take hours or all memory if it were followed before it is counted.
#[test]
fn bombs_are_refused_at_once() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    let mut merges = "a0: &a0 {k: x}\n".to_owned();
    for level in 1..40 {
        let (below, own) = (level - 1, level);
        laughs += &format!("a{own}: &a{own} [*a{below}, *a{below}, *a{below}, *a{below}]\n");
        merges += &format!("a{own}: &a{own}\n  <<: [*a{below}, *a{below}]\n  k{own}: *a{below}\n");
    }
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(1000));
    let mut chain = "a0: &a0 {}\n".to_owned();
    for level in 1..100 {
        chain += &format!("a{level}: &a{level} {{b: *a{}}}\n", level - 1);
    }
    let many = format!("[{}]", "1,".repeat(250_000));
    let documents = "--- 1\n".repeat(10_001);
    let spread = format!("a: &a [{}]\nb: [{}]\n", "1,".repeat(1000), "*a,".repeat(190));
    let spread = format!("---\n{spread}").repeat(2);
    for (text, what) in [
        (laughs, "200000 values"),
        (merges, "200000 values"),
        (long, "4194304 bytes, aliases"),
        (chain, "64 levels, aliases"),
        ("[".repeat(70) + &"]".repeat(70), "64 levels"),
        (many, "200000 values"),
        (spread, "200000 values"),
        (documents, "10000 documents"),
        ("x".repeat((4 << 20) + 1), "4194304 bytes"),
    ] {
        let error = read(&text, &Limits::default()).unwrap_err();
        assert!(error.to_string().contains(&format!("more than {what}")), "{error}");
        assert!(matches!(error, ManifestError::TooLarge { .. }));
    }
}

/// Any JSON value, with the texts that YAML could mistake for something else.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[-+.0-9_xeoynYN~:#&*!<> \\\\\"']{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((".{0,5}", inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn json_text_means_what_it_means_as_json(value in any_value(), pretty: bool) {
        let value = json!({ "value": value });
        let text = match pretty {
            true => serde_json::to_string_pretty(&value).unwrap(),
            false => value.to_string(),
        };
        prop_assert_eq!(values(&text), [value]);
    }

    #[test]
    fn no_text_is_a_panic(text in "[-a-c0-2 \n:{}\\[\\],&*?|>!%#'\"<\t]{0,60}") {
        if let Err(error) = read(&text, &Limits::default()) {
            prop_assert!(error.line() >= 1);
        }
    }
}
