//! The programs that are measured, and the servers that all of them use.

use std::path::PathBuf;

use e2e::ambassador::{Ambassador, Kind, Pool, Settings};
use e2e::binary::{built, installed};
use e2e::redis::RedisServer;
use e2e::resp_client::request;
use e2e::workplace::Workplace;

/// A program that is measured.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) name: String,
    kind: Kind,
    program: PathBuf,
}

/// Two redis-servers.
#[derive(Debug)]
pub(crate) struct Servers {
    place: Workplace,
    pub(crate) servers: Vec<RedisServer>,
}

impl Subject {
    pub(crate) fn ours() -> Self {
        let program = built("redis-ambassador");
        Self { name: "redis-ambassador".to_owned(), kind: Kind::Ours, program }
    }

    /// As Debian packages it.
    pub(crate) fn nutcracker() -> Self {
        let program = installed("nutcracker", "nutcracker");
        Self { name: "nutcracker 0.5.0".to_owned(), kind: Kind::Peer, program }
    }

    pub(crate) fn other(path: &str) -> Self {
        Self { name: path.to_owned(), kind: Kind::Peer, program: path.into() }
    }

    /// In front of the servers: one connection to each, and a hash that spreads the keys of
    /// redis-benchmark over both.
    pub(crate) fn start(&self, servers: &Servers) -> Ambassador {
        let pool = Pool::new(&servers.servers).set("hash", "murmur").set("preconnect", "true");
        Settings::of(&servers.place, self.kind, self.program.clone()).pool(pool).start()
    }
}

impl Servers {
    pub(crate) fn start() -> Self {
        let place = Workplace::new();
        let servers =
            ["one", "two"].map(|name| RedisServer::with(&place, name, &["--maxclients", "15000"]));
        Self { place, servers: servers.into() }
    }

    /// The first server with nothing between: what a proxy is compared with.
    pub(crate) fn direct(&self) -> std::net::SocketAddr {
        self.servers[0].port()
    }

    /// Every key of redis-benchmark on every server, with a value of that length, and no other.
    pub(crate) fn fill(&self, keys: u64, value_bytes: usize) {
        let value = vec![b'x'; value_bytes];
        for server in &self.servers {
            let mut client = server.client();
            client.call("FLUSHALL");
            for number in 0..keys {
                let key = format!("key:{number:012}");
                client.send(&request(&[b"SET", key.as_bytes(), &value]));
                client.read();
            }
        }
    }
}
