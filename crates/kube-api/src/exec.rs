//! Credentials from a program, as kubeconfigs of cloud providers name one.
//!
//! In go the command and what it is told about the cluster, out comes a credential or an error with
//! the last line that the program wrote to standard error. It is never asked to talk to a person:
//! its standard input is empty and it is told so. Its output and its time have limits, and a
//! program that is over its time is killed.

use std::fmt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use crate::access::{AccessError, Server};
use crate::credential::Credential;
use crate::secret::{Certificate, Secret};
use crate::trust::Roots;

/// For a plugin that asks a server of its own.
const PLUGIN_TIMEOUT: Duration = Duration::from_secs(30);
/// Of standard output and of standard error. A token with a certificate has a few KiB.
const OUTPUT_BYTES_MAX: u64 = 1 << 20;
/// Of the line of standard error that is shown.
const LINE_CHARS_MAX: usize = 300;
const EXEC_INFO: &str = "KUBERNETES_EXEC_INFO";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApiVersion {
    V1Beta1,
    V1,
}

/// How the program is run.
#[derive(Clone)]
pub(crate) struct Plugin {
    pub(crate) command: PathBuf,
    pub(crate) args: Vec<String>,
    /// Besides our own.
    pub(crate) env: Vec<(String, String)>,
    pub(crate) api_version: ApiVersion,
    pub(crate) install_hint: Option<String>,
    pub(crate) provide_cluster: bool,
    /// The cluster's own words to plugins.
    pub(crate) extension: Option<Value>,
    /// What it is told, if `provide_cluster`.
    pub(crate) cluster: Option<Value>,
}

impl ApiVersion {
    pub(crate) const KNOWN: &str =
        "client.authentication.k8s.io/v1 and client.authentication.k8s.io/v1beta1";

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::V1, Self::V1Beta1].into_iter().find(|version| version.text() == text)
    }

    fn text(self) -> &'static str {
        match self {
            Self::V1 => "client.authentication.k8s.io/v1",
            Self::V1Beta1 => "client.authentication.k8s.io/v1beta1",
        }
    }
}

impl Plugin {
    /// Keeps what the program is told about the cluster, if it is to be told.
    pub(crate) fn know_cluster(&mut self, server: &Server, name: Option<&str>, roots: &Roots) {
        if !self.provide_cluster {
            return;
        }
        let mut cluster = Map::new();
        cluster.insert("server".to_owned(), server.typed().into());
        if let Some(name) = name {
            cluster.insert("tls-server-name".to_owned(), name.into());
        }
        match roots {
            Roots::Pem { text, .. } => {
                let data = STANDARD.encode(text).into();
                cluster.insert("certificate-authority-data".to_owned(), data);
            }
            Roots::Any => {
                cluster.insert("insecure-skip-tls-verify".to_owned(), true.into());
            }
            Roots::Public => {}
        }
        if let Some(extension) = &self.extension {
            cluster.insert("config".to_owned(), extension.clone());
        }
        self.cluster = Some(cluster.into());
    }

    /// Runs the program once.
    pub(crate) async fn run(&self) -> Result<Credential, AccessError> {
        let mut command = Command::new(&self.command);
        command.args(&self.args).envs(self.env.iter().map(|(name, value)| (name, value)));
        command.env(EXEC_INFO, self.info().to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| self.not_started(&error))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let run = async {
            tokio::try_join!(bounded(stdout), bounded(stderr), async {
                child.wait().await.map_err(|error| error.to_string())
            })
        };
        let (stdout, stderr, status) = tokio::time::timeout(PLUGIN_TIMEOUT, run)
            .await
            .map_err(|_elapsed| self.error(format!("no answer within {PLUGIN_TIMEOUT:?}")))?
            .map_err(|reason| self.error(reason))?;
        if !status.success() {
            return Err(self.error(failed(status, &stderr)));
        }
        let answer = serde_json::from_slice(&stdout)
            .map_err(|error| self.error(format!("its output is not JSON: {}", place(&error))))?;
        credential(&answer, self.api_version).map_err(|reason| self.error(reason))
    }

