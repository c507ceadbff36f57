//! Where the API server is, and who we are.
//!
//! In go flags and variables, out comes an [`Access`]: an address, whom to trust and what to show,
//! or an error that names the file, the key and the value. Nothing is asked and no plugin runs
//! here. Over plain http no credential is sent, as with kubectl. Flags win over what was found;
//! with `--server` alone nothing is looked for, so that no credential goes to a server for which it
//! was not meant.

mod in_cluster;
mod kubeconfig;
mod place;
mod proxy;
mod server;

use std::io;
use std::path::PathBuf;

use net::{EndpointError, TlsError};
use thiserror::Error;

pub(crate) use self::server::Server;
use crate::credential::{Identity, Proof};
use crate::secret::{Certificate, Secret};
use crate::trust::{Roots, Trust};

/// What was typed. All of it is optional.
#[derive(Debug, Clone, Default)]
pub struct AccessOptions {
    /// Read this kubeconfig, and not those of `KUBECONFIG`.
    pub kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig instead of its current one.
    pub context: Option<String>,
    /// `http` or `https`. Without `kubeconfig` and `context`, no kubeconfig is read.
    pub server: Option<String>,
    /// Holds a bearer token. This and the client certificate replace the user of a kubeconfig.
    pub token_file: Option<PathBuf>,
    pub certificate_authority: Option<PathBuf>,
    /// PEM. Needs `client_key`.
    pub client_certificate: Option<PathBuf>,
    pub client_key: Option<PathBuf>,
    pub insecure_skip_tls_verify: bool,
    /// The name in the server's certificate, if it is not the one in its address.
    pub tls_server_name: Option<String>,
    /// Holds `token`, `ca.crt` and `namespace` in a pod, if not at the usual place.
    pub service_account: Option<PathBuf>,
}

/// A server, whom it has to prove to be, and who we are to it.
#[derive(Debug, Clone)]
pub struct Access {
    pub(crate) server: Server,
    pub(crate) server_name: Option<String>,
    pub(crate) roots: Roots,
    pub(crate) identity: Identity,
    namespace: Option<String>,
    in_cluster: bool,
}

/// Why there is no access. No text shows a secret.
#[derive(Debug, Error)]
pub enum AccessError {
    #[error(
        "no API server is known: there is no --server and no kubeconfig, and this is not a pod \
         with a service account"
    )]
    Nowhere,
    #[error("cannot read {what} from '{}'", file.display())]
    File {
        what: &'static str,
        file: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("'{}' is no kubeconfig: {reason}", file.display())]
    Syntax { file: PathBuf, reason: String },
    /// One value of a kubeconfig.
    #[error("'{}': {key}: {reason}", file.display())]
    Value { file: PathBuf, key: String, reason: String },
    /// One flag or variable.
    #[error("{option} '{value}': {reason}")]
    Option { option: &'static str, value: String, reason: String },
    #[error("TLS with {place} cannot be set up")]
    Tls {
        place: String,
        #[source]
        source: TlsError,
    },
    /// The program that a kubeconfig names to get a credential.
    #[error("exec plugin '{command}': {reason}")]
    Plugin { command: String, reason: String },
}

/// What a place tells, before flags change it.
#[derive(Debug)]
struct Found {
    server: Server,
    server_name: Option<String>,
    trust: Trust,
    identity: Identity,
    namespace: Option<String>,
    in_cluster: bool,
}

