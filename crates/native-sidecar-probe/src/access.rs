//! The flags of every command that talks to an API server.
//!
//! In go the flags as typed and the usual variables of kubectl, out come a client and the namespace
//! to look at. All values are read before anything is asked; a kubeconfig that cannot be used is a
//! rejected setting.

use std::path::PathBuf;

use kube_api::{Access, AccessError, AccessOptions, Api, Limits};
use sidecar_runtime::{Rejections, setting};

/// Where objects are if nobody says so.
const DEFAULT_NAMESPACE: &str = "default";

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "API server")]
pub(crate) struct Args {
    /// Kubeconfig; without it those of KUBECONFIG, ~/.kube/config, or the pod's service account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<String>,
    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Address of the API server, such as http://localhost:8001 of `kubectl proxy`
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// File with a bearer token
    #[arg(long, value_name = "FILE")]
    token_file: Option<String>,
    /// PEM file of the authorities that the server's certificate has to be from
    #[arg(long, value_name = "FILE")]
    certificate_authority: Option<String>,
    /// PEM file of a client certificate
    #[arg(long, value_name = "FILE")]
    client_certificate: Option<String>,
    /// PEM file of the client certificate's key
    #[arg(long, value_name = "FILE")]
    client_key: Option<String>,
    /// Accepts any certificate of the server
    #[arg(long)]
    insecure_skip_tls_verify: bool,
    /// Name in the server's certificate, if not the one in its address
    #[arg(long, value_name = "NAME")]
    tls_server_name: Option<String>,
    /// Folder with the pod's token, ca.crt and namespace, if not the usual one
    #[arg(long, value_name = "DIR")]
    service_account_dir: Option<String>,
    /// Namespace; without it that of the context or the pod
    #[arg(long, short, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// Time limit of one request
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    request_timeout: String,
}

/// A client, and the namespace to look at.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) api: Api,
    pub(crate) namespace: String,
}

/// None if a value was rejected. Nothing has been asked yet.
pub(crate) fn api(args: &Args, rejections: &mut Rejections) -> Option<Connection> {
    let timeout =
        rejections.parse("request-timeout", &args.request_timeout, setting::positive_duration);
    let namespace = match &args.namespace {
        None => Some(None),
        Some(name) => rejections.parse("namespace", name, namespace_name).map(Some),
    };
    let access = Access::find(&options(args), |name| std::env::var(name).ok())
        .map_err(|error| reject(&error, args, rejections))
        .ok();
    let (access, namespace) = (access?, namespace?);
    let namespace = namespace
        .or_else(|| access.namespace().map(str::to_owned))
        .unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
    let limits = Limits { request_timeout: timeout?, ..Limits::default() };
    let api = Api::new(access, limits).map_err(|error| reject(&error, args, rejections)).ok()?;
    Some(Connection { api, namespace })
}

fn options(args: &Args) -> AccessOptions {
    let path = |text: &Option<String>| text.as_ref().map(PathBuf::from);
    AccessOptions {
        kubeconfig: path(&args.kubeconfig),
        context: args.context.clone(),
        server: args.server.clone(),
        token_file: path(&args.token_file),
        certificate_authority: path(&args.certificate_authority),
        client_certificate: path(&args.client_certificate),
        client_key: path(&args.client_key),
        insecure_skip_tls_verify: args.insecure_skip_tls_verify,
        tls_server_name: args.tls_server_name.clone(),
        service_account: path(&args.service_account_dir),
    }
}

/// Names the flag where one is to blame, and where the API server was found elsewhere.
fn reject(error: &AccessError, args: &Args, rejections: &mut Rejections) {
    let file = match error {
        AccessError::Option { option, value, reason } => {
            return rejections.reject(option.trim_start_matches('-'), value, reason);
        }
        AccessError::Nowhere => return rejections.reject("server", "", error),
        AccessError::File { file, .. } => file.to_str(),
        AccessError::Tls { place, .. } => Some(place.as_str()),
        _ => None,
    };
    let files = [
        ("token-file", &args.token_file),
        ("certificate-authority", &args.certificate_authority),
        ("client-certificate", &args.client_certificate),
        ("client-key", &args.client_key),
    ];
    let given = files.into_iter().find(|(_, given)| given.is_some() && given.as_deref() == file);
    let (flag, value) = match (given, &args.kubeconfig, &args.server) {
        (Some(blamed), _, _) => blamed,
        (None, None, server @ Some(_)) => ("server", server),
        (None, kubeconfig, _) => ("kubeconfig", kubeconfig),
    };
    rejections.reject(flag, value.as_deref().unwrap_or_default(), net::with_causes(error));
}

/// It becomes a part of paths.
fn namespace_name(text: &str) -> Result<String, &'static str> {
    let is_name = |text: &str| {
        text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !text.starts_with('-')
            && !text.ends_with('-')
    };
    match text.len() {
        1..=63 if is_name(text) => Ok(text.to_owned()),
        _ => Err("expected lower-case letters, digits and dashes, at most 63"),
    }
}
