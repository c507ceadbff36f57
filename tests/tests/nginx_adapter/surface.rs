//! What it serves: paths, methods, media types, compression, unix sockets.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use e2e::client::{Address, Request};
use e2e::exporter::{Exporter, Settings};
use e2e::metrics::Metrics;
use e2e::upstream::{PAGE, Reply, Upstream};
use e2e::workplace::{Workplace, free_address};

/// What Prometheus 2.42 sends.
const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0,\
                          application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

fn with_page(place: &Workplace, arguments: &[&str]) -> (Upstream, Exporter) {
    let upstream = Upstream::start(Reply::page(PAGE));
    let exporter = Settings::adapter(place).scrape(&upstream.uri()).args(arguments).start();
    (upstream, exporter)
}

#[test]
fn paths() {
    let place = Workplace::new();
    let (upstream, exporter) = with_page(&place, &["--web.telemetry-path=/nginx/metrics"]);
    let landing = exporter.get("/");
    assert_eq!(landing.status, 200);
    assert!(landing.header("content-type").unwrap().starts_with("text/html"), "{}", landing.head);
    assert!(landing.text().contains("href=\"/nginx/metrics\""), "{}", landing.text());
    assert_eq!((exporter.get("/healthz").status, exporter.get("/readyz").status), (200, 200));
    for path in
        ["/metrics", "/nothing", "/nginx", "/nginx/metrics/", "/debug/pprof", "/stub_status"]
    {
        assert_eq!(exporter.get(path).status, 404, "{path}");
    }
    assert_eq!(upstream.requests().len(), 0, "none of these asks nginx");
    assert_eq!(exporter.get("/nginx/metrics").status, 200);
    assert_eq!(exporter.get("/nginx/metrics?name[]=nginx_up").status, 200);
    assert_eq!(upstream.requests().len(), 2);
}

/// `/` as the telemetry path: metrics there, and the probes where they are.
#[test]
fn metrics_at_the_root() {
    let place = Workplace::new();
    let (_upstream, exporter) = with_page(&place, &["-web.telemetry-path=/"]);
    assert!(exporter.get("/").text().contains("\nnginx_up 1\n"));
    assert_eq!(exporter.get("/healthz").status, 200);
}

#[test]
fn methods() {
    let place = Workplace::new();
    let (_upstream, exporter) = with_page(&place, &[]);
    let head = exporter.ask(&Request::new("HEAD", "/metrics"));
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-type"), Some(TEXT));
    assert_eq!(exporter.ask(&Request::new("HEAD", "/healthz")).status, 200);
    let post = exporter.ask(&Request::new("POST", "/metrics").header("content-length", "0"));
    assert!(matches!(post.status, 200 | 405), "{}", post.status);
}

/// Prometheus prefers OpenMetrics whatever the server thinks, so it gets text, as from the peer.
#[test]
fn text_unless_it_is_refused() {
    let place = Workplace::new();
    let (_upstream, exporter) = with_page(&place, &[]);
    let text_for = [PROMETHEUS, "*/*", "", "text/plain", "text/html,*/*;q=0.1", "nonsense"];
    for accept in text_for {
        let answer = exporter.ask(&Request::get("/metrics").header("accept", accept));
        assert_eq!(answer.header("content-type"), Some(TEXT), "{accept}");
        assert!(!answer.text().contains("# EOF"), "{accept}");
        assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()));
    }
    for accept in [
        "application/openmetrics-text",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        "application/openmetrics-text,text/plain;q=0",
    ] {
        let answer = exporter.ask(&Request::get("/metrics").header("accept", accept));
        check_open_metrics(answer.header("content-type").unwrap(), answer.text());
    }
}

#[test]
fn open_metrics_when_told() {
    let place = Workplace::new();
    let (_upstream, exporter) = with_page(&place, &["--web.openmetrics"]);
    let answer = exporter.ask(&Request::get("/metrics").header("accept", PROMETHEUS));
    check_open_metrics(answer.header("content-type").unwrap(), answer.text());
    let plain = exporter.ask(&Request::get("/metrics").header("accept", "text/plain"));
    assert_eq!(plain.header("content-type"), Some(TEXT));
}

/// The same names; what ends in no `_total` cannot be a counter there.
fn check_open_metrics(content_type: &str, text: &str) {
    assert!(content_type.starts_with("application/openmetrics-text; version=1.0.0"));
    assert!(text.ends_with("\n# EOF\n") && text.matches("# EOF").count() == 1, "{text}");
    for line in [
        "# TYPE nginx_connections_accepted unknown",
        "nginx_connections_accepted 1.6630948e+07",
        "# TYPE nginx_connections_handled unknown",
        "# TYPE nginx_http_requests counter",
        "nginx_http_requests_total 3.1070465e+07",
        "# TYPE nginx_up gauge",
        "nginx_up 1",
    ] {
        let found = text.lines().any(|it| it == line);
        // A number may be written in another way here, as long as it is the same.
        let number = line.rsplit_once(' ').and_then(|(name, value)| {
            let value: f64 = value.parse().ok()?;
            Some(Metrics::parse(text).value(name) == Some(value))
        });
        assert!(found || number == Some(true), "no {line} in {text}");
    }
}

