//! Every query and every rule before a real Prometheus, while things break and when they are well.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::dashboards::{Dashboard, IMAGES, Plan, Query, Stage, Variables, metric_names};
use e2e::pace::wait_until;

/// Far above what it takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// Panels that are empty or 0 while all is well, and show what the stage breaks.
const SHOW_FAULTS: [(&str, &str); 12] = [
    ("log-shipper", "Does the sink take lines?"),
    ("log-shipper", "How late is the oldest line?"),
    ("log-shipper", "Dropped or lost"),
    ("log-shipper", "What is tried again, and why?"),
    ("log-shipper", "What was dropped, lost or failed?"),
    ("nginx-adapter", "Failed answers"),
    ("nginx-adapter", "What does the adapter miss?"),
    ("nginx-adapter", "What does nginx's error log say?"),
    ("redis-ambassador", "Servers left out"),
    ("redis-ambassador", "Failed requests"),
    ("redis-ambassador", "What do clients get instead of replies?"),
    ("redis-ambassador", "Which servers fail, and why?"),
];
/// Alerts that begin to count then.
const ALERTS: [&str; 4] =
    ["LogShipperSinkFailing", "NginxDown", "RedisServerLeftOut", "NativeSidecarVerdictChanged"];

#[test]
fn every_query_is_answered_and_every_fault_shown() {
    let mut stage = Stage::start(Plan { nodes: 2 });
    let dashboards = IMAGES.map(Dashboard::of);
    // Of each image something that only traffic brings.
    for metric in [
        "rate(log_shipper_lines_acked_total[10s]) > 0",
        "rate(nginx_http_response_requests_total{status=\"502\"}[10s]) > 0",
        "rate(redis_ambassador_request_duration_seconds_count{class=\"multi\"}[10s]) > 0",
        "native_sidecar_probe_verdict{verdict=\"SUPPORTED\"} == 1",
    ] {
        stage.prometheus.wait(metric);
    }
    stage.break_sink(true);
    stage.break_server(true);
    stage.break_nginx(true);
    stage.add_old_node();
    for dashboard in &dashboards {
        check_answers(&stage, dashboard);
    }
    for alert in ALERTS {
        stage.prometheus.wait(&format!("ALERTS{{alertname=\"{alert}\"}}"));
    }
    check_rules(&stage);
    stage.break_sink(false);
    stage.break_server(false);
    stage.break_nginx(false);
    for well in [
        "log_shipper_sink_failing == 0 and log_shipper_lag_seconds < 1",
        "nginx_up == 1",
        "sum(redis_ambassador_server_ejected) == 0",
    ] {
        stage.prometheus.wait(well);
    }
    let still = || stage.prometheus.query("ALERTS{alertname=~\"LogShipperSink.*|NginxDown\"}");
    wait_until("the alerts to be over", DEADLINE, || still().is_empty());
    // nginx-adapter shows nothing of an nginx that is down.
    check_names(&stage, &dashboards);
}

/// Waits until each query has given a series, and one of each panel of faults more than 0.
fn check_answers(stage: &Stage, dashboard: &Dashboard) {
    let job = &dashboard.image;
    let variables = Variables { job, rate_interval: "10s", range: "1m" };
    for panel in &dashboard.panels {
        let title = &panel.title;
        let lately = |query: &Query| format!("max_over_time(({})[1m:1s])", query.filled(variables));
        for expression in panel.queries.iter().map(lately) {
            let what = format!("an answer for {job}, {title}: {expression}");
            wait_until(&what, DEADLINE, || !stage.prometheus.query(&expression).is_empty());
        }
        if SHOW_FAULTS.contains(&(job, title)) {
            let has_fault =
                |query| !stage.prometheus.query(&format!("{} > 0", lately(query))).is_empty();
            let what = format!("{job}, {title} to show the fault");
            wait_until(&what, DEADLINE, || panel.queries.iter().any(has_fault));
        }
    }
}

/// A name that nobody exposes would be an empty panel, or an alert that never fires.
fn check_names(stage: &Stage, dashboards: &[Dashboard]) {
    let rules = stage.prometheus.alerting_rules();
    let by_image = dashboards.iter().map(|dashboard| {
        let queries = dashboard.panels.iter().flat_map(|panel| &panel.queries);
        (&dashboard.image, queries.map(|query| query.expression.clone()).collect::<Vec<_>>())
    });
    for (image, mut expressions) in by_image {
        let own = rules.iter().filter(|(group, _rule)| group == image);
        expressions.extend(own.map(|(_, rule)| rule["query"].as_str().unwrap().to_owned()));
        let exposed = stage.metrics(image);
        let exposed: BTreeSet<&str> = exposed.names().into_iter().collect();
        let asked: BTreeSet<String> =
            expressions.iter().flat_map(|expression| metric_names(expression)).collect();
        assert!(asked.len() > 3, "{image}: {asked:?}");
        // Prometheus' own.
        let asked = asked.iter().filter(|name| *name != "up");
        let unknown: Vec<_> = asked.filter(|name| !exposed.contains(name.as_str())).collect();
        assert!(unknown.is_empty(), "{image} does not expose {unknown:?}");
    }
}

/// No rule fails on real series, and the texts of those that count can be filled in.
fn check_rules(stage: &Stage) {
    for (_group, rule) in stage.prometheus.alerting_rules() {
        let name = &rule["name"];
        assert_eq!(rule["health"], "ok", "{name}: {}", rule["lastError"]);
        let annotations = rule["alerts"].to_string();
        assert!(!annotations.contains("error expanding"), "{name}: {annotations}");
    }
}