    /// What the program is told.
    fn info(&self) -> Value {
        let mut spec = Map::new();
        if let Some(cluster) = &self.cluster {
            spec.insert("cluster".to_owned(), cluster.clone());
        }
        spec.insert("interactive".to_owned(), false.into());
        json!({ "kind": "ExecCredential", "apiVersion": self.api_version.text(), "spec": spec })
    }

    fn not_started(&self, error: &std::io::Error) -> AccessError {
        match &self.install_hint {
            None => self.error(format!("cannot be started: {error}")),
            Some(hint) => self.error(format!("cannot be started: {error}; {}", hint.trim())),
        }
    }

    fn error(&self, reason: impl Into<String>) -> AccessError {
        let command = self.command.display().to_string();
        AccessError::Plugin { command, reason: reason.into() }
    }
}

async fn bounded(pipe: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    let pipe = pipe.expect("both are piped");
    let read = pipe.take(OUTPUT_BYTES_MAX + 1).read_to_end(&mut text).await;
    match read.map_err(|error| error.to_string())? as u64 > OUTPUT_BYTES_MAX {
        true => Err(format!("its output is larger than {OUTPUT_BYTES_MAX} bytes")),
        false => Ok(text),
    }
}

fn failed(status: ExitStatus, stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    match text.lines().rev().map(str::trim).find(|line| !line.is_empty()) {
        None => format!("ended with {status}"),
        Some(line) => {
            let line: String = line.chars().take(LINE_CHARS_MAX).collect();
            format!("ended with {status}: {line}")
        }
    }
}

/// Where the JSON is wrong, without a piece of it.
fn place(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}

/// Reads the answer of a plugin.
fn credential(answer: &Value, wanted: ApiVersion) -> Result<Credential, String> {
    let text = |at: &str| answer.pointer(at).and_then(Value::as_str).filter(|it| !it.is_empty());
    if text("/kind") != Some("ExecCredential") {
        return Err("its output is no ExecCredential".to_owned());
    }
    let version = text("/apiVersion").unwrap_or_default();
    if version != wanted.text() {
        let wanted = wanted.text();
        return Err(format!("it answered with apiVersion '{version}' instead of '{wanted}'"));
    }
    let authorization = match text("/status/token") {
        None => None,
        Some(token) => Some(Secret::new(token).bearer().ok_or("its token fits in no header")?),
    };
    let chain = text("/status/clientCertificateData");
    let certificate = match (chain, text("/status/clientKeyData")) {
        (None, None) => None,
        (Some(chain), Some(key)) => {
            Some(Arc::new(Certificate { chain: Secret::new(chain), key: Secret::new(key) }))
        }
        _ => return Err("it gave only one of a client certificate and its key".to_owned()),
    };
    if authorization.is_none() && certificate.is_none() {
        return Err("it gave neither a token nor a client certificate".to_owned());
    }
    let expires = match text("/status/expirationTimestamp") {
        None => None,
        Some(time) => Some(moment(time).ok_or("its expirationTimestamp is no time")?),
    };
    Ok(Credential { authorization, certificate, expires, generation: 0 })
}

/// RFC 3339, with Z or an offset.
fn moment(text: &str) -> Option<SystemTime> {
    if let Ok(time) = humantime::parse_rfc3339(text) {
        return Some(time);
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub("+00:00".len())?)?;
    let (sign, offset) = offset.split_at_checked(1)?;
    let (hours, minutes) = offset.split_once(':')?;
    let (hours, minutes): (u64, u64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let offset = Duration::from_secs((hours * 60 + minutes) * 60);
    let local = humantime::parse_rfc3339(&format!("{local}Z")).ok()?;
    match sign {
        "+" => local.checked_sub(offset),
        "-" => local.checked_add(offset),
        _ => None,
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Arguments and variables may hold secrets.
        f.debug_struct("Plugin").field("command", &self.command).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