/// A large answer; a small one fits into a packet or two, and compressing it would only cost time.
#[test]
fn gzip_for_those_who_take_it() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let targets = (0..20).map(|number| format!("{}?page={number}", upstream.uri()));
    let exporter = targets.fold(Settings::adapter(&place), |it, uri| it.scrape(&uri)).start();
    let plain = exporter.get("/metrics");
    assert_eq!(plain.header("content-encoding"), None);
    for taken in ["gzip", "deflate, gzip;q=1.0, *;q=0.5"] {
        let zipped = exporter.ask(&Request::get("/metrics").header("accept-encoding", taken));
        assert!(zipped.body.len() < plain.body.len() / 4, "{} bytes", zipped.body.len());
        let text = zipped.gunzipped();
        assert_eq!(text.matches("\nnginx_up{").count(), 20, "{text}");
    }
    for refusal in ["identity", "gzip;q=0", "zstd, br"] {
        let answer = exporter.ask(&Request::get("/metrics").header("accept-encoding", refusal));
        assert_eq!(answer.header("content-encoding"), None, "{refusal}");
    }
}

/// Lost in 1.x; Prometheus has learnt to scrape such sockets since.
#[test]
fn it_listens_on_a_unix_socket() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let socket = place.path().join("metrics.sock");
    let listen = format!("-web.listen-address=unix:{}", socket.display());
    let settings = Settings::adapter(&place).scrape(&upstream.uri()).arg(listen);
    let exporter = settings.start_at(Address::Unix(socket.clone()));
    assert!(exporter.is_up());
    assert_eq!(exporter.get("/healthz").status, 200);
    exporter.kill9();
    assert!(socket.exists(), "a killed one leaves it behind");
    let exporter = settings.start_at(Address::Unix(socket.clone()));
    assert!(exporter.is_up());
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_ne!(mode & 0o200, 0, "{mode:o}");
    exporter.stop();
    assert!(!socket.exists(), "and one that ends takes it away");
}

/// A file that is no socket is not removed for one.
#[test]
fn a_file_in_the_way_is_a_start_failure() {
    let place = Workplace::new();
    let file = place.path().join("precious");
    fs::write(&file, "data").unwrap();
    let listen = format!("-web.listen-address=unix:{}", file.display());
    let (code, _, stderr) = Settings::adapter(&place).arg(listen).run_to_end(e2e::pace::SOON);
    assert_eq!(code, 69, "{stderr}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "data");
}

/// A socket that a service manager opened, handed over as descriptor 3.
#[test]
fn it_serves_at_a_passed_socket() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let settings = Settings::adapter(&place).scrape(&upstream.uri());
    let adapter = settings.arg("--web.systemd-socket").command();
    let mut shell = e2e::process::command("sh");
    shell.args(["-c", "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\" 3<&0 0</dev/null"]);
    shell.arg(adapter.get_program()).args(adapter.get_args());
    shell.stdin(std::os::fd::OwnedFd::from(listener));
    let mut guard = e2e::process::Guard::spawn(shell, place.path(), "passed");
    let answer = Request::get("/metrics").send(&address.into()).unwrap();
    assert!(answer.text().contains("\nnginx_up 1\n"), "{}", answer.text());
    guard.signal(e2e::process::Signal::TERM);
    assert_eq!(guard.wait_code(e2e::pace::SOON), 0, "{}", guard.stderr_text());
}

/// The probe of the command line asks where the process listens, told by the same settings.
#[test]
fn the_healthcheck_knows_the_peers_settings() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let socket = place.path().join("metrics.sock");
    let port = free_address();
    for (listen, address) in [
        (format!("-web.listen-address={port}"), Address::Tcp(port)),
        (format!("-web.listen-address=unix:{}", socket.display()), Address::Unix(socket.clone())),
    ] {
        let settings = Settings::adapter(&place).scrape(&upstream.uri()).arg(&listen);
        let probe = |word: &str| {
            let settings = Settings::adapter(&place).arg(&listen).arg("healthcheck");
            let settings = if word.is_empty() { settings } else { settings.arg(word) };
            settings.run_to_end(e2e::pace::SOON).0
        };
        assert_eq!(probe(""), 1, "{listen}: nobody is there yet");
        let exporter = settings.start_at(address);
        assert_eq!((probe(""), probe("--ready")), (0, 0), "{listen}");
        exporter.stop();
    }
}

/// Two requests on one connection: a scraper keeps it.
#[test]
fn connections_are_kept() {
    use std::io::{BufRead, BufReader, Read, Write};
    let place = Workplace::new();
    let (_upstream, exporter) = with_page(&place, &[]);
    let mut stream = std::net::TcpStream::connect(exporter.port()).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    for _request in 0..3 {
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        assert!(String::from_utf8(body).unwrap().contains("\nnginx_up 1\n"));
    }
}
