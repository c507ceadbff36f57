//! Syslog: RFC 5424 messages over TCP, TLS (RFC 5425) or UDP (RFC 5426).
//!
//! Over a stream each message has its length before it (octet counting, RFC 6587), so a message may
//! hold any byte; over UDP it is a datagram, cut to what receivers take.
//!
//! Syslog has no acknowledgement. Over a stream a batch counts as accepted once the receiver's
//! kernel has confirmed its last byte and the receiver has not closed: our send queue is empty. A
//! receiver that ends before it has read what its kernel holds loses that, and nobody is told.
//! Trusting the write alone was not taken: it would lose what our own kernel holds, with every
//! broken connection. Over UDP a batch counts as accepted when it is sent.

mod queue;
mod stream;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use event::{Level, Timestamp};
use net::{Dialer, SendError};
use sidecar_runtime::StartError;
use tail::Source;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use self::stream::Outgoing;
use super::http::{reason_of, refused};
use super::{Answer, Refusal};
use crate::batch::Records;
use crate::config::SyslogConfig;
use crate::metadata::Pod;
use crate::record::{Entry, is_label, record_id, stream};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A receiver of datagrams never says that it has moved: its name is looked up this often.
const LOOKUP_INTERVAL: Duration = Duration::from_secs(60);
/// Limits of RFC 5424.
const HOSTNAME_BYTES_MAX: usize = 255;
const APP_NAME_BYTES_MAX: usize = 48;
/// An identifier needs a private enterprise number; this one is for documentation (RFC 5612).
const SD_ID: &str = "outrider@32473";
const SEVERITY_INFO: u8 = 6;
const BOM: &[u8] = b"\xef\xbb\xbf";
/// Marks a message that was cut.
const CUT: &[u8] = b" cut=\"true\"";
/// Ends the structured data.
const END: &[u8] = b"] ";

/// Writes messages.
#[derive(Debug)]
pub(crate) struct SyslogRecorder {
    facility: u8,
    /// None for messages of any length, with their length before them.
    datagram_bytes_max: Option<usize>,
    record_id: bool,
    labels: Vec<(String, String)>,
    /// Labels and what is known of the pod as parameters, with a space before each.
    constant: Vec<u8>,
    hostname: String,
    /// From the hostname to the offset, in this turn.
    header: Vec<u8>,
    /// When the lines of this turn were read.
    time: String,
    file_id: u64,
    /// Messages that were cut and not yet asked for.
    cut: u64,
}

impl SyslogRecorder {
    pub(crate) fn new(
        config: &SyslogConfig,
        record_id: bool,
        labels: &[(String, String)],
    ) -> SyslogRecorder {
        let mut recorder = SyslogRecorder {
            facility: config.facility,
            datagram_bytes_max: config.datagram_bytes_max,
            record_id,
            labels: labels.to_vec(),
            constant: Vec::new(),
            hostname: String::new(),
            header: Vec::new(),
            time: String::new(),
            file_id: 0,
            cut: 0,
        };
        recorder.describe(&Pod::default());
        recorder
    }

    pub(crate) fn describe(&mut self, pod: &Pod) {
        let uname = rustix::system::uname();
        let hostname = pod.name.as_deref().map_or(uname.nodename().to_string_lossy(), Into::into);
        self.hostname = name(&hostname, HOSTNAME_BYTES_MAX);
        self.constant.clear();
        let mut known = pod.loki_labels();
        known.retain(|(key, _value)| !is_label(&self.labels, key));
        for (key, value) in known.iter().chain(&self.labels) {
            parameter(key, value, &mut self.constant);
        }
    }

    pub(crate) fn begin(&mut self, source: &Source, time: SystemTime) {
        self.file_id = source.file_id;
        self.time = humantime::format_rfc3339_micros(time).to_string();
        let stream = stream(source);
        let app = self.labels.iter().find(|(key, _value)| key == "app");
        let app = app.map_or(&*stream, |(_key, value)| value);
        let app = name(app, APP_NAME_BYTES_MAX);
        self.header.clear();
        let start = format!(" {} {app} - - [{SD_ID}", self.hostname);
        self.header.extend_from_slice(start.as_bytes());
        parameter("file", &source.path.to_string_lossy(), &mut self.header);
        parameter("stream", &stream, &mut self.header);
        self.header.extend_from_slice(&self.constant);
        self.header.extend_from_slice(b" offset=\"");
    }

    /// Appends the message of an entry. Bytes stay as they are: none are ever replaced.
    pub(crate) fn write(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        let at = out.len();
        out.push(b'<');
        let severity = entry.fields.level.map_or(SEVERITY_INFO, Level::syslog);
        let priority = self.facility * 8 + severity;
        out.extend_from_slice(itoa::Buffer::new().format(priority).as_bytes());
        out.extend_from_slice(b">1 ");
        match entry.time() {
            // The standard allows no more than microseconds.
            Some(time) => Timestamp::from_nanos(time.nanos() / 1_000 * 1_000).write_rfc3339(out),
            None => out.extend_from_slice(self.time.as_bytes()),
        }
        out.extend_from_slice(&self.header);
        out.extend_from_slice(itoa::Buffer::new().format(entry.offset).as_bytes());
        if self.record_id {
            out.extend_from_slice(b"\" id=\"");
            record_id(self.file_id, entry, out);
        }
        out.push(b'"');
        for mark in entry.marks() {
            parameter(mark, "true", out);
        }
        let mut text = entry.raw_text();
        // What says that it is UTF-8 has to be, and plain ASCII need not say so.
        let is_utf8 = simdutf8::basic::from_utf8(text).is_ok();
        let bom = if is_utf8 && !text.is_ascii() { BOM } else { b"" };
        if let Some(max) = self.datagram_bytes_max {
            let room = max.saturating_sub(out.len() - at + END.len() + bom.len());
            if text.len() > room {
                text = beginning(text, room.saturating_sub(CUT.len()), is_utf8);
                out.extend_from_slice(CUT);
                self.cut += 1;
            }
        }
        for part in [END, bom, text] {
            out.extend_from_slice(part);
        }
        if self.datagram_bytes_max.is_none() {
            let mut digits = itoa::Buffer::new();
            let length = digits.format(out.len() - at).bytes();
            drop(out.splice(at..at, length.chain([b' '])));
        }
    }

