//! The sections of the toolkit's file, key by key.
//!
//! In goes a node of the YAML tree, out come the rules of one section; what is wrong is added to a
//! list with its line, and reading goes on. A [`Section`] knows which keys were taken, so that one
//! nobody asked for is an error and not a surprise.

use std::path::Path;
use std::time::Duration;

use sidecar_runtime::yaml::{Node, Value};

use super::{ClientAuth, Pem, RateLimit, TlsRules};
use crate::duration::go_duration;

/// Response headers that may be set.
const HEADERS: [&str; 5] = [
    "X-Frame-Options",
    "X-Content-Type-Options",
    "X-XSS-Protection",
    "Strict-Transport-Security",
    "Content-Security-Policy",
];

/// A mapping whose keys are taken one by one.
pub(super) struct Section<'n, 'e> {
    entries: Vec<(&'n Node, &'n Node)>,
    pub(super) errors: &'e mut Vec<String>,
}

impl<'n, 'e> Section<'n, 'e> {
    pub(super) fn new(node: &'n Node, name: &str, errors: &'e mut Vec<String>) -> Section<'n, 'e> {
        let entries = match &node.value {
            Value::Mapping(entries) => entries.iter().map(|(key, value)| (key, value)).collect(),
            Value::Null => Vec::new(),
            _ => {
                errors.push(format!("line {}: {name} is no mapping", node.line));
                Vec::new()
            }
        };
        Section { entries, errors }
    }

    /// The value of a key. A second one is left, and so an error in the end.
    pub(super) fn take(&mut self, key: &str) -> Option<&'n Node> {
        let at = self.entries.iter().position(|(name, _)| name.scalar() == Some(key))?;
        Some(self.entries.remove(at).1)
    }

    fn error(&mut self, node: &Node, what: impl std::fmt::Display) {
        self.errors.push(format!("line {}: {what}", node.line));
    }

    /// A text, if it is there and not empty.
    fn text(&mut self, key: &str) -> Option<&'n str> {
        let node = self.take(key)?;
        match &node.value {
            Value::Null => None,
            Value::Scalar(text) => Some(text.as_str()).filter(|text| !text.is_empty()),
            _ => {
                self.error(node, format_args!("{key} is {}, expected a value", node.shape()));
                None
            }
        }
    }

    fn texts(&mut self, key: &str) -> Vec<String> {
        let Some(node) = self.take(key) else { return Vec::new() };
        let items = match &node.value {
            Value::Sequence(items) => items.as_slice(),
            Value::Null => return Vec::new(),
            _ => std::slice::from_ref(node),
        };
        let texts: Option<Vec<_>> =
            items.iter().map(|item| item.scalar().map(str::to_owned)).collect();
        texts.unwrap_or_else(|| {
            self.error(node, format_args!("{key}: expected a list of values"));
            Vec::new()
        })
    }

    /// Reads a text by `parser`.
    fn parse<T>(
        &mut self,
        key: &str,
        parser: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        let node = self.entries.iter().find(|(name, _)| name.scalar() == Some(key))?.1;
        let text = self.text(key)?;
        match parser(text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.error(node, format_args!("{key} {text:?}: {error}"));
                None
            }
        }
    }

    fn pem(&mut self, inline: &str, file: &str, folder: &Path) -> Option<Pem> {
        let inline = self.text(inline).map(|text| Pem::Inline(text.to_owned()));
        let file = self.text(file).map(|path| Pem::File(folder.join(path)));
        file.or(inline)
    }

    /// Complains about what nobody took.
    pub(super) fn finish(self) {
        for (key, _) in self.entries {
            let name = key.scalar().unwrap_or_else(|| key.shape());
            self.errors.push(format!("line {}: {name:?} is not known here, or doubled", key.line));
        }
    }
}

