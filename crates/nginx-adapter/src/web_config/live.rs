//! The rules in effect, read again when their files change.
//!
//! In go requests and connections, out come verdicts by the newest rules. Before each the files'
//! times and sizes are compared, so that a renewed certificate or a changed password counts at
//! once, without a signal. A change that cannot be read is logged once and the old rules stay: a
//! half-written file must not open or close the door. Asking the file system at each request costs
//! a microsecond, and a watcher would cost a thread.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, StatusCode, header};
use sidecar_runtime::{StartError, Stream};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::tls::{ServerTls, server_tls};
use super::users::Doorman;
use super::{ClientAuth, Pem, TlsRules, WebConfig, WebConfigError, WebSource};

/// The rules and what they were made from.
pub(crate) struct LiveRules {
    source: WebSource,
    current: Mutex<Loaded>,
    doorman: Doorman,
    bucket: Mutex<Option<Bucket>>,
}

#[derive(Clone)]
struct Loaded {
    stamps: Vec<Stamp>,
    rules: Arc<Rules>,
}

struct Rules {
    config: WebConfig,
    tls: Option<ServerTls>,
    headers: HeaderMap,
}

/// What tells that a file has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    /// Inode, size, and time of the last change with its nanoseconds; none without a file.
    state: Option<(u64, u64, i64, i64)>,
}

impl LiveRules {
    /// Reads the rules for the first time.
    ///
    /// # Errors
    /// The setting whose files cannot be used.
    pub(crate) fn open(source: WebSource) -> Result<LiveRules, StartError> {
        let loaded = load(&source).map_err(|error| match &source {
            WebSource::Plain => StartError::new("web", "", error),
            WebSource::File(path) => {
                StartError::new("web.config.file", path.display().to_string(), error)
            }
            WebSource::Certificate { cert, .. } => {
                StartError::new("web.ssl-server-cert", cert.display().to_string(), error)
            }
        })?;
        let (current, bucket) = (Mutex::new(loaded), Mutex::new(None));
        Ok(LiveRules { source, current, doorman: Doorman::new(), bucket })
    }

    /// Whether connections begin with a handshake.
    pub(crate) fn encrypts(&self) -> bool {
        !matches!(self.source, WebSource::Plain) && self.rules().tls.is_some()
    }

    /// Shakes hands by the newest rules.
    pub(crate) async fn encrypt(&self, stream: Stream) -> io::Result<Stream> {
        let rules = self.rules();
        let Some(tls) = &rules.tls else { return Ok(stream) };
        let stream = TlsAcceptor::from(Arc::clone(&tls.config)).accept(stream).await?;
        if !tls.admits(stream.get_ref().1) {
            return Err(io::Error::other("the client's certificate has none of the allowed names"));
        }
        Ok(Box::new(stream))
    }

    /// Whether this request may pass; if not, with which status it is turned away.
    pub(crate) async fn admit(&self, request: &Parts) -> Result<(), StatusCode> {
        if matches!(self.source, WebSource::Plain) {
            return Ok(());
        }
        let rules = self.rules();
        if let Some(limit) = rules.config.rate_limit {
            let mut bucket = lock(&self.bucket);
            let now = Instant::now();
            if !bucket.get_or_insert(Bucket::full(limit.burst, now)).take(limit, now) {
                return Err(StatusCode::TOO_MANY_REQUESTS);
            }
        }
        let users = &rules.config.users;
        let header = request.headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        if users.is_empty() || self.doorman.admits(header, users).await {
            return Ok(());
        }
        Err(StatusCode::UNAUTHORIZED)
    }

    /// Headers that every answer carries.
    pub(crate) fn decorate(&self, headers: &mut HeaderMap) {
        if !matches!(self.source, WebSource::Plain) {
            headers.extend(lock(&self.current).rules.headers.clone());
        }
    }

    /// The newest rules that could be read.
    fn rules(&self) -> Arc<Rules> {
        let mut current = lock(&self.current);
        let stamps: Vec<Stamp> =
            current.stamps.iter().map(|stamp| Stamp::of(stamp.path.clone())).collect();
        if stamps != current.stamps {
            match load(&self.source) {
                Ok(loaded) => {
                    tracing::info!("Rules of the web side read again");
                    *current = loaded;
                }
                Err(error) => {
                    tracing::error!(%error, "Changed rules of the web side cannot be used");
                    current.stamps = stamps;
                }
            }
        }
        Arc::clone(&current.rules)
    }
}

