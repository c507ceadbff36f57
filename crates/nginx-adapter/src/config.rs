//! From flags as typed to the settings in effect. Pure; everything wrong is reported at once.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use net::TlsSettings;
use sidecar_runtime::{Rejections, setting};

use crate::cli::Args;
use crate::duration::go_duration;
use crate::logs::{self, LogConfig};
use crate::peer_arguments::OLD_RELEASE;
use crate::scrape::{ScrapeSettings, ScrapeUri, without_password};
use crate::web_config::WebSource;

/// A page that takes longer than this is not waited for, whatever the settings say.
const TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// One nginx a container; more targets than this are a mistake.
const TARGETS_MAX: usize = 64;
/// Paths that every image keeps for itself.
const RESERVED_PATHS: [&str; 3] = ["/healthz", "/readyz", "/quitquitquit"];
/// The label that tells several targets apart.
const ADDR: &str = "addr";

/// The settings in effect.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) targets: Vec<ScrapeUri>,
    pub(crate) scrape: ScrapeSettings,
    pub(crate) retries: Option<Retries>,
    pub(crate) telemetry_path: String,
    /// Sorted by name.
    pub(crate) const_labels: Vec<(String, String)>,
    pub(crate) open_metrics: bool,
    pub(crate) web: WebSource,
    /// Ports of nginx, none meaning all; `None` if sockets are not asked for.
    pub(crate) sockets: Option<Vec<u16>>,
    pub(crate) logs: Option<LogConfig>,
}

/// How often nginx is asked before the start counts as failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retries {
    /// Attempts after the first.
    pub(crate) count: u32,
    pub(crate) interval: Duration,
}

/// Reads all flags.
pub(crate) fn configure(args: Args, rejections: &mut Rejections) -> Option<Config> {
    let mut flag = |name, text: &str| rejections.parse(name, text, setting::flag);
    let plus = flag("nginx.plus", &args.plus);
    let is_said = args.ssl_verify.as_deref().filter(|text| !text.is_empty());
    let verify = match is_said {
        Some(text) => flag("nginx.ssl-verify", text),
        None => flag(OLD_RELEASE, &args.old_release),
    };
    let proxy_protocol = flag("nginx.proxy-protocol", &args.proxy_protocol);
    let sockets = flag("nginx.sockets", &args.sockets);
    let open_metrics = flag("web.openmetrics", &args.openmetrics);
    let secured = flag("web.secured-metrics", &args.secured_metrics);
    let systemd = flag("web.systemd-socket", &args.systemd_socket);
    if plus == Some(true) {
        let reason = "not supported: this reads stub_status, which NGINX Plus has as well";
        rejections.reject("nginx.plus", &args.plus, reason);
    }
    let targets = targets(&args.scrape_uri, rejections);
    let timeout = rejections
        .parse("nginx.timeout", &args.timeout, go_duration)
        .map(|timeout| if timeout.is_zero() { TIMEOUT_MAX } else { timeout.min(TIMEOUT_MAX) });
    let retries = retries(args.retries.as_deref(), &args.retry_interval, rejections);
    let telemetry_path = rejections.parse("web.telemetry-path", &args.telemetry_path, path);
    let const_labels = const_labels(&args.const_label, &args.const_labels, rejections);
    let ports: Vec<_> = args.ports.iter().filter_map(|text| port(text, rejections)).collect();
    let web = web(&args, secured?, rejections);
    let logs = logs::configure(args.logs, rejections);
    let tls = TlsSettings {
        ca_file: args.ssl_ca_cert.filter(|file| !file.is_empty()).map(PathBuf::from),
        client_cert: args.ssl_client_cert.filter(|file| !file.is_empty()).map(PathBuf::from),
        client_key: args.ssl_client_key.filter(|file| !file.is_empty()).map(PathBuf::from),
    };
    systemd?;
    Some(Config {
        targets,
        scrape: ScrapeSettings {
            timeout: timeout?,
            verify: verify?,
            tls,
            proxy_protocol: proxy_protocol?,
        },
        retries: retries?,
        telemetry_path: telemetry_path?,
        const_labels,
        open_metrics: open_metrics?,
        web: web?,
        sockets: sockets?.then_some(ports),
        logs: logs?,
    })
}

fn targets(texts: &[String], rejections: &mut Rejections) -> Vec<ScrapeUri> {
    let mut seen = BTreeSet::new();
    let mut targets = Vec::new();
    for text in texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty()) {
        let mut reject = |reason: &dyn Display| {
            rejections.reject("nginx.scrape-uri", &without_password(text), reason);
        };
        match text.parse() {
            _ if !seen.insert(text) => reject(&"given twice"),
            Ok(uri) => targets.push(uri),
            Err(error) => reject(&error),
        }
    }
    if seen.is_empty() {
        rejections.reject("nginx.scrape-uri", "", "no address");
    }
    if seen.len() > TARGETS_MAX {
        let reason = format!("more than {TARGETS_MAX} addresses");
        rejections.reject("nginx.scrape-uri", &seen.len().to_string(), reason);
    }
    targets
}

