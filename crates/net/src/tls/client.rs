//! TLS settings as PEM text, for a caller that did not get them as files.
//!
//! In go the authorities and an identity, out comes one configuration that any number of clients
//! share, with the sessions that servers let it resume. A certificate of a bundle that cannot be
//! used is left out, as Go does with the bundles of Kubernetes; a bundle without any usable one is
//! an error. Writing the text to files for [`super::TlsSettings`] was not taken: keys belong in
//! memory only.

use std::fmt;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{Identity, Roots, TlsError, configure, roots};

const AUTHORITIES: &str = "the certificate authorities";

/// What a client trusts and how it shows itself.
#[derive(Clone)]
pub struct TlsClient(pub(crate) Arc<ClientConfig>);

/// Whose servers are believed.
#[derive(Debug, Clone, Copy)]
pub enum Authorities<'a> {
    /// The public ones and those of the system.
    Public,
    /// Those of this PEM text only.
    Pem(&'a [u8]),
    /// Anybody's: no certificate is looked at.
    Any,
}

/// A client certificate and its key, both PEM text.
#[derive(Clone, Copy)]
pub struct PemIdentity<'a> {
    pub chain: &'a [u8],
    pub key: &'a [u8],
}

impl TlsClient {
    /// # Errors
    /// Text that is no PEM, holds no usable certificate, or a key that does not fit.
    pub fn new(
        authorities: Authorities<'_>,
        identity: Option<PemIdentity<'_>>,
    ) -> Result<Self, TlsError> {
        let trusted = match authorities {
            Authorities::Any => None,
            Authorities::Public => Some(roots(None)?),
            Authorities::Pem(text) => Some(roots_in(text)?),
        };
        Ok(Self(configure(trusted, identity.map(identity_in).transpose()?)?))
    }
}

fn roots_in(text: &[u8]) -> Result<Roots, TlsError> {
    let mut store = RootCertStore::empty();
    let given = certificates(AUTHORITIES, text)?;
    let (added, ignored) = store.add_parsable_certificates(given.iter().cloned());
    if added == 0 {
        return Err(TlsError::NoCertificateIn { what: AUTHORITIES });
    }
    tracing::debug!(added, ignored, "Authorities are trusted");
    Ok(Roots { store, given })
}

fn identity_in(identity: PemIdentity<'_>) -> Result<Identity, TlsError> {
    let what = "the client certificate";
    let chain = certificates(what, identity.chain)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificateIn { what });
    }
    let key = PrivateKeyDer::from_pem_slice(identity.key)
        .map_err(|source| TlsError::PemText { what: "the client key", source })?;
    Ok((chain, key))
}

fn certificates(what: &'static str, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_slice_iter(text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsError::PemText { what, source })
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").finish_non_exhaustive()
    }
}

impl fmt::Debug for PemIdentity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PemIdentity").finish_non_exhaustive()
    }
}
