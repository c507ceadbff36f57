//! The command line of nginx-prometheus-exporter, in the forms of all its releases.
//!
//! In go arguments as typed for release 0.4.2 to 1.5, out come the same ones for our own parser:
//! one dash or two before a name, the value behind `=` or as the next argument, yes-or-no flags
//! bare, with a value, or denied by `--no-`. Release 1.0 turned the checking of certificates off by
//! default; a flag or variable that only older releases knew shows that it was on, and that is told
//! by a hidden flag of ours. Arguments that the exporter never had pass through untouched. Pure:
//! the environment is asked through a function.

use std::ffi::OsString;

/// Our flag for what was written for a release before 1.0.
pub(crate) const OLD_RELEASE: &str = "nginx.old-release";

/// Flags that are true by being there.
const SWITCHES: [&str; 7] = [
    "nginx.plus",
    "nginx.ssl-verify",
    "nginx.proxy-protocol",
    "nginx.sockets",
    "web.secured-metrics",
    "web.systemd-socket",
    "web.openmetrics",
];
/// What release 1.0 dropped.
const OLD_FLAGS: [&str; 6] = [
    "nginx.retries",
    "nginx.retry-interval",
    "prometheus.const-labels",
    "web.secured-metrics",
    "web.ssl-server-cert",
    "web.ssl-server-key",
];
const OLD_VARIABLES: [&str; 5] = [
    "NGINX_RETRIES",
    "NGINX_RETRY_INTERVAL",
    "SECURED_METRICS",
    "SSL_SERVER_CERT",
    "SSL_SERVER_KEY",
];

/// Rewrites a whole command line, the program's name included. `variable` gives what is set and not
/// empty.
pub(crate) fn rewrite(
    arguments: Vec<OsString>,
    variable: impl Fn(&str) -> Option<String>,
) -> Vec<OsString> {
    let mut rewritten = Vec::with_capacity(arguments.len() + 2);
    let mut names: Vec<String> = Vec::new();
    let mut arguments = arguments.into_iter();
    rewritten.extend(arguments.next());
    while let Some(argument) = arguments.next() {
        let Some(flag) = argument.to_str().and_then(Flag::parse) else {
            rewritten.push(argument);
            continue;
        };
        let mut flag = flag;
        if flag.value.is_none() && flag.takes_value() {
            flag.value = arguments.next().map(|value| value.to_string_lossy().into_owned());
        }
        names.push(flag.name.clone());
        rewritten.push(flag.for_us().into());
    }
    let has = |name: &str| names.iter().any(|given| given == name);
    let is_old = OLD_FLAGS.iter().any(|flag| has(flag))
        || OLD_VARIABLES.iter().any(|name| variable(name).is_some());
    if is_old {
        // First, because a `--` may end the flags.
        rewritten.insert(rewritten.len().min(1), format!("--{OLD_RELEASE}=true").into());
    }
    rewritten
}

/// A flag of the exporter, or one with a single dash.
#[derive(Debug)]
struct Flag {
    name: String,
    value: Option<String>,
}

impl Flag {
    /// None for what our own parser understands as it is.
    fn parse(argument: &str) -> Option<Flag> {
        let (dashes, rest) = match argument.strip_prefix("--") {
            Some(rest) => (2, rest),
            None => (1, argument.strip_prefix('-')?),
        };
        let (name, value) = match rest.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (rest, None),
        };
        let is_long = name.chars().nth(1).is_some();
        if !is_long || name.starts_with('-') || (dashes == 2 && !name.contains('.')) {
            return None;
        }
        match name.strip_prefix("no-").filter(|name| SWITCHES.contains(name)) {
            Some(name) => Some(Flag { name: name.to_owned(), value: Some("false".to_owned()) }),
            None => Some(Flag { name: name.to_owned(), value }),
        }
    }

    fn takes_value(&self) -> bool {
        self.name.contains('.') && !SWITCHES.contains(&self.name.as_str())
    }

    fn for_us(&self) -> String {
        let name = match self.name.as_str() {
            "log.level" => "log-level",
            "log.format" => "log-format",
            name => name,
        };
        let value = self.value.as_deref().map(|value| match name {
            "log-level" => value.to_ascii_lowercase(),
            "log-format" => log_format(value).to_owned(),
            _ => value.to_owned(),
        });
        value.map_or_else(|| format!("--{name}"), |value| format!("--{name}={value}"))
    }
}

/// The exporter's text format is logfmt.
fn log_format(value: &str) -> &str {
    if value == "logfmt" { "text" } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_with(variables: &[(&str, &str)], typed: &str, expected: &str) {
        let typed = typed.split(' ').map(OsString::from);
        let arguments: Vec<OsString> = std::iter::once("exporter".into()).chain(typed).collect();
        let variable = |name: &str| {
            variables.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
        };
        let rewritten = rewrite(arguments, variable);
        let rewritten: Vec<_> = rewritten[1..].iter().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(rewritten.join(" "), expected);
    }

    #[track_caller]
    fn check(typed: &str, expected: &str) {
        check_with(&[], typed, expected);
    }

    #[test]
    fn every_spelling_of_a_value() {
        for typed in [
            "-nginx.scrape-uri http://h/s",
            "-nginx.scrape-uri=http://h/s",
            "--nginx.scrape-uri http://h/s",
            "--nginx.scrape-uri=http://h/s",
        ] {
            check(typed, "--nginx.scrape-uri=http://h/s");
        }
        check("-nginx.timeout -5s", "--nginx.timeout=-5s");
        check("-web.listen-address", "--web.listen-address");
        check("-prometheus.const-label=a=b", "--prometheus.const-label=a=b");
    }

    #[test]
    fn every_spelling_of_a_switch() {
        check("-nginx.ssl-verify", "--nginx.ssl-verify");
        check("-nginx.ssl-verify=false", "--nginx.ssl-verify=false");
        check("--no-nginx.ssl-verify", "--nginx.ssl-verify=false");
        check("--nginx.plus -version", "--nginx.plus --version");
    }

    #[test]
    fn names_that_differ_from_ours() {
        check("--log.level=WARN --log.format logfmt", "--log-level=warn --log-format=text");
        check("-log.format=json", "--log-format=json");
    }

    #[test]
    fn what_the_exporter_never_had_is_left_alone() {
        for typed in ["check", "-h", "--admin-listen :1", "--access-log=-", "--", "-"] {
            check(typed, typed);
        }
    }

    #[test]
    fn flags_of_old_releases_are_told() {
        let old = "--nginx.old-release=true";
        check("-nginx.retries 3 --", &format!("{old} --nginx.retries=3 --"));
        let labels = "--prometheus.const-labels=a=b";
        check(labels, &format!("{old} {labels}"));
        check_with(&[("NGINX_RETRIES", "1")], "check", &format!("{old} check"));
        check_with(&[("CONST_LABELS", "a=b")], "check", "check");
    }
}
