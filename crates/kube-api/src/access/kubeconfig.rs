//! Kubeconfig files, as client-go reads them.
//!
//! In go paths, out comes what the context says. Of several files, the first that has a cluster,
//! user or context of a name wins, and the first that has a current context. Paths in a file are
//! relative to it. Only what is chosen is looked at: a mistake in another cluster's entry is no
//! error.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use manifest::{Limits, ManifestError};
use serde_json::Value;

use super::place::Place;
use super::{AccessError, Found, Server, read};
use crate::credential::{Identity, Proof};
use crate::exec::{ApiVersion, Plugin};
use crate::secret::{Certificate, Secret, basic};
use crate::trust::Trust;

/// A kubeconfig of a thousand clusters with certificates has less.
const FILE_BYTES_MAX: usize = 16 << 20;
/// Under which a cluster holds what is meant for plugins.
const PLUGIN_EXTENSION: &str = "client.authentication.k8s.io/exec";

/// What the context, or the current one, says.
pub(super) fn find(files: &[PathBuf], context: Option<&str>) -> Result<Found, AccessError> {
    let contents = files.iter().map(|file| contents(file)).collect::<Result<Vec<_>, _>>()?;
    let roots: Vec<Place<'_>> =
        files.iter().zip(&contents).map(|(file, value)| Place::root(file, value)).collect();
    let last = roots.last().ok_or(AccessError::Nowhere)?;
    let name = match context {
        Some(name) => name,
        None => first(&roots, |root| root.text("current-context"))?
            .ok_or_else(|| last.error("current-context", "is not set"))?,
    };
    let entry = |list: &str, inner: &str, name: &str| {
        let found = first(&roots, |root| root.named(list, name))?;
        let found = found.ok_or_else(|| last.error(&format!("{list}[{name}]"), "is missing"))?;
        found.map(inner)?.ok_or_else(|| found.error(inner, "is not set"))
    };
    let context = entry("contexts", "context", name)?;
    let cluster = entry("clusters", "cluster", context.needed("cluster")?)?;
    let identity = match context.text("user")? {
        Some(user) => identity(&entry("users", "user", user)?, &cluster)?,
        None => Identity::default(),
    };
    let server = cluster.needed("server")?;
    let server = Server::parse(server).map_err(|error| cluster.error("server", error))?;
    if cluster.text("proxy-url")?.is_some() {
        return Err(cluster.error("proxy-url", "is not supported; use --server with kubectl proxy"));
    }
    Ok(Found {
        server,
        server_name: cluster.text("tls-server-name")?.map(str::to_owned),
        trust: trust(&cluster)?,
        identity,
        namespace: context.text("namespace")?.map(str::to_owned),
        in_cluster: false,
    })
}

fn first<'a, T>(
    roots: &[Place<'a>],
    look: impl Fn(&Place<'a>) -> Result<Option<T>, AccessError>,
) -> Result<Option<T>, AccessError> {
    roots.iter().find_map(|root| look(root).transpose()).transpose()
}

fn contents(file: &Path) -> Result<Value, AccessError> {
    let syntax = |reason: String| AccessError::Syntax { file: file.to_owned(), reason };
    let mut text = String::new();
    // One byte more than it may have, which `yaml` refuses.
    File::open(file)
        .and_then(|file| file.take(FILE_BYTES_MAX as u64 + 1).read_to_string(&mut text))
        .map_err(|source| {
            let what = "the kubeconfig";
            AccessError::File { what, file: file.to_owned(), source }
        })?;
    let value = yaml(&text).map_err(|error| syntax(net::with_causes(&error)))?;
    if !(value.is_object() || value.is_null()) {
        return Err(syntax("it is not a mapping".to_owned()));
    }
    Ok(value)
}

/// The first document; null if there is none.
fn yaml(text: &str) -> Result<Value, ManifestError> {
    let limits = Limits { bytes_max: FILE_BYTES_MAX, ..Limits::default() };
    let documents = manifest::read(text, &limits)?;
    Ok(documents.into_iter().next().map_or(Value::Null, |document| document.value))
}

fn trust(cluster: &Place<'_>) -> Result<Trust, AccessError> {
    let file = cluster.path("certificate-authority")?;
    let data = cluster.data("certificate-authority-data")?;
    if cluster.flag("insecure-skip-tls-verify")? {
        if file.is_some() || data.is_some() {
            let reason = "has no meaning with a certificate authority";
            return Err(cluster.error("insecure-skip-tls-verify", reason));
        }
        return Ok(Trust::Insecure);
    }
    Ok(match (data, file) {
        (Some(data), _) => Trust::CaPem(data.bytes().to_vec()),
        (None, Some(file)) => Trust::CaFile(file),
        (None, None) => Trust::System,
    })
}

fn identity(user: &Place<'_>, cluster: &Place<'_>) -> Result<Identity, AccessError> {
    if let Some(provider) = user.map("auth-provider")? {
        let reason = "is not supported, nor by kubectl since 1.26; use an exec plugin";
        return Err(provider.error("", reason));
    }
    let certificate = certificate(user)?;
    let impersonation = impersonation(user)?;
    Ok(Identity { proof: proof(user, cluster)?, certificate, impersonation })
}

fn proof(user: &Place<'_>, cluster: &Place<'_>) -> Result<Proof, AccessError> {
    let fixed = match user.text("token")? {
        None => None,
        Some(token) => {
            let bearer = Secret::new(token).bearer();
            Some(bearer.ok_or_else(|| user.error("token", "holds what no header can"))?)
        }
    };
    let name = user.text("username")?;
    let password = user.text("password")?;
    let token_file = user.path("tokenFile")?;
    let is_basic = name.is_some() || password.is_some();
    if is_basic && (fixed.is_some() || token_file.is_some()) {
        return Err(user.error("username", "only one of a token and a password can be sent"));
    }
    match (token_file, fixed) {
        (Some(file), fixed) => return Proof::token_file(file, fixed),
        (None, Some(token)) => return Ok(Proof::Fixed(token)),
        (None, None) => {}
    }
    if is_basic {
        let header = basic(name.unwrap_or_default(), &Secret::new(password.unwrap_or_default()));
        let header = header.ok_or_else(|| user.error("password", "holds what no header can"))?;
        return Ok(Proof::Fixed(header));
    }
    match user.map("exec")? {
        Some(exec) => Ok(Proof::Plugin(Box::new(plugin(&exec, cluster)?))),
        None => Ok(Proof::None),
    }
}

fn certificate(user: &Place<'_>) -> Result<Option<Certificate>, AccessError> {
    let part = |data: &str, file: &str, what: &'static str| match user.data(data)? {
        Some(data) => Ok(Some(data)),
        None => user.path(file)?.map(|file| read(what, &file)).transpose(),
    };
    let chain = part("client-certificate-data", "client-certificate", "the client certificate")?;
    let key = part("client-key-data", "client-key", "the client key")?;
    match (chain, key) {
        (None, None) => Ok(None),
        (Some(chain), Some(key)) => Ok(Some(Certificate { chain, key })),
        (Some(_), None) => Err(user.error("client-key", "is missing for the client certificate")),
        (None, Some(_)) => Err(user.error("client-certificate", "is missing for the client key")),
    }
}

