//! Shared TLS settings, other routes, streamed bodies and POSTs with a deadline, against small
//! blocking servers.

#![expect(clippy::unwrap_used, reason = "clippy.toml reaches test functions, not their fixtures")]

#[path = "fixtures/server.rs"]
mod server;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;
use net::{
    Authorities, BodyEnd, Client, PemIdentity, Route, SendError, StreamEnd, StreamLimits,
    TlsClient, TlsError,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::PrivateKeyDer;
use tokio::time::Instant;

use self::server::{OK, PATIENCE, answer_tls, limits, read_request, server};

const SHORT: Duration = Duration::from_millis(100);

/// Waits until the client goes away.
fn hang(stream: &mut TcpStream) {
    while stream.read(&mut [0; 64]).is_ok_and(|length| length > 0) {}
}

fn client(url: &str, tls: Option<&TlsClient>, route: &Route) -> Result<Client, TlsError> {
    Client::routed(url.parse().unwrap(), tls, route, limits())
}

async fn post(client: &mut Client, patience: Duration) -> Result<(Bytes, BodyEnd), SendError> {
    let target = "/in".parse().unwrap();
    let deadline = Instant::now() + patience;
    let body = Bytes::from_static(b"body");
    let answer = client.post_until(&target, &HeaderMap::new(), body, deadline).await;
    answer.map(|(response, end)| (response.body, end))
}

/// The end, and what came before it.
async fn stream(client: &mut Client, idle: Duration, enough: usize) -> (StreamEnd, Vec<u8>) {
    let now = Instant::now();
    let limits = StreamLimits { head: now + PATIENCE, idle, whole: now + PATIENCE };
    let mut text = Vec::new();
    let mut on_data = |_parts: &_, data: &[u8]| {
        text.extend_from_slice(data);
        if text.len() < enough { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let target = "/out".parse().unwrap();
    let answer = client.stream(&target, &HeaderMap::new(), limits, &mut on_data).await;
    let (parts, end) = answer.unwrap();
    assert_eq!(parts.status, 200);
    (end, text)
}

fn tls_server(config: ServerConfig) -> SocketAddr {
    let config = Arc::new(config);
    server(move |_number, stream| answer_tls(&config, stream))
}

/// An authority, and a server with a certificate for `cluster.test` that asks for one of the same.
struct Tls {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Tls {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    fn sign(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn server(&self) -> SocketAddr {
        let (certificate, key) = self.sign("cluster.test");
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        tls_server(config)
    }

    /// Trusts this authority, and shows a certificate of it.
    fn client(&self) -> TlsClient {
        let (certificate, key) = self.sign("me");
        let (chain, key) = (certificate.pem(), key.serialize_pem());
        let identity = PemIdentity { chain: chain.as_bytes(), key: key.as_bytes() };
        TlsClient::new(Authorities::Pem(self.issuer.pem().as_bytes()), Some(identity)).unwrap()
    }
}

#[tokio::test]
async fn shared_settings_an_address_and_a_name_open_a_server() {
    let tls = Tls::new();
    let settings = tls.client();
    let address = Some(tls.server());
    let route = Route { address, server_name: None };
    for _client in 0..2 {
        let mut client = client("https://cluster.test/", Some(&settings), &route).unwrap();
        assert_eq!(post(&mut client, PATIENCE).await.unwrap().0, "ok");
    }
    let named = Route { address, server_name: Some("cluster.test".to_owned()) };
    let mut client = self::client("https://10.0.0.1:6443/", Some(&settings), &named).unwrap();
    assert_eq!(post(&mut client, PATIENCE).await.unwrap().0, "ok");
}

#[tokio::test]
async fn a_name_or_an_authority_that_does_not_fit_is_refused() {
    let tls = Tls::new();
    let address = Some(tls.server());
    let other = Route { address, server_name: Some("other.test".to_owned()) };
    let route = Route { address, server_name: None };
    for (settings, route) in [(tls.client(), other), (Tls::new().client(), route)] {
        let mut client = client("https://cluster.test/", Some(&settings), &route).unwrap();
        let error = post(&mut client, PATIENCE).await.unwrap_err();
        assert!(matches!(error, SendError::Tls { .. }), "{error}");
    }
}

/// As `openssl req -x509` makes it: for one server, and an authority by what it says of itself.
#[tokio::test]
async fn a_server_may_show_the_very_certificate_that_is_trusted() {
    let make = || {
        let mut params = CertificateParams::new(vec!["cluster.test".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    };
    let (own, other) = (make(), make());
    let key = PrivateKeyDer::try_from(own.key().serialize_der()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], key)
        .unwrap();
    let route = Route { address: Some(tls_server(config)), server_name: None };
    for (trusted, is_accepted) in [(&own, true), (&other, false)] {
        let settings = TlsClient::new(Authorities::Pem(trusted.pem().as_bytes()), None).unwrap();
        let mut client = client("https://cluster.test/", Some(&settings), &route).unwrap();
        let answer = post(&mut client, PATIENCE).await;
        assert_eq!(answer.is_ok(), is_accepted, "{answer:?}");
    }
}

#[test]
fn text_that_is_no_pem_is_refused() {
    let empty = TlsClient::new(Authorities::Pem(b"nothing"), None).unwrap_err();
    assert!(matches!(empty, TlsError::NoCertificateIn { .. }), "{empty}");
    let junk = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let junk = TlsClient::new(Authorities::Pem(junk), None).unwrap_err();
    assert!(matches!(junk, TlsError::NoCertificateIn { .. }), "{junk}");
    let identity = PemIdentity { chain: b"", key: b"" };
    let half = TlsClient::new(Authorities::Any, Some(identity)).unwrap_err();
    assert!(matches!(half, TlsError::NoCertificateIn { .. }), "{half}");
    let none = client("https://h/", None, &Route::default()).unwrap_err();
    assert!(matches!(none, TlsError::NoSettings), "{none}");
}

#[tokio::test]
async fn a_post_has_a_deadline_and_its_whole_answer() {
    let address = server(|number, mut stream| {
        read_request(&mut stream);
        match number {
            0 => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok").unwrap(),
            _ => hang(&mut stream),
        }
    });
    let mut client = client(&format!("http://{address}/"), None, &Route::default()).unwrap();
    let (body, end) = post(&mut client, PATIENCE).await.unwrap();
    assert_eq!(body, "ok");
    assert!(matches!(end, BodyEnd::Lost { .. }));
    let error = post(&mut client, SHORT).await.unwrap_err();
    assert!(matches!(error, SendError::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn a_streamed_body_tells_its_end() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n";
    let address = server(move |number, mut stream| {
        read_request(&mut stream);
        let body = if number == 0 { "abcdef" } else { "abc" };
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        match number {
            // Kept, and closed within the next body.
            0 => {
                read_request(&mut stream);
                stream.write_all(format!("{head}ab").as_bytes()).unwrap();
            }
            _ => hang(&mut stream),
        }
    });
    let mut client = client(&format!("http://{address}/"), None, &Route::default()).unwrap();
    let (end, text) = stream(&mut client, PATIENCE, 99).await;
    assert!(matches!(end, StreamEnd::Whole) && text == b"abcdef");
    let (end, text) = stream(&mut client, PATIENCE, 99).await;
    assert!(matches!(end, StreamEnd::Lost { .. }) && text == b"ab");
    let (end, text) = stream(&mut client, SHORT, 99).await;
    assert!(matches!(end, StreamEnd::Stalled) && text == b"abc");
    let (end, text) = stream(&mut client, PATIENCE, 3).await;
    assert!(matches!(end, StreamEnd::Stopped) && text == b"abc");
}

#[tokio::test]
async fn a_stream_begins_anew_on_a_lost_connection() {
    let address = server(|_number, mut stream| {
        read_request(&mut stream);
        stream.write_all(OK.as_bytes()).unwrap();
    });
    let mut client = client(&format!("http://{address}/"), None, &Route::default()).unwrap();
    for _request in 0..20 {
        let (end, text) = stream(&mut client, PATIENCE, 99).await;
        assert!(matches!(end, StreamEnd::Whole) && text == b"ok");
    }
}
