//! The command line of nutcracker, in every spelling that its getopt takes.
//!
//! In go arguments as typed for nutcracker or for us, out come the same ones for our own parser:
//! short options, alone or several behind one dash, the value attached or as the next argument, and
//! the long ones. Ours has no short options besides -h and -V, so both command lines can be mixed,
//! and the program may be called by either name; the word `nutcracker` as the first argument, where
//! a manifest replaces the arguments of an image, is taken for the name. What nutcracker does and a
//! container has no use for stays a flag, so that `config` can say that it has no effect. Pure.

use std::ffi::{OsStr, OsString};
use std::net::Ipv6Addr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use sidecar_runtime::{Answer, Subcommand};

use crate::config::Config;

const PEER: &str = "nutcracker";
/// The subcommands that `-t` and `-D` become.
const TEST_CONF: &str = "test-conf";
const DESCRIBE_STATS: &str = "describe-stats";
/// Where nutcracker serves statistics.
const STATS_PORT: &str = "22222";

/// nutcracker's options: letter, long name, and whether a value follows.
const OPTIONS: [(u8, &str, bool); 14] = [
    (b'h', "help", false),
    (b'?', "help", false),
    (b'V', "version", false),
    (b't', TEST_CONF, false),
    (b'd', "daemonize", false),
    (b'D', DESCRIBE_STATS, false),
    (b'v', "verbose", true),
    (b'o', "output", true),
    (b'c', "conf-file", true),
    (b's', "stats-port", true),
    (b'a', "stats-addr", true),
    (b'i', "stats-interval", true),
    (b'p', "pid-file", true),
    (b'm', "mbuf-size", true),
];

/// What each figure of the statistics is.
const STATS: &str = "\
of a pool:
  client_eof          connections that clients ended
  client_err          client connections that broke
  client_connections  clients connected now
  server_ejects       times that a server was left out
  forward_error       requests that could not be passed on
  fragments           parts that commands with several keys were split into

of a server:
  server_eof          connections that the server ended
  server_err          server connections that broke
  server_timedout     server connections that were too slow
  server_connections  connections to the server now
  server_ejected_at   when it was left out last, microseconds since 1970, or 0
  requests            requests sent
  request_bytes       bytes of them
  responses           replies received
  response_bytes      bytes of them
  in_queue            requests that wait to be sent
  in_queue_bytes      bytes of them
  out_queue           requests that wait for their replies
  out_queue_bytes     bytes of them
";

/// Rewrites a whole command line, the program's name included.
pub(crate) fn rewrite(arguments: Vec<OsString>) -> Vec<OsString> {
    let mut arguments = arguments.into_iter();
    let mut rewritten = Rewritten::default();
    let program = arguments.next();
    let mut arguments = arguments.peekable();
    arguments.next_if(|word| word == PEER);
    while let Some(word) = arguments.next() {
        if word == "--" {
            rewritten.words.push(word);
            rewritten.words.extend(arguments.by_ref());
        } else if let Some(long) = word.as_bytes().strip_prefix(b"--") {
            rewritten.long(long, &word, &mut arguments);
        } else if let Some(letters) = word.as_bytes().strip_prefix(b"-").filter(|it| !it.is_empty())
        {
            rewritten.short(letters, &word, &mut arguments);
        } else {
            rewritten.words.push(word);
        }
    }
    program.into_iter().chain(rewritten.finish()).collect()
}

/// Subcommands that answer as nutcracker does.
pub(crate) fn subcommands() -> [Subcommand<Config>; 2] {
    let described: fn(&Config, &[OsString]) -> Answer = |_, _| Answer::Data(STATS.into());
    [(TEST_CONF, test_conf as fn(&Config, &[OsString]) -> Answer), (DESCRIBE_STATS, described)]
        .map(|(name, answer)| Subcommand { name, about: None, words: None, answer })
}

