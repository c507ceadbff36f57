//! Receivers that others wrote: a collector of OpenTelemetry, and the Fluent project's own server.
//!
//! In: what log-shipper sends. Out: what they made of it, line by line as they print it. They can
//! be stopped and started again on their port; `scripts/setup.sh` installs them with their
//! versions.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::binary::{client_folder, installed};
use crate::pace::{SOON, wait_until};
use crate::process::{Guard, Signal, command, output_file};
use crate::workplace::free_address;

/// Ended when dropped.
#[derive(Debug)]
pub struct Receiver {
    folder: PathBuf,
    address: SocketAddr,
    program: Program,
    starts: usize,
    guard: Option<Guard>,
}

#[derive(Debug)]
enum Program {
    Rotel,
    Fluent {
        /// As its constructor takes them.
        security: Value,
    },
}

impl Receiver {
    /// Rotel, an OpenTelemetry collector, which prints each record.
    pub fn collector(place: &Path) -> Self {
        Self::started(place, Program::Rotel)
    }

    /// The server of `@fluent-org/logger`, with a shared key if there is one. It prints each entry
    /// as JSON.
    pub fn fluent(place: &Path, shared_key: Option<&str>) -> Self {
        let security = shared_key.map(|key| {
            json!({
                "serverHostname": "receiver",
                "sharedKey": key,
                "authorize": false,
                "userDict": {},
            })
        });
        Self::started(place, Program::Fluent { security: security.into() })
    }

    fn started(place: &Path, program: Program) -> Self {
        let folder = place.join("receiver");
        fs::create_dir(&folder).unwrap();
        let address = free_address();
        let mut receiver = Self { folder, address, program, starts: 0, guard: None };
        receiver.start();
        receiver
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn start(&mut self) {
        self.starts += 1;
        let mut command = match &self.program {
            Program::Rotel => self.rotel(),
            Program::Fluent { security } => self.fluent_server(security),
        };
        command.stdout(output_file(&self.output(self.starts)));
        let guard = self.guard.insert(Guard::spawn(command, &self.folder, "receiver"));
        wait_until("the receiver to listen", SOON, || {
            assert!(guard.is_running(), "it ended: {}", guard.stderr_text());
            TcpStream::connect(self.address).is_ok()
        });
    }

    fn rotel(&self) -> Command {
        let mut rotel = command(client_folder("rotel").join("rotel/rotel-agent"));
        rotel.args(["start", "--exporter=blackhole", "--debug-log=logs"]);
        rotel.arg("--debug-log-verbosity=detailed");
        rotel.arg(format!("--otlp-http-endpoint={}", self.address));
        rotel.arg(format!("--otlp-grpc-endpoint={}", free_address()));
        rotel
    }

    fn fluent_server(&self, security: &Value) -> Command {
        let mut node = command(installed("node", "nodejs"));
        node.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("receivers/fluent.js"));
        node.arg(self.address.port().to_string()).arg(security.to_string());
        node.env("NODE_PATH", client_folder("node").join("node_modules"));
        node
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&mut self) {
        let mut guard = self.guard.take().unwrap();
        guard.signal(Signal::TERM);
        guard.wait_exit(SOON);
    }

    fn output(&self, start: usize) -> PathBuf {
        self.folder.join(format!("stdout.{start}"))
    }

    /// Whole lines that it has printed so far, of all its starts.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for start in 1..=self.starts {
            let text = fs::read_to_string(self.output(start)).unwrap();
            let (whole, _half) = text.rsplit_once('\n').unwrap_or_default();
            lines.extend(whole.lines().map(str::to_owned));
        }
        lines
    }
}
