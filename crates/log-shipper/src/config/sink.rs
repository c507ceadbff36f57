//! Where records go, from what was typed to what it means.
//!
//! In: the flags of the sinks. Out: a [`SinkConfig`] that holds what its sink needs and no more. A
//! flag that the chosen sink would not look at is refused where it would mislead: an address for
//! standard output, a compression that its server does not take.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use net::{Endpoint, TlsSettings};
use sidecar_runtime::{Rejections, setting};

use super::stream::{
    self, FORWARD_SCHEMES, ForwardConfig, SYSLOG_SCHEMES, StreamConfig, SyslogConfig,
};
use crate::cli::Args;
use crate::compress::Codec;

/// Where an address of Loki without a path leads.
const LOKI_PATH: &str = "/loki/api/v1/push";
/// The same for OTLP.
const OTLP_PATH: &str = "/v1/logs";
/// What a bulk API is asked to say.
const BULK_ANSWER: &str =
    "filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason";

#[derive(Debug)]
pub(crate) enum SinkConfig {
    Stdout,
    File(FileConfig),
    Http(Box<HttpConfig>),
    Loki(Box<HttpConfig>, Encoding),
    Bulk(Box<HttpConfig>),
    Otlp(Box<HttpConfig>, Encoding),
    Forward(Box<ForwardConfig>),
    Syslog(Box<SyslogConfig>),
    Blackhole,
}

#[derive(Debug)]
pub(crate) struct FileConfig {
    pub(crate) path: PathBuf,
    pub(crate) bytes_max: u64,
    pub(crate) keep: u32,
}

pub(crate) struct HttpConfig {
    pub(crate) endpoint: Endpoint,
    pub(crate) tls: TlsSettings,
    pub(crate) timeout: Duration,
    pub(crate) headers: HeaderMap,
    pub(crate) basic_auth_file: Option<PathBuf>,
    pub(crate) bearer_token_file: Option<PathBuf>,
    pub(crate) codec: Codec,
}

/// The two forms of protocols that are defined as protobuf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Encoding::Protobuf => "application/x-protobuf",
            Encoding::Json => "application/json",
        }
    }
}

impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Header values may be secrets.
        let names: Vec<_> = self.headers.keys().map(HeaderName::as_str).collect();
        f.debug_struct("HttpConfig")
            .field("url", &format_args!("{}", self.endpoint))
            .field("tls", &self.tls)
            .field("timeout", &self.timeout)
            .field("headers", &names)
            .field("basic_auth_file", &self.basic_auth_file)
            .field("bearer_token_file", &self.bearer_token_file)
            .field("codec", &self.codec)
            .finish()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Stdout,
    File,
    Http,
    Loki,
    Bulk,
    Otlp,
    Forward,
    Syslog,
    Blackhole,
}

const KINDS: [(&str, Kind); 9] = [
    ("stdout", Kind::Stdout),
    ("file", Kind::File),
    ("http", Kind::Http),
    ("loki", Kind::Loki),
    ("elasticsearch", Kind::Bulk),
    ("otlp", Kind::Otlp),
    ("forward", Kind::Forward),
    ("syslog", Kind::Syslog),
    ("blackhole", Kind::Blackhole),
];

pub(super) fn sink(
    args: &Args,
    labels: Option<&[(String, String)]>,
    rejections: &mut Rejections,
) -> Option<SinkConfig> {
    let kind = rejections.parse("sink", &args.sink, setting::one_of(&KINDS));
    let url = args.sink_url.as_deref();
    let encoding = rejections.parse(
        "sink-encoding",
        &args.sink_encoding,
        setting::one_of(&[("protobuf", Encoding::Protobuf), ("json", Encoding::Json)]),
    );
    let codec = codec(args, kind, encoding, rejections);
    let flags = stream::flags(args, rejections);
    let headers = headers(&args.header, rejections);
    let timeout = rejections.parse("sink-timeout", &args.sink_timeout, setting::duration);
    let bytes_max =
        rejections.parse("sink-file-max-bytes", &args.sink_file_max_bytes, setting::bytes);
    let keep = rejections.parse("sink-file-keep", &args.sink_file_keep, u32::from_str);
    let kind = kind?;
    match kind {
        Kind::Stdout => return no_url(url, rejections).then_some(SinkConfig::Stdout),
        Kind::Blackhole => return no_url(url, rejections).then_some(SinkConfig::Blackhole),
        Kind::File => {
            let path = required_url(url, rejections, file_path)?;
            let (bytes_max, keep) = (bytes_max?, keep?);
            return Some(SinkConfig::File(FileConfig { path, bytes_max, keep }));
        }
        Kind::Http | Kind::Loki | Kind::Bulk | Kind::Otlp | Kind::Forward | Kind::Syslog => {}
    }
    let is_named =
        kind != Kind::Bulk || rejections.parse("index", &args.index, index_name).is_some();
    let endpoint = required_url(url, rejections, |text| endpoint(kind, text, &args.index));
    let endpoint = endpoint.filter(|_| is_named);
    let tls = tls(args, rejections);
    let labels_fit = labels.is_some_and(|labels| do_labels_fit(kind, labels, rejections));
    if matches!(kind, Kind::Forward | Kind::Syslog) {
        let to = StreamConfig { endpoint: endpoint?, tls: tls?, timeout: timeout? };
        return Some(match kind {
            Kind::Syslog => {
                SinkConfig::Syslog(Box::new(stream::syslog(args, to, flags?, rejections)?))
            }
            _ => SinkConfig::Forward(Box::new(stream::forward(args, to, codec?, rejections)?)),
        });
    }
    let http = Box::new(HttpConfig {
        endpoint: endpoint?,
        tls: tls?,
        timeout: timeout?,
        headers: headers?,
        basic_auth_file: args.basic_auth_file.as_ref().map(PathBuf::from),
        bearer_token_file: args.bearer_token_file.as_ref().map(PathBuf::from),
        codec: codec?,
    });
    labels_fit.then_some(())?;
    Some(match kind {
        Kind::Loki => SinkConfig::Loki(http, encoding?),
        Kind::Bulk => SinkConfig::Bulk(http),
        Kind::Otlp => SinkConfig::Otlp(http, encoding?),
        _ => SinkConfig::Http(http),
    })
}

