//! Where a page can be: unix sockets, TLS, PROXY protocol, names with two addresses, passwords.
//!
//! Peers: in 1.x all targets share the last unix socket's dialer, so two sockets show one page and
//! an http target beside a socket shows the socket's; 0.x knows one target only.

use std::fs;
use std::path::Path;

use e2e::certificates::Authority;
use e2e::exporter::{Exporter, Settings};
use e2e::metrics::Metrics;
use e2e::nginx::Site;
use e2e::pod::in_pod;
use e2e::upstream::{PAGE, Reply, Upstream, answer};
use e2e::workplace::{Workplace, free_address};

/// A page of which only the number of requests is of interest.
fn numbered(requests: u64) -> Reply {
    Reply::page(&PAGE.replace("31070465", &requests.to_string()))
}

fn of_target(metrics: &Metrics, uri: &str) -> Option<f64> {
    metrics.value(&format!("nginx_http_requests_total{{addr=\"{uri}\"}}"))
}

fn requests(exporter: &Exporter) -> Option<f64> {
    exporter.metrics().value("nginx_http_requests_total")
}

#[test]
fn two_unix_sockets_show_two_pages() {
    let place = Workplace::new();
    let (one, two) = (place.path().join("1.sock"), place.path().join("2.sock"));
    let _one = Upstream::start_unix(&one, numbered(111));
    let _two = Upstream::start_unix(&two, numbered(222));
    let web = Upstream::start(numbered(333));
    let uris = [
        format!("unix:{}:/stub_status", one.display()),
        format!("unix:{}:/stub_status", two.display()),
        web.uri(),
    ];
    // In any order: the peer shows the page of the last socket for all.
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let settings = order.iter().fold(Settings::adapter(&place), |it, &n| it.scrape(&uris[n]));
        let exporter = settings.start();
        for _scrape in 0..2 {
            let metrics = exporter.metrics();
            let shown = [0, 1, 2].map(|number: usize| of_target(&metrics, &uris[number]));
            assert_eq!(shown, [Some(111.0), Some(222.0), Some(333.0)]);
        }
    }
}

#[test]
fn a_unix_socket_of_nginx() {
    let place = Workplace::new();
    let socket = place.path().join("nginx.sock");
    let site = Site::new(place.path(), &place.logs()).listen(&format!("unix:{}", socket.display()));
    let nginx = site.start();
    nginx.get(3);
    let uri = format!("unix:{}:/stub_status", socket.display());
    let exporter = Settings::adapter(&place).scrape(&uri).start();
    assert!(requests(&exporter).unwrap() >= 4.0);
}

/// Without a path it asks for `/`, as the peer does.
#[test]
fn what_is_asked_of_a_unix_socket() {
    let place = Workplace::new();
    let socket = place.path().join("s.sock");
    let upstream = Upstream::start_unix(&socket, Reply::page(PAGE));
    for (rest, line) in [("", "GET / HTTP/1.1"), (":/a?b", "GET /a?b HTTP/1.1"), (":", "GET / ")] {
        let uri = format!("unix:{}{rest}", socket.display());
        let exporter = Settings::adapter(&place).scrape(&uri).start();
        assert!(exporter.is_up(), "{uri}");
        let requests = upstream.requests();
        let head = requests.last().unwrap();
        assert!(head.starts_with(line), "{uri}: {head}");
        assert!(head.to_ascii_lowercase().contains("\r\nhost: unix\r\n"), "{head}");
    }
}

