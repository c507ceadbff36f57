//! One connection to the API server, kept between requests.
//!
//! In go paths and JSON, out come JSON or a [`Failure`]. Each request has a time limit and each
//! answer a size; what is read comes zipped, and has its time for as long as it keeps coming. A 401
//! makes a new credential, once. Objects are passed on as they are. One `Api`
//! has one request under way: who wants more takes a [`Api::fork`], so that the number of
//! connections is the caller's decision.

mod list;
mod stream;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use hyper::http::uri::PathAndQuery;
use net::{BodyEnd, Client, ClientLimits, Response, Route, SendError, TlsClient};
use serde_json::Value;
use tokio::time::Instant;

pub use self::list::{Pages, segment};
pub use self::stream::StreamEnd;
use crate::access::{Access, AccessError, Server};
use crate::credential::{Credential, Credentials, Identity};
use crate::failure::{self, Failure};
use crate::trust::{Roots, Trust};

const AGENT: &str = concat!("outrider/", env!("CARGO_PKG_VERSION"));
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// How long and how much an answer may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Of a POST, from the first look for the server to the last byte of the answer. What is read
    /// has it for its head and again for each piece, and six times as long for everything.
    pub request_timeout: Duration,
    /// Of one answer, and of all pages of a list together, unzipped.
    pub body_bytes_max: usize,
    /// Of a streamed answer, unzipped.
    pub stream_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(10),
            body_bytes_max: 64 << 20,
            stream_bytes_max: 256 << 20,
        }
    }
}

/// A client for one server.
#[derive(Debug)]
pub struct Api {
    server: Server,
    roots: Roots,
    route: Route,
    identity: Arc<Identity>,
    credentials: Arc<Credentials>,
    limits: Limits,
    tls: Option<Tls>,
    client: Option<Client>,
}

/// Made for the certificate of one generation of the credential.
#[derive(Debug, Clone)]
struct Tls {
    settings: TlsClient,
    generation: u64,
}

/// The answer to a POST.
#[derive(Debug, Clone, PartialEq)]
pub struct Posted {
    /// From 200 to 299.
    pub status: u16,
    /// The texts of its `Warning` headers.
    pub warnings: Vec<String>,
    pub body: Value,
}

impl Api {
    /// Connects at the first request.
    ///
    /// # Errors
    /// An authority or a client certificate that cannot be used.
    pub fn new(access: Access, limits: Limits) -> Result<Self, AccessError> {
        let Access { server, server_name, roots, identity, .. } = access;
        let credentials = Arc::new(Credentials::new(identity.proof.clone()));
        let route = Route { address: None, server_name };
        let (identity, tls, client) = (Arc::new(identity), None, None);
        Self { server, roots, route, identity, credentials, limits, tls, client }.checked()
    }

