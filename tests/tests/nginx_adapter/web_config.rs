//! `web.config.file` as exporter-toolkit reads it, and the flags that it replaced.
//!
//! Ours keeps the probes out of basic authentication: a kubelet has no password to send. The peer
//! asks for it on every path.

use std::fs;
use std::path::{Path, PathBuf};

use e2e::certificates::Authority;
use e2e::client::{Address, Request};
use e2e::curl::{Fetched, curl};
use e2e::exporter::{Exporter, Settings, listen_on};
use e2e::pace::{SOON, wait_until};
use e2e::upstream::{PAGE, Reply, Upstream};
use e2e::workplace::{Workplace, free_address};

/// `prometheus:s3cret:pass`; bcrypt with the least cost, because a test is no attacker.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuuKOSavFhQn.RIV2f0iqt5efCt3jRplr6";
const USER: &str = "prometheus";
const PASSWORD: &str = "s3cret:pass";
/// Of `prometheus:s3cret:pass`, `prometheus:wrong` and `nobody:s3cret:pass`.
const GOOD: &str = "Basic cHJvbWV0aGV1czpzM2NyZXQ6cGFzcw==";
const WRONG: [&str; 5] = [
    "Basic cHJvbWV0aGV1czp3cm9uZw==",
    "Basic bm9ib2R5OnMzY3JldDpwYXNz",
    "Basic cHJvbWV0aGV1cw==",
    "Basic %%%",
    "Bearer cHJvbWV0aGV1czpzM2NyZXQ6cGFzcw==",
];

fn write_config(place: &Workplace, text: &str) -> PathBuf {
    let file = place.path().join("web.yml");
    fs::write(&file, text).unwrap();
    file
}

fn settings(place: &Workplace, upstream: &Upstream, text: &str) -> Settings {
    let file = write_config(place, text);
    let argument = format!("--web.config.file={}", file.display());
    Settings::adapter(place).scrape(&upstream.uri()).arg(argument)
}

fn status_with(exporter: &Exporter, path: &str, authorization: Option<&str>) -> u16 {
    let request = Request::get(path);
    let request = match authorization {
        Some(value) => request.header("authorization", value),
        None => request,
    };
    exporter.ask(&request).status
}

#[test]
fn basic_authentication() {
    let place = Workplace::new();
    for prefix in ["$2b$", "$2y$", "$2a$"] {
        let upstream = Upstream::start(Reply::page(PAGE));
        let hash = HASH.replace("$2b$", prefix);
        let text = format!("basic_auth_users:\n  {USER}: {hash}\n");
        let exporter = settings(&place, &upstream, &text).start();
        let refused = exporter.get("/metrics");
        assert_eq!(refused.status, 401);
        assert!(refused.header("www-authenticate").unwrap().starts_with("Basic"));
        assert_eq!(exporter.get("/").status, 401);
        for wrong in WRONG {
            assert_eq!(status_with(&exporter, "/metrics", Some(wrong)), 401, "{wrong}");
        }
        assert_eq!(upstream.requests().len(), 0, "nginx is not asked for strangers");
        for _again in 0..2 {
            assert_eq!(status_with(&exporter, "/metrics", Some(GOOD)), 200, "{prefix}");
        }
        for path in ["/healthz", "/readyz"] {
            assert_eq!(status_with(&exporter, path, None), 200, "{path}");
        }
        let log = exporter.stop();
        assert!(!log.contains(PASSWORD) && !log.contains(&hash), "{log}");
    }
}

/// A user that is added works without a restart; one that is taken away does not.
#[test]
fn a_changed_file_is_read() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let text = format!("basic_auth_users:\n  other: {HASH}\n");
    let exporter = settings(&place, &upstream, &text).start();
    assert_eq!(status_with(&exporter, "/metrics", Some(GOOD)), 401);
    write_config(&place, &format!("basic_auth_users:\n  {USER}: {HASH}\n"));
    let admitted = || status_with(&exporter, "/metrics", Some(GOOD)) == 200;
    wait_until("the new user", SOON, admitted);
    write_config(&place, &text);
    wait_until("the user to be gone", SOON, || !admitted());
    // Half a file lets nobody in who could not come in before.
    write_config(&place, "basic_auth_users: [");
    assert!(e2e::pace::holds_for(std::time::Duration::from_millis(500), || !admitted()));
    write_config(&place, &format!("basic_auth_users:\n  {USER}: {HASH}\n"));
    wait_until("the user again", SOON, admitted);
    exporter.stop();
}

/// On a free port, so that only the configuration can be wrong.
fn run_to_end(settings: Settings) -> (i32, String, String) {
    settings.arg(listen_on(free_address())).run_to_end(SOON)
}

fn fetch(exporter: &Exporter, path: &str, arguments: &[&str]) -> Fetched {
    let Address::Tcp(address) = exporter.address() else { unreachable!("a port") };
    let url = format!("https://localhost:{}{path}", address.port());
    curl(&[arguments, &["-4", &url]].concat())
}

fn text_of(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn tls() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let server = Authority::new(place.path(), "ca").sign("server");
    let ca = place.path().join("ca.pem");
    let text = format!(
        "tls_server_config:\n  cert_file: {}\n  key_file: {}\n",
        server.certificate.display(),
        server.key.display()
    );
    let exporter = settings(&place, &upstream, &text).start();
    let fetched = fetch(&exporter, "/metrics", &["--cacert", text_of(&ca)]);
    assert_eq!(fetched.status, 200, "{fetched:?}");
    assert!(fetched.text.contains("nginx_up 1"), "{}", fetched.text);
    let stranger = fetch(&exporter, "/metrics", &[]);
    assert_ne!(stranger.exit, 0, "the certificate is the one of the file: {stranger:?}");
    let old = ["--cacert", text_of(&ca), "--tls-max", "1.1"];
    assert_ne!(fetch(&exporter, "/metrics", &old).exit, 0);
    let plain = Request::get("/metrics").send(exporter.address());
    assert!(!plain.is_ok_and(|answer| answer.status == 200), "nothing without TLS");
    exporter.stop();
}

