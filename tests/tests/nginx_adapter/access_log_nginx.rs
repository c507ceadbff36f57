//! Access logs that a real nginx writes, buffered as recommended, under load from wrk.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use e2e::exporter::{Exporter, Settings};
use e2e::metrics::{self, Metrics};
use e2e::nginx::{Nginx, Site};
use e2e::pace::{SOON, paced};
use e2e::workplace::Workplace;

const FORMAT: &str = "$remote_addr [$time_local] \"$request\" $status $body_bytes_sent \
                      $request_time $upstream_response_time $request_length";
const REQUESTS: &str = "nginx_http_response_requests_total";
const WRK_SECONDS: u32 = 4;
const CONNECTIONS: u32 = 4;

fn site(place: &Workplace) -> Site {
    Site::new(place.path(), &place.logs())
        .http(&format!("log_format timed '{}';\n", FORMAT.replace(" $status", "' ' $status")))
        .access_log(&format!("{} timed buffer=64k flush=1s", place.log("timed.log").display()))
}

fn settings(place: &Workplace, site: &Site) -> Settings {
    Settings::adapter(place)
        .scrape(&site.status_uri())
        .arg(format!("--access-log={}", place.log("timed.log").display()))
        .arg(format!("--access-log-format={FORMAT}"))
}

/// Waits until what nginx counted is counted, and no more.
#[expect(clippy::cast_precision_loss, reason = "a few million requests")]
fn wait_all(exporter: &Exporter, requests: u64) -> Metrics {
    let metrics = exporter.wait_metrics("all lines", |it| it.sum(REQUESTS) >= requests as f64);
    assert_eq!(metrics.sum(REQUESTS), requests as f64);
    assert_eq!(metrics.sum("nginx_adapter_log_lines_unparsed_total"), 0.0);
    metrics
}

/// Requests that are in the log: all but those for the status page.
fn logged(nginx: &Nginx, exporter: &Exporter, status_requests: u64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number")]
    let requests = exporter.metrics().sum("nginx_http_requests_total") as u64;
    assert!(requests > 1000, "{requests} requests are no load for {}", nginx.pid());
    requests - status_requests
}

/// Lines counted are nginx's own requests, through two reopenings under load.
#[test]
fn lines_are_the_requests_of_nginx() {
    let place = Workplace::new();
    let site = site(&place);
    let nginx = site.start();
    let exporter = settings(&place, &site).start_ready();
    let before = nginx.requests();
    let mut wrk = nginx.wrk(WRK_SECONDS, CONNECTIONS);
    paced(2, Duration::from_secs(1), |round| {
        let log = place.log("timed.log");
        fs::rename(&log, log.with_extension(format!("log.{round}"))).unwrap();
        nginx.reopen();
    });
    assert_eq!(wrk.wait_code(SOON), 0);
    // The page of this scrape counts `before`'s page, and itself.
    let lines = logged(&nginx, &exporter, before + 1);
    let metrics = wait_all(&exporter, lines);
    let ok = metrics.with_labels(REQUESTS, &[("method", "GET"), ("status", "200")]);
    assert_eq!(ok, metrics.sum(REQUESTS));
    let bytes = metrics.sum("nginx_http_response_bytes_total");
    // "hello\n"; wrk closes connections at its end, and then less was sent.
    assert!(bytes <= 6.0 * ok && bytes > 6.0 * (ok - f64::from(CONNECTIONS) - 1.0), "{bytes}");
    exporter.stop();
}

/// The file never holds much more than its bound on disk, and no line is lost to that.
#[test]
fn a_reclaimed_log_stays_small() {
    const BOUND: u64 = 1 << 20;
    let place = Workplace::new();
    let site = site(&place);
    let nginx = site.start();
    let exporter =
        settings(&place, &site).arg(format!("--access-log-reclaim={BOUND}")).start_ready();
    let log = place.log("timed.log");
    let before = nginx.requests();
    let mut most = 0;
    let mut wrk = nginx.wrk(3 * WRK_SECONDS, CONNECTIONS);
    while wrk.is_running() {
        most = most.max(on_disk(&log));
    }
    assert_eq!(wrk.wait_code(SOON), 0);
    let lines = logged(&nginx, &exporter, before + 1);
    let metrics = wait_all(&exporter, lines);
    let length = fs::metadata(&log).unwrap().len();
    assert!(length > 3 * BOUND, "{length} bytes are not enough to see it");
    assert!(most < 2 * BOUND, "{most} bytes on disk of {length}");
    assert!(metrics.sum("nginx_adapter_log_reclaimed_bytes_total") > 0.0);
    exporter.stop();
}

