//! From flags, environment and nutcracker.yml to the settings in effect.
//!
//! In go the flags as typed, out comes a [`Config`], or everything that is wrong with them at once.
//! The pools come from a nutcracker.yml if there is one, else from the environment as of the
//! reference image; what both have in common is here, each source has a file of its own. Reading
//! that file and the password's is the only thing done outside, so that `check` judges them too.

mod environment;
mod limits;
mod listen;
mod nutcracker_yml;
mod server_line;
mod server_list;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use placement::{Distribution, Hash, Node, Ring};
use sidecar_runtime::Rejections;

use crate::cli::Args;

/// Where the reference image writes its file, unless the user has put one there.
const DEFAULT_CONF_FILE: &str = "/etc/nutcracker.conf";
/// A file of pools with some thousand servers; anything larger is another file.
const CONF_BYTES_MAX: u64 = 1 << 20;
/// A password, not a key ring.
const AUTH_BYTES_MAX: u64 = 4 << 10;

/// The settings in effect.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) pools: Vec<PoolConfig>,
    /// Threads that pass on requests; at least 1.
    pub(crate) threads: usize,
    /// Bytes held for one client, requests and replies together.
    pub(crate) client_buffer: usize,
    /// Bytes held for all clients.
    pub(crate) memory_max: usize,
    /// How long one client may hold up a server connection that others share.
    pub(crate) client_stall_timeout: Duration,
    pub(crate) cross_shard: CrossShard,
    pub(crate) stats_listen: Option<StatsListen>,
    /// Of the grace, kept for finishing what is in flight.
    pub(crate) drain_reserve: Duration,
    /// A drain ends when no client has been there for so long.
    pub(crate) linger: Duration,
    pub(crate) pid_file: Option<PathBuf>,
    /// The nutcracker.yml that the pools come from.
    pub(crate) conf_file: Option<PathBuf>,
    /// Said once at the start.
    pub(crate) warnings: Vec<String>,
}

/// What becomes of a command whose keys lie on several servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CrossShard {
    Refuse,
    /// As twemproxy: the first key decides.
    First,
}

/// Where twemproxy's statistics are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatsListen {
    Address(SocketAddr),
    /// Every address of both families.
    Everywhere(u16),
}

/// One pool: a listener and the servers behind it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PoolConfig {
    pub(crate) name: String,
    pub(crate) listens: Vec<PoolListen>,
    pub(crate) hash: Hash,
    pub(crate) hash_tag: Option<[u8; 2]>,
    pub(crate) distribution: Distribution,
    pub(crate) timeout: Option<Duration>,
    pub(crate) backlog: u32,
    pub(crate) auth: Option<Secret>,
    pub(crate) db: u32,
    pub(crate) tcp_keepalive: bool,
    pub(crate) reuse_port: bool,
    pub(crate) preconnect: bool,
    pub(crate) auto_eject: bool,
    pub(crate) server_retry_timeout: Duration,
    pub(crate) server_failure_limit: u32,
    pub(crate) client_connections: Option<usize>,
    pub(crate) servers: Vec<ServerConfig>,
}

/// Where the clients of a pool connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PoolListen {
    /// An empty host means every address.
    Tcp { host: String, port: u16 },
    Unix {
        path: PathBuf,
        /// Of the socket, if the configuration says.
        mode: Option<u32>,
    },
}

/// One server of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerConfig {
    /// What placement, metrics and stats call it; different for every server of a pool.
    pub(crate) name: String,
    pub(crate) address: ServerAddress,
    /// At least 1.
    pub(crate) weight: u32,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ServerAddress {
    Ip(SocketAddr),
    Name { host: String, port: u16 },
    Unix(PathBuf),
}

impl PoolConfig {
    /// The way from a key to a server; indices are those of `servers`.
    pub(crate) fn ring(&self) -> Ring {
        let node =
            |server: &ServerConfig| Node { name: server.name.clone(), weight: server.weight };
        let nodes = self.servers.iter().map(node).collect();
        Ring::new(self.hash, self.distribution, self.hash_tag, nodes)
    }
}

