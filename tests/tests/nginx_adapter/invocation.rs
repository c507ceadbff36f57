//! Every form in which a published manifest starts a release of the peer, started for real.
//!
//! `{uri}` and `{uri2}` stand for pages with fixed numbers, `{listen}` for the address to listen
//! on. Each form must give `nginx_up 1` and the page's numbers with the labels of its row, on the
//! path of its row, and nothing on stdout.
//!
//! Peers: no 1.x binary takes the rows of 0.x that have `nginx.retries` or
//! `prometheus.const-labels` or `=false`; no 0.x binary takes the rows with `--no-…`, lists or
//! `log.level`.

use e2e::client::Request;
use e2e::exporter::{Settings, listen_on};
use e2e::metrics::Metrics;
use e2e::upstream::{PAGE, Reply, Upstream};
use e2e::workplace::{Workplace, free_address};

/// How one manifest starts it.
struct Form {
    /// Release and what is special.
    name: &'static str,
    arguments: &'static [&'static str],
    variables: &'static [(&'static str, &'static str)],
    path: &'static str,
    /// Labels of each series in the order of the exposition; one entry per target.
    labels: &'static [&'static str],
}

const fn form(
    name: &'static str,
    arguments: &'static [&'static str],
    variables: &'static [(&'static str, &'static str)],
) -> Form {
    Form { name, arguments, variables, path: "/metrics", labels: &[""] }
}

const fn labelled(form: Form, labels: &'static [&'static str]) -> Form {
    Form { labels, ..form }
}

const fn at(form: Form, path: &'static str) -> Form {
    Form { path, ..form }
}

const URI: (&str, &str) = ("SCRAPE_URI", "{uri}");
const LISTEN: (&str, &str) = ("LISTEN_ADDRESS", "{listen}");
const L: &str = "-web.listen-address={listen}";
const LL: &str = "--web.listen-address={listen}";
const U: &str = "-nginx.scrape-uri={uri}";
const UU: &str = "--nginx.scrape-uri={uri}";
const TWO: &[&str] = &["{addr=\"{uri}\"}", "{addr=\"{uri2}\"}"];
const AB: &[&str] = &["{cluster=\"a\",zone=\"b\"}"];

const FORMS_0_4: [Form; 11] = [
    form("one dash", &["-nginx.scrape-uri", "{uri}", "-web.listen-address", "{listen}"], &[]),
    form("one dash, =", &[U, L], &[]),
    form("two dashes", &["--nginx.scrape-uri", "{uri}", "--web.listen-address", "{listen}"], &[]),
    form("two dashes, =", &[UU, LL], &[]),
    form("mixed", &["--nginx.scrape-uri", "{uri}", L], &[]),
    form("retries", &[U, L, "-nginx.retries=10", "-nginx.retry-interval=1s"], &[]),
    form("retries apart", &[U, L, "-nginx.retries", "10", "-nginx.retry-interval", "300ms"], &[]),
    form("booleans", &[U, L, "-nginx.ssl-verify=false", "-nginx.plus=false"], &[]),
    form("a boolean alone", &[U, "-nginx.ssl-verify", L, "-nginx.timeout", "1m30s"], &[]),
    at(form("path", &[U, L, "-web.telemetry-path=/nginx/metrics"], &[]), "/nginx/metrics"),
    at(
        form(
            "variables",
            &[],
            &[
                URI,
                LISTEN,
                ("TELEMETRY_PATH", "/m"),
                ("TIMEOUT", "10s"),
                ("NGINX_RETRIES", "3"),
                ("NGINX_RETRY_INTERVAL", "1s"),
                ("SSL_VERIFY", "false"),
                ("NGINX_PLUS", "false"),
            ],
        ),
        "/m",
    ),
];

