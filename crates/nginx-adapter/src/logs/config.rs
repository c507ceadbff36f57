//! From the flags about logs to what they mean.
//!
//! In: [`LogArgs`] as typed. Out: a [`LogConfig`] in which every value fits the others, or all that
//! is wrong with them. Nothing outside is touched. A label or family that the format cannot give is
//! refused here rather than missing later without a word.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use nginx_log::Format;
use sidecar_runtime::{Rejections, setting};
use tail::Globs;

use super::paths::PathRule;

/// Series are memory here and in Prometheus.
const SERIES_MAX: usize = 100_000;
/// Bounds of a histogram; each is a series for each series.
const BUCKETS_MAX: usize = 64;
/// Below this, holes would be made for every few lines.
const RECLAIM_BYTES_MIN: u64 = 64 << 10;
const NANOSECONDS: f64 = 1e9;

/// The flags about logs, as typed.
#[derive(Debug, clap::Args)]
pub(crate) struct LogArgs {
    /// Access logs to count, as an absolute pattern with *, ** and ?; repeatable
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    access_log: Vec<String>,

    /// Their log_format as in nginx.conf, or combined, main or json
    #[arg(long, value_name = "FORMAT", default_value = "combined")]
    access_log_format: String,

    /// Label requests with $host, $http_host or $server_name, whichever the format has
    #[arg(long)]
    access_log_host: bool,

    /// Label requests with a path: the replacement ($1 is the first group) of the first rule whose
    /// expression matches, or other; repeatable
    #[arg(long, value_name = "REGEX=REPLACEMENT")]
    access_log_path_rule: Vec<String>,

    /// Combinations of labels counted apart; all others together are one more
    #[arg(long, value_name = "COUNT", default_value = "250")]
    access_log_series_max: String,

    /// Upper bounds of the histograms in seconds
    #[arg(
        long,
        value_name = "SECONDS,...",
        default_value = "0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10"
    )]
    access_log_buckets: String,

    /// Give the disk back behind the position, so that an access log holds at most so much of it;
    /// needs the right to write to the file
    #[arg(long, value_name = "BYTES")]
    access_log_reclaim: Option<String>,

    /// Error logs whose lines are counted by level, as an absolute pattern; repeatable
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    error_log: Vec<String>,

    /// Where nginx sends logs as syslog: udp://ADDRESS:PORT or unix:/SOCKET; repeatable
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    syslog_listen: Vec<String>,

    /// Directory that keeps the positions over restarts; without it files that are there at the
    /// start are counted from their end
    #[arg(long, value_name = "DIR")]
    log_state_dir: Option<String>,
}

/// What to count, and how.
pub(crate) struct LogConfig {
    pub(crate) globs: Globs,
    /// How many of the first groups of `globs` are error logs; the others are access logs.
    pub(crate) error_groups: usize,
    pub(crate) listen: Vec<SyslogAddr>,
    pub(crate) state_dir: Option<PathBuf>,
    /// Bytes on disk of one access log.
    pub(crate) reclaim: Option<u64>,
    pub(crate) counting: Counting,
}

impl fmt::Debug for LogConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patterns: Vec<&str> = self.globs.groups().collect();
        let (error_logs, access_logs) = patterns.split_at(self.error_groups);
        f.debug_struct("LogConfig")
            .field("access_logs", &access_logs)
            .field("error_logs", &error_logs)
            .field("listen", &self.listen)
            .field("state_dir", &self.state_dir)
            .field("reclaim", &self.reclaim)
            .field("counting", &self.counting)
            .finish()
    }
}

/// How access lines become numbers.
#[derive(Debug)]
pub(crate) struct Counting {
    pub(crate) format: Format,
    pub(crate) has_host: bool,
    pub(crate) path_rules: Vec<PathRule>,
    pub(crate) series_max: usize,
    /// Ascending, in nanoseconds.
    pub(crate) buckets: Vec<u64>,
}

/// Where to receive syslog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SyslogAddr {
    Udp(SocketAddr),
    Unix(PathBuf),
}

impl fmt::Display for SyslogAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SyslogAddr::Udp(addr) => write!(f, "udp://{addr}"),
            SyslogAddr::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// `Some(None)` if no log is to be counted; `None` only if something was rejected.
