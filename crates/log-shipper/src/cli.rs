//! The flags as typed. Each has the variable `LOG_SHIPPER_…` and can stand in the settings file;
//! what the texts mean is decided in `config`.

/// Variables that pods have from the downward API, by the habit of most manifests. It knows no name
/// of a container, and CONTAINER_NAME is used by others.
pub(crate) const DOWNWARD_VARIABLES: &[(&str, &str)] = &[
    ("pod-name", "POD_NAME"),
    ("pod-namespace", "POD_NAMESPACE"),
    ("pod-uid", "POD_UID"),
    ("node-name", "NODE_NAME"),
    ("service-account", "SERVICE_ACCOUNT"),
    ("service-account", "POD_SERVICE_ACCOUNT"),
];

/// The flags of log-shipper.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files to follow, as an absolute pattern with *, ** and ?; repeatable
    #[arg(long, value_name = "GLOB", value_delimiter = ',', default_value = "/logs/**/*.log")]
    pub(crate) include: Vec<String>,

    /// Files to leave alone; repeatable
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    pub(crate) exclude: Vec<String>,

    /// Where files that are there at the start, and have no saved position, begin: beginning or end
    #[arg(long, value_name = "WHERE", default_value = "beginning")]
    pub(crate) from: String,

    /// Directory that keeps the positions over restarts; without it nothing is kept
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<String>,

    /// Where lines go: stdout, file, http, loki, elasticsearch, otlp, forward, syslog or
    /// blackhole
    #[arg(long, value_name = "SINK", default_value = "stdout")]
    pub(crate) sink: String,

    /// Address of the sink: http(s)://HOST[:PORT]/PATH, tcp://HOST[:PORT], tls://HOST[:PORT],
    /// udp://HOST[:PORT] or file:///PATH
    #[arg(long, value_name = "URL")]
    pub(crate) sink_url: Option<String>,

    /// Form of requests to loki and otlp: protobuf or json
    #[arg(long, value_name = "ENCODING", default_value = "protobuf")]
    pub(crate) sink_encoding: String,

    /// Data stream or index of the elasticsearch sink
    #[arg(long, value_name = "NAME", default_value = "logs-log_shipper-default")]
    pub(crate) index: String,

    /// Limit for one request to be answered
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    pub(crate) sink_timeout: String,

    /// How long lines that closely follow a batch may wait for more of them, in sinks over the
    /// network; those after a rest leave at once
    #[arg(long, value_name = "DURATION", default_value = "200ms")]
    pub(crate) batch_wait: String,

    /// CA certificates (PEM) that sinks trust, instead of the public ones
    #[arg(long, value_name = "FILE")]
    pub(crate) sink_ca_file: Option<String>,

    /// Client certificate (PEM) for sinks over TLS
    #[arg(long, value_name = "FILE")]
    pub(crate) sink_client_cert: Option<String>,

    /// Key (PEM) of the client certificate
    #[arg(long, value_name = "FILE")]
    pub(crate) sink_client_key: Option<String>,

    /// File with USER:PASSWORD for sinks over HTTP, and for forward with a shared key; read at each
    /// request or connection
    #[arg(long, value_name = "FILE")]
    pub(crate) basic_auth_file: Option<String>,

    /// File with a bearer token for sinks over HTTP; read at each request
    #[arg(long, value_name = "FILE")]
    pub(crate) bearer_token_file: Option<String>,

    /// File with the shared key of the forward sink's server, if that asks for one; read at each
    /// connection
    #[arg(long, value_name = "FILE")]
    pub(crate) forward_shared_key_file: Option<String>,

    /// Tag of the forward sink's records; {stream} stands for the file's name without its ending
    #[arg(long, value_name = "TAG", default_value = "log-shipper.{stream}")]
    pub(crate) forward_tag: String,

    /// Facility of the syslog sink's messages: kern, user, mail, daemon, auth, syslog, lpr, news,
    /// uucp, cron, authpriv, ftp, or local0 to local7
    #[arg(long, value_name = "NAME", default_value = "local0")]
    pub(crate) syslog_facility: String,

    /// Longest datagram of the syslog sink, to which longer messages are cut: 480 to 65507 bytes
    #[arg(long, value_name = "BYTES", default_value = "2KiB")]
    pub(crate) syslog_datagram_bytes: String,

    /// Size at which the file sink begins a new file
    #[arg(long, value_name = "BYTES", default_value = "100MiB")]
    pub(crate) sink_file_max_bytes: String,

    /// Older files that the file sink keeps
    #[arg(long, value_name = "COUNT", default_value = "5")]
    pub(crate) sink_file_keep: String,

    /// Header "NAME: VALUE" for each request of sinks over HTTP; repeatable, a line each in the
    /// variable
    #[arg(long, value_name = "HEADER", value_delimiter = '\n')]
    pub(crate) header: Vec<String>,

    /// Field, label or attribute KEY=VALUE that each record carries; repeatable
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',')]
    pub(crate) label: Vec<String>,

    /// Name of the pod. Also POD_NAME
    #[arg(long, value_name = "NAME")]
    pub(crate) pod_name: Option<String>,

    /// Namespace of the pod. Also POD_NAMESPACE
    #[arg(long, value_name = "NAME")]
    pub(crate) pod_namespace: Option<String>,

    /// UID of the pod. Also POD_UID
    #[arg(long, value_name = "UID")]
    pub(crate) pod_uid: Option<String>,

    /// Name of the node. Also NODE_NAME
    #[arg(long, value_name = "NAME")]
    pub(crate) node_name: Option<String>,

    /// Service account of the pod. Also SERVICE_ACCOUNT or POD_SERVICE_ACCOUNT
    #[arg(long, value_name = "NAME")]
    pub(crate) service_account: Option<String>,

    /// Name of the main container, which writes the files
    #[arg(long, value_name = "NAME")]
    pub(crate) container_name: Option<String>,

    /// File of the downward API with the pod's labels, read again when it changes
    #[arg(long, value_name = "FILE")]
    pub(crate) pod_labels_file: Option<String>,

    /// File of the downward API with the pod's annotations, read again when it changes
    #[arg(long, value_name = "FILE")]
    pub(crate) pod_annotations_file: Option<String>,

    /// Labels of the pod that records carry; repeatable
    #[arg(long, value_name = "GLOB", value_delimiter = ',', default_value = "*")]
    pub(crate) pod_labels: Vec<String>,

    /// Annotations of the pod that records carry; repeatable
    #[arg(long, value_name = "GLOB", value_delimiter = ',', default_value = "*")]
    pub(crate) pod_annotations: Vec<String>,

    /// Tell pod and container by the path of each file, as in /var/log/pods on a node
    #[arg(long)]
    pub(crate) kubernetes_paths: bool,

    /// Form of a record in stdout and file, raw by default: raw, prefixed or json
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<String>,

    /// Let each record carry an id of file, offset and content, by which a receiver knows
    /// duplicates
    #[arg(long)]
    pub(crate) record_id: bool,

    /// Compression of requests: none, gzip or zstd, as far as the servers of the sink take it
    #[arg(long, value_name = "CODEC", default_value = "none")]
    pub(crate) compression: String,

    /// Join the lines of stack traces of java, python, go, ruby or node; repeatable
    #[arg(long, value_name = "LANGUAGE", value_delimiter = ',')]
    pub(crate) multiline: Vec<String>,

    /// Join lines to records that begin with a line that matches
    #[arg(long, value_name = "REGEX")]
    pub(crate) multiline_start: Option<String>,

    /// Join a line that matches to the record before
    #[arg(long, value_name = "REGEX")]
    pub(crate) multiline_continue: Option<String>,

    /// Lines of a joined record
    #[arg(long, value_name = "COUNT", default_value = "500")]
    pub(crate) multiline_max_lines: String,

    /// How long a record waits for its next line
    #[arg(long, value_name = "DURATION", default_value = "1s")]
    pub(crate) multiline_timeout: String,

    /// What lines say: combined, common, nginx:FORMAT, nginx-error, json, logfmt, cri, cri:PARSER,
    /// docker-json, regex:PATTERN, nginx (access and error logs by their names), or none; for some
    /// files only as GLOB=PARSER; repeatable, a line each in the variable, the first that fits a
    /// file counts
    #[arg(long, value_name = "[GLOB=]PARSER", value_delimiter = '\n')]
    pub(crate) parse: Vec<String>,

    /// Zone of times in lines that do not name their own: Z or an offset such as +02:00
    #[arg(long, value_name = "ZONE", default_value = "Z")]
    pub(crate) time_zone: String,

    /// Ship only records that match one of these regular expressions; repeatable, a line each in
    /// the variable
    #[arg(long, value_name = "REGEX", value_delimiter = '\n')]
    pub(crate) include_lines: Vec<String>,

    /// Ship no record that matches one of these; repeatable, a line each in the variable
    #[arg(long, value_name = "REGEX", value_delimiter = '\n')]
    pub(crate) exclude_lines: Vec<String>,

    /// Ship no record whose parsed level is below this one
    #[arg(long, value_name = "LEVEL")]
    pub(crate) min_level: Option<String>,

    /// Ship only this part of the records, a number up to 1; with a parsed field, records of one
    /// value of it together or not at all
    #[arg(long, value_name = "PART[:FIELD]")]
    pub(crate) sample: Option<String>,

    /// Records that are shipped of each file in a second, and at once
    #[arg(long, value_name = "LINES[:BURST]")]
    pub(crate) rate_limit: Option<String>,

    /// What is taken out of lines: url-credentials, bearer, email, ipv6, ipv4, card, or all of
    /// these; ipv6-net and ipv4-net leave the network; repeatable
    #[arg(long, value_name = "PRESET", value_delimiter = ',')]
    pub(crate) redact: Vec<String>,

    /// A pattern of one's own that is replaced in lines; repeatable, a line each in the variable
    #[arg(long, value_name = "REGEX=TEXT", value_delimiter = '\n')]
    pub(crate) redact_regex: Vec<String>,

    /// Directory that keeps records which the sink refuses for good, in a file of the sink's name;
    /// without it they are only counted
    #[arg(long, value_name = "DIR")]
    pub(crate) quarantine_dir: Option<String>,

    /// Size from which that file takes no more records
    #[arg(long, value_name = "BYTES", default_value = "10MiB")]
    pub(crate) quarantine_max_bytes: String,

    /// Longest line
    #[arg(long, value_name = "BYTES", default_value = "1MiB")]
    pub(crate) max_line_bytes: String,

    /// What becomes of longer lines: split or drop
    #[arg(long, value_name = "HOW", default_value = "split")]
    pub(crate) long_lines: String,

    /// Ship a line without an end once its file has not grown for so long; off by default
    #[arg(long, value_name = "DURATION")]
    pub(crate) partial_timeout: Option<String>,

    /// How long files must be quiet before a drain ends
    #[arg(long, value_name = "DURATION", default_value = "1s")]
    pub(crate) linger: String,

    /// Ship what is there now, then end
    #[arg(long)]
    pub(crate) once: bool,

    /// Drain and end once this file exists
    #[arg(long, value_name = "FILE")]
    pub(crate) exit_when_file: Option<String>,

    /// Drain and end once no file has grown, and everything is shipped, for so long
    #[arg(long, value_name = "DURATION")]
    pub(crate) exit_when_idle: Option<String>,

    /// Drain and end once a process of this name was there and none is left; needs the pod's
    /// shareProcessNamespace
    #[arg(long, value_name = "NAME")]
    pub(crate) exit_when_process: Option<String>,

    /// What happens when the sink takes nothing and the buffer is full: block or drop-oldest
    #[arg(long, value_name = "HOW", default_value = "block")]
    pub(crate) on_full: String,

    /// Give back the disk of what is shipped: holes in files that are still written, and rotated
    /// files deleted
    #[arg(long)]
    pub(crate) reclaim: bool,

    /// What becomes of rotated files that are shipped, keep by default and delete with --reclaim:
    /// keep, delete or truncate
    #[arg(long, value_name = "WHAT")]
    pub(crate) after_ship: Option<String>,

    /// Size at which a log is renamed to FILE.N, and --rotate-process told to open it anew
    #[arg(long, value_name = "BYTES")]
    pub(crate) rotate_at: Option<String>,

    /// Name of the process that writes the logs; needs the pod's shareProcessNamespace
    #[arg(long, value_name = "NAME")]
    pub(crate) rotate_process: Option<String>,

    /// At which it opens its logs anew: USR1, USR2 or HUP
    #[arg(long, value_name = "SIGNAL", default_value = "USR1")]
    pub(crate) rotate_signal: String,

    /// Bytes of disk of all followed files above which shipped ones give way, the oldest first
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_dir_bytes: Option<String>,
}