    /// The messages that were cut since the last call.
    pub(crate) fn take_cut(&mut self) -> u64 {
        std::mem::take(&mut self.cut)
    }
}

/// As much of the text as there is room for, whole characters if it has any.
fn beginning(text: &[u8], room: usize, is_utf8: bool) -> &[u8] {
    let mut end = room.min(text.len());
    // A byte that goes on with a character is 10xxxxxx.
    while is_utf8 && end > 0 && text.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
        end -= 1;
    }
    &text[..end]
}

/// A field of the header: visible ASCII, not empty.
fn name(text: &str, bytes_max: usize) -> String {
    let visible = |c: char| if c.is_ascii_graphic() { c } else { '_' };
    let name: String = text.chars().take(bytes_max).map(visible).collect();
    if name.is_empty() { "-".to_owned() } else { name }
}

/// Appends a parameter of the structured data.
fn parameter(key: &str, value: &str, out: &mut Vec<u8>) {
    out.push(b' ');
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"=\"");
    for byte in value.bytes() {
        if matches!(byte, b'"' | b'\\' | b']') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[derive(Debug)]
pub(crate) struct SyslogSink {
    config: SyslogConfig,
    dialer: Dialer,
    line: Option<Connected>,
    /// Datagrams that were refused: each time the next address of the name is taken.
    refused: usize,
}

/// To the receiver.
#[derive(Debug)]
enum Connected {
    Stream(Outgoing),
    Datagrams { socket: UdpSocket, until: Instant },
}

impl SyslogSink {
    pub(super) fn open(config: SyslogConfig) -> Result<SyslogSink, StartError> {
        let dialer = config.to.dialer()?;
        Ok(SyslogSink { config, dialer, line: None, refused: 0 })
    }

    pub(super) async fn send(&mut self, records: &Records) -> Answer {
        match self.deliver(records).await {
            Ok(()) => Answer::Accepted,
            Err(answer) => answer,
        }
    }

    async fn deliver(&mut self, records: &Records) -> Result<(), Answer> {
        let mut line = match self.kept().await {
            Some(line) => line,
            None => self.connect().await?,
        };
        let deadline = Instant::now() + self.config.to.timeout;
        match &mut line {
            Connected::Stream(stream) => stream.deliver(&records.bytes(), deadline).await?,
            Connected::Datagrams { socket, .. } => {
                let sent = send_each(socket, records, deadline).await;
                self.refused += usize::from(sent.is_err());
                sent?;
            }
        }
        self.line = Some(line);
        Ok(())
    }

    /// What was used for the last batch, if it is of use for this one.
    async fn kept(&mut self) -> Option<Connected> {
        let mut line = self.line.take()?;
        let is_open = match &mut line {
            Connected::Stream(stream) => stream.is_open().await,
            Connected::Datagrams { until, .. } => Instant::now() < *until,
        };
        is_open.then_some(line)
    }

    async fn connect(&mut self) -> Result<Connected, Answer> {
        let deadline = Instant::now() + CONNECT_TIMEOUT.min(self.config.to.timeout);
        if self.config.datagram_bytes_max.is_none() {
            return match self.dialer.dial(deadline).await {
                Ok(stream) => Ok(Connected::Stream(Outgoing::new(stream))),
                Err(error) => Err(self.on_error(&error)),
            };
        }
        let addresses = self.dialer.addresses(deadline).await;
        let addresses = addresses.map_err(|error| self.on_error(&error))?;
        let open = async {
            let address = addresses[self.refused % addresses.len()];
            let unspecified: IpAddr = match address {
                SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            let socket = UdpSocket::bind((unspecified, 0)).await?;
            socket.connect(address).await?;
            Ok(socket)
        };
        let socket = open.await.map_err(|error| not_sent(&error))?;
        Ok(Connected::Datagrams { socket, until: Instant::now() + LOOKUP_INTERVAL })
    }

    fn on_error(&mut self, error: &SendError) -> Answer {
        let why = reason_of(error);
        if why == Refusal::Tls
            && let Ok(dialer) = self.config.to.dialer()
        {
            // Certificates are replaced while we run.
            self.dialer = dialer;
        }
        refused(why, net::with_causes(error))
    }
}

async fn send_each(socket: &UdpSocket, records: &Records, deadline: Instant) -> Result<(), Answer> {
    let send = async {
        for number in 0..records.len() {
            socket.send(records.record(number)).await?;
        }
        // Where nobody listens, a host that is near says so at once.
        socket.take_error()?.map_or(Ok(()), Err)
    };
    match timeout_at(deadline, send).await {
        Ok(sent) => sent.map_err(|error| not_sent(&error)),
        Err(_elapsed) => Err(refused(Refusal::Timeout, "the network takes nothing".to_owned())),
    }
}

fn not_sent(error: &std::io::Error) -> Answer {
    refused(Refusal::Connect, error.to_string())
}

#[cfg(test)]
mod tests;
