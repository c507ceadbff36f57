//! The admin port: probes, metrics and the polite way to end the process.
//!
//! In go small HTTP/1 requests, out come answers made from the lifecycle and the registry; deciding
//! is the pure [`answer`]. One request a connection, a bounded number of connections, a bounded
//! life for each: a peer that stalls costs a slot for seconds, never the port. It serves until the
//! process ends, so that probes see the drain. Request bodies are not read.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time;

use crate::backoff::Backoff;
use crate::exposition::prometheus_text;
use crate::lifecycle::{Lifecycle, Phase};
use crate::metrics::MetricRegistry;
use crate::sidecar::StartError;

/// Two kubelet probes, some scrapers and a person; more wait in the listen queue.
const CONNECTIONS_MAX: usize = 64;
/// From the connection to the end of the request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// From the connection to the end of the answer; above a scraper's usual 10 s nobody waits.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(15);
/// Waits after an accept that failed, which mostly means that descriptors ran out.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
const ACCEPT_RETRY_MAX: Duration = Duration::from_secs(1);
/// No route needs a long head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

const TEXT: &str = "text/plain; charset=utf-8";
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A bound admin port.
#[derive(Debug)]
pub(crate) struct Admin {
    listener: TcpListener,
    state: Arc<AdminState>,
}

#[derive(Debug)]
struct AdminState {
    lifecycle: Lifecycle,
    registry: MetricRegistry,
}

