//! The families of nginx-prometheus-exporter, written as it writes them.
//!
//! In go the outcomes of one scrape of all targets, out comes text: byte for byte what the exporter
//! shows for the same page, families by name, one label set per target.
//! `nginx_connections_accepted` and `_handled` are counters whose names do not end in `_total`;
//! encoders for OpenMetrics append it, and a Prometheus would then store other series. In
//! OpenMetrics, where such a counter cannot exist, the two are of unknown type and keep their
//! names. Pure; everything of our own comes from the registry and is appended by the caller.

use sidecar_runtime::Format;

use crate::scrape::{Failure, StubStatus};

/// The label of [`Outcome::errors`].
const REASON: &str = "reason";

/// One target's part of a scrape.
#[derive(Debug)]
pub(crate) struct Outcome<'a> {
    /// Labels as they stand in the braces, without them; see [`labels`].
    pub(crate) labels: &'a str,
    /// The same for its failures, which have a label `reason` of their own.
    pub(crate) error_labels: &'a str,
    pub(crate) status: Result<StubStatus, Failure>,
    /// Failures so far by reason.
    pub(crate) errors: &'a [(&'static str, u64)],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gauge,
    Counter,
    /// A counter without `_total`.
    BareCounter,
}

/// A family of the exporter and its value on the page.
struct Family {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    value: fn(&StubStatus) -> u64,
}

/// In the exporter's order, which is by name.
const FAMILIES: [Family; 7] = [
    Family {
        name: "nginx_connections_accepted",
        kind: Kind::BareCounter,
        help: "Accepted client connections",
        value: |status| status.accepted,
    },
    Family {
        name: "nginx_connections_active",
        kind: Kind::Gauge,
        help: "Active client connections",
        value: |status| status.active,
    },
    Family {
        name: "nginx_connections_handled",
        kind: Kind::BareCounter,
        help: "Handled client connections",
        value: |status| status.handled,
    },
    Family {
        name: "nginx_connections_reading",
        kind: Kind::Gauge,
        help: "Connections where NGINX is reading the request header",
        value: |status| status.reading,
    },
    Family {
        name: "nginx_connections_waiting",
        kind: Kind::Gauge,
        help: "Idle client connections",
        value: |status| status.waiting,
    },
    Family {
        name: "nginx_connections_writing",
        kind: Kind::Gauge,
        help: "Connections where NGINX is writing the response back to the client",
        value: |status| status.writing,
    },
    Family {
        name: "nginx_http_requests_total",
        kind: Kind::Counter,
        help: "Total http requests",
        value: |status| status.requests,
    },
];
const REQUESTS: usize = 6;

const BUILD_INFO_HELP: &str = "A metric with a constant '1' value labeled by version, revision, \
    branch, goversion from which nginx_exporter was built, and the goos and goarch for the build.";

