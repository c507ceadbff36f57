//! Whose certificate a server may show.
//!
//! In goes what was typed or found, out come the authorities as text or a shared TLS configuration.
//! Files are read when a client is made, so that a bad one is an error at the start.

use std::path::PathBuf;
use std::sync::Arc;

use net::{Authorities, PemIdentity, TlsClient};

use crate::access::AccessError;
use crate::secret::Certificate;

/// Whose servers are believed.
#[derive(Debug, Clone)]
pub enum Trust {
    /// The authorities of this PEM file only.
    CaFile(PathBuf),
    /// The authorities of this PEM text only.
    CaPem(Vec<u8>),
    /// The public authorities and those of the system.
    System,
    /// Anybody.
    Insecure,
    /// The same as for the API server.
    Cluster,
}

/// [`Trust`] with its file read. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum Roots {
    Pem { text: Arc<[u8]>, origin: Arc<str> },
    Public,
    Any,
}

impl Trust {
    /// `cluster` is what [`Trust::Cluster`] stands for.
    pub(crate) fn read(&self, cluster: &Roots) -> Result<Roots, AccessError> {
        match self {
            Self::CaFile(file) => {
                let text = std::fs::read(file).map_err(|source| {
                    let what = "the certificate authorities";
                    AccessError::File { what, file: file.clone(), source }
                })?;
                let origin = file.display().to_string().into();
                Ok(Roots::Pem { text: text.into(), origin })
            }
            Self::CaPem(text) => {
                let origin = "the certificate authority data".into();
                Ok(Roots::Pem { text: text.as_slice().into(), origin })
            }
            Self::System => Ok(Roots::Public),
            Self::Insecure => Ok(Roots::Any),
            Self::Cluster => Ok(cluster.clone()),
        }
    }
}

impl Roots {
    /// A TLS configuration that trusts these and shows `certificate`.
    pub(crate) fn tls(&self, certificate: Option<&Certificate>) -> Result<TlsClient, AccessError> {
        let (authorities, place) = match self {
            Self::Pem { text, origin } => (Authorities::Pem(text), &**origin),
            Self::Public => (Authorities::Public, "the system's authorities"),
            Self::Any => (Authorities::Any, "no authority"),
        };
        let identity = certificate.map(|certificate| PemIdentity {
            chain: certificate.chain.bytes(),
            key: certificate.key.bytes(),
        });
        TlsClient::new(authorities, identity)
            .map_err(|source| AccessError::Tls { place: place.to_owned(), source })
    }
}
