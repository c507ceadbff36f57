mod access;
mod generated;
mod others;

use super::*;
use crate::{Level, Value};

/// The event of a line as text, one part a line, so that a difference can be seen.
fn event(parser: &str, line: &str) -> String {
    let mut parser = Parser::from_setting(parser, Offset::UTC).unwrap();
    let mut fields = Fields::default();
    let before = fields.clone();
    if let Err(reason) = parser.parse(line, &mut fields) {
        assert_eq!(fields, before, "an error leaves nothing behind: {line}");
        return format!("{}: {reason}", reason.kind());
    }
    describe(&fields)
}

fn describe(fields: &Fields<'_>) -> String {
    let mut out = Vec::new();
    if let Some(time) = fields.time {
        out.extend_from_slice(b"time ");
        time.write_rfc3339(&mut out);
        out.push(b'\n');
    }
    if let Some(level) = fields.level {
        out.extend_from_slice(format!("level {level}\n").as_bytes());
    }
    if let Some(message) = &fields.message {
        out.extend_from_slice(format!("message {message}\n").as_bytes());
    }
    if fields.is_partial {
        out.extend_from_slice(b"partial\n");
    }
    for (key, value) in fields.entries() {
        out.extend_from_slice(format!("{} ", key.plain()).as_bytes());
        value.write_json(&mut out);
        out.push(b'\n');
    }
    String::from_utf8(out).unwrap()
}

/// `expected` has the parts of the event, one a line.
#[track_caller]
fn check(parser: &str, line: &str, expected: &str) {
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
    let found = event(parser, line);
    let found: Vec<&str> = found.lines().map(str::trim).collect();
    assert_eq!(found, expected, "{parser}: {line}");
}

#[test]
fn settings_name_a_parser() {
    for setting in [
        "none",
        "combined",
        "common",
        "nginx:combined",
        "nginx:$remote_addr: $status",
        "nginx:escape=json '{\"a\":\"$uri\"}'",
        "nginx-error",
        "json",
        "logfmt",
        "cri",
        "cri:none",
        "cri:regex:^(?<a>b)",
        "docker-json",
        "regex:^(?<level>[A-Z]+):(?<message>.*)$",
    ] {
        assert!(Parser::from_setting(setting, Offset::UTC).is_ok(), "{setting}");
    }
    let error = |setting: &str| Parser::from_setting(setting, Offset::UTC).unwrap_err();
    for setting in [
        "",
        "Combined",
        "nginx",
        "json:",
        "combined:x",
        "auto",
        "cri:",
        "cri:cri",
        "cri:docker-json",
    ] {
        assert!(matches!(error(setting), ParserError::Unknown), "{setting}");
    }
    for setting in ["regex:(", "regex:(?<a>\\d{5000}){5000}", "regex:(?<a>\\p{L})"] {
        assert!(matches!(error(setting), ParserError::Pattern(_)), "{setting}");
    }
    for setting in ["regex:", "regex:(a)"] {
        assert!(matches!(error(setting), ParserError::NoGroup), "{setting}");
    }
    for setting in ["nginx:", "nginx:upstream", "nginx:$host$uri"] {
        assert!(matches!(error(setting), ParserError::Format(_)), "{setting}");
    }
}

#[test]
fn what_was_there_before_a_line_stays() {
    let mut parser = Parser::from_setting("json", Offset::UTC).unwrap();
    let mut fields = Fields::default();
    fields.push("first", Value::Integer(1));
    fields.level = Some(Level::Warn);
    let before = fields.clone();
    let line = r#"{"level":"info","time":"2026-11-22T10:00:00Z","a":1,"b":x}"#;
    assert!(parser.parse(line, &mut fields).is_err());
    assert_eq!(fields, before);
    parser.parse(r#"{"a":1}"#, &mut fields).unwrap();
    assert_eq!(describe(&fields), "level warn\nfirst 1\na 1\n");
}
