//! The compose file at the top: what its page promises, with docker-compose and real containers.
//!
//! One stack goes through everything, because it is the incidents after one another that a user
//! has: traffic, kill -9 and crash of each sidecar, rotation, restart of nginx, the end. The
//! commands are those of the page, and each of the page is run. Afterwards the account is exact:
//! every request, from the test and from the stack's own visitor, is a line that was shipped, in
//! order; every key is on one of the two servers.

mod lines;
mod page;
mod stack;
mod traffic;

use std::time::{Duration, Instant};

use e2e::engine::{Engine, image};
use e2e::pace::{SOON, wait_until};

use self::lines::{Shipped, Written};
use self::stack::Stack;
use self::traffic::{Requests, Traffic};

const FOREIGN: [&str; 4] = ["nginx:1.22", "redis:7.0", "prom/prometheus:v2.42.0", "busybox:1.36"];
const SIDECARS: [&str; 3] = ["log-shipper", "nginx-adapter", "redis-ambassador"];
const WITH_HEALTH: [&str; 7] = [
    "nginx",
    "log-shipper",
    "nginx-adapter",
    "redis-ambassador",
    "redis-0",
    "redis-1",
    "prometheus",
];

/// What Prometheus has of each image, with a value above zero.
const METRICS: [&str; 8] = [
    "log_shipper_lines_acked_total",
    "log_shipper_checkpoints_total",
    "nginx_up",
    "nginx_connections_accepted",
    "nginx_http_response_requests_total{status=\"200\"}",
    "redis_ambassador_server_requests_total{server=\"redis-0:6379\"}",
    "redis_ambassador_server_requests_total{server=\"redis-1:6379\"}",
    "redis_ambassador_client_connections_accepted_total",
];
/// Nothing of this happens, whatever is killed.
const FAULTS: [&str; 4] = [
    "nginx_adapter_log_lines_unparsed_total",
    "nginx_adapter_log_lost_bytes_total",
    "log_shipper_lost_bytes_total",
    "log_shipper_unknown_loss_total",
];

/// The page says so.
const USED_MIB_MAX: f64 = 8.0;
/// The longest drain is 30 s, and the sidecars drain at the same time.
const STOP_MAX: Duration = Duration::from_secs(30);
/// The shipper dies twice, and repeats what came since its last checkpoint, which is a second old
/// at most; five for a busy machine.
const DOUBLED_MAX: usize = 2 * 5 * (traffic::A_SECOND + VISITS_A_SECOND);
const VISITS_A_SECOND: usize = 5;

#[test]
fn the_compose_file_does_what_its_page_says() {
    let mut engine = Engine::start();
    engine.ensure(&FOREIGN);
    engine.images();
    let mut stack = Stack::new(engine);
    stack.page("docker compose up -d");
    stack.wait_healthy(&WITH_HEALTH);
    let traffic = Traffic::start(&stack);
    look_around(&mut stack);
    kill_sidecars(&mut stack, &traffic);
    disturb_nginx(&mut stack, &traffic);
    metrics_are_there(&stack);
    little_memory_is_used(&mut stack);
    let Traffic { pages, keys } = traffic;
    keys_are_on_both_servers(&stack, keys.end());
    end(&mut stack, pages);
    stack.assert_whole_page_was_run();
    stack.assert_nothing_is_left();
}

#[test]
fn the_compose_file_names_the_images_of_this_version() {
    let file = page::compose_file();
    for name in SIDECARS {
        let expected = format!("image: {}\n", image(name));
        assert!(file.contains(&expected), "{expected}");
        assert!(file.contains(&format!("target: {name}}}")), "{name} is not built");
    }
    for name in FOREIGN {
        assert!(file.contains(&format!("image: {name}\n")), "{name}");
    }
}

/// What the page says to look at.
fn look_around(stack: &mut Stack) {
    assert!(stack.page("curl -s http://localhost:8080/hello").contains("/hello"));
    wait_until("the line of the page", SOON, || stack.shipped().contains("\"GET /hello "));
    stack.page("docker compose logs --tail 20 log-shipper");
    wait_until("a key", SOON, || stack.output("app").contains("app:1 is value-1\n"));
    stack.page("docker compose logs --tail 20 app");
    let ask = "docker compose exec app redis-cli -h redis-ambassador -p 6380";
    assert_eq!(stack.page(&format!("{ask} set greeting hello")).trim(), "OK");
    assert_eq!(stack.page(&format!("{ask} get greeting")).trim(), "hello");
    for server in ["redis-0", "redis-1"] {
        let keys = stack.page(&format!("docker compose exec {server} redis-cli dbsize"));
        assert!(keys.trim().parse::<u64>().is_ok(), "{keys}");
    }
    let asked =
        "docker compose exec redis-ambassador /redis-ambassador locate greeting app:1 app:2";
    assert_eq!(stack.page(asked).lines().count(), 3);
    metrics_are_there(stack);
    for name in ["up", "log_shipper_lines_acked_total", "nginx_http_response_requests_total"] {
        stack.page(&format!("curl -s 'http://localhost:9090/api/v1/query?query={name}'"));
    }
    let name = "redis_ambassador_server_requests_total";
    let answer = stack.page(&format!("curl -s 'http://localhost:9090/api/v1/query?query={name}'"));
    assert!(answer.contains("redis-0:6379"), "{answer}");
    stack.assert_alerts_are_loaded();
}

