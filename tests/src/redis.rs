//! A real redis-server in the folder of a test: it can be stopped, killed, and started again.
//!
//! It keeps nothing on disk, so a restarted one is empty, and it keeps its address, so whoever is
//! configured with that finds it again. What it holds is asked of it directly, never through what
//! is tested.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::binary::installed;
use crate::client::Address;
use crate::loopback::own_address;
use crate::pace::{SOON, wait_until};
use crate::process::{Guard, Signal, command};
use crate::resp_client::{Reply, RespClient};
use crate::workplace::Workplace;

/// A redis-server that runs, or could.
#[derive(Debug)]
pub struct RedisServer {
    folder: PathBuf,
    name: String,
    address: Address,
    arguments: Vec<String>,
    guard: Option<Guard>,
}

impl RedisServer {
    /// Starts one at an address of its own.
    pub fn start(place: &Workplace, name: &str) -> Self {
        Self::with(place, name, &[])
    }

    /// The same with arguments such as `--requirepass`.
    pub fn with(place: &Workplace, name: &str, arguments: &[&str]) -> Self {
        let mut server = Self::at(place.path(), name, own_address().into(), arguments);
        server.restart();
        server
    }

    /// Starts one at a unix socket in the folder.
    pub fn on_socket(place: &Workplace, name: &str) -> Self {
        let path = place.path().join(format!("{name}.sock"));
        let mut server = Self::at(place.path(), name, Address::Unix(path), &[]);
        server.restart();
        server
    }

    /// One that does not run yet.
    pub fn at(folder: &Path, name: &str, address: Address, arguments: &[&str]) -> Self {
        let folder = folder.join(format!("redis-{name}"));
        fs::create_dir_all(&folder).unwrap();
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Self { folder, name: name.to_owned(), address, arguments, guard: None }
    }

    /// Starts it, empty, at its address, and waits until it answers.
    pub fn restart(&mut self) {
        self.launch();
        wait_until("redis-server", SOON, || {
            let guard = self.guard.as_mut().unwrap();
            assert!(guard.is_running(), "redis-server {} ended", self.name);
            RespClient::try_connect(&self.address).is_ok()
        });
    }

    /// Starts it and does not wait.
    pub fn launch(&mut self) {
        self.kill();
        let mut command = command(installed("redis-server", "redis-server"));
        command.args(["--save", "", "--appendonly", "no", "--protected-mode", "no"]);
        command.args(["--enable-debug-command", "yes", "--dir"]).arg(&self.folder);
        command.arg("--logfile").arg(self.folder.join("log"));
        match &self.address {
            Address::Tcp(address) => {
                command.args(["--bind", &address.ip().to_string()]);
                command.args(["--port", &address.port().to_string()]);
            }
            Address::Unix(path) => {
                command.args(["--port", "0", "--unixsocket"]).arg(path);
            }
        }
        command.args(&self.arguments);
        self.guard = Some(Guard::spawn(command, &self.folder, &self.name));
    }

    /// SIGKILL. Its address refuses connections until it is started again.
    pub fn kill(&mut self) {
        if let Some(guard) = self.guard.take() {
            guard.kill9();
        }
    }

    /// Connections are taken by the kernel, and nobody answers.
    pub fn freeze(&self) {
        self.guard().signal(Signal::STOP);
    }

    pub fn thaw(&self) {
        self.guard().signal(Signal::CONT);
    }

    pub fn pid(&self) -> u32 {
        self.guard().pid()
    }

    pub fn name(&self) -> &str {
        &self.name
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

    /// A connection straight to it.
    pub fn client(&self) -> RespClient {
        RespClient::connect(&self.address)
    }

    pub fn call(&self, line: &str) -> Reply {
        self.client().call(line)
    }

    pub fn keys(&self) -> BTreeSet<Vec<u8>> {
        self.call("KEYS *").elements().into_iter().map(Reply::bytes).collect()
    }

    pub fn key_count(&self) -> i64 {
        self.call("DBSIZE").integer()
    }

    /// A number of INFO.
    pub fn info(&self, field: &str) -> u64 {
        let text = self.call("INFO everything").text();
        let value = text.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
        value.unwrap_or_else(|| panic!("no {field} in INFO")).trim().parse().unwrap()
    }

    fn guard(&self) -> &Guard {
        self.guard.as_ref().unwrap_or_else(|| panic!("redis-server {} does not run", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp_client::{bulk, simple};

    #[test]
    fn a_server_comes_and_goes() {
        let place = Workplace::new();
        let mut server = RedisServer::start(&place, "one");
        let mut client = server.client();
        assert_eq!(client.call("SET a b"), simple("OK"));
        assert_eq!(client.call("GET a"), bulk("b"));
        assert_eq!(client.call("HELLO 3").elements()[0], bulk("server"));
        assert_eq!(server.keys().into_iter().collect::<Vec<_>>(), [b"a".to_vec()]);
        server.kill();
        assert!(client.is_closed());
        assert!(RespClient::try_connect(server.address()).is_err());
        server.restart();
        assert_eq!(server.key_count(), 0);
        let socket = RedisServer::on_socket(&place, "two");
        assert_eq!(socket.call("PING"), simple("PONG"));
    }
}
