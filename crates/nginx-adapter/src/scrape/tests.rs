mod sharing;

use std::path::Path;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use net::TlsSettings;
use sidecar_runtime::Lifecycle;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(150);
const PAGE: &str = "Active connections: 3 \nserver accepts handled requests\n 10 9 45 \n\
                    Reading: 1 Writing: 1 Waiting: 1 \n";
const STATUS: StubStatus = StubStatus {
    active: 3,
    accepted: 10,
    handled: 9,
    requests: 45,
    reading: 1,
    writing: 1,
    waiting: 1,
};

fn scraper(uri: &str, timeout: Duration) -> Arc<Scraper> {
    let tls = TlsSettings { ca_file: None, client_cert: None, client_key: None };
    let settings = ScrapeSettings { timeout, verify: false, tls, proxy_protocol: false };
    let lifecycle = Lifecycle::new(PATIENCE);
    Arc::new(Scraper::new(uri.parse().unwrap(), &settings, lifecycle).unwrap())
}

async fn scrape(scraper: &Scraper) -> Outcome {
    scraper.scrape(Instant::now() + PATIENCE).await
}

/// Runs on the test's own runtime and ends with it.
fn run(future: impl Future<Output = ()> + Send + 'static) {
    Lifecycle::new(PATIENCE).spawn_session(future);
}

/// Reads one request. False at the end of the stream.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_end) => return false,
        }
    }
    true
}

async fn answer_all(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: Vec<u8>) {
    while read_request(&mut stream).await {
        stream.write_all(&answer).await.unwrap();
    }
}

/// Hands each connection, with its number, to `serve`; all at once.
async fn server<F>(serve: impl Fn(usize, TcpStream) -> F + Send + Sync + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/stub_status", listener.local_addr().unwrap());
    run(async move {
        for number in 0.. {
            run(serve(number, listener.accept().await.unwrap().0));
        }
    });
    uri
}

fn answer(head: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut answer =
        format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// What becomes of one answer, after which the server closes.
async fn outcome(answer: Vec<u8>) -> Outcome {
    let uri = server(move |_number, mut stream| {
        let answer = answer.clone();
        async move {
            read_request(&mut stream).await;
            stream.write_all(&answer).await.unwrap();
        }
    });
    let scraper = scraper(&uri.await, PATIENCE);
    let outcome = scrape(&scraper).await;
    let errors: Vec<_> = outcome.err().map(|failure| (failure.reason(), 1)).into_iter().collect();
    assert_eq!(scraper.errors(), errors);
    outcome
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_page_is_read_however_it_is_sent() {
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{PAGE}\r\n0\r\n\r\n",
        PAGE.len()
    );
    for (name, answer) in [
        ("plain", answer("200 OK", PAGE)),
        ("until the end", format!("HTTP/1.0 200 OK\r\n\r\n{PAGE}").into_bytes()),
        ("chunked", chunked.into_bytes()),
        ("gzip", answer("200 OK\r\ncontent-encoding: gzip", gzip(PAGE))),
        ("CRLF", answer("200 OK\r\nconnection: close", PAGE.replace('\n', "\r\n"))),
    ] {
        assert_eq!(outcome(answer).await, Ok(STATUS), "{name}");
    }
}

#[tokio::test]
async fn every_faulty_answer_has_its_reason() {
    let ok = "200 OK";
    let gzipped = "200 OK\r\ncontent-encoding: gzip";
    let large = "x".repeat(70_000);
    let cut = &gzip(PAGE)[..20];
    let loops = "302 Found\r\nlocation: /stub_status";
    for (name, answer, failure) in [
        ("HTML", answer(ok, "<html><body>hello</body></html>"), Failure::Parse),
        ("empty", answer(ok, ""), Failure::Parse),
        ("negative", answer(ok, PAGE.replace("45", "-45")), Failure::Parse),
        ("too large a number", answer(ok, PAGE.replace("45", &"9".repeat(30))), Failure::Parse),
        ("no content", b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), Failure::Status),
        ("created", answer("201 Created", PAGE), Failure::Status),
        ("forbidden", answer("403 Forbidden", "no"), Failure::Status),
        ("not found", answer("404 Not Found", "no"), Failure::Status),
        ("broken", answer("500 Internal Server Error", PAGE), Failure::Status),
        ("redirect to nowhere", answer("302 Found", PAGE), Failure::Status),
        ("redirect loop", answer(loops, ""), Failure::Redirect),
        ("elsewhere", answer("301 Moved\r\nlocation: http://else/", ""), Failure::Redirect),
        ("large", answer(ok, &large), Failure::TooLarge),
        ("large when decoded", answer(gzipped, gzip(&large)), Failure::TooLarge),
        ("short", [answer(ok, PAGE), Vec::new()].concat()[..80].to_vec(), Failure::Truncated),
        ("short gzip", answer(gzipped, cut), Failure::Encoding),
        ("no gzip", answer(gzipped, PAGE), Failure::Encoding),
        ("brotli", answer("200 OK\r\ncontent-encoding: br", PAGE), Failure::Encoding),
        ("garbage", b"\x00\x01 garbage\r\n\r\n".to_vec(), Failure::Protocol),
        ("a wrong status line", b"HTTP/1.1 abc OK\r\n\r\n".to_vec(), Failure::Protocol),
        ("HTTP/0.9", PAGE.as_bytes().to_vec(), Failure::Protocol),
        ("nothing", Vec::new(), Failure::Interrupted),
        ("half a head", b"HTTP/1.1 200 OK\r\ncontent-".to_vec(), Failure::Interrupted),
    ] {
        assert_eq!(outcome(answer).await, Err(failure), "{name}");
    }
}

