use std::io::{Read, Write};

use super::*;
use crate::pace::SOON;

fn body(messages: &[&str]) -> Vec<u8> {
    let line = |message: &&str| {
        let (file, time) = ("/logs/a.log", "2026-01-02T03:04:05.678Z");
        let record = serde_json::json!({
            "message": message, "file": file, "offset": 7, "time": time, "stream": "x",
        });
        format!("{record}\n")
    };
    messages.iter().map(line).collect::<String>().into_bytes()
}

fn send(stream: &mut TcpStream, headers: &str, body: &[u8]) {
    let length = body.len();
    let head = format!("POST /ingest HTTP/1.1\r\nContent-Length: {length}\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
}

/// The head of an answer; empty if the connection ended.
fn answer(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn connect(sink: &Sink) -> TcpStream {
    TcpStream::connect(sink.address).unwrap()
}

fn post(sink: &Sink, messages: &[&str]) -> String {
    let mut stream = connect(sink);
    send(&mut stream, "", &body(messages));
    answer(&mut stream)
}

#[test]
fn records_are_parsed_in_order_over_one_connection() {
    let sink = Sink::start();
    let mut stream = connect(&sink);
    for message in ["one", "two"] {
        send(&mut stream, "", &body(&[message]));
        assert!(answer(&mut stream).starts_with("HTTP/1.1 200 "));
    }
    sink.wait_records(2, SOON);
    let records = sink.records();
    assert_eq!(sink.messages(), ["one", "two"]);
    assert_eq!((records[0].file.as_str(), records[0].offset), ("/logs/a.log", 7));
    assert_eq!(records[0].fields["stream"], "x");
}

#[test]
fn compressed_and_chunked_bodies_are_decoded() {
    let sink = Sink::start();
    let mut stream = connect(&sink);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&body(&["gzip"])).unwrap();
    send(&mut stream, "content-encoding: gzip\r\n", &gzip.finish().unwrap());
    answer(&mut stream);
    let zstd = zstd::stream::encode_all(&body(&["zstd"])[..], 1).unwrap();
    send(&mut stream, "content-encoding: zstd\r\n", &zstd);
    answer(&mut stream);
    let chunk = String::from_utf8(body(&["chunked"])).unwrap();
    let head = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
    let request = format!("{head}{:x}\r\n{chunk}\r\n0\r\n\r\n", chunk.len());
    stream.write_all(request.as_bytes()).unwrap();
    answer(&mut stream);
    assert_eq!(sink.messages(), ["gzip", "zstd", "chunked"]);
}

#[test]
fn a_refused_batch_is_an_attempt_and_no_delivery() {
    let sink = Sink::start();
    sink.set(Answer::Status(429, Some(3)));
    let head = post(&sink, &["x"]);
    assert!(head.starts_with("HTTP/1.1 429 ") && head.contains("retry-after: 3\r\n"), "{head}");
    sink.set(Answer::TooLargeOver(10));
    assert!(post(&sink, &["x"]).starts_with("HTTP/1.1 413 "));
    assert_eq!(sink.messages(), [""; 0]);
    let statuses: Vec<_> = sink.attempts().iter().map(|attempt| attempt.status).collect();
    assert_eq!(statuses, [Some(429), Some(413)]);
}

#[test]
fn first_answers_come_before_the_standing_one() {
    let sink = Sink::start();
    sink.set_first(&[Answer::Status(503, None), Answer::Status(401, None)]);
    for status in ["503", "401", "200"] {
        assert!(post(&sink, &["x"]).contains(status));
    }
}

#[test]
fn a_lost_answer_is_a_delivery() {
    let sink = Sink::start();
    sink.set(Answer::DropAfterRead);
    assert_eq!(post(&sink, &["x"]), "");
    assert_eq!(sink.messages(), ["x"]);
}

#[test]
fn a_held_request_is_answered_later() {
    let sink = Sink::start();
    sink.set(Answer::Hold);
    let mut stream = connect(&sink);
    send(&mut stream, "", &body(&["x"]));
    sink.set(Answer::Ok);
    assert!(answer(&mut stream).contains("200"));
    assert_eq!(sink.messages(), ["x"]);
}

#[test]
fn a_hanging_request_is_never_answered() {
    let sink = Sink::start();
    sink.set(Answer::Hang);
    let mut stream = connect(&sink);
    send(&mut stream, "", &body(&["x"]));
    sink.wait_attempts(1, SOON);
    sink.set(Answer::Ok);
    sink.cut_connections();
    assert_eq!(answer(&mut stream), "");
    assert_eq!(sink.messages(), [""; 0]);
}

#[test]
fn a_refusing_sink_comes_back_on_its_port() {
    let sink = Sink::start();
    let mut open = connect(&sink);
    for _outage in 0..20 {
        sink.set(Answer::Refuse);
        assert_eq!(answer(&mut open), "");
        assert!(TcpStream::connect(sink.address).is_err());
        sink.set(Answer::Ok);
        open = connect(&sink);
    }
    assert!(post(&sink, &["x"]).contains("200"));
}

#[test]
fn counting_mode_keeps_no_records() {
    let sink = Sink::start_with(Recording::Counts);
    post(&sink, &["x", "y"]);
    sink.wait_lines(2, SOON);
    assert_eq!((sink.counts().requests, sink.records().len()), (1, 0));
}