/// The address that requests go to, made from the one that people know.
fn endpoint(kind: Kind, text: &str, index: &str) -> Result<Endpoint, String> {
    match kind {
        Kind::Forward => return stream::endpoint(text, &FORWARD_SCHEMES),
        Kind::Syslog => return stream::endpoint(text, &SYSLOG_SCHEMES),
        _ => {}
    }
    let parse = |text: &str| Endpoint::from_str(text).map_err(|error| error.to_string());
    let typed = parse(text)?;
    let (base, query) = text.split_once('?').unwrap_or((text, ""));
    let (base, query) = (base.trim_end_matches('/'), query.split('&'));
    let query: Vec<&str> = query.filter(|parameter| !parameter.is_empty()).collect();
    let with = |path: &str, own: &[&str]| {
        let query = [&query[..], own].concat().join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        parse(&format!("{base}{path}{mark}{query}"))
    };
    let has_path = !matches!(typed.target().path(), "" | "/");
    match kind {
        Kind::Loki if !has_path => with(LOKI_PATH, &[]),
        Kind::Otlp if !has_path => with(OTLP_PATH, &[]),
        // Of each document only what is looked at.
        Kind::Bulk => with(&format!("/{index}/_bulk"), &[BULK_ANSWER]),
        _ => Ok(typed),
    }
}

/// Reads the name of an index or data stream by the rules of the servers.
fn index_name(text: &str) -> Result<(), &'static str> {
    const BYTES_MAX: usize = 255;
    let is_bad =
        |it: char| it.is_uppercase() || it.is_whitespace() || r#"\/*?"<>|,#:"#.contains(it);
    match text {
        "" | "." | ".." => Err("an index has a name, which is neither . nor .."),
        _ if text.contains(is_bad) => {
            Err("an index has no capitals, spaces or \\ / * ? \" < > | , # :")
        }
        _ if text.starts_with(['-', '_', '+']) => Err("an index does not begin with - _ or +"),
        _ if text.len() > BYTES_MAX => Err("the name of an index has up to 255 bytes"),
        _ => Ok(()),
    }
}

/// Whether the labels keep the rules of the sink.
fn do_labels_fit(kind: Kind, labels: &[(String, String)], rejections: &mut Rejections) -> bool {
    let mut accepted = true;
    for (key, value) in labels {
        let (fits, reason) = match kind {
            Kind::Loki => {
                (is_loki_name(key), "Loki's labels are named with letters, digits and underscores")
            }
            Kind::Syslog => (
                stream::is_syslog_name(key),
                "syslog's parameters are named with up to 32 visible characters of ASCII, and not \
                 cut",
            ),
            _ => (true, ""),
        };
        if !fits {
            rejections.reject("label", &format!("{key}={value}"), reason);
        }
        accepted &= fits;
    }
    accepted
}

fn is_loki_name(key: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    key.chars().all(fits) && !key.starts_with(|c: char| c.is_ascii_digit()) && key != "filename"
}

fn no_url(url: Option<&str>, rejections: &mut Rejections) -> bool {
    if let Some(url) = url {
        rejections.reject("sink-url", url, "this sink has no address");
    }
    url.is_none()
}

fn required_url<T, E: fmt::Display>(
    url: Option<&str>,
    rejections: &mut Rejections,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    let Some(url) = url else {
        rejections.reject("sink-url", "", "this sink needs an address");
        return None;
    };
    match parse(url) {
        Ok(parsed) => Some(parsed),
        Err(error) => {
            // A user and a password may stand before the '@', a key behind the '?'.
            match url.find(['@', '?']) {
                Some(_) => rejections.reject("sink-url", "", "not an address without secrets"),
                None => rejections.reject("sink-url", url, error),
            }
            None
        }
    }
}

