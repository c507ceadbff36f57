use super::*;

fn all() -> Redactor {
    Redactor::new(&presets("all").unwrap(), Vec::new())
}

fn custom(texts: &[&str]) -> Redactor {
    Redactor::new(&[], texts.iter().map(|text| text.parse().unwrap()).collect())
}

fn redact(redactor: &Redactor, text: &str) -> String {
    let redacted = redactor.redact(text.as_bytes(), &mut Tally::default()).into_owned();
    String::from_utf8(redacted).unwrap()
}

/// With the preset alone, and with all of them, each line becomes the other.
#[track_caller]
fn check(preset: Preset, lines: &[(&str, &str)]) {
    let alone = Redactor::new(&[preset], Vec::new());
    for (text, expected) in lines {
        let mut tally = Tally::default();
        let redacted = alone.redact(text.as_bytes(), &mut tally);
        assert_eq!(String::from_utf8_lossy(&redacted), *expected, "{preset:?}: {text}");
        let is_same = text == expected;
        assert_eq!(matches!(redacted, Cow::Borrowed(_)), is_same, "{text}");
        assert_eq!(tally.of(preset) == 0, is_same, "{text}");
        let mut again = Tally::default();
        assert_eq!(alone.redact(&redacted, &mut again), redacted, "{text}: a second time");
        if presets("all").unwrap().contains(&preset) {
            assert_eq!(redact(&all(), text), *expected, "all: {text}");
        }
    }
}

/// What looks like it, and stays whatever is looked for.
#[track_caller]
fn check_stays(lines: &[&str]) {
    for text in lines {
        assert_eq!(redact(&all(), text), *text);
    }
}

