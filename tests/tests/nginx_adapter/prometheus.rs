//! A real Prometheus before the installed peer and before ours, which look at the same page.

use std::collections::{BTreeMap, BTreeSet};

use e2e::exporter::{Exporter, Settings};
use e2e::nginx::Nginx;
use e2e::pace::{SOON, wait_until};
use e2e::prometheus::{Labels, Prometheus, lint};
use e2e::upstream::{PAGE, Reply, Upstream};
use e2e::workplace::Workplace;

/// The queries of the official dashboard's panels.
const DASHBOARD: [&str; 8] = [
    "nginx_up",
    "irate(nginx_connections_accepted[5m])",
    "irate(nginx_connections_handled[5m])",
    "nginx_connections_active",
    "nginx_connections_reading",
    "nginx_connections_waiting",
    "nginx_connections_writing",
    "irate(nginx_http_requests_total[5m])",
];

/// Rules as people keep them.
const RULES: &str = r#"
groups:
- name: nginx
  rules:
  - record: instance:nginx_http_requests:rate1m
    expr: sum by (instance, job) (rate(nginx_http_requests_total[1m]))
  - record: instance:nginx_connections_dropped:rate1m
    expr: >
      sum by (instance, job)
        (rate(nginx_connections_accepted[1m]) - rate(nginx_connections_handled[1m]))
  - alert: NginxDown
    expr: nginx_up == 0
    labels: {severity: critical}
  - alert: NginxScrapeFails
    expr: sum by (instance, reason) (increase(nginx_scrape_errors_total[5m])) > 0
"#;

fn both(place: &Workplace, uri: &str) -> (Exporter, Exporter) {
    // Each in a folder of its own, because their logs have one name.
    (Settings::adapter(place).scrape(uri).start(), Settings::peer(place).scrape(uri).start())
}

/// Series of nginx_* without what every two jobs differ in.
fn comparable(series: BTreeMap<Labels, String>) -> BTreeMap<Labels, String> {
    let strip = |(mut labels, value): (Labels, String)| {
        labels.remove("instance");
        labels.remove("job");
        (labels, value)
    };
    series.into_iter().map(strip).collect()
}

#[test]
fn the_same_series_as_the_installed_peer() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let (ours, peer) = both(&place, &upstream.uri());
    let jobs = [("ours", ours.port()), ("peer", peer.port())];
    let prometheus = Prometheus::start(place.path(), &jobs, "");
    let families = "__name__=~\"nginx_(up|connections_.*|http_requests_total)\"";
    let of = |job: &str| comparable(prometheus.query(&format!("{{job=\"{job}\",{families}}}")));
    let (ours, peer) = (of("ours"), of("peer"));
    assert_eq!(peer.len(), 8, "{peer:?}");
    assert_eq!(ours, peer);
    // Types decide what a query builder offers.
    let types = |job: &str| {
        let types = prometheus.types(job).into_iter();
        types.filter(|(name, _)| peer.keys().any(|it| it["__name__"] == *name)).collect::<Vec<_>>()
    };
    assert_eq!(types("ours").len(), 8);
    assert_eq!(types("ours"), types("peer"));
}

/// The same while a real nginx works: each query of the dashboard gives a series for both, and the
/// recorded rules are there.
#[test]
fn the_dashboard_and_the_rules_are_answered() {
    let place = Workplace::new();
    let mut nginx = Nginx::start(place.path(), &place.logs());
    let (ours, peer) = both(&place, &format!("http://{}/stub_status", nginx.address()));
    let jobs = [("ours", ours.port()), ("peer", peer.port())];
    let prometheus = Prometheus::start(place.path(), &jobs, RULES);
    for query in DASHBOARD {
        for job in ["ours", "peer"] {
            let filter = format!("{{job=\"{job}\"}}");
            let query = match query.split_once('[') {
                Some((start, rest)) => format!("{start}{filter}[{rest}"),
                None => format!("{query}{filter}"),
            };
            assert_eq!(prometheus.wait(&query).len(), 1, "{query}");
        }
    }
    for job in ["ours", "peer"] {
        for record in ["nginx_http_requests", "nginx_connections_dropped"] {
            prometheus.wait(&format!("instance:{record}:rate1m{{job=\"{job}\"}}"));
        }
    }
    assert!(prometheus.query("ALERTS{alertname=\"NginxDown\"}").is_empty());
    nginx.stop();
    for job in ["ours", "peer"] {
        prometheus.wait(&format!("ALERTS{{alertname=\"NginxDown\",job=\"{job}\"}}"));
    }
    // Which the peer has no metric for.
    prometheus.wait("ALERTS{alertname=\"NginxScrapeFails\",reason=\"connect\"}");
    // An exporter that says `nginx_up 0` is itself up.
    assert!(prometheus.query("up{job=\"ours\"} == 0").is_empty());
}

/// Whatever a real Prometheus asks for, its scrape of a hung nginx is a good one.
#[test]
fn a_hung_nginx_is_down_not_absent() {
    let place = Workplace::new();
    let nginx = Nginx::start(place.path(), &place.logs());
    let uri = format!("http://{}/stub_status", nginx.address());
    let exporter = Settings::adapter(&place).scrape(&uri).start();
    let prometheus = Prometheus::start(place.path(), &[("ours", exporter.port())], "");
    prometheus.wait("nginx_up == 1");
    nginx.signal_workers(e2e::process::Signal::STOP);
    // The scrape's timeout is 1 s, the exporter's 5 s.
    prometheus.wait("nginx_up == 0");
    assert!(prometheus.query("up == 0").is_empty());
    nginx.signal_workers(e2e::process::Signal::CONT);
    wait_until("nginx to be up", SOON, || !prometheus.query("nginx_up == 1").is_empty());
}

#[test]
fn promtool_complains_no_more_than_about_the_peer() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let (ours, peer) = both(&place, &upstream.uri());
    // With an error counted, so that this family is looked at too.
    upstream.set_first([Reply::Close(Vec::new()), Reply::Close(Vec::new())]);
    ours.get("/metrics");
    let (code, said) = lint(&ours.text());
    let (peer_code, peer_said) = lint(&peer.text());
    let lines = |said: &str| said.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let more: Vec<String> = lines(&said).difference(&lines(&peer_said)).cloned().collect();
    assert_eq!(more, Vec::<String>::new());
    assert!(code == peer_code || code == 0, "{code}: {said}");
}