/// The line by which scripts know nutcracker's verdict. A file that is refused never comes here:
/// what is wrong with it is in the log, and the exit status is 64 where nutcracker's is 1.
fn test_conf(config: &Config, _: &[OsString]) -> Answer {
    Answer::Remark(match &config.conf_file {
        Some(file) => format!("{PEER}: configuration file '{}' syntax is ok\n", file.display()),
        None => format!("{PEER}: no configuration file, but the settings are ok\n"),
    })
}

#[derive(Debug, Default)]
struct Rewritten {
    words: Vec<OsString>,
    stats_port: Option<OsString>,
    stats_addr: Option<OsString>,
    is_test: bool,
    is_description: bool,
}

impl Rewritten {
    /// One of ours passes through, and clap finds its value.
    fn long(&mut self, long: &[u8], word: &OsStr, rest: &mut impl Iterator<Item = OsString>) {
        let mut parts = long.splitn(2, |byte| *byte == b'=');
        let name = parts.next().unwrap_or_default();
        let value = parts.next().map(|value| OsString::from_vec(value.to_vec()));
        let known = OPTIONS.iter().find(|(_, long, _)| long.as_bytes() == name);
        match known {
            Some((_, name, true)) => self.option(name, value.or_else(|| rest.next())),
            Some((_, name, false)) if value.is_none() => self.option(name, None),
            _ => self.words.push(word.to_owned()),
        }
    }

    /// Letters behind one dash, of which the last one may have a value.
    fn short(&mut self, letters: &[u8], word: &OsStr, rest: &mut impl Iterator<Item = OsString>) {
        let mut letters = letters;
        while let Some((letter, others)) = letters.split_first() {
            match OPTIONS.iter().find(|(known, ..)| known == letter) {
                Some((_, name, false)) => self.option(name, None),
                Some((_, name, true)) => {
                    let attached =
                        (!others.is_empty()).then(|| OsString::from_vec(others.to_vec()));
                    self.option(name, attached.or_else(|| rest.next()));
                    return;
                }
                // Our own parser says what is wrong with it.
                None => {
                    self.words.push(word.to_owned());
                    return;
                }
            }
            letters = others;
        }
    }

    fn option(&mut self, name: &str, value: Option<OsString>) {
        match (name, value) {
            (TEST_CONF, _) => self.is_test = true,
            (DESCRIBE_STATS, _) => self.is_description = true,
            ("stats-port", Some(value)) => self.stats_port = Some(value),
            ("stats-addr", Some(value)) => self.stats_addr = Some(value),
            ("verbose", Some(value)) => self.set("log-level", log_level(&value)),
            (name, Some(value)) => self.set(name, &value),
            (name, None) => self.words.push(format!("--{name}").into()),
        }
    }

    /// Of an option given twice the last one counts, as for getopt.
    fn set(&mut self, name: &str, value: &OsStr) {
        let mut word = OsString::from(format!("--{name}="));
        self.words.retain(|other| !other.as_bytes().starts_with(word.as_bytes()));
        word.push(value);
        self.words.push(word);
    }

    /// What comes first stands before a `--` that may end the flags.
    fn finish(self) -> Vec<OsString> {
        if self.is_description {
            return vec![DESCRIBE_STATS.into()];
        }
        let mut words: Vec<OsString> = self.is_test.then(|| TEST_CONF.into()).into_iter().collect();
        if self.stats_port.is_some() || self.stats_addr.is_some() {
            let addr = self.stats_addr.unwrap_or_default();
            let is_bare_ipv6 = addr.to_str().is_some_and(|addr| addr.parse::<Ipv6Addr>().is_ok());
            let (open, close) = if is_bare_ipv6 { ("[", "]") } else { ("", "") };
            let mut listen = OsString::from(format!("--stats-listen={open}"));
            listen.push(addr);
            listen.push(format!("{close}:"));
            listen.push(self.stats_port.unwrap_or_else(|| STATS_PORT.into()));
            words.push(listen);
        }
        words.extend(self.words);
        words
    }
}

