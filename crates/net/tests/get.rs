//! `get`, and the ways to connect, against small blocking servers.

#![expect(clippy::unwrap_used, reason = "clippy.toml reaches test functions, not their fixtures")]

#[path = "fixtures/server.rs"]
mod server;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use hyper::{HeaderMap, StatusCode};
use net::{Address, BodyEnd, Client, Dialing, Endpoint, Phase, Response, SendError, TlsSettings};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio::time::Instant;

use self::server::{OK, PATIENCE, answer_all, answer_tls, limits, read_request, serve, server};

const NO_TLS: TlsSettings = TlsSettings { ca_file: None, client_cert: None, client_key: None };

fn client(endpoint: Endpoint, dialing: &Dialing) -> Client {
    Client::dialing(endpoint, &NO_TLS, limits(), dialing).unwrap()
}

fn plain(address: SocketAddr) -> Client {
    client(format!("http://{address}/status").parse().unwrap(), &Dialing::default())
}

async fn get(client: &mut Client) -> Result<(Response, BodyEnd), SendError> {
    get_within(client, PATIENCE).await
}

async fn get_within(
    client: &mut Client,
    patience: Duration,
) -> Result<(Response, BodyEnd), SendError> {
    let target = client.endpoint().target().clone();
    client.get(&target, &HeaderMap::new(), Instant::now() + patience).await
}

async fn get_ok(client: &mut Client) {
    let (response, end) = get(client).await.unwrap();
    assert_eq!((response.status, &response.body[..]), (StatusCode::OK, &b"ok"[..]));
    assert!(matches!(end, BodyEnd::Whole));
}

#[tokio::test]
async fn a_request_has_target_host_and_headers_but_no_body() {
    let (tx, rx) = mpsc::sync_channel(1);
    let address = server(move |_number, mut stream| {
        tx.send(read_request(&mut stream).unwrap()).unwrap();
        stream.write_all(OK.as_bytes()).unwrap();
    });
    let mut client = plain(address);
    let mut headers = HeaderMap::new();
    headers.insert("user-agent", "us".parse().unwrap());
    let target = "/other?a=b".parse().unwrap();
    client.get(&target, &headers, Instant::now() + PATIENCE).await.unwrap();
    let request = rx.recv().unwrap();
    assert_eq!(
        request,
        format!("GET /other?a=b HTTP/1.1\r\nuser-agent: us\r\nhost: {address}\r\n\r\n")
    );
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let address = server(|number, mut stream| {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}");
        answer_all(&mut stream, &answer);
    });
    let mut client = plain(address);
    for _request in 0..100 {
        assert_eq!(get(&mut client).await.unwrap().0.body, "0");
    }
}

#[tokio::test]
async fn a_lost_kept_connection_is_replaced() {
    // Each connection answers one request, reads the next one and closes without an answer.
    let address = server(|_number, mut stream| {
        read_request(&mut stream).unwrap();
        stream.write_all(OK.as_bytes()).unwrap();
        read_request(&mut stream);
    });
    let mut client = plain(address);
    for _request in 0..20 {
        get_ok(&mut client).await;
    }
}

#[tokio::test]
async fn a_lost_new_connection_is_not_replaced() {
    let address = server(|number, mut stream| {
        read_request(&mut stream).unwrap();
        assert_eq!(number, 0, "nothing is sent again");
    });
    let error = get(&mut plain(address)).await.unwrap_err();
    assert!(matches!(error, SendError::Interrupted { .. }), "{error}");
}

