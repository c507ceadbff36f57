//! The agents: how each is told to follow files and where to put the lines.
//!
//! Every agent reads from the beginning of the files and is used as its documentation suggests,
//! with the settings that make it quick where they matter. Fluent Bit is measured only where it
//! is installed; its settings are those at which it was the fastest with bounded memory.

use std::fs;
use std::io::{PipeReader, PipeWriter};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::binary::{built, installed};
use e2e::metrics::Metrics;
use e2e::pace::{SOON, wait_until};
use e2e::process::{Guard, command, output_file};
use e2e::workplace::free_address;

use crate::intake::{Intake, Ports};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Agent {
    LogShipper,
    Cat,
    Tail,
    Rsyslog,
    FluentBit,
}

/// Where its lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    /// Read and dropped.
    Nothing,
    /// stdout, which is /dev/null: lines as they are, or as JSON.
    Null,
    NullJson,
    /// A file, lines as they are.
    File,
    /// stdout, which is a pipe: lines as they are.
    Pipe,
    /// JSON over HTTP, with this compression.
    Http(&'static str),
    /// An access log as its fields, to this sink.
    Parsed(&'static str),
    /// Lines as they are, to this sink.
    Plain(&'static str),
    /// Lines as they are.
    Tcp,
}

/// A running agent; killed when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) guard: Guard,
    /// Of log-shipper only.
    admin: Option<SocketAddr>,
    /// Keeps an agent's stdin open.
    _stdin: PipeWriter,
}

/// What an agent is started with.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) agent: Agent,
    pub(crate) to: To,
    /// Its own, for state and output.
    pub(crate) folder: &'a Path,
    /// All `*.log` in a folder, or one file.
    pub(crate) input: &'a Path,
    pub(crate) ports: &'a Ports,
}

impl Agent {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Agent::LogShipper => "log-shipper",
            Agent::Cat => "cat",
            Agent::Tail => "tail -F",
            Agent::Rsyslog => "rsyslog",
            Agent::FluentBit => "Fluent Bit",
        }
    }

    /// False only for agents that nobody is asked to install.
    pub(crate) fn is_here(self) -> bool {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let on_path = |name: &str| std::env::split_paths(&path).any(|dir| dir.join(name).is_file());
        self != Agent::FluentBit || on_path("fluent-bit")
    }
}

impl To {
    pub(crate) fn name(self) -> String {
        match self {
            To::Nothing => "nothing".to_owned(),
            To::Null => "stdout > /dev/null".to_owned(),
            To::NullJson => "stdout as JSON > /dev/null".to_owned(),
            To::File => "file".to_owned(),
            To::Pipe => "pipe".to_owned(),
            To::Http("none") => "HTTP, JSON".to_owned(),
            To::Http(compression) => format!("HTTP, JSON, {compression}"),
            To::Parsed(sink) => format!("{sink}, parsed"),
            To::Plain(sink) => sink.to_owned(),
            To::Tcp => "TCP".to_owned(),
        }
    }
}