const FORMS_0_11: [Form; 8] = [
    labelled(form("labels", &[U, L, "-prometheus.const-labels=cluster=a,zone=b"], &[]), AB),
    labelled(
        form("labels apart", &[UU, LL, "--prometheus.const-labels", "cluster=a,zone=b"], &[]),
        AB,
    ),
    labelled(form("labels by variable", &[U, L], &[("CONST_LABELS", "zone=b,cluster=a")]), AB),
    form("not secured", &[U, L, "-web.secured-metrics=false"], &[("SECURED_METRICS", "0")]),
    form("Go's booleans", &[U, L, "-nginx.ssl-verify=T", "-nginx.plus=0"], &[]),
    form("more of them", &[U, L], &[("SSL_VERIFY", "True"), ("NGINX_PLUS", "f")]),
    form(
        "no certificates",
        &[U, L, "-nginx.ssl-ca-cert=", "-nginx.ssl-client-cert", "", "-nginx.ssl-client-key="],
        &[],
    ),
    form("the flag wins", &[U, L], &[("SCRAPE_URI", "http://127.0.0.1:1/"), ("TIMEOUT", "1s")]),
];

const FORMS_1: [Form; 16] = [
    form("plain", &[UU, LL, "--web.telemetry-path=/metrics", "--nginx.timeout=5s"], &[]),
    form("apart", &["--nginx.scrape-uri", "{uri}", "--web.listen-address", "{listen}"], &[]),
    form("old dashes", &[U, L, "-nginx.timeout=2.5s"], &[]),
    form(
        "no-",
        &[
            UU,
            LL,
            "--no-nginx.ssl-verify",
            "--no-nginx.plus",
            "--no-web.systemd-socket",
            "--no-nginx.proxy-protocol",
        ],
        &[],
    ),
    form("yes", &[UU, "--nginx.ssl-verify", LL], &[]),
    form("logs", &[UU, LL, "--log.level=debug", "--log.format=logfmt"], &[]),
    form("logs apart", &[UU, LL, "--log.level", "warn", "--log.format", "json"], &[]),
    labelled(form("two targets", &[UU, "--nginx.scrape-uri={uri2}", LL], &[]), TWO),
    labelled(form("two lines", &[], &[("SCRAPE_URI", "{uri}\n{uri2}"), LISTEN]), TWO),
    labelled(
        form(
            "labels",
            &[UU, LL, "--prometheus.const-label=zone=b", "--prometheus.const-label=cluster=a"],
            &[],
        ),
        AB,
    ),
    labelled(
        form("labels apart", &[UU, LL, "--prometheus.const-label", "cluster=a,b"], &[]),
        &["{cluster=\"a,b\"}"],
    ),
    labelled(form("lines of labels", &[UU, LL], &[("CONST_LABELS", "zone=b\ncluster=a")]), AB),
    labelled(
        form("a comma in a line", &[UU, LL], &[("CONST_LABELS", "cluster=a,b\nzone=c")]),
        &["{cluster=\"a,b\",zone=\"c\"}"],
    ),
    labelled(
        form("an odd label", &[UU, LL, "--prometheus.const-label=a-x=1"], &[]),
        &["{a_x=\"1\"}"],
    ),
    form("no proxy protocol", &[], &[URI, LISTEN, ("PROXY_PROTOCOL", "false")]),
    form("no configuration file", &[UU, LL, "--web.config.file="], &[]),
];

const FORMS_OF_ALL: [Form; 4] = [
    labelled(
        form(
            "old and new together",
            &[
                "-nginx.scrape-uri",
                "{uri}",
                LL,
                "-nginx.retries=2",
                "--prometheus.const-labels=cluster=a",
                "--prometheus.const-label=zone=b",
                "--no-nginx.plus",
            ],
            &[],
        ),
        AB,
    ),
    form("both styles of booleans", &[UU, LL, "--nginx.ssl-verify=true", "--no-nginx.plus"], &[]),
    form(
        "empty variables",
        &[UU, LL],
        &[
            ("SCRAPE_URI", ""),
            ("LISTEN_ADDRESS", ""),
            ("TELEMETRY_PATH", ""),
            ("TIMEOUT", ""),
            ("NGINX_RETRIES", ""),
            ("SSL_VERIFY", ""),
            ("CONST_LABELS", ""),
            ("CONFIG_FILE", ""),
        ],
    ),
    labelled(form("a list with an end", &[LL], &[("SCRAPE_URI", "{uri}\n{uri2}\n")]), TWO),
];

