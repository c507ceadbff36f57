//! The containers of the compose file, on ports that nobody else has.
//!
//! Commands are those that a user types, with three changes: `docker compose` is the docker-compose
//! of this machine, `exec` goes without a terminal, and ports are the test's.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use e2e::binary::installed;
use e2e::client::Request;
use e2e::engine::Engine;
use e2e::pace::{SOON, wait_until};
use e2e::process::{Signal, command};
use e2e::workplace::free_address;
use rustix::process::{Pid, kill_process};
use serde_json::Value;

use super::page::{Page, top};

const PROJECT: &str = "outrider-compose";
/// Starting waits for health, stopping for drains.
const COMMAND_MAX: Duration = Duration::from_secs(120);
/// docker's answers to questions.
const QUESTION_MAX: Duration = Duration::from_secs(60);
/// Ports on the page, and the variables that change them.
const PORTS: [(&str, &str); 3] =
    [("8080", "NGINX_PORT"), ("6380", "REDIS_PORT"), ("9090", "PROMETHEUS_PORT")];

/// A project of the engine.
#[derive(Debug)]
pub(crate) struct Stack {
    engine: Engine,
    page: Page,
    /// In the order of `PORTS`.
    addresses: [SocketAddr; 3],
}

impl Stack {
    pub(crate) fn new(engine: Engine) -> Self {
        let addresses = [(); 3].map(|()| free_address());
        Self { engine, page: Page::read(), addresses }
    }

    pub(crate) fn nginx(&self) -> SocketAddr {
        self.addresses[0]
    }

    pub(crate) fn redis(&self) -> SocketAddr {
        self.addresses[1]
    }

    fn prometheus(&self) -> SocketAddr {
        self.addresses[2]
    }

    /// Runs a command that the page has; returns its stdout.
    pub(crate) fn page(&mut self, line: &str) -> String {
        self.page.take(line);
        self.run(line)
    }

    /// Runs a command that a user could type; panics if it fails.
    pub(crate) fn run(&self, line: &str) -> String {
        let mut typed = line.replace("docker compose exec", "docker-compose exec -T");
        typed = typed.replace("docker compose", "docker-compose");
        let mut shell = self.client();
        for ((port, variable), address) in PORTS.iter().zip(self.addresses) {
            typed = typed.replace(&format!("localhost:{port}/"), &format!("{address}/"));
            shell.env(variable, address.port().to_string());
        }
        let output = shell.arg(&typed).output().unwrap();
        let [stdout, stderr] =
            [output.stdout, output.stderr].map(|all| String::from_utf8_lossy(&all).into_owned());
        assert!(output.status.success(), "{typed}: {}\n{stdout}\n{stderr}", output.status);
        stdout
    }

    /// A shell in the top folder whose docker is the test's engine.
    fn client(&self) -> Command {
        let mut shell = command(installed("timeout", "coreutils"));
        shell.arg(COMMAND_MAX.as_secs().to_string()).args(["sh", "-c"]);
        shell.current_dir(top()).env("COMPOSE_PROJECT_NAME", PROJECT);
        shell.env("DOCKER_HOST", format!("unix://{}", self.engine.socket().display()));
        shell.env_remove("COMPOSE_FILE").env_remove("DOCKER_CONTEXT");
        shell.stdout(Stdio::piped()).stderr(Stdio::piped());
        shell
    }

    /// Waits until the health checks of these say so.
    pub(crate) fn wait_healthy(&self, services: &[&str]) {
        for service in services {
            let healthy = || self.state(service, "{{.State.Health.Status}}") == "healthy";
            wait_until(&format!("{service} to be healthy"), SOON, healthy);
        }
    }

    /// What docker knows of a service's container.
    pub(crate) fn state(&self, service: &str, format: &str) -> String {
        self.engine.docker(&["inspect", "-f", format, &container(service)]).trim().to_owned()
    }

    /// Runs a program in a service's container; returns its stdout.
    pub(crate) fn exec(&self, service: &str, program: &[&str]) -> String {
        self.engine.docker(&[&["exec", &container(service)], program].concat())
    }

    /// Ends one service, as the end of all does.
    pub(crate) fn stop(&self, service: &str) {
        self.engine.docker(&["stop", "--time", "30", &container(service)]);
    }

    /// SIGKILL for the first process, from outside: nobody asked the engine for it.
    pub(crate) fn crash(&self, service: &str) {
        let pid = self.engine.pid(&container(service)).try_into().unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    }

    /// What a service wrote to stdout, through all of its runs.
    pub(crate) fn output(&self, service: &str) -> String {
        self.engine.try_docker(&["logs", &container(service)], QUESTION_MAX).stdout
    }

    pub(crate) fn shipped(&self) -> String {
        self.output("log-shipper")
    }

    /// The folder of a volume on the host.
    pub(crate) fn volume(&self, name: &str) -> PathBuf {
        let name = format!("{PROJECT}_{name}");
        let format = "{{.Mountpoint}}";
        PathBuf::from(self.engine.docker(&["volume", "inspect", "-f", format, &name]).trim())
    }

    /// Asks Prometheus; true if there is a series.
    pub(crate) fn has_metric(&self, expression: &str) -> bool {
        let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = self.ask_prometheus(&format!("/api/v1/query?query={encoded}"));
        !answer["data"]["result"].as_array().unwrap().is_empty()
    }

    pub(crate) fn wait_for_metric(&self, expression: &str) {
        wait_until(expression, SOON, || self.has_metric(expression));
    }

    /// One group of each image's file, whose rules can be evaluated.
    pub(crate) fn assert_alerts_are_loaded(&self) {
        let answer = self.ask_prometheus("/api/v1/rules");
        let groups = answer["data"]["groups"].as_array().unwrap();
        let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
        let broken: Vec<&Value> = rules.filter(|rule| rule["health"] == "err").collect();
        assert!(broken.is_empty(), "{broken:?}");
        let files: Vec<&str> = groups.iter().map(|group| group["file"].as_str().unwrap()).collect();
        for service in ["log-shipper", "nginx-adapter", "redis-ambassador"] {
            let ending = format!("/{service}.yaml");
            assert!(files.iter().any(|file| file.ends_with(&ending)), "{service}: {files:?}");
        }
    }

    fn ask_prometheus(&self, path: &str) -> Value {
        let answer = Request::get(path).send(&self.prometheus().into()).unwrap();
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        answer
    }

    pub(crate) fn assert_whole_page_was_run(&self) {
        let pending = self.page.pending();
        assert!(pending.is_empty(), "of the page, not run: {pending:?}");
    }

    /// No container, volume or network.
    pub(crate) fn assert_nothing_is_left(&self) {
        let project = format!("label=com.docker.compose.project={PROJECT}");
        for what in ["container", "volume", "network"] {
            let all: &[&str] = if what == "container" { &["--all"] } else { &[] };
            let list = [&[what, "ls", "--quiet", "--filter", &project], all].concat();
            assert_eq!(self.engine.docker(&list), "", "{what}");
        }
        // Those of an image's VOLUME have no label.
        let volumes = self.engine.docker(&["volume", "ls", "--quiet"]);
        assert_eq!(volumes, "", "volumes");
    }
}

/// As docker-compose 1.29 names it.
pub(crate) fn container(service: &str) -> String {
    format!("{PROJECT}_{service}_1")
}
