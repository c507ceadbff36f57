//! nginx's error log: how many lines of each level.

use std::fs::OpenOptions;
use std::io::Write;

use e2e::exporter::Settings;
use e2e::metrics;
use e2e::nginx::Site;
use e2e::upstream::{PAGE, Reply, Upstream};
use e2e::workplace::Workplace;

const LINES: &str = "nginx_error_log_lines_total";

#[test]
fn levels_of_written_lines() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let log = place.log("error.log");
    let settings = Settings::adapter(&place).scrape(&upstream.uri());
    let exporter = settings.arg(format!("--error-log={}", log.display())).start_ready();
    let mut file = OpenOptions::new().create(true).append(true).open(&log).unwrap();
    let levels = ["debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"];
    let mut expected = 0.0;
    for (count, level) in (1..).zip(levels) {
        for _line in 0..count {
            let text = "12#12: *3 open() \"/html/5ecret\" failed (2: No such file or directory)";
            writeln!(file, "2026/11/22 08:00:00 [{level}] {text}").unwrap();
            expected += 1.0;
        }
    }
    let shown = exporter.wait_metrics("all lines", |it| it.sum(LINES) >= expected);
    for (count, level) in (1_u8..).zip(levels) {
        assert_eq!(shown.with_label(LINES, "level", level), f64::from(count), "{level}");
    }
    assert!(!exporter.stop().contains("5ecret"));
}

/// A file that is not there is an error for nginx, and its start is a notice.
#[test]
fn a_real_nginx() {
    let place = Workplace::new();
    let site = Site::new(place.path(), &place.logs());
    let settings = Settings::adapter(&place).scrape(&site.status_uri());
    let log = place.log("error.log");
    let exporter = settings.arg(format!("--error-log={}", log.display())).start_ready();
    let nginx = site.start();
    for _request in 0..4 {
        assert_eq!(metrics::get(nginx.address(), "/missing").unwrap().0, 404);
    }
    let errors = |it: &metrics::Metrics| it.with_label(LINES, "level", "error");
    let shown = exporter.wait_metrics("four errors", |it| errors(it) >= 4.0);
    assert_eq!(errors(&shown), 4.0);
    assert!(shown.with_label(LINES, "level", "notice") >= 1.0);
    exporter.stop();
}