#[tokio::test]
async fn a_redirect_is_followed_on_the_same_connection() {
    let uri = server(|number, mut stream| async move {
        assert_eq!(number, 0, "the connection is kept");
        while read_request(&mut stream).await {
            let found = answer("302 Found\r\nlocation: /elsewhere/", "");
            stream.write_all(&found).await.unwrap();
            assert!(read_request(&mut stream).await);
            stream.write_all(&answer("200 OK", PAGE)).await.unwrap();
        }
    });
    let scraper = scraper(&uri.await, PATIENCE);
    assert_eq!(scrape(&scraper).await, Ok(STATUS));
    assert_eq!(scrape(&scraper).await, Ok(STATUS));
}

#[tokio::test]
async fn an_endless_page_is_cut_off() {
    let uri = server(|_number, mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    });
    assert_eq!(scrape(&scraper(&uri.await, PATIENCE)).await, Err(Failure::TooLarge));
}

#[tokio::test]
async fn an_endless_head_is_refused() {
    let uri = server(|_number, mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nx-long: ").await.unwrap();
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    });
    assert_eq!(scrape(&scraper(&uri.await, PATIENCE)).await, Err(Failure::Protocol));
}

#[tokio::test]
async fn a_request_tells_who_asks_and_with_which_password() {
    let (tx, mut rx) = tokio::sync::mpsc::channel(1);
    let uri = server(move |_number, mut stream| {
        let tx = tx.clone();
        async move {
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            request.truncate(length);
            stream.write_all(&answer("200 OK", PAGE)).await.unwrap();
            tx.send(String::from_utf8(request).unwrap()).await.unwrap();
        }
    });
    let uri = uri.await.replace("http://", "http://u:secret@");
    let scraper = scraper(&uri, PATIENCE);
    assert_eq!(scrape(&scraper).await, Ok(STATUS));
    assert_eq!(scraper.addr(), uri.replace("secret", "xxxxx"));
    let request = rx.recv().await.unwrap();
    assert!(request.starts_with("GET /stub_status HTTP/1.1\r\n"), "{request}");
    for header in [
        concat!("user-agent: nginx-adapter/", env!("CARGO_PKG_VERSION")),
        "authorization: Basic dTpzZWNyZXQ=",
    ] {
        assert!(request.contains(&format!("{header}\r\n")), "{request}");
    }
}

#[tokio::test]
async fn a_reset_connection_is_not_up() {
    let uri = server(|_number, stream| async move {
        // Closing with the request unread resets.
        stream.readable().await.unwrap();
        stream.set_zero_linger().unwrap();
    });
    assert_eq!(scrape(&scraper(&uri.await, PATIENCE)).await, Err(Failure::Interrupted));
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let scraper = scraper(&uri, PATIENCE);
    assert_eq!(scrape(&scraper).await, Err(Failure::Connect));
    assert_eq!(scrape(&scraper).await, Err(Failure::Connect));
    assert_eq!(scraper.errors(), [("connect", 2)]);
}

/// Answers the first request byte by byte for ever, the second one at once.
async fn slow_server(first: &'static str) -> String {
    server(move |number, mut stream| async move {
        read_request(&mut stream).await;
        if number > 0 {
            return stream.write_all(&answer("200 OK", PAGE)).await.unwrap();
        }
        stream.write_all(first.as_bytes()).await.unwrap();
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_slow_answer_ends_at_the_deadline() {
    for first in ["HTTP/1.1 200 OK\r\nx-slow: ", "HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n"] {
        let scraper = scraper(&slow_server(first).await, PATIENCE);
        let start = Instant::now();
        assert_eq!(scraper.scrape(start + SHORT).await, Err(Failure::Timeout));
        assert!(start.elapsed() >= SHORT && start.elapsed() < PATIENCE, "{:?}", start.elapsed());
        assert_eq!(scrape(&scraper).await, Ok(STATUS));
    }
}

#[tokio::test]
async fn the_timeout_of_the_settings_holds_too() {
    let scraper = scraper(&slow_server("HTTP/1.1 200 OK\r\nx-slow: ").await, SHORT);
    let start = Instant::now();
    assert_eq!(scrape(&scraper).await, Err(Failure::Timeout));
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    assert_eq!(scraper.errors(), [("timeout", 1)]);
}

#[tokio::test]
async fn a_connection_closed_between_scrapes_is_replaced() {
    let uri = server(|_number, mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(&answer("200 OK", PAGE)).await.unwrap();
        // Closes when the next request has arrived.
        read_request(&mut stream).await;
    });
    let scraper = scraper(&uri.await, PATIENCE);
    for _scrape in 0..20 {
        assert_eq!(scrape(&scraper).await, Ok(STATUS));
    }
    assert!(scraper.errors().is_empty());
}

#[tokio::test]
async fn two_sockets_have_their_own_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let serve = |name: &str, page: String| {
        let path = folder.path().join(name);
        let listener = UnixListener::bind(&path).unwrap();
        run(async move {
            loop {
                let stream = listener.accept().await.unwrap().0;
                run(answer_all(stream, answer("200 OK", &page)));
            }
        });
        let uri = |path: &Path| format!("unix:{}:/stub_status", path.display());
        scraper(&uri(&path), PATIENCE)
    };
    let one = serve("one.sock", PAGE.to_owned());
    let other = serve("other.sock", PAGE.replace("45", "46"));
    for _scrape in 0..3 {
        assert_eq!(scrape(&one).await, Ok(STATUS));
        assert_eq!(scrape(&other).await, Ok(StubStatus { requests: 46, ..STATUS }));
    }
}
