//! Posts to one endpoint, or gets from it, over one kept connection.
//!
//! In goes a request, out comes its answer or an error that says what the peer may have seen. At
//! most one request is under way, and the connection is kept only after an exchange that ended
//! cleanly: a request takes it out of the client while it works, so a cancelled one drops it and
//! the next one begins on a new connection. A `get` may be sent again, a `post` may not. Pooling
//! clients were not taken: they need a background task, and a sender with ordered batches has no
//! second request to put in a pool.

mod stream;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use hickory_resolver::net::NetError;
use http_body_util::Full;
use hyper::http::uri::PathAndQuery;
use hyper::{HeaderMap, Method, StatusCode, Uri, header};
use thiserror::Error;
use tokio::time::{Instant, timeout, timeout_at};

pub use self::stream::{StreamEnd, StreamLimits};
use crate::connect::{Address, Connector, Dialing, Route};
use crate::connection::{BodyEnd, Connection, Exchange, ExchangeError, Request};
use crate::endpoint::Endpoint;
use crate::tls::{TlsClient, TlsError, TlsSettings};

/// A client for one endpoint.
pub struct Client {
    connector: Connector,
    limits: ClientLimits,
    kept: Option<Connection>,
}

/// How long and how much a request may take.
#[derive(Debug, Clone)]
pub struct ClientLimits {
    /// For resolving, connecting to all addresses in turn and the TLS handshake together. A `get`
    /// has its own deadline instead of these two.
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
        address: Address,
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
        Self::dialing(endpoint, tls, limits, &Dialing::default())
    }

    /// The same, for a caller that wants its connections made in another way.
    ///
    /// # Errors
    /// As for [`Client::new`].
    pub fn dialing(
        endpoint: Endpoint,
        tls: &TlsSettings,
        limits: ClientLimits,
        dialing: &Dialing,
    ) -> Result<Self, TlsError> {
        let connector = Connector::new(endpoint, tls, dialing)?;
        Ok(Self { connector, limits, kept: None })
    }

    /// The same over TLS settings that several clients share. They may be left out for `http`.
    ///
    /// # Errors
    /// A server name that no certificate can hold; `https` without settings.
    pub fn routed(
        endpoint: Endpoint,
        tls: Option<&TlsClient>,
        route: &Route,
        limits: ClientLimits,
    ) -> Result<Self, TlsError> {
        let connector = Connector::routed(endpoint, tls, route)?;
        Ok(Self { connector, limits, kept: None })
    }

    /// Where the requests go.
    pub fn endpoint(&self) -> &Endpoint {
        self.connector.endpoint()
    }

    /// Sends one POST and waits for its answer. `Host` and `Content-Length` are added.
    ///
    /// A kept connection that the peer closed before any of the request left is replaced once.
    /// Dropping the future drops the connection; the client stays usable.
    ///
    /// # Errors
    /// No answer; any status is an answer.
    pub async fn post(&mut self, headers: &HeaderMap, body: Bytes) -> Result<Response, SendError> {
        let target = self.endpoint().target();
        let mut request = Box::new(self.request(Method::POST, target, headers, body));
        if let Some(mut connection) = self.kept.take()
            && connection.is_open().await
        {
            match self.exchange(connection, *request).await? {
                Ok(response) => return Ok(response),
                Err(not_sent) => request = not_sent.request,
            }
        }
        let deadline = Instant::now() + self.limits.connect_timeout;
        let connection = self.open(deadline).await?;
        match self.exchange(connection, *request).await? {
            Ok(response) => Ok(response),
            Err(not_sent) => Err(SendError::Interrupted { source: not_sent.source }),
        }
    }

    /// Sends one GET for `target` and waits for its whole answer, until `deadline` at most.
    ///
    /// Asking twice does no harm: if a kept connection turns out to be lost before an answer began,
    /// the request is sent once more over a new one. `Host` is added.
    ///
    /// # Errors
    /// No head of an answer; any status is an answer, and [`BodyEnd`] tells how much of its body is
    /// there.
    pub async fn get(
        &mut self,
        target: &PathAndQuery,
        headers: &HeaderMap,
        deadline: Instant,
    ) -> Result<(Response, BodyEnd), SendError> {
        let request = |client: &Self| client.request(Method::GET, target, headers, Bytes::new());
        if let Some(connection) = self.kept.take() {
            match self.fetch(connection, request(self), deadline).await {
                Err(SendError::Interrupted { source }) if !source.is_parse() => {}
                answer => return answer,
            }
        }
        let connection = self.open(deadline).await?;
        self.fetch(connection, request(self), deadline).await
    }

    /// Sends one POST for `target` and waits for its whole answer, until `deadline` at most.
    ///
    /// As with [`Client::post`], nothing is sent twice. `Host` and `Content-Length` are added.
    ///
    /// # Errors
    /// As for [`Client::get`].
    pub async fn post_until(
        &mut self,
        target: &PathAndQuery,
        headers: &HeaderMap,
        body: Bytes,
        deadline: Instant,
    ) -> Result<(Response, BodyEnd), SendError> {
        let mut request = self.request(Method::POST, target, headers, body);
        if let Some(mut connection) = self.kept.take()
            && connection.is_open().await
        {
            match self.attempt(connection, request, deadline).await? {
                Ok(answer) => return Ok(answer),
                Err(not_sent) => request = *not_sent.request,
            }
        }
        let connection = self.open(deadline).await?;
        self.fetch(connection, request, deadline).await
    }

    async fn fetch(
        &mut self,
        connection: Connection,
        request: Request,
        deadline: Instant,
    ) -> Result<(Response, BodyEnd), SendError> {
        let answer = self.attempt(connection, request, deadline).await?;
        answer.map_err(|not_sent| SendError::Interrupted { source: not_sent.source })
    }

    /// The inner error gives the request back.
    async fn attempt(
        &mut self,
        mut connection: Connection,
        request: Request,
        deadline: Instant,
    ) -> Result<Result<(Response, BodyEnd), NotSent>, SendError> {
        let max = self.limits.response_body_bytes_max;
        match timeout_at(deadline, connection.fetch(request, max)).await {
            Ok(Ok((response, end))) => {
                let reusable = matches!(end, BodyEnd::Whole) && connection.is_alive();
                self.kept = reusable.then_some(connection);
                Ok(Ok((response, end)))
            }
            Ok(Err(ExchangeError::NotSent { request, source })) => {
                Ok(Err(NotSent { request, source }))
            }
            Ok(Err(ExchangeError::Lost { source })) => Err(SendError::Interrupted { source }),
            Err(_elapsed) => Err(SendError::Timeout { phase: Phase::Response }),
        }
    }

    async fn open(&mut self, deadline: Instant) -> Result<Connection, SendError> {
        let io = self.connector.connect(deadline).await?;
        Connection::open(io).await.map_err(|source| SendError::Interrupted { source })
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

    fn request(
        &self,
        method: Method,
        target: &PathAndQuery,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Request {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from(target.clone());
        *request.headers_mut() = headers.clone();
        if !headers.contains_key(header::HOST) {
            let host = self.endpoint().host_header.clone();
            request.headers_mut().insert(header::HOST, host);
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
