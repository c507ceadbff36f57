//! The flags as typed. Each has the variable `REDIS_AMBASSADOR_…`; those of the reference image
//! have its variable too. What the texts mean is decided in `config`.

/// Variables of the reference image, by flag.
pub(crate) const PEER_VARIABLES: &[(&str, &str)] = &[
    ("listen-port", "LISTEN_PORT"),
    ("redis-servers", "REDIS_SERVERS"),
    ("redis-servers-compat", "REDIS_SERVERS_COMPAT"),
    ("auto-eject-hosts", "AUTO_EJECT_HOSTS"),
    ("timeout", "TIMEOUT"),
    ("server-retry-timeout", "SERVER_RETRY_TIMEOUT"),
    ("server-failure-limit", "SERVER_FAILURE_LIMIT"),
    ("server-connections", "SERVER_CONNECTIONS"),
    ("preconnect", "PRECONNECT"),
    ("hash", "HASH"),
    ("distribution", "DISTRIBUTION"),
];

/// The flags of redis-ambassador.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Servers HOST:PORT, HOST:PORT:WEIGHT or /SOCKET:WEIGHT, separated by commas, blanks or lines;
    /// 127.0.0.1:6378:1,127.0.0.1:6379:1 by default. Also REDIS_SERVERS
    #[arg(long, value_name = "SERVERS")]
    pub(crate) redis_servers: Option<String>,

    /// malexer: read servers that are separated by blanks as that image does, which makes one
    /// server of them. Also REDIS_SERVERS_COMPAT
    #[arg(long, value_name = "IMAGE")]
    pub(crate) redis_servers_compat: Option<String>,

    /// Where clients connect: HOST:PORT, :PORT, /SOCKET or "/SOCKET MODE", instead of the port
    /// below; repeatable
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    pub(crate) listen: Vec<String>,

    /// Port where clients connect, on every address. Also LISTEN_PORT
    #[arg(long, value_name = "PORT", default_value = "6380")]
    pub(crate) listen_port: String,

    /// Hash of keys: one_at_a_time, md5, crc16, crc32, crc32a, fnv1_64, fnv1a_64, fnv1_32,
    /// fnv1a_32, hsieh, murmur or jenkins. Also HASH
    #[arg(long, value_name = "HASH", default_value = "fnv1a_64")]
    pub(crate) hash: String,

    /// Two characters, such as {}: the part of a key between them is what is hashed
    #[arg(long, value_name = "TAG")]
    pub(crate) hash_tag: Option<String>,

    /// How keys are spread over the servers: ketama, modula or random. Also DISTRIBUTION
    #[arg(long, value_name = "HOW", default_value = "ketama")]
    pub(crate) distribution: String,

    /// Longest time for a connection or a reply, 0 for none; a bare number is milliseconds. Also
    /// TIMEOUT
    #[arg(long, value_name = "DURATION", default_value = "2000")]
    pub(crate) timeout: String,

    /// Leave out servers that fail, so that the others take their keys. Also AUTO_EJECT_HOSTS
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", default_value = "true")]
    pub(crate) auto_eject_hosts: String,

    /// Failures in a row after which a server is left out. Also SERVER_FAILURE_LIMIT
    #[arg(long, value_name = "COUNT", default_value = "1")]
    pub(crate) server_failure_limit: String,

    /// How long it is left out before it is tried again; a bare number is milliseconds. Also
    /// SERVER_RETRY_TIMEOUT
    #[arg(long, value_name = "DURATION", default_value = "5000")]
    pub(crate) server_retry_timeout: String,

    /// Accepted, without effect: one connection for each thread and server keeps replies in order.
    /// Also SERVER_CONNECTIONS
    #[arg(long, value_name = "COUNT", default_value = "1")]
    pub(crate) server_connections: String,

    /// Connect to the servers at the start, not with the first request. Also PRECONNECT
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", default_value = "true")]
    pub(crate) preconnect: String,

    /// Clients that may be connected at the same time, 0 for any number
    #[arg(long, value_name = "COUNT", default_value = "0")]
    pub(crate) client_connections: String,

    /// The password itself; it belongs into the variable, where no process list shows it.
    #[arg(long, value_name = "PASSWORD", hide = true)]
    pub(crate) redis_auth: Option<String>,

    /// File with the password that servers ask for, and that clients must give. The variable
    /// REDIS_AMBASSADOR_REDIS_AUTH may hold the password itself
    #[arg(long, value_name = "FILE")]
    pub(crate) redis_auth_file: Option<String>,

    /// Database of the servers to use
    #[arg(long, value_name = "NUMBER", default_value = "0")]
    pub(crate) redis_db: String,

    /// nutcracker.yml with the pools, instead of all of the above; /etc/nutcracker.conf if that
    /// exists
    #[arg(long, value_name = "FILE")]
    pub(crate) conf_file: Option<String>,

    /// Threads that pass on requests
    #[arg(long, value_name = "COUNT", default_value = "1")]
    pub(crate) threads: String,

    /// Memory that one client may take, requests and replies together
    #[arg(long, value_name = "BYTES", default_value = "1MiB")]
    pub(crate) client_buffer: String,

    /// Memory that all clients may take
    #[arg(long, value_name = "BYTES", default_value = "16MiB")]
    pub(crate) memory_max: String,

    /// How long a client may hold up a server connection that it shares by not reading its replies,
    /// and how long all memory may be in use before the client that holds most is closed
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    pub(crate) client_stall_timeout: String,

    /// A command whose keys are on several servers: refuse, or first to send it to its first key's
    #[arg(long, value_name = "HOW", default_value = "refuse")]
    pub(crate) cross_shard: String,

    /// Where twemproxy's statistics are served: ADDRESS:PORT, :PORT or off
    #[arg(long, value_name = "ADDRESS", default_value = ":22222")]
    pub(crate) stats_listen: String,

    /// Part of the grace that is kept for finishing what is in flight
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    pub(crate) drain_reserve: String,

    /// How long there must be no client before a drain ends
    #[arg(long, value_name = "DURATION", default_value = "200ms")]
    pub(crate) linger: String,

    /// File to write the process id to
    #[arg(long, value_name = "FILE")]
    pub(crate) pid_file: Option<String>,

    /// Accepted from nutcracker, without effect: the log goes to stderr
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<String>,

    /// Accepted from nutcracker, without effect: a container does not go to the background
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", default_value = "false")]
    pub(crate) daemonize: String,

    /// Accepted from nutcracker, without effect: keys may be as long as Redis lets them be
    #[arg(long, value_name = "BYTES")]
    pub(crate) mbuf_size: Option<String>,

    /// Accepted from nutcracker, without effect: statistics are always current
    #[arg(long, value_name = "MILLISECONDS")]
    pub(crate) stats_interval: Option<String>,
}
