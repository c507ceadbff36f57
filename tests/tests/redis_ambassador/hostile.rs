//! Input that no client or server should send: an error to the one who did, and nobody else.
//!
//! Two published proxies abort on 50,000 nested arrays.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use e2e::ambassador::{Ambassador, Pool, Settings, Shards, server_line, spread_name};
use e2e::loopback::own_address;
use e2e::random::Random;
use e2e::redis::RedisServer;
use e2e::resp_client::{RespClient, simple};
use e2e::workplace::Workplace;

/// Requests that Redis refuses with a text and the end of the connection.
const REFUSED: &[&[u8]] = &[
    b"*2147483648\r\n",
    b"*99999999999999999999\r\n",
    b"*x\r\n",
    b"*1\r\n+PING\r\n",
    b"*1\r\n:1\r\n",
    b"*1\r\n*1\r\n$4\r\nPING\r\n",
    b"*2\r\n$3\r\nGET\r\n$-1\r\n",
    b"*2\r\n$3\r\nGET\r\n$536870913\r\n",
    b"*2\r\n$3\r\nGET\r\n$99999999999999999999\r\n",
    b"*2\r\n$3\r\nGET\r\n$1x\r\na\r\n",
    b"*2\r\n$3\r\nGET\r\n$ 1\r\na\r\n",
    b"GET 'a\r\n",
    b"GET \"a\"b\r\n",
];

/// Requests that Redis takes as nothing at all.
const NOTHING: &[&[u8]] = &[b"\r\n", b"*0\r\n", b"*-1\r\n", b"*-10\r\n", b"   \r\n"];

/// The connection's last words.
fn last_words(mut client: RespClient) -> String {
    let text = String::from_utf8_lossy(&client.read_raw()).into_owned();
    assert!(client.is_closed(), "still open after {text}");
    text
}

#[test]
fn malformed_requests_are_refused_as_by_redis() {
    let place = Workplace::new();
    let shards = Shards::start(&place, 2);
    let direct = RedisServer::start(&place, "direct");
    let mut witness = shards.client();
    for bytes in REFUSED {
        let (mut client, mut real) = (shards.client(), direct.client());
        // What came before it is answered.
        for client in [&mut client, &mut real] {
            client.send(b"*1\r\n$4\r\nPING\r\n");
            client.send(bytes);
            assert_eq!(client.read(), simple("PONG"));
        }
        let what = String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(last_words(client), last_words(real), "{what}");
        assert_eq!(witness.call("SET a x"), simple("OK"), "after {what}");
    }
}

#[test]
fn empty_requests_are_nothing() {
    let place = Workplace::new();
    let shards = Shards::start(&place, 2);
    let mut client = shards.client();
    for bytes in NOTHING {
        client.send(bytes);
        assert_eq!(client.call("PING"), simple("PONG"));
    }
}

/// Lines that never end: refused at 64 KiB, with Redis' text.
#[test]
fn endless_lines() {
    let place = Workplace::new();
    let shards = Shards::start(&place, 2);
    for (start, text) in [
        (&b"GET "[..], "-ERR Protocol error: too big inline request\r\n"),
        (b"*1", "-ERR Protocol error: too big mbulk count string\r\n"),
        (b"*1\r\n$1", "-ERR Protocol error: too big bulk count string\r\n"),
    ] {
        let mut client = shards.client();
        client.send(start);
        // It may hang up before it has taken all of it.
        client.try_send(&[b'1'; 80_000]).ok();
        let got = String::from_utf8_lossy(&client.read_raw()).into_owned();
        assert_eq!(got, text);
        assert!(client.is_closed());
    }
    assert_eq!(shards.ambassador.call("PING"), simple("PONG"));
}

#[test]
fn nested_arrays() {
    let place = Workplace::new();
    let mut shards = Shards::start(&place, 2);
    let mut witness = shards.client();
    for depth in [2, 50_000, 1_000_000] {
        let mut client = shards.client();
        client.try_send(&b"*1\r\n".repeat(depth)).ok();
        let text = client.try_read().map(e2e::resp_client::Reply::error);
        if let Ok(text) = text {
            assert!(text.starts_with("ERR Protocol error"), "{text}");
        }
        assert_eq!(witness.call("SET a x"), simple("OK"));
    }
    assert!(shards.ambassador.process().is_running());
}