/// nutcracker's levels are 0 for emergencies to 11 for everything; its default of 5 shows what ours
/// of `info` does. Above that it has five degrees of debugging; ours would trace each request,
/// which nobody means who left an 11 in a manifest. What is no number is refused by our own parser.
fn log_level(value: &OsStr) -> &OsStr {
    match value.to_str().and_then(|text| text.parse::<u32>().ok()) {
        Some(0..=3) => OsStr::new("error"),
        Some(4) => OsStr::new("warn"),
        Some(5..=6) => OsStr::new("info"),
        Some(7..) => OsStr::new("debug"),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(typed: &str, expected: &str) {
        for program in ["redis-ambassador", "nutcracker", "/usr/sbin/nutcracker"] {
            let words =
                std::iter::once(program).chain(typed.split(' ').filter(|it| !it.is_empty()));
            let rewritten = rewrite(words.map(OsString::from).collect());
            let words: Vec<_> = rewritten.iter().map(|word| word.to_str().unwrap()).collect();
            assert_eq!((words[0], words[1..].join(" ")), (program, expected.to_owned()), "{typed}");
        }
    }

    #[test]
    fn every_spelling_of_an_option() {
        for typed in ["-c f", "-cf", "--conf-file f", "--conf-file=f", "nutcracker -c f"] {
            check(typed, "--conf-file=f");
        }
        check("-o /dev/stderr -p/run/n.pid", "--output=/dev/stderr --pid-file=/run/n.pid");
        check("-m 512 -i 100", "--mbuf-size=512 --stats-interval=100");
        check("-d", "--daemonize");
        check("--daemonize", "--daemonize");
        check("-h", "--help");
        check("-?", "--help");
        check("-V", "--version");
        check("", "");
    }

    #[test]
    fn levels_of_the_log() {
        for (number, level) in [
            ("0", "error"),
            ("3", "error"),
            ("4", "warn"),
            ("5", "info"),
            ("6", "info"),
            ("7", "debug"),
            ("11", "debug"),
            ("99", "debug"),
            ("-1", "-1"),
            ("loud", "loud"),
        ] {
            check(&format!("-v {number}"), &format!("--log-level={level}"));
            check(&format!("--verbose={number}"), &format!("--log-level={level}"));
        }
    }

    #[test]
    fn statistics() {
        check("-s 1", "--stats-listen=:1");
        check("-a 127.0.0.1", "--stats-listen=127.0.0.1:22222");
        check("-a 10.0.0.1 -c f -s1", "--stats-listen=10.0.0.1:1 --conf-file=f");
        check("--stats-addr ::1 --stats-port=7", "--stats-listen=[::1]:7");
        check("-D", "describe-stats");
        check("-D -c /nonexistent -v 6", "describe-stats");
    }

    #[test]
    fn tests_of_the_configuration() {
        for typed in ["-t -c f", "-tc f", "-tcf", "-c f -t", "-c f --test-conf", "-tt -c x -c f"] {
            check(typed, "test-conf --conf-file=f");
        }
        check("-td", "test-conf --daemonize");
        check("-t", "test-conf");
    }

    #[test]
    fn what_is_ours_or_nobodys_is_left_alone() {
        for typed in [
            "check",
            "locate a b",
            "--redis-servers a:1",
            "--admin-listen=:1 --log-level debug",
            "-x",
            "--test-conf=x",
            "-",
            "-- -c f",
            "extra words",
        ] {
            check(typed, typed);
        }
        check("check -c f", "check --conf-file=f");
        check("-tx", "test-conf -tx");
        check("-c", "--conf-file");
        check("-s", "--stats-port");
    }

    #[test]
    fn the_description_names_every_figure_once() {
        let names = STATS.lines().filter_map(|line| line.strip_prefix("  "));
        let mut names: Vec<_> = names.filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(names.len(), 19);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 19);
    }
}
