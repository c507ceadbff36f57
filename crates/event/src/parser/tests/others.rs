//! The error log of nginx, JSON, logfmt, containers and patterns.

use super::{check, event};
use crate::FIELDS_MAX;

#[test]
fn the_error_log_of_nginx() {
    check(
        "nginx-error",
        "2026/11/22 10:00:00 [error] 12#13: *3 open() \"/x\" failed (2: No such file or \
         directory), client: ::1, server: localhost, request: \"GET /x?y HTTP/1.1\", \
         upstream: \"http://127.0.0.1:9/\", host: \"h:80\", referrer: \"http://r/\"",
        r#"
        time 2026-11-22T10:00:00Z
        level error
        message open() "/x" failed (2: No such file or directory)
        pid 12
        tid 13
        connection 3
        remote_addr "::1"
        server "localhost"
        request_method "GET"
        path "/x"
        query "y"
        http_version "1.1"
        upstream "http://127.0.0.1:9/"
        http_host "h:80"
        http_referer "http://r/"
        "#,
    );
    let front = "2026/11/22 10:00:00 [notice] 1#1: ";
    let parts = |rest: &str| format!("time 2026-11-22T10:00:00Z\nlevel notice\n{rest}");
    for (text, expected) in [
        ("signal process started", "message signal process started\npid 1\ntid 1"),
        ("", "message \npid 1\ntid 1"),
        ("*x y", "message *x y\npid 1\ntid 1"),
        ("*7 y, client: a", "message y\npid 1\ntid 1\nconnection 7\nremote_addr \"a\""),
        // The list has another order, or goes on in another way: it is text.
        (
            "x, client: a, host: \"b\", request: \"c\"",
            "message x, client: a, host: \"b\", request: \"c\"\npid 1\ntid 1",
        ),
        (
            "x, client: a, bytes from/to client:0/0",
            "message x, client: a, bytes from/to client:0/0\npid 1\ntid 1",
        ),
        (
            "\"/, client: b\" x, client: a",
            "message \"/, client: b\" x\npid 1\ntid 1\nremote_addr \"a\"",
        ),
        (
            "x, client: a, request: \"GET /\"\" HTTP/1.1\"",
            "message x\npid 1\ntid 1\nremote_addr \"a\"\nrequest_method \"GET\"\n\
             path \"/\\\"\\\"\"\n\
          http_version \"1.1\"",
        ),
        ("x, client: a, request: \"b", "message x, client: a, request: \"b\npid 1\ntid 1"),
    ] {
        check("nginx-error", &format!("{front}{text}"), &parts(expected));
    }
    for (line, reason) in [
        ("", "form: no time and level"),
        ("2026/11/22 10:00:00 [fatal] 1#1: x", "form: no time and level"),
        ("2026/13/22 10:00:00 [error] 1#1: x", "form: no time"),
        ("2026/11/22 10:00:00 [error] x", "form: no process"),
        ("2026/11/22 10:00:00 [error] x: y", "form: no process"),
    ] {
        check("nginx-error", line, reason);
    }
}