impl fmt::Display for PoolListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PoolListen::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            PoolListen::Tcp { host, port } => write!(f, "{host}:{port}"),
            PoolListen::Unix { path, .. } => write!(f, "{}", path.display()),
        }
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerAddress::Ip(address) => write!(f, "{address}"),
            ServerAddress::Name { host, port } => write!(f, "{host}:{port}"),
            ServerAddress::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A password; never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Reads all flags, and the files that they name.
pub(crate) fn configure(args: &Args, rejections: &mut Rejections) -> Option<Config> {
    configure_with(args, Path::new(DEFAULT_CONF_FILE), rejections)
}

/// `default_file` counts if it exists; the same path given as a flag may be missing, because the
/// reference image made that file from its variables.
pub(crate) fn configure_with(
    args: &Args,
    default_file: &Path,
    rejections: &mut Rejections,
) -> Option<Config> {
    let mut warnings = Vec::new();
    let conf_file = conf_file(args.conf_file.as_deref(), default_file);
    let limits = limits::read(args, &mut warnings, rejections);
    let auth = auth(args, rejections);
    let pools = match &conf_file {
        Some(path) => {
            if let Some(text) = given(args.redis_servers.as_deref()) {
                warnings.push(format!("{} wins over REDIS_SERVERS {text:?}", path.display()));
            }
            nutcracker_yml_at(path, rejections)
        }
        None => environment::pool(args, &mut warnings, rejections).map(|pool| vec![pool]),
    };
    let (limits, mut pools) = (limits?, pools?);
    for pool in pools.iter_mut().filter(|pool| pool.auth.is_none()) {
        pool.auth.clone_from(&auth);
    }
    let config = Config {
        pools,
        threads: limits.threads,
        client_buffer: limits.client_buffer,
        memory_max: limits.memory_max,
        client_stall_timeout: limits.client_stall_timeout,
        cross_shard: limits.cross_shard,
        stats_listen: limits.stats_listen,
        drain_reserve: limits.drain_reserve,
        linger: limits.linger,
        pid_file: given(args.pid_file.as_deref()).map(PathBuf::from),
        conf_file,
        warnings,
    };
    rejections.is_empty().then_some(config)
}

/// A variable that is set to nothing counts as not set.
fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

fn conf_file(flag: Option<&str>, default_file: &Path) -> Option<PathBuf> {
    let path = given(flag).map_or(default_file, Path::new);
    (path != default_file || path.exists()).then(|| path.to_owned())
}

fn nutcracker_yml_at(path: &Path, rejections: &mut Rejections) -> Option<Vec<PoolConfig>> {
    let name = path.display().to_string();
    match read_limited(path, CONF_BYTES_MAX) {
        Ok(text) => nutcracker_yml::read(&text, &name, rejections),
        Err(error) => {
            rejections.reject("conf-file", &name, error);
            None
        }
    }
}

/// The password for the pools that have none of their own.
fn auth(args: &Args, rejections: &mut Rejections) -> Option<Secret> {
    let text = args.redis_auth.as_deref().filter(|text| !text.is_empty());
    let Some(file) = given(args.redis_auth_file.as_deref()) else {
        return text.map(Secret::new);
    };
    if text.is_some() {
        let reason = "there is a password in a variable as well; give one of them";
        rejections.reject("redis-auth-file", file, reason);
    }
    match read_limited(Path::new(file), AUTH_BYTES_MAX) {
        Ok(text) if text.trim_end().is_empty() => {
            rejections.reject("redis-auth-file", file, "is empty");
            None
        }
        Ok(text) => Some(Secret::new(text.trim_end_matches(['\r', '\n']))),
        Err(error) => {
            rejections.reject("redis-auth-file", file, error);
            None
        }
    }
}

fn read_limited(path: &Path, bytes_max: u64) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(bytes_max + 1).read_to_string(&mut text)?;
    if text.len() as u64 > bytes_max {
        return Err(io::Error::other(format!("is larger than {bytes_max} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
