//! Puts the parts together: settings to listeners, names, counters and data threads.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use net::Resolver;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sidecar_runtime::{Context, Outcome, Rejections, Sidecar, StartError, Subcommand};
use tokio::time::Instant;

use crate::cli::{Args, PEER_VARIABLES};
use crate::config::{self, Config, PoolListen};
use crate::listener::{Bound, SocketFile, bind_tcp, bind_unix};
use crate::metrics::{Metrics, NameMetrics, ThreadCounters};
use crate::names::Names;
use crate::thread::{self, Ended};
use crate::worker::Shared;
use crate::{locate, peer_arguments, stats};

/// For the name of a listen address to be found.
const LISTEN_LOOKUP_MAX: Duration = Duration::from_secs(5);

/// The redis-ambassador, ready to run.
#[derive(Debug)]
pub(crate) struct RedisAmbassador {
    threads: Vec<Ended>,
    /// Removed at the end.
    _socket_files: Vec<SocketFile>,
    _pid_file: Option<PidFile>,
}

impl Sidecar for RedisAmbassador {
    const NAME: &'static str = "redis-ambassador";
    const ABOUT: &'static str = "Shards an app's Redis commands over many servers";
    const ADMIN_PORT: u16 = 9181;
    const PEER_VARIABLES: &'static [(&'static str, &'static str)] = PEER_VARIABLES;
    const SECRETS: &'static [&'static str] = &["redis-auth"];
    type Args = Args;
    type Config = Config;

    fn subcommands() -> Vec<Subcommand<Config>> {
        peer_arguments::subcommands().into_iter().chain([locate::subcommand()]).collect()
    }

    fn peer_arguments(arguments: Vec<OsString>) -> Vec<OsString> {
        peer_arguments::rewrite(arguments)
    }

    fn configure(args: Args, rejections: &mut Rejections) -> Option<Config> {
        config::configure(&args, rejections)
    }

    async fn start(config: Config, context: Context) -> Result<RedisAmbassador, StartError> {
        let Context { lifecycle, registry, .. } = context;
        for warning in &config.warnings {
            tracing::warn!(warning, "Settings need a look");
        }
        raise_descriptor_limit();
        let config = Arc::new(config);
        let (mut listeners, socket_files) = bind(&config).await?;
        let names = Names::follow(&config.pools, &lifecycle, &NameMetrics::register(&registry));
        let counters: Vec<_> =
            (0..config.threads).map(|_| ThreadCounters::new(&config.pools)).collect();
        let metrics = Metrics::register(&registry, &config, counters.clone());
        if let Some(listen) = config.stats_listen {
            stats::open(listen, Arc::clone(&metrics), &lifecycle).await?;
        }
        let pid_file = config.pid_file.clone().map(PidFile::write).transpose()?;
        let clients: Arc<[AtomicUsize]> =
            config.pools.iter().map(|_| AtomicUsize::new(0)).collect();
        let last_client_id = Arc::new(AtomicU64::new(0));
        let mut threads = Vec::new();
        for (number, counters) in counters.into_iter().enumerate() {
            let shared = Shared {
                config: Arc::clone(&config),
                counters,
                metrics: Arc::clone(&metrics),
                lifecycle: lifecycle.clone(),
                clients: Arc::clone(&clients),
                last_client_id: Arc::clone(&last_client_id),
                memory_max: config.memory_max / config.threads,
            };
            let listeners = std::mem::take(&mut listeners[number]);
            let ended = thread::start(number, shared, names.clone(), listeners)
                .map_err(|error| StartError::new("threads", config.threads.to_string(), error))?;
            threads.push(ended);
        }
        Ok(RedisAmbassador { threads, _socket_files: socket_files, _pid_file: pid_file })
    }

    async fn run(self) -> Outcome {
        let mut left = 0;
        for thread in self.threads {
            match thread.await {
                Ok(clients) => left += clients,
                Err(_) => return Outcome::Broken("a data thread ended".to_owned()),
            }
        }
        match left {
            0 => Outcome::Drained,
            left => Outcome::Unfinished(vec![format!("{left} clients with requests under way")]),
        }
    }
}

/// Binds all listeners of all pools, a set for each thread.
async fn bind(config: &Config) -> Result<(Vec<Vec<(usize, Bound)>>, Vec<SocketFile>), StartError> {
    let mut sets: Vec<_> = (0..config.threads).map(|_| Vec::new()).collect();
    let mut files = Vec::new();
    let mut names = HashMap::new();
    for (place, pool) in config.pools.iter().enumerate() {
        for listen in &pool.listens {
            let cannot = |error: io::Error| StartError::new("listen", listen.to_string(), error);
            let reuse_port = pool.reuse_port || config.threads > 1;
            let bound = match listen {
                PoolListen::Tcp { host, port } => {
                    let address = address_of(host, &mut names).await.map_err(cannot)?;
                    bind_tcp(address, *port, pool.backlog, reuse_port, config.threads)
                }
                PoolListen::Unix { path, mode } => {
                    bind_unix(path, *mode, pool.backlog, config.threads).map(|(bound, file)| {
                        files.push(file);
                        bound
                    })
                }
            };
            let bound = bound.map_err(cannot)?;
            tracing::info!(pool = pool.name, listen = %listen, "Pool open");
            for (set, bound) in sets.iter_mut().zip(bound) {
                set.push((place, bound));
            }
        }
    }
    Ok((sets, files))
}

/// The address to listen on; none for all.
async fn address_of<'a>(
    host: &'a str,
    names: &mut HashMap<&'a str, IpAddr>,
) -> io::Result<Option<IpAddr>> {
    if host.is_empty() {
        return Ok(None);
    }
    if let Ok(address) = host.parse() {
        return Ok(Some(address));
    }
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(Some(std::net::Ipv4Addr::LOCALHOST.into()));
    }
    if let Some(address) = names.get(host) {
        return Ok(Some(*address));
    }
    let answer = Resolver::new().lookup(host, Instant::now() + LISTEN_LOOKUP_MAX).await;
    let answer = answer.map_err(|error| io::Error::other(net::with_causes(&error)))?;
    let address = answer.addresses.first().copied();
    let address = address.ok_or_else(|| io::Error::other("the name has no address"))?;
    names.insert(host, address);
    Ok(Some(address))
}

/// As many clients as the container allows, not as many as a shell would.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, current = ?limit.current, "Descriptor limit stays");
    }
}

/// The file of nutcracker's `-p`; removed when dropped.
#[derive(Debug)]
struct PidFile(PathBuf);

impl PidFile {
    fn write(path: PathBuf) -> Result<PidFile, StartError> {
        let text = format!("{}\n", std::process::id());
        match fs::write(&path, text) {
            Ok(()) => Ok(PidFile(path)),
            Err(error) => Err(StartError::new("pid-file", path.display().to_string(), error)),
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::debug!(path = %self.0.display(), %error, "Pid file could not be removed");
        }
    }
}