/// Appends the eight families, the build information and the failures.
pub(crate) fn write(text: &mut String, format: Format, outcomes: &[Outcome<'_>]) {
    let (connections, requests) = FAMILIES.split_at(REQUESTS);
    for family in connections {
        write_family(text, format, family, outcomes);
    }
    write_head(text, format, "nginx_exporter_build_info", Kind::Gauge, BUILD_INFO_HELP);
    write_sample(text, "nginx_exporter_build_info", &build_labels(), 1);
    for family in requests {
        write_family(text, format, family, outcomes);
    }
    write_errors(text, format, outcomes);
    write_head(text, format, "nginx_up", Kind::Gauge, "Status of the last metric scrape");
    for outcome in outcomes {
        write_sample(text, "nginx_up", outcome.labels, u64::from(outcome.status.is_ok()));
    }
}

fn write_family(text: &mut String, format: Format, family: &Family, outcomes: &[Outcome<'_>]) {
    let up = || outcomes.iter().filter_map(|outcome| Some((outcome, outcome.status.ok()?)));
    if up().next().is_none() {
        return;
    }
    write_head(text, format, family.name, family.kind, family.help);
    for (outcome, status) in up() {
        write_sample(text, family.name, outcome.labels, (family.value)(&status));
    }
}

fn write_errors(text: &mut String, format: Format, outcomes: &[Outcome<'_>]) {
    const NAME: &str = "nginx_scrape_errors_total";
    if outcomes.iter().all(|outcome| outcome.errors.is_empty()) {
        return;
    }
    write_head(text, format, NAME, Kind::Counter, "Scrapes of nginx that failed, by reason");
    for outcome in outcomes {
        for (reason, count) in outcome.errors {
            let separator = if outcome.error_labels.is_empty() { "" } else { "," };
            let labels = format!("{}{separator}{REASON}=\"{reason}\"", outcome.error_labels);
            write_sample(text, NAME, &labels, *count);
        }
    }
}

fn write_head(text: &mut String, format: Format, name: &str, kind: Kind, help: &str) {
    let (family, kind) = match (format, kind) {
        (_, Kind::Gauge) => (name, "gauge"),
        (Format::Prometheus, _) => (name, "counter"),
        (Format::OpenMetrics, Kind::BareCounter) => (name, "unknown"),
        (Format::OpenMetrics, Kind::Counter) => {
            (name.strip_suffix("_total").unwrap_or(name), "counter")
        }
    };
    for part in ["# HELP ", family, " ", help, "\n# TYPE ", family, " ", kind, "\n"] {
        text.push_str(part);
    }
}

fn write_sample(text: &mut String, name: &str, labels: &str, value: u64) {
    text.push_str(name);
    if !labels.is_empty() {
        text.push('{');
        text.push_str(labels);
        text.push('}');
    }
    text.push(' ');
    push_number(text, value);
    text.push('\n');
}

/// The shortest text that is the same 64-bit float, as Go writes it: from 10^6 on with an exponent
/// of at least two digits.
fn push_number(text: &mut String, value: u64) {
    if value < 1_000_000 {
        text.push_str(itoa::Buffer::new().format(value));
        return;
    }
    #[expect(clippy::cast_precision_loss, reason = "the format knows only floats")]
    let scientific = format!("{:e}", value as f64);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let zero = if exponent.len() < 2 { "0" } else { "" };
    for part in [mantissa, "e+", zero, exponent] {
        text.push_str(part);
    }
}

/// Labels sorted by name, values escaped, ready to stand in braces.
pub(crate) fn labels<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut pairs: Vec<_> = pairs.into_iter().collect();
    pairs.sort_unstable();
    let labels: Vec<_> = pairs.into_iter().map(|(name, value)| label(name, value)).collect();
    labels.join(",")
}

/// The same without the label that failures have of their own.
pub(crate) fn error_labels<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    labels(pairs.into_iter().filter(|(name, _)| *name != REASON))
}

fn label(name: &str, value: &str) -> String {
    let mut text = format!("{name}=\"");
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// The exporter's own build labels; what does not exist here is unknown.
fn build_labels() -> String {
    let goarch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!(
        "branch=\"unknown\",goarch=\"{goarch}\",goos=\"linux\",goversion=\"unknown\",\
         revision=\"unknown\",tags=\"unknown\",version=\"{}\"",
        env!("CARGO_PKG_VERSION")
    )
}

/// Appends what the registry wrote, with the constant labels on the samples of `nginx_…` families
/// but not on those about this process. A label that a sample has by itself wins: two of one name
/// would make a scraper refuse the whole page.
pub(crate) fn append_labelled(text: &mut String, registry: &str, constant: &[(String, String)]) {
    if constant.is_empty() {
        return text.push_str(registry);
    }
    let constant: Vec<(&str, String)> =
        constant.iter().map(|(name, value)| (name.as_str(), label(name, value))).collect();
    for line in registry.lines() {
        let ours = !line.starts_with("nginx_") || line.starts_with("nginx_adapter_");
        let at = line.find(['{', ' ']).filter(|_| !ours);
        match at.and_then(|at| line.split_at_checked(at)) {
            None => text.push_str(line),
            Some((name, rest)) => push_labelled(text, name, rest, &constant),
        }
        text.push('\n');
    }
}

/// `constant` holds the name of each label, and the whole.
fn push_labelled(text: &mut String, name: &str, rest: &str, constant: &[(&str, String)]) {
    let own = rest.strip_prefix('{');
    text.push_str(name);
    text.push('{');
    for (name, label) in constant {
        if !own.is_some_and(|own| label_names(own).any(|taken| taken == *name)) {
            text.push_str(label);
            text.push(',');
        }
    }
    match own {
        Some(own) => text.push_str(own),
        None => {
            text.pop();
            text.push('}');
            text.push_str(rest);
        }
    }
}

/// The names in `a="x",b="y"} 1`. Values are passed over, whatever a client put into them.
fn label_names(labels: &str) -> impl Iterator<Item = &str> {
    let mut rest = labels;
    std::iter::from_fn(move || {
        let (name, value) = rest.split_once("=\"")?;
        let mut escaped = false;
        let end = value.find(|c| {
            let is_end = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            is_end
        });
        let after = value.split_at_checked(end? + 1)?.1;
        rest = after.strip_prefix(',').unwrap_or_default();
        Some(name)
    })
}

#[cfg(test)]
mod tests;
