use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::api::Limits;
use crate::credential::Proof;
use crate::fake_server::{FakeServer, Then, answer, patient};

const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n";

fn zipped(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// One answer, read until `enough` bytes.
async fn read(
    (bytes, then): (Vec<u8>, Then),
    limits: Limits,
    enough: usize,
) -> (Result<StreamEnd, Failure>, Vec<u8>) {
    let server = FakeServer::start(move |_, _| (bytes.clone(), then));
    let mut text = Vec::new();
    let mut api = server.api("", Proof::None, limits);
    let mut on_bytes = |data: &[u8]| {
        text.extend_from_slice(data);
        if text.len() >= enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let end = api.stream("/metrics", "text/plain", &mut on_bytes).await;
    let request = server.requests().remove(0);
    assert!(request.contains("accept: text/plain\r\n"), "{request}");
    assert!(request.contains("accept-encoding: gzip\r\n"), "{request}");
    (end, text)
}

/// The end, and how many bytes came before it.
async fn check(
    bytes: Vec<u8>,
    then: Then,
    limits: Limits,
    enough: usize,
    expected: (StreamEnd, usize),
) {
    let (end, text) = read((bytes, then), limits, enough).await;
    assert_eq!((end.unwrap(), text.len()), expected);
}

fn hasty() -> Limits {
    Limits { request_timeout: Duration::from_millis(100), ..patient() }
}

#[tokio::test]
async fn plain_and_zipped_text_comes_whole() {
    let text = "line\n".repeat(100_000).into_bytes();
    let gzip = "200 OK\r\ncontent-encoding: gzip";
    for bytes in [answer("200 OK", &text), answer(gzip, zipped(&text))] {
        let (end, read) = read((bytes, Then::Keep), patient(), usize::MAX).await;
        assert_eq!(end.unwrap(), StreamEnd::Whole);
        assert!(read == text);
    }
    check(answer("200 OK", ""), Then::Keep, patient(), 1, (StreamEnd::Whole, 0)).await;
}

#[tokio::test]
async fn a_reader_can_have_enough() {
    let text = vec![b'x'; 200_000];
    let (end, read) = read((answer("200 OK", &text), Then::Hang), patient(), 1).await;
    assert_eq!(end.unwrap(), StreamEnd::Stopped);
    assert!(!read.is_empty());
    let gzip = answer("200 OK\r\ncontent-encoding: gzip", zipped(&text));
    let (end, _read) = self::read((gzip, Then::Hang), patient(), 1).await;
    assert_eq!(end.unwrap(), StreamEnd::Stopped);
}

#[tokio::test]
async fn a_long_text_ends_at_the_limit() {
    let limits = Limits { stream_bytes_max: 1000, ..patient() };
    let expected = (StreamEnd::TooLong, 1000);
    check(answer("200 OK", vec![b'x'; 1001]), Then::Keep, limits, usize::MAX, expected).await;
    let expected = (StreamEnd::Whole, 1000);
    check(answer("200 OK", vec![b'x'; 1000]), Then::Keep, limits, usize::MAX, expected).await;
    // 2 MB that are 2 KB on the way.
    let bomb = answer("200 OK\r\ncontent-encoding: gzip", zipped(&vec![0; 2 << 20]));
    check(bomb, Then::Keep, limits, usize::MAX, (StreamEnd::TooLong, 1000)).await;
}

#[tokio::test]
async fn what_came_before_a_cut_is_valid() {
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc".to_vec();
    let (end, text) = read((cut.clone(), Then::Close), patient(), usize::MAX).await;
    assert!(matches!(end.unwrap(), StreamEnd::Lost(_)));
    assert_eq!(text, b"abc");
    check(cut, Then::Hang, hasty(), usize::MAX, (StreamEnd::Stalled, 3)).await;
}

#[tokio::test]
async fn broken_gzip_is_a_loss() {
    let whole = zipped(&b"line\n".repeat(1000));
    let gzip = "200 OK\r\ncontent-encoding: gzip";
    let half = answer(gzip, &whole[..whole.len() - 12]);
    let (end, _text) = read((half, Then::Keep), patient(), usize::MAX).await;
    assert!(matches!(end.unwrap(), StreamEnd::Lost(_)));
    let (end, text) = read((answer(gzip, "no gzip at all"), Then::Keep), patient(), 99).await;
    assert!(matches!(end.unwrap(), StreamEnd::Lost(_)));
    assert!(text.is_empty());
    let odd = answer("200 OK\r\ncontent-encoding: br", "x");
    let (end, _text) = read((odd, Then::Keep), patient(), 99).await;
    assert!(matches!(end.unwrap(), StreamEnd::Lost(why) if why.contains("'br'")));
}

#[tokio::test]
async fn a_stalled_zipped_text_gives_what_came() {
    let part = zipped(&(0..20_000).flat_map(|i| format!("{i}\n").into_bytes()).collect::<Vec<_>>());
    let part = &part[..part.len() / 2];
    let chunk = [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
    let bytes = [HEAD.as_bytes(), &chunk].concat();
    let (end, text) = read((bytes, Then::Hang), hasty(), usize::MAX).await;
    assert_eq!(end.unwrap(), StreamEnd::Stalled);
    assert!(text.len() > 10_000, "{}", text.len());
}

#[tokio::test]
async fn a_refusal_is_not_read_as_data() {
    let body = r#"{"reason":"Forbidden","message":"no"}"#;
    let bytes = answer("403 Forbidden", body);
    let (end, text) = read((bytes, Then::Keep), patient(), usize::MAX).await;
    assert_eq!(end.unwrap_err().to_string(), "403 no");
    assert!(text.is_empty());
    let silent = read((Vec::new(), Then::Hang), hasty(), 1).await.0.unwrap_err();
    assert!(matches!(silent, Failure::TimedOut { .. }), "{silent}");
}

#[tokio::test]
async fn json_comes_zipped_up_to_a_size() {
    let text = format!("[{}0]", "1,".repeat(50_000));
    let bytes = answer("200 OK\r\ncontent-encoding: gzip", zipped(text.as_bytes()));
    let server = FakeServer::start(move |_, _| (bytes.clone(), Then::Keep));
    let mut api = server.api("", Proof::None, patient());
    assert_eq!(api.get("/x").await.unwrap().as_array().unwrap().len(), 50_001);
    assert!(server.requests().remove(0).contains("accept-encoding: gzip\r\n"));
    drop(api);
    let limits = Limits { body_bytes_max: 100_000, ..patient() };
    let failure = server.api("", Proof::None, limits).get("/x").await.unwrap_err();
    assert!(matches!(failure, Failure::TooLarge { bytes_max: 100_000, .. }), "{failure}");
}

/// As a page of a large list over a slow line.
#[tokio::test]
async fn json_that_keeps_coming_is_not_cut_off() {
    let text = format!("[{}0]", "1,".repeat(50_000));
    let slowly = Then::Slowly(4, Duration::from_millis(400));
    let server = FakeServer::start(move |_, _| (answer("200 OK", &text), slowly));
    let limits = Limits { request_timeout: Duration::from_secs(1), ..patient() };
    let whole = server.api("", Proof::None, limits).get("/x").await.unwrap();
    assert_eq!(whole.as_array().unwrap().len(), 50_001);
}

#[tokio::test]
async fn a_zipped_refusal_can_be_read() {
    let body = zipped(br#"{"reason":"Forbidden","message":"no"}"#);
    let bytes = answer("403 Forbidden\r\ncontent-encoding: gzip", body);
    let server = FakeServer::start(move |_, _| (bytes.clone(), Then::Keep));
    let failure = server.api("", Proof::None, patient()).get("/x").await.unwrap_err();
    assert_eq!(failure.to_string(), "403 no");
}
