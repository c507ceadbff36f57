//! Bad values are refused with status 64, named with their setting, all at once.

use e2e::pace::SOON;
use e2e::shipper::Settings;
use e2e::sink::Sink;
use e2e::workplace::{Workplace, free_address};
use e2e::writer::Numbered;

/// A value that each setting must refuse.
const BAD_VALUES: [(&str, &str); 53] = [
    ("--multiline", "cobol"),
    ("--multiline-start", "(a"),
    ("--multiline-continue", "[b"),
    ("--multiline-max-lines", "0"),
    ("--multiline-timeout", "0s"),
    ("--include", "/logs/[a"),
    ("--exclude", "/logs/***"),
    ("--from", "middle"),
    ("--sink", "pigeon"),
    ("--sink-url", "gopher://nowhere"),
    ("--sink-url", "http://host:99999/"),
    ("--sink-timeout", "later"),
    ("--sink-file-max-bytes", "lots"),
    ("--sink-file-keep", "-2"),
    ("--header", "nocolon"),
    ("--label", "novalue"),
    ("--format", "xml"),
    ("--compression", "rar"),
    ("--forward-tag", "two words"),
    ("--syslog-facility", "local8"),
    ("--syslog-datagram-bytes", "479"),
    ("--max-line-bytes", "many"),
    ("--max-line-bytes", "0"),
    ("--long-lines", "fold"),
    ("--partial-timeout", "soonish"),
    ("--linger", "1 parsec"),
    ("--exit-when-file", ""),
    ("--exit-when-idle", "0s"),
    ("--exit-when-process", "/bin/work"),
    ("--exit-when-idle", "now"),
    ("--on-full", "explode"),
    ("--after-ship", "frame"),
    ("--max-dir-bytes", "-1"),
    ("--batch-wait", "a moment"),
    ("--quarantine-dir", "not/absolute"),
    ("--quarantine-max-bytes", "plenty"),
    ("--rotate-at", "1MiB"),
    ("--rotate-at", "12"),
    ("--rotate-process", "nginx"),
    ("--rotate-signal", "KILL"),
    ("--admin-listen", "nowhere"),
    ("--shutdown-grace", "forever"),
    ("--sink-encoding", "cbor"),
    ("--parse", "cobol"),
    ("--parse", "/logs/[a=json"),
    ("--time-zone", "Mars"),
    ("--include-lines", "(a"),
    ("--exclude-lines", "(b"),
    ("--min-level", "loud"),
    ("--sample", "2"),
    ("--rate-limit", "fast"),
    ("--redact", "sins"),
    ("--redact-regex", "noreplacement"),
];

/// `--max-line-bytes` → `LOG_SHIPPER_MAX_LINE_BYTES`
fn variable_of(flag: &str) -> String {
    let name = flag.trim_start_matches('-').replace('-', "_").to_uppercase();
    format!("LOG_SHIPPER_{name}")
}

/// Settings are named without dashes, as in the settings file.
fn names(stderr: &str, flag: &str, value: &str) -> bool {
    stderr.contains(flag.trim_start_matches('-')) && stderr.contains(value)
}

/// What would be without effect where it looks as if it had one.
#[test]
fn settings_that_nothing_looks_at_are_refused() {
    let (place, sink) = (Workplace::new(), Sink::start());
    for (flags, flag, value) in [
        (["--sink", "blackhole"], "--header", "X-Key: v"),
        (["--sink", "blackhole"], "--basic-auth-file", "/a"),
        (["--sink", "http"], "--sink-ca-file", "/b"),
        (["--sink", "http"], "--forward-shared-key-file", "/c"),
        (["--from", "end"], "--min-level", "warn"),
        (["--from", "end"], "--sample", "0.5:user"),
    ] {
        let settings = Settings::new(&place, &sink).flag(flags[0], flags[1]).flag(flag, value);
        let (code, stderr) = settings.run_to_end(SOON);
        let shown = value.split(':').next().filter(|_| flag == "--header").unwrap_or(value);
        assert!(code == 64 && names(&stderr, flag, shown), "{flag}: {code}: {stderr}");
    }
}

#[test]
fn every_bad_flag_is_named() {
    let (place, sink) = (Workplace::new(), Sink::start());
    for (flag, value) in BAD_VALUES {
        let (code, stderr) = Settings::new(&place, &sink).flag(flag, value).run_to_end(SOON);
        assert_eq!(code, 64, "{flag} {value}: {stderr}");
        assert!(names(&stderr, flag, value), "{flag} {value}: {stderr}");
    }
}

#[test]
fn every_bad_variable_is_named() {
    let (place, sink) = (Workplace::new(), Sink::start());
    for (flag, value) in BAD_VALUES {
        let settings = Settings::new(&place, &sink).without(flag).env(&variable_of(flag), value);
        let (code, stderr) = settings.run_to_end(SOON);
        assert_eq!(code, 64, "{flag} {value}: {stderr}");
        assert!(names(&stderr, flag, value), "{flag} {value}: {stderr}");
    }
}

