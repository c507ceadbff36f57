//! The real nginx-adapter, or the exporter it replaces, with the command line of one scenario.
//!
//! Arguments and variables are kept exactly as given, because which forms are understood is what
//! many tests are about; [`Settings::start`] adds nothing but the address to listen on, in a form
//! that every version of the peer knows. With the variable `OUTRIDER_EXPORTER` the scenarios run a
//! peer instead of ours: that is how to see which tests the peer fails.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::binary::{built, installed};
use crate::client::{Address, Answer, Request};
use crate::metrics::Metrics;
use crate::pace::{SOON, wait_for, wait_until};
use crate::process::{Guard, Signal, command, output_file};
use crate::workplace::{Workplace, free_address};

/// Settings that a peer reads as well; the test's own must not reach it.
const PEER_VARIABLES: [&str; 18] = [
    "SCRAPE_URI",
    "LISTEN_ADDRESS",
    "TELEMETRY_PATH",
    "TIMEOUT",
    "NGINX_RETRIES",
    "NGINX_RETRY_INTERVAL",
    "NGINX_PLUS",
    "SSL_VERIFY",
    "SSL_CA_CERT",
    "SSL_CLIENT_CERT",
    "SSL_CLIENT_KEY",
    "PROXY_PROTOCOL",
    "CONST_LABELS",
    "SECURED_METRICS",
    "SSL_SERVER_CERT",
    "SSL_SERVER_KEY",
    "CONFIG_FILE",
    "SYSTEMD_SOCKET",
];

/// A program with its arguments and variables.
#[derive(Debug, Clone)]
pub struct Settings {
    program: PathBuf,
    folder: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

/// A running exporter.
#[derive(Debug)]
pub struct Exporter {
    guard: Guard,
    address: Address,
    stdout: PathBuf,
}

impl Settings {
    /// Ours.
    pub fn adapter(place: &Workplace) -> Self {
        let other = std::env::var_os("OUTRIDER_EXPORTER").map(PathBuf::from);
        Self::of(place, other.unwrap_or_else(|| built("nginx-adapter")))
    }

    /// prometheus-nginx-exporter as Debian packages it.
    pub fn peer(place: &Workplace) -> Self {
        let name = "prometheus-nginx-exporter";
        Self::of(place, installed(name, name))
    }

    pub fn of(place: &Workplace, program: PathBuf) -> Self {
        let folder = place.path().to_owned();
        Self { program, folder, arguments: Vec::new(), variables: Vec::new() }
    }

    pub fn arg(mut self, argument: impl AsRef<str>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    pub fn args(self, arguments: &[impl AsRef<str>]) -> Self {
        arguments.iter().fold(self, |settings, argument| settings.arg(argument))
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `-nginx.scrape-uri URI`, the form that all versions know.
    pub fn scrape(self, uri: &str) -> Self {
        self.arg("-nginx.scrape-uri").arg(uri)
    }

    pub fn command(&self) -> Command {
        let mut command = command(&self.program);
        for name in PEER_VARIABLES {
            command.env_remove(name);
        }
        command.args(&self.arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts it on a free port and waits until that is open.
    pub fn start(&self) -> Exporter {
        let address = free_address();
        let mut exporter = self.clone().arg(listen_on(address)).spawn(address.into());
        exporter.wait_listening();
        exporter
    }

    /// Starts ours on a free port and waits until it follows its files.
    pub fn start_ready(&self) -> Exporter {
        let exporter = self.start();
        let ready = || Request::get("/readyz").send(&exporter.address);
        wait_until("readiness", SOON, || ready().is_ok_and(|answer| answer.status == 200));
        exporter
    }

    /// Starts it as it is and waits until it listens where the settings tell it to.
    pub fn start_at(&self, address: impl Into<Address>) -> Exporter {
        let mut exporter = self.spawn(address.into());
        exporter.wait_listening();
        exporter
    }

    /// Starts it as it is; the address is where its answers will be looked for.
    pub fn spawn(&self, address: Address) -> Exporter {
        let stdout = self.folder.join("exporter.stdout");
        let mut command = self.command();
        command.stdout(output_file(&stdout));
        Exporter { guard: Guard::spawn(command, &self.folder, "exporter"), address, stdout }
    }

    /// Runs it to its end: exit status, stdout, stderr. Nothing is added.
    pub fn run_to_end(&self, deadline: Duration) -> (i32, String, String) {
        let folder = tempfile::tempdir_in(&self.folder).unwrap();
        let stdout = folder.path().join("stdout");
        let mut command = self.command();
        command.stdout(output_file(&stdout));
        let mut guard = Guard::spawn(command, folder.path(), "exporter");
        let code = guard.wait_code(deadline);
        (code, fs::read_to_string(stdout).unwrap(), guard.stderr_text())
    }
}

/// The argument that lets any version listen there.
pub fn listen_on(address: SocketAddr) -> String {
    format!("--web.listen-address={address}")
}

impl Exporter {
    pub fn process(&mut self) -> &mut Guard {
        &mut self.guard
    }

    pub fn pid(&self) -> u32 {
        self.guard.pid()
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The port, of one that has one.
    pub fn port(&self) -> SocketAddr {
        match &self.address {
            Address::Tcp(address) => *address,
            Address::Unix(path) => panic!("{} is no port", path.display()),
        }
    }

    pub fn log(&self) -> String {
        self.guard.stderr_text()
    }

    pub fn stdout(&self) -> String {
        fs::read_to_string(&self.stdout).unwrap()
    }

    /// Waits for a connection, which is all that every peer offers.
    pub fn wait_listening(&mut self) {
        wait_until("an open port", SOON, || {
            assert!(self.guard.is_running(), "it ended: {}", self.guard.stderr_text());
            match &self.address {
                Address::Tcp(address) => TcpStream::connect(address).is_ok(),
                Address::Unix(path) => std::os::unix::net::UnixStream::connect(path).is_ok(),
            }
        });
    }

    pub fn ask(&self, request: &Request) -> Answer {
        let answer = request.send(&self.address);
        answer.unwrap_or_else(|error| panic!("{request:?}: {error}"))
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask(&Request::get(path))
    }

    /// The text of /metrics, which must come with 200.
    pub fn text(&self) -> String {
        let answer = self.get("/metrics");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().to_owned()
    }

    pub fn metrics(&self) -> Metrics {
        Metrics::parse(&self.text())
    }

    /// True if the one target is up in a scrape of its own.
    pub fn is_up(&self) -> bool {
        self.metrics().value("nginx_up").expect("nginx_up without labels") > 0.0
    }

    pub fn wait_up(&self, up: bool) {
        wait_until(if up { "nginx_up 1" } else { "nginx_up 0" }, SOON, || self.is_up() == up);
    }

    /// Waits until the condition holds for a scrape, and gives that.
    pub fn wait_metrics(&self, what: &str, condition: impl Fn(&Metrics) -> bool) -> Metrics {
        wait_for(what, 4 * SOON, || Some(self.metrics()).filter(&condition))
    }

    pub fn sigterm(&self) {
        self.guard.signal(Signal::TERM);
    }

    pub fn kill9(self) {
        self.guard.kill9();
    }

    /// SIGTERM, then the exit status, which must be 0, and an empty stdout. Gives the log.
    pub fn stop(mut self) -> String {
        self.sigterm();
        let code = self.guard.wait_code(SOON);
        let log = self.guard.stderr_text();
        assert_eq!(code, 0, "{log}");
        assert_eq!(self.stdout(), "", "stdout is for data");
        log
    }
}
