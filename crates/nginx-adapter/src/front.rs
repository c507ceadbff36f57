//! What a scraper sees: the metrics page, the landing page, and who may see them.
//!
//! In goes the head of a request, out comes the whole answer, always before the scraper gives up:
//! the deadline is the smaller of `--nginx.timeout` and what the scraper says it will wait, less a
//! margin for the way back. All targets are asked at once. A target that fails is `nginx_up 0` in
//! an answer of status 200, because a scrape that fails as a whole would hide the other targets and
//! this process. Text 0.0.4 is the answer to everybody who takes it: Prometheus prefers OpenMetrics
//! whenever it is offered, and then stores two counters with another type.

use std::future::poll_fn;
use std::io::Write as _;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use sidecar_runtime::{Format, Front, Later, Lifecycle, MetricRegistry, Stream, accepts_gzip};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::exposition::{self, Outcome};
use crate::scrape::{Failure, Scraper, StubStatus};
use crate::sockets::Sockets;
use crate::web_config::live::LiveRules;

/// How long the scraper waits for the whole answer, in seconds; Prometheus says so.
const SCRAPE_TIMEOUT: &str = "x-prometheus-scrape-timeout-seconds";
/// Kept from the scraper's time for the way back, if that is no more than a quarter of it.
const MARGIN: Duration = Duration::from_millis(250);
/// The longest that a scrape waits for nginx during a drain: this process has no time either.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);
/// Of pages that wait for their readers, all together. A page counts as half of this at most, so
/// that two scrapers can have even the largest.
pub(crate) const PAGES_BYTES_MAX: usize = 8 << 20;
/// Smaller answers are not worth the compressor's memory.
const GZIP_BYTES_MIN: usize = 8 * 1024;

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// Answers scrapers.
pub(crate) struct Exporter {
    pub(crate) targets: Vec<Target>,
    pub(crate) timeout: Duration,
    pub(crate) telemetry_path: String,
    pub(crate) open_metrics: bool,
    pub(crate) const_labels: Vec<(String, String)>,
    pub(crate) registry: MetricRegistry,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) rules: LiveRules,
    /// Told what the page says before the registry asks for them.
    pub(crate) sockets: Option<Sockets>,
    /// Bytes of pages that may still be made.
    pub(crate) room: Arc<Semaphore>,
}

/// A page that is on its way; the room that it takes is free when it is gone.
struct Page {
    body: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Page {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// An nginx and the labels of its series.
pub(crate) struct Target {
    pub(crate) scraper: Arc<Scraper>,
    pub(crate) labels: String,
    pub(crate) error_labels: String,
}

impl Front for Exporter {
    fn answer<'a>(&'a self, request: &'a Parts) -> Later<'a, Response<Full<Bytes>>> {
        Box::pin(async move {
            let mut response = match self.rules.admit(request).await {
                Ok(()) => self.page(request).await,
                Err(status) => turned_away(status),
            };
            self.rules.decorate(response.headers_mut());
            response
        })
    }

    fn encrypts(&self) -> bool {
        self.rules.encrypts()
    }

    fn encrypt(&self, stream: Stream) -> Later<'_, std::io::Result<Stream>> {
        Box::pin(self.rules.encrypt(stream))
    }
}

impl Exporter {
    async fn page(&self, request: &Parts) -> Response<Full<Bytes>> {
        let path = request.uri.path();
        // The exporter's pages are matched by prefix, so its `/` is every path.
        let is_metrics = path == self.telemetry_path || self.telemetry_path == "/";
        if !is_metrics && path != "/" {
            return reply(StatusCode::NOT_FOUND, TEXT, "not found\n");
        }
        if request.method != Method::GET && request.method != Method::HEAD {
            let mut response = reply(StatusCode::METHOD_NOT_ALLOWED, TEXT, "use GET\n");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        if is_metrics {
            self.metrics(&request.headers).await
        } else {
            reply(StatusCode::OK, HTML, landing_page(&self.telemetry_path))
        }
    }

    async fn metrics(&self, headers: &HeaderMap) -> Response<Full<Bytes>> {
        let draining = self.lifecycle.is_draining();
        let timeout = if draining { self.timeout.min(DRAIN_TIMEOUT) } else { self.timeout };
        let deadline = Instant::now() + time_to_answer(timeout, headers);
        let statuses = self.scrape_all(deadline).await;
        if let Some(sockets) = &self.sockets {
            let only = match (statuses.as_slice(), self.targets.as_slice()) {
                // Over a unix socket our own connection would look like a phantom.
                ([Ok(status)], [target]) if !target.scraper.addr().starts_with("unix:") => {
                    Some(status.active)
                }
                _ => None,
            };
            sockets.set_active(only);
        }
        let errors: Vec<_> = self.targets.iter().map(|target| target.scraper.errors()).collect();
        let outcomes: Vec<_> = self
            .targets
            .iter()
            .zip(&statuses)
            .zip(&errors)
            .map(|((target, status), errors)| Outcome {
                labels: &target.labels,
                error_labels: &target.error_labels,
                status: *status,
                errors,
            })
            .collect();
        let format = Format::for_scraper(headers, self.open_metrics);
        let mut text = String::with_capacity(4096);
        exposition::write(&mut text, format, &outcomes);
        let registry = match format {
            Format::Prometheus => self.registry.prometheus_text(),
            Format::OpenMetrics => self.registry.open_metrics(),
        };
        let Ok(registry) = registry else {
            let why = "a metric cannot be encoded\n";
            return reply(StatusCode::INTERNAL_SERVER_ERROR, TEXT, why);
        };
        exposition::append_labelled(&mut text, &registry, &self.const_labels);
        drop(registry);
        let content_type = format.content_type();
        if text.len() >= GZIP_BYTES_MIN
            && accepts_gzip(headers)
            && let Ok(compressed) = gzip(text.as_bytes())
        {
            let mut response = self.paged(content_type, compressed);
            let gzip = HeaderValue::from_static("gzip");
            response.headers_mut().insert(header::CONTENT_ENCODING, gzip);
            return response;
        }
        self.paged(content_type, text.into_bytes())
    }

    /// A page as an answer, unless too much of other pages still waits for slow readers.
    fn paged(&self, content_type: &'static str, mut body: Vec<u8>) -> Response<Full<Bytes>> {
        body.shrink_to_fit();
        let size = body.len().min(PAGES_BYTES_MAX / 2);
        let size = u32::try_from(size).expect("the limit is smaller");
        match Arc::clone(&self.room).try_acquire_many_owned(size) {
            Ok(room) => {
                let body = Bytes::from_owner(Page { body, _room: room });
                reply(StatusCode::OK, content_type, body)
            }
            Err(_) => reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, "too many slow readers\n"),
        }
    }

