//! The eight families of the peer, byte for byte: recorded ones and those of the installed peer.
//!
//! From a recording the page is rebuilt that it must have been made of. The families stand in the
//! same order as the peer's, so the lines of ours that belong to them are the lines of the
//! recording. prometheus-client could not write them: it would name two of them differently.

use e2e::exporter::{Exporter, Settings};
use e2e::metrics::Metrics;
use e2e::upstream::{PAGE, Reply, Upstream};
use e2e::workplace::Workplace;

const FAMILIES: [&str; 8] = [
    "nginx_connections_accepted",
    "nginx_connections_active",
    "nginx_connections_handled",
    "nginx_connections_reading",
    "nginx_connections_waiting",
    "nginx_connections_writing",
    "nginx_http_requests_total",
    "nginx_up",
];

/// A second page beside [`PAGE`], as in the recordings.
const SECOND_PAGE: &str = "Active connections: 1 \nserver accepts handled requests\n \
                           655 655 845498 \nReading: 0 Writing: 1 Waiting: 0 \n";

/// The addresses of the two pages when they were recorded.
const RECORDED: [&str; 2] =
    ["http://127.0.0.1:18081/stub_status", "http://127.0.0.1:18082/stub_status"];

/// Values in the order of the page: active, accepts, handled, requests, reading, writing, waiting.
const PAGES: [[u64; 7]; 6] = [
    [0, 0, 0, 0, 0, 0, 0],
    [1, 999_999, 999_999, 1_000_000, 0, 1, 0],
    [1, 1_000_001, 1_000_000, 10_000_000, 0, 1, 0],
    [123_456_789, 20_999_999, 21_000_000, 123_456_789_012, 1_234_567, 100_000, 1],
    [9, 9_007_199_254_740_993, 9_007_199_254_740_992, 1 << 62, 2, 3, 4],
    [9, 1_234_567_890_123_456_789, 4_611_686_018_427_387_905, i64::MAX as u64, 2, 3, 4],
];

/// The lines of the eight families, in the order in which they stand.
fn families(text: &str) -> String {
    let belongs = |line: &&str| {
        let name = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
        FAMILIES.iter().any(|family| {
            name.strip_prefix(family).is_some_and(|rest| rest.starts_with([' ', '{']))
        })
    };
    text.lines().filter(belongs).map(|line| format!("{line}\n")).collect()
}

fn recording(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/data/nginx-exporter");
    families(&std::fs::read_to_string(format!("{folder}/{name}")).unwrap())
}

fn page(values: [u64; 7]) -> String {
    let [active, accepts, handled, requests, reading, writing, waiting] = values;
    format!(
        "Active connections: {active} \nserver accepts handled requests\n {accepts} {handled} \
         {requests} \nReading: {reading} Writing: {writing} Waiting: {waiting} \n"
    )
}

/// The page that a recording was made of.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small whole numbers")]
fn page_of(recording: &str) -> String {
    let metrics = Metrics::parse(recording);
    let value = |name: &str| metrics.value(name).unwrap() as u64;
    page([
        value("nginx_connections_active"),
        value("nginx_connections_accepted"),
        value("nginx_connections_handled"),
        value("nginx_http_requests_total"),
        value("nginx_connections_reading"),
        value("nginx_connections_writing"),
        value("nginx_connections_waiting"),
    ])
}

fn adapter(place: &Workplace, uri: &str) -> Exporter {
    Settings::adapter(place).scrape(uri).start()
}

#[test]
fn recorded_releases() {
    for release in ["0.4.2", "0.11.0", "1.4.1", "1.5.1"] {
        let recorded = recording(&format!("{release}.prom"));
        assert_eq!(recorded.lines().count(), 3 * FAMILIES.len(), "{release}");
        let upstream = Upstream::start(Reply::page(&page_of(&recorded)));
        let place = Workplace::new();
        assert_eq!(families(&adapter(&place, &upstream.uri()).text()), recorded, "{release}");
    }
}

/// Nothing but `nginx_up 0`, as 200.
#[test]
fn recorded_with_nginx_down() {
    for release in ["0.4.2", "1.5.1"] {
        let recorded = recording(&format!("{release}-nginx-down.prom"));
        assert_eq!(recorded.lines().count(), 3, "{release}");
        let upstream = Upstream::start(Reply::Reset(Vec::new()));
        let place = Workplace::new();
        assert_eq!(families(&adapter(&place, &upstream.uri()).text()), recorded, "{release}");
    }
}