/// All at once with the page's commands; then one after the other, and the engine starts it again.
fn kill_sidecars(stack: &mut Stack, traffic: &Traffic) {
    let all = SIDECARS.join(" ");
    stack.page(&format!("docker compose kill -s KILL {all}"));
    for name in SIDECARS {
        assert_eq!(stack.state(name, "{{.State.ExitCode}}"), "137");
    }
    stack.page(&format!("docker compose start {all}"));
    stack.wait_healthy(&SIDECARS);
    traffic.wait_more();
    for name in SIDECARS {
        stack.crash(name);
        let restarted = || stack.state(name, "{{.RestartCount}} {{.State.Running}}") == "1 true";
        wait_until(&format!("{name} to be started again"), SOON, restarted);
        stack.wait_healthy(&[name]);
        traffic.wait_more();
    }
}

/// Rotation, and a restart.
fn disturb_nginx(stack: &mut Stack, traffic: &Traffic) {
    stack.page(
        "docker compose exec nginx sh -c 'mv /logs/access.log /logs/access.log.1 \
         && nginx -s reopen'",
    );
    traffic.wait_more();
    stack.page("docker compose restart nginx");
    stack.wait_healthy(&["nginx"]);
    traffic.wait_more();
}

/// Every target is up, every metric has a value, and nothing is at fault.
fn metrics_are_there(stack: &Stack) {
    stack.wait_for_metric("count(up == 1) == 4");
    for metric in METRICS {
        stack.wait_for_metric(&format!("{metric} > 0"));
    }
    for fault in FAULTS {
        assert!(!stack.has_metric(&format!("{fault} > 0")), "{fault}");
    }
}

/// After everything that was done to them.
fn little_memory_is_used(stack: &mut Stack) {
    let table = stack.page("docker stats --no-stream");
    for name in SIDECARS {
        let row = table.lines().find(|row| row.contains(&stack::container(name))).unwrap();
        // NAME CPU% USED / LIMIT
        let used = row.split_whitespace().nth(3).unwrap();
        let mebibytes: f64 = used.strip_suffix("MiB").unwrap().parse().unwrap();
        assert!(mebibytes < USED_MIB_MAX, "{row}");
    }
}

/// The test's, the app's and the page's, each on one server.
fn keys_are_on_both_servers(stack: &Stack, of_test: u64) {
    stack.stop("app");
    let output = stack.output("app");
    assert!(!output.contains("WRONG"), "{output}");
    let of_app = output.lines().filter(|line| line.contains(" is value-")).count() as u64;
    let [one, two] = ["redis-0", "redis-1"].map(|server| {
        let size = stack.exec(server, &["redis-cli", "dbsize"]);
        size.trim().parse::<u64>().unwrap()
    });
    assert!(one.min(two) > (one + two) / 10, "{one} and {two} keys");
    // One more if the app was stopped between its set and its get.
    let known = of_app + of_test + 1;
    assert!((known..=known + 1).contains(&(one + two)), "{one} and {two} keys, {known} known");
}

/// The stack stops in time under traffic and has shipped everything; its positions stay until they
/// are removed.
fn end(stack: &mut Stack, pages: Requests) {
    let start = Instant::now();
    stack.page("docker compose stop");
    assert!(start.elapsed() < STOP_MAX, "stopping took {:?}", start.elapsed());
    for name in SIDECARS {
        assert_eq!(stack.state(name, "{{.State.ExitCode}} {{.State.OOMKilled}}"), "0 false");
    }
    stack.page("docker compose logs --tail 20 log-shipper");
    let shipped = Shipped::new(&stack.shipped());
    let written = Written::read(&stack.volume("logs"));
    let doubled = written.assert_all_in(&shipped);
    assert!(doubled <= DOUBLED_MAX, "{doubled} lines came twice");
    shipped.assert_requested("/test/", pages.end());
    shipped.assert_visited(&stack.output("visitor"));
    stack.page("docker compose down");
    stack.run("docker compose up -d log-shipper");
    stack.wait_healthy(&["log-shipper"]);
    stack.stop("log-shipper");
    assert_eq!(stack.shipped(), "", "shipped again");
    stack.page("docker compose down --volumes");
}
