use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::config::tests::configured;
use super::*;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    registry: MetricRegistry,
    lifecycle: Lifecycle,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    fn start(flags: &[String]) -> Running {
        let lifecycle = Lifecycle::new(Duration::from_secs(10));
        let registry = MetricRegistry::new("nginx-adapter", "0", lifecycle.clone());
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let config = configured(&flags).unwrap().unwrap();
        let logs = Logs::open(config, &registry, &lifecycle).unwrap();
        let task = lifecycle.spawn_essential("logs", logs.run(lifecycle.clone()));
        Running { registry, lifecycle, task }
    }

    fn shows(&self, line: &str) -> bool {
        self.registry.open_metrics().unwrap().lines().any(|shown| shown == line)
    }

    /// Of a family without labels, or the sum of one with them.
    fn value(&self, name: &str) -> u64 {
        let metrics = self.registry.open_metrics().unwrap();
        let samples = metrics.lines().filter_map(|line| line.strip_prefix(name));
        samples.map(|it| it.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    async fn wait_for(&self, line: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.shows(line) {
            let metrics = self.registry.open_metrics().unwrap();
            assert!(Instant::now() < deadline, "{line} is not in:\n{metrics}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn stop(self) {
        self.lifecycle.drain("test");
        self.task.await.unwrap();
    }
}

fn append(path: &Path, lines: usize) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all("GET 200 0.250 1000\n".repeat(lines).as_bytes()).unwrap();
}

fn flags(dir: &Path) -> Vec<String> {
    let pattern = dir.join("access.log");
    vec![
        format!("--access-log={}", pattern.display()),
        "--access-log-format=$request_method $status $request_time $bytes_sent".to_owned(),
        "--access-log-buckets=0.1,0.25".to_owned(),
    ]
}

fn requests(count: usize) -> String {
    format!("nginx_http_response_requests_total{{method=\"GET\",status=\"200\"}} {count}")
}

#[tokio::test]
async fn lines_are_counted_through_a_rotation_and_shown_as_families() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    append(&path, 5);
    let mut flags = flags(dir.path());
    flags.push(format!("--error-log={}", dir.path().join("error.log").display()));
    let running = Running::start(&flags);
    // Those that were there before do not count.
    append(&path, 3);
    running.wait_for(&requests(3)).await;
    fs::rename(&path, dir.path().join("access.log.1")).unwrap();
    append(&dir.path().join("access.log.1"), 2);
    append(&path, 4);
    let error = "2026/11/22 10:00:00 [crit] 1#1: x\nmore\n";
    fs::write(dir.path().join("error.log"), error).unwrap();
    running.wait_for(&requests(9)).await;
    running.wait_for("nginx_error_log_lines_total{level=\"crit\"} 1").await;
    let labels = "method=\"GET\",status=\"200\"";
    for line in [
        format!("nginx_http_response_duration_seconds_bucket{{le=\"0.1\",{labels}}} 0"),
        format!("nginx_http_response_duration_seconds_bucket{{le=\"0.25\",{labels}}} 9"),
        format!("nginx_http_response_duration_seconds_bucket{{le=\"+Inf\",{labels}}} 9"),
        format!("nginx_http_response_duration_seconds_sum{{{labels}}} 2.25"),
        format!("nginx_http_response_duration_seconds_count{{{labels}}} 9"),
        format!("nginx_http_response_bytes_total{{{labels}}} 9000"),
        format!("nginx_adapter_log_lines_total{{log=\"{}\"}} 9", path.display()),
        "nginx_error_log_lines_total{level=\"emerg\"} 0".to_owned(),
        "nginx_adapter_log_lines_unparsed_total 0".to_owned(),
        "nginx_adapter_log_series 1".to_owned(),
        "nginx_adapter_log_series_overflow_total 0".to_owned(),
    ] {
        assert!(running.shows(&line), "{line}:\n{}", running.registry.open_metrics().unwrap());
    }
    assert!(!running.registry.open_metrics().unwrap().contains("upstream"));
    // What is written just before the signal is counted in the drain.
    append(&path, 1);
    let registry = running.registry.clone();
    running.stop().await;
    assert!(registry.open_metrics().unwrap().contains(&requests(10)));
}

#[tokio::test]
async fn with_a_state_directory_a_restart_counts_what_came_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let mut flags = flags(dir.path());
    flags.push(format!("--log-state-dir={}", dir.path().join("state").display()));
    append(&path, 5);
    let running = Running::start(&flags);
    running.wait_for(&requests(5)).await;
    running.stop().await;
    append(&path, 7);
    let running = Running::start(&flags);
    running.wait_for(&requests(7)).await;
    running.stop().await;
}

