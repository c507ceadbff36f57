//! nginx-adapter under the contract.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use e2e::metrics::{self, Metrics};
use e2e::nginx::Site;
use e2e::pace::{SOON, wait_until};
use e2e::upstream::{Reply, Upstream};
use e2e::workplace::{Workplace, free_address};

use crate::subject::{Scene, Subject};

pub(crate) const SUBJECT: Subject = Subject {
    name: "nginx-adapter",
    admin_port: 9113,
    idle,
    loaded,
    stuck,
    bad_values: &[
        ("nginx.scrape-uri", "localhost:8080/stub_status"),
        ("nginx.timeout", "5"),
        ("nginx.plus", "true"),
        ("web.telemetry-path", "metrics"),
        ("prometheus.const-label", "novalue"),
        ("access-log-format", "$status$request"),
    ],
    metric_prefix: "nginx_",
    has_landing_page: true,
    prefers_text: true,
};

fn idle(place: &Workplace) -> Vec<String> {
    vec![
        format!("--access-log={}", place.log("access.log").display()),
        format!("--error-log={}", place.log("error.log").display()),
        format!("--log-state-dir={}", place.state().display()),
    ]
}

/// Every variable that the adapter makes a metric of.
const FORMAT: &str = "$request_method $status $host $request_uri $request_time \
    $upstream_response_time $upstream_connect_time $upstream_header_time $body_bytes_sent \
    $request_length $upstream_cache_status";

/// An nginx that asks itself for a page, and so writes lines, until it is told to stop.
fn loaded(place: &Workplace) -> Scene {
    let site = Site::new(place.path(), &place.logs());
    let own = site.address();
    let nginx = site
        .http(&format!("log_format all '{FORMAT}';\n"))
        .access_log(&format!("{} all", place.log("access.log").display()))
        .server(&format!("location /up {{ proxy_pass http://{own}/; }}\n"))
        .start();
    let (address, web, syslog) = (nginx.address(), free_address(), free_address());
    let ended = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&ended);
    let client = thread::spawn(move || {
        while !told.load(Ordering::Relaxed) {
            metrics::get(address, "/up").unwrap();
        }
    });
    let mut arguments = idle(place);
    arguments.extend([
        format!("--nginx.scrape-uri=http://{address}/stub_status"),
        format!("--nginx.ports={}", address.port()),
        "--nginx.sockets".to_owned(),
        format!("--web.listen-address={web}"),
        format!("--access-log-format={FORMAT}"),
        "--access-log-host".to_owned(),
        "--access-log-path-rule=^/up=/up".to_owned(),
        "--access-log-reclaim=1MiB".to_owned(),
        format!("--syslog-listen=udp://{syslog}"),
    ]);
    Scene {
        arguments,
        wait_busy: Box::new(move || {
            wait_until("lines", SOON, || {
                let metrics = Metrics::scrape(web);
                metrics.is_some_and(|shown| shown.sum("nginx_adapter_log_lines_total") > 100.0)
            });
        }),
        calm: Box::new(move || {
            ended.store(true, Ordering::Relaxed);
            client.join().unwrap();
            drop(nginx);
        }),
    }
}

/// A scrape of an nginx that takes requests and never answers.
fn stuck(place: &Workplace) -> Scene {
    let upstream = Rc::new(Upstream::start(Reply::Silence(Vec::new())));
    let web = free_address();
    let mut arguments = idle(place);
    arguments.push(format!("--nginx.scrape-uri={}", upstream.uri()));
    arguments.push("--nginx.timeout=60s".to_owned());
    arguments.push(format!("--web.listen-address={web}"));
    let peer = Rc::clone(&upstream);
    Scene {
        arguments,
        wait_busy: Box::new(move || {
            // Nobody waits for this answer to the end of the test.
            thread::spawn(move || metrics::get(web, "/metrics"));
            upstream.wait_requests(1, SOON);
        }),
        calm: Box::new(move || drop(peer)),
    }
}
