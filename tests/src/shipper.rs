//! The real log-shipper with the settings of one scenario.
//!
//! Settings are collected first and then started, any number of times, so that a restart has
//! exactly the same settings as the first start. Defaults here are those of most scenarios: all
//! `*.log` of the workplace to one recording sink, positions in its state folder, and times short
//! enough for a test.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::binary::built;
use crate::metrics::{self, Metrics};
use crate::pace::{SOON, wait_for, wait_until};
use crate::process::{Guard, Signal, command};
use crate::sink::Sink;
use crate::workplace::{Workplace, free_address};

/// Settings by flag; a later value of the same flag replaces an earlier one, `--include` adds up.
#[derive(Debug, Clone)]
pub struct Settings {
    folder: std::path::PathBuf,
    flags: Vec<(String, String)>,
    env: Vec<(String, String)>,
    wrapper: Vec<String>,
}

/// A running shipper.
#[derive(Debug)]
pub struct Shipper {
    guard: Guard,
    admin: SocketAddr,
}

impl Settings {
    /// All `*.log` in the workplace's logs to the sink.
    pub fn new(place: &Workplace, sink: &Sink) -> Self {
        let settings = Self::bare(place)
            .flag("--include", place.log("*.log").to_str().unwrap())
            .flag("--sink-url", &sink.url())
            .flag("--linger", "200ms");
        let flags = sink.protocol().flags().iter();
        flags.fold(settings, |settings, (name, value)| settings.flag(name, value))
    }

    /// Nothing but the state folder.
    pub fn bare(place: &Workplace) -> Self {
        let folder = place.path().to_owned();
        Self { folder, flags: Vec::new(), env: Vec::new(), wrapper: Vec::new() }
            .flag("--state-dir", place.state().to_str().unwrap())
    }

    /// Sets a flag.
    pub fn flag(mut self, name: &str, value: &str) -> Self {
        if !matches!(name, "--include" | "--exclude" | "--header" | "--label") {
            self.flags.retain(|(known, _value)| known != name);
        }
        self.flags.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Forgets a flag.
    pub fn without(mut self, name: &str) -> Self {
        self.flags.retain(|(known, _value)| known != name);
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A program and arguments that at last replace themselves with the shipper.
    pub fn wrapped_in(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// The command line, without an admin port.
    pub fn command(&self) -> Command {
        let binary = built("log-shipper");
        let mut command = match self.wrapper.split_first() {
            None => command(binary),
            Some((program, args)) => {
                let mut command = command(program);
                command.args(args).arg(binary);
                command
            }
        };
        for (name, value) in &self.flags {
            command.arg(format!("{name}={value}"));
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts and waits until it is ready.
    pub fn start(&self) -> Shipper {
        let mut shipper = self.start_command(self.command());
        shipper.wait_ready();
        shipper
    }

    /// Starts a command made by [`Self::command`] and changed by the test.
    pub fn start_command(&self, mut command: Command) -> Shipper {
        let admin = free_address();
        command.arg(format!("--admin-listen={admin}"));
        Shipper { guard: Guard::spawn(command, &self.folder, "log-shipper"), admin }
    }

    /// Runs to the end and gives exit status and stderr. For settings that are refused; they are
    /// given as they are, without an admin port of the harness.
    pub fn run_to_end(&self, deadline: Duration) -> (i32, String) {
        let folder = tempfile::tempdir_in(&self.folder).unwrap();
        let mut guard = Guard::spawn(self.command(), folder.path(), "log-shipper");
        let code = guard.wait_code(deadline);
        (code, guard.stderr_text())
    }
}

impl Shipper {
    /// The process, for /proc and signals.
    pub fn process(&mut self) -> &mut Guard {
        &mut self.guard
    }

    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    pub fn wait_ready(&mut self) {
        wait_until("readiness", SOON, || {
            assert!(self.guard.is_running(), "the shipper ended: {}", self.guard.stderr_text());
            metrics::get(self.admin, "/readyz").is_ok_and(|(status, _body)| status == 200)
        });
    }

    /// /metrics now.
    pub fn metrics(&self) -> Metrics {
        wait_for("/metrics", SOON, || Metrics::scrape(self.admin))
    }

    /// Waits until a metric, summed over its labels, fulfils the condition.
    pub fn wait_metric(&self, name: &str, condition: impl Fn(f64) -> bool) {
        wait_until(&format!("a change of {name}"), SOON, || condition(self.metrics().sum(name)));
    }

    /// Waits until every line read is acknowledged or dropped and nothing is left to read. The lag
    /// alone can be one of before the last lines were seen.
    pub fn wait_no_lag(&self) {
        wait_until("an end of the lag", SOON, || {
            let metrics = self.metrics();
            let sum = |name: &str| metrics.sum(&format!("log_shipper_{name}"));
            let done = sum("lines_acked_total") + sum("lines_dropped_total");
            sum("lag_bytes") < 1.0 && done >= sum("lines_read_total")
        });
    }

    pub fn kill9(self) {
        self.guard.kill9();
    }

    /// SIGTERM, without waiting.
    pub fn sigterm(&self) {
        self.guard.signal(Signal::TERM);
    }

    /// SIGTERM, then the exit status and all of stderr.
    pub fn drain(self, deadline: Duration) -> (i32, String) {
        self.sigterm();
        self.wait_end(deadline)
    }

    /// The exit status and all of stderr, without sending a signal.
    pub fn wait_end(mut self, deadline: Duration) -> (i32, String) {
        let code = self.guard.wait_code(deadline);
        (code, self.guard.stderr_text())
    }

    /// Drains and demands status 0.
    pub fn drain_ok(self) {
        let (code, stderr) = self.drain(SOON);
        assert_eq!(code, 0, "{stderr}");
    }

    /// Open descriptors of files below a folder, deleted ones included.
    pub fn open_below(&self, folder: &Path) -> usize {
        self.guard.open_files().iter().filter(|file| file.starts_with(folder)).count()
    }
}