impl Access {
    /// Looks at `--server`, then the kubeconfigs of `--kubeconfig` or `KUBECONFIG`, then
    /// `~/.kube/config`, then the service account of the pod, in the order of kubectl. The files of
    /// `KUBECONFIG` are separated by colons, and the first that has a name wins.
    ///
    /// # Errors
    /// No server, or a value that cannot be used.
    pub fn find(
        options: &AccessOptions,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, AccessError> {
        let (place, found) = found(options, &variable)?;
        let mut access = with_options(found, options)?;
        if !access.server.is_tls() {
            access.identity = Identity::default();
        }
        if let Proof::Plugin(plugin) = &mut access.identity.proof {
            plugin.know_cluster(&access.server, access.server_name.as_deref(), &access.roots);
        }
        tracing::info!(server = access.server(), place, "API server found");
        if let Some(variable) = proxy::ignored(access.server.endpoint(), &variable) {
            tracing::warn!(
                variable,
                "A proxy is set and ignored: run `kubectl proxy`, which uses it, and give its \
                 address as --server"
            );
        }
        Ok(access)
    }

    /// Scheme, host, port and path of the server.
    #[must_use]
    pub fn server(&self) -> &str {
        self.server.text()
    }

    /// Of the context or the service account.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Whether the service account of the pod was taken.
    #[must_use]
    pub fn is_in_cluster(&self) -> bool {
        self.in_cluster
    }
}

/// With a word for where it was.
fn found(
    options: &AccessOptions,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<(&'static str, Found), AccessError> {
    let context = options.context.as_deref();
    if let Some(file) = &options.kubeconfig {
        let found = kubeconfig::find(std::slice::from_ref(file), context)?;
        return Ok(("--kubeconfig", found));
    }
    if let (Some(text), None) = (&options.server, context) {
        let found = Found {
            server: typed_server(text)?,
            server_name: None,
            trust: Trust::System,
            identity: Identity::default(),
            namespace: None,
            in_cluster: false,
        };
        return Ok(("--server", found));
    }
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    if let Some(list) = set("KUBECONFIG") {
        let files = list.split(':').filter(|file| !file.is_empty()).map(PathBuf::from);
        // As with kubectl, a file of the list need not exist.
        let present: Vec<PathBuf> = files.clone().filter(|file| file.exists()).collect();
        let files = if present.is_empty() { files.collect() } else { present };
        return Ok(("KUBECONFIG", kubeconfig::find(&files, context)?));
    }
    let home = set("HOME").map(|home| PathBuf::from(home).join(".kube/config"));
    if let Some(file) = home.filter(|file| file.exists() || context.is_some()) {
        return Ok(("~/.kube/config", kubeconfig::find(&[file], context)?));
    }
    match in_cluster::find(options.service_account.as_deref(), &set)? {
        Some(found) if context.is_none() => Ok(("the pod's service account", found)),
        _ => Err(AccessError::Nowhere),
    }
}

fn with_options(found: Found, options: &AccessOptions) -> Result<Access, AccessError> {
    let Found { server, server_name, trust, identity, namespace, in_cluster } = found;
    let server = match &options.server {
        Some(text) => typed_server(text)?,
        None => server,
    };
    let trust = match (&options.certificate_authority, options.insecure_skip_tls_verify) {
        (Some(file), false) => Trust::CaFile(file.clone()),
        (None, true) => Trust::Insecure,
        (None, false) => trust,
        (Some(file), true) => {
            let reason = "has no meaning with --insecure-skip-tls-verify";
            return Err(AccessError::typed("--certificate-authority", file, reason));
        }
    };
    let roots = if server.is_tls() { trust.read(&Roots::Public)? } else { Roots::Public };
    let identity = typed_identity(options, &server)?.unwrap_or(identity);
    let server_name = options.tls_server_name.clone().or(server_name);
    Ok(Access { server, server_name, roots, identity, namespace, in_cluster })
}

fn typed_server(text: &str) -> Result<Server, AccessError> {
    let show = |error: EndpointError| match error {
        // It has a password in it.
        EndpointError::UserInfo => AccessError::typed("--server", "…".as_ref(), error),
        error => AccessError::typed("--server", text.as_ref(), error),
    };
    Server::parse(text).map_err(show)
}

/// None if no flag says who we are.
fn typed_identity(
    options: &AccessOptions,
    server: &Server,
) -> Result<Option<Identity>, AccessError> {
    let mut identity = Identity::default();
    let flags = [
        ("--token-file", &options.token_file),
        ("--client-certificate", &options.client_certificate),
        ("--client-key", &options.client_key),
    ];
    let Some((flag, file)) =
        flags.into_iter().find_map(|(flag, file)| Some((flag, file.as_ref()?)))
    else {
        return Ok(None);
    };
    if !server.is_tls() {
        return Err(AccessError::typed(flag, file, "no credential is sent over plain http"));
    }
    if let Some(file) = &options.token_file {
        identity.proof = Proof::token_file(file.clone(), None)?;
    }
    identity.certificate = match (&options.client_certificate, &options.client_key) {
        (None, None) => None,
        (Some(chain), Some(key)) => Some(Certificate {
            chain: read("the client certificate", chain)?,
            key: read("the client key", key)?,
        }),
        (Some(file), None) => {
            return Err(AccessError::typed("--client-certificate", file, "needs --client-key"));
        }
        (None, Some(file)) => {
            return Err(AccessError::typed("--client-key", file, "needs --client-certificate"));
        }
    };
    Ok(Some(identity))
}

fn read(what: &'static str, file: &std::path::Path) -> Result<Secret, AccessError> {
    let error = |source| AccessError::File { what, file: file.to_owned(), source };
    std::fs::read(file).map(Secret::new).map_err(error)
}

impl AccessError {
    fn typed(
        option: &'static str,
        value: &std::path::Path,
        reason: impl std::fmt::Display,
    ) -> Self {
        Self::Option { option, value: value.display().to_string(), reason: reason.to_string() }
    }
}

#[cfg(test)]
mod tests;