pub(super) fn tls_rules(node: &Node, folder: &Path, errors: &mut Vec<String>) -> Option<TlsRules> {
    let mut section = Section::new(node, "tls_server_config", errors);
    let is_empty = section.entries.is_empty();
    let cert = section.pem("cert", "cert_file", folder);
    let key = section.pem("key", "key_file", folder);
    let client_ca = section.pem("client_ca", "client_ca_file", folder);
    let client_auth = section.parse("client_auth_type", client_auth).unwrap_or(ClientAuth::None);
    let client_sans = section.texts("client_allowed_sans");
    let min = section.parse("min_version", version).unwrap_or(12);
    let max = section.parse("max_version", version).unwrap_or(13);
    let cipher_suites = section.texts("cipher_suites");
    let curves = section.texts("curve_preferences");
    // The order of suites is the server's in rustls anyhow.
    section.take("prefer_server_cipher_suites");
    if max < 12 || min > max {
        section
            .error(node, "no TLS version from 1.2 on is left between min_version and max_version");
    }
    if client_ca.is_some() && client_auth == ClientAuth::None {
        section.error(node, "client_ca is of no use without client_auth_type");
    }
    if client_ca.is_none() && client_auth != ClientAuth::None {
        section.error(node, "client_auth_type needs client_ca or client_ca_file");
    }
    let rules = match (cert, key) {
        (Some(cert), Some(key)) => Some(TlsRules {
            cert,
            key,
            client_auth,
            client_ca,
            client_sans,
            tls13_only: min == 13,
            tls12_only: max == 12,
            cipher_suites,
            curves,
        }),
        (None, None) if is_empty => None,
        _ => {
            section.error(node, "needs cert or cert_file, and key or key_file");
            None
        }
    };
    section.finish();
    rules
}

fn client_auth(text: &str) -> Result<ClientAuth, &'static str> {
    match text {
        "NoClientCert" | "RequestClientCert" => Ok(ClientAuth::None),
        "VerifyClientCertIfGiven" => Ok(ClientAuth::VerifyIfGiven),
        "RequireAndVerifyClientCert" => Ok(ClientAuth::Require),
        "RequireAnyClientCert" => Err("verifies nothing; use RequireAndVerifyClientCert"),
        _ => Err("expected NoClientCert, VerifyClientCertIfGiven or RequireAndVerifyClientCert"),
    }
}

/// Versions below 1.2 do not exist here, so asking for them is asking for 1.2.
fn version(text: &str) -> Result<u8, &'static str> {
    match text {
        "TLS10" => Ok(10),
        "TLS11" => Ok(11),
        "TLS12" => Ok(12),
        "TLS13" => Ok(13),
        _ => Err("expected TLS10, TLS11, TLS12 or TLS13"),
    }
}

pub(super) fn headers(node: &Node, errors: &mut Vec<String>) -> Vec<(&'static str, String)> {
    let mut section = Section::new(node, "http_server_config", errors);
    section.take("http2");
    let mut found = Vec::new();
    if let Some(node) = section.take("headers") {
        let mut section = Section::new(node, "headers", section.errors);
        for name in HEADERS {
            let visible = |text: &str| match text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
                true => Ok(text.to_owned()),
                false => Err("expected printable ASCII"),
            };
            found.extend(section.parse(name, visible).map(|value| (name, value)));
        }
        section.finish();
    }
    section.finish();
    found
}

pub(super) fn users(node: &Node, errors: &mut Vec<String>) -> Vec<(String, String)> {
    let section = Section::new(node, "basic_auth_users", errors);
    let mut users: Vec<(String, String)> = Vec::new();
    for (name, hash) in section.entries {
        let line = name.line;
        let (Some(name), Some(hash)) = (name.scalar(), hash.scalar()) else {
            section.errors.push(format!("line {line}: expected NAME: BCRYPT-HASH"));
            continue;
        };
        if users.iter().any(|(taken, _)| taken == name) {
            section.errors.push(format!("line {line}: user {name:?} is doubled"));
        }
        if hash.parse::<bcrypt::HashParts>().is_err() {
            let what = "the hash is not bcrypt";
            section.errors.push(format!("line {line}: user {name:?}: {what}"));
        }
        users.push((name.to_owned(), hash.to_owned()));
    }
    users
}

pub(super) fn rate_limit(node: &Node, errors: &mut Vec<String>) -> Option<RateLimit> {
    let mut section = Section::new(node, "rate_limit", errors);
    let interval = section.parse("interval", go_duration).unwrap_or(Duration::ZERO);
    let burst = |text: &str| text.parse().or(Err("expected a number from 0"));
    let burst = section.parse("burst", burst).unwrap_or(0);
    section.finish();
    (!interval.is_zero()).then_some(RateLimit { interval, burst })
}