fn on_disk(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |metadata| metadata.blocks() * 512)
}

/// The preset for nginx's own default, and malformed requests as nginx logs them.
#[test]
fn the_combined_format() {
    let place = Workplace::new();
    let log = place.log("combined.log");
    let site = Site::new(place.path(), &place.logs())
        .access_log(&format!("{} combined", log.display()))
        .server("location = /gone { return 410; }\n");
    let nginx = site.start();
    for arguments in [&["--access-log-format=combined"][..], &[]] {
        let exporter = Settings::adapter(&place)
            .scrape(&site.status_uri())
            .arg(format!("--access-log={}", log.display()))
            .args(arguments)
            .start_ready();
        nginx.get(3);
        assert_eq!(metrics::get(nginx.address(), "/gone").unwrap().0, 410);
        assert_eq!(metrics::request(nginx.address(), "BREW", "/").unwrap().0, 405);
        send_garbage(&nginx);
        let shown = exporter.wait_metrics("six lines", |it| it.sum(REQUESTS) >= 6.0);
        let count = |method: &str, status: &str| {
            shown.with_labels(REQUESTS, &[("method", method), ("status", status)])
        };
        assert_eq!((count("GET", "200"), count("GET", "410")), (3.0, 1.0), "{shown:?}");
        assert_eq!((count("other", "405"), count("other", "400")), (1.0, 1.0), "{shown:?}");
        exporter.stop();
    }
}

fn send_garbage(nginx: &Nginx) {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(nginx.address()).unwrap();
    stream.write_all(b"\x16\x03\x01 no request \"\\\n\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
}

/// What the preset `json` stands for, as a configuration has it.
const JSON: &str = r#"log_format preset escape=json
    '{"msec":"$msec","time":"$time_iso8601","host":"$host",'
    '"method":"$request_method","uri":"$request_uri","status":"$status",'
    '"request_time":"$request_time","upstream_response_time":"$upstream_response_time",'
    '"upstream_connect_time":"$upstream_connect_time",'
    '"upstream_header_time":"$upstream_header_time",'
    '"upstream_cache_status":"$upstream_cache_status","request_length":"$request_length",'
    '"bytes_sent":"$bytes_sent","body_bytes_sent":"$body_bytes_sent"}';
log_format own escape=json '{"took":$request_time,"agent":"$http_user_agent",'
    '"request":"$request","status":$status}';
"#;
const OWN: &str = r#"escape=json {"took":$request_time,"agent":"$http_user_agent",
    "request":"$request","status":$status}"#;

/// JSON lines of the preset and of a configuration's own, with what has to be escaped in them.
#[test]
fn json_formats() {
    let own = OWN.replace("\n    ", "");
    for (name, format) in [("preset", "json"), ("own", own.as_str())] {
        let place = Workplace::new();
        let log = place.log("json.log");
        let site = Site::new(place.path(), &place.logs())
            .http(JSON)
            .access_log(&format!("{} {name}", log.display()));
        let nginx = site.start();
        let exporter = Settings::adapter(&place)
            .scrape(&site.status_uri())
            .arg(format!("--access-log={}", log.display()))
            .arg(format!("--access-log-format={format}"))
            .start_ready();
        nginx.get(2);
        let odd = e2e::client::Request::get("/?\"}{").header("user-agent", "a \"quoted\\\" agent");
        assert_eq!(odd.send(&nginx.address().into()).unwrap().status, 200);
        let shown = exporter.wait_metrics("three lines", |it| it.sum(REQUESTS) >= 3.0);
        assert_eq!(shown.with_labels(REQUESTS, &[("method", "GET"), ("status", "200")]), 3.0);
        assert_eq!(shown.sum("nginx_http_response_duration_seconds_count"), 3.0);
        assert_eq!(shown.sum("nginx_adapter_log_lines_unparsed_total"), 0.0, "{name}");
        exporter.stop();
    }
}