/// Values of [`PAGE`] as exposed; a suffix of the name, then of the series.
const VALUES: [(&str, &str); 8] = [
    ("nginx_up", "1"),
    ("nginx_connections_active", "291"),
    ("nginx_connections_accepted", "1.6630948e+07"),
    ("nginx_connections_handled", "1.6630946e+07"),
    ("nginx_connections_reading", "6"),
    ("nginx_connections_writing", "179"),
    ("nginx_connections_waiting", "106"),
    ("nginx_http_requests_total", "3.1070465e+07"),
];

fn check(forms: &[Form]) {
    let place = Workplace::new();
    let (one, two) = (Upstream::start(Reply::page(PAGE)), Upstream::start(Reply::page(PAGE)));
    let (uri, uri2) = (one.uri().min(two.uri()), one.uri().max(two.uri()));
    for form in forms {
        let address = free_address();
        let fill = |text: &str| {
            let listen = address.to_string();
            text.replace("{uri}", &uri).replace("{uri2}", &uri2).replace("{listen}", &listen)
        };
        let arguments: Vec<String> = form.arguments.iter().map(|text| fill(text)).collect();
        let mut settings = Settings::adapter(&place).args(&arguments);
        for (name, value) in form.variables {
            settings = settings.env(name, &fill(value));
        }
        let exporter = settings.start_at(address);
        let answer = exporter.ask(&Request::get(form.path));
        let text = answer.text();
        assert_eq!(answer.status, 200, "{}: {text}", form.name);
        for (name, value) in VALUES {
            for labels in form.labels {
                let line = format!("\n{name}{} {value}\n", fill(labels));
                assert!(text.contains(&line), "{}: no {line} in {text}", form.name);
            }
        }
        let samples = Metrics::parse(text);
        let ups = samples.samples().keys().filter(|sample| sample.starts_with("nginx_up"));
        assert_eq!(ups.count(), form.labels.len(), "{}: {text}", form.name);
    }
}

#[test]
fn forms_of_0_4() {
    check(&FORMS_0_4);
}

#[test]
fn forms_of_0_11() {
    check(&FORMS_0_11);
}

#[test]
fn forms_of_1() {
    check(&FORMS_1);
}

#[test]
fn forms_of_all() {
    check(&FORMS_OF_ALL);
}

/// Peers greet there (0.x) or complain about a single dash (1.x).
#[test]
fn nothing_is_on_stdout() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let exporter = Settings::adapter(&place).scrape(&upstream.uri()).start();
    assert!(exporter.is_up());
    assert_eq!(exporter.stdout(), "");
}

/// A list of addresses to listen on, by flag and by variable.
#[test]
fn it_listens_on_every_address() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let (one, two) = (free_address(), free_address());
    let settings = Settings::adapter(&place).scrape(&upstream.uri());
    let lines = format!("{one}\n{two}");
    let by_flag = settings.clone().arg(listen_on(one)).arg(listen_on(two));
    for settings in [by_flag, settings.env("LISTEN_ADDRESS", &lines)] {
        let exporter = settings.start_at(one);
        assert!(exporter.is_up());
        let answer = Request::get("/metrics").send(&two.into()).unwrap();
        assert!(answer.text().contains("\nnginx_up 1\n"));
    }
}

#[test]
fn version_and_help_end_with_0() {
    let place = Workplace::new();
    for word in ["--version", "-version", "--help", "-help", "-h"] {
        let (code, stdout, stderr) =
            Settings::adapter(&place).arg(word).run_to_end(e2e::pace::SOON);
        assert_eq!(code, 0, "{word}: {stderr}");
        assert!(stdout.contains("nginx-adapter"), "{word}: {stdout}{stderr}");
        if word.ends_with("help") {
            assert!(stdout.contains("nginx.scrape-uri"), "{stdout}");
        }
    }
}
