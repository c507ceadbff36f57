//! Every way in which an answer can be wrong: nginx_up 0, a reason, 200 for the scraper.
//!
//! Three scrapes of each fault, then a good page: one line of log when it breaks, one when it is
//! well again, and never a word of the body in either. The peers print the body with every scrape,
//! never say why, and read an endless answer into memory (1.x).

use std::io::Write;
use std::time::{Duration, Instant};

use e2e::exporter::{Exporter, Settings};
use e2e::nginx::Nginx;
use e2e::pace::SOON;
use e2e::upstream::{PAGE, Reply, Upstream, answer};
use e2e::workplace::{Workplace, free_address};

/// In every wrong body.
const MARK: &str = "5ecret-b0dy";
const TIMEOUT: Duration = Duration::from_millis(700);
/// What a slow machine may add to a deadline.
const SLACK: Duration = Duration::from_millis(800);

/// A fault and the reasons that may be given for it.
type Fault = (&'static str, Reply, &'static [&'static str]);

fn page_with(line: usize, text: &str) -> String {
    let mut lines: Vec<&str> = PAGE.lines().collect();
    lines[line] = text;
    format!("{}\n{MARK}\n", lines.join("\n"))
}

fn ok(body: &str) -> Reply {
    Reply::Close(answer("200 OK", "", body))
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn with_body(head: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\n{head}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn bodies() -> Vec<Fault> {
    const PARSE: &[&str] = &["parse"];
    vec![
        ("HTML", ok(&format!("<html><body>{MARK} welcome</body></html>")), PARSE),
        ("empty", ok(""), PARSE),
        ("half a page", ok(PAGE.split_at(60).0), PARSE),
        ("php-fpm's page", ok(&format!("pool: {MARK}\nprocess manager: dynamic\n")), PARSE),
        ("a negative number", ok(&page_with(0, "Active connections: -1")), PARSE),
        ("no number", ok(&page_with(2, " 16630948 5ecret-b0dy 31070465")), PARSE),
        ("a missing number", ok(&page_with(2, " 16630948 16630946")), PARSE),
        ("too large a number", ok(&page_with(2, " 1 1 99999999999999999999")), PARSE),
        ("no digits", ok(&page_with(3, "Reading: Writing: 179 Waiting: 106")), PARSE),
        ("binary", ok("\u{0}\u{1}5ecret-b0dy\u{7f}"), PARSE),
    ]
}

fn statuses() -> Vec<Fault> {
    let status = |line: &str| Reply::Close(answer(line, "", &format!("{MARK}\n{PAGE}")));
    const STATUS: &[&str] = &["status"];
    vec![
        ("201", status("201 Created"), STATUS),
        ("204", Reply::Close(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()), STATUS),
        ("304", Reply::Close(b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec()), STATUS),
        ("403", status("403 Forbidden"), STATUS),
        ("404", status("404 Not Found"), STATUS),
        ("500", status("500 Internal Server Error"), STATUS),
        ("503", status("503 Service Unavailable"), STATUS),
    ]
}

fn redirects() -> Vec<Fault> {
    let to = |location: &str| {
        let header = format!("location: {location}\r\n");
        Reply::Close(answer("302 Found", &header, MARK))
    };
    vec![
        ("a redirect loop", to("/stub_status"), &["redirect"]),
        ("off to another host", to("http://127.0.0.1:1/5ecret-b0dy"), &["redirect"]),
        ("nowhere", Reply::Close(answer("302 Found", "", MARK)), &["redirect", "status"]),
    ]
}

fn broken() -> Vec<Fault> {
    let close = |text: &str| Reply::Close(text.replace('\n', "\r\n").into_bytes());
    const BROKEN: &[&str] = &["protocol", "interrupted", "truncated"];
    vec![
        ("a garbage status line", close("5ecret-b0dy status\n\n"), BROKEN),
        ("HTTP/0.9", Reply::Close(PAGE.as_bytes().to_vec()), BROKEN),
        ("nothing at all", Reply::Close(Vec::new()), BROKEN),
        ("a reset", Reply::Reset(Vec::new()), BROKEN),
        ("half a head", close("HTTP/1.1 200 OK\ncontent-"), BROKEN),
        (
            "a reset in the body",
            Reply::Reset(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nActive".to_vec()),
            BROKEN,
        ),
        (
            "less than its length",
            Reply::Close(format!("HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{PAGE}").into()),
            &["truncated"],
        ),
        (
            "chunks without an end",
            close(&format!("HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n5\n{}\n", "Activ")),
            &["truncated"],
        ),
        (
            "a broken chunk",
            close("HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\nzz\n5ecret-b0dy\n0\n\n"),
            BROKEN,
        ),
        (
            "a head without an end",
            Reply::Endless(b"HTTP/1.1 200 OK\r\n5ecret-b0dy: ".to_vec()),
            &["protocol", "too_large"],
        ),
    ]
}

fn encodings() -> Vec<Fault> {
    let bomb = gzip(&vec![b'A'; 50_000_000]);
    let page = gzip(PAGE.as_bytes());
    vec![
        (
            "no gzip",
            Reply::Close(with_body("content-encoding: gzip\r\n", MARK.as_bytes())),
            &["encoding"],
        ),
        (
            "half a gzip",
            Reply::Close(with_body("content-encoding: gzip\r\n", &page[..page.len() / 2])),
            &["encoding", "truncated"],
        ),
        (
            "an unknown encoding",
            Reply::Close(with_body("content-encoding: br\r\n", MARK.as_bytes())),
            &["encoding"],
        ),
        (
            "a bomb",
            Reply::Close(with_body("content-encoding: gzip\r\n", &bomb)),
            &["too_large", "encoding"],
        ),
    ]
}

fn sizes() -> Vec<Fault> {
    let large = "Active connections: 1 \n".repeat(5000);
    vec![
        ("100 KiB", ok(&large), &["too_large"]),
        ("endless", Reply::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()), &["too_large"]),
        (
            "a length of gigabytes",
            Reply::Silence(b"HTTP/1.1 200 OK\r\ncontent-length: 9999999999\r\n\r\n".to_vec()),
            &["too_large", "timeout"],
        ),
    ]
}

fn slow() -> Vec<Fault> {
    let page = answer("200 OK", "", PAGE);
    vec![
        ("silence", Reply::Silence(Vec::new()), &["timeout"]),
        ("half an answer", Reply::Silence(page[..page.len() - 20].to_vec()), &["timeout"]),
        ("drops", Reply::Drip(page, Duration::from_millis(50)), &["timeout"]),
    ]
}

/// The reasons with a count above 0.
fn reasons(exporter: &Exporter) -> Vec<(String, f64)> {
    let text = exporter.text();
    let lines = text.lines().filter(|line| line.starts_with("nginx_scrape_errors_total{"));
    let reason =
        |line: &str| line.split("reason=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let count = |line: &str| line.rsplit_once(' ').unwrap().1.parse().unwrap();
    lines.map(|line| (reason(line), count(line))).collect()
}

fn complaints(log: &str) -> usize {
    log.lines().filter(|line| line.contains("\"level\":\"WARN\"")).count()
}

/// Three scrapes of each fault and one of a good page, each fault with an exporter of its own.
fn check(faults: Vec<Fault>) {
    let timeout = format!("-nginx.timeout={}ms", TIMEOUT.as_millis());
    for (name, reply, expected) in faults {
        let place = Workplace::new();
        let upstream = Upstream::start(Reply::page(PAGE));
        let exporter = Settings::adapter(&place).arg(&timeout).scrape(&upstream.uri()).start();
        assert!(exporter.is_up(), "{name}");
        upstream.set(reply);
        for _scrape in 0..3 {
            let answer = exporter.get("/metrics");
            assert_eq!(answer.status, 200, "{name}");
            assert!(answer.took < TIMEOUT + SLACK, "{name}: {:?}", answer.took);
            let text = answer.text();
            assert!(text.contains("\nnginx_up 0\n"), "{name}: {text}");
            assert!(!text.contains("nginx_connections") && !text.contains(MARK), "{name}: {text}");
        }
        upstream.set(Reply::page(PAGE));
        exporter.wait_up(true);
        let log = exporter.log();
        assert!(!log.contains(MARK), "{name}: {log}");
        assert_eq!(complaints(&log), 1, "{name}: {log}");
        let reasons = reasons(&exporter);
        assert!(
            reasons.iter().all(|(it, _)| expected.contains(&it.as_str())),
            "{name}: {reasons:?}"
        );
        // The counter of the third scrape is in the answer to it or to the next one.
        assert!(reasons.iter().map(|(_, count)| count).sum::<f64>() >= 3.0, "{name}: {reasons:?}");
    }
}

#[test]
fn wrong_bodies() {
    check(bodies());
}

#[test]
fn wrong_statuses() {
    check(statuses());
}

#[test]
fn wrong_redirects() {
    check(redirects());
}

#[test]
fn broken_answers() {
    check(broken());
}

#[test]
fn wrong_encodings() {
    check(encodings());
}

#[test]
fn too_much() {
    check(sizes());
}

#[test]
fn too_slow() {
    check(slow());
}

/// 1.5.1 needed 3 GB for this.
#[test]
fn an_endless_answer_does_not_fill_the_memory() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let mut exporter = Settings::adapter(&place).scrape(&upstream.uri()).start();
    assert!(exporter.is_up());
    let before = exporter.process().rss_peak_bytes();
    upstream.set(Reply::Endless(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n".to_vec()));
    for _scrape in 0..20 {
        assert!(!exporter.is_up());
    }
    let grown = exporter.process().rss_peak_bytes() - before;
    assert!(grown < 2 << 20, "{grown} bytes more");
}

/// What cannot even be connected to.
#[test]
fn nobody_there() {
    let nobody = free_address();
    let nginxs = Workplace::new();
    let without_tls = Nginx::start(nginxs.path(), &nginxs.logs());
    for (uri, expected) in [
        (format!("http://{nobody}/stub_status"), "connect"),
        ("http://no-such-host.invalid/stub_status".to_owned(), "resolve"),
        ("unix:/no/such/socket:/stub_status".to_owned(), "connect"),
        (format!("https://{}/stub_status", without_tls.address()), "tls"),
    ] {
        let place = Workplace::new();
        let exporter = Settings::adapter(&place).scrape(&uri).start();
        assert!(!exporter.is_up(), "{uri}");
        assert_eq!(reasons(&exporter)[0].0, expected, "{uri}");
    }
}

/// What is unusual and yet a page.
#[test]
fn unusual_pages_are_read() {
    let chunked = |body: &str| {
        format!(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        )
    };
    let tengine = PAGE.replace("handled requests", "handled requests request_time");
    let redirected = answer("302 Found", "location: /elsewhere?x=1\r\n", "");
    let pages: Vec<(&str, Vec<Reply>)> = vec![
        ("CR LF", vec![ok(&PAGE.replace('\n', "\r\n"))]),
        ("no trailing spaces", vec![ok(&PAGE.replace(" \n", "\n"))]),
        ("no last line end", vec![ok(PAGE.trim_end())]),
        ("a line more", vec![ok(&format!("{PAGE}something else\n"))]),
        ("a blank line first", vec![ok(&format!("\n{PAGE}"))]),
        ("a byte order mark", vec![ok(&format!("\u{feff}{PAGE}"))]),
        ("Tengine", vec![ok(&tengine.replace("31070465", "31070465 99999"))]),
        ("chunks", vec![Reply::Close(chunked(PAGE).into())]),
        ("HTTP/1.0", vec![Reply::Close(format!("HTTP/1.0 200 OK\r\n\r\n{PAGE}").into())]),
        (
            "gzip",
            vec![Reply::Close(with_body("content-encoding: gzip\r\n", &gzip(PAGE.as_bytes())))],
        ),
        ("a redirect", vec![Reply::Close(redirected), ok(PAGE)]),
    ];
    for (name, replies) in pages {
        let place = Workplace::new();
        let upstream = Upstream::start(Reply::page(PAGE));
        let exporter = Settings::adapter(&place).scrape(&upstream.uri()).start();
        upstream.set(ok("wrong"));
        upstream.set_first(replies);
        let metrics = exporter.metrics();
        assert_eq!(metrics.value("nginx_up"), Some(1.0), "{name}: {}", exporter.log());
        assert_eq!(metrics.value("nginx_connections_writing"), Some(179.0), "{name}");
        assert_eq!(metrics.value("nginx_http_requests_total"), Some(31_070_465.0), "{name}");
    }
}

/// A connection that nginx closed between two scrapes is no failure.
#[test]
fn a_stale_connection_is_replaced() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let exporter = Settings::adapter(&place).scrape(&upstream.uri()).start();
    assert!(exporter.is_up());
    assert!(exporter.is_up());
    assert_eq!(upstream.connections(), 1, "the connection is kept");
    // Its next answer on the kept connection is its end; the one on a new connection is good.
    upstream.set_first([Reply::Close(Vec::new())]);
    let start = Instant::now();
    assert!(exporter.is_up(), "{}", exporter.log());
    assert!(start.elapsed() < SOON);
    assert_eq!(upstream.connections(), 2);
}
