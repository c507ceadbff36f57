//! The rules in effect, read again when their files change.
//!
//! In go requests and connections, out come verdicts by the newest rules. Before each the files'
//! times and sizes are compared, so that a renewed certificate or a changed password counts without
//! a signal. A half-written file must not open or close the door: a change counts once no file was
//! touched for a second and none changed while all were read. What cannot be read is logged and
//! tried again, and the old rules stay. Asking the file system at each request costs a microsecond,
//! and a watcher would cost a thread.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, StatusCode, header};
use sidecar_runtime::{StartError, Stream};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::tls::{ServerTls, server_tls};
use super::users::Doorman;
use super::{ClientAuth, Pem, TlsRules, WebConfig, WebConfigError, WebSource};

/// A file that was touched later than this ago may not be whole yet.
const SETTLED: Duration = Duration::from_secs(1);
/// Between two attempts to read files that could not be used.
const RETRY: Duration = Duration::from_secs(1);

/// The rules and what they were made from.
pub(crate) struct LiveRules {
    source: WebSource,
    current: Mutex<Loaded>,
    doorman: Doorman,
    bucket: Mutex<Option<Bucket>>,
}

struct Loaded {
    stamps: Vec<Stamp>,
    rules: Arc<Rules>,
    /// After an attempt that failed: what it said, and when to try again.
    failed: Option<(String, Instant)>,
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
    /// Inode, size and time of the last change; none without a file.
    state: Option<(u64, u64, SystemTime)>,
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
        let now = Instant::now();
        let stamps = again(&current.stamps);
        let is_due = match &current.failed {
            Some((_, retry)) => now >= *retry,
            None => stamps != current.stamps,
        };
        if is_due && is_settled(&stamps) {
            match load(&self.source) {
                Ok(loaded) if is_settled(&loaded.stamps) => {
                    tracing::info!("Rules of the web side read again");
                    *current = loaded;
                }
                // A new file among them is not settled yet.
                Ok(_) => {
                    if let Some((_, retry)) = &mut current.failed {
                        *retry = now + RETRY;
                    }
                }
                Err(error) => {
                    let error = error.to_string();
                    if current.failed.as_ref().is_none_or(|(said, _)| *said != error) {
                        tracing::error!(error, "Changed rules of the web side cannot be used");
                    }
                    current.failed = Some((error, now + RETRY));
                }
            }
        }
        Arc::clone(&current.rules)
    }
}

fn load(source: &WebSource) -> Result<Loaded, WebConfigError> {
    let mut stamps = Vec::new();
    let config = match source {
        WebSource::Plain => WebConfig::default(),
        WebSource::File(path) => {
            stamps.push(Stamp::of(path.clone()));
            let text = fs::read_to_string(path)?;
            WebConfig::parse(&text, path.parent().unwrap_or(Path::new("")))?
        }
        WebSource::Certificate { cert, key } => {
            WebConfig { tls: Some(plain_tls(cert, key)), ..WebConfig::default() }
        }
    };
    let tls = config.tls.iter();
    let pems = tls.flat_map(|tls| [Some(&tls.cert), Some(&tls.key), tls.client_ca.as_ref()]);
    stamps.extend(pems.flatten().filter_map(|pem| match pem {
        Pem::File(path) => Some(Stamp::of(path.clone())),
        Pem::Inline(_) => None,
    }));
    let tls = config.tls.as_ref().map(server_tls).transpose()?;
    // Each was looked at before it was read.
    if again(&stamps) != stamps {
        return Err(WebConfigError::Changing);
    }
    let pairs = config.headers.iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_str(value).ok()?))
    });
    let headers = pairs.collect();
    Ok(Loaded { stamps, rules: Arc::new(Rules { config, tls, headers }), failed: None })
}

/// The same files, looked at now.
fn again(stamps: &[Stamp]) -> Vec<Stamp> {
    stamps.iter().map(|stamp| Stamp::of(stamp.path.clone())).collect()
}

/// Whether nobody seems to be writing.
fn is_settled(stamps: &[Stamp]) -> bool {
    let now = SystemTime::now();
    let changed = stamps.iter().filter_map(|stamp| stamp.state).map(|(_, _, changed)| changed);
    // A time in the future is a clock's fault, and would never settle.
    let mut changed = changed;
    changed.all(|at| now.duration_since(at).is_ok_and(|age| age >= SETTLED) || at > now)
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
        let file = fs::metadata(&path).ok();
        let state = file.and_then(|file| Some((file.ino(), file.size(), file.modified().ok()?)));
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

    /// Written so many seconds ago.
    fn write(path: &Path, text: &str, age: u64) {
        fs::write(path, text).unwrap();
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    }

    async fn status(rules: &LiveRules) -> Result<(), StatusCode> {
        rules.admit(&hyper::Request::new(()).into_parts().0).await
    }

    #[tokio::test]
    async fn a_changed_file_counts_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yml");
        let hash = bcrypt::hash("secret", 4).unwrap();
        let guarded = format!("basic_auth_users:\n  ann: {hash}\n");
        write(&path, "", 90);
        let rules = LiveRules::open(WebSource::File(path.clone())).unwrap();
        assert_eq!(status(&rules).await, Ok(()));
        write(&path, &guarded, 80);
        assert_eq!(status(&rules).await, Err(StatusCode::UNAUTHORIZED));
        // Somebody truncated it a moment ago and will go on writing.
        write(&path, "", 0);
        assert_eq!(status(&rules).await, Err(StatusCode::UNAUTHORIZED));
        write(&path, "http_server_config: {headers: {X-Frame-Options: deny}}", 60);
        assert_eq!(status(&rules).await, Ok(()));
        let mut headers = HeaderMap::new();
        rules.decorate(&mut headers);
        assert_eq!(headers["x-frame-options"], "deny");
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_used_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.yml");
        let hash = bcrypt::hash("secret", 4).unwrap();
        write(&path, &format!("basic_auth_users:\n  ann: {hash}\n"), 90);
        let rules = LiveRules::open(WebSource::File(path.clone())).unwrap();
        let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        write(&path, "tls_server_config: {cert_file: c.pem, key_file: k.pem}", 80);
        assert_eq!(status(&rules).await, Err(StatusCode::UNAUTHORIZED));
        // The files that it names come later; it is not touched itself.
        write(&folder.path().join("c.pem"), &key.cert.pem(), 80);
        write(&folder.path().join("k.pem"), &key.signing_key.serialize_pem(), 80);
        assert_eq!(status(&rules).await, Err(StatusCode::UNAUTHORIZED));
        tokio::time::advance(RETRY).await;
        assert_eq!(status(&rules).await, Ok(()));
        assert!(rules.encrypts());
    }
}