#[test]
fn email() {
    check(
        Preset::Email,
        &[
            ("from jane.doe+tag@mail.example.co.uk to", "from [email] to"),
            ("<a@b.de>,c_d%e@f-g.org.", "<[email]>,[email]."),
            ("GET /?mail=jane%40example.com&x=1", "GET /?mail=[email]&x=1"),
            (r#"{"mail":"a@b.io"}"#, r#"{"mail":"[email]"}"#),
            (r"x\na@b.io \u000aa@b.io \n@b.io", r"x\n[email] \u000a[email] \n[email]"),
            ("jörg@müller.de, 例え@例え.テスト", "[email], [email]"),
            ("a@b@c.org", "a@[email]"),
            ("a@b.org@c.org", "[email]@c.org"),
            ("git@github.com:a/b", "[email]:a/b"),
            ("a@x.c1 a@b.com1", "a@x.c1 [email]"),
        ],
    );
    check_stays(&[
        "root@localhost",
        "react@18.2.0 @scope/name@1.2.3",
        "GET /img/logo@2x.png HTTP/1.1",
        "@Override a @ b user@",
        "100%40",
        "a@.org",
    ]);
}

#[test]
fn ipv4() {
    check(
        Preset::Ipv4,
        &[
            (
                "203.0.113.9 - - [10/Oct/2000:13:55:36 -0700]",
                "[ipv4] - - [10/Oct/2000:13:55:36 -0700]",
            ),
            ("10.0.0.1:80, 10.0.0.2.", "[ipv4]:80, [ipv4]."),
            ("/10.0.0.1 localhost/127.0.0.1 //10.1.2.3/x", "/[ipv4] localhost/[ipv4] //[ipv4]/x"),
            (r#"{"a":"x\n10.0.0.1"}"#, r#"{"a":"x\n[ipv4]"}"#),
            ("a%3A10.0.0.1 a%2010.0.0.1", "a%3A[ipv4] a%20[ipv4]"),
            ("a=1.2.3.4-5.6.7.8", "a=[ipv4]-[ipv4]"),
            ("a version 1.2.3.4", "a version [ipv4]"),
        ],
    );
    check(
        Preset::Ipv4Net,
        &[("203.0.113.9 10.0.0.255", "203.0.113.0 10.0.0.0"), ("10.200.0.1:8", "10.200.0.0:8")],
    );
    check_stays(&[
        "1.2.3 1.2.3.4.5 256.1.1.1 1.2.3.1000 01.2.3.4",
        "v1.2.3.4 r1.2.3.4b 1.2.3.4rc1",
        "Chrome/120.0.0.0 Safari/537.36 Chrome/96.0.4664.110",
        "0.0.0.0 10.0.0.0/8",
        "13:55:36.123 2024.05.01",
        "1.5 .5. ... 5.",
    ]);
}

#[test]
fn ipv6() {
    check(
        Preset::Ipv6,
        &[
            ("2001:db8::1 - -", "[ipv6] - -"),
            ("[::1]:80 [2001:db8:0:0:0:0:0:1]", "[[ipv6]]:80 [[ipv6]]"),
            ("client ::ffff:203.0.113.9, next", "client [ipv6], next"),
            ("fe80::1%eth0 fe80::1/64 fe80::1: fe80::1.", "[ipv6]%eth0 [ipv6]/64 [ipv6]: [ipv6]."),
            ("dead:beef::cafe client:::1", "[ipv6] client:[ipv6]"),
            ("2001:DB8:1:2:3:4:5:6 %5B2001:db8::1%5D", "[ipv6] %5B[ipv6]%5D"),
        ],
    );
    check(
        Preset::Ipv6Net,
        &[
            ("2001:db8:1:2:3:4:5:6 fe80::1", "2001:db8:1:: fe80::"),
            ("::ffff:203.0.113.9", "::ffff:203.0.113.0"),
        ],
    );
    check_stays(&[
        "[10/Oct/2000:13:55:36 -0700] 2024-05-01T10:00:00.123+02:00",
        "00:1a:2b:3c:4d:5e MD5:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff",
        "std::vector std::dec a::b Abc::Def add::face d::e::f [::]:80 ::",
        "12:30:45 1:2:3 a:b:c:d",
        "key::value ERROR::x",
    ]);
}

#[test]
fn card() {
    check(
        Preset::Card,
        &[
            ("4111111111111111", "[card]"),
            ("card 4111 1111 1111 1111, 5555-5555-5555-4444.", "card [card], [card]."),
            ("3782 822463 10005 and 378282246310005", "[card] and [card]"),
            ("6011111111111117 3530111333300000 30569309025904", "[card] [card] [card]"),
            ("4222222222222 6304 0000 0000 0000", "[card] [card]"),
            (r#"{"pan":"2223003122003222"}"#, r#"{"pan":"[card]"}"#),
            ("2024-05-01 4111 1111 1111 1111 200 1", "2024-05-01 [card] 200 1"),
            ("4111 1111 1111 1111 4111 1111 1111 1111", "[card] [card]"),
            ("n=%224111111111111111%22", "n=%22[card]%22"),
        ],
    );
    check_stays(&[
        "4111111111111112 5555-5555-5555-4445",
        "1700000000123 1700000000123456 1700000000123456789 20240501100000",
        "550e8400-e29b-41d4-a716-446655440000",
        "0000000000000000 1234567812345670",
        "a4111111111111111 4111111111111111f 0.4111111111111111 4111111111111111.5",
        "41111111111111110000000000000000000",
        "4111 1111-1111 1111 41 11 11 11 11 11 11 11 4111  1111  1111  1111",
        "GET / 200 5316 4096 17 1200 300 512 128 64 1024 2048",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "+49 170 1234567 0049-170-1234567",
    ]);
}

#[test]
fn bearer() {
    const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-DEF_123";
    check(
        Preset::Bearer,
        &[
            ("Authorization: Token abc", "Authorization: Token [token]"),
            (r#"{"authorization":"token 0a1b"}"#, r#"{"authorization":"token [token]"}"#),
            ("Authorization: Bearer abc", "Authorization: Bearer [token]"),
            ("authorization=Basic dXNlcjpwYXNz", "authorization=Basic [token]"),
            (r#"{"Authorization":"Bearer x.y/z=="}"#, r#"{"Authorization":"Bearer [token]"}"#),
            (r#"\"authorization\":[\"BEARER ab\"]"#, r#"\"authorization\":[\"BEARER [token]\"]"#),
            ("curl -H 'bearer 0a1b2c3d4e'", "curl -H 'bearer [token]'"),
            ("?auth=Bearer%20abcdefgh1&x", "?auth=Bearer%20[token]&x"),
            ("Bearer abcdefghijklmnopqrstuvwxyz", "Bearer [token]"),
            (&format!("cookie: s={JWT}; a"), "cookie: s=[token]; a"),
            (&format!("%22{JWT}%22 {JWT}"), "%22[token]%22 [token]"),
            ("eyJhbGciOiJub25lIn0.eyJhIjoxfQ.", "[token]"),
        ],
    );
    check_stays(&[
        "the bearer of bad news, bearer authentication, Bearer: none",
        "WWW-Authenticate: Bearer realm",
        "forbearer 0a1b2c3d4e bearers",
        "Basic authentication, basic 0a1b2c3d4e, authorization failed",
        "eyJ.eyJ eyJhbGciOiJIUzI1NiJ9 eyJhbGciOiJIUzI1NiJ9.x",
        "bearer",
    ]);
}

#[test]
fn url_credentials() {
    check(
        Preset::UrlCredentials,
        &[
            ("postgres://user:p%40ss@db:5432/x", "postgres://[credentials]@db:5432/x"),
            (
                "redis://:secret@host mongodb://u:p@h1,h2/d",
                "redis://[credentials]@host mongodb://[credentials]@h1,h2/d",
            ),
            ("amqp://u:p@ss@host/v", "amqp://[credentials]@host/v"),
            ("https://ghp_16C7@host/x.git", "https://[credentials]@host/x.git"),
            (r#""HTTP://u:p@h""#, r#""HTTP://[credentials]@h""#),
        ],
    );
    check_stays(&[
        "ssh://git@host/x",
        "https://host:443/@user",
        "https://host/?mail=@",
        "http://host a:b@c",
        "://@ http://@host",
    ]);
}

#[test]
fn patterns_of_ones_own() {
    for (pattern, text, expected) in [
        (r"password\=\S+=password=***", "a password=x b", "a password=*** b"),
        (r"(user|name): (\w+)=$1: [${2}]", "user: jane, name: doe", "user: [jane], name: [doe]"),
        (r"(?P<digit>\d)=$$$digit", "a1", "a$1"),
        ("secret=", "a secret b", "a  b"),
    ] {
        assert_eq!(redact(&custom(&[pattern]), text), expected, "{pattern}");
    }
    let both = Redactor::new(&[Preset::Email], vec!["@b=@c".parse().unwrap()]);
    let mut tally = Tally::default();
    assert_eq!(both.redact(b"a@b.org", &mut tally).as_ref(), b"[email]");
    assert_eq!((tally.custom, tally.of(Preset::Email)), (1, 1));
}

#[test]
fn settings_that_are_refused() {
    for (text, expected) in [
        ("secret", r"expected REGEX=REPLACEMENT, with \= for each = within REGEX"),
        (r"a\=b", r"expected REGEX=REPLACEMENT, with \= for each = within REGEX"),
        ("=x", "the pattern is empty"),
        ("(=x", "not a regular expression: unclosed group"),
        ("a*=x", "the pattern matches the empty text"),
        ("(a)=$2", "the pattern has no group 2; write ${1} where a letter follows, and $$ for a $"),
        (
            "(a)=$1b",
            "the pattern has no group 1b; write ${1} where a letter follows, and $$ for a $",
        ),
        (
            "(a)=$$1${x}",
            "the pattern has no group x; write ${1} where a letter follows, and $$ for a $",
        ),
    ] {
        let error = text.parse::<Custom>().expect_err("it is refused").to_string();
        assert_eq!(error, expected, "{text}");
    }
    let error = presets("mail").expect_err("it is no preset").to_string();
    for preset in Preset::ALL {
        assert!(error.contains(preset.name()), "{preset:?}");
        assert_eq!(presets(preset.name()), Ok(vec![preset]));
    }
}
