//! What an image answers on the admin port itself, instead of the registry's `/metrics`.
//!
//! In goes the head of a request, out comes the whole answer. The runtime keeps the probes and
//! `/quitquitquit`, the connections and their limits; an image whose interface to operators is
//! richer than that (its own metrics page, passwords, TLS) opens a [`Front`]. A second server in
//! such an image would need all of these a second time, and a second port.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::http::request::Parts;

use crate::listen::Stream;

/// Something that is done later, without naming its type.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The image's side of the admin port.
pub trait Front: Send + Sync {
    /// Answers any request but those for `/healthz`, `/readyz` and `/quitquitquit`. It must end by
    /// itself: nothing else bounds its time. It is dropped when the peer hangs up.
    fn answer<'a>(&'a self, request: &'a Parts) -> Later<'a, Response<Full<Bytes>>>;

    /// Whether connections begin with a TLS handshake. If so, plain ones get the probes only, and
    /// only from loopback, so that `healthcheck` needs no certificate.
    fn encrypts(&self) -> bool;

    /// Shakes hands. Called only if it encrypts; bounded in time by the caller.
    fn encrypt(&self, stream: Stream) -> Later<'_, io::Result<Stream>>;
}

/// The bound admin port, as an image sees it.
#[derive(Clone, Default)]
pub struct AdminPort {
    pub(crate) front: Arc<OnceLock<Box<dyn Front>>>,
    pub(crate) addresses: Arc<[SocketAddr]>,
}

impl AdminPort {
    /// From now on `front` answers. No request has been taken before `start` waits for the first
    /// time. A second front is ignored.
    pub fn open(&self, front: impl Front + 'static) {
        if self.front.set(Box::new(front)).is_err() {
            tracing::debug!("A second front is ignored");
        }
    }

    /// Where it listens, unix sockets left out.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl std::fmt::Debug for AdminPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminPort").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}