impl Admin {
    /// Binds the port.
    ///
    /// # Errors
    /// The address is taken or not ours.
    pub(crate) async fn bind(
        listen: SocketAddr,
        lifecycle: Lifecycle,
        registry: MetricRegistry,
    ) -> Result<Admin, StartError> {
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|error| StartError::new("admin-listen", listen.to_string(), error))?;
        Ok(Admin { listener, state: Arc::new(AdminState { lifecycle, registry }) })
    }

    /// The bound address, with the port that the kernel chose for port 0.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Serves until dropped.
    pub(crate) async fn serve(self) -> Infallible {
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut backoff = Backoff::new(ACCEPT_RETRY, ACCEPT_RETRY_MAX);
        loop {
            let slot = slots.clone().acquire_owned().await.expect("nobody closes the semaphore");
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    backoff.reset();
                    let connection = serve_connection(stream, peer, self.state.clone());
                    self.state.lifecycle.spawn_session(async move {
                        connection.await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "Admin port cannot accept");
                    time::sleep(backoff.next()).await;
                }
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, peer: SocketAddr, state: Arc<AdminState>) {
    let service = service_fn(|request: Request<Incoming>| {
        let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
        let peer_ip = peer.ip().to_canonical();
        let reply = answer(request.method(), request.uri().path(), accept, peer_ip, &state);
        std::future::ready(Ok::<_, Infallible>(reply.into_response()))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match time::timeout(CONNECTION_TIMEOUT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%peer, %error, "Admin connection failed"),
        Err(_) => tracing::debug!(%peer, "Admin connection took too long"),
    }
}

/// An answer before it is HTTP.
#[derive(Debug, PartialEq, Eq)]
struct Reply {
    status: StatusCode,
    content_type: &'static str,
    /// The methods on offer, where the asked one is not.
    allow: Option<&'static str>,
    body: String,
}

impl Reply {
    fn text(status: StatusCode, body: impl Into<String>) -> Reply {
        Reply { status, content_type: TEXT, allow: None, body: body.into() }
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

fn answer(
    method: &Method,
    path: &str,
    accept: Option<&str>,
    peer: IpAddr,
    state: &AdminState,
) -> Reply {
    let allow = match path {
        "/metrics" | "/healthz" | "/readyz" => "GET, HEAD",
        "/quitquitquit" => "POST",
        _ => return Reply::text(StatusCode::NOT_FOUND, "not found\n"),
    };
    if !allow.split(", ").any(|allowed| method.as_str() == allowed) {
        let reply = Reply::text(StatusCode::METHOD_NOT_ALLOWED, format!("use {allow}\n"));
        return Reply { allow: Some(allow), ..reply };
    }
    match path {
        "/metrics" => metrics(accept, &state.registry),
        "/healthz" => health(&state.lifecycle),
        "/readyz" => readiness(&state.lifecycle.phase()),
        _ if peer.is_loopback() => {
            state.lifecycle.drain("quitquitquit");
            Reply::text(StatusCode::OK, "draining\n")
        }
        _ => Reply::text(StatusCode::FORBIDDEN, "only from loopback\n"),
    }
}

fn metrics(accept: Option<&str>, registry: &MetricRegistry) -> Reply {
    let Ok(open_metrics) = registry.open_metrics() else {
        return Reply::text(StatusCode::INTERNAL_SERVER_ERROR, "a metric cannot be encoded\n");
    };
    let (content_type, body) =
        if accept.is_some_and(|accept| accept.contains("application/openmetrics-text")) {
            (OPEN_METRICS, open_metrics)
        } else {
            (PROMETHEUS_TEXT, prometheus_text(&open_metrics))
        };
    Reply { content_type, ..Reply::text(StatusCode::OK, body) }
}

fn health(lifecycle: &Lifecycle) -> Reply {
    match lifecycle.broken() {
        None => Reply::text(StatusCode::OK, "ok\n"),
        Some(what) => Reply::text(StatusCode::SERVICE_UNAVAILABLE, format!("{what}\n")),
    }
}

fn readiness(phase: &Phase) -> Reply {
    let unready = |body: String| Reply::text(StatusCode::SERVICE_UNAVAILABLE, body);
    match phase {
        Phase::Starting { waiting } => unready(format!("waiting for {}\n", waiting.join(", "))),
        Phase::Ready => Reply::text(StatusCode::OK, "ready\n"),
        Phase::Draining { .. } | Phase::Expired { .. } | Phase::Stopped => {
            unready("draining\n".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> AdminState {
        let lifecycle = Lifecycle::new(Duration::from_secs(25));
        let registry = MetricRegistry::new("test", "0.0.0", lifecycle.clone());
        AdminState { lifecycle, registry }
    }

    #[track_caller]
    fn ask(state: &AdminState, request: &str, peer: &str) -> (u16, String) {
        let (method, path) = request.split_once(' ').unwrap();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let peer: IpAddr = peer.parse().unwrap();
        let reply = answer(&method, path, None, peer.to_canonical(), state);
        (reply.status.as_u16(), reply.body)
    }

    #[test]
    fn routes_and_methods() {
        let state = state();
        for (request, peer, status) in [
            ("GET /metrics", "10.0.0.9", 200),
            ("HEAD /metrics", "10.0.0.9", 200),
            ("POST /metrics", "127.0.0.1", 405),
            ("GET /healthz", "10.0.0.9", 200),
            ("GET /readyz", "10.0.0.9", 503),
            ("GET /quitquitquit", "127.0.0.1", 405),
            ("POST /quitquitquit", "10.0.0.9", 403),
            ("POST /quitquitquit", "::ffff:10.0.0.9", 403),
            ("GET /", "127.0.0.1", 404),
            ("GET /metrics/", "127.0.0.1", 404),
        ] {
            assert_eq!(ask(&state, request, peer).0, status, "{request} from {peer}");
        }
        assert!(!state.lifecycle.is_draining());
        for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(ask(&state, "POST /quitquitquit", peer).0, 200);
        }
        assert!(state.lifecycle.is_draining());
    }

    #[test]
    fn probes_follow_the_phase() {
        let state = state();
        let ready = |state: &AdminState| ask(state, "GET /readyz", "10.0.0.9");
        let latch = state.lifecycle.latch("files");
        assert_eq!(ready(&state), (503, "waiting for files\n".to_owned()));
        drop(latch);
        assert_eq!(ready(&state), (200, "ready\n".to_owned()));
        state.lifecycle.drain("test");
        assert_eq!(ready(&state), (503, "draining\n".to_owned()));
        assert_eq!(ask(&state, "GET /healthz", "10.0.0.9").0, 200);
        state.lifecycle.fail("reader broke".to_owned());
        assert_eq!(ask(&state, "GET /healthz", "10.0.0.9"), (503, "reader broke\n".to_owned()));
    }

    #[test]
    fn metrics_come_in_the_form_that_is_asked_for() {
        let state = state();
        for (accept, content_type, ends) in [
            (None, PROMETHEUS_TEXT, false),
            (Some("text/plain;version=0.0.4"), PROMETHEUS_TEXT, false),
            (Some("application/openmetrics-text;version=1.0.0,*/*;q=0.1"), OPEN_METRICS, true),
        ] {
            let reply = metrics(accept, &state.registry);
            assert_eq!(reply.content_type, content_type);
            assert_eq!(reply.body.ends_with("# EOF\n"), ends);
        }
    }
}
