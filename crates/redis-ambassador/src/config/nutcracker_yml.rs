//! nutcracker.yml: a mapping of pools, each a mapping of settings.
//!
//! In go the text and the file's name, out come the pools in the file's order, or everything that
//! is wrong in the whole file, each with its line and key. What nutcracker 0.5.0 accepts means the
//! same here, and what it refuses is refused: yes-or-no is `true` or `false`, numbers are digits,
//! words are lower case, nothing is given twice. Only `redis: true` pools are there; its default is
//! memcached, so that a pool without the key is refused too, rather than sent commands that its
//! servers do not know. A password never gets into a message.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use placement::{Distribution, Hash};
use sidecar_runtime::Rejections;
use sidecar_runtime::yaml::{Node, Value};

use super::environment::{BACKLOG, at_least_one, client_limit, failure_limit, number, two_bytes};
use super::listen::pool_listen;
use super::server_line::server_line;
use super::{PoolConfig, Secret, ServerConfig};

/// The flag that all rejections name.
const SETTING: &str = "conf-file";
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);
const FAILURE_LIMIT: u32 = 2;

/// Reads a whole file.
pub(super) fn read(text: &str, file: &str, rejections: &mut Rejections) -> Option<Vec<PoolConfig>> {
    let root = match Node::parse(text) {
        Ok(root) => root,
        Err(error) => {
            rejections.reject(SETTING, file, error);
            return None;
        }
    };
    let mut report = Report { file, pool: String::new(), rejections };
    let Value::Mapping(entries) = &root.value else {
        report.reject(&root, format!("expected a mapping of pools, not {}", root.shape()));
        return None;
    };
    let mut pools: Vec<PoolConfig> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    let mut is_whole = true;
    for (key, node) in entries {
        let Some(name) = key.scalar() else {
            report.reject(key, format!("expected the name of a pool, not {}", key.shape()));
            is_whole = false;
            continue;
        };
        report.pool = format!("{name}: ");
        if names.contains(&name) {
            report.reject(key, "there is a pool of this name already");
        }
        names.push(name);
        match pool(name, key, node, &mut report) {
            Some(pool) => {
                if let Some(other) = pools.iter().find(|other| other.listens == pool.listens) {
                    let listen = value_of(node, "listen").unwrap_or(key);
                    let text = listen.scalar().unwrap_or_default();
                    let reason = format!("listen {text:?}: pool {} does already", other.name);
                    report.reject(listen, reason);
                }
                pools.push(pool);
            }
            None => is_whole = false,
        }
    }
    (is_whole && rejections.is_empty()).then_some(pools)
}

/// The value of a key that is given once.
fn value_of<'a>(pool: &'a Node, name: &str) -> Option<&'a Node> {
    match &pool.value {
        Value::Mapping(pairs) => {
            pairs.iter().find(|(key, _)| key.scalar() == Some(name)).map(|(_, value)| value)
        }
        _ => None,
    }
}

/// Where complaints go, with what they have in common.
struct Report<'a> {
    file: &'a str,
    /// `NAME: `, or nothing outside of a pool.
    pool: String,
    rejections: &'a mut Rejections,
}

impl Report<'_> {
    fn reject(&mut self, node: &Node, reason: impl Display) {
        let reason = format!("line {}: {}{reason}", node.line, self.pool);
        self.rejections.reject(SETTING, self.file, reason);
    }
}

/// The values of one pool, by key.
struct Entries<'a, 'r, 'f> {
    nodes: BTreeMap<&'a str, &'a Node>,
    report: &'r mut Report<'f>,
}

const KEYS: [&str; 18] = [
    "listen",
    "hash",
    "hash_tag",
    "distribution",
    "timeout",
    "backlog",
    "client_connections",
    "redis",
    "tcpkeepalive",
    "reuseport",
    "redis_auth",
    "redis_db",
    "preconnect",
    "auto_eject_hosts",
    "server_connections",
    "server_retry_timeout",
    "server_failure_limit",
    "servers",
];