fn impersonation(user: &Place<'_>) -> Result<HeaderMap, AccessError> {
    let mut headers = HeaderMap::new();
    let mut add = |name: &str, place: &Place<'_>, key: &str, text: &str| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok();
        let value = HeaderValue::from_str(text).ok();
        let (Some(name), Some(value)) = (name, value) else {
            return Err(place.error(key, "holds what no header can"));
        };
        headers.append(name, value);
        Ok(())
    };
    for (key, name) in [("as", "impersonate-user"), ("as-uid", "impersonate-uid")] {
        if let Some(text) = user.text(key)? {
            add(name, user, key, text)?;
        }
    }
    for group in user.texts("as-groups")? {
        add("impersonate-group", user, "as-groups", group)?;
    }
    if let Some(extra) = user.map("as-user-extra")? {
        for (key, values) in extra.fields() {
            let name = format!("impersonate-extra-{}", crate::segment(key));
            for text in extra.texts(key)? {
                add(&name, &values, "", text)?;
            }
        }
    }
    if !headers.is_empty() && !headers.contains_key("impersonate-user") {
        return Err(user.error("as", "is not set, but other impersonation is"));
    }
    Ok(headers)
}

fn plugin(exec: &Place<'_>, cluster: &Place<'_>) -> Result<Plugin, AccessError> {
    let command = exec.needed("command")?;
    // Without a slash it is looked for in PATH.
    let command = if command.contains('/') { exec.beside(command) } else { command.into() };
    let api_version = exec.needed("apiVersion")?;
    let api_version = ApiVersion::parse(api_version).ok_or_else(|| {
        let reason = format!("'{api_version}' is not supported; known are {}", ApiVersion::KNOWN);
        exec.error("apiVersion", reason)
    })?;
    match exec.text("interactiveMode")? {
        Some("Never" | "IfAvailable") => {}
        None if api_version == ApiVersion::V1Beta1 => {}
        None => return Err(exec.error("interactiveMode", "is not set")),
        Some("Always") => {
            let reason = "'Always' is not supported: nobody is there to ask";
            return Err(exec.error("interactiveMode", reason));
        }
        Some(other) => {
            let reason = format!("'{other}' is none of Never, IfAvailable and Always");
            return Err(exec.error("interactiveMode", reason));
        }
    }
    let mut env = Vec::new();
    for item in exec.list("env")? {
        let value = item.text("value")?.unwrap_or_default();
        env.push((item.needed("name")?.to_owned(), value.to_owned()));
    }
    let extension = cluster.named("extensions", PLUGIN_EXTENSION)?;
    let extension = extension.and_then(|place| place.value().get("extension").cloned());
    Ok(Plugin {
        command,
        args: exec.texts("args")?.into_iter().map(str::to_owned).collect(),
        env,
        api_version,
        install_hint: exec.text("installHint")?.map(str::to_owned),
        provide_cluster: exec.flag("provideClusterInfo")?,
        extension,
        cluster: None,
    })
}

#[cfg(test)]
mod tests;