#[tokio::test]
async fn a_file_gives_the_disk_back_while_it_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let mut flags = flags(dir.path());
    flags.push("--access-log-reclaim=64KiB".to_owned());
    let running = Running::start(&flags);
    for round in 1..20 {
        append(&path, 10_000);
        running.wait_for(&requests(round * 10_000)).await;
    }
    let on_disk = fs::metadata(&path).unwrap().blocks() * 512;
    assert!(on_disk <= 64 << 10, "{on_disk}");
    let metrics = running.registry.open_metrics().unwrap();
    let reclaimed = metrics.lines().find_map(|line| {
        line.strip_prefix("nginx_adapter_log_reclaimed_bytes_total ")?.parse::<u64>().ok()
    });
    assert!(reclaimed.unwrap() > 3_000_000, "{metrics}");
    assert!(running.shows("nginx_adapter_log_lost_bytes_total 0"), "{metrics}");
    running.stop().await;
}

/// Each line has a path of its own, so that each is matched with every rule.
#[tokio::test]
async fn while_rules_cost_much_time_others_run_and_see_how_far_it_is() {
    const LINES: u64 = 200;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let mut flags = vec![
        format!("--access-log={}", path.display()),
        "--access-log-format=$request_uri $status".to_owned(),
    ];
    let rules = (0..10).map(|rule| format!("--access-log-path-rule=([a-z]+[0-9]*/)+{rule}$=x"));
    flags.extend(rules);
    let running = Running::start(&flags);
    let tail = "a1/".repeat(120);
    let lines: String = (0..LINES).map(|index| format!("/{index}/{tail} 200\n")).collect();
    fs::write(&path, &lines).unwrap();
    assert!(lines.len() < 256 << 10, "it could be read in one turn");
    let deadline = Instant::now() + PATIENCE;
    let mut looks = Vec::new();
    loop {
        let counted = running.value("nginx_http_response_requests_total");
        let lag = running.value("nginx_adapter_log_lag_bytes ");
        if looks.last().is_none_or(|(last, _)| *last != counted) {
            looks.push((counted, lag));
        }
        if counted == LINES {
            break;
        }
        assert!(Instant::now() < deadline, "{looks:?}");
        tokio::task::yield_now().await;
    }
    assert!(looks.len() > 4, "{looks:?}");
    assert!(looks.iter().any(|(counted, lag)| *counted < LINES && *lag > 0), "{looks:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_state_directory_in_use_and_a_socket_in_use_keep_it_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let _held = StateDir::open(&state).unwrap();
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let state_flag = format!("--log-state-dir={}", state.display());
    let listen = format!("--syslog-listen=udp://{}", taken.local_addr().unwrap());
    for (flag, setting) in [(state_flag, "log-state-dir"), (listen, "syslog-listen")] {
        let config = configured(&["--access-log=/no/such", &flag]).unwrap().unwrap();
        let lifecycle = Lifecycle::new(Duration::ZERO);
        let registry = MetricRegistry::new("nginx-adapter", "0", lifecycle.clone());
        let error = Logs::open(config, &registry, &lifecycle).unwrap_err();
        assert!(error.to_string().starts_with(setting), "{error}");
    }
}