#[test]
fn json_lines() {
    check(
        "json",
        r#"{"ts":1795341600.25,"lvl":"WARN","msg":"\"b\"","n":1,"f":0.50,"o":{"a":[1]},"e":"\n"}"#,
        r#"
        time 2026-11-22T10:00:00.250Z
        level warn
        message "b"
        n 1
        f 0.50
        o {"a":[1]}
        e "\n"
        "#,
    );
    for (line, expected) in [
        ("{}", ""),
        (r#"{"level":30}"#, "level info"),
        (r#"{"level":"30"}"#, "level info"),
        (r#"{"level":6}"#, "level info"),
        (r#"{"levelno":30,"levelname":"WARNING"}"#, "level warn\nlevelname \"WARNING\""),
        (r#"{"severity_number":17,"severity":"ERROR"}"#, "level error\nseverity \"ERROR\""),
        (r#"{"level":"none","severity":"crit"}"#, "level critical\nlevel \"none\""),
        (r#"{"time":12,"timestamp":"2026-11-22 10:00:00"}"#, "time 2026-11-22T10:00:00Z\ntime 12"),
        (r#"{"@timestamp":"22/Nov/2026:10:00:00 +0000"}"#, "time 2026-11-22T10:00:00Z"),
        (r#"{"message":{"a":1},"msg":"b"}"#, "message b\nmessage {\"a\":1}"),
        (r#"{"message":null,"msg":1}"#, "message null\nmsg 1"),
        (r#"{"a":1,"b":2,"a":3}"#, "a 1\nb 2"),
        (r#"{"message":"a","message":"b","message":"c"}"#, "message a\nmessage \"b\""),
        ("x", "form: not one JSON object"),
        (r#"{"a":1"#, "form: not one JSON object"),
    ] {
        check("json", line, expected);
    }
    let many = |count: usize| {
        let members: Vec<String> = (0..count).map(|number| format!("\"{number}\":0")).collect();
        event("json", &format!("{{{}}}", members.join(",")))
    };
    assert_eq!(many(FIELDS_MAX).lines().count(), FIELDS_MAX);
    assert_eq!(many(FIELDS_MAX + 1), "limit: too many fields");
}

#[test]
fn logfmt_lines() {
    check(
        "logfmt",
        r#" ts=2026-11-22T10:00:00Z level=info msg="a \"b\" \\" took=1.5ms empty= q="" u=a=b "#,
        r#"
        time 2026-11-22T10:00:00Z
        level info
        message a "b" \
        took "1.5ms"
        empty ""
        q ""
        u "a=b"
        "#,
    );
    for (line, expected) in [
        ("a=1", "a \"1\""),
        ("a=ä ä=b", "a \"ä\"\nä \"b\""),
        (r#"a="\x00""#, r#"a "\\x00""#),
        (r#"a="\u00e4\t""#, r#"a "ä\t""#),
        ("", "form: not key=value pairs"),
        ("hello world", "form: not key=value pairs"),
        ("a=b flag", "form: not key=value pairs"),
        ("a=b c d=e", "form: not key=value pairs"),
        ("=b", "form: not key=value pairs"),
        ("a=\"b", "form: not key=value pairs"),
        (r#"a="b\"#, "form: not key=value pairs"),
        (r#"a="b"c=d"#, "form: not key=value pairs"),
        (r#"a=b"c"#, "form: not key=value pairs"),
        (r#"{"a":"b=c"}"#, "form: not key=value pairs"),
    ] {
        check("logfmt", line, expected);
    }
}

#[test]
fn lines_of_container_engines() {
    let time = "time 2026-11-22T10:00:00.123456789Z";
    for (line, expected) in [
        ("2026-11-22T10:00:00.123456789Z stdout F a b", "message a b\niostream \"stdout\""),
        (
            "2026-11-22T11:00:00.123456789+01:00 stderr P  a ",
            "message  a \npartial\niostream \"stderr\"",
        ),
        ("2026-11-22T10:00:00.123456789Z stdout F:x ", "message\niostream \"stdout\""),
        ("2026-11-22T10:00:00.123456789Z stdout F", "message\niostream \"stdout\""),
    ] {
        check("cri", line, &format!("{time}\n{expected}"));
    }
    for (line, reason) in [
        ("", "form: no time"),
        ("x stdout F a", "form: no time"),
        ("2026-11-22T10:00:00.123456789Z", "form: no stream"),
        ("2026-11-22T10:00:00.123456789Z stdout", "form: no flag of a part"),
        ("2026-11-22T10:00:00.123456789Z stdout FF a", "form: no flag of a part"),
        ("2026-11-22T10:00:00.123456789Z log F a", "form: no stream"),
        ("2026-11-22T10:00:00.123456789Z stdout a b", "form: no flag of a part"),
    ] {
        check("cri", line, reason);
    }
    check(
        "cri:json",
        r#"2026-11-22T10:00:00.123456789Z stderr F {"level":"warn","msg":"a","b":1}"#,
        &format!("{time}\nlevel warn\nmessage a\niostream \"stderr\"\nb 1"),
    );
    check(
        "cri:json",
        r#"2026-11-22T10:00:00.123456789Z stderr F {"time":"2026-11-22T09:00:00Z"}"#,
        "time 2026-11-22T09:00:00Z\niostream \"stderr\"",
    );
    for flag in ["F", "P"] {
        let line = format!("2026-11-22T10:00:00.123456789Z stderr {flag} a");
        check("cri:json", &line, "form: not one JSON object");
    }
    let docker = |log: &str| {
        format!(r#"{{"log":"{log}","stream":"stderr","time":"2026-11-22T10:00:00.123456789Z"}}"#)
    };
    for (log, expected) in [
        (r"a\n", "message a"),
        (r"a\r\n", "message a"),
        (r"\u00e4\t\n", "message ä"),
        (r"\n", "message"),
        ("a", "message a\npartial"),
        ("", "message\npartial"),
    ] {
        check("docker-json", &docker(log), &format!("{time}\n{expected}\niostream \"stderr\""));
    }
    check("docker-json", r#"{"log":"a\n","attrs":{"b":"c"}}"#, "message a\nattrs {\"b\":\"c\"}");
    check("docker-json", r#"{"log":1}"#, "form: no text in \"log\"");
    check("docker-json", "x", "form: not one JSON object");
}

#[test]
fn patterns_of_any_kind() {
    let pattern = concat!(
        r"regex:^(?<time>\S+ \S+) \[(?<level>\w+)\] (?<remote_addr>\S+)",
        r"(?: (?<status>\d+|-))?(?: (?<request_time>[\d.]+))?: (?<msg>.*)$",
    );
    check(
        pattern,
        "2026-11-22 10:00:00,5 [WARN] ::1 502 0.25: ä b",
        r#"
        time 2026-11-22T10:00:00.500Z
        level warn
        message ä b
        remote_addr "::1"
        status 502
        request_time 0.25
        "#,
    );
    check(
        pattern,
        "yesterday at [what] h -: ",
        "message\ntime \"yesterday at\"\nlevel \"what\"\nremote_addr \"h\"\nstatus \"-\"",
    );
    check(pattern, "other", "form: no match of the pattern");
    // Half of a character is no text.
    check("regex:(?<a>[^ ])", "ä", "form: no match of the pattern");
    check("regex:(?<a>[^ ]+)", "ä b", "a \"ä\"");
}
