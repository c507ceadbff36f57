//! The service account of the pod we run in.
//!
//! In go two variables and a folder, out come the server, its authority, the token's file and the
//! namespace; nothing if this is no pod. The token is read again whenever it is used, because the
//! kubelet replaces it long before it expires.

use std::path::{Path, PathBuf};

use super::{AccessError, Found, Server};
use crate::credential::{Identity, Proof};
use crate::trust::Trust;

const FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const HOST: &str = "KUBERNETES_SERVICE_HOST";
const PORT: &str = "KUBERNETES_SERVICE_PORT";

/// None if a variable is missing, or the token: then nobody gave this pod a service account.
pub(super) fn find(
    folder: Option<&Path>,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<Option<Found>, AccessError> {
    let folder = folder.unwrap_or(Path::new(FOLDER));
    let (Some(host), Some(port)) = (variable(HOST), variable(PORT)) else {
        return Ok(None);
    };
    let token: PathBuf = folder.join("token");
    if !token.exists() {
        return Ok(None);
    }
    // An address of IPv6 comes without brackets.
    let address =
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let server = Server::parse(&format!("https://{address}"))
        .map_err(|error| AccessError::typed(HOST, address.as_ref(), error))?;
    let identity = Identity { proof: Proof::token_file(token, None)?, ..Identity::default() };
    let namespace = std::fs::read_to_string(folder.join("namespace")).ok();
    let namespace = namespace.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    Ok(Some(Found {
        server,
        server_name: None,
        trust: Trust::CaFile(folder.join("ca.crt")),
        identity,
        namespace,
        in_cluster: true,
    }))
}
