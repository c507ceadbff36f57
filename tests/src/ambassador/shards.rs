//! Servers behind an ambassador, with what most scenarios need of them.

use super::{Ambassador, Kind, Pool, Settings};
use crate::binary::released;
use crate::random::Random;
use crate::redis::RedisServer;
use crate::resp_client::RespClient;
use crate::workplace::Workplace;

/// Keys that are tried to find some on every server.
const PROBE_KEYS: usize = 200;

/// Names that differ early. The default hash of nutcracker is too weak to spread `key:1`, `key:2`
/// over servers.
pub fn spread_name(number: usize) -> String {
    let number = u64::try_from(number).unwrap() + 1;
    format!("{:016x}:{number}", Random::new(number).number())
}

/// Servers behind an ambassador, one pool.
#[derive(Debug)]
pub struct Shards {
    pub servers: Vec<RedisServer>,
    pub ambassador: Ambassador,
}

/// What [`Shards`] are started with.
#[derive(Debug)]
pub struct Plan {
    servers: Vec<RedisServer>,
    pub settings: Settings,
    pub pool: Pool,
}

impl Plan {
    /// So many servers, named `shard-0` …, which are started here.
    pub fn new(place: &Workplace, servers: usize) -> Self {
        Self::of(place, servers, &[])
    }

    /// The same with arguments for each server.
    pub fn of(place: &Workplace, servers: usize, arguments: &[&str]) -> Self {
        let start = |number| RedisServer::with(place, &format!("shard-{number}"), arguments);
        let servers: Vec<_> = (0..servers).map(start).collect();
        let pool = Pool::new(&servers);
        Self { servers, settings: Settings::ambassador(place), pool }
    }

    /// A key of the pool.
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.pool = self.pool.set(key, value);
        self
    }

    /// A setting of ours; a peer is started without it.
    pub fn ours(mut self, argument: &str) -> Self {
        if self.settings.kind == Kind::Ours {
            self.settings = self.settings.arg(argument);
        }
        self
    }

    /// Does something to every server before the start.
    pub fn each_server(&mut self, act: impl FnMut(&mut RedisServer)) {
        self.servers.iter_mut().for_each(act);
    }

    /// With the release binary, for tests of memory.
    pub fn released(mut self) -> Self {
        if self.settings.kind == Kind::Ours {
            self.settings = self.settings.program(released("redis-ambassador"));
        }
        self
    }

    pub fn start(self) -> Shards {
        let ambassador = self.settings.pool(self.pool).start();
        Shards { servers: self.servers, ambassador }
    }
}

impl Shards {
    /// So many, with settings that nutcracker has by default.
    pub fn start(place: &Workplace, servers: usize) -> Self {
        Plan::new(place, servers).start()
    }

    pub fn client(&self) -> RespClient {
        self.ambassador.client()
    }

    /// For each server, names of keys that belong there; all servers are empty afterwards.
    pub fn keys(&self) -> Vec<Vec<String>> {
        let mut client = self.client();
        let names: Vec<String> = (0..PROBE_KEYS).map(spread_name).collect();
        for name in &names {
            assert!(!client.call(&format!("SET {name} x")).is_error());
        }
        let of_server = |server: &RedisServer| {
            let held = server.keys();
            server.call("FLUSHALL");
            names.iter().filter(|name| held.contains(name.as_bytes())).cloned().collect()
        };
        self.servers.iter().map(of_server).collect()
    }

    /// How many keys each server holds.
    pub fn key_counts(&self) -> Vec<i64> {
        self.servers.iter().map(RedisServer::key_count).collect()
    }
}
