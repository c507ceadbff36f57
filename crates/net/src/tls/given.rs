//! Verifies servers against authorities that somebody chose, as Go programs do.
//!
//! Nearly all of it is the TLS library's own verifier, with one difference. The library refuses a
//! server's certificate that says of itself that it is an authority, even if this very certificate
//! is what was chosen, as people make them by hand for one server (`openssl req -x509`). Go accepts
//! it. Here it is accepted if it is byte for byte one of those that were chosen: then nothing about
//! it is believed that was not given. Its name has to fit, its time has to be now, and the server
//! has to hold its key. Never used with the public authorities.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// The library's name for its refusal. It compares the times of a certificate before it comes to
/// that, so that this refusal means that they were right; a test holds it to that.
const AUTHORITY_AS_SERVER: &str = "CaUsedAsEndEntity";

#[derive(Debug)]
pub(super) struct Given {
    pub(super) library: Arc<WebPkiServerVerifier>,
    pub(super) certificates: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Given {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.library.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verdict {
            Err(error) if is_authority_as_server(&error) && self.was_given(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.library.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.library.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.library.supported_verify_schemes()
    }
}

impl Given {
    fn was_given(&self, certificate: &CertificateDer<'_>) -> bool {
        self.certificates.iter().any(|given| given.as_ref() == certificate.as_ref())
    }
}

fn is_authority_as_server(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::Other(why)) => {
            why.to_string().contains(AUTHORITY_AS_SERVER)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
    use rustls::RootCertStore;
    use rustls::crypto::ring;

    use super::*;

    /// Noon of 2025-06-15.
    const NOW: Duration = Duration::from_secs(1_749_988_800);

    /// A certificate for `server.test` that says to be an authority, valid in the given years.
    fn certificate(from: i32, until: i32) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec!["server.test".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn check(
        given: &CertificateDer<'static>,
        shown: &CertificateDer<'static>,
        name: &str,
    ) -> Result<(), Error> {
        let mut roots = RootCertStore::empty();
        roots.add(given.clone()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let library = builder.build().unwrap();
        let verifier = Given { library, certificates: vec![given.clone()] };
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let now = UnixTime::since_unix_epoch(NOW);
        verifier.verify_server_cert(shown, &[], &name, &[], now).map(drop)
    }

    #[test]
    fn a_certificate_that_was_given_is_accepted() {
        let one = certificate(2020, 2030);
        check(&one, &one, "server.test").unwrap();
    }

    #[test]
    fn another_that_says_the_same_is_refused() {
        let (given, shown) = (certificate(2020, 2030), certificate(2020, 2030));
        let error = check(&given, &shown, "server.test").unwrap_err();
        assert!(is_authority_as_server(&error), "{error}");
    }

    #[test]
    fn name_and_time_have_to_fit() {
        use CertificateError::{ExpiredContext, NotValidForNameContext, NotValidYetContext};
        let error = |from, until, name| {
            let one = certificate(from, until);
            let error = check(&one, &one, name).unwrap_err();
            let Error::InvalidCertificate(why) = error else { panic!("{error}") };
            why
        };
        assert!(matches!(error(2020, 2030, "other.test"), NotValidForNameContext { .. }));
        assert!(matches!(error(2020, 2025, "server.test"), ExpiredContext { .. }));
        assert!(matches!(error(2026, 2030, "server.test"), NotValidYetContext { .. }));
    }
}
