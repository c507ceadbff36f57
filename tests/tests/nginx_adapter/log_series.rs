//! Labels from the log: hosts and rewritten paths, and the cap on what they can grow to.

use std::fs::OpenOptions;
use std::io::Write;

use e2e::exporter::{Exporter, Settings};
use e2e::metrics::Metrics;
use e2e::upstream::{PAGE, Reply, Upstream};
use e2e::workplace::Workplace;

const FORMAT: &str = "$host \"$request\" $status $request_time";
const REQUESTS: &str = "nginx_http_response_requests_total";

/// A log that the test writes line by line, and the exporter that follows it.
struct Scene {
    place: Workplace,
    exporter: Exporter,
    _upstream: Upstream,
}

impl Scene {
    fn new(arguments: &[&str]) -> Self {
        let place = Workplace::new();
        let upstream = Upstream::start(Reply::page(PAGE));
        let exporter = Settings::adapter(&place)
            .scrape(&upstream.uri())
            .arg(format!("--access-log={}", place.log("access.log").display()))
            .arg(format!("--access-log-format={FORMAT}"))
            .args(arguments)
            .start_ready();
        Self { place, exporter, _upstream: upstream }
    }

    fn write(&self, lines: impl IntoIterator<Item = String>) {
        let text: String = lines.into_iter().map(|line| line + "\n").collect();
        let log = self.place.log("access.log");
        let mut file = OpenOptions::new().create(true).append(true).open(log).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn wait(&self, lines: f64) -> Metrics {
        self.exporter.wait_metrics("all lines", |metrics| metrics.sum(REQUESTS) >= lines)
    }
}

fn line(host: &str, request: &str) -> String {
    format!("{host} \"{request}\" 200 0.010")
}

#[test]
fn hosts_are_a_label_when_asked_for() {
    let lines = || ["a.example", "b.example", "a.example"].map(|host| line(host, "GET / HTTP/1.1"));
    let scene = Scene::new(&["--access-log-host"]);
    scene.write(lines());
    let metrics = scene.wait(3.0);
    assert_eq!(metrics.with_label(REQUESTS, "host", "a.example"), 2.0);
    assert_eq!(metrics.with_label(REQUESTS, "host", "b.example"), 1.0);
    let scene = Scene::new(&[]);
    scene.write(lines());
    let metrics = scene.wait(3.0);
    assert!(metrics.samples().keys().all(|sample| !sample.contains("host=")), "{metrics:?}");
}

/// The first rule that matches rewrites; what none matches is one bucket; queries never count.
#[test]
fn paths_are_rewritten() {
    let scene = Scene::new(&[
        "--access-log-path-rule=^/api/users/[0-9]+$=/api/users/:id",
        "--access-log-path-rule=^/api/([a-z]+)/.*=/api/$1",
        "--access-log-path-rule=^/static/=/static",
    ]);
    scene.write(
        [
            "GET /api/users/17 HTTP/1.1",
            "GET /api/users/18?x=/static/ HTTP/1.1",
            "GET /api/orders/5/items HTTP/1.1",
            "POST /static/app.js HTTP/2.0",
            "GET /favicon.ico HTTP/1.1",
            "GET /wp-login.php HTTP/1.0",
        ]
        .map(|request| line("h", request)),
    );
    let metrics = scene.wait(6.0);
    let path = |path: &str| metrics.with_label(REQUESTS, "path", path);
    assert_eq!(path("/api/users/:id"), 2.0, "{metrics:?}");
    assert_eq!(path("/api/orders"), 1.0, "{metrics:?}");
    assert_eq!(path("/static"), 1.0, "{metrics:?}");
    assert_eq!(path("other"), 2.0, "{metrics:?}");
}

/// A scan with thousands of hosts fills the cap and no more; nothing is lost but its name.
#[test]
fn series_are_capped() {
    const HOSTS: u32 = 5000;
    const CAP: usize = 50;
    let scene = Scene::new(&["--access-log-host", "--access-log-series-max=50"]);
    scene.write((0..HOSTS).map(|number| line(&format!("h{number}.example"), "GET / HTTP/1.1")));
    let metrics = scene.wait(f64::from(HOSTS));
    let series = metrics.samples().keys().filter(|sample| sample.starts_with(REQUESTS)).count();
    assert!((CAP / 2..=CAP + 1).contains(&series), "{series}");
    assert_eq!(metrics.sum(REQUESTS), f64::from(HOSTS));
    let other = metrics.with_label(REQUESTS, "host", "other");
    assert!(other >= f64::from(HOSTS) - 50.0, "{other}");
    assert!(metrics.sum("nginx_adapter_log_series") <= 51.0);
    assert!(metrics.sum("nginx_adapter_log_series_overflow_total") >= f64::from(HOSTS) - 51.0);
    // A host that has its series keeps it.
    scene.write([line("h0.example", "GET / HTTP/1.1")]);
    assert_eq!(scene.wait(f64::from(HOSTS + 1)).with_label(REQUESTS, "host", "h0.example"), 2.0);
}

/// Methods and statuses are bounded whatever clients send.
#[test]
fn odd_methods_and_statuses_are_other() {
    let scene = Scene::new(&[]);
    scene.write([
        line("h", "GET / HTTP/1.1"),
        line("h", "XYZZY / HTTP/1.1"),
        line("h", ""),
        line("h", "-"),
        line("h", "get / HTTP/1.1"),
        "h \"GET / HTTP/1.1\" 000 0.001".to_owned(),
        "h \"GET / HTTP/1.1\" 499 0.001".to_owned(),
        "h \"GET / HTTP/1.1\" - 0.001".to_owned(),
    ]);
    let metrics = scene.wait(8.0);
    assert_eq!(metrics.with_label(REQUESTS, "method", "other"), 4.0, "{metrics:?}");
    assert_eq!(metrics.with_label(REQUESTS, "status", "499"), 1.0, "{metrics:?}");
    assert_eq!(metrics.with_label(REQUESTS, "status", "other"), 1.0, "{metrics:?}");
}

/// Values that would break the exposition do not.
#[test]
fn labels_are_escaped() {
    let scene = Scene::new(&["--access-log-host"]);
    scene.write([line(r"a\x22b\x5Cc", "GET / HTTP/1.1"), line("ü.example", "GET / HTTP/1.1")]);
    scene.wait(2.0);
    let text = scene.exporter.text();
    let (code, said) = e2e::prometheus::lint(&text);
    assert!(code == 0 || !said.contains("error while linting"), "{said}\n{text}");
}

#[test]
fn buckets_are_as_told() {
    let scene = Scene::new(&["--access-log-buckets=0.02,0.5"]);
    scene.write((0..10).map(|number| format!("h \"GET / HTTP/1.1\" 200 0.{number}00")));
    scene.wait(10.0);
    let text = scene.exporter.text();
    let bucket = |le: &str| {
        let start = "nginx_http_response_duration_seconds_bucket{";
        let line =
            text.lines().find(|it| it.starts_with(start) && it.contains(&format!("le=\"{le}\"")));
        line.unwrap_or_else(|| unreachable!("{le} in {text}")).rsplit_once(' ').unwrap().1
    };
    assert_eq!((bucket("0.02"), bucket("0.5"), bucket("+Inf")), ("1", "6", "10"));
    assert_eq!(text.matches("nginx_http_response_duration_seconds_bucket{").count(), 3);
}

/// Only what the format has is shown.
#[test]
fn families_follow_the_format() {
    let scene = Scene::new(&[]);
    scene.write([line("h", "GET / HTTP/1.1")]);
    let metrics = scene.wait(1.0);
    let names = metrics.names();
    assert!(names.contains(&"nginx_http_response_duration_seconds_count"), "{names:?}");
    for absent in ["upstream", "bytes", "cache"] {
        let found = names.iter().any(|it| it.starts_with("nginx_http_re") && it.contains(absent));
        assert!(!found, "{absent} in {names:?}");
    }
}

#[test]
fn bad_log_settings_are_refused() {
    let rows: [(&[&str], &str); 6] = [
        (&["--access-log=/logs/[a"], "/logs/[a"),
        (&["--access-log=/l", "--access-log-format=no variables"], "no variables"),
        (&["--access-log=/l", "--access-log-path-rule=(=x"], "(=x"),
        (&["--access-log=/l", "--access-log-series-max=many"], "many"),
        (&["--access-log=/l", "--access-log-buckets=1,0.5"], "1,0.5"),
        (&["--syslog-listen=tcp://127.0.0.1:1"], "tcp://127.0.0.1:1"),
    ];
    for (arguments, value) in rows {
        let place = Workplace::new();
        let settings = Settings::adapter(&place).args(arguments);
        let (code, _, stderr) = settings.run_to_end(e2e::pace::SOON);
        assert_eq!(code, 64, "{arguments:?}: {stderr}");
        assert!(stderr.contains(value), "{arguments:?}: {stderr}");
    }
}