/// Files may be named from the place of the configuration, as the peer has it.
#[test]
fn files_beside_the_configuration() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    Authority::new(place.path(), "ca").sign("server");
    let text = "tls_server_config: {cert_file: server.crt, key_file: server.key}\n";
    let exporter = settings(&place, &upstream, text).start();
    let ca = place.path().join("ca.pem");
    assert_eq!(fetch(&exporter, "/healthz", &["--cacert", text_of(&ca)]).status, 200);
    exporter.stop();
}

/// A certificate is renewed by replacing the files.
#[test]
fn a_renewed_certificate_is_served() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    Authority::new(place.path(), "old").sign("server");
    let text = "tls_server_config: {cert_file: server.crt, key_file: server.key}\n";
    let exporter = settings(&place, &upstream, text).start();
    let (old, new) = (place.path().join("old.pem"), place.path().join("new.pem"));
    assert_eq!(fetch(&exporter, "/metrics", &["--cacert", text_of(&old)]).status, 200);
    Authority::new(place.path(), "new").sign("server");
    wait_until("the new certificate", SOON, || {
        fetch(&exporter, "/metrics", &["--cacert", text_of(&new)]).status == 200
    });
    exporter.stop();
}

#[test]
fn certificates_of_clients() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let authority = Authority::new(place.path(), "ca");
    authority.sign("server");
    let client = authority.sign("client");
    let strange = Authority::new(place.path(), "strange").sign("stranger");
    let text = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  \
                client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n";
    let exporter = settings(&place, &upstream, text).start();
    let ca = place.path().join("ca.pem");
    let with = |pair: &e2e::certificates::Pair| {
        let (certificate, key) = (text_of(&pair.certificate), text_of(&pair.key));
        fetch(
            &exporter,
            "/metrics",
            &["--cacert", text_of(&ca), "--cert", certificate, "--key", key],
        )
    };
    assert_eq!(with(&client).status, 200, "{:?}", with(&client));
    assert_ne!(with(&strange).exit, 0);
    assert_ne!(fetch(&exporter, "/metrics", &["--cacert", text_of(&ca)]).exit, 0);
    exporter.stop();
}

/// The probe of the command line works with TLS and passwords, given the same settings.
#[test]
fn the_healthcheck_gets_in() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    Authority::new(place.path(), "ca").sign("server");
    let text = format!(
        "tls_server_config: {{cert_file: server.crt, key_file: server.key}}\n\
         basic_auth_users: {{{USER}: {HASH}}}\n"
    );
    let listen = listen_on(free_address());
    let settings = settings(&place, &upstream, &text).arg(&listen);
    let address = listen.split('=').nth(1).unwrap().parse().unwrap();
    let exporter = settings.start_at(Address::Tcp(address));
    let (code, _, stderr) = settings.arg("healthcheck").run_to_end(SOON);
    assert_eq!(code, 0, "{stderr}");
    exporter.stop();
}

/// The three flags of 0.9 to 0.11.
#[test]
fn secured_metrics_of_0_11() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let server = Authority::new(place.path(), "ca").sign("server");
    let ca = place.path().join("ca.pem");
    let (certificate, key) = (text_of(&server.certificate), text_of(&server.key));
    let base = Settings::adapter(&place).scrape(&upstream.uri());
    let by_flag = base
        .clone()
        .arg("-web.secured-metrics")
        .arg(format!("-web.ssl-server-cert={certificate}"))
        .arg(format!("-web.ssl-server-key={key}"));
    let by_variable = base
        .env("SECURED_METRICS", "true")
        .env("SSL_SERVER_CERT", certificate)
        .env("SSL_SERVER_KEY", key);
    for settings in [by_flag, by_variable] {
        let exporter = settings.start();
        let fetched = fetch(&exporter, "/metrics", &["--cacert", text_of(&ca)]);
        assert_eq!(fetched.status, 200, "{fetched:?}");
    }
}

#[test]
fn a_wrong_configuration_is_refused() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    Authority::new(place.path(), "ca").sign("server");
    let rows = [
        ("tls_server_config: {cert_file: server.crt}", "key"),
        ("tls_server_config: {cert_file: server.crt, key_file: none.key}", "none.key"),
        ("tls_server_config: {cert_file: server.key, key_file: server.crt}", "server"),
        ("no_such_section: {}", "no_such_section"),
        ("basic_auth_users: {a: plaintext}", "web.yml"),
        ("tls_server_config: [", "web.yml"),
        (
            "tls_server_config: {cert_file: server.crt, key_file: server.key, \
             client_auth_type: Perhaps}",
            "Perhaps",
        ),
    ];
    for (text, named) in rows {
        let (code, _, stderr) = run_to_end(settings(&place, &upstream, text));
        assert!(matches!(code, 64 | 69), "{text}: {code} {stderr}");
        assert!(stderr.contains(named), "{text}: {stderr}");
        assert!(!stderr.contains("plaintext"), "{stderr}");
    }
    let missing = Settings::adapter(&place).arg("--web.config.file=/no/such/web.yml");
    let (code, _, stderr) = run_to_end(missing);
    assert!(matches!(code, 64 | 69), "{stderr}");
    assert!(stderr.contains("/no/such/web.yml"), "{stderr}");
}
