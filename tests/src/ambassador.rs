//! The real redis-ambassador, or a program that it replaces, with the settings of one scenario.
//!
//! What is common to all is a [`Pool`] of nutcracker.yml; arguments and variables are kept exactly
//! as given. With the variable `OUTRIDER_AMBASSADOR` the scenarios run a peer instead of ours:
//! `nutcracker`, the path of another build of it, or `direct` for the first redis-server itself.
//! That is how to see which tests a peer fails, and that what must be transparent is.

mod pool;
mod shards;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub use self::pool::{Pool, server_line};
pub use self::shards::{Plan, Shards, spread_name};
use crate::binary::{built, installed};
use crate::client::Address;
use crate::loopback::own_address;
use crate::metrics::{self, Metrics};
use crate::pace::{SOON, wait_for, wait_until};
use crate::process::{Guard, Signal, command, output_file};
use crate::resp_client::{Reply, RespClient};
use crate::workplace::Workplace;

/// Settings of the reference image; the test's own must not reach what is tested.
const PEER_VARIABLES: [&str; 11] = [
    "LISTEN_PORT",
    "REDIS_SERVERS",
    "REDIS_SERVERS_COMPAT",
    "AUTO_EJECT_HOSTS",
    "TIMEOUT",
    "SERVER_RETRY_TIMEOUT",
    "SERVER_FAILURE_LIMIT",
    "SERVER_CONNECTIONS",
    "PRECONNECT",
    "HASH",
    "DISTRIBUTION",
];

/// Which program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Ours,
    /// nutcracker or a program with its interface.
    Peer,
    /// No program at all: clients talk to the first server.
    Direct,
}

/// A program with its pools, arguments and variables.
#[derive(Debug, Clone)]
pub struct Settings {
    pub kind: Kind,
    /// Of its files; two of one test have two.
    name: String,
    program: PathBuf,
    folder: PathBuf,
    pools: Vec<Pool>,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    prefix: Vec<String>,
}

/// A running one.
#[derive(Debug)]
pub struct Ambassador {
    kind: Kind,
    guard: Option<Guard>,
    address: Address,
    /// Only ours has one.
    admin: SocketAddr,
    stats: SocketAddr,
    stdout: PathBuf,
}

impl Settings {
    /// Ours, or what `OUTRIDER_AMBASSADOR` names.
    pub fn ambassador(place: &Workplace) -> Self {
        match std::env::var("OUTRIDER_AMBASSADOR").as_deref() {
            Err(_) => Self::of(place, Kind::Ours, built("redis-ambassador")),
            Ok("direct") => Self::of(place, Kind::Direct, PathBuf::new()),
            Ok("nutcracker") => Self::peer(place),
            Ok(path) => Self::of(place, Kind::Peer, path.into()),
        }
    }

    /// nutcracker as Debian packages it.
    pub fn peer(place: &Workplace) -> Self {
        Self::of(place, Kind::Peer, installed("nutcracker", "nutcracker"))
    }