fn file_path(url: &str) -> Result<PathBuf, &'static str> {
    match url.strip_prefix("file://") {
        Some(path) if path.starts_with('/') && !path.ends_with('/') => Ok(PathBuf::from(path)),
        _ => Err("expected file:///PATH"),
    }
}

fn tls(args: &Args, rejections: &mut Rejections) -> Option<TlsSettings> {
    let path = |text: &Option<String>| text.as_ref().map(PathBuf::from);
    match (&args.sink_client_cert, &args.sink_client_key) {
        (Some(cert), None) => {
            rejections.reject("sink-client-cert", cert, "sink-client-key is missing");
            return None;
        }
        (None, Some(key)) => {
            rejections.reject("sink-client-key", key, "sink-client-cert is missing");
            return None;
        }
        _ => {}
    }
    if let (Some(basic), Some(_)) = (&args.basic_auth_file, &args.bearer_token_file) {
        rejections.reject("basic-auth-file", basic, "bearer-token-file is set as well");
        return None;
    }
    Some(TlsSettings {
        ca_file: path(&args.sink_ca_file),
        client_cert: path(&args.sink_client_cert),
        client_key: path(&args.sink_client_key),
    })
}

fn codec(
    args: &Args,
    kind: Option<Kind>,
    encoding: Option<Encoding>,
    rejections: &mut Rejections,
) -> Option<Codec> {
    let choices = [("none", Codec::None), ("gzip", Codec::Gzip), ("zstd", Codec::Zstd)];
    let codec = rejections.parse("compression", &args.compression, setting::one_of(&choices))?;
    let reason = match (kind?, codec) {
        (_, Codec::None) | (Kind::Http | Kind::Otlp, _) => None,
        (Kind::Bulk | Kind::Forward, Codec::Gzip) => None,
        (Kind::Loki, _) if encoding == Some(Encoding::Protobuf) => {
            Some("protobuf for Loki is compressed with snappy as it is")
        }
        (Kind::Loki, Codec::Gzip) => None,
        (Kind::Loki | Kind::Bulk | Kind::Forward, Codec::Zstd) => {
            Some("its servers take gzip only")
        }
        (Kind::Stdout | Kind::File | Kind::Syslog | Kind::Blackhole, _) => {
            Some("this sink does not compress")
        }
    };
    if let Some(reason) = reason {
        rejections.reject("compression", &args.compression, reason);
    }
    reason.is_none().then_some(codec)
}

fn headers(typed: &[String], rejections: &mut Rejections) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    let mut accepted = true;
    for text in typed {
        match header(text) {
            Ok((name, value)) => {
                headers.append(name, value);
            }
            Err(reason) => {
                // The value may be a secret: only the name is shown, if there is one.
                let name = text.split([':', ' ']).next().unwrap_or_default();
                rejections.reject("header", name, reason);
                accepted = false;
            }
        }
    }
    accepted.then_some(headers)
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    let (name, value) = text.split_once(':').ok_or("expected NAME: VALUE")?;
    let name = HeaderName::from_str(name.trim()).or(Err("not a header name"))?;
    if ["content-length", "content-encoding", "content-type", "host", "transfer-encoding"]
        .contains(&name.as_str())
    {
        return Err("this header is set by the sink");
    }
    let mut value = HeaderValue::from_str(value.trim()).or(Err("not a header value"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_before_the_query() {
        let bulk = format!("/logs/_bulk?{BULK_ANSWER}");
        let with_pipeline = format!("/es/logs/_bulk?pipeline=p&{BULK_ANSWER}");
        for (kind, text, expected) in [
            (Kind::Bulk, "http://es:9200", &*bulk),
            (Kind::Bulk, "http://es:9200/", &bulk),
            (Kind::Bulk, "http://es:9200/es/?pipeline=p", &with_pipeline),
            (Kind::Loki, "http://loki:3100", "/loki/api/v1/push"),
            (Kind::Loki, "http://loki:3100/?a=1", "/loki/api/v1/push?a=1"),
            (Kind::Loki, "http://loki:3100/own?a=1", "/own?a=1"),
            (Kind::Otlp, "http://otel:4318?a=1", "/v1/logs?a=1"),
            (Kind::Http, "http://host/in?a=1", "/in?a=1"),
        ] {
            assert_eq!(endpoint(kind, text, "logs").unwrap().target(), expected, "{text}");
        }
    }

    #[test]
    fn an_index_has_a_name_that_servers_take() {
        for name in ["logs-log_shipper-default", "a", ".own", "logs-2026.11.23"] {
            assert_eq!(index_name(name), Ok(()), "{name}");
        }
        for name in ["", ".", "..", "Logs", "a/b", "a?b", "a b", "-a", "_a", "+a", "a,b", "a#b"] {
            assert!(index_name(name).is_err(), "{name}");
        }
        assert!(index_name(&"a".repeat(256)).is_err());
    }
}
