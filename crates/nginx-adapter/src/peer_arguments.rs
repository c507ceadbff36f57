//! The command line of nginx-prometheus-exporter, in the forms of all its releases.
//!
//! In go arguments as typed for release 0.4.2 to 1.5, out come the same ones for our own parser:
//! one dash or two before a name, the value behind `=` or as the next argument, yes-or-no flags
//! bare, with a value, or denied by `--no-`. Release 1.0 turned the checking of certificates off by
//! default; a flag or variable that only older releases knew shows that it was on, so it is turned
//! on here. Arguments that the exporter never had pass through untouched. Pure: the environment is
//! asked through a function.

use std::ffi::OsString;

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
const SYSTEMD_VARIABLES: [&str; 2] = ["NGINX_ADAPTER_WEB_SYSTEMD_SOCKET", "SYSTEMD_SOCKET"];
const VERIFY_VARIABLES: [&str; 2] = ["SSL_VERIFY", "NGINX_ADAPTER_NGINX_SSL_VERIFY"];

/// Rewrites a whole command line, the program's name included. `variable` gives what is set and not
/// empty.
pub(crate) fn rewrite(
    arguments: Vec<OsString>,
    variable: impl Fn(&str) -> Option<String>,
) -> Vec<OsString> {
    let mut rewritten = Vec::with_capacity(arguments.len() + 2);
    let mut names: Vec<String> = Vec::new();
    let mut systemd = None;
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
        if flag.name == "web.systemd-socket" {
            systemd = Some(flag.value.clone().unwrap_or_else(|| "true".to_owned()));
        }
        names.push(flag.name.clone());
        rewritten.push(flag.for_us().into());
    }
    let has = |name: &str| names.iter().any(|given| given == name);
    let is_old = OLD_FLAGS.iter().any(|flag| has(flag))
        || OLD_VARIABLES.iter().any(|name| variable(name).is_some());
    let is_said =
        has("nginx.ssl-verify") || VERIFY_VARIABLES.iter().any(|name| variable(name).is_some());
    if is_old && !is_said {
        rewritten.push("--nginx.ssl-verify=true".into());
    }
    let systemd = systemd.or_else(|| SYSTEMD_VARIABLES.iter().find_map(|name| variable(name)));
    if systemd.is_some_and(|value| is_true(&value)) {
        // Passed sockets take the place of addresses.
        rewritten.retain(|word| !word.to_string_lossy().starts_with("--web.listen-address="));
        rewritten.push("--web.listen-address=systemd:".into());
    }
    rewritten
}

fn is_true(text: &str) -> bool {
    sidecar_runtime::setting::flag(text).unwrap_or(false)
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
        let value = self.value.as_deref();
        match value.map(|value| if name == "log-format" { log_format(value) } else { value }) {
            Some(value) => format!("--{name}={value}"),
            None => format!("--{name}"),
        }
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
        check("--log.level=warn --log.format logfmt", "--log-level=warn --log-format=text");
        check("-log.format=json", "--log-format=json");
    }

    #[test]
    fn what_the_exporter_never_had_is_left_alone() {
        for typed in ["check", "-h", "--admin-listen :1", "--access-log=-", "--", "-"] {
            check(typed, typed);
        }
    }

    #[test]
    fn old_flags_bring_the_old_default_of_verification() {
        check("-nginx.retries 3", "--nginx.retries=3 --nginx.ssl-verify=true");
        check(
            "-nginx.retries 3 -nginx.ssl-verify=false",
            "--nginx.retries=3 --nginx.ssl-verify=false",
        );
        check_with(&[("SSL_VERIFY", "false")], "-nginx.retries=1", "--nginx.retries=1");
        let old = [("NGINX_RETRIES", "1")];
        check_with(&old, "-nginx.timeout=1s", "--nginx.timeout=1s --nginx.ssl-verify=true");
        check_with(&[("CONST_LABELS", "a=b")], "check", "check");
    }

    #[test]
    fn passed_sockets_take_the_place_of_addresses() {
        let passed = "--web.listen-address=systemd:";
        check("--web.systemd-socket", &format!("--web.systemd-socket {passed}"));
        check("-web.listen-address :1 check", "--web.listen-address=:1 check");
        let typed = "-web.listen-address :1 -web.systemd-socket=1";
        check(typed, &format!("--web.systemd-socket=1 {passed}"));
        check_with(&[("SYSTEMD_SOCKET", "true")], "check", &format!("check {passed}"));
        check_with(&[("SYSTEMD_SOCKET", "false")], "check", "check");
        let no = "--web.systemd-socket=false";
        check_with(&[("SYSTEMD_SOCKET", "true")], no, no);
    }
}