pub(crate) fn configure(args: LogArgs, rejections: &mut Rejections) -> Option<Option<LogConfig>> {
    let mut globs = Globs::default();
    let (mut accepted, mut given) = (true, Vec::new());
    // An error log is often matched by the pattern of the access logs as well; the first one wins.
    for (setting, patterns) in [("error-log", &args.error_log), ("access-log", &args.access_log)] {
        for pattern in patterns {
            if given.contains(&pattern) {
                let reason = "given before, as an access or an error log; a log is counted once";
                rejections.reject(setting, pattern, reason);
                accepted = false;
                continue;
            }
            let parsed = rejections.parse(setting, pattern, |text| globs.include(text));
            accepted &= parsed.is_some();
            given.push(pattern);
        }
    }
    let listen: Vec<Option<SyslogAddr>> = args
        .syslog_listen
        .iter()
        .map(|text| rejections.parse("syslog-listen", text, syslog_addr))
        .collect();
    let listen: Option<Vec<SyslogAddr>> = listen.into_iter().collect();
    let counting = counting(&args, rejections);
    let reclaim = match &args.access_log_reclaim {
        None => Some(None),
        Some(text) => rejections.parse("access-log-reclaim", text, reclaim).map(Some),
    };
    let (listen, counting, reclaim) = (listen?, counting?, reclaim?);
    if !accepted {
        return None;
    }
    if globs.is_empty() && listen.is_empty() {
        return Some(None);
    }
    Some(Some(LogConfig {
        globs,
        error_groups: args.error_log.len(),
        listen,
        state_dir: args.log_state_dir.map(PathBuf::from),
        reclaim,
        counting,
    }))
}

fn counting(args: &LogArgs, rejections: &mut Rejections) -> Option<Counting> {
    let format = rejections.parse("access-log-format", &args.access_log_format, Format::parse);
    let series_max = rejections.parse("access-log-series-max", &args.access_log_series_max, count);
    let buckets = rejections.parse("access-log-buckets", &args.access_log_buckets, buckets);
    let rules = args.access_log_path_rule.iter();
    let rules: Vec<Option<PathRule>> = rules
        .map(|text| rejections.parse("access-log-path-rule", text, PathRule::from_str))
        .collect();
    let path_rules: Option<Vec<PathRule>> = rules.into_iter().collect();
    let (format, path_rules) = (format?, path_rules?);
    let has = |names: &[&str]| names.iter().any(|name| format.position(name).is_some());
    let has_host = !args.access_log_host || has(&super::plan::HOST_VARIABLES);
    if !has_host {
        let reason = "the format has none of $host, $http_host and $server_name";
        rejections.reject("access-log-host", "true", reason);
    }
    let has_path = path_rules.is_empty() || has(&super::plan::PATH_VARIABLES);
    if !has_path && let Some(rule) = args.access_log_path_rule.first() {
        let reason = "the format has none of $request_uri, $request and $uri";
        rejections.reject("access-log-path-rule", rule, reason);
    }
    (has_host && has_path).then_some(())?;
    Some(Counting {
        format,
        has_host: args.access_log_host,
        path_rules,
        series_max: series_max?,
        buckets: buckets?,
    })
}

fn count(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=SERIES_MAX).contains(count));
    count.ok_or_else(|| format!("expected a number from 1 to {SERIES_MAX}"))
}

fn reclaim(text: &str) -> Result<u64, String> {
    let bytes = setting::bytes(text).map_err(|error| error.to_string())?;
    if bytes < RECLAIM_BYTES_MIN {
        return Err(format!("expected at least {RECLAIM_BYTES_MIN} bytes"));
    }
    Ok(bytes)
}

/// Bounds in seconds to nanoseconds.
fn buckets(text: &str) -> Result<Vec<u64>, String> {
    let wrong = || "expected ascending seconds above 0 such as 0.1,0.5,1".to_owned();
    let mut bounds: Vec<u64> = Vec::new();
    for word in text.split(',') {
        let bound = nginx_log::seconds(word.trim().as_bytes()).filter(|bound| *bound > 0);
        let bound = bound.ok_or_else(wrong)?;
        if bounds.last().is_some_and(|last| *last >= bound) {
            return Err(wrong());
        }
        bounds.push(bound);
    }
    if bounds.len() > BUCKETS_MAX {
        return Err(format!("expected at most {BUCKETS_MAX} bounds"));
    }
    Ok(bounds)
}