#[test]
fn all_bad_settings_are_reported_at_once() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let settings = Settings::new(&place, &sink).flag("--linger", "x1").flag("--format", "x2");
    let (code, stderr) = settings.flag("--sink-url", "x3").run_to_end(SOON);
    assert_eq!(code, 64, "{stderr}");
    for (flag, value) in [("--linger", "x1"), ("--format", "x2"), ("--sink-url", "x3")] {
        assert!(names(&stderr, flag, value), "{flag}: {stderr}");
    }
}

#[test]
fn an_unknown_flag_is_refused() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let (code, stderr) = Settings::new(&place, &sink).flag("--no-such-flag", "1").run_to_end(SOON);
    assert_eq!(code, 64, "{stderr}");
    assert!(stderr.contains("--no-such-flag"), "{stderr}");
}

#[test]
fn an_http_sink_needs_its_address() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let (code, stderr) = Settings::new(&place, &sink).without("--sink-url").run_to_end(SOON);
    assert_eq!(code, 64, "{stderr}");
    assert!(stderr.contains("sink-url"), "{stderr}");
}

/// What a sink would not look at is refused where it would mislead.
#[test]
fn settings_that_do_not_fit_the_sink_are_refused() {
    let (place, sink) = (Workplace::new(), Sink::start());
    for (sink_name, url, flag, value) in [
        ("forward", "http://host", "--sink-url", "http://host"),
        ("forward", "tcp://host/path", "--sink-url", "tcp://host/path"),
        ("forward", "tcp://host", "--compression", "zstd"),
        ("forward", "tcp://host", "--basic-auth-file", "/login"),
        ("forward", "tcp://host", "--bearer-token-file", "/token"),
        ("elasticsearch", "http://host", "--index", "Logs-App"),
        ("syslog", "tcp://host", "--compression", "gzip"),
        ("syslog", "udp://host", "--format", "json"),
        ("syslog", "tls://host", "--basic-auth-file", "/login"),
        ("syslog", "tcp://host", "--label", "no space=x"),
        ("syslog", "tcp://host", "--label", "cut=x"),
    ] {
        let settings = Settings::new(&place, &sink)
            .flag("--sink", sink_name)
            .flag("--sink-url", url)
            .flag(flag, value);
        let (code, stderr) = settings.run_to_end(SOON);
        assert_eq!(code, 64, "{flag} {value}: {stderr}");
        assert!(names(&stderr, flag, value), "{flag} {value}: {stderr}");
    }
}

/// Nothing is deleted that was never shipped.
#[test]
fn what_is_not_shipped_is_not_reclaimed() {
    let (place, sink) = (Workplace::new(), Sink::start());
    for (flag, value) in
        [("--after-ship", "delete"), ("--after-ship", "truncate"), ("--max-dir-bytes", "1MiB")]
    {
        let settings = Settings::new(&place, &sink).flag("--from", "end").flag(flag, value);
        let (code, stderr) = settings.run_to_end(SOON);
        assert_eq!(code, 64, "{flag} {value}: {stderr}");
        assert!(names(&stderr, "--from", "end"), "{flag} {value}: {stderr}");
    }
}

#[test]
fn a_taken_port_is_a_start_failure() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let taken = std::net::TcpListener::bind(free_address()).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, stderr) =
        Settings::new(&place, &sink).flag("--admin-listen", &address).run_to_end(SOON);
    assert_eq!(code, 69, "{stderr}");
    assert!(stderr.contains(&address), "{stderr}");
}

/// Settings by variables only, with a list in one of them; a flag goes before a variable.
#[test]
fn variables_work_like_flags() {
    let (place, sink) = (Workplace::new(), Sink::start());
    let patterns = format!("{},{}", place.log("*.a").display(), place.log("*.b").display());
    let settings = Settings::bare(&place)
        .env("LOG_SHIPPER_INCLUDE", &patterns)
        .env("LOG_SHIPPER_SINK", "blackhole")
        .flag("--sink", "http")
        .env("LOG_SHIPPER_SINK_URL", &sink.url())
        .env("LOG_SHIPPER_LINGER", "200ms")
        .env("LOG_SHIPPER_LABEL", "x=1,y=2");
    let shipper = settings.start();
    let mut one = Numbered::open(place.log("one.a"), "one");
    let mut two = Numbered::open(place.log("two.b"), "two");
    one.lines(10);
    two.lines(10);
    sink.wait_records(20, SOON);
    shipper.drain_ok();
    sink.account(&[&one, &two]).assert_exactly_once();
    let fields = &sink.records()[0].fields;
    assert_eq!((&fields["x"], &fields["y"]), (&"1".into(), &"2".into()));
}
