//! `--web.config.file`: who may read the metrics, in the format of the Prometheus exporter toolkit.
//!
//! In goes the YAML text, out comes a [`WebConfig`] of plain values, or every error with its line.
//! The toolkit's keys for protocol versions and suites are honoured as far as rustls knows them;
//! what would silently weaken a rule (a client policy that verifies nothing, alternative names that
//! cannot be checked) is refused. HTTP/2 is not offered whatever the file says: scrapers fall back.
//! `users` answers who may pass, `tls` makes the rustls configuration, `live` follows the file.

pub(crate) mod live;
mod reader;
mod tls;
mod users;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sidecar_runtime::yaml::{Node, YamlError};

use self::reader::Section;

/// Where the rules for the web side come from.
#[derive(Debug, Clone)]
pub(crate) enum WebSource {
    /// Plain HTTP for everybody.
    Plain,
    /// The toolkit's file.
    File(PathBuf),
    /// TLS only, as releases from 0.9 to 0.11 had it.
    Certificate { cert: PathBuf, key: PathBuf },
}

/// The rules in effect.
#[derive(Debug, Default)]
pub(crate) struct WebConfig {
    pub(crate) tls: Option<TlsRules>,
    /// Names and bcrypt hashes.
    pub(crate) users: Vec<(String, String)>,
    /// Headers of every answer.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) rate_limit: Option<RateLimit>,
}

#[derive(Debug)]
pub(crate) struct TlsRules {
    pub(crate) cert: Pem,
    pub(crate) key: Pem,
    pub(crate) client_auth: ClientAuth,
    pub(crate) client_ca: Option<Pem>,
    /// Names of which a client's certificate must carry one; empty means any.
    pub(crate) client_sans: Vec<String>,
    pub(crate) tls13_only: bool,
    pub(crate) tls12_only: bool,
    /// TLS 1.2 suites by their names; empty means all.
    pub(crate) cipher_suites: Vec<String>,
    /// Key exchange groups by their names; empty means all.
    pub(crate) curves: Vec<String>,
}

/// PEM text, in a file or in the configuration itself.
pub(crate) enum Pem {
    File(PathBuf),
    Inline(String),
}

impl std::fmt::Debug for Pem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Pem::File(path) => write!(f, "{}", path.display()),
            Pem::Inline(_) => f.write_str("inline"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientAuth {
    None,
    VerifyIfGiven,
    Require,
}

/// So many requests at once, and one more each interval.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateLimit {
    pub(crate) interval: Duration,
    pub(crate) burst: u32,
}

/// Why a file gives no rules.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebConfigError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// Every mistake, each with its line.
    #[error("{}", .0.join("; "))]
    Rules(Vec<String>),
    #[error("{0}")]
    Tls(String),
    /// Half of it may be old and half new.
    #[error("a file changed while it was read")]
    Changing,
}

impl WebConfig {
    /// Reads the toolkit's file. Paths in it are relative to `folder`.
    ///
    /// # Errors
    /// Not YAML, unknown or doubled keys, values that are not understood: all at once.
    pub(crate) fn parse(text: &str, folder: &Path) -> Result<WebConfig, WebConfigError> {
        let node = Node::parse(text)?;
        let mut errors = Vec::new();
        let mut config = WebConfig::default();
        let mut root = Section::new(&node, "the file", &mut errors);
        if let Some(node) = root.take("tls_server_config") {
            config.tls = reader::tls_rules(node, folder, root.errors);
        }
        if let Some(node) = root.take("http_server_config") {
            config.headers = reader::headers(node, root.errors);
        }
        if let Some(node) = root.take("basic_auth_users") {
            config.users = reader::users(node, root.errors);
        }
        if let Some(node) = root.take("rate_limit") {
            config.rate_limit = reader::rate_limit(node, root.errors);
        }
        root.finish();
        if errors.is_empty() { Ok(config) } else { Err(WebConfigError::Rules(errors)) }
    }
}

#[cfg(test)]
mod tests;
