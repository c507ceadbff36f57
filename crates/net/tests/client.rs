//! The client's POSTs, against small blocking servers, in the clear and over TLS.

#![expect(clippy::unwrap_used, reason = "clippy.toml reaches test functions, not their fixtures")]

#[path = "fixtures/server.rs"]
mod server;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::{HeaderMap, StatusCode};
use net::{Client, ClientLimits, Phase, Response, SendError, TlsSettings};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::PrivateKeyDer;

use self::server::{OK, PATIENCE, answer_all, answer_tls, limits, read_request, server};

const NO_TLS: TlsSettings = TlsSettings { ca_file: None, client_cert: None, client_key: None };

fn client(url: String, limits: ClientLimits) -> Client {
    Client::new(url.parse().unwrap(), &NO_TLS, limits).unwrap()
}

async fn post(client: &mut Client, body: &'static str) -> Result<Response, SendError> {
    client.post(&HeaderMap::new(), Bytes::from_static(body.as_bytes())).await
}

#[tokio::test]
async fn a_request_has_target_host_headers_and_body() {
    let (tx, rx) = mpsc::sync_channel(1);
    let address = server(move |_number, mut stream| {
        tx.send(read_request(&mut stream).unwrap()).unwrap();
        stream.write_all(OK.as_bytes()).unwrap();
    });
    let mut client = client(format!("http://{address}/in?k=v"), limits());
    let mut headers = HeaderMap::new();
    headers.insert("x-scope", "one".parse().unwrap());
    let response = client.post(&headers, Bytes::from_static(b"body")).await.unwrap();
    assert_eq!((response.status, &response.body[..]), (StatusCode::OK, &b"ok"[..]));
    let request = rx.recv().unwrap();
    assert!(request.starts_with("POST /in?k=v HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("host: {address}\r\n")), "{request}");
    assert!(request.contains("x-scope: one\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\nbody"), "{request}");
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let address = server(|number, mut stream| {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}");
        answer_all(&mut stream, &answer);
    });
    let mut client = client(format!("http://{address}/"), limits());
    for _request in 0..100 {
        assert_eq!(post(&mut client, "x").await.unwrap().body, "0");
    }
}

#[tokio::test]
async fn a_closed_idle_connection_is_replaced() {
    let (tx, rx) = mpsc::sync_channel(1);
    let address = server(move |_number, mut stream| {
        read_request(&mut stream).unwrap();
        stream.write_all(OK.as_bytes()).unwrap();
        drop(stream);
        tx.send(()).unwrap();
    });
    let mut client = client(format!("http://{address}/"), limits());
    for _request in 0..50 {
        post(&mut client, "x").await.unwrap();
        rx.recv().unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_is_a_timeout() {
    let address = server(|number, mut stream| {
        read_request(&mut stream).unwrap();
        if number > 0 {
            stream.write_all(OK.as_bytes()).unwrap();
        }
        read_request(&mut stream);
    });
    let short = ClientLimits { response_timeout: Duration::from_millis(100), ..limits() };
    let mut client = client(format!("http://{address}/"), short);
    let error = post(&mut client, "x").await.unwrap_err();
    assert!(matches!(error, SendError::Timeout { phase: Phase::Response }), "{error}");
    assert_eq!(post(&mut client, "x").await.unwrap().body, "ok");
}

#[tokio::test]
async fn a_lost_answer_is_not_sent_again() {
    let address = server(|number, mut stream| {
        read_request(&mut stream).unwrap();
        if number > 0 {
            stream.write_all(OK.as_bytes()).unwrap();
        }
    });
    let mut client = client(format!("http://{address}/"), limits());
    let error = post(&mut client, "x").await.unwrap_err();
    assert!(matches!(error, SendError::Interrupted { .. }), "{error}");
    assert_eq!(post(&mut client, "x").await.unwrap().body, "ok");
}

#[tokio::test]
async fn a_cancelled_request_leaves_the_client_usable() {
    let (tx, rx) = tokio::sync::oneshot::channel();
    let mut tx = Some(tx);
    let address = server(move |_number, mut stream| {
        read_request(&mut stream).unwrap();
        match tx.take() {
            Some(tx) => {
                tx.send(()).unwrap();
                assert!(read_request(&mut stream).is_none());
            }
            None => stream.write_all(OK.as_bytes()).unwrap(),
        }
    });
    let mut client = client(format!("http://{address}/"), limits());
    tokio::select! {
        answer = post(&mut client, "x") => assert!(answer.is_err(), "nobody has answered"),
        read = rx => read.unwrap(),
    }
    assert_eq!(post(&mut client, "x").await.unwrap().body, "ok");
}

#[tokio::test]
async fn a_huge_answer_is_cut_and_its_connection_closed() {
    let address = server(|_number, mut stream| {
        read_request(&mut stream).unwrap();
        let head = "HTTP/1.1 400 Bad Request\r\ncontent-length: 100000000\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    let mut client = client(format!("http://{address}/"), limits());
    for _request in 0..2 {
        let response = post(&mut client, "x").await.unwrap();
        assert_eq!(response.status, StatusCode::BAD_REQUEST);
        assert_eq!(response.body, vec![b'x'; 1024]);
    }
}

#[tokio::test]
async fn a_chunked_answer_is_put_together() {
    let address = server(|_number, mut stream| {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        answer_all(&mut stream, &format!("{head}3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"));
    });
    let mut client = client(format!("http://{address}/"), limits());
    for _request in 0..2 {
        assert_eq!(post(&mut client, "x").await.unwrap().body, "abcdefg");
    }
}

#[tokio::test]
async fn an_early_answer_to_a_large_body_arrives() {
    let address = server(|_number, mut stream| {
        stream.read_exact(&mut [0; 100]).unwrap();
        let answer = "HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
        let mut sink = [0; 65536];
        while stream.read(&mut sink).is_ok_and(|count| count > 0) {}
    });
    let mut client = client(format!("http://{address}/"), limits());
    for _request in 0..2 {
        let body = Bytes::from(vec![b'x'; 50_000_000]);
        let response = client.post(&HeaderMap::new(), body).await.unwrap();
        assert_eq!(response.status, StatusCode::PAYLOAD_TOO_LARGE);
    }
}

#[tokio::test]
async fn a_refused_connection_names_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut client = client(format!("http://{address}/"), limits());
    let error = post(&mut client, "x").await.unwrap_err();
    assert!(matches!(error, SendError::Connect { .. }), "{error}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn an_address_that_never_answers_is_a_timeout() {
    // 192.0.2.0/24 is reserved for documentation. Where it is unreachable, that is an error too.
    let short = ClientLimits { connect_timeout: Duration::from_millis(100), ..limits() };
    let mut client = client("http://192.0.2.1:9/".to_owned(), short);
    let start = Instant::now();
    let error = post(&mut client, "x").await.unwrap_err();
    let expected =
        matches!(error, SendError::Timeout { phase: Phase::Connect } | SendError::Connect { .. });
    assert!(expected, "{error}");
    assert!(start.elapsed() < PATIENCE);
}

#[tokio::test]
async fn localhost_is_resolved() {
    let port = server(|_number, mut stream| answer_all(&mut stream, OK)).port();
    let mut client = client(format!("http://localhost:{port}/"), limits());
    assert_eq!(post(&mut client, "x").await.unwrap().body, "ok");
}

/// A private authority, and what it signed, in a folder.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn sign(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// Answers every request of every connection whose handshake works.
    fn server(&self, clients: Option<&Self>) -> SocketAddr {
        let (certificate, key) = self.sign("127.0.0.1");
        let builder = ServerConfig::builder();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.issuer.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
                builder.with_client_cert_verifier(verifier)
            }
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        let config = Arc::new(config);
        server(move |_number, stream| answer_tls(&config, stream))
    }

    fn identity(&self, folder: &Path) -> (PathBuf, PathBuf) {
        let (certificate, key) = self.sign("shipper");
        let (cert_file, key_file) = (folder.join("client.pem"), folder.join("client.key"));
        std::fs::write(&cert_file, certificate.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        (cert_file, key_file)
    }
}

async fn post_tls(address: SocketAddr, tls: &TlsSettings) -> Result<Response, SendError> {
    let endpoint = format!("https://{address}/").parse().unwrap();
    let mut client = Client::new(endpoint, tls, limits()).unwrap();
    post(&mut client, "x").await?;
    post(&mut client, "y").await
}

#[tokio::test]
async fn a_private_authority_is_trusted_by_its_file() {
    let authority = Authority::new();
    let address = authority.server(None);
    let tls = TlsSettings { ca_file: Some(authority.ca_file()), ..NO_TLS };
    assert_eq!(post_tls(address, &tls).await.unwrap().body, "ok");
}

#[tokio::test]
async fn an_unknown_authority_is_refused() {
    let address = Authority::new().server(None);
    let stranger = Authority::new();
    for ca_file in [None, Some(stranger.ca_file())] {
        let tls = TlsSettings { ca_file, ..NO_TLS };
        let endpoint = format!("https://{address}/").parse().unwrap();
        let mut client = Client::new(endpoint, &tls, limits()).unwrap();
        let error = post(&mut client, "x").await.unwrap_err();
        assert!(matches!(error, SendError::Tls { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_client_certificate_opens_a_server_that_asks_for_one() {
    let authority = Authority::new();
    let address = authority.server(Some(&authority));
    let (cert_file, key_file) = authority.identity(authority.folder.path());
    let without = TlsSettings { ca_file: Some(authority.ca_file()), ..NO_TLS };
    let with =
        TlsSettings { client_cert: Some(cert_file), client_key: Some(key_file), ..without.clone() };
    assert_eq!(post_tls(address, &with).await.unwrap().body, "ok");
    let endpoint = format!("https://{address}/").parse().unwrap();
    let mut client = Client::new(endpoint, &without, limits()).unwrap();
    assert!(post(&mut client, "x").await.is_err());
}
