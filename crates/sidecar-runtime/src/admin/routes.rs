//! What the admin port answers by itself: probes, the metrics of the registry, the polite end.
//!
//! In go method, path, accepted types and the peer; out comes an answer made from the lifecycle and
//! the registry. Pure, so that the whole table of answers is tested without a socket. The probes
//! and `/quitquitquit` belong to the runtime in every image; anything else an image may take over
//! by a [`crate::Front`].

use std::net::IpAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};

use crate::lifecycle::{Lifecycle, Phase};
use crate::metrics::MetricRegistry;

const TEXT: &str = "text/plain; charset=utf-8";
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether the runtime answers this path in every image.
pub(crate) fn is_reserved(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/quitquitquit")
}

/// An answer before it is HTTP.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    status: StatusCode,
    content_type: &'static str,
    /// The methods on offer, where the asked one is not.
    allow: Option<&'static str>,
    body: String,
}

impl Reply {
    pub(crate) fn text(status: StatusCode, body: impl Into<String>) -> Reply {
        Reply { status, content_type: TEXT, allow: None, body: body.into() }
    }

    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
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

/// Decides the answer. `peer` is none on a unix socket, which counts as loopback.
pub(crate) fn answer(
    method: &Method,
    path: &str,
    accept: Option<&str>,
    peer: Option<IpAddr>,
    lifecycle: &Lifecycle,
    registry: &MetricRegistry,
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
        "/metrics" => metrics(accept, registry),
        "/healthz" => health(lifecycle),
        "/readyz" => readiness(&lifecycle.phase()),
        _ if peer.is_none_or(|peer| peer.to_canonical().is_loopback()) => {
            lifecycle.drain("quitquitquit");
            Reply::text(StatusCode::OK, "draining\n")
        }
        _ => Reply::text(StatusCode::FORBIDDEN, "only from loopback\n"),
    }
}

fn metrics(accept: Option<&str>, registry: &MetricRegistry) -> Reply {
    let (content_type, body) =
        if accept.is_some_and(|accept| accept.contains("application/openmetrics-text")) {
            (OPEN_METRICS, registry.open_metrics())
        } else {
            (PROMETHEUS_TEXT, registry.prometheus_text())
        };
    match body {
        Ok(body) => Reply { content_type, ..Reply::text(StatusCode::OK, body) },
        Err(_) => Reply::text(StatusCode::INTERNAL_SERVER_ERROR, "a metric cannot be encoded\n"),
    }
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
    use std::time::Duration;

    use super::*;

    struct State {
        lifecycle: Lifecycle,
        registry: MetricRegistry,
    }

    fn state() -> State {
        let lifecycle = Lifecycle::new(Duration::from_secs(25));
        let registry = MetricRegistry::new("test", "0.0.0", lifecycle.clone());
        State { lifecycle, registry }
    }

    #[track_caller]
    fn ask(state: &State, request: &str, peer: &str) -> (u16, String) {
        let (method, path) = request.split_once(' ').unwrap();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let peer = (peer != "unix").then(|| peer.parse().unwrap());
        let reply = answer(&method, path, None, peer, &state.lifecycle, &state.registry);
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
        for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "unix"] {
            assert_eq!(ask(&state, "POST /quitquitquit", peer).0, 200);
        }
        assert!(state.lifecycle.is_draining());
    }

    #[test]
    fn probes_follow_the_phase() {
        let state = state();
        let ready = |state: &State| ask(state, "GET /readyz", "10.0.0.9");
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