fn syslog_addr(text: &str) -> Result<SyslogAddr, String> {
    if let Some(addr) = text.strip_prefix("udp://") {
        let parsed = match addr.strip_prefix(':') {
            Some(port) => port.parse().ok().map(|port| (Ipv4Addr::UNSPECIFIED, port).into()),
            None => addr.parse().ok(),
        };
        let wrong = "expected udp://ADDRESS:PORT such as udp://127.0.0.1:5140 or udp://:5140";
        return parsed.map(SyslogAddr::Udp).ok_or_else(|| wrong.to_owned());
    }
    match text.strip_prefix("unix:") {
        Some(path) if path.starts_with('/') && !path.ends_with('/') => {
            Ok(SyslogAddr::Unix(PathBuf::from(path)))
        }
        _ => Err("expected udp://ADDRESS:PORT or unix:/SOCKET".to_owned()),
    }
}

/// Nanoseconds as the seconds that are shown.
#[expect(clippy::cast_precision_loss, reason = "the formats know only floats")]
pub(crate) fn to_seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / NANOSECONDS
}

#[cfg(test)]
pub(crate) mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        args: LogArgs,
    }

    /// What the flags mean, or the settings that were rejected.
    pub(crate) fn configured(flags: &[&str]) -> Result<Option<LogConfig>, Vec<String>> {
        let typed = [&["nginx-adapter"], flags].concat();
        let args = Command::try_parse_from(typed).unwrap().args;
        let mut rejections = Rejections::default();
        let config = configure(args, &mut rejections);
        config.ok_or_else(|| rejections.iter().map(|it| it.setting.clone()).collect())
    }

    #[test]
    fn without_a_log_there_is_nothing_to_count() {
        assert!(configured(&[]).unwrap().is_none());
        assert!(configured(&["--access-log-format", "json"]).unwrap().is_none());
    }

    #[test]
    fn error_logs_come_before_access_logs() {
        let flags = ["--access-log", "/l/*.log,/m/a", "--error-log", "/l/error.log"];
        let config = configured(&flags).unwrap().unwrap();
        let groups: Vec<&str> = config.globs.groups().collect();
        assert_eq!(groups, ["/l/error.log", "/l/*.log", "/m/a"]);
        assert_eq!(config.error_groups, 1);
        assert_eq!(config.counting.buckets.len(), 11);
        assert_eq!(config.counting.buckets[0], 5_000_000);
    }

    #[test]
    fn a_log_is_counted_once() {
        let twice = configured(&["--access-log=/l/a,/l/b", "--error-log=/l/b"]);
        assert_eq!(twice.unwrap_err(), ["access-log"]);
        assert_eq!(configured(&["--error-log=/l/b,/l/b"]).unwrap_err(), ["error-log"]);
    }

    #[test]
    fn sockets_are_udp_or_unix() {
        let flags = ["--syslog-listen", "udp://:5140,udp://[::1]:5140,unix:/run/a.sock"];
        let config = configured(&flags).unwrap().unwrap();
        let shown: Vec<String> = config.listen.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["udp://0.0.0.0:5140", "udp://[::1]:5140", "unix:/run/a.sock"]);
        for wrong in ["tcp://1.2.3.4:5", "unix:run", "unix:/run/", "udp://localhost:1", "514"] {
            let rejected = configured(&["--syslog-listen", wrong]).unwrap_err();
            assert_eq!(rejected, ["syslog-listen"], "{wrong}");
        }
    }

    #[test]
    fn every_bad_value_is_named() {
        let rejected = configured(&[
            "--access-log=logs/a",
            "--access-log-format=$host$uri",
            "--access-log-series-max=0",
            "--access-log-buckets=1,0.5",
            "--access-log-reclaim=1",
            "--access-log-path-rule=(",
            "--error-log=x",
            "--syslog-listen=x",
        ]);
        let expected = [
            "error-log",
            "access-log",
            "syslog-listen",
            "access-log-format",
            "access-log-series-max",
            "access-log-buckets",
            "access-log-path-rule",
            "access-log-reclaim",
        ];
        assert_eq!(rejected.unwrap_err(), expected);
        for buckets in ["", "0", "1,1", "a", "-1", "1e3"] {
            let rejected = configured(&[&format!("--access-log-buckets={buckets}")]);
            assert_eq!(rejected.unwrap_err(), ["access-log-buckets"], "{buckets}");
        }
    }

    #[test]
    fn labels_that_the_format_cannot_give_are_refused() {
        let rejected = configured(&["--access-log=/a", "--access-log-host"]);
        assert_eq!(rejected.unwrap_err(), ["access-log-host"]);
        let format = "--access-log-format=$host $status";
        let rejected = configured(&["--access-log=/a", format, "--access-log-path-rule=^/=/"]);
        assert_eq!(rejected.unwrap_err(), ["access-log-path-rule"]);
        assert!(configured(&["--access-log=/a", format, "--access-log-host"]).is_ok());
    }
}