    /// Asks all targets at once, in their order.
    async fn scrape_all(&self, deadline: Instant) -> Vec<Result<StubStatus, Failure>> {
        if let [target] = self.targets.as_slice() {
            return vec![target.scraper.scrape(deadline).await];
        }
        let mut pending: Vec<_> = self
            .targets
            .iter()
            .map(|target| Box::pin(target.scraper.scrape(deadline)))
            .map(Some)
            .collect();
        let mut done: Vec<Option<Result<StubStatus, Failure>>> = vec![None; pending.len()];
        poll_fn(|context| {
            for (scrape, done) in pending.iter_mut().zip(&mut done) {
                if let Some(running) = scrape
                    && let Poll::Ready(status) = running.as_mut().poll(context)
                {
                    *done = Some(status);
                    *scrape = None;
                }
            }
            if pending.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        done.into_iter().flatten().collect()
    }
}

/// What is left for asking nginx.
fn time_to_answer(timeout: Duration, headers: &HeaderMap) -> Duration {
    let said = headers.get(SCRAPE_TIMEOUT).and_then(|value| value.to_str().ok()?.parse().ok());
    let said = said.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match said.filter(|said| !said.is_zero()) {
        None => timeout,
        Some(said) => timeout.min(said - MARGIN.min(said / 4)),
    }
}

fn reply(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn turned_away(status: StatusCode) -> Response<Full<Bytes>> {
    if status != StatusCode::UNAUTHORIZED {
        return reply(status, TEXT, "too many requests\n");
    }
    let mut response = reply(status, TEXT, "a name and a password, please\n");
    let basic = HeaderValue::from_static("Basic");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
    response
}

fn landing_page(telemetry_path: &str) -> String {
    let path = telemetry_path.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><title>nginx-adapter</title></head>\n\
         <body><h1>nginx-adapter {}</h1>\n<p><a href=\"{path}\">Metrics</a></p>\n\
         </body></html>\n",
        env!("CARGO_PKG_VERSION")
    )
}

fn gzip(text: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 4), Compression::fast());
    encoder.write_all(text)?;
    encoder.finish()
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exporter").field("targets", &self.targets.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_time(header: Option<&str>, millis: u64) {
        let mut headers = HeaderMap::new();
        if let Some(value) = header {
            headers.insert(SCRAPE_TIMEOUT, value.parse().unwrap());
        }
        let time = time_to_answer(Duration::from_secs(5), &headers);
        assert_eq!(time, Duration::from_millis(millis), "{header:?}");
    }

    #[test]
    fn the_scraper_is_answered_in_time() {
        check_time(None, 5000);
        check_time(Some("10"), 5000);
        check_time(Some("5"), 4750);
        check_time(Some("1.000000"), 750);
        check_time(Some("0.4"), 300);
        check_time(Some("0"), 5000);
        for bad in ["-1", "soon", "NaN", "1e300"] {
            check_time(Some(bad), 5000);
        }
    }

    #[test]
    fn the_landing_page_links_to_the_metrics() {
        let page = landing_page("/a\"b&c");
        assert!(page.contains("href=\"/a&quot;b&amp;c\""), "{page}");
    }
}
