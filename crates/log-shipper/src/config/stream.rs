//! Sinks over a plain stream, from what was typed to what it means.

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use net::{Dialer, Endpoint, Scheme, TlsSettings};
use sidecar_runtime::{Rejections, StartError};

use crate::cli::Args;
use crate::compress::Codec;

/// Fluentd's and Fluent Bit's, with TLS too.
const FORWARD_PORT: u16 = 24224;
pub(super) const FORWARD_SCHEMES: [Scheme; 2] = [
    Scheme { name: "tcp", tls: false, port: FORWARD_PORT },
    Scheme { name: "tls", tls: true, port: FORWARD_PORT },
];

/// Where a stream leads.
#[derive(Debug)]
pub(crate) struct StreamConfig {
    pub(crate) endpoint: Endpoint,
    pub(crate) tls: TlsSettings,
    /// For an answer to what was sent.
    pub(crate) timeout: Duration,
}

#[derive(Debug)]
pub(crate) struct ForwardConfig {
    pub(crate) to: StreamConfig,
    pub(crate) shared_key_file: Option<PathBuf>,
    /// `USER:PASSWORD`; only with a shared key.
    pub(crate) user_file: Option<PathBuf>,
    /// Not zstd.
    pub(crate) codec: Codec,
}

impl StreamConfig {
    /// Reads the TLS files.
    pub(crate) fn dialer(&self) -> Result<Dialer, StartError> {
        Dialer::new(self.endpoint.clone(), &self.tls).map_err(|error| {
            StartError::new("sink-url", self.endpoint.to_string(), net::with_causes(&error))
        })
    }
}

/// An address of a host and a port, and no more.
pub(super) fn endpoint(text: &str, schemes: &[Scheme]) -> Result<Endpoint, String> {
    let endpoint = Endpoint::of_schemes(text, schemes).map_err(|error| error.to_string())?;
    if endpoint.target() != "/" {
        return Err("expected no more than a host and a port".to_owned());
    }
    Ok(endpoint)
}

pub(super) fn forward(
    args: &Args,
    to: StreamConfig,
    codec: Codec,
    rejections: &mut Rejections,
) -> Option<ForwardConfig> {
    let mut accepted = true;
    let mut reject = |setting: &str, value: &str, reason: &dyn Display| {
        rejections.reject(setting, value, reason);
        accepted = false;
    };
    if let Some(token) = &args.bearer_token_file {
        reject("bearer-token-file", token, &"this sink knows a shared key, users and passwords");
    }
    if let (Some(user), None) = (&args.basic_auth_file, &args.forward_shared_key_file) {
        reject("basic-auth-file", user, &"forward-shared-key-file is missing");
    }
    if args.forward_tag.is_empty() || args.forward_tag.contains(char::is_whitespace) {
        reject("forward-tag", &args.forward_tag, &"expected a tag without spaces");
    }
    let path = |text: &Option<String>| text.as_ref().map(PathBuf::from);
    accepted.then(|| ForwardConfig {
        to,
        shared_key_file: path(&args.forward_shared_key_file),
        user_file: path(&args.basic_auth_file),
        codec,
    })
}
