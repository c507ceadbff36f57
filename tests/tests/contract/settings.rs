//! Settings: where they come from, and what is said about bad ones.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Output;

use e2e::binary::{built, installed};
use e2e::process::command;
use e2e::workplace::Workplace;
use serde_json::Value;

use crate::SUBJECTS;
use crate::subject::{Subject, complaints, json_lines};

/// What the runtime's own settings refuse, whatever the binary.
const BAD_VALUES: [(&str, &str); 4] = [
    ("admin-listen", "nowhere"),
    ("shutdown-grace", "forever"),
    ("log-level", "loud"),
    ("log-format", "prose"),
];

fn bad_values(subject: &Subject) -> Vec<(&'static str, &'static str)> {
    BAD_VALUES.iter().chain(subject.bad_values).copied().collect()
}

/// Status 64, exactly these complaints, and nothing on stdout.
#[track_caller]
pub(crate) fn assert_rejected(output: &Output, expected: &[(&str, &str)]) {
    let log = json_lines(str::from_utf8(&output.stderr).unwrap());
    let mut found = complaints(&log);
    let mut expected: Vec<(String, String)> =
        expected.iter().map(|&(setting, value)| (setting.to_owned(), value.to_owned())).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(output.status.code(), Some(64), "{log:?}");
    assert_eq!(output.stdout, b"");
}

fn settings_file(place: &Workplace, text: &str) -> PathBuf {
    let file = place.path().join("settings.yaml");
    fs::write(&file, text).unwrap();
    file
}

#[test]
fn a_bad_value_is_named_wherever_it_comes_from() {
    for subject in SUBJECTS {
        let place = Workplace::new();
        for (setting, value) in bad_values(&subject) {
            let flag = format!("--{setting}={value}");
            assert_rejected(&subject.run(&[&flag], &[]), &[(setting, value)]);
            assert_rejected(&subject.run(&["check", &flag], &[]), &[(setting, value)]);
            let variable = (subject.variable(setting), value);
            assert_rejected(&subject.run(&[], &[variable]), &[(setting, value)]);
            let file = settings_file(&place, &format!("{setting}: {value}\n"));
            let config = format!("--config={}", file.display());
            assert_rejected(&subject.run(&[&config], &[]), &[(setting, value)]);
        }
    }
}

#[test]
fn all_bad_values_are_named_at_once() {
    for subject in SUBJECTS {
        let place = Workplace::new();
        let mut bad = bad_values(&subject);
        let mut flags = Vec::new();
        let mut variables = Vec::new();
        let mut text = String::new();
        for (number, (setting, value)) in bad.iter().enumerate() {
            match number % 3 {
                0 => flags.push(format!("--{setting}={value}")),
                1 => variables.push((subject.variable(setting), *value)),
                _ => text.push_str(&format!("{setting}: {value}\n")),
            }
        }
        text.push_str("no-such-setting: 7\n");
        bad.push(("no-such-setting", "7"));
        flags.push(format!("--config={}", settings_file(&place, &text).display()));
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        assert_rejected(&subject.run(&flags, &variables), &bad);
    }
}

#[test]
fn what_is_no_setting_is_rejected() {
    for subject in SUBJECTS {
        let output = subject.run(&["--no-such-flag=1"], &[]);
        assert_rejected(&output, &[("--no-such-flag", "")]);
        assert_rejected(&subject.run(&["dance"], &[]), &[("dance", "")]);
        let output = subject.run(&["--config=/no/such/file"], &[]);
        assert_rejected(&output, &[("config", "/no/such/file")]);
    }
}

#[test]
fn a_check_accepts_what_a_start_would() {
    for subject in SUBJECTS {
        let place = Workplace::new();
        let arguments = (subject.idle)(&place);
        let check = ["check"].into_iter().chain(arguments.iter().map(String::as_str));
        let output = subject.run(&check.collect::<Vec<_>>(), &[]);
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b""[..]), "{log}");
    }
}

/// Seen through `healthcheck`, which says where it got no answer from.
#[test]
fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
    for subject in SUBJECTS {
        let place = Workplace::new();
        let file = settings_file(&place, "admin-listen: 127.0.0.1:3\n");
        let file = format!("--config={}", file.display());
        let variable = (subject.variable("admin-listen"), "127.0.0.1:2");
        let flag = "--admin-listen=127.0.0.1:1";
        let default = format!(":{}", subject.admin_port);
        for (arguments, variables, expected) in [
            (&[file.as_str(), flag][..], std::slice::from_ref(&variable), "127.0.0.1:1"),
            (&[file.as_str()], std::slice::from_ref(&variable), "127.0.0.1:2"),
            (&[file.as_str()], &[], "127.0.0.1:3"),
            (&[], std::slice::from_ref(&variable), "127.0.0.1:2"),
            (&[], &[], default.as_str()),
        ] {
            let arguments: Vec<&str> =
                ["healthcheck"].into_iter().chain(arguments.iter().copied()).collect();
            let output = subject.run(&arguments, variables);
            let log = json_lines(str::from_utf8(&output.stderr).unwrap());
            assert_eq!(output.status.code(), Some(1), "{log:?}");
            assert_eq!(log[0]["listen"], expected, "{arguments:?} {variables:?}");
        }
    }
}

