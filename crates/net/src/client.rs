//! Posts to one endpoint over one kept connection.
//!
//! In goes a request, out comes its answer or an error that says what the peer may have seen. At
//! most one request is under way, and the connection is kept only after an exchange that ended
//! cleanly: `post` takes it out of the client while it works, so a cancelled `post` drops it and
//! the next one begins on a new connection. Pooling clients were not taken: they need a
//! background task, and a sender with ordered batches has no second request to put in a pool.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hickory_resolver::net::NetError;
use http_body_util::Full;
use hyper::{HeaderMap, Method, StatusCode, Uri, header};
use thiserror::Error;
use tokio::time::timeout;

use crate::connect::Connector;
use crate::connection::{Connection, Exchange, ExchangeError, Request};
use crate::endpoint::Endpoint;
use crate::tls::{TlsError, TlsSettings};

/// A client for one endpoint.
pub struct Client {
    connector: Connector,
    limits: ClientLimits,
    kept: Option<Connection>,
}

/// How long and how much a request may take.
#[derive(Debug, Clone)]
pub struct ClientLimits {
    /// For resolving, connecting to all addresses in turn and the TLS handshake together.
    pub connect_timeout: Duration,
    /// From the first byte sent to the last byte of the answer.
    pub response_timeout: Duration,
    /// What exceeds this of an answer's body is cut off, and the connection is not used again.
    pub response_body_bytes_max: usize,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// At most `response_body_bytes_max` bytes.
    pub body: Bytes,
}

/// Why there is no answer. The peer has not seen the request, except after `Interrupted` and
/// after a timeout in [`Phase::Response`]: then it may have accepted it.
#[derive(Debug, Error)]
pub enum SendError {
    #[error("cannot resolve '{name}'")]
    Resolve {
        name: String,
        #[source]
        source: Box<NetError>,
    },
    #[error("cannot connect to {address}")]
    Connect {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("TLS handshake failed")]
    Tls {
        #[source]
        source: std::io::Error,
    },
    #[error("no {phase} in time")]
    Timeout { phase: Phase },
    #[error("connection lost before the answer was complete")]
    Interrupted {
        #[source]
        source: hyper::Error,
    },
}

/// What a timeout waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Resolve,
    Connect,
    Tls,
    Response,
}

impl Client {
    /// Reads the TLS files if the endpoint is `https`. Connects at the first request.
    ///
    /// # Errors
    /// A TLS file that cannot be read or used.
    pub fn new(
        endpoint: Endpoint,
        tls: &TlsSettings,
        limits: ClientLimits,
    ) -> Result<Self, TlsError> {
        let connector = Connector::new(endpoint, tls, limits.connect_timeout)?;
        Ok(Self { connector, limits, kept: None })
    }

    /// Sends one POST and waits for its answer. `Host` and `Content-Length` are added.
    ///
    /// A kept connection that the peer closed before any of the request left is replaced once.
    /// Dropping the future drops the connection; the client stays usable.
    ///
    /// # Errors
    /// No answer; any status is an answer.
    pub async fn post(&mut self, headers: &HeaderMap, body: Bytes) -> Result<Response, SendError> {
        let mut request = Box::new(self.request(headers, body));
        if let Some(mut connection) = self.kept.take()
            && connection.is_open().await
        {
            match self.exchange(connection, *request).await? {
                Ok(response) => return Ok(response),
                Err(not_sent) => request = not_sent.request,
            }
        }
        let io = self.connector.connect().await?;
        let connection =
            Connection::open(io).await.map_err(|source| SendError::Interrupted { source })?;
        match self.exchange(connection, *request).await? {
            Ok(response) => Ok(response),
            Err(not_sent) => Err(SendError::Interrupted { source: not_sent.source }),
        }
    }

    /// The inner error gives the request back. Keeps the connection if it can be used again.
    async fn exchange(
        &mut self,
        mut connection: Connection,
        request: Request,
    ) -> Result<Result<Response, NotSent>, SendError> {
        let max = self.limits.response_body_bytes_max;
        let exchange = timeout(self.limits.response_timeout, connection.exchange(request, max));
        match exchange.await {
            Ok(Ok(Exchange { response, reusable })) => {
                self.kept = reusable.then_some(connection);
                Ok(Ok(response))
            }
            Ok(Err(ExchangeError::NotSent { request, source })) => {
                Ok(Err(NotSent { request, source }))
            }
            Ok(Err(ExchangeError::Lost { source })) => Err(SendError::Interrupted { source }),
            Err(_elapsed) => Err(SendError::Timeout { phase: Phase::Response }),
        }
    }

    fn request(&self, headers: &HeaderMap, body: Bytes) -> Request {
        let endpoint = self.connector.endpoint();
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from(endpoint.target.clone());
        *request.headers_mut() = headers.clone();
        if !headers.contains_key(header::HOST) {
            request.headers_mut().insert(header::HOST, endpoint.host_header.clone());
        }
        request
    }
}

struct NotSent {
    request: Box<Request>,
    source: hyper::Error,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &format_args!("{}", self.connector.endpoint()))
            .field("connected", &self.kept.is_some())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "answer from the name servers",
            Self::Connect => "connection",
            Self::Tls => "TLS handshake",
            Self::Response => "answer",
        })
    }
}
