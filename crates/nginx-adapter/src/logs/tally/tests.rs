use super::super::config::tests::configured;
use super::*;

fn tally(flags: &[&str]) -> Tally {
    Tally::new(configured(&[&["--access-log=/a"], flags].concat()).unwrap().unwrap().counting)
}

/// The series as `method=GET,status=200: 3 requests`.
fn requests(tally: &Tally) -> Vec<String> {
    let text = |series: &Series| {
        let labels: Vec<String> =
            series.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{}: {}", labels.join(","), series.requests)
    };
    tally.series().map(text).collect()
}

#[test]
fn requests_are_counted_by_method_and_status() {
    let mut tally = tally(&[]);
    let line = |request: &str, status: &str, bytes: &str| {
        format!(
            "1.2.3.4 - - [22/Nov/2026:06:44:12 +0000] \"{request}\" {status} {bytes} \"-\" \"-\""
        )
    };
    for (request, status, bytes) in [
        ("GET / HTTP/1.1", "200", "10"),
        ("GET /a HTTP/1.1", "200", "20"),
        ("GET /a HTTP/1.1", "404", "5"),
        ("BREW /a HTTP/1.1", "405", "1"),
        (r"\x16\x03\x01", "400", "150"),
        ("-", "000", "0"),
        ("GET / HTTP/1.1", "-", "-"),
    ] {
        tally.count_access(line(request, status, bytes).as_bytes());
    }
    tally.count_access(b"something else");
    tally.count_access(b"");
    let expected = [
        "method=GET,status=200: 2",
        "method=GET,status=404: 1",
        "method=other,status=405: 1",
        "method=other,status=400: 1",
        "method=other,status=000: 1",
        "method=GET,status=other: 1",
    ];
    assert_eq!(requests(&tally), expected);
    assert_eq!(tally.unparsed, 2);
    let bytes: Vec<u64> = tally.series().map(|it| it.response_bytes).collect();
    assert_eq!(bytes, [30, 5, 1, 150, 0, 0]);
    assert!(tally.series().all(|it| it.histograms.is_empty()));
}

#[test]
fn times_fall_into_the_bucket_of_the_first_bound_that_is_not_below() {
    let format = "--access-log-format=$status $request_time $upstream_response_time \
                  $request_length $upstream_cache_status";
    let mut tally = tally(&[format, "--access-log-buckets=0.1,1"]);
    for line in [
        "200 0.000 - 10 -",
        "200 0.100 0.050, 0.050 20 HIT",
        "200 0.101 - : 0.900 30 MISS",
        "200 5.000 2.000 40 HIT",
        "200 - - - NEW",
    ] {
        tally.count_access(line.as_bytes());
    }
    let series = tally.series().next().unwrap();
    let [request, upstream] = &series.histograms[..] else { panic!("{series:?}") };
    assert_eq!((&*request.counts, request.sum_nanoseconds), (&[2, 1, 1][..], 5_201_000_000));
    assert_eq!((&*upstream.counts, upstream.sum_nanoseconds), (&[1, 1, 1][..], 3_000_000_000));
    assert_eq!((request.count(), series.requests, series.request_bytes), (4, 5, 100));
    assert_eq!(tally.cache, [1, 2, 1, 0, 0, 0, 0, 0]);
}

#[test]
fn above_the_most_series_everything_is_one_more() {
    let format = "--access-log-format=$host $status $request_time";
    let mut tally = tally(&[format, "--access-log-host", "--access-log-series-max=2"]);
    for host in ["a", "b", "c", "A", "d", "c"] {
        tally.count_access(format!("{host} 200 0.5").as_bytes());
    }
    let expected = ["status=200,host=a: 2", "status=200,host=b: 1", "status=other,host=other: 3"];
    assert_eq!(requests(&tally), expected);
    assert_eq!((tally.overflow_lines, tally.series_count()), (3, 2));
    assert_eq!(tally.series().last().unwrap().histograms[0].count(), 3);
}

#[test]
fn a_host_named_other_shares_the_series_of_the_rest() {
    let flags = ["--access-log-host", "--access-log-series-max=1"];
    let count = |format: &str, hosts: [&str; 4]| {
        let mut tally = tally(&[&[format], &flags[..]].concat());
        for host in hosts {
            tally.count_access(format!("{host} 0.5").as_bytes());
        }
        (requests(&tally).join(" "), tally.overflow_lines, tally.series_count())
    };
    let format = "--access-log-format=$host $request_time";
    let natural_first = count(format, ["other", "a.example", "other", "b.example"]);
    assert_eq!(natural_first, ("host=other: 4".to_owned(), 2, 1));
    let overflow_first = count(format, ["a.example", "b.example", "other", "a.example"]);
    assert_eq!(overflow_first, ("host=a.example: 2 host=other: 2".to_owned(), 1, 1));
}

#[test]
fn hosts_and_paths_that_are_shown_alike_are_one_series() {
    let format = "--access-log-format=escape=none '\"$http_host\" \"$request\"'";
    let rule = "--access-log-path-rule=^/([a-z]+)=/$1";
    let mut tally = tally(&[format, "--access-log-host", rule]);
    for (host, path) in [(&b"\xff"[..], "/a/1"), (b"\xfe", "/a/2"), (b"X", "/b"), (b"", "-")] {
        let line = [b"\"", host, b"\" \"GET ", path.as_bytes(), b" HTTP/1.1\""].concat();
        tally.count_access(&line);
    }
    let expected = [
        "method=GET,host=\u{fffd},path=/a: 2",
        "method=GET,host=x,path=/b: 1",
        "method=GET,host=-,path=other: 1",
    ];
    assert_eq!(requests(&tally), expected);
}

#[test]
fn error_lines_are_counted_by_level() {
    let mut tally = tally(&[]);
    for line in [
        "2026/11/22 10:00:00 [error] 12#12: *3 a",
        "continued",
        "2026/11/22 10:00:00 [warn] 12#12: b",
        "2026/11/22 10:00:00 [error] 12#12: c",
        "",
    ] {
        tally.count_error(line.as_bytes());
    }
    assert_eq!(tally.levels, [0, 0, 0, 2, 1, 0, 0, 0]);
}