fn tls_site(place: &Workplace, server: &str) -> (Site, String) {
    let address = free_address();
    let site = Site::new(place.path(), &place.logs()).listen(&format!("{address} ssl"));
    let site = site.server(&format!(
        "ssl_certificate {0}/server.crt; ssl_certificate_key {0}/server.key; {server}\n",
        place.path().display()
    ));
    (site, format!("https://{address}/stub_status"))
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

/// As 1.x a certificate is not verified unless told; as 0.x it is if a flag that only 0.x had is
/// there, or if told.
#[test]
fn certificates_are_verified_when_told() {
    let place = Workplace::new();
    Authority::new(place.path(), "ca").sign("server");
    let (site, uri) = tls_site(&place, "");
    let _nginx = site.start();
    let ca = format!("-nginx.ssl-ca-cert={}", path(place.path(), "ca.pem"));
    let rows: [(&[&str], bool); 9] = [
        (&[], true),
        (&["-nginx.ssl-verify=false"], true),
        (&["--no-nginx.ssl-verify"], true),
        (&["--nginx.ssl-verify"], false),
        (&["-nginx.ssl-verify=true"], false),
        (&["-nginx.ssl-verify", &ca], true),
        (&[&ca], true),
        (&["--prometheus.const-labels=a=b"], false),
        (&["--prometheus.const-labels=a=b", "-nginx.ssl-verify=false"], true),
    ];
    for (arguments, up) in rows {
        let exporter = Settings::adapter(&place).scrape(&uri).args(arguments).start();
        let metrics = exporter.metrics();
        assert_eq!(metrics.sum("nginx_up") > 0.0, up, "{arguments:?}: {}", exporter.log());
        let refused = metrics.with_label("nginx_scrape_errors_total", "reason", "tls");
        assert_eq!(refused > 0.0, !up, "{arguments:?}");
    }
}

#[test]
fn nginx_may_ask_for_a_certificate() {
    let place = Workplace::new();
    let authority = Authority::new(place.path(), "ca");
    authority.sign("server");
    let client = authority.sign("client");
    let ca = path(place.path(), "ca.pem");
    let (site, uri) =
        tls_site(&place, &format!("ssl_verify_client on; ssl_client_certificate {ca};"));
    // The plain port is asked for a certificate as well, which it cannot have: it answers 400,
    // and an answer is all that the start waits for.
    let _nginx = site.start();
    let with = Settings::adapter(&place)
        .scrape(&uri)
        .args(&["-nginx.ssl-verify", &format!("-nginx.ssl-ca-cert={ca}")]);
    let exporter = with.start();
    let errors = exporter.metrics();
    assert_eq!(errors.sum("nginx_up"), 0.0);
    let exporter = with
        .arg(format!("-nginx.ssl-client-cert={}", client.certificate.display()))
        .arg(format!("-nginx.ssl-client-key={}", client.key.display()))
        .start();
    assert!(exporter.is_up(), "{}", exporter.log());
}

/// nginx closes a connection without the header. It takes version 2 only where it is exact.
#[test]
fn the_proxy_protocol_is_spoken() {
    let place = Workplace::new();
    let address = free_address();
    let socket = place.path().join("proxy.sock");
    let site = Site::new(place.path(), &place.logs())
        .listen(&format!("{address} proxy_protocol"))
        .listen(&format!("unix:{} proxy_protocol", socket.display()))
        .http("log_format proxied '$proxy_protocol_addr:$proxy_protocol_port $uri';\n")
        .server(&format!("access_log {} proxied;\n", place.log("proxied.log").display()))
        .server("location = /status { stub_status; }\n");
    let _nginx = site.start();
    let tcp = format!("http://{address}/status");
    let unix = format!("unix:{}:/status", socket.display());
    for uri in [&tcp, &unix] {
        let exporter = Settings::adapter(&place).scrape(uri).start();
        assert!(!exporter.is_up(), "{uri}: without the header");
        let exporter = Settings::adapter(&place).scrape(uri).arg("--nginx.proxy-protocol").start();
        assert!(exporter.is_up(), "{uri}: {}", exporter.log());
        assert!(exporter.is_up(), "{uri}: on the kept connection too");
    }
    let log = fs::read_to_string(place.log("proxied.log")).unwrap();
    let of_tcp = log.lines().find(|line| line.starts_with("127.0.0.1:")).unwrap();
    assert!(of_tcp.ends_with(" /status"), "{log}");
}

/// `localhost` is ::1 and 127.0.0.1, and nginx may listen on either alone.
#[test]
fn localhost_is_two_addresses() {
    let place = Workplace::new();
    in_pod(place.path(), || {
        for listen in ["127.0.0.1:8081", "[::1]:8082"] {
            let site = Site::new(place.path(), &place.logs()).named(listen).listen(listen);
            let _nginx = site.start();
            let port = listen.rsplit(':').next().unwrap();
            for host in ["localhost", listen.rsplit_once(':').unwrap().0] {
                let uri = format!("http://{host}:{port}/stub_status");
                let exporter = Settings::adapter(&place).scrape(&uri).start();
                assert!(exporter.is_up(), "{uri}: {}", exporter.log());
            }
        }
    });
}

/// A user and password in the URI are sent, shown in no log and in no label.
#[test]
fn a_password_in_the_uri_is_sent() {
    let place = Workplace::new();
    let users = place.path().join("users");
    fs::write(&users, "scraper:{PLAIN}hunter2\n").unwrap();
    let site = Site::new(place.path(), &place.logs()).server(&format!(
        "location = /status {{ stub_status; auth_basic x; auth_basic_user_file {}; }}\n",
        users.display()
    ));
    let _nginx = site.start();
    let uri = |userinfo: &str| format!("http://{userinfo}{}/status", site.address());
    let exporter = Settings::adapter(&place).scrape(&uri("scraper:wrong-hunter@")).start();
    assert!(!exporter.is_up());
    assert!(!exporter.log().contains("wrong-hunter"));
    let settings = Settings::adapter(&place).scrape(&uri("scraper:hunter2@"));
    let exporter = settings.arg("--log.level=debug").start();
    assert!(exporter.is_up(), "{}", exporter.log());
    assert!(!exporter.text().contains("hunter2"));
    assert!(!exporter.log().contains("hunter2"));
}

/// On the same host it may be redirected, path and port, as often as the peer allows.
#[test]
fn redirects_on_the_same_host_are_followed() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let to = |location: &str| {
        Reply::Close(answer("301 Moved", &format!("location: {location}\r\n"), "moved"))
    };
    let exporter = Settings::adapter(&place).scrape(&upstream.uri()).start();
    assert!(exporter.is_up(), "{}", exporter.log());
    let before = upstream.requests().len();
    upstream.set_first([to("/a"), to(&format!("http://{}/b", upstream.address())), to("c?d")]);
    assert!(exporter.is_up(), "{}", exporter.log());
    let asked: Vec<String> = upstream.requests().split_off(before);
    let asked: Vec<&str> = asked.iter().map(|head| head.split(' ').nth(1).unwrap()).collect();
    assert_eq!(asked, ["/stub_status", "/a", "/b", "/c?d"]);
}