    /// The same server and credential over a connection of its own.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            server: self.server.clone(),
            roots: self.roots.clone(),
            route: self.route.clone(),
            identity: Arc::clone(&self.identity),
            credentials: Arc::clone(&self.credentials),
            limits: self.limits,
            tls: self.tls.clone(),
            client: None,
        }
    }

    /// The same server, name and credential, but connected to `address`: one replica of several.
    #[must_use]
    pub fn at(&self, address: SocketAddr) -> Self {
        let fork = self.fork();
        let route = Route { address: Some(address), ..fork.route };
        Self { route, ..fork }
    }

    /// A kubelet, with the credential for the API server. Its certificate has to be for `address`.
    ///
    /// # Errors
    /// An authority that cannot be used.
    pub fn kubelet(&self, address: IpAddr, port: u16, trust: Trust) -> Result<Self, AccessError> {
        let roots = trust.read(&self.roots)?;
        let server = Server::at(address, port).map_err(|error| AccessError::Option {
            option: "the kubelet's port",
            value: port.to_string(),
            reason: error.to_string(),
        })?;
        let route = Route::default();
        Self { server, roots, route, tls: None, ..self.fork() }.checked()
    }

    /// Scheme, host, port and path.
    #[must_use]
    pub fn server(&self) -> &str {
        self.server.text()
    }

    /// False if any certificate of the server is accepted: then nothing may be sent to an address
    /// that only the server has told.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        !(self.server.is_tls() && matches!(self.roots, Roots::Any))
    }

    /// In the place of [`Limits::request_timeout`], from the next request on.
    pub fn set_request_timeout(&mut self, timeout: Duration) {
        self.limits.request_timeout = timeout;
    }

    /// As it is set now.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        self.limits.request_timeout
    }

    /// The JSON at `path`, which may have a query.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn get(&mut self, path: &str) -> Result<Value, Failure> {
        let body = self.fetch(path).await?;
        failure::parsed(path, &body)
    }

    /// Posts an object. Nothing is sent twice, but for a 401.
    ///
    /// # Errors
    /// [`Failure::Refused`] for any status that is not 2xx; others see [`Failure`].
    pub async fn post(&mut self, path: &str, body: &Value) -> Result<Posted, Failure> {
        let response = self.request(path, Bytes::from(body.to_string())).await?;
        let body = failure::json(path, &response)?;
        let warnings = failure::warnings(&response.headers);
        Ok(Posted { status: response.status.as_u16(), warnings, body })
    }

    /// A POST. Whatever the status, the body of the answer is whole.
    async fn request(&mut self, path: &str, body: Bytes) -> Result<Response, Failure> {
        let target = self.target(path)?;
        let credential = self.credentials.current().await.map_err(Failure::Credential)?;
        let answer = self.exchange(path, &target, body.clone(), &credential).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let other = self.credentials.other_than(&credential).await.map_err(Failure::Credential)?;
        match other {
            None => Ok(answer),
            Some(other) => self.exchange(path, &target, body, &other).await,
        }
    }

    async fn exchange(
        &mut self,
        path: &str,
        target: &PathAndQuery,
        body: Bytes,
        credential: &Credential,
    ) -> Result<Response, Failure> {
        let limits = self.limits;
        let headers = self.headers(JSON, credential);
        let deadline = Instant::now() + limits.request_timeout;
        let client = self.client(credential)?;
        match client.post_until(target, &headers, body, deadline).await {
            Ok((response, BodyEnd::Whole)) => Ok(response),
            Ok((_, BodyEnd::CutOff)) => {
                Err(Failure::TooLarge { path: path.to_owned(), bytes_max: limits.body_bytes_max })
            }
            Ok((_, BodyEnd::Lost { source })) => {
                Err(self.unanswered(SendError::Interrupted { source }))
            }
            Err(source) => Err(self.unanswered(source)),
        }
    }

    fn target(&self, path: &str) -> Result<PathAndQuery, Failure> {
        self.server.target(path).ok_or_else(|| Failure::Path { path: path.to_owned() })
    }

    fn unanswered(&self, source: SendError) -> Failure {
        Failure::unanswered(self.server.text(), source, self.limits.request_timeout)
    }

    fn headers(&self, accept: HeaderValue, credential: &Credential) -> HeaderMap {
        let mut headers = self.identity.impersonation.clone();
        headers.extend(json_headers());
        headers.insert(ACCEPT, accept);
        if let Some(authorization) = &credential.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        headers
    }

    /// A new one if the certificate is another.
    fn client(&mut self, credential: &Credential) -> Result<&mut Client, AccessError> {
        if self.server.is_tls()
            && self.tls.as_ref().is_none_or(|tls| tls.generation != credential.generation)
        {
            let given = credential.certificate.as_deref();
            let certificate = given.or(self.identity.certificate.as_ref());
            let settings = self.roots.tls(certificate)?;
            self.tls = Some(Tls { settings, generation: credential.generation });
            self.client = None;
        }
        let client = match self.client.take() {
            Some(client) => client,
            None => self.new_client()?,
        };
        Ok(self.client.insert(client))
    }

    fn new_client(&self) -> Result<Client, AccessError> {
        let limits = ClientLimits {
            connect_timeout: self.limits.request_timeout,
            response_timeout: self.limits.request_timeout,
            response_body_bytes_max: self.limits.body_bytes_max,
        };
        let tls = self.tls.as_ref().map(|tls| &tls.settings);
        Client::routed(self.server.endpoint().clone(), tls, &self.route, limits)
            .map_err(|source| AccessError::Tls { place: self.server.to_string(), source })
    }

    /// Tells at the start what would fail at every request.
    fn checked(mut self) -> Result<Self, AccessError> {
        self.client(&Credential::default())?;
        Ok(self)
    }
}

/// Of every request: who asks, and in which form.
pub(crate) fn json_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    headers.insert(ACCEPT, JSON);
    headers.insert(CONTENT_TYPE, JSON);
    headers
}

#[cfg(test)]
mod tests;
