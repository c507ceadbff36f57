//! TLS settings as files, and the rustls configuration made from them.
//!
//! In go the paths, out comes one shared client configuration, or an error that names the file. A
//! peer is verified unless the caller turns that off ([`crate::Dialing`], [`Authorities::Any`]).
//! nginx-adapter does, whose predecessor does not verify either unless asked to: a status page on
//! loopback seldom has a certificate for its name; and native-sidecar-probe if told so, for
//! kubelets sign their certificates themselves. A private authority is no reason, it is what
//! `ca_file` is for, and log-shipper has no such flag. With a `ca_file` only that file is trusted.
//! The files are read once, at the start, so a bad one is a start failure and not a surprise later.
//! Who has the PEM text itself makes a [`TlsClient`] of it.

mod client;
mod given;
mod unverified;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

pub use self::client::{Authorities, PemIdentity, TlsClient};
use self::given::Given;
use self::unverified::Unverified;

/// Trusted besides the built-in roots, so that an authority added to the image counts.
const SYSTEM_CA_FILE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// PEM files for TLS. All of them are optional.
#[derive(Debug, Clone)]
pub struct TlsSettings {
    /// Trust these authorities only. Without it: the public ones and those of the system.
    pub ca_file: Option<PathBuf>,
    /// Certificate chain that shows who we are. Needs `client_key`.
    pub client_cert: Option<PathBuf>,
    /// Private key of `client_cert`.
    pub client_key: Option<PathBuf>,
}

/// Why TLS cannot be set up. All of these are start failures.
#[derive(Debug, Error)]
pub enum TlsError {
    #[error("cannot read {what} from '{}'", file.display())]
    Pem {
        what: &'static str,
        file: PathBuf,
        #[source]
        source: pem::Error,
    },
    #[error("no certificate in '{}'", file.display())]
    NoCertificate { file: PathBuf },
    #[error("a certificate in '{}' is not usable", file.display())]
    BadCertificate {
        file: PathBuf,
        #[source]
        source: rustls::Error,
    },
    #[error("cannot read {what}")]
    PemText {
        what: &'static str,
        #[source]
        source: pem::Error,
    },
    #[error("no usable certificate among {what}")]
    NoCertificateIn { what: &'static str },
    #[error("an https endpoint needs TLS settings")]
    NoSettings,
    #[error("client certificate and client key belong together, but only one of them is set")]
    HalfIdentity,
    #[error("client certificate and key are not usable")]
    Identity(#[source] rustls::Error),
    #[error("no usable TLS version")]
    Versions(#[source] rustls::Error),
    #[error("'{host}' cannot be verified by a certificate")]
    ServerName { host: String },
}

pub(crate) fn client_config(
    settings: &TlsSettings,
    verify: bool,
) -> Result<Arc<ClientConfig>, TlsError> {
    let ca_file = settings.ca_file.as_deref();
    let roots = match verify {
        true => Some(roots(ca_file)?),
        // A file that cannot be used is a mistake, whether it is needed or not.
        false => ca_file.map(|file| roots(Some(file))).transpose()?.and(None),
    };
    configure(roots, identity(settings)?)
}

/// Whose certificates are believed.
struct Roots {
    store: RootCertStore,
    /// What is in it, if somebody chose that; empty for the public authorities.
    given: Vec<CertificateDer<'static>>,
}

/// Without roots, every certificate is accepted.
fn configure(
    roots: Option<Roots>,
    identity: Option<Identity>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Versions)?;
    let builder = match roots {
        Some(Roots { store, given }) if given.is_empty() => builder.with_root_certificates(store),
        Some(Roots { store, given: certificates }) => {
            let library = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider)
                .build()
                .expect("there are authorities, and no lists of revoked certificates");
            let verifier = Arc::new(Given { library, certificates });
            builder.dangerous().with_custom_certificate_verifier(verifier)
        }
        None => {
            let accept = Arc::new(Unverified { algorithms });
            builder.dangerous().with_custom_certificate_verifier(accept)
        }
    };
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            builder.with_client_auth_cert(chain, key).map_err(TlsError::Identity)?
        }
    };
    Ok(Arc::new(config))
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(settings: &TlsSettings) -> Result<Option<Identity>, TlsError> {
    match (&settings.client_cert, &settings.client_key) {
        (None, None) => Ok(None),
        (Some(cert_file), Some(key_file)) => {
            let chain = certificates("the client certificate", cert_file)?;
            let key = PrivateKeyDer::from_pem_file(key_file).map_err(|source| TlsError::Pem {
                what: "the client key",
                file: key_file.clone(),
                source,
            })?;
            Ok(Some((chain, key)))
        }
        (Some(_), None) | (None, Some(_)) => Err(TlsError::HalfIdentity),
    }
}

fn roots(ca_file: Option<&Path>) -> Result<Roots, TlsError> {
    let mut store = RootCertStore::empty();
    if let Some(file) = ca_file {
        let given = certificates("the certificate authorities", file)?;
        for certificate in &given {
            store
                .add(certificate.clone())
                .map_err(|source| TlsError::BadCertificate { file: file.to_owned(), source })?;
        }
        return Ok(Roots { store, given });
    }
    store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    match certificates("the system's certificate authorities", Path::new(SYSTEM_CA_FILE)) {
        Ok(system) => {
            let (added, ignored) = store.add_parsable_certificates(system);
            tracing::debug!(
                added,
                ignored,
                file = SYSTEM_CA_FILE,
                "System authorities are trusted"
            );
        }
        Err(TlsError::Pem { source: pem::Error::Io(error), .. })
            if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(Roots { store, given: Vec::new() })
}

fn certificates(what: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem_error = |source| TlsError::Pem { what, file: file.to_owned(), source };
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(pem_error)?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { file: file.to_owned() });
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(ca: Option<&str>, cert: Option<&str>, key: Option<&str>) -> TlsSettings {
        TlsSettings {
            ca_file: ca.map(PathBuf::from),
            client_cert: cert.map(PathBuf::from),
            client_key: key.map(PathBuf::from),
        }
    }

    #[test]
    fn a_bad_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "nothing here").unwrap();
        let text = |ca: &str| {
            client_config(&settings(Some(ca), None, None), true).unwrap_err().to_string()
        };
        assert!(text("/nowhere/ca.pem").contains("'/nowhere/ca.pem'"));
        assert!(text(empty.to_str().unwrap()).contains("empty.pem"));
    }

    #[test]
    fn half_an_identity_is_refused() {
        let error = client_config(&settings(None, Some("/c.pem"), None), true).unwrap_err();
        assert!(matches!(error, TlsError::HalfIdentity));
    }

    #[test]
    fn the_default_roots_load() {
        client_config(&settings(None, None, None), true).unwrap();
    }

    #[test]
    fn files_are_read_even_if_nothing_is_verified() {
        client_config(&settings(None, None, None), false).unwrap();
        let error = client_config(&settings(Some("/nowhere/ca.pem"), None, None), false);
        assert!(matches!(error.unwrap_err(), TlsError::Pem { .. }));
    }
}
