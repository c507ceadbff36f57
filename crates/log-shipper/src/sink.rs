//! Where records go.
//!
//! In: records, each ended by LF. Out: one [`Answer`] an attempt. A sink makes one attempt and says
//! what came of it; what follows from that (retry, split, give up) is decided in `delivery`, the
//! same for all. Only a sink knows the format of its wire. A new one is a file here, a variant of
//! [`Sink`] and one of the configuration.

mod bulk;
mod file;
mod forward;
mod http;
mod loki;
mod ndjson;
mod otlp;
mod stdout;
mod syslog;

use std::time::Duration;

use sidecar_runtime::StartError;

pub(crate) use self::bulk::{BulkRecorder, BulkSink};
pub(crate) use self::file::{FileSink, Written, is_in_place, open_to_append};
pub(crate) use self::forward::{ForwardRecorder, ForwardSink};
pub(crate) use self::loki::{LokiRecorder, LokiSink};
pub(crate) use self::ndjson::NdjsonSink;
pub(crate) use self::otlp::{OtlpRecorder, OtlpSink};
pub(crate) use self::stdout::StdoutSink;
pub(crate) use self::syslog::{SyslogRecorder, SyslogSink};
use crate::batch::Records;
use crate::config::SinkConfig;

#[derive(Debug)]
pub(crate) enum Sink {
    Stdout(StdoutSink),
    File(FileSink),
    Http(Box<NdjsonSink>),
    Loki(Box<LokiSink>),
    Bulk(Box<BulkSink>),
    Otlp(Box<OtlpSink>),
    Forward(Box<ForwardSink>),
    Syslog(Box<SyslogSink>),
    Blackhole,
}

/// What came of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Every record was taken.
    Accepted,
    /// Not now; the records as they are may be taken later, at the earliest after `after`.
    Refused { why: Refusal, detail: String, after: Option<Duration> },
    /// Fewer records at a time may be taken.
    TooLarge,
    /// At least one record will never be taken, and nobody says which. The others may have been.
    Poison(String),
    /// All were taken but those that are `left`, by number, which may be taken later and are not
    /// now for the reason `why`, and those that were `rejected` for good.
    Partly { left: Vec<usize>, why: String, rejected: Rejected },
    /// Nothing will ever be taken again.
    Gone(String),
}

/// Records that will never be taken.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rejected {
    pub(crate) count: u64,
    /// Of the first.
    pub(crate) why: String,
    /// Their numbers, and what was said of each; empty if nobody says which they are.
    pub(crate) each: Vec<(usize, String)>,
}

impl Answer {
    /// Why records have to be sent again, if so.
    pub(crate) fn failure(&self) -> Option<(Refusal, String)> {
        match self {
            Answer::Refused { why, detail, .. } => Some((*why, detail.clone())),
            Answer::Poison(why) => Some((Refusal::ClientError, why.clone())),
            Answer::Partly { left, why, .. } if !left.is_empty() => {
                Some((Refusal::Throttled, why.clone()))
            }
            Answer::Partly { .. } | Answer::Accepted | Answer::TooLarge | Answer::Gone(_) => None,
        }
    }
}

/// Why an attempt failed: the label `reason` of the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Refusal {
    /// The name cannot be resolved.
    Resolve,
    Connect,
    Tls,
    Timeout,
    /// The connection was lost before the answer came, or the answer was of no use: the records may
    /// have been taken.
    Interrupted,
    /// 429, or 503 that says when to come again.
    Throttled,
    /// 401, 403 and 407; a shared key that is not the server's.
    Unauthorized,
    /// Any other status below 500.
    ClientError,
    ServerError,
    /// A file or pipe reports an error.
    Io,
}

impl Refusal {
    pub(crate) const ALL: [Refusal; 10] = [
        Refusal::Resolve,
        Refusal::Connect,
        Refusal::Tls,
        Refusal::Timeout,
        Refusal::Interrupted,
        Refusal::Throttled,
        Refusal::Unauthorized,
        Refusal::ClientError,
        Refusal::ServerError,
        Refusal::Io,
    ];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Refusal::Resolve => "resolve",
            Refusal::Connect => "connect",
            Refusal::Tls => "tls",
            Refusal::Timeout => "timeout",
            Refusal::Interrupted => "interrupted",
            Refusal::Throttled => "throttled",
            Refusal::Unauthorized => "unauthorized",
            Refusal::ClientError => "client_error",
            Refusal::ServerError => "server_error",
            Refusal::Io => "io",
        }
    }
}

impl Sink {
    /// Opens what can be opened before there is anything to send.
    pub(crate) fn open(config: SinkConfig) -> Result<Sink, StartError> {
        Ok(match config {
            SinkConfig::Stdout => Sink::Stdout(StdoutSink::open()?),
            SinkConfig::File(config) => Sink::File(FileSink::open(config)?),
            SinkConfig::Http(config) => Sink::Http(Box::new(NdjsonSink::open(*config)?)),
            SinkConfig::Loki(config, encoding) => {
                Sink::Loki(Box::new(LokiSink::open(*config, encoding)?))
            }
            SinkConfig::Bulk(config) => Sink::Bulk(Box::new(BulkSink::open(*config)?)),
            SinkConfig::Otlp(config, encoding) => {
                Sink::Otlp(Box::new(OtlpSink::open(*config, encoding)?))
            }
            SinkConfig::Forward(config) => Sink::Forward(Box::new(ForwardSink::open(*config)?)),
            SinkConfig::Syslog(config) => Sink::Syslog(Box::new(SyslogSink::open(*config)?)),
            SinkConfig::Blackhole => Sink::Blackhole,
        })
    }

    pub(crate) async fn send(&mut self, records: &Records) -> Answer {
        match self {
            Sink::Stdout(sink) => sink.send(records).await,
            Sink::File(sink) => sink.send(records).await,
            Sink::Http(sink) => sink.send(records).await,
            Sink::Loki(sink) => sink.send(records).await,
            Sink::Bulk(sink) => sink.send(records).await,
            Sink::Otlp(sink) => sink.send(records).await,
            Sink::Forward(sink) => sink.send(records).await,
            Sink::Syslog(sink) => sink.send(records).await,
            Sink::Blackhole => Answer::Accepted,
        }
    }

    /// The file whose content must be on disk before a position that depends on it is.
    pub(crate) fn written(&self) -> Option<Written> {
        match self {
            Sink::File(sink) => Some(sink.written()),
            _ => None,
        }
    }
}

/// Runs blocking IO beside the thread that everything else lives on.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
