//! From an endpoint to an open stream: resolve the name, connect, shake hands. A caller with a
//! protocol of its own has a [`Dialer`] and gets the stream itself.
//!
//! Every address of a name is tried in turn, and all steps share one deadline: each address gets
//! an equal part of the time that is left, so that one that never answers leaves time for the
//! next. Names are resolved anew for every connection, because an address that moved is a common
//! reason for reconnecting.

use std::fmt;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::client::{Phase, SendError};
use crate::endpoint::{Endpoint, Host};
use crate::proxy_header;
use crate::resolver::{Answer, NameError, Resolver};
use crate::tls::{TlsClient, TlsError, TlsSettings, client_config};

/// A TCP stream, a TLS stream over one, or a unix stream.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {
    /// What the kernel knows of it; bytes belong through the stream.
    fn socket(&self) -> BorrowedFd<'_>;
}

impl Stream for TcpStream {
    fn socket(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

impl Stream for UnixStream {
    fn socket(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

impl Stream for tokio_rustls::client::TlsStream<TcpStream> {
    fn socket(&self) -> BorrowedFd<'_> {
        self.get_ref().0.as_fd()
    }
}

pub(crate) type Io = TokioIo<Box<dyn Stream>>;

/// How a connection is made, besides where to.
#[derive(Debug, Clone)]
pub struct Dialing {
    /// Whether a server's certificate has to fit. See [`TlsSettings`] for the authorities.
    pub verify: bool,
    /// Sends a PROXY header, version 2, as the first bytes of every connection.
    pub proxy_header: bool,
}

impl Default for Dialing {
    fn default() -> Self {
        Self { verify: true, proxy_header: false }
    }
}

/// Where connections go and whose certificate they expect, if not what the endpoint says.
#[derive(Debug, Clone, Default)]
pub struct Route {
    /// Connect here, and look no name up.
    pub address: Option<SocketAddr>,
    /// The name or address that the server's certificate is for.
    pub server_name: Option<String>,
}

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Opens streams to one endpoint.
pub struct Dialer(Connector);

impl Dialer {
    /// Reads the TLS files if the endpoint's scheme says TLS.
    ///
    /// # Errors
    /// A TLS file that cannot be read or used.
    pub fn new(endpoint: Endpoint, tls: &TlsSettings) -> Result<Self, TlsError> {
        Connector::new(endpoint, tls, &Dialing::default()).map(Self)
    }

    /// One attempt over all addresses. Cancel-safe: a dropped attempt leaves nothing behind.
    ///
    /// # Errors
    /// No stream. Nothing was sent but a TLS handshake.
    pub async fn dial(&self, deadline: Instant) -> Result<Box<dyn Stream>, SendError> {
        self.0.connect(deadline).await.map(TokioIo::into_inner)
    }

    /// Where it would connect to, for a protocol without connections. Never empty.
    ///
    /// # Errors
    /// The name has no address, or none is known in time.
    pub async fn addresses(&self, deadline: Instant) -> Result<Vec<SocketAddr>, SendError> {
        self.0.resolve(deadline).await
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dialer").field(&format_args!("{}", self.0.endpoint)).finish()
    }
}

pub(crate) struct Connector {
    endpoint: Endpoint,
    /// Instead of what the endpoint's host resolves to.
    address: Option<SocketAddr>,
    proxy_header: bool,
    tls: Option<Tls>,
    resolver: Resolver,
}

struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Connector {
    pub(crate) fn new(
        endpoint: Endpoint,
        settings: &TlsSettings,
        dialing: &Dialing,
    ) -> Result<Self, TlsError> {
        let tls = if endpoint.is_tls() {
            let name = server_name(&endpoint.host)?;
            let connector = TlsConnector::from(client_config(settings, dialing.verify)?);
            Some(Tls { connector, name })
        } else {
            None
        };
        let proxy_header = dialing.proxy_header;
        Ok(Self { endpoint, address: None, proxy_header, tls, resolver: Resolver::new() })
    }

    pub(crate) fn routed(
        endpoint: Endpoint,
        tls: Option<&TlsClient>,
        route: &Route,
    ) -> Result<Self, TlsError> {
        let tls = if endpoint.is_tls() {
            let name = match &route.server_name {
                Some(name) => ServerName::try_from(name.clone())
                    .map_err(|_invalid| TlsError::ServerName { host: name.clone() })?,
                None => server_name(&endpoint.host)?,
            };
            let config = Arc::clone(&tls.ok_or(TlsError::NoSettings)?.0);
            Some(Tls { connector: TlsConnector::from(config), name })
        } else {
            None
        };
        let (address, resolver) = (route.address, Resolver::new());
        Ok(Self { endpoint, address, proxy_header: false, tls, resolver })
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// One attempt over all addresses. Cancel-safe: a dropped attempt leaves nothing behind.
    pub(crate) async fn connect(&self, deadline: Instant) -> Result<Io, SendError> {
        if let Host::Socket(path) = &self.endpoint.host {
            let stream = self.open_unix(path, deadline).await?;
            return Ok(TokioIo::new(Box::new(stream)));
        }
        let addresses = self.resolve(deadline).await?;
        let tcp = self.open_one_of(&addresses, deadline).await?;
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

    async fn resolve(&self, deadline: Instant) -> Result<Vec<SocketAddr>, SendError> {
        if let Some(address) = self.address {
            return Ok(vec![address]);
        }
        let port = self.endpoint.port;
        let name = match &self.endpoint.host {
            Host::Address(address) => return Ok(vec![SocketAddr::new(*address, port)]),
            Host::Name(name) => name,
            Host::Socket(_) => return Ok(Vec::new()),
        };
        match self.resolver.lookup(name, deadline).await {
            Ok(Answer { addresses, .. }) => {
                Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
            }
            Err(NameError::Timeout) => Err(SendError::Timeout { phase: Phase::Resolve }),
            Err(NameError::Unknown { source } | NameError::Unanswered { source }) => {
                Err(SendError::Resolve { name: name.clone(), source })
            }
        }
    }

    /// The error of the last address stands for all.
    async fn open_one_of(
        &self,
        addresses: &[SocketAddr],
        deadline: Instant,
    ) -> Result<TcpStream, SendError> {
        let mut last = SendError::Timeout { phase: Phase::Connect };
        for (tried, address) in addresses.iter().enumerate() {
            let now = Instant::now();
            let left = deadline.saturating_duration_since(now);
            let untried = u32::try_from(addresses.len() - tried).expect("at most ADDRESSES_MAX");
            match timeout_at(now + left / untried, self.open_tcp(*address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(source)) => {
                    last = SendError::Connect { address: Address::Tcp(*address), source };
                }
                Err(_elapsed) => last = SendError::Timeout { phase: Phase::Connect },
            }
        }
        Err(last)
    }

    async fn open_tcp(&self, address: SocketAddr) -> std::io::Result<TcpStream> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        if self.proxy_header {
            let header = proxy_header::for_tcp(stream.local_addr()?, stream.peer_addr()?);
            stream.write_all(&header).await?;
        }
        Ok(stream)
    }

    async fn open_unix(&self, path: &Path, deadline: Instant) -> Result<UnixStream, SendError> {
        let open = async {
            let mut stream = UnixStream::connect(path).await?;
            if self.proxy_header {
                stream.write_all(&proxy_header::for_unix(path)).await?;
            }
            Ok(stream)
        };
        let address = || Address::Unix(path.to_owned());
        timeout_at(deadline, open)
            .await
            .map_err(|_elapsed| SendError::Timeout { phase: Phase::Connect })?
            .map_err(|source| SendError::Connect { address: address(), source })
    }
}

fn server_name(host: &Host) -> Result<ServerName<'static>, TlsError> {
    match host {
        Host::Address(address) => Ok(ServerName::from(*address)),
        Host::Name(name) => ServerName::try_from(name.clone())
            .map_err(|_invalid| TlsError::ServerName { host: name.clone() }),
        Host::Socket(path) => Err(TlsError::ServerName { host: path.display().to_string() }),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}