/// `None` only if something was rejected.
fn pool(name: &str, key: &Node, node: &Node, report: &mut Report<'_>) -> Option<PoolConfig> {
    let Value::Mapping(pairs) = &node.value else {
        report.reject(key, format!("expected a mapping of settings, not {}", node.shape()));
        return None;
    };
    let mut entries = Entries { nodes: BTreeMap::new(), report };
    for (key, value) in pairs {
        entries.add(key, value);
    }
    entries.demand(key);
    let auth = entries.password();
    let listen = entries.one("listen", pool_listen);
    let hash = entries.one("hash", str::parse);
    let distribution = entries.one("distribution", str::parse);
    let hash_tag = entries.one("hash_tag", two_bytes);
    let timeout = entries.one("timeout", milliseconds);
    let backlog = entries.one("backlog", number);
    let clients = entries.one("client_connections", number);
    let db = entries.one("redis_db", number);
    let retry = entries.one("server_retry_timeout", milliseconds);
    let failures = entries.one("server_failure_limit", number);
    entries.one("server_connections", at_least_one);
    let tcp_keepalive = entries.one("tcpkeepalive", yes_or_no);
    let reuse_port = entries.one("reuseport", yes_or_no);
    let preconnect = entries.one("preconnect", yes_or_no);
    let auto_eject = entries.one("auto_eject_hosts", yes_or_no);
    let servers = entries.servers();
    Some(PoolConfig {
        name: name.to_owned(),
        listens: vec![listen?],
        hash: hash.unwrap_or(Hash::Fnv1a64),
        hash_tag,
        distribution: distribution.unwrap_or(Distribution::Ketama),
        timeout: timeout.filter(|timeout| !timeout.is_zero()),
        backlog: backlog.unwrap_or(BACKLOG),
        auth,
        db: db.unwrap_or(0),
        tcp_keepalive: tcp_keepalive.unwrap_or(false),
        reuse_port: reuse_port.unwrap_or(false),
        preconnect: preconnect.unwrap_or(false),
        auto_eject: auto_eject.unwrap_or(false),
        server_retry_timeout: retry.unwrap_or(RETRY_TIMEOUT),
        server_failure_limit: failure_limit(failures.unwrap_or(FAILURE_LIMIT)),
        client_connections: clients.and_then(client_limit),
        servers: servers?,
    })
}

impl<'a> Entries<'a, '_, '_> {
    fn add(&mut self, key: &'a Node, value: &'a Node) {
        match key.scalar() {
            None => self.report.reject(key, format!("expected a key, not {}", key.shape())),
            Some(name) if !KEYS.contains(&name) => {
                self.report.reject(key, format!("{name}: no such key"));
            }
            Some(name) if self.nodes.contains_key(name) => {
                self.report.reject(key, format!("{name}: given twice"));
            }
            Some(name) => {
                self.nodes.insert(name, value);
            }
        }
    }

    /// What every pool must say.
    fn demand(&mut self, pool: &Node) {
        for name in ["listen", "servers"] {
            if !self.nodes.contains_key(name) {
                self.report.reject(pool, format!("{name}: missing"));
            }
        }
        let is_redis = match self.nodes.get("redis").copied() {
            Some(_) => self.one("redis", yes_or_no),
            None => Some(false),
        };
        if is_redis == Some(false) {
            let at = self.nodes.get("redis").copied().unwrap_or(pool);
            self.report.reject(
                at,
                "redis: memcached pools are not supported yet; a pool of Redis servers needs \
                 redis: true, because the default is false",
            );
        }
    }

    /// The value of a key, read; `None` if it is not given or was rejected.
    fn one<T, E: Display>(
        &mut self,
        name: &str,
        parser: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let node = *self.nodes.get(name)?;
        let Some(text) = node.scalar() else {
            self.report.reject(node, format!("{name}: expected a value, not {}", node.shape()));
            return None;
        };
        parser(text)
            .map_err(|error| self.report.reject(node, format!("{name} {text:?}: {error}")))
            .ok()
    }

    fn password(&mut self) -> Option<Secret> {
        let node = *self.nodes.get("redis_auth")?;
        match node.scalar() {
            Some(text) if !text.is_empty() => Some(Secret::new(text)),
            Some(_) => {
                self.report.reject(node, "redis_auth: is empty");
                None
            }
            None => {
                let shape = node.shape();
                self.report.reject(node, format!("redis_auth: expected a value, not {shape}"));
                None
            }
        }
    }

    fn servers(&mut self) -> Option<Vec<ServerConfig>> {
        let node = *self.nodes.get("servers")?;
        let Value::Sequence(items) = &node.value else {
            self.report.reject(node, format!("servers: expected a list, not {}", node.shape()));
            return None;
        };
        if items.is_empty() {
            self.report.reject(node, "servers: the list is empty");
        }
        let mut servers: Vec<ServerConfig> = Vec::new();
        for item in items {
            let Some(text) = item.scalar() else {
                let shape = item.shape();
                self.report.reject(item, format!("servers: expected a server, not {shape}"));
                continue;
            };
            match server_line(text) {
                Ok(server) if servers.iter().any(|other| other.name == server.name) => {
                    let name = server.name;
                    self.report.reject(
                        item,
                        format!("servers {text:?}: there is a server named {name:?} already"),
                    );
                }
                Ok(server) => servers.push(server),
                Err(reason) => {
                    self.report.reject(item, format!("servers {text:?}: {reason}"));
                }
            }
        }
        Some(servers)
    }
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    number(text).map(|number| Duration::from_millis(number.into()))
}

fn yes_or_no(text: &str) -> Result<bool, &'static str> {
    text.parse().or(Err("expected true or false"))
}

#[cfg(test)]
mod tests;
