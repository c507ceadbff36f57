//! From what was typed to what it means.
//!
//! In: [`Args`]. Out: a [`Config`] in which every value is valid by itself and with the others, or
//! all that is wrong, each with its setting and value. Nothing outside is touched.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use net::{Endpoint, TlsSettings};
use sidecar_runtime::{Rejections, setting};
use tail::{AfterShip, From, Globs, LongLines};

use crate::cli::Args;
use crate::compress::Codec;
use crate::record::Format;

/// The smallest limit for a line; below, nothing useful is left of one.
const LINE_BYTES_MIN: u64 = 64;
/// The largest: a batch holds at least one line.
const LINE_BYTES_MAX: u64 = 16 << 20;
/// Fields that a record has by itself.
const RESERVED: [&str; 8] =
    ["message", "file", "offset", "time", "stream", "partial", "split", "id"];

/// The settings in effect.
#[derive(Debug)]
pub struct Config {
    pub(crate) globs: Globs,
    pub(crate) from: From,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) sink: SinkConfig,
    pub(crate) format: Format,
    pub(crate) record_id: bool,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) line_bytes_max: usize,
    pub(crate) long_lines: LongLines,
    pub(crate) partial_timeout: Option<Duration>,
    pub(crate) linger: Duration,
    pub(crate) on_full: OnFull,
    pub(crate) after_ship: AfterShip,
    pub(crate) dir_bytes_max: Option<u64>,
}

/// What happens when the sink takes nothing and the buffer is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFull {
    /// Reading stops; the files are the buffer.
    Block,
    /// The batch that waits is given up and counted.
    DropOldest,
}