fn load(source: &WebSource) -> Result<Loaded, WebConfigError> {
    let mut paths = Vec::new();
    let config = match source {
        WebSource::Plain => WebConfig::default(),
        WebSource::File(path) => {
            paths.push(path.clone());
            let text = fs::read_to_string(path)?;
            WebConfig::parse(&text, path.parent().unwrap_or(Path::new("")))?
        }
        WebSource::Certificate { cert, key } => {
            WebConfig { tls: Some(plain_tls(cert, key)), ..WebConfig::default() }
        }
    };
    let pems =
        config.tls.iter().flat_map(|tls| [Some(&tls.cert), Some(&tls.key), tls.client_ca.as_ref()]);
    paths.extend(pems.flatten().filter_map(|pem| match pem {
        Pem::File(path) => Some(path.clone()),
        Pem::Inline(_) => None,
    }));
    // Looked at before they are read again: a change in between is found at the next request.
    let stamps = paths.into_iter().map(Stamp::of).collect();
    let tls = config.tls.as_ref().map(server_tls).transpose()?;
    let pairs = config.headers.iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_str(value).ok()?))
    });
    let headers = pairs.collect();
    Ok(Loaded { stamps, rules: Arc::new(Rules { config, tls, headers }) })
}

fn plain_tls(cert: &Path, key: &Path) -> TlsRules {
    TlsRules {
        cert: Pem::File(cert.to_owned()),
        key: Pem::File(key.to_owned()),
        client_auth: ClientAuth::None,
        client_ca: None,
        client_sans: Vec::new(),
        tls13_only: false,
        tls12_only: false,
        cipher_suites: Vec::new(),
        curves: Vec::new(),
    }
}

impl Stamp {
    fn of(path: PathBuf) -> Stamp {
        let state = fs::metadata(&path).ok();
        let state = state.map(|m| (m.ino(), m.size(), m.mtime(), m.mtime_nsec()));
        Stamp { path, state }
    }
}

/// A token bucket.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    fn full(burst: u32, now: Instant) -> Bucket {
        Bucket { tokens: f64::from(burst), filled: now }
    }

    fn take(&mut self, limit: super::RateLimit, now: Instant) -> bool {
        let new = now.duration_since(self.filled).as_secs_f64() / limit.interval.as_secs_f64();
        self.tokens = (self.tokens + new).min(f64::from(limit.burst));
        self.filled = now;
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for LiveRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveRules").field("source", &self.source).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::web_config::RateLimit;

    #[test]
    fn a_bucket_lets_through_its_burst_and_then_its_rate() {
        let limit = RateLimit { interval: Duration::from_secs(1), burst: 2 };
        let start = Instant::now();
        let mut bucket = Bucket::full(2, start);
        let taken =
            |bucket: &mut Bucket, millis| bucket.take(limit, start + Duration::from_millis(millis));
        assert_eq!([0, 0, 0].map(|at| taken(&mut bucket, at)), [true, true, false]);
        assert_eq!([900, 1100, 1200].map(|at| taken(&mut bucket, at)), [false, true, false]);
        assert_eq!([90_000; 3].map(|at| taken(&mut bucket, at)), [true, true, false]);
    }

    #[tokio::test]
    async fn a_changed_file_counts_at_once_and_a_broken_one_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yml");
        fs::write(&path, "").unwrap();
        let rules = LiveRules::open(WebSource::File(path.clone())).unwrap();
        let request = hyper::Request::new(()).into_parts().0;
        assert_eq!(rules.admit(&request).await, Ok(()));
        let hash = bcrypt::hash("secret", 4).unwrap();
        fs::write(&path, format!("basic_auth_users:\n  ann: {hash}\n")).unwrap();
        assert_eq!(rules.admit(&request).await, Err(StatusCode::UNAUTHORIZED));
        fs::write(&path, "basic_auth_users: [").unwrap();
        assert_eq!(rules.admit(&request).await, Err(StatusCode::UNAUTHORIZED));
        fs::write(&path, "http_server_config: {headers: {X-Frame-Options: deny}}").unwrap();
        assert_eq!(rules.admit(&request).await, Ok(()));
        let mut headers = HeaderMap::new();
        rules.decorate(&mut headers);
        assert_eq!(headers["x-frame-options"], "deny");
    }
}
