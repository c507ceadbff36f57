//! From the rules about TLS to rustls: certificates, client certificates, versions, suites.
//!
//! In go [`TlsRules`], out comes a server configuration, or an error that names the file. Names of
//! suites and curves are Go's, because that is whose file format this is; what rustls does not have
//! is left out, and nothing left is an error. Names that a client must carry are checked after the
//! handshake, by rustls's own comparison of names.

use std::fs;
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion, version};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use super::{ClientAuth, Pem, TlsRules, WebConfigError};

/// The names that Go gives to key exchange groups.
const CURVES: [(&str, rustls::NamedGroup); 3] = [
    ("X25519", rustls::NamedGroup::X25519),
    ("CurveP256", rustls::NamedGroup::secp256r1),
    ("CurveP384", rustls::NamedGroup::secp384r1),
];

/// What a handshake needs.
pub(super) struct ServerTls {
    pub(super) config: Arc<ServerConfig>,
    /// Names of which a client's certificate must carry one; empty means any.
    client_names: Vec<ServerName<'static>>,
}

pub(super) fn server_tls(rules: &TlsRules) -> Result<ServerTls, WebConfigError> {
    let provider = Arc::new(provider(rules)?);
    let versions: &[&SupportedProtocolVersion] = match (rules.tls12_only, rules.tls13_only) {
        (true, _) => &[&version::TLS12],
        (_, true) => &[&version::TLS13],
        _ => &[&version::TLS13, &version::TLS12],
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|error| WebConfigError::Tls(error.to_string()))?;
    let builder = match &rules.client_ca {
        Some(ca) if rules.client_auth != ClientAuth::None => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates("client_ca", ca)? {
                roots.add(certificate).map_err(|error| at("client_ca", ca, error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = match rules.client_auth {
                ClientAuth::VerifyIfGiven => verifier.allow_unauthenticated(),
                ClientAuth::Require | ClientAuth::None => verifier,
            };
            let verifier = verifier.build().map_err(|error| at("client_ca", ca, error))?;
            builder.with_client_cert_verifier(verifier)
        }
        _ => builder.with_no_client_auth(),
    };
    let chain = certificates("cert", &rules.cert)?;
    let key = PrivateKeyDer::from_pem_slice(&read("key", &rules.key)?)
        .map_err(|error| at("key", &rules.key, error))?;
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| at("cert and key", &rules.cert, error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let names = rules.client_sans.iter().map(|name| {
        ServerName::try_from(name.clone()).map_err(|_invalid| {
            let what = "client_allowed_sans: only DNS names and IP addresses can be checked";
            WebConfigError::Tls(format!("{what}, not {name:?}"))
        })
    });
    let client_names = names.collect::<Result<_, _>>()?;
    Ok(ServerTls { config: Arc::new(config), client_names })
}

impl ServerTls {
    /// Whether the client of a finished handshake carries one of the names.
    pub(super) fn admits(&self, connection: &ServerConnection) -> bool {
        if self.client_names.is_empty() {
            return true;
        }
        let certificate = connection.peer_certificates().and_then(<[_]>::first);
        let parsed = certificate.and_then(|der| ParsedCertificate::try_from(der).ok());
        parsed.is_some_and(|certificate| {
            self.client_names.iter().any(|name| verify_server_name(&certificate, name).is_ok())
        })
    }
}

fn provider(rules: &TlsRules) -> Result<CryptoProvider, WebConfigError> {
    let mut provider = ring::default_provider();
    if !rules.cipher_suites.is_empty() {
        // As in Go, the suites of TLS 1.3 cannot be chosen.
        provider.cipher_suites.retain(|suite| {
            let name = format!("{:?}", suite.suite());
            name.starts_with("TLS13_") || rules.cipher_suites.contains(&name)
        });
        if rules.tls12_only && provider.cipher_suites.iter().all(|suite| suite.tls13().is_some()) {
            return Err(WebConfigError::Tls("none of cipher_suites is known here".to_owned()));
        }
    }
    if !rules.curves.is_empty() {
        provider.kx_groups.retain(|group| {
            let of_group = CURVES.iter().find(|(_, known)| *known == group.name());
            of_group.is_some_and(|(name, _)| rules.curves.iter().any(|curve| curve == name))
        });
        if provider.kx_groups.is_empty() {
            return Err(WebConfigError::Tls("none of curve_preferences is known here".to_owned()));
        }
    }
    Ok(provider)
}

fn certificates(what: &str, pem: &Pem) -> Result<Vec<CertificateDer<'static>>, WebConfigError> {
    let text = read(what, pem)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| at(what, pem, error))?;
    if certificates.is_empty() {
        return Err(at(what, pem, "holds no certificate"));
    }
    Ok(certificates)
}

fn read(what: &str, pem: &Pem) -> Result<Vec<u8>, WebConfigError> {
    match pem {
        Pem::File(path) => fs::read(path).map_err(|error| at(what, pem, error)),
        Pem::Inline(text) => Ok(text.clone().into_bytes()),
    }
}

fn at(what: &str, pem: &Pem, error: impl std::fmt::Display) -> WebConfigError {
    WebConfigError::Tls(format!("{what} ({pem:?}): {error}"))
}