#[derive(Debug)]
pub(crate) enum SinkConfig {
    Stdout,
    File(FileConfig),
    Http(Box<HttpConfig>),
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

pub(crate) fn configure(args: Args, rejections: &mut Rejections) -> Option<Config> {
    let sink = sink(&args, rejections);
    let format = format(&args, sink.as_ref(), rejections);
    let globs = globs(&args, sink.as_ref(), rejections);
    let labels = labels(&args.label, rejections);
    let from = rejections.parse(
        "from",
        &args.from,
        setting::one_of(&[("beginning", From::Beginning), ("end", From::End)]),
    );
    let line_bytes_max = rejections.parse("max-line-bytes", &args.max_line_bytes, line_bytes);
    let long_lines = rejections.parse(
        "long-lines",
        &args.long_lines,
        setting::one_of(&[("split", LongLines::Split), ("drop", LongLines::Drop)]),
    );
    let partial_timeout = optional(args.partial_timeout.as_deref(), |text| {
        rejections.parse("partial-timeout", text, setting::duration)
    });
    let linger = rejections.parse("linger", &args.linger, setting::duration);
    let on_full = rejections.parse(
        "on-full",
        &args.on_full,
        setting::one_of(&[("block", OnFull::Block), ("drop-oldest", OnFull::DropOldest)]),
    );
    let after_ship = rejections.parse(
        "after-ship",
        &args.after_ship,
        setting::one_of(&[
            ("keep", AfterShip::Keep),
            ("delete", AfterShip::Delete),
            ("truncate", AfterShip::Truncate),
        ]),
    );
    let dir_bytes_max = optional(args.max_dir_bytes.as_deref(), |text| {
        rejections.parse("max-dir-bytes", text, setting::bytes)
    });
    Some(Config {
        globs: globs?,
        from: from?,
        state_dir: args.state_dir.map(PathBuf::from),
        sink: sink?,
        format: format?,
        record_id: args.record_id,
        labels: labels?,
        line_bytes_max: line_bytes_max?,
        long_lines: long_lines?,
        partial_timeout: partial_timeout?,
        linger: linger?,
        on_full: on_full?,
        after_ship: after_ship?,
        dir_bytes_max: dir_bytes_max?,
    })
}

/// An absent setting is fine, a bad one is not.
fn optional<T>(text: Option<&str>, parse: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
    match text {
        None => Some(None),
        Some(text) => parse(text).map(Some),
    }
}

fn line_bytes(text: &str) -> Result<usize, String> {
    let bytes = setting::bytes(text).map_err(|error| error.to_string())?;
    if !(LINE_BYTES_MIN..=LINE_BYTES_MAX).contains(&bytes) {
        return Err(format!("expected {LINE_BYTES_MIN} to {LINE_BYTES_MAX} bytes"));
    }
    usize::try_from(bytes).map_err(|error| error.to_string())
}

fn globs(args: &Args, sink: Option<&SinkConfig>, rejections: &mut Rejections) -> Option<Globs> {
    let mut globs = Globs::default();
    let mut accepted = true;
    for pattern in &args.include {
        let parsed = rejections.parse("include", pattern, |text| globs.include(text));
        accepted &= parsed.is_some();
    }
    for pattern in &args.exclude {
        let parsed = rejections.parse("exclude", pattern, |text| globs.exclude(text));
        accepted &= parsed.is_some();
    }
    if let Some(SinkConfig::File(file)) = sink {
        // What this process writes is not followed.
        let path = glob_of(&file.path);
        for pattern in [path.clone(), format!("{path}.*")] {
            let parsed = rejections.parse("sink-url", &pattern, |text| globs.exclude(text));
            accepted &= parsed.is_some();
        }
    }
    accepted.then_some(globs)
}

/// The pattern that matches only this path.
fn glob_of(path: &std::path::Path) -> String {
    let text = path.to_string_lossy();
    text.chars().fold(String::new(), |mut pattern, character| {
        match character {
            '*' | '?' | '[' => pattern.extend(['[', character, ']']),
            _ => pattern.push(character),
        }
        pattern
    })
}

fn labels(typed: &[String], rejections: &mut Rejections) -> Option<Vec<(String, String)>> {
    let mut labels: Vec<(String, String)> = Vec::new();
    let mut accepted = true;
    for text in typed {
        match rejections.parse("label", text, label) {
            Some((key, _)) if labels.iter().any(|(known, _)| *known == key) => {
                rejections.reject("label", text, "another label has this key");
                accepted = false;
            }
            Some(label) => labels.push(label),
            None => accepted = false,
        }
    }
    accepted.then_some(labels)
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    if key.is_empty() {
        return Err("the key is empty".to_owned());
    }
    if RESERVED.contains(&key) {
        return Err(format!("a record has a field {key} of its own"));
    }
    Ok((key.to_owned(), value.to_owned()))
}

#[derive(Clone, Copy)]
enum Kind {
    Stdout,
    File,
    Http,
    Blackhole,
}

fn sink(args: &Args, rejections: &mut Rejections) -> Option<SinkConfig> {
    let kinds = [
        ("stdout", Kind::Stdout),
        ("file", Kind::File),
        ("http", Kind::Http),
        ("blackhole", Kind::Blackhole),
    ];
    let kind = rejections.parse("sink", &args.sink, setting::one_of(&kinds));
    let url = args.sink_url.as_deref();
    let codec = codec(args, kind, rejections);
    let headers = headers(&args.header, rejections);
    let timeout = rejections.parse("sink-timeout", &args.sink_timeout, setting::duration);
    let bytes_max =
        rejections.parse("sink-file-max-bytes", &args.sink_file_max_bytes, setting::bytes);
    let keep = rejections.parse("sink-file-keep", &args.sink_file_keep, u32::from_str);
    match kind? {
        Kind::Stdout => no_url(url, rejections).then_some(SinkConfig::Stdout),
        Kind::Blackhole => no_url(url, rejections).then_some(SinkConfig::Blackhole),
        Kind::File => {
            let path = required_url(url, rejections, file_path)?;
            Some(SinkConfig::File(FileConfig { path, bytes_max: bytes_max?, keep: keep? }))
        }
        Kind::Http => {
            let endpoint = required_url(url, rejections, Endpoint::from_str)?;
            let tls = tls(args, rejections)?;
            Some(SinkConfig::Http(Box::new(HttpConfig {
                endpoint,
                tls,
                timeout: timeout?,
                headers: headers?,
                basic_auth_file: args.basic_auth_file.as_ref().map(PathBuf::from),
                bearer_token_file: args.bearer_token_file.as_ref().map(PathBuf::from),
                codec: codec?,
            })))
        }
    }
}

fn no_url(url: Option<&str>, rejections: &mut Rejections) -> bool {
    if let Some(url) = url {
        rejections.reject("sink-url", url, "only the sinks file and http have an address");
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

fn codec(args: &Args, kind: Option<Kind>, rejections: &mut Rejections) -> Option<Codec> {
    let choices = [("none", Codec::None), ("gzip", Codec::Gzip), ("zstd", Codec::Zstd)];
    let codec = rejections.parse("compression", &args.compression, setting::one_of(&choices))?;
    let fits = codec == Codec::None || matches!(kind, Some(Kind::Http) | None);
    if !fits {
        rejections.reject("compression", &args.compression, "only the http sink compresses");
    }
    fits.then_some(codec)
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

fn format(args: &Args, sink: Option<&SinkConfig>, rejections: &mut Rejections) -> Option<Format> {
    let is_http = matches!(sink, Some(SinkConfig::Http(_)));
    let Some(text) = &args.format else {
        return Some(match sink {
            Some(SinkConfig::Http(_)) => Format::Json,
            Some(SinkConfig::Blackhole) => Format::Nothing,
            _ => Format::Raw,
        });
    };
    let choices = [("raw", Format::Raw), ("prefixed", Format::Prefixed), ("json", Format::Json)];
    let format = rejections.parse("format", text, setting::one_of(&choices))?;
    if is_http && format != Format::Json {
        rejections.reject("format", text, "the http sink posts JSON records");
        return None;
    }
    Some(format)
}