/// Clients that begin and go, or begin and stay.
#[test]
fn half_requests() {
    let place = Workplace::new();
    let mut shards = Shards::start(&place, 2);
    let whole = b"*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$4\r\nhalf\r\n";
    let mut staying = Vec::new();
    for length in 1..whole.len() {
        for stays in [false, true] {
            let mut client = shards.client();
            client.send(&whole[..length]);
            if stays {
                staying.push(client);
            } else {
                client.finish_sending();
                assert!(client.is_closed());
            }
        }
    }
    assert_eq!(shards.ambassador.call("EXISTS half").integer(), 0);
    for (client, length) in staying.iter_mut().zip(1..) {
        client.send(&whole[length..]);
        assert_eq!(client.read(), simple("OK"));
    }
    assert!(shards.ambassador.process().is_running());
}

/// A client that sends no more still gets its replies.
#[test]
fn half_closed_connections() {
    let place = Workplace::new();
    let shards = Shards::start(&place, 2);
    let mut client = shards.client();
    let names: Vec<String> = (0..50).map(spread_name).collect();
    for name in &names {
        client.send(&e2e::resp_client::words(&format!("SET {name} x")));
    }
    client.finish_sending();
    for _name in &names {
        assert_eq!(client.read(), simple("OK"));
    }
    assert!(client.is_closed());
}

#[test]
fn garbage() {
    let place = Workplace::new();
    let mut shards = Shards::start(&place, 2);
    let mut witness = shards.client();
    let mut random = Random::new(17);
    let tokens: [&[u8]; 12] = [
        b"*", b"$", b"\r\n", b"3", b"-1", b"GET", b"SET", b"MGET", b"\xff", b" ", b"\n", b"1000000",
    ];
    for _connection in 0..300 {
        let mut client = shards.client();
        let length = random.below(60);
        let bytes: Vec<u8> =
            (0..length).flat_map(|_token| random.one_of(&tokens).to_vec()).collect();
        client.try_send(&bytes).ok();
        client.finish_sending();
        // Whatever it says, it comes to an end.
        while client.try_read().is_ok() {}
        assert_eq!(witness.call("SET a x"), simple("OK"));
    }
    assert!(shards.ambassador.process().is_running());
}

/// A server that answers the first request of each connection with these bytes, and ends.
fn lying_server(answer: Vec<u8>) -> std::net::SocketAddr {
    let listener = TcpListener::bind(own_address()).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), answer.clone());
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                // The other side may hang up at any time; that is its right.
                if stream.read(&mut buffer).is_ok_and(|length| length > 0) {
                    stream.write_all(&answer).ok();
                    while stream.read(&mut buffer).is_ok_and(|length| length > 0) {}
                }
            });
        }
    });
    address
}

fn behind(place: &Workplace, liar: std::net::SocketAddr, honest: &RedisServer) -> Ambassador {
    let lines =
        vec![server_line(&liar.into(), 1, "shard-1"), server_line(honest.address(), 1, "shard-0")];
    let pool = Pool::over(lines).set("timeout", "100");
    Settings::ambassador(place).pool(pool).start()
}

/// Its clients get an error, or what it said; the clients of others get their values.
#[test]
fn servers_that_lie() {
    let place = Workplace::new();
    let honest = RedisServer::start(&place, "honest");
    let names: Vec<String> = (0..12).map(spread_name).collect();
    for answer in [
        b"garbage\r\n".to_vec(),
        b"$5\r\nabc".to_vec(),
        b"$99999999999999999999\r\n".to_vec(),
        b"*1\r\n".repeat(50_000),
        b"*99999999999\r\n".to_vec(),
        b"+OK\r\n+OK\r\n+more than was asked for\r\n".to_vec(),
        b"%1\r\n+a\r\n".to_vec(),
        vec![0; 100_000],
        Vec::new(),
    ] {
        let what = String::from_utf8_lossy(&answer[..answer.len().min(30)]).into_owned();
        let mut ambassador = behind(&place, lying_server(answer), &honest);
        honest.call("FLUSHALL");
        let mut client = ambassador.client();
        let mut own = 0;
        for name in &names {
            if client.try_call(&format!("SET {name} x")).is_err() {
                client = ambassador.client();
            }
            // A fresh client is not told what belongs to another one.
            own = honest.keys().len();
        }
        assert!(own > 0 && own < names.len(), "{what}: {own} keys on the honest server");
        let known = String::from_utf8(honest.keys().pop_first().unwrap()).unwrap();
        let reply = ambassador.client().call(&format!("GET {known}"));
        assert_eq!(reply, e2e::resp_client::bulk("x"), "{what}");
        assert!(ambassador.process().is_running(), "{what}");
    }
}