#[tokio::test]
async fn a_body_says_how_it_ended() {
    let answers = [
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n",
    ];
    let address = server(move |number, mut stream| {
        read_request(&mut stream).unwrap();
        if let Some(answer) = answers.get(number) {
            stream.write_all(answer.as_bytes()).unwrap();
            return;
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    let mut client = plain(address);
    for answer in answers {
        let (response, end) = get(&mut client).await.unwrap();
        assert!(matches!(end, BodyEnd::Lost { .. }), "{answer:?}: {end:?}");
        assert_eq!(response.body, "ok");
    }
    let (response, end) = get(&mut client).await.unwrap();
    assert!(matches!(end, BodyEnd::CutOff), "{end:?}");
    assert_eq!(response.body, vec![b'x'; limits().response_body_bytes_max]);
}

#[tokio::test]
async fn head_and_body_share_the_deadline() {
    let address = server(|number, mut stream| {
        read_request(&mut stream).unwrap();
        match number {
            0 => {}
            1 => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok").unwrap(),
            _ => stream.write_all(OK.as_bytes()).unwrap(),
        }
        read_request(&mut stream);
    });
    let mut client = plain(address);
    for _late in ["head", "body"] {
        let error = get_within(&mut client, Duration::from_millis(100)).await.unwrap_err();
        assert!(matches!(error, SendError::Timeout { phase: Phase::Response }), "{error}");
    }
    get_ok(&mut client).await;
}

#[tokio::test]
async fn a_unix_socket_is_an_endpoint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("n.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let (tx, rx) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        for _request in 0..2 {
            tx.send(read_request(&mut stream).unwrap()).unwrap();
            stream.write_all(OK.as_bytes()).unwrap();
        }
    });
    let endpoint = || Endpoint::unix(path.clone(), "/status").unwrap();
    let mut open = client(endpoint(), &Dialing::default());
    for _request in 0..2 {
        get_ok(&mut open).await;
        assert_eq!(rx.recv().unwrap(), "GET /status HTTP/1.1\r\nhost: unix\r\n\r\n");
    }
    std::fs::remove_file(&path).unwrap();
    let error = get(&mut client(endpoint(), &Dialing::default())).await.unwrap_err();
    let SendError::Connect { address, .. } = error else { panic!("{error}") };
    assert_eq!(address, Address::Unix(path));
}

#[tokio::test]
async fn localhost_is_ipv6_first_and_ipv4_then() {
    let answer = |text: &'static str| {
        move |_number: usize, mut stream: TcpStream| {
            answer_all(&mut stream, &format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{text}"));
        }
    };
    let four = server(answer("4"));
    let url = format!("http://LocalHost:{}/", four.port());
    let mut client = client(url.parse().unwrap(), &Dialing::default());
    assert_eq!(get(&mut client).await.unwrap().0.body, "4");
    let six = TcpListener::bind((Ipv6Addr::LOCALHOST, four.port())).unwrap();
    serve(six, answer("6"));
    let mut client = self::client(url.parse().unwrap(), &Dialing::default());
    assert_eq!(get(&mut client).await.unwrap().0.body, "6");
}

#[tokio::test]
async fn the_proxy_header_comes_first_once_a_connection() {
    let dialing = Dialing { proxy_header: true, ..Dialing::default() };
    for host in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
        let (tx, rx) = mpsc::sync_channel(1);
        let listener = TcpListener::bind(SocketAddr::new(host, 0)).unwrap();
        let address = serve(listener, move |_number, mut stream| {
            let mut header = vec![0; if host.is_ipv4() { 28 } else { 52 }];
            stream.read_exact(&mut header).unwrap();
            tx.send((header, stream.peer_addr().unwrap().port())).unwrap();
            answer_all(&mut stream, OK);
        });
        let mut client = client(format!("http://{address}/").parse().unwrap(), &dialing);
        get_ok(&mut client).await;
        get_ok(&mut client).await;
        let (header, port) = rx.recv().unwrap();
        assert_eq!(&header[..13], b"\r\n\r\n\0\r\nQUIT\n\x21");
        let ports = [port.to_be_bytes(), address.port().to_be_bytes()].concat();
        assert_eq!(header[header.len() - 4..], ports);
        assert!(rx.try_recv().is_err());
    }
}

#[tokio::test]
async fn the_proxy_header_comes_first_on_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("n.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        stream.read_exact(&mut [0; 16 + 216]).unwrap();
        answer_all(&mut stream, OK);
    });
    let dialing = Dialing { proxy_header: true, ..Dialing::default() };
    get_ok(&mut client(Endpoint::unix(path, "/").unwrap(), &dialing)).await;
}

/// TLS with a certificate that nobody signed and that is for another name; with a PROXY header
/// before the handshake.
#[tokio::test]
async fn an_unknown_server_is_accepted_only_when_told_to() {
    let made = rcgen::generate_simple_self_signed(vec!["elsewhere".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let config = Arc::new(config);
    let address = server(move |_number, mut stream| {
        stream.read_exact(&mut [0; 28]).unwrap();
        answer_tls(&config, stream);
    });
    let url = format!("https://{address}/");
    let dialing = Dialing { verify: false, proxy_header: true };
    let mut client = client(url.parse().unwrap(), &dialing);
    get_ok(&mut client).await;
    get_ok(&mut client).await;
    drop(client);
    let verified = Dialing { verify: true, ..dialing };
    let mut client = self::client(url.parse().unwrap(), &verified);
    let error = get(&mut client).await.unwrap_err();
    assert!(matches!(error, SendError::Tls { .. }), "{error}");
}
