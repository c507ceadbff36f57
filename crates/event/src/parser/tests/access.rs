//! Access logs: `combined` and its relatives, and formats of nginx.

use super::check;

const TIME: &str = "time 2026-11-22T10:00:00Z";

/// A line with this request and user agent.
fn combined(request: &str, agent: &str) -> String {
    format!(r#"10.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "{request}" 200 612 "-" "{agent}""#)
}

/// The parts of such a line, with these of the request and the agent.
fn parts(request: &str, agent: &str) -> String {
    format!("{TIME}\nremote_addr \"10.0.0.1\"\n{request}\nstatus 200\nbody_bytes_sent 612\n{agent}")
}

#[test]
fn a_whole_line() {
    check(
        "combined",
        r#"::1 - jo [22/Nov/2026:12:00:00 +0200] "GET /a/b?c=d&e HTTP/1.1" 304 0 "//x/" "curl/8""#,
        r#"
        time 2026-11-22T10:00:00Z
        remote_addr "::1"
        remote_user "jo"
        request_method "GET"
        path "/a/b"
        query "c=d&e"
        http_version "1.1"
        status 304
        body_bytes_sent 0
        http_referer "//x/"
        http_user_agent "curl/8"
        "#,
    );
}

#[test]
fn common_and_main_and_what_apache_writes() {
    let line = |rest: &str| {
        format!(r#"h id a b [22/Nov/2026:10:00:00 +0000] "HEAD / HTTP/2.0" 200 {rest}"#)
    };
    let parts = |rest: &str| {
        format!(
            "{TIME}\nremote_addr \"h\"\nremote_ident \"id\"\nremote_user \"a b\"\n\
             request_method \"HEAD\"\npath \"/\"\nhttp_version \"2\"\nstatus 200\n{rest}"
        )
    };
    check("common", &line("-"), &parts(""));
    check("combined", &line("5"), &parts("body_bytes_sent 5"));
    check(
        "combined",
        &line(r#"- "r" "-" "10.0.0.1, ::1""#),
        &parts("http_referer \"r\"\nhttp_x_forwarded_for \"10.0.0.1, ::1\""),
    );
    check(
        "combined",
        &line(r#"- "\"a\" \\" "\\\\""#),
        &parts(
            r#"http_referer "\"a\" \\"
                  http_user_agent "\\\\""#,
        ),
    );
}

#[test]
fn requests_that_are_none() {
    for (request, expected) in [
        ("", ""),
        ("-", ""),
        ("GET", r#"request "GET""#),
        ("hello world", r#"request "hello world""#),
        (
            r"\x16\x03\x01\x02\x00\x01\x00\xFC",
            r#"request "\\x16\\x03\\x01\\x02\\x00\\x01\\x00\\xFC""#,
        ),
        (r"\x22\xC3\xA4", r#"request "\"ä""#),
        (r"\x22\xC3", r#"request "\\x22\\xC3""#),
        (r"a\x0Ab", r#"request "a\\x0Ab""#),
        (r"a\xZZ", r#"request "a\\xZZ""#),
        (
            "CONNECT h:443 HTTP/1.1",
            "request_method \"CONNECT\"\nrequest_uri \"h:443\"\nhttp_version \"1.1\"",
        ),
        ("GET /old", "request_method \"GET\"\npath \"/old\""),
        ("GET /? HTTP/1.0", "request_method \"GET\"\npath \"/\"\nhttp_version \"1.0\""),
        (
            r"GET /\xC3\xA4?q=\x22 HTTP/1.1",
            "request_method \"GET\"\npath \"/ä\"\nquery \"q=\\\"\"\nhttp_version \"1.1\"",
        ),
        ("GET /a b HTTP/1.1", "request_method \"GET\"\npath \"/a b\"\nhttp_version \"1.1\""),
    ] {
        check("combined", &combined(request, "-"), &parts(expected, ""));
    }
}

#[test]
fn agents_of_any_kind() {
    let long = "Mozilla/5.0 (x) ".repeat(200);
    let long = long.trim_end();
    check("combined", &combined("-", long), &parts("", &format!("http_user_agent \"{long}\"")));
    for (agent, expected) in [
        ("", ""),
        ("-", ""),
        ("ä", "http_user_agent \"ä\""),
        (r"x\x22y\x5C", r#"http_user_agent "x\"y\\""#),
        ("[a] - \t", r#"http_user_agent "[a] - \t""#),
    ] {
        check("combined", &combined("-", agent), &parts("", expected));
    }
}

#[test]
fn other_lines_are_not_combined() {
    let whole = combined("GET / HTTP/1.1", "a");
    for (line, reason) in [
        ("", "form: no address"),
        ("word", "form: no address"),
        ("two words", "form: no identity"),
        ("this is a line of text", "form: no user and time"),
        ("a - - [22/Nov/2026:10:00:00 +0000", "form: no request"),
        ("a - - [22/Nob/2026:10:00:00 +0000] \"", "form: no time"),
        ("a - - [22/Nov/2026:10:00:00 +0000] GET / 200", "form: no request"),
        ("a - - [22/Nov/2026:10:00:00 +0000] \"GET /", "form: no request"),
        ("a - - [22/Nov/2026:10:00:00 +0000] \"-\" - 0", "form: no status"),
        ("a - - [22/Nov/2026:10:00:00 +0000] \"-\" 200", "form: no status"),
        ("a - - [22/Nov/2026:10:00:00 +0000] \"-\" 200 x", "form: no size"),
        ("a - - [22/Nov/2026:10:00:00 +0000] \"-\" 200 0 x", "form: no referer and user agent"),
        (&format!("{whole} "), "form: no referer and user agent"),
        (&format!("{whole} \"a\"x"), "form: more than referer and agent"),
        (whole.strip_suffix('"').unwrap(), "form: no referer and user agent"),
        ("ä ö ü [ß", "form: no user and time"),
    ] {
        check("combined", line, reason);
    }
}

#[test]
fn any_format_of_nginx() {
    check(
        "nginx:$remote_addr [$time_iso8601] $host \"$request\" $status $request_time \
         $upstream_response_time $upstream_addr $my_own $request_method",
        "unix: [2026-11-22T12:00:00+02:00] h \"GET /a?b HTTP/1.1\" 502 0.003 0.001, 0.002 \
         [::1]:80, unix:/a - GET",
        r#"
        time 2026-11-22T10:00:00Z
        remote_addr "unix:"
        host "h"
        request_method "GET"
        path "/a"
        query "b"
        http_version "1.1"
        status 502
        request_time 0.003
        upstream_response_time "0.001, 0.002"
        upstream_addr "[::1]:80, unix:/a"
        "#,
    );
    check(
        "nginx:$status $status $msec $time_local",
        "200 200 1795341600.500 x",
        "time 2026-11-22T10:00:00.500Z\nstatus 200",
    );
    check("nginx:$path $request_uri", "a /b", "path \"/b\"");
    check("nginx:$msec $request_time $request_length", "1795341600 - -", TIME);
    check("nginx:[$msec] $pid", "[x] 1", "form: no time");
    check("nginx:[$msec] $pid", "x 1", "form: not a line of the log_format");
}

#[test]
fn formats_with_other_escapes() {
    let format = r#"nginx:escape=json {"m":$msec,"u":"$request_uri","a":"$http_user_agent"}"#;
    check(
        format,
        r#"{"m":1795341600.000,"u":"/\"a\"?b","a":"\u00e4\\ ä"}"#,
        &format!("{TIME}\npath \"/\\\"a\\\"\"\nquery \"b\"\nhttp_user_agent \"ä\\\\ ä\""),
    );
    check(
        format,
        r#"{"m":1795341600.000,"u":"*","a":"a\nb"}"#,
        &format!("{TIME}\nrequest_uri \"*\"\nhttp_user_agent \"a\\\\nb\""),
    );
    check(format, r#"{"m":1795341600.000,"u":"","a":""}"#, TIME);
    check(
        "nginx:escape=none \"$http_user_agent\" $server_protocol",
        r#""a "b"\x22" HTTP/3.0"#,
        r#"http_user_agent "a \"b\"\\x22"
           http_version "3""#,
    );
}
