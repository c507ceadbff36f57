//! Bad settings end with 64 and one line each that names the setting and the value.

use e2e::exporter::{Settings, listen_on};
use e2e::pace::SOON;
use e2e::workplace::{Workplace, free_address};

/// Arguments that must be refused, with the setting and the value that the line must name.
const BAD: [(&[&str], &str, &str); 24] = [
    (&["-nginx.timeout=5"], "nginx.timeout", "5"),
    (&["-nginx.timeout=-5s"], "nginx.timeout", "-5s"),
    (&["--nginx.timeout=later"], "nginx.timeout", "later"),
    (&["-nginx.retries=-1"], "nginx.retries", "-1"),
    (&["-nginx.retries", "many"], "nginx.retries", "many"),
    (&["-nginx.retry-interval=5"], "nginx.retry-interval", "5"),
    (&["-nginx.retry-interval=-1s"], "nginx.retry-interval", "-1s"),
    (&["-nginx.ssl-verify=maybe"], "nginx.ssl-verify", "maybe"),
    (&["--nginx.scrape-uri=localhost:8080/stub_status"], "nginx.scrape-uri", "localhost:8080"),
    (&["--nginx.scrape-uri=unix:/a:/b:/c"], "nginx.scrape-uri", "unix:/a:/b:/c"),
    (&["--nginx.scrape-uri=ftp://127.0.0.1/"], "nginx.scrape-uri", "ftp://127.0.0.1/"),
    (&["--nginx.scrape-uri=http://127.0.0.1:99999/"], "nginx.scrape-uri", "99999"),
    (&["--nginx.scrape-uri=http:///stub_status"], "nginx.scrape-uri", "http:///stub_status"),
    (
        &["--nginx.scrape-uri=http://127.0.0.1:1/", "--nginx.scrape-uri=http://127.0.0.1:1/"],
        "nginx.scrape-uri",
        "http://127.0.0.1:1/",
    ),
    (&["--web.listen-address=nowhere"], "web.listen-address", "nowhere"),
    (&["--web.listen-address=127.0.0.1:99999"], "web.listen-address", "127.0.0.1:99999"),
    (&["--web.telemetry-path=metrics"], "web.telemetry-path", "metrics"),
    (&["--prometheus.const-label=novalue"], "prometheus.const-label", "novalue"),
    (&["--prometheus.const-labels=a=b,novalue"], "prometheus.const-label", "novalue"),
    (&["--nginx.plus"], "nginx.plus", "true"),
    (&["-nginx.plus=true"], "nginx.plus", "true"),
    (&["--log.level=loud"], "log", "loud"),
    (&["--log.format=xml"], "log", "xml"),
    (&["--no-such-flag"], "no-such-flag", "no-such-flag"),
];

const BAD_VARIABLES: [(&str, &str); 10] = [
    ("SCRAPE_URI", "localhost:8080/stub_status"),
    ("LISTEN_ADDRESS", "nowhere"),
    ("TIMEOUT", "5"),
    ("NGINX_RETRIES", "many"),
    ("NGINX_RETRY_INTERVAL", "soon"),
    ("SSL_VERIFY", "maybe"),
    ("NGINX_PLUS", "true"),
    ("PROXY_PROTOCOL", "maybe"),
    ("CONST_LABELS", "novalue"),
    ("SECURED_METRICS", "maybe"),
];

/// Lines of stderr that complain.
fn complaints(stderr: &str) -> Vec<&str> {
    stderr.lines().filter(|line| line.contains("\"level\":\"ERROR\"")).collect()
}

#[test]
fn bad_arguments_are_named() {
    let place = Workplace::new();
    for (arguments, setting, value) in BAD {
        let (code, stdout, stderr) = Settings::adapter(&place).args(arguments).run_to_end(SOON);
        assert_eq!(code, 64, "{arguments:?}: {stderr}");
        assert_eq!(stdout, "", "{arguments:?}");
        let complaints = complaints(&stderr);
        assert_eq!(complaints.len(), 1, "{arguments:?}: {stderr}");
        let named = complaints[0].contains(setting) && complaints[0].contains(value);
        assert!(named, "{arguments:?}: {stderr}");
    }
}

#[test]
fn bad_variables_are_named() {
    let place = Workplace::new();
    for (name, value) in BAD_VARIABLES {
        let settings = Settings::adapter(&place).env(name, value);
        let (code, _stdout, stderr) = settings.run_to_end(SOON);
        assert_eq!(code, 64, "{name}={value}: {stderr}");
        let complaints = complaints(&stderr);
        assert_eq!(complaints.len(), 1, "{name}={value}: {stderr}");
        assert!(complaints[0].contains(value), "{name}={value}: {stderr}");
    }
}

#[test]
fn everything_bad_is_told_at_once() {
    let place = Workplace::new();
    let settings = Settings::adapter(&place)
        .args(&["-nginx.timeout=5", "-nginx.retries=many", "--prometheus.const-label=x"])
        .env("NGINX_RETRY_INTERVAL", "soon");
    let (code, _stdout, stderr) = settings.run_to_end(SOON);
    assert_eq!(code, 64, "{stderr}");
    assert_eq!(complaints(&stderr).len(), 4, "{stderr}");
}

/// Plus is another product; silence would leave its dashboards empty.
#[test]
fn nginx_plus_is_said_to_be_unsupported() {
    let place = Workplace::new();
    let (code, _stdout, stderr) = Settings::adapter(&place).arg("--nginx.plus").run_to_end(SOON);
    assert_eq!(code, 64, "{stderr}");
    assert!(stderr.contains("not supported"), "{stderr}");
}

/// A password in a URI is no reason to print it.
#[test]
fn a_refused_uri_keeps_its_password() {
    let place = Workplace::new();
    let bad = "--nginx.scrape-uri=ftp://user:hunter2@127.0.0.1/";
    let (code, _stdout, stderr) = Settings::adapter(&place).arg(bad).run_to_end(SOON);
    assert_eq!(code, 64, "{stderr}");
    assert!(!stderr.contains("hunter2"), "{stderr}");
}

#[test]
fn a_taken_port_is_a_start_failure() {
    let place = Workplace::new();
    let taken = std::net::TcpListener::bind(free_address()).unwrap();
    let address = taken.local_addr().unwrap();
    let settings = Settings::adapter(&place).arg(listen_on(address));
    let (code, _stdout, stderr) = settings.run_to_end(SOON);
    assert_eq!(code, 69, "{stderr}");
    assert!(stderr.contains(&address.to_string()), "{stderr}");
}
