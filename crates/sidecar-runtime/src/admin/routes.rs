//! What the admin port answers by itself: probes, the metrics of the registry, the polite end.
//!
//! In go method, path, accepted types and the peer; out comes an answer made from the lifecycle and
//! the registry. Pure, so that the whole table of answers is tested without a socket. The probes
//! and `/quitquitquit` belong to the runtime in every image; anything else an image may take over
//! by a [`crate::Front`].

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method, Response, StatusCode};

use crate::lifecycle::{Lifecycle, Phase};
use crate::metrics::MetricRegistry;
use crate::negotiation::Format;

const TEXT: &str = "text/plain; charset=utf-8";

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

/// Decides the answer.
pub(crate) fn answer(
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    is_loopback: bool,
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
        "/metrics" => metrics(headers, registry),
        "/healthz" => health(lifecycle),
        "/readyz" => readiness(&lifecycle.phase()),
        _ if is_loopback => {
            lifecycle.drain("quitquitquit");
            Reply::text(StatusCode::OK, "draining\n")
        }
        _ => Reply::text(StatusCode::FORBIDDEN, "only from loopback\n"),
    }
}

fn metrics(headers: &HeaderMap, registry: &MetricRegistry) -> Reply {
    let format = Format::for_scraper(headers, true);
    let body = match format {
        Format::OpenMetrics => registry.open_metrics(),
        Format::Prometheus => registry.prometheus_text(),
    };
    match body {
        Ok(body) => {
            Reply { content_type: format.content_type(), ..Reply::text(StatusCode::OK, body) }
        }
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
    fn ask(state: &State, request: &str, is_loopback: bool) -> (u16, String) {
        let (method, path) = request.split_once(' ').unwrap();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let (lifecycle, registry) = (&state.lifecycle, &state.registry);
        let reply = answer(&method, path, &HeaderMap::new(), is_loopback, lifecycle, registry);
        (reply.status.as_u16(), reply.body)
    }

    #[test]
    fn routes_and_methods() {
        let state = state();
        for (request, is_loopback, status) in [
            ("GET /metrics", false, 200),
            ("HEAD /metrics", false, 200),
            ("POST /metrics", true, 405),
            ("GET /healthz", false, 200),
            ("GET /readyz", false, 503),
            ("GET /quitquitquit", true, 405),
            ("POST /quitquitquit", false, 403),
            ("GET /", true, 404),
            ("GET /metrics/", true, 404),
        ] {
            assert_eq!(ask(&state, request, is_loopback).0, status, "{request}");
        }
        assert!(!state.lifecycle.is_draining());
        assert_eq!(ask(&state, "POST /quitquitquit", true).0, 200);
        assert!(state.lifecycle.is_draining());
    }

    #[test]
    fn probes_follow_the_phase() {
        let state = state();
        let ready = |state: &State| ask(state, "GET /readyz", false);
        let latch = state.lifecycle.latch("files");
        assert_eq!(ready(&state), (503, "waiting for files\n".to_owned()));
        drop(latch);
        assert_eq!(ready(&state), (200, "ready\n".to_owned()));
        state.lifecycle.drain("test");
        assert_eq!(ready(&state), (503, "draining\n".to_owned()));
        assert_eq!(ask(&state, "GET /healthz", false).0, 200);
        state.lifecycle.fail("reader broke".to_owned());
        assert_eq!(ask(&state, "GET /healthz", false), (503, "reader broke\n".to_owned()));
    }
}