/// The outer `None` means that something was rejected.
#[expect(clippy::option_option, reason = "rejected, not given and given are three things")]
fn retries(
    count: Option<&str>,
    interval: &str,
    rejections: &mut Rejections,
) -> Option<Option<Retries>> {
    let count = count.filter(|text| !text.is_empty()).map(|text| {
        let number = |text: &str| text.parse::<u32>().or(Err("expected a number from 0"));
        rejections.parse("nginx.retries", text, number)
    });
    let interval = rejections.parse("nginx.retry-interval", interval, go_duration)?;
    match count {
        None => Some(None),
        Some(count) => Some(Some(Retries { count: count?, interval })),
    }
}

fn path(text: &str) -> Result<String, &'static str> {
    if !text.starts_with('/') || text.contains(['?', '#', ' ']) {
        return Err("expected a path such as /metrics");
    }
    if RESERVED_PATHS.contains(&text) {
        return Err("this path is for probes");
    }
    Ok(text.to_owned())
}

fn port(text: &str, rejections: &mut Rejections) -> Option<u16> {
    let port = |text: &str| text.trim().parse().or(Err("expected a port from 0 to 65535"));
    rejections.parse("nginx.ports", text, port)
}

/// Names that Prometheus would refuse are mended as the exporter does: `a-b` becomes `a_b`.
fn const_labels(
    single: &[String],
    lists: &[String],
    rejections: &mut Rejections,
) -> Vec<(String, String)> {
    let mut labels: Vec<(String, String)> = Vec::new();
    let lists = lists.iter().flat_map(|list| {
        let separator = if list.contains('\n') { '\n' } else { ',' };
        list.split(separator).map(|text| ("prometheus.const-labels", text))
    });
    let single = single.iter().map(|text| ("prometheus.const-label", text.as_str()));
    for (setting, text) in single.chain(lists) {
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        let Some((name, value)) = rejections.parse(setting, text, label) else { continue };
        if [ADDR, "__name__"].contains(&name.as_str())
            || labels.iter().any(|(taken, _)| *taken == name)
        {
            rejections.reject(setting, text, "this label is taken");
        } else {
            labels.push((name, value));
        }
    }
    labels.sort();
    labels
}

fn label(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    if name.is_empty() {
        return Err("expected NAME=VALUE");
    }
    let mut mended: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    if mended.starts_with(|c: char| c.is_ascii_digit()) {
        mended.insert(0, '_');
    }
    Ok((mended, value.to_owned()))
}

fn web(args: &Args, secured: bool, rejections: &mut Rejections) -> Option<WebSource> {
    let given = |file: &Option<String>| file.clone().filter(|file| !file.is_empty());
    let file = given(&args.web_config_file);
    if !secured {
        return Some(file.map_or(WebSource::Plain, |file| WebSource::File(file.into())));
    }
    if let Some(file) = file {
        let reason = "--web.secured-metrics says the same with other files; give one of them";
        rejections.reject("web.config.file", &file, reason);
        return None;
    }
    match (given(&args.ssl_server_cert), given(&args.ssl_server_key)) {
        (Some(cert), Some(key)) => {
            Some(WebSource::Certificate { cert: cert.into(), key: key.into() })
        }
        _ => {
            let reason = "needs --web.ssl-server-cert and --web.ssl-server-key";
            rejections.reject("web.secured-metrics", &args.secured_metrics, reason);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_labels(single: &[&str], lists: &[&str], expected: &str, rejected: &[&str]) {
        let owned =
            |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let mut rejections = Rejections::default();
        let labels = const_labels(&owned(single), &owned(lists), &mut rejections);
        let shown: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(shown.join(" "), expected);
        let found: Vec<_> = rejections.iter().map(|item| item.value.as_str()).collect();
        assert_eq!(found, rejected);
    }

    #[test]
    fn constant_labels_in_both_forms() {
        check_labels(&["b=2", "a=1"], &["c=3,d=x=y"], "a=1 b=2 c=3 d=x=y", &[]);
        check_labels(&[], &["a=1,2\nb=3"], "a=1,2 b=3", &[]);
        check_labels(&["a-x=1", "1=2"], &[""], "_1=2 a_x=1", &[]);
        check_labels(&["a"], &["=1,b=1,b=2,addr=x"], "b=1", &["a", "=1", "b=2", "addr=x"]);
    }

    #[test]
    fn paths() {
        assert_eq!(path("/metrics").as_deref(), Ok("/metrics"));
        assert_eq!(path("/").as_deref(), Ok("/"));
        for text in ["", "metrics", "/a b", "/healthz"] {
            path(text).unwrap_err();
        }
    }
}
