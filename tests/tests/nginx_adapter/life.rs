//! A real nginx that is late, dies, comes back and reloads.
//!
//! The peers exit when nginx is late (0.x) and say nothing about why it is down.

use std::time::Duration;

use e2e::exporter::Settings;
use e2e::nginx::{Nginx, Site};
use e2e::pace::{SOON, wait_until};
use e2e::process::Signal;
use e2e::workplace::Workplace;

fn levels(log: &str, level: &str) -> usize {
    log.lines().filter(|line| line.contains(&format!("\"level\":\"{level}\""))).count()
}

/// Down at the start, there, gone, there again: what is up follows, and each change is one line.
#[test]
fn nginx_comes_and_goes() {
    let place = Workplace::new();
    let site = Site::new(place.path(), &place.logs());
    let exporter = Settings::adapter(&place).scrape(&site.status_uri()).start();
    for _scrape in 0..3 {
        assert!(!exporter.is_up());
    }
    let mut nginx = site.start();
    exporter.wait_up(true);
    nginx.get(20);
    let before = exporter.metrics();
    assert!(before.sum("nginx_http_requests_total") >= 21.0);
    nginx.stop();
    for _scrape in 0..3 {
        assert!(!exporter.is_up());
    }
    drop(nginx);
    let _nginx = site.start();
    exporter.wait_up(true);
    let after = exporter.metrics();
    for counter in ["nginx_http_requests_total", "nginx_connections_accepted"] {
        assert!(after.sum(counter) < before.sum(counter), "{counter} begins again");
    }
    assert!(after.with_label("nginx_scrape_errors_total", "reason", "connect") >= 6.0);
    let log = exporter.log();
    assert_eq!(levels(&log, "WARN"), 2, "{log}");
}

#[test]
fn a_reload_keeps_the_counters() {
    let place = Workplace::new();
    let nginx = Nginx::start(place.path(), &place.logs());
    let uri = format!("http://{}/stub_status", nginx.address());
    let exporter = Settings::adapter(&place).scrape(&uri).start();
    nginx.get(20);
    let before = exporter.metrics().sum("nginx_http_requests_total");
    let worker = nginx.workers();
    nginx.reload();
    wait_until("a new worker", SOON, || !nginx.workers().is_empty() && nginx.workers() != worker);
    exporter.wait_up(true);
    let after = exporter.metrics();
    assert!(after.sum("nginx_http_requests_total") > before);
    let log = exporter.log();
    assert_eq!(levels(&log, "WARN"), 0, "{log}");
}

/// The numbers are nginx's own, scrape by scrape: each scrape is one more request.
#[test]
fn numbers_follow_nginx() {
    let place = Workplace::new();
    let nginx = Nginx::start(place.path(), &place.logs());
    let uri = format!("http://{}/stub_status", nginx.address());
    let exporter = Settings::adapter(&place).scrape(&uri).start();
    for _round in 0..5 {
        let asked = nginx.requests();
        nginx.get(3);
        #[expect(clippy::cast_precision_loss, reason = "a few requests")]
        let expected = (asked + 3 + 1) as f64;
        let metrics = exporter.metrics();
        assert_eq!(metrics.value("nginx_http_requests_total"), Some(expected));
        assert_eq!(metrics.value("nginx_connections_writing"), Some(1.0));
    }
}

/// A worker that is stopped answers nothing; a master that is stopped changes nothing.
#[test]
fn a_stopped_master_does_not_matter() {
    let place = Workplace::new();
    let nginx = Nginx::start(place.path(), &place.logs());
    let uri = format!("http://{}/stub_status", nginx.address());
    let settings = Settings::adapter(&place).scrape(&uri);
    let exporter = settings.arg(format!("-nginx.timeout={}ms", 500)).start();
    nginx.signal_workers(Signal::STOP);
    assert!(!exporter.is_up());
    nginx.signal_workers(Signal::CONT);
    exporter.wait_up(true);
    assert!(exporter.get("/metrics").took < SOON.min(Duration::from_secs(10)));
}
