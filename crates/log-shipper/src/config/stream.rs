//! Sinks over a plain stream or datagrams, from what was typed to what it means.
//!
//! In: the flags of Fluent forward and syslog. Out: their configurations. An address has a scheme
//! that says how it is talked to, a host, and a port or the protocol's own; a path behind that is
//! refused, as nobody would look at it.

use std::path::PathBuf;
use std::time::Duration;

use net::{Dialer, Endpoint, Scheme, TlsSettings};
use sidecar_runtime::{Rejections, StartError, setting};

use crate::cli::Args;
use crate::compress::Codec;

/// Fluentd's and Fluent Bit's, with TLS too.
const FORWARD_PORT: u16 = 24224;
pub(super) const FORWARD_SCHEMES: [Scheme; 2] = [
    Scheme { name: "tcp", tls: false, port: FORWARD_PORT },
    Scheme { name: "tls", tls: true, port: FORWARD_PORT },
];

/// By RFC 6587 and common use, RFC 5425 and RFC 5426.
pub(super) const SYSLOG_SCHEMES: [Scheme; 3] = [
    Scheme { name: "tcp", tls: false, port: 514 },
    Scheme { name: "tls", tls: true, port: 6514 },
    Scheme { name: UDP, tls: false, port: 514 },
];
const UDP: &str = "udp";
/// Names of facilities, without 12 to 15, which are for the system's own affairs.
const FACILITIES: [(&str, u8); 20] = [
    ("kern", 0),
    ("user", 1),
    ("mail", 2),
    ("daemon", 3),
    ("auth", 4),
    ("syslog", 5),
    ("lpr", 6),
    ("news", 7),
    ("uucp", 8),
    ("cron", 9),
    ("authpriv", 10),
    ("ftp", 11),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];
/// What every receiver has to take, and what an IPv4 datagram holds.
const DATAGRAM_BYTES_MIN: u64 = 480;
const DATAGRAM_BYTES_MAX: u64 = 65_507;
/// Of the name of a parameter.
const SD_NAME_BYTES_MAX: usize = 32;

/// Where a stream leads.
#[derive(Debug)]
pub(crate) struct StreamConfig {
    pub(crate) endpoint: Endpoint,
    pub(crate) tls: TlsSettings,
    /// For an answer to what was sent.
    pub(crate) timeout: Duration,
}

#[derive(Debug)]
pub(crate) struct ForwardConfig {
    pub(crate) to: StreamConfig,
    pub(crate) shared_key_file: Option<PathBuf>,
    /// `USER:PASSWORD`; only with a shared key.
    pub(crate) user_file: Option<PathBuf>,
    /// Not zstd.
    pub(crate) codec: Codec,
}

#[derive(Debug)]
pub(crate) struct SyslogConfig {
    pub(crate) to: StreamConfig,
    pub(crate) facility: u8,
    /// For UDP; none for streams.
    pub(crate) datagram_bytes_max: Option<usize>,
}

impl StreamConfig {
    /// Reads the TLS files.
    pub(crate) fn dialer(&self) -> Result<Dialer, StartError> {
        Dialer::new(self.endpoint.clone(), &self.tls).map_err(|error| {
            StartError::new("sink-url", self.endpoint.to_string(), net::with_causes(&error))
        })
    }
}

/// An address of a host and a port, and no more.
pub(super) fn endpoint(text: &str, schemes: &[Scheme]) -> Result<Endpoint, String> {
    let endpoint = Endpoint::of_schemes(text, schemes).map_err(|error| error.to_string())?;
    if endpoint.target() != "/" {
        return Err("expected no more than a host and a port".to_owned());
    }
    Ok(endpoint)
}

/// What is refused if it is wrong, whatever the sink.
pub(super) struct Flags {
    facility: u8,
    datagram_bytes_max: usize,
}

pub(super) fn flags(args: &Args, rejections: &mut Rejections) -> Option<Flags> {
    let facility =
        rejections.parse("syslog-facility", &args.syslog_facility, setting::one_of(&FACILITIES));
    let datagram_bytes_max =
        rejections.parse("syslog-datagram-bytes", &args.syslog_datagram_bytes, datagram_bytes);
    rejections.parse("forward-tag", &args.forward_tag, tag)?;
    Some(Flags { facility: facility?, datagram_bytes_max: datagram_bytes_max? })
}

fn tag(text: &str) -> Result<(), &'static str> {
    let fits = !text.is_empty() && !text.contains(char::is_whitespace);
    if fits { Ok(()) } else { Err("expected a tag without spaces") }
}

pub(super) fn forward(
    args: &Args,
    to: StreamConfig,
    codec: Codec,
    rejections: &mut Rejections,
) -> Option<ForwardConfig> {
    let mut accepted = true;
    let mut reject = |setting: &str, value: &str, reason: &str| {
        rejections.reject(setting, value, reason);
        accepted = false;
    };
    if let Some(token) = &args.bearer_token_file {
        reject("bearer-token-file", token, "this sink knows a shared key, users and passwords");
    }
    if let (Some(user), None) = (&args.basic_auth_file, &args.forward_shared_key_file) {
        reject("basic-auth-file", user, "forward-shared-key-file is missing");
    }
    let path = |text: &Option<String>| text.as_ref().map(PathBuf::from);
    accepted.then(|| ForwardConfig {
        to,
        shared_key_file: path(&args.forward_shared_key_file),
        user_file: path(&args.basic_auth_file),
        codec,
    })
}

pub(super) fn syslog(
    args: &Args,
    to: StreamConfig,
    flags: Flags,
    rejections: &mut Rejections,
) -> Option<SyslogConfig> {
    let mut accepted = true;
    for (setting, file) in
        [("basic-auth-file", &args.basic_auth_file), ("bearer-token-file", &args.bearer_token_file)]
    {
        if let Some(file) = file {
            rejections.reject(setting, file, "syslog knows client certificates only");
            accepted = false;
        }
    }
    let is_udp = to.endpoint.scheme().name == UDP;
    let datagram_bytes_max = is_udp.then_some(flags.datagram_bytes_max);
    accepted.then_some(SyslogConfig { to, facility: flags.facility, datagram_bytes_max })
}

fn datagram_bytes(text: &str) -> Result<usize, String> {
    let bytes = setting::bytes(text).map_err(|error| error.to_string())?;
    if !(DATAGRAM_BYTES_MIN..=DATAGRAM_BYTES_MAX).contains(&bytes) {
        return Err(format!("expected {DATAGRAM_BYTES_MIN} to {DATAGRAM_BYTES_MAX} bytes"));
    }
    usize::try_from(bytes).map_err(|error| error.to_string())
}

/// Whether a parameter can have this name besides those of our own.
pub(super) fn is_syslog_name(key: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"=]\"".contains(&byte);
    key.len() <= SD_NAME_BYTES_MAX && key.bytes().all(fits) && key != "cut"
}