/// Two targets in the order and with the labels of 1.5.1.
#[test]
fn recorded_with_several_targets() {
    for (name, labels) in [
        ("1.5.1-two-targets.prom", &[][..]),
        ("1.5.1-two-targets-one-down.prom", &[]),
        (
            "1.5.1-two-targets-const-labels.prom",
            &["--prometheus.const-label=zone=b", "--prometheus.const-label=Aardvark=x y"],
        ),
    ] {
        let down = name.contains("down");
        let second = if down { Reply::Reset(Vec::new()) } else { Reply::page(SECOND_PAGE) };
        let mut upstreams =
            [Upstream::start(Reply::page(PAGE)), Upstream::start(Reply::page(PAGE))];
        upstreams.sort_by_key(Upstream::uri);
        upstreams[1].set(second);
        let place = Workplace::new();
        let settings = Settings::adapter(&place).args(labels);
        // The order on the command line must not matter.
        let settings = settings.scrape(&upstreams[1].uri()).scrape(&upstreams[0].uri());
        let text = settings.start().text();
        let expected = recording(name)
            .replace(RECORDED[0], &upstreams[0].uri())
            .replace(RECORDED[1], &upstreams[1].uri())
            .replace("http://127.0.0.1:18083/stub_status", &upstreams[1].uri());
        assert_eq!(families(&text), expected, "{name}");
    }
}

#[test]
fn recorded_with_constant_labels() {
    let upstream = Upstream::start(Reply::page(PAGE));
    let place = Workplace::new();
    let settings = Settings::adapter(&place).scrape(&upstream.uri());
    let settings = settings.arg("--prometheus.const-labels=zone=b,cluster=a");
    let text = settings.start().text();
    assert_eq!(families(&text), recording("1.5.1-const-labels.prom"));
    // Not on what is not of nginx.
    let own = text.lines().filter(|line| line.contains("cluster=\"a\""));
    assert!(own.clone().all(|line| !families(line).is_empty()), "{:?}", own.collect::<Vec<_>>());
}

/// The installed peer before the same pages; numbers above 2^53 included, which Go rounds.
#[test]
fn the_installed_peer_writes_the_same() {
    let upstream = Upstream::start(Reply::page(PAGE));
    let place = Workplace::new();
    let ours = adapter(&place, &upstream.uri());
    let peer = Settings::peer(&place).scrape(&upstream.uri()).start();
    for values in PAGES {
        upstream.set(Reply::page(&page(values)));
        assert_eq!(families(&ours.text()), families(&peer.text()), "{values:?}");
    }
}

/// A gauge below 0 in nginx's unsigned arithmetic is 0; a counter above 2^63 is a float. The peer
/// calls nginx down for both.
#[test]
fn numbers_above_two_to_the_63() {
    let wrapped = page([3, u64::MAX, u64::MAX - 4096, 1 << 63, 0, 4, u64::MAX]);
    let upstream = Upstream::start(Reply::page(&wrapped));
    let place = Workplace::new();
    let text = adapter(&place, &upstream.uri()).text();
    for line in [
        "nginx_up 1",
        "nginx_connections_waiting 0",
        "nginx_connections_active 3",
        "nginx_connections_accepted 1.8446744073709552e+19",
        "nginx_http_requests_total 9.223372036854776e+18",
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "no {line} in {text}");
    }
}

/// Nothing else than what is promised: the eight, build information, our own process.
#[test]
fn no_noise_by_default() {
    let upstream = Upstream::start(Reply::page(PAGE));
    let place = Workplace::new();
    let exporter = adapter(&place, &upstream.uri());
    let text = exporter.text();
    assert!(text.len() < 3000, "{} bytes: {text}", text.len());
    for name in Metrics::parse(&text).names() {
        let expected = FAMILIES.contains(&name)
            || ["nginx_adapter_", "process_"].iter().any(|prefix| name.starts_with(prefix))
            || name == "nginx_exporter_build_info";
        assert!(expected, "{name} in {text}");
    }
    let build = text.lines().find(|line| line.starts_with("nginx_exporter_build_info{")).unwrap();
    for label in ["branch", "goarch", "goos", "goversion", "revision", "tags", "version"] {
        assert!(build.contains(&format!("{label}=\"")), "{build}");
    }
    assert!(!text.contains("code=\""), "a label of that name is taken for nginx's statuses");
}