/// Both forms, with bad values and without; nothing but the answer is on stdout.
#[test]
fn explain_says_where_each_setting_comes_from() {
    for subject in SUBJECTS {
        let place = Workplace::new();
        let file = settings_file(&place, "log-level: loud\n");
        let config = format!("--config={}", file.display());
        let grace = subject.variable("shutdown-grace");
        let variables = [(grace.clone(), "7s")];
        let arguments = ["explain", "--admin-listen=127.0.0.1:1", &config];
        let output = subject.run(&arguments, &variables);
        let table = String::from_utf8(output.stdout).unwrap();
        let rows: Vec<Vec<&str>> =
            table.lines().map(|line| line.split_whitespace().collect()).collect();
        let from_file = format!("{}:", file.display());
        for expected in [
            &["admin-listen", "127.0.0.1:1", "flag"][..],
            &["shutdown-grace", "7s", "variable", &grace],
            &["log-level", "loud", "file", &from_file, "log-level"],
            &["log-format", "auto", "default"],
        ] {
            assert!(rows.iter().any(|row| row == expected), "{expected:?} in {table}");
        }
        let log = json_lines(str::from_utf8(&output.stderr).unwrap());
        let loud = ("log-level".to_owned(), "loud".to_owned());
        assert!(complaints(&log).contains(&loud) && output.status.code() == Some(64), "{log:?}");
        let output = subject.run(&["explain", "--json", "--no-such-flag"], &variables);
        assert_eq!(output.status.code(), Some(64));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let settings = answer["settings"].as_array().unwrap();
        let grace = settings.iter().find(|it| it["setting"] == "shutdown-grace").unwrap();
        assert_eq!((&grace["values"][0], &grace["from"]), (&"7s".into(), &"variable".into()));
        assert_eq!(answer["rejections"][0]["setting"], "--no-such-flag");
        let arguments = (subject.idle)(&place);
        let explain = ["explain"].into_iter().chain(arguments.iter().map(String::as_str));
        let output = subject.run(&explain.collect::<Vec<_>>(), &[]);
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    }
}

/// A setting that holds a secret of each binary that has one.
#[test]
fn explain_shows_no_secret() {
    for (name, setting) in [("log-shipper", "header"), ("redis-ambassador", "redis-auth")] {
        let subject = SUBJECTS.into_iter().find(|subject| subject.name == name).unwrap();
        let variables = [(subject.variable(setting), "Authorization: hunter2")];
        for form in [&["explain"][..], &["explain", "--json"]] {
            let answer = String::from_utf8(subject.run(form, &variables).stdout).unwrap();
            let is_named = answer.contains(setting) && answer.contains("(hidden)");
            assert!(is_named && !answer.contains("hunter2"), "{answer}");
        }
    }
}

#[test]
fn every_flag_has_its_variable() {
    for subject in SUBJECTS {
        let help = subject.run(&["--help"], &[]);
        assert_eq!((help.status.code(), help.stderr.as_slice()), (Some(0), &b""[..]));
        let help = String::from_utf8(help.stdout).unwrap();
        let flags = flags_in(&help);
        assert!(flags.len() >= 5, "{help}");
        for (flag, shown) in &flags {
            let variable = shown.variable.as_deref();
            assert_eq!(variable, Some(subject.variable(flag).as_str()), "--{flag}");
        }
    }
}

/// What the help says about a flag.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) variable: Option<String>,
    pub(crate) default: Option<String>,
}

/// Flags by name. What is said about one is on its line or on those below it.
pub(crate) fn flags_in(help: &str) -> BTreeMap<String, Shown> {
    let mut flags: BTreeMap<String, Shown> = BTreeMap::new();
    let mut latest = String::new();
    for line in help.lines() {
        if let Some((_before, after)) = line.split_once("--")
            && line.trim_start().starts_with('-')
        {
            let name = after.split([' ', '=', '[']).next().unwrap_or_default();
            let name = name.trim_end_matches('.');
            latest = name.to_owned();
            if !["help", "version"].contains(&name) {
                flags.insert(name.to_owned(), Shown::default());
            }
        }
        let note = |kind: &str| Some(line.split_once(kind)?.1.split(']').next()?.to_owned());
        if let Some(shown) = flags.get_mut(&latest) {
            shown.variable = note("[env: ").or(shown.variable.take());
            shown.default = note("[default: ").or(shown.default.take());
        }
    }
    flags
}

#[test]
fn help_and_version_go_to_stdout() {
    for subject in SUBJECTS {
        let version = subject.run(&["--version"], &[]);
        let text = String::from_utf8(version.stdout).unwrap();
        assert!(text.starts_with(&format!("{} 0.", subject.name)), "{text}");
        assert_eq!((version.status.code(), version.stderr.as_slice()), (Some(0), &b""[..]));
    }
}

/// `script` gives it a terminal.
#[test]
fn the_log_is_text_on_a_terminal() {
    for subject in SUBJECTS {
        let place = Workplace::new();
        let mut line = format!("{} check", built(subject.name).display());
        for argument in (subject.idle)(&place) {
            line.push_str(&format!(" '{argument}'"));
        }
        let mut script = command(installed("script", "bsdutils"));
        script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        let output = script.stdout(std::process::Stdio::piped()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}");
        assert!(text.contains("Settings accepted") && !text.starts_with('{'), "{text}");
    }
}
