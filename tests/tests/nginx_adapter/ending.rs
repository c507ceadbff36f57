//! How it ends: on a signal with a scrape in flight, and when nginx is not there after the retries.
//!
//! Peers: 0.5 to 0.11 exit 1 on SIGTERM; 1.x refuses the retries flags.

use std::time::{Duration, Instant};

use e2e::client::Request;
use e2e::exporter::Settings;
use e2e::nginx::{Nginx, Site};
use e2e::pace::{SOON, wait_until};
use e2e::process::Signal;
use e2e::upstream::{PAGE, Reply, Upstream};
use e2e::workplace::{Workplace, free_address};

#[test]
fn idle_it_ends_with_0() {
    let upstream = Upstream::start(Reply::page(PAGE));
    for signal in [Signal::TERM, Signal::INT] {
        let place = Workplace::new();
        let mut exporter = Settings::adapter(&place).scrape(&upstream.uri()).start();
        assert!(exporter.is_up());
        let start = Instant::now();
        exporter.process().signal(signal);
        assert_eq!(exporter.process().wait_code(SOON), 0, "{}", exporter.log());
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
}

/// The scrape in flight gets its answer, and the end comes before the grace does.
#[test]
fn a_scrape_in_flight_is_answered() {
    let place = Workplace::new();
    let nginx = Nginx::start(place.path(), &place.logs());
    let uri = format!("http://{}/stub_status", nginx.address());
    let settings = Settings::adapter(&place).scrape(&uri).arg("-nginx.timeout=3s");
    let mut exporter = settings.start();
    assert!(exporter.is_up());
    nginx.signal_workers(Signal::STOP);
    let scrape = Request::get("/metrics").start(exporter.address()).unwrap();
    // Nothing tells that the request was read, but a later one on another connection was.
    assert_eq!(exporter.get("/healthz").status, 200);
    exporter.sigterm();
    let answer = scrape.finish().unwrap();
    assert!(answer.text().contains("\nnginx_up 0\n"), "{}", answer.text());
    assert_eq!(exporter.process().wait_code(SOON), 0, "{}", exporter.log());
}

/// With a timeout above the grace the scrape is cut, and the status says that work was left.
#[test]
fn a_hung_scrape_does_not_outlive_the_grace() {
    let place = Workplace::new();
    let nginx = Nginx::start(place.path(), &place.logs());
    let uri = format!("http://{}/stub_status", nginx.address());
    let settings = Settings::adapter(&place).scrape(&uri);
    let mut exporter = settings.args(&["-nginx.timeout=5m", "--shutdown-grace=2s"]).start();
    assert!(exporter.is_up());
    nginx.signal_workers(Signal::STOP);
    let _scrape = Request::get("/metrics").start(exporter.address()).unwrap();
    assert_eq!(exporter.get("/healthz").status, 200);
    let start = Instant::now();
    exporter.sigterm();
    let code = exporter.process().wait_code(SOON);
    assert_eq!(code, 75, "{}", exporter.log());
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[test]
fn readiness_falls_when_the_end_begins() {
    let place = Workplace::new();
    let nginx = Nginx::start(place.path(), &place.logs());
    let uri = format!("http://{}/stub_status", nginx.address());
    let settings = Settings::adapter(&place).scrape(&uri).arg("-nginx.timeout=3s");
    let mut exporter = settings.start();
    assert_eq!(exporter.get("/readyz").status, 200);
    nginx.signal_workers(Signal::STOP);
    let scrape = Request::get("/metrics").start(exporter.address()).unwrap();
    assert_eq!(exporter.get("/healthz").status, 200);
    exporter.sigterm();
    let ready = || Request::get("/readyz").send(exporter.address());
    wait_until("readiness to fall", SOON, || ready().is_ok_and(|answer| answer.status == 503));
    drop(scrape);
    assert_eq!(exporter.process().wait_code(SOON), 0, "{}", exporter.log());
}

/// As 0.x: try so often, then give up. Nobody else would start the pod again.
#[test]
fn retries_run_out() {
    let nobody = free_address();
    let place = Workplace::new();
    let settings = Settings::adapter(&place)
        .scrape(&format!("http://{nobody}/stub_status"))
        .arg(e2e::exporter::listen_on(free_address()))
        .args(&["-nginx.retries=3", "-nginx.retry-interval=200ms"]);
    let start = Instant::now();
    let (code, stdout, stderr) = settings.run_to_end(SOON);
    assert_eq!((code, stdout.as_str()), (69, ""), "{stderr}");
    assert!(start.elapsed() > Duration::from_millis(3 * 200 - 50), "{:?}", start.elapsed());
    let errors: Vec<&str> =
        stderr.lines().filter(|line| line.contains("\"level\":\"ERROR\"")).collect();
    assert_eq!(errors.len(), 1, "{stderr}");
    assert!(errors[0].contains(&nobody.to_string()), "{stderr}");
}

/// Explicitly none: one look, as 0.x does without the flag.
#[test]
fn no_retries_is_one_look() {
    let nobody = free_address();
    let place = Workplace::new();
    let settings = Settings::adapter(&place)
        .scrape(&format!("http://{nobody}/stub_status"))
        .arg(e2e::exporter::listen_on(free_address()))
        .arg("-nginx.retries=0");
    let (code, _stdout, stderr) = settings.run_to_end(SOON);
    assert_eq!(code, 69, "{stderr}");
}

#[test]
fn nginx_comes_before_the_retries_run_out() {
    let place = Workplace::new();
    let site = Site::new(place.path(), &place.logs());
    let address = free_address();
    let mut exporter = Settings::adapter(&place)
        .scrape(&site.status_uri())
        .arg(e2e::exporter::listen_on(address))
        .args(&["-nginx.retries=1000", "-nginx.retry-interval=100ms"])
        .spawn(address.into());
    assert!(e2e::pace::holds_for(Duration::from_millis(500), || exporter.process().is_running()));
    let nginx = site.start();
    exporter.wait_listening();
    exporter.wait_up(true);
    // Only the start counts: what is gone later is just down.
    drop(nginx);
    exporter.wait_up(false);
    exporter.stop();
}

/// A drain may begin while it still tries.
#[test]
fn a_signal_ends_the_retries() {
    let nobody = free_address();
    let place = Workplace::new();
    let address = free_address();
    let mut exporter = Settings::adapter(&place)
        .scrape(&format!("http://{nobody}/stub_status"))
        .arg(e2e::exporter::listen_on(address))
        .args(&["-nginx.retries=1000", "-nginx.retry-interval=5s"])
        .spawn(address.into());
    assert!(e2e::pace::holds_for(Duration::from_millis(500), || exporter.process().is_running()));
    exporter.sigterm();
    assert_eq!(exporter.process().wait_code(SOON), 0, "{}", exporter.log());
}
