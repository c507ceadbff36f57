//! One look at a condition.
//!
//! In goes a condition, out comes nothing if it is met, or one line that says why it is not. Names
//! are asked for anew with each look, over resolv.conf as it is then; nothing of one look is kept
//! for the next. The caller bounds the time, and dropping a look leaves nothing behind.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::ops::{ControlFlow, RangeInclusive};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::HeaderMap;
use net::{
    Client, ClientLimits, Dialing, Endpoint, NameError, Resolver, StreamLimits, TlsError,
    TlsSettings, with_causes,
};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;

use super::condition::Condition;

/// Only the head of an answer counts.
const BODY_BYTES_MAX: usize = 4096;

/// How to look.
#[derive(Debug, Clone)]
pub(super) struct Manners {
    timeout: Duration,
    statuses: Vec<RangeInclusive<u16>>,
    tls: TlsSettings,
    dialing: Dialing,
}

/// A condition and how to look at it.
#[derive(Debug)]
pub(super) struct Attempt {
    condition: Condition,
    manners: Manners,
}

impl Manners {
    pub(super) fn new(
        timeout: Duration,
        statuses: Vec<RangeInclusive<u16>>,
        ca_file: Option<PathBuf>,
        verify: bool,
    ) -> Self {
        let tls = TlsSettings { ca_file, client_cert: None, client_key: None };
        Self { timeout, statuses, tls, dialing: Dialing { verify, ..Dialing::default() } }
    }

    /// Whether the file of authorities can be used.
    pub(super) fn check(&self) -> Result<(), TlsError> {
        let Some(_file) = &self.tls.ca_file else { return Ok(()) };
        let any = "https://localhost/".parse().expect("this is an address");
        self.client(any).map(drop)
    }

    fn client(&self, endpoint: Endpoint) -> Result<Client, TlsError> {
        let limits = ClientLimits {
            connect_timeout: self.timeout,
            response_timeout: self.timeout,
            response_body_bytes_max: BODY_BYTES_MAX,
        };
        Client::dialing(endpoint, &self.tls, limits, &self.dialing)
    }
}

impl Attempt {
    pub(super) fn new(condition: Condition, manners: Manners) -> Self {
        Self { condition, manners }
    }

    pub(super) fn condition(&self) -> &Condition {
        &self.condition
    }

    pub(super) fn timeout(&self) -> Duration {
        self.manners.timeout
    }

    /// An error says why not.
    pub(super) async fn look(&self) -> Result<(), String> {
        let deadline = Instant::now() + self.manners.timeout;
        match &self.condition {
            Condition::Tcp { host, port } => connect(host, *port, deadline).await,
            Condition::Http(endpoint) => self.ask(endpoint, deadline).await,
            Condition::Dns(name) => addresses(name, deadline).await.map(drop),
            Condition::File(path) => exists(path),
            Condition::Unix(path) => {
                UnixStream::connect(path).await.map(drop).map_err(|error| error.to_string())
            }
        }
    }

    async fn ask(&self, endpoint: &Endpoint, deadline: Instant) -> Result<(), String> {
        let client = self.manners.client(endpoint.clone());
        let mut client = client.map_err(|error| with_causes(&error))?;
        // The head is enough; what follows may be endless.
        let limits = StreamLimits { head: deadline, idle: Duration::ZERO, whole: deadline };
        let (target, headers) = (endpoint.target().clone(), HeaderMap::new());
        let mut stop = |_head: &_, _data: &[u8]| ControlFlow::Break(());
        let answer = client.stream(&target, &headers, limits, &mut stop).await;
        let (head, _end) = answer.map_err(|error| with_causes(&error))?;
        let status = head.status.as_u16();
        match self.manners.statuses.iter().any(|range| range.contains(&status)) {
            true => Ok(()),
            false => Err(format!("status {status}")),
        }
    }
}

/// All addresses in turn; the error is that of the last one.
async fn connect(host: &str, port: u16, deadline: Instant) -> Result<(), String> {
    let mut why = String::new();
    for address in addresses(host, deadline).await? {
        match TcpStream::connect((address, port)).await {
            Ok(_stream) => return Ok(()),
            Err(error) => why = format!("{address}: {error}"),
        }
    }
    Err(why)
}

async fn addresses(name: &str, deadline: Instant) -> Result<Vec<IpAddr>, String> {
    let answer = Resolver::new().lookup(name, deadline).await;
    answer.map(|answer| answer.addresses).map_err(|error| match error {
        // What the name server said on top of it is the question.
        NameError::Unknown { .. } => error.to_string(),
        NameError::Unanswered { .. } | NameError::Timeout => with_causes(&error),
    })
}

fn exists(path: &Path) -> Result<(), String> {
    match fs::metadata(path) {
        Ok(_any) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err("no such file".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
