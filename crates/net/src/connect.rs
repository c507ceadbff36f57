//! From an endpoint to an open stream: resolve the name, connect, shake hands.
//!
//! Every address of a name is tried in turn, and all steps share one deadline: each address gets
//! an equal part of the time that is left, so that one that never answers leaves time for the
//! next. Names are resolved anew for every connection (hickory caches by TTL), because an address
//! that moved is a common reason for reconnecting. The resolver is made at the first name, so an
//! endpoint with an IP literal costs nothing. getaddrinfo is no choice in a static binary.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use crate::client::{Phase, SendError};
use crate::endpoint::{Endpoint, Host};
use crate::tls::{TlsError, TlsSettings, client_config};

/// More addresses than this are not tried in one attempt.
const ADDRESSES_MAX: usize = 16;

/// A TCP stream or a TLS stream over one.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl Stream for TcpStream {}
impl Stream for tokio_rustls::client::TlsStream<TcpStream> {}

pub(crate) type Io = TokioIo<Box<dyn Stream>>;

pub(crate) struct Connector {
    endpoint: Endpoint,
    connect_timeout: Duration,
    tls: Option<Tls>,
    /// Made when the first name has to be resolved.
    resolver: Option<TokioResolver>,
}

struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Connector {
    pub(crate) fn new(
        endpoint: Endpoint,
        settings: &TlsSettings,
        connect_timeout: Duration,
    ) -> Result<Self, TlsError> {
        let tls = if endpoint.is_tls() {
            let name = server_name(&endpoint.host)?;
            let connector = TlsConnector::from(client_config(settings)?);
            Some(Tls { connector, name })
        } else {
            None
        };
        Ok(Self { endpoint, connect_timeout, tls, resolver: None })
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// One attempt over all addresses. Cancel-safe: a dropped attempt leaves nothing behind.
    pub(crate) async fn connect(&mut self) -> Result<Io, SendError> {
        let deadline = Instant::now() + self.connect_timeout;
        let addresses = self.resolve(deadline).await?;
        let tcp = connect_to_one_of(&addresses, deadline).await?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(tcp),
            Some(tls) => {
                let handshake = tls.connector.connect(tls.name.clone(), tcp);
                let stream = timeout_at(deadline, handshake)
                    .await
                    .map_err(|_elapsed| SendError::Timeout { phase: Phase::Tls })?
                    .map_err(|source| SendError::Tls { source })?;
                Box::new(stream)
            }
        };
        Ok(TokioIo::new(stream))
    }

    async fn resolve(&mut self, deadline: Instant) -> Result<Vec<SocketAddr>, SendError> {
        let port = self.endpoint.port;
        let name = match &self.endpoint.host {
            Host::Address(address) => return Ok(vec![SocketAddr::new(*address, port)]),
            Host::Name(name) => name,
        };
        let failed = |source| SendError::Resolve { name: name.clone(), source: Box::new(source) };
        let resolver = match &mut self.resolver {
            Some(resolver) => resolver,
            empty => {
                let builder = TokioResolver::builder_tokio().map_err(failed)?;
                empty.insert(builder.build().map_err(failed)?)
            }
        };
        let answer = timeout_at(deadline, resolver.lookup_ip(name.as_str()))
            .await
            .map_err(|_elapsed| SendError::Timeout { phase: Phase::Resolve })?
            .map_err(failed)?;
        let addresses: Vec<IpAddr> = answer.iter().take(ADDRESSES_MAX).collect();
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }
}

fn server_name(host: &Host) -> Result<ServerName<'static>, TlsError> {
    match host {
        Host::Address(address) => Ok(ServerName::from(*address)),
        Host::Name(name) => ServerName::try_from(name.clone())
            .map_err(|_invalid| TlsError::ServerName { host: name.clone() }),
    }
}

/// The error of the last address stands for all.
async fn connect_to_one_of(
    addresses: &[SocketAddr],
    deadline: Instant,
) -> Result<TcpStream, SendError> {
    let mut last = SendError::Timeout { phase: Phase::Connect };
    for (tried, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let untried = u32::try_from(addresses.len() - tried).expect("at most ADDRESSES_MAX");
        match timeout(left / untried, open(*address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(source)) => last = SendError::Connect { address: *address, source },
            Err(_elapsed) => last = SendError::Timeout { phase: Phase::Connect },
        }
    }
    Err(last)
}

async fn open(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
