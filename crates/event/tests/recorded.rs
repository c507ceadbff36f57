//! Lines that a real nginx 1.22 wrote, and the events they become.
//!
//! The requests were a plain one, and what clients send that harms parsers: quotes, backslashes and
//! bytes that are no text in paths and headers, the beginning of a TLS handshake, half a request, a
//! user name with a space, an upstream that is down, and a request that pretends to be the end of a
//! line of the error log. `UPDATE_EVENTS=1 cargo test -p event --test recorded` writes what the
//! lines become now; the difference is then for people to judge.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends here")]

use std::fs;
use std::path::{Path, PathBuf};

use event::{Fields, Offset, Parser};

#[track_caller]
fn check(log: &str, parser: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nginx-1.22").join(log);
    let mut parser = Parser::from_setting(parser, Offset::UTC).unwrap();
    // As log-shipper does with bytes that are no text.
    let lines =
        String::from_utf8_lossy(&fs::read(path.with_extension("log")).unwrap()).into_owned();
    let events: String = lines.lines().map(|line| event(&mut parser, line) + "\n").collect();
    let golden: PathBuf = path.with_extension("events");
    if std::env::var_os("UPDATE_EVENTS").is_some() {
        fs::write(golden, events).unwrap();
        return;
    }
    let expected = fs::read_to_string(golden).unwrap();
    for (number, (event, expected)) in events.lines().zip(expected.lines()).enumerate() {
        assert_eq!(event, expected, "line {} of {log}", number + 1);
    }
    assert_eq!(events.lines().count(), expected.lines().count());
}

/// The event as a line of JSON.
fn event(parser: &mut Parser, line: &str) -> String {
    let mut fields = Fields::default();
    parser.parse(line, &mut fields).unwrap_or_else(|reason| panic!("{reason}: {line}"));
    let mut out = b"{\"time\":\"".to_vec();
    fields.time.unwrap().write_rfc3339(&mut out);
    out.push(b'"');
    if let Some(level) = fields.level {
        out.extend_from_slice(format!(",\"level\":\"{level}\"").as_bytes());
    }
    if let Some(message) = &fields.message {
        let message = serde_json::to_string(message).unwrap();
        out.extend_from_slice(format!(",\"message\":{message}").as_bytes());
    }
    for (key, value) in fields.entries() {
        out.extend_from_slice(format!(",\"{}\":", key.plain()).as_bytes());
        value.write_json(&mut out);
    }
    out.push(b'}');
    String::from_utf8(out).unwrap()
}

#[test]
fn combined() {
    check("combined", "combined");
}

#[test]
fn combined_as_a_format_is_the_same() {
    check("combined", "nginx:combined");
}

#[test]
fn a_format_with_upstreams() {
    check(
        "upstream",
        "nginx:$remote_addr:$remote_port \"$request\" $status $request_time $upstream_addr \
         $upstream_status $upstream_response_time \"$http_user_agent\" $connection $msec",
    );
}

#[test]
fn a_format_that_is_json() {
    check(
        "json",
        "nginx:escape=json {\"msec\":$msec,\"request\":\"$request\",\"uri\":\"$uri\",\
         \"status\":$status,\"rt\":$request_time,\"ua\":\"$http_user_agent\",\
         \"xff\":\"$http_x_forwarded_for\"}",
    );
}

#[test]
fn the_error_log() {
    check("error", "nginx-error");
}