impl Job<'_> {
    /// Starts the agent; what it sends goes to the intake.
    pub(crate) fn start(&self, intake: &std::sync::Arc<Intake>) -> Running {
        let (stdin, held) = std::io::pipe().unwrap();
        let admin = (self.agent == Agent::LogShipper).then(free_address);
        let mut command = self.command(stdin, admin);
        match self.to {
            To::Pipe => {
                let (reader, writer): (PipeReader, PipeWriter) = std::io::pipe().unwrap();
                command.stdout(writer);
                intake.receive_pipe(reader);
            }
            To::File if matches!(self.agent, Agent::Cat | Agent::Tail) => {
                command.stdout(output_file(&self.output()));
            }
            _ => {}
        }
        Running { guard: Guard::spawn(command, self.folder, "agent"), admin, _stdin: held }
    }

    /// Where lines to a file go.
    pub(crate) fn output(&self) -> PathBuf {
        self.folder.join("out.txt")
    }

    fn command(&self, stdin: PipeReader, admin: Option<SocketAddr>) -> Command {
        match self.agent {
            Agent::LogShipper => self.log_shipper(admin.unwrap()),
            Agent::Cat => {
                // It reads stdin after the file, so that it is still there to be measured.
                let mut cat = command("cat");
                cat.args(self.files()).arg("-").stdin(stdin);
                cat
            }
            Agent::Tail => {
                let mut tail = command("tail");
                tail.args(["-q", "-n", "+1", "-F"]).args(self.files());
                tail
            }
            Agent::Rsyslog => self.rsyslog(),
            Agent::FluentBit => self.fluent_bit(),
        }
    }

    fn log_shipper(&self, admin: SocketAddr) -> Command {
        let mut command = command(built("log-shipper"));
        command.arg(format!("--include={}", self.pattern()));
        command.arg(format!("--state-dir={}", self.folder.display()));
        command.arg(format!("--admin-listen={admin}"));
        // Of a line's latency, what is measured is ours and not the wait that was asked for.
        command.arg("--batch-wait=0s");
        match self.to {
            To::Nothing => command.arg("--sink=blackhole"),
            To::Null | To::Pipe => command.args(["--sink=stdout", "--format=raw"]),
            To::NullJson => command.args(["--sink=stdout", "--format=json"]),
            To::File => command
                .args(["--sink=file", "--format=raw", "--sink-file-max-bytes=1T"])
                .arg(format!("--sink-url=file://{}", self.output().display())),
            To::Http(compression) => command
                .args(["--sink=http", &format!("--compression={compression}")])
                .arg(self.sink_url("http")),
            To::Parsed(sink) => command
                .args(["--parse=combined", &format!("--sink={sink}")])
                .arg(self.sink_url(sink)),
            To::Plain(sink) => command.arg(format!("--sink={sink}")).arg(self.sink_url(sink)),
            To::Tcp => panic!("plain TCP is no sink of log-shipper"),
        };
        command
    }

    fn sink_url(&self, sink: &str) -> String {
        match sink {
            "forward" => format!("--sink-url=tcp://{}", self.ports.forward),
            "syslog" => format!("--sink-url=tcp://{}", self.ports.syslog),
            _ => format!("--sink-url=http://{}/", self.ports.http),
        }
    }

    fn rsyslog(&self) -> Command {
        let action = match self.to {
            To::File => format!("type=\"omfile\" file=\"{}\"", self.output().display()),
            To::Tcp => {
                let (ip, port) = (self.ports.tcp.ip(), self.ports.tcp.port());
                format!("type=\"omfwd\" target=\"{ip}\" port=\"{port}\" protocol=\"tcp\"")
            }
            _ => panic!("rsyslog is not measured with {:?}", self.to),
        };
        let configuration = format!(
            "global(workDirectory=\"{}\")\n\
             module(load=\"imfile\" mode=\"inotify\")\n\
             template(name=\"line\" type=\"string\" string=\"%msg%\\n\")\n\
             input(type=\"imfile\" file=\"{}\" tag=\"bench\" ruleset=\"out\")\n\
             ruleset(name=\"out\") {{ action({action} template=\"line\") }}\n",
            self.folder.display(),
            self.pattern()
        );
        let file = self.folder.join("rsyslog.conf");
        fs::write(&file, configuration).unwrap();
        let mut rsyslog = command(installed("rsyslogd", "rsyslog"));
        rsyslog.arg("-n").arg("-f").arg(file).arg("-i").arg(self.folder.join("rsyslog.pid"));
        rsyslog
    }

    fn fluent_bit(&self) -> Command {
        let output = match self.to {
            To::Nothing => "name null".to_owned(),
            To::Http(compression) => {
                let (ip, port) = (self.ports.http.ip(), self.ports.http.port());
                let compress = if compression == "none" { "" } else { "compress gzip\n" };
                format!("name http\nhost {ip}\nport {port}\nformat json_lines\n{compress}")
            }
            _ => panic!("Fluent Bit is not measured with {:?}", self.to),
        };
        let configuration = format!(
            "[SERVICE]\nflush 0.2\n\
             [INPUT]\nname tail\npath {}\nread_from_head true\nfile_cache_advise off\n\
             refresh_interval 1\nmem_buf_limit 100M\n\
             [OUTPUT]\nmatch *\nretry_limit false\n{output}\n",
            self.pattern()
        );
        let configuration = configuration.replace('\n', "\n    ").replace("    [", "[");
        let file = self.folder.join("fluent-bit.conf");
        fs::write(&file, configuration).unwrap();
        let mut fluent_bit = command("fluent-bit");
        fluent_bit.arg("-c").arg(file);
        fluent_bit
    }

    fn pattern(&self) -> String {
        let input = self.input.display();
        if self.input.is_dir() { format!("{input}/*.log") } else { input.to_string() }
    }

    /// For agents that know no patterns.
    fn files(&self) -> Vec<PathBuf> {
        if !self.input.is_dir() {
            return vec![self.input.to_owned()];
        }
        let entries = fs::read_dir(self.input).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.guard.pid()
    }

    /// Lines that log-shipper knows to be delivered.
    pub(crate) fn lines_acked(&self) -> Option<f64> {
        Metrics::scrape(self.admin?).map(|metrics| metrics.sum("log_shipper_lines_acked_total"))
    }

    /// Waits until something that the agent causes has come about.
    pub(crate) fn wait_until(&mut self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        wait_until(what, 20 * SOON, || {
            assert!(self.guard.is_running(), "the agent ended: {}", self.guard.stderr_text());
            condition(self)
        });
    }
}