    pub fn of(place: &Workplace, kind: Kind, program: PathBuf) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            kind,
            name: format!("{kind:?}-{number}").to_lowercase(),
            program,
            folder: place.path().to_owned(),
            pools: Vec::new(),
            arguments: Vec::new(),
            variables: Vec::new(),
            prefix: Vec::new(),
        }
    }

    /// Another program of the same kind, e.g. the same under another name.
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// Words that run before it and become it, e.g. `unshare`.
    pub fn prefix(mut self, words: &[String]) -> Self {
        self.prefix.extend_from_slice(words);
        self
    }

    pub fn pool(mut self, pool: Pool) -> Self {
        self.pools.push(pool);
        self
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

    /// As it would be typed, with the pools written to a file.
    pub fn command(&self) -> Command {
        let words: Vec<String> = self
            .prefix
            .iter()
            .cloned()
            .chain([self.program.to_str().unwrap().to_owned()])
            .collect();
        let mut command = command(&words[0]);
        command.args(&words[1..]);
        for name in PEER_VARIABLES {
            command.env_remove(name);
        }
        if !self.pools.is_empty() {
            let file = self.conf_file();
            fs::write(&file, self.pools.iter().map(Pool::yaml).collect::<String>()).unwrap();
            command.arg("-c").arg(file);
        }
        command.args(&self.arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Where the pools are written.
    pub fn conf_file(&self) -> PathBuf {
        self.folder.join(format!("{}.yml", self.name))
    }

    /// Starts it on its first pool's address and waits until that is open.
    pub fn start(&self) -> Ambassador {
        let address = self.pools[0].listen.clone();
        let mut running = if self.kind == Kind::Direct {
            self.direct()
        } else {
            let (stats, admin) = (own_address(), own_address());
            let mut settings = self.clone().listening_for_stats(stats);
            if self.kind == Kind::Ours {
                settings = settings.arg(format!("--admin-listen={admin}"));
            }
            settings.spawn(address, stats, admin)
        };
        running.wait_listening();
        running
    }

    fn listening_for_stats(self, stats: SocketAddr) -> Self {
        self.args(&["-a", &stats.ip().to_string(), "-s", &stats.port().to_string()])
    }

    /// Starts it as it is; the addresses are where it will be looked for.
    pub fn spawn(&self, address: Address, stats: SocketAddr, admin: SocketAddr) -> Ambassador {
        let kind = self.kind;
        let stdout = self.folder.join(format!("{}.stdout", self.name));
        let mut command = self.command();
        command.stdout(output_file(&stdout));
        let guard = Some(Guard::spawn(command, &self.folder, &self.name));
        Ambassador { kind, guard, address, admin, stats, stdout }
    }

    /// The first server of the first pool in its place.
    fn direct(&self) -> Ambassador {
        let line = &self.pools[0].servers[0];
        let address = line.split_whitespace().next().unwrap().rsplit_once(':').unwrap().0;
        let address = match address.parse() {
            Ok(address) => Address::Tcp(address),
            Err(_) => Address::Unix(address.into()),
        };
        let (nobody, stdout) = (own_address(), PathBuf::new());
        Ambassador { kind: self.kind, guard: None, address, admin: nobody, stats: nobody, stdout }
    }

    /// Runs it to its end: exit status, stdout, stderr. Nothing is added.
    pub fn run_to_end(&self, deadline: Duration) -> (i32, String, String) {
        let folder = tempfile::tempdir_in(&self.folder).unwrap();
        let stdout = folder.path().join("stdout");
        let mut command = self.command();
        command.stdout(output_file(&stdout));
        let mut guard = Guard::spawn(command, folder.path(), "ambassador");
        let code = guard.wait_code(deadline);
        (code, fs::read_to_string(stdout).unwrap(), guard.stderr_text())
    }
}

impl Ambassador {
    pub fn kind(&self) -> Kind {
        self.kind
    }

    #[track_caller]
    pub fn process(&mut self) -> &mut Guard {
        self.guard.as_mut().expect("a scenario about the process needs one")
    }

    #[track_caller]
    pub fn pid(&self) -> u32 {
        self.guard.as_ref().expect("a scenario about the process needs one").pid()
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    pub fn port(&self) -> SocketAddr {
        match &self.address {
            Address::Tcp(address) => *address,
            Address::Unix(path) => panic!("{} is no port", path.display()),
        }
    }

    pub fn client(&self) -> RespClient {
        RespClient::connect(&self.address)
    }

    /// On a connection of its own.
    pub fn call(&self, line: &str) -> Reply {
        self.client().call(line)
    }

    pub fn log(&self) -> String {
        self.guard.as_ref().map(Guard::stderr_text).unwrap_or_default()
    }

    pub fn wait_listening(&mut self) {
        wait_until("an open port", SOON, || {
            if let Some(guard) = &mut self.guard {
                assert!(guard.is_running(), "it ended: {}", guard.stderr_text());
            }
            RespClient::try_connect(&self.address).is_ok()
        });
    }

    /// Waits for a line of the log that contains this.
    pub fn wait_logged(&self, part: &str) {
        wait_until(part, SOON, || self.log().contains(part));
    }

    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    pub fn is_ready(&self) -> bool {
        metrics::get(self.admin, "/readyz").is_ok_and(|(status, _body)| status == 200)
    }

    pub fn metrics(&self) -> Metrics {
        wait_for("/metrics", SOON, || Metrics::scrape(self.admin))
    }

    /// Waits until the condition holds for a scrape, and gives that.
    pub fn wait_metrics(&self, what: &str, condition: impl Fn(&Metrics) -> bool) -> Metrics {
        wait_for(what, SOON, || Some(self.metrics()).filter(&condition))
    }

    /// The JSON of the stats port, as text.
    pub fn stats(&self) -> String {
        use std::io::Read;
        let mut text = String::new();
        let mut stream = std::net::TcpStream::connect(self.stats).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    pub fn rss_megabytes(&mut self) -> u64 {
        self.process().rss_bytes() / 1_000_000
    }

    pub fn rss_peak_megabytes(&mut self) -> u64 {
        self.process().rss_peak_bytes() / 1_000_000
    }

    pub fn sigterm(&mut self) {
        self.process().signal(Signal::TERM);
    }

    /// SIGTERM, then the exit status, which must be 0, and an empty stdout. Gives the log.
    pub fn stop(mut self) -> String {
        self.sigterm();
        let code = self.process().wait_code(SOON);
        let log = self.log();
        assert_eq!(code, 0, "{log}");
        assert_eq!(fs::read_to_string(&self.stdout).unwrap(), "", "stdout is for data");
        log
    }
}
