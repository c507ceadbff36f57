use super::*;

const STATUS: StubStatus = StubStatus {
    active: 1,
    accepted: 336,
    handled: 336,
    requests: 217_985,
    reading: 0,
    writing: 1,
    waiting: 0,
};

fn exposition(format: Format, outcomes: &[Outcome<'_>]) -> String {
    let mut text = String::new();
    write(&mut text, format, outcomes);
    text
}

/// Our build information is our own.
fn without_build_info(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.contains("exporter_build_info"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// Lines about nginx; some releases show their own process too.
fn about_nginx(text: &str) -> String {
    let text = without_build_info(text);
    let lines = text.lines().filter(|line| line.contains("nginx_"));
    lines.map(|line| format!("{line}\n")).collect()
}

#[track_caller]
fn check_golden(golden: &str, status: Result<StubStatus, Failure>) {
    let outcome = Outcome { labels: "", error_labels: "", status, errors: &[] };
    let ours = without_build_info(&exposition(Format::Prometheus, &[outcome]));
    assert_eq!(ours, about_nginx(golden));
}

#[test]
fn what_recorded_releases_showed() {
    let of = |accepted, active, requests, waiting| StubStatus {
        active,
        accepted,
        handled: accepted,
        requests,
        reading: 0,
        writing: 1,
        waiting,
    };
    let golden = include_str!("../../../../tests/data/nginx-exporter/0.4.2.prom");
    check_golden(golden, Ok(STATUS));
    let golden = include_str!("../../../../tests/data/nginx-exporter/0.11.0.prom");
    check_golden(golden, Ok(of(7, 3, 8, 2)));
    let golden = include_str!("../../../../tests/data/nginx-exporter/1.5.1.prom");
    check_golden(golden, Ok(of(6, 2, 6, 1)));
    let golden = include_str!("../../../../tests/data/nginx-exporter/1.5.1-nginx-down.prom");
    check_golden(golden, Err(Failure::Connect));
}

#[test]
fn numbers_as_go_writes_floats() {
    for (value, expected) in [
        (0, "0"),
        (999_999, "999999"),
        (1_000_000, "1e+06"),
        (31_070_465, "3.1070465e+07"),
        (9_007_199_254_740_993, "9.007199254740992e+15"),
        (u64::MAX, "1.8446744073709552e+19"),
    ] {
        let mut text = String::new();
        push_number(&mut text, value);
        assert_eq!(text, expected);
    }
}

#[test]
fn several_targets_carry_their_address_and_a_failed_one_only_nginx_up() {
    let constant = [("zone", "a\"b"), ("reason", "mine")];
    let of = |addr| constant.into_iter().take(1).chain([("addr", addr)]);
    let (first, second) = (labels(of("x")), labels(of("y")));
    let failed = error_labels(constant.into_iter().chain([("addr", "x")]));
    let errors = [("timeout", 2)];
    let text = exposition(
        Format::Prometheus,
        &[
            Outcome {
                labels: &first,
                error_labels: &failed,
                status: Err(Failure::Timeout),
                errors: &errors,
            },
            Outcome { labels: &second, error_labels: &second, status: Ok(STATUS), errors: &[] },
        ],
    );
    let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let shown = |name: &str| {
        samples.iter().filter(|line| line.starts_with(name)).copied().collect::<Vec<_>>()
    };
    assert_eq!(
        shown("nginx_up"),
        [r#"nginx_up{addr="x",zone="a\"b"} 0"#, r#"nginx_up{addr="y",zone="a\"b"} 1"#]
    );
    assert_eq!(
        shown("nginx_connections_active"),
        [r#"nginx_connections_active{addr="y",zone="a\"b"} 1"#]
    );
    assert_eq!(
        shown("nginx_scrape_errors_total"),
        [r#"nginx_scrape_errors_total{addr="x",zone="a\"b",reason="timeout"} 2"#]
    );
}

#[test]
fn open_metrics_keeps_all_sample_names() {
    let outcome =
        || Outcome { labels: "", error_labels: "", status: Ok(STATUS), errors: &[("status", 1)] };
    let classic = exposition(Format::Prometheus, &[outcome()]);
    let open = exposition(Format::OpenMetrics, &[outcome()]);
    let samples = |text: &str| {
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(samples(&open), samples(&classic));
    assert!(open.contains("# TYPE nginx_connections_accepted unknown\n"), "{open}");
    assert!(open.contains("# TYPE nginx_http_requests counter\n"), "{open}");
}

#[test]
fn constant_labels_go_on_what_is_about_nginx() {
    let registry = "# TYPE nginx_a counter\nnginx_a 1\nnginx_b{x=\"{ y\"} 2\n\
                    nginx_c{kk=\"v\",k=\"own\",w=\",k=\\\"\"} 3\n\
                    nginx_c{x=\",k=\"} 3\nnginx_adapter_d 4\nprocess_e 5\n";
    let constant = [("k".to_owned(), "v".to_owned())];
    let mut text = String::new();
    append_labelled(&mut text, registry, &constant);
    let expected = "# TYPE nginx_a counter\nnginx_a{k=\"v\"} 1\nnginx_b{k=\"v\",x=\"{ y\"} 2\n\
                    nginx_c{kk=\"v\",k=\"own\",w=\",k=\\\"\"} 3\n\
                    nginx_c{k=\"v\",x=\",k=\"} 3\nnginx_adapter_d 4\nprocess_e 5\n";
    assert_eq!(text, expected);
    text.clear();
    append_labelled(&mut text, registry, &[]);
    assert_eq!(text, registry);
}
