//! The flags as typed. Those with a dot are nginx-prometheus-exporter's own, of all its releases;
//! the others are ours. What the texts mean is decided in `config`.

use crate::logs::LogArgs;

/// Variables of nginx-prometheus-exporter, by flag.
pub(crate) const PEER_VARIABLES: &[(&str, &str)] = &[
    ("nginx.scrape-uri", "SCRAPE_URI"),
    ("nginx.timeout", "TIMEOUT"),
    ("nginx.retries", "NGINX_RETRIES"),
    ("nginx.retry-interval", "NGINX_RETRY_INTERVAL"),
    ("nginx.plus", "NGINX_PLUS"),
    ("nginx.ssl-verify", "SSL_VERIFY"),
    ("nginx.ssl-ca-cert", "SSL_CA_CERT"),
    ("nginx.ssl-client-cert", "SSL_CLIENT_CERT"),
    ("nginx.ssl-client-key", "SSL_CLIENT_KEY"),
    ("nginx.proxy-protocol", "PROXY_PROTOCOL"),
    ("prometheus.const-labels", "CONST_LABELS"),
    ("web.listen-address", "LISTEN_ADDRESS"),
    ("web.telemetry-path", "TELEMETRY_PATH"),
    ("web.config.file", "CONFIG_FILE"),
    ("web.secured-metrics", "SECURED_METRICS"),
    ("web.ssl-server-cert", "SSL_SERVER_CERT"),
    ("web.ssl-server-key", "SSL_SERVER_KEY"),
    ("web.systemd-socket", "SYSTEMD_SOCKET"),
];

/// The flags of nginx-adapter.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Page of stub_status: http(s)://HOST:PORT/PATH or unix:/SOCKET:/PATH; repeatable, a line each
    /// in the variable. Also SCRAPE_URI
    #[arg(
        id = "nginx.scrape-uri",
        long,
        value_name = "URI",
        value_delimiter = '\n',
        default_value = "http://127.0.0.1:8080/stub_status"
    )]
    pub(crate) scrape_uri: Vec<String>,

    /// Longest time for a page; 0 leaves it to the scraper, up to a minute. Also TIMEOUT
    #[arg(id = "nginx.timeout", long, value_name = "DURATION", default_value = "5s")]
    pub(crate) timeout: String,

    /// Attempts at the start after the first, before giving up; without it nginx may come late.
    /// Also NGINX_RETRIES
    #[arg(id = "nginx.retries", long, value_name = "COUNT")]
    pub(crate) retries: Option<String>,

    /// Pause between the attempts at the start. Also NGINX_RETRY_INTERVAL
    #[arg(id = "nginx.retry-interval", long, value_name = "DURATION", default_value = "5s")]
    pub(crate) retry_interval: String,

    /// Not supported: NGINX Plus has an interface of its own. Also NGINX_PLUS
    #[arg(id = "nginx.plus", long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", default_value = "false")]
    pub(crate) plus: String,

    /// Check nginx's certificate; off by default, but beside a flag that only releases before 1.0
    /// had. Also SSL_VERIFY
    #[arg(id = "nginx.ssl-verify", long, value_name = "BOOL", num_args = 0..=1,
        require_equals = true, default_missing_value = "true")]
    pub(crate) ssl_verify: Option<String>,

    /// The command line was written for a release before 1.0.
    #[arg(id = "nginx.old-release", long, hide = true, default_value = "false")]
    pub(crate) old_release: String,

    /// CA certificates (PEM) that sign nginx's, instead of the public ones. Also SSL_CA_CERT
    #[arg(id = "nginx.ssl-ca-cert", long, value_name = "FILE")]
    pub(crate) ssl_ca_cert: Option<String>,

    /// Certificate (PEM) to show to nginx. Also SSL_CLIENT_CERT
    #[arg(id = "nginx.ssl-client-cert", long, value_name = "FILE")]
    pub(crate) ssl_client_cert: Option<String>,

    /// Key (PEM) of that certificate. Also SSL_CLIENT_KEY
    #[arg(id = "nginx.ssl-client-key", long, value_name = "FILE")]
    pub(crate) ssl_client_key: Option<String>,

    /// Begin connections to nginx with a PROXY protocol header, version 2. Also PROXY_PROTOCOL
    #[arg(id = "nginx.proxy-protocol", long, value_name = "BOOL", num_args = 0..=1,
        require_equals = true, default_missing_value = "true", default_value = "false")]
    pub(crate) proxy_protocol: String,

    /// Show the sockets that nginx listens on: accept queues, drops, true connections
    #[arg(id = "nginx.sockets", long, value_name = "BOOL", num_args = 0..=1,
        require_equals = true, default_missing_value = "true", default_value = "false")]
    pub(crate) sockets: String,

    /// Ports that count as nginx's for --nginx.sockets; all listening ones but our own by default
    #[arg(id = "nginx.ports", long, value_name = "PORT", value_delimiter = ',')]
    pub(crate) ports: Vec<String>,

    /// Label NAME=VALUE on every nginx_ series; repeatable
    #[arg(id = "prometheus.const-label", long, value_name = "LABEL", value_delimiter = '\n')]
    pub(crate) const_label: Vec<String>,

    /// The same as NAME=VALUE,NAME=VALUE, or a line each. Also CONST_LABELS
    #[arg(id = "prometheus.const-labels", long, value_name = "LABELS")]
    pub(crate) const_labels: Vec<String>,

    /// Address to serve at: ADDRESS:PORT, :PORT or unix:/PATH, instead of the admin port's default;
    /// repeatable. Also LISTEN_ADDRESS
    #[arg(id = "web.listen-address", long, value_name = "ADDRESS", value_delimiter = '\n')]
    pub(crate) listen_address: Vec<String>,

    /// Path of the metrics. Also TELEMETRY_PATH
    #[arg(id = "web.telemetry-path", long, value_name = "PATH", default_value = "/metrics")]
    pub(crate) telemetry_path: String,

    /// Offer OpenMetrics to scrapers that prefer it; without this only to those that refuse text
    #[arg(id = "web.openmetrics", long, value_name = "BOOL", num_args = 0..=1,
        require_equals = true, default_missing_value = "true", default_value = "false")]
    pub(crate) openmetrics: String,

    /// File with TLS, client certificates and users, as of the Prometheus exporter toolkit; read
    /// again when it changes. Also CONFIG_FILE
    #[arg(id = "web.config.file", long, value_name = "FILE")]
    pub(crate) web_config_file: Option<String>,

    /// Serve over TLS with the two files below. Also SECURED_METRICS
    #[arg(id = "web.secured-metrics", long, value_name = "BOOL", num_args = 0..=1,
        require_equals = true, default_missing_value = "true", default_value = "false")]
    pub(crate) secured_metrics: String,

    /// Certificate (PEM) for --web.secured-metrics. Also SSL_SERVER_CERT
    #[arg(id = "web.ssl-server-cert", long, value_name = "FILE")]
    pub(crate) ssl_server_cert: Option<String>,

    /// Key (PEM) for --web.secured-metrics. Also SSL_SERVER_KEY
    #[arg(id = "web.ssl-server-key", long, value_name = "FILE")]
    pub(crate) ssl_server_key: Option<String>,

    /// Serve at the sockets that systemd passes, not at an address. Also SYSTEMD_SOCKET
    #[arg(id = "web.systemd-socket", long, value_name = "BOOL", num_args = 0..=1,
        require_equals = true, default_missing_value = "true", default_value = "false")]
    pub(crate) systemd_socket: String,

    #[command(flatten)]
    pub(crate) logs: LogArgs,
}
