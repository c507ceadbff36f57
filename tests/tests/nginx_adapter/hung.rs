//! An nginx whose worker is stopped: it accepts connections and says nothing, for ever.
//!
//! Peers: 1.x ignores `--nginx.timeout` and never answers, 200 abandoned scrapes cost it 20 MB and
//! 200 descriptors; 0.x answers in time, but scrapes queue behind each other.

use std::time::Duration;

use e2e::client::{Address, Answer, Request};
use e2e::exporter::{Exporter, Settings};
use e2e::nginx::{Nginx, Site};
use e2e::pace::{SOON, wait_until};
use e2e::process::Signal;
use e2e::workplace::Workplace;

/// What a slow machine may add to a deadline.
const SLACK: Duration = Duration::from_millis(800);
const ABANDONED: usize = 1000;
/// Open at a time; below every default limit of descriptors.
const AT_A_TIME: usize = 100;

/// A stopped nginx, and an exporter with a timeout before it.
fn hung(place: &Workplace, timeout: &str) -> (Nginx, Exporter) {
    let nginx = Nginx::start(place.path(), &place.logs());
    let uri = format!("http://{}/stub_status", nginx.address());
    let settings = Settings::adapter(place).scrape(&uri).arg(format!("-nginx.timeout={timeout}"));
    let exporter = settings.start();
    assert!(exporter.is_up());
    nginx.signal_workers(Signal::STOP);
    (nginx, exporter)
}

fn is_down(answer: &Answer) -> bool {
    answer.status == 200 && answer.text().contains("\nnginx_up 0\n")
}

#[test]
fn the_answer_comes_before_the_timeout() {
    let place = Workplace::new();
    let (nginx, exporter) = hung(&place, "1s");
    for _scrape in 0..3 {
        let answer = exporter.get("/metrics");
        assert!(is_down(&answer), "{}", answer.text());
        assert!(answer.took < Duration::from_secs(1) + SLACK, "{:?}", answer.took);
    }
    let metrics = exporter.metrics();
    assert!(metrics.with_label("nginx_scrape_errors_total", "reason", "timeout") >= 3.0);
    nginx.signal_workers(Signal::CONT);
    exporter.wait_up(true);
    let log = exporter.stop();
    assert_eq!(log.matches("\"level\":\"WARN\"").count(), 1, "{log}");
}

/// Prometheus says how long it will wait, and an answer after that is no answer.
#[test]
fn the_answer_comes_before_the_scraper_gives_up() {
    let place = Workplace::new();
    let (_nginx, exporter) = hung(&place, "60s");
    for seconds in ["1", "1.5", "0.4"] {
        let request =
            Request::get("/metrics").header("X-Prometheus-Scrape-Timeout-Seconds", seconds);
        let answer = exporter.ask(&request);
        assert!(is_down(&answer), "{}", answer.text());
        let seconds = Duration::from_secs_f64(seconds.parse().unwrap());
        assert!(answer.took < seconds, "{:?} of {seconds:?}", answer.took);
        assert!(answer.took > seconds / 5, "{:?}: it should use most of the time", answer.took);
    }
}

/// A header that says nothing useful leaves the timeout as it is.
#[test]
fn a_strange_scrape_timeout_is_ignored() {
    let place = Workplace::new();
    let (_nginx, exporter) = hung(&place, "1s");
    for value in ["", "soon", "-1", "1e400", "NaN", "0", "100000"] {
        let request = Request::get("/metrics").header("X-Prometheus-Scrape-Timeout-Seconds", value);
        let answer = exporter.ask(&request);
        assert!(is_down(&answer), "{value}: {}", answer.text());
        assert!(answer.took < Duration::from_secs(1) + SLACK, "{value}: {:?}", answer.took);
    }
}

/// Ten at once take as long as one: they share a fetch and do not queue.
#[test]
fn scrapes_do_not_queue() {
    let place = Workplace::new();
    let (nginx, exporter) = hung(&place, "2s");
    let address = exporter.address();
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let scrape = || Request::get("/metrics").send(address).unwrap();
        let threads: Vec<_> = (0..10).map(|_| scope.spawn(scrape)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for answer in &answers {
        assert!(is_down(answer));
        assert!(answer.took < Duration::from_secs(2) + SLACK, "{:?}", answer.took);
    }
    nginx.signal_workers(Signal::CONT);
    exporter.wait_up(true);
}

/// While one scrape waits, the probes and the landing page answer at once.
#[test]
fn probes_do_not_wait_for_nginx() {
    let place = Workplace::new();
    let (_nginx, exporter) = hung(&place, "20s");
    let scrape = Request::get("/metrics").start(exporter.address()).unwrap();
    for path in ["/healthz", "/readyz", "/"] {
        let answer = exporter.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.took < Duration::from_secs(2), "{path}: {:?}", answer.took);
    }
    drop(scrape);
}

/// Scrapers that give up: what they opened is closed, what they made is freed.
#[test]
fn abandoned_scrapes_cost_nothing() {
    let place = Workplace::new();
    let (nginx, mut exporter) = hung(&place, "30s");
    abandon(exporter.address(), AT_A_TIME);
    let settled = |exporter: &mut Exporter| exporter.process().open_files().len();
    wait_until("the first ones to be gone", SOON, || settled(&mut exporter) < AT_A_TIME / 2);
    let (files, memory) = (settled(&mut exporter), exporter.process().rss_bytes());
    for _batch in 0..ABANDONED / AT_A_TIME {
        abandon(exporter.address(), AT_A_TIME);
    }
    // One connection to nginx may be under way or kept.
    wait_until("no more descriptors than before", SOON, || settled(&mut exporter) <= files + 1);
    let grown = exporter.process().rss_bytes().saturating_sub(memory);
    assert!(grown < 1 << 20, "{grown} bytes more");
    nginx.signal_workers(Signal::CONT);
    exporter.wait_up(true);
    exporter.stop();
}

fn abandon(address: &Address, count: usize) {
    let scrapes: Vec<_> =
        (0..count).map(|_| Request::get("/metrics").start(address).unwrap()).collect();
    drop(scrapes);
}

/// A hung target does not hold up the others, nor are they wrong because of it.
#[test]
fn one_of_two_hangs() {
    let place = Workplace::new();
    let one = Site::new(place.path(), &place.logs()).start();
    let other = Site::new(place.path(), &place.logs()).named("other").start();
    let uri = |nginx: &Nginx| format!("http://{}/stub_status", nginx.address());
    let (hung, well) = (uri(&one), uri(&other));
    let settings = Settings::adapter(&place).scrape(&hung).scrape(&well).arg("-nginx.timeout=1s");
    let exporter = settings.start();
    one.signal_workers(Signal::STOP);
    let answer = exporter.get("/metrics");
    assert!(answer.took < Duration::from_secs(1) + SLACK, "{:?}", answer.took);
    let text = answer.text();
    assert!(text.contains(&format!("\nnginx_up{{addr=\"{hung}\"}} 0\n")), "{text}");
    assert!(text.contains(&format!("\nnginx_up{{addr=\"{well}\"}} 1\n")), "{text}");
    let active = |uri: &str| format!("\nnginx_connections_active{{addr=\"{uri}\"}}");
    assert!(text.contains(&active(&well)) && !text.contains(&active(&hung)), "{text}");
    one.signal_workers(Signal::CONT);
}
