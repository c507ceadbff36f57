//! One binary under the contract, and one run of it.
//!
//! A [`Subject`] is a row of the table, a [`Scene`] is work for it, a [`Running`] is its process.
//! At the end of each run stdout must be empty and stderr must be JSON lines, whatever the test is
//! about.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use e2e::binary::built;
use e2e::metrics::{self, Metrics, Reply};
use e2e::pace::{SOON, wait_for, wait_until};
use e2e::process::{Guard, Signal, command, output_file};
use e2e::workplace::{Workplace, free_address};
use serde_json::Value;

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) admin_port: u16,
    /// Arguments that leave it without work. None writes to stdout.
    pub(crate) idle: fn(&Workplace) -> Vec<String>,
    /// Work that comes all the time and can be done.
    pub(crate) loaded: fn(&Workplace) -> Scene,
    /// Work that cannot be done because the peer does not answer.
    pub(crate) stuck: fn(&Workplace) -> Scene,
    /// A value that each of these settings must refuse.
    pub(crate) bad_values: &'static [(&'static str, &'static str)],
    /// What its metrics begin with, those of the process left out.
    pub(crate) metric_prefix: &'static str,
    /// Whether it answers `/`, as the program that it replaces does.
    pub(crate) has_landing_page: bool,
    /// Whether it shows OpenMetrics only to scrapers that refuse text.
    pub(crate) prefers_text: bool,
}

/// What a binary is given to do. Its peers live as long as it does.
pub(crate) struct Scene {
    pub(crate) arguments: Vec<String>,
    /// Waits until there is work in the process.
    pub(crate) wait_busy: Box<dyn Fn()>,
    /// Ends what makes new work.
    pub(crate) calm: Box<dyn FnOnce()>,
}

/// A running process.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) guard: Guard,
    pub(crate) admin: SocketAddr,
    stdout: PathBuf,
}

impl Subject {
    /// `log-shipper` → `LOG_SHIPPER_`
    pub(crate) fn variable_prefix(&self) -> String {
        format!("{}_", self.name.replace('-', "_").to_uppercase())
    }

    /// `log-shipper` → `log_shipper_`
    pub(crate) fn own_metric_prefix(&self) -> String {
        format!("{}_", self.name.replace('-', "_"))
    }

    /// `shutdown-grace` → `LOG_SHIPPER_SHUTDOWN_GRACE`
    pub(crate) fn variable(&self, setting: &str) -> String {
        format!("{}{}", self.variable_prefix(), setting.replace(['-', '.'], "_").to_uppercase())
    }

    /// Starts it without work and waits until it is ready.
    pub(crate) fn start_idle(&self, place: &Workplace) -> Running {
        self.start(place, &(self.idle)(place))
    }

    /// Starts it and waits until it is ready.
    pub(crate) fn start(&self, place: &Workplace, arguments: &[String]) -> Running {
        let program = [built(self.name).into_os_string()];
        let mut running = self.spawn(place, &program, arguments, free_address());
        running.wait_ready();
        running
    }

    /// Starts the words of a program that is the binary or becomes it.
    pub(crate) fn spawn(
        &self,
        place: &Workplace,
        words: &[OsString],
        arguments: &[String],
        admin: SocketAddr,
    ) -> Running {
        let stdout = place.path().join("stdout");
        let mut command = command(&words[0]);
        command.args(&words[1..]).args(arguments).arg(format!("--admin-listen={admin}"));
        command.stdout(output_file(&stdout));
        let guard = Guard::spawn(command, place.path(), self.name);
        Running { guard, admin, stdout }
    }

    /// Runs it to its end. Nothing of the test's own environment reaches it.
    pub(crate) fn run(&self, arguments: &[&str], variables: &[(String, &str)]) -> Output {
        let mut command = command(built(self.name));
        command.args(arguments).envs(variables.iter().map(|(name, value)| (name, value)));
        command.stdout(std::process::Stdio::piped()).output().unwrap()
    }
}

impl Running {
    pub(crate) fn wait_ready(&mut self) {
        wait_until("readiness", SOON, || {
            assert!(self.guard.is_running(), "it ended: {}", self.guard.stderr_text());
            metrics::get(self.admin, "/readyz").is_ok_and(|(status, _body)| status == 200)
        });
    }

    pub(crate) fn ask(&self, method: &str, path: &str) -> Reply {
        self.ask_for(method, path, "*/*")
    }

    pub(crate) fn ask_for(&self, method: &str, path: &str, accept: &str) -> Reply {
        metrics::ask(self.admin, method, path, accept).unwrap()
    }

    pub(crate) fn metrics(&self) -> Metrics {
        wait_for("/metrics", SOON, || Metrics::scrape(self.admin))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.guard.signal(signal);
    }

    /// Waits for a line of the log with this message.
    pub(crate) fn wait_logged(&self, message: &str) {
        let part = format!("\"message\":\"{message}\"");
        wait_until(message, SOON, || self.guard.stderr_text().contains(&part));
    }

    /// Waits for the end. Gives the exit status and the log.
    pub(crate) fn end(mut self, deadline: Duration) -> (i32, Vec<Value>) {
        let status = self.guard.wait_code(deadline);
        assert_eq!(std::fs::read_to_string(&self.stdout).unwrap(), "", "stdout is for data");
        (status, json_lines(&self.guard.stderr_text()))
    }
}

/// Every line as JSON: what stderr must be where it is no terminal.
pub(crate) fn json_lines(stderr: &str) -> Vec<Value> {
    let lines = stderr.lines().map(serde_json::from_str);
    let lines: Vec<Value> = lines.map(Result::unwrap_or_default).collect();
    assert!(lines.iter().all(|line| line["level"].is_string()), "{stderr}");
    lines
}

/// The lines that complain about a setting, as setting and value.
pub(crate) fn complaints(lines: &[Value]) -> Vec<(String, String)> {
    let errors = lines.iter().filter(|line| line["level"] == "ERROR");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    errors.map(|line| (text(&line["setting"]), text(&line["value"]))).collect()
}
