//! The admin port: probes, metrics in both formats, and who may ask for the end.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use e2e::binary::built;
use e2e::metrics::Metrics;
use e2e::pace::{SOON, wait_until};
use e2e::process::Signal;
use e2e::workplace::{Workplace, run};

use crate::SUBJECTS;
use crate::subject::{Running, Subject};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0";
const PROCESS_METRICS: [&str; 6] = [
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_virtual_memory_bytes",
];

#[test]
fn probes_answer() {
    for subject in SUBJECTS {
        let place = Workplace::new();
        let running = subject.start_idle(&place);
        for path in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(running.ask("GET", path).status, 200, "{path}");
            assert_eq!(running.ask("POST", path).status, 405, "{path}");
        }
        let landing = if subject.has_landing_page { 200 } else { 404 };
        assert_eq!(running.ask("GET", "/").status, landing);
        assert_eq!(running.ask("GET", "/no-such-page").status, 404);
    }
}

#[test]
fn metrics_come_in_two_formats() {
    for subject in SUBJECTS {
        let place = Workplace::new();
        let running = subject.start_idle(&place);
        for accept in ["*/*", "text/plain;version=0.0.4;q=0.5"] {
            let text = running.ask_for("GET", "/metrics", accept);
            let head = text.head.to_ascii_lowercase();
            assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
            assert!(!text.body.contains("# EOF"), "{}", text.body);
        }
        let text = if subject.prefers_text { "" } else { ",text/plain;version=0.0.4;q=0.5" };
        let accept = format!("{OPEN_METRICS}{text}");
        let open = running.ask_for("GET", "/metrics", &accept);
        let head = open.head.to_ascii_lowercase();
        assert!(head.contains(&format!("content-type: {OPEN_METRICS}")), "{head}");
        assert!(open.body.ends_with("# EOF\n"), "{}", open.body);
        let text = running.ask("GET", "/metrics");
        assert_eq!(Metrics::parse(&text.body).names(), Metrics::parse(&open.body).names());
    }
}

#[test]
fn metric_names_tell_their_owner() {
    for subject in SUBJECTS {
        let place = Workplace::new();
        let metrics = subject.start_idle(&place).metrics();
        let prefix = subject.metric_prefix;
        for name in metrics.names() {
            let known = name.starts_with(prefix) || PROCESS_METRICS.contains(&name);
            assert!(known, "{name} does not begin with {prefix}");
        }
        for name in PROCESS_METRICS {
            assert!(metrics.names().contains(&name), "{name}");
        }
        let build_info = format!("{}build_info", subject.own_metric_prefix());
        let build_info = metrics.with_label(&build_info, "version", "0.1.0");
        assert!((build_info - 1.0).abs() < f64::EPSILON);
    }
}

#[test]
fn a_post_ends_it_and_a_get_does_not() {
    for subject in SUBJECTS {
        let place = Workplace::new();
        let running = subject.start_idle(&place);
        assert_eq!(running.ask("GET", "/quitquitquit").status, 405);
        assert_eq!(running.ask("GET", "/readyz").status, 200);
        assert_eq!(running.ask("POST", "/quitquitquit").status, 200);
        assert_eq!(running.end(SOON).0, 0);
    }
}

#[test]
fn the_probes_of_the_command_line() {
    for subject in SUBJECTS {
        let place = Workplace::new();
        let scene = (subject.stuck)(&place);
        let running = subject.start(&place, &scene.arguments);
        (scene.wait_busy)();
        let admin = format!("--admin-listen={}", running.admin);
        let probe = |ready: &[&str]| {
            let arguments: Vec<&str> =
                ["healthcheck", &admin].into_iter().chain(ready.iter().copied()).collect();
            subject.run(&arguments, &[]).status.code()
        };
        assert_eq!((probe(&[]), probe(&["--ready"])), (Some(0), Some(0)));
        running.signal(Signal::TERM);
        wait_until("the drain", SOON, || running.ask("GET", "/readyz").status == 503);
        assert_eq!(running.ask("GET", "/healthz").status, 200);
        assert_eq!((probe(&[]), probe(&["--ready"])), (Some(0), Some(1)));
        let metrics = running.metrics();
        assert!(metrics.sum(&format!("{}drain_seconds", subject.own_metric_prefix())) > 0.0);
        running.signal(Signal::TERM);
        assert_eq!(running.end(Duration::from_secs(5)).0, 75);
        assert_eq!((probe(&[]), probe(&["--ready"])), (Some(1), Some(1)));
    }
}

/// A network of its own, with an address that is not loopback.
struct Network {
    name: String,
}

const ADDRESS: &str = "198.51.100.1";
const PORT: u16 = 9000;

impl Network {
    fn new(place: &Workplace) -> Self {
        let name = place.path().file_name().unwrap().to_str().unwrap().to_owned();
        let network = Self { name };
        network.ip(&["netns", "add", &network.name]);
        // What counts is the address, not the device, and each kernel has this one.
        for words in ["link set lo up", "addr add 198.51.100.1/24 dev lo"] {
            let words = words.split(' ');
            let words: Vec<&str> = ["-n", &network.name].into_iter().chain(words).collect();
            network.ip(&words);
        }
        network
    }

    fn ip(&self, words: &[&str]) {
        run(Command::new("ip").args(words));
    }

    /// The answer to a request from inside.
    fn ask(&self, address: &str, port: u16, request: &str) -> String {
        let script = format!(
            "exec 3<>/dev/tcp/{address}/{port}; \
             printf '{request} HTTP/1.1\\r\\nhost: x\\r\\nconnection: close\\r\\n\\r\\n' >&3; \
             cat <&3"
        );
        let mut bash = Command::new("ip");
        let output = bash.args(["netns", "exec", &self.name, "bash", "-c", &script]).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    }

    /// Starts inside, listening on all addresses.
    fn start(&self, subject: &Subject, place: &Workplace) -> Running {
        let mut words: Vec<OsString> = ["ip", "netns", "exec", &self.name].map(Into::into).into();
        words.push(built(subject.name).into());
        let everywhere = SocketAddr::from(([0, 0, 0, 0], PORT));
        let running = subject.spawn(place, &words, &(subject.idle)(place), everywhere);
        wait_until("readiness", SOON, || {
            self.ask(ADDRESS, PORT, "GET /readyz").starts_with("HTTP/1.1 200")
        });
        running
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.ip(&["netns", "del", &self.name]);
    }
}

#[test]
fn only_the_own_pod_may_end_it() {
    for subject in SUBJECTS {
        let place = Workplace::new();
        let network = Network::new(&place);
        let running = network.start(&subject, &place);
        let answer = network.ask(ADDRESS, PORT, "POST /quitquitquit");
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        let answer = network.ask(ADDRESS, PORT, "GET /readyz");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let answer = network.ask("127.0.0.1", PORT, "POST /quitquitquit");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(running.end(SOON).0, 0);
    }
}
