//! Memory stays bounded whatever clients and servers do, and no client holds up another.
//!
//! nutcracker grows to 356 MB behind a client that does not read, holds whole values, and keeps
//! what it once took. Measured with the release binary.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use e2e::ambassador::{Kind, Plan, Shards};
use e2e::client::Address;
use e2e::pace::{SOON, wait_until};
use e2e::resp_client::{RespClient, bulk, request, simple, words};
use e2e::workplace::Workplace;

const KILOBYTE: usize = 1024;
/// What may be added to the memory at the start.
const SLOW_READER_MEGABYTES: u64 = 5;
const LARGE_VALUE_MEGABYTES: u64 = 9;
const CROWD_MEGABYTES: u64 = 17;
const WRITER_MEGABYTES: u64 = 9;
const CROWD: usize = 10_000;

/// How much the peak is above what it was, in megabytes.
struct Growth(u64);

impl Growth {
    fn begin(shards: &mut Shards) -> Self {
        // The code that passes on a request is in memory.
        for key in ["a", "b", "c", "d"] {
            assert_eq!(shards.client().call(&format!("SET {key} x")), simple("OK"));
        }
        Self(shards.ambassador.rss_megabytes())
    }

    #[track_caller]
    fn at_most(&self, shards: &mut Shards, megabytes: u64) {
        let grown = shards.ambassador.rss_peak_megabytes().saturating_sub(self.0);
        assert!(grown <= megabytes, "{grown} MB more than at the start, not {megabytes}");
    }
}

fn set_of(key: &str, length: usize) -> Vec<u8> {
    request(&[b"SET", key.as_bytes(), &vec![b'v'; length]])
}

#[test]
fn a_client_that_never_reads() {
    let place = Workplace::new();
    let mut shards = Plan::new(&place, 2).released().start();
    let growth = Growth::begin(&mut shards);
    let mut client = shards.client();
    client.send(&set_of("value", 64 * KILOBYTE));
    client.read();
    let gets: Vec<u8> = (0..4_000).flat_map(|_get| words("GET value")).collect();
    client.send(&gets);
    // Others are served all the time.
    let mut other = shards.client();
    for _request in 0..500 {
        assert_eq!(other.call("SET value2 x"), simple("OK"));
        assert_eq!(other.call("STRLEN value").integer(), 64 * 1024);
    }
    growth.at_most(&mut shards, SLOW_READER_MEGABYTES);
    // Nothing was lost: now it reads.
    let expected = bulk(vec![b'v'; 64 * KILOBYTE]);
    for _reply in 0..4_000 {
        assert!(client.read() == expected);
    }
    growth.at_most(&mut shards, SLOW_READER_MEGABYTES);
}

/// One that stalls a connection which others need is closed, and counted.
#[test]
fn a_client_that_stalls_others_is_closed() {
    let place = Workplace::new();
    let plan = Plan::new(&place, 1).ours("--client-stall-timeout=500ms");
    let shards = plan.ours("--client-buffer=64KiB").start();
    let mut client = shards.client();
    client.send(&set_of("value", 20_000 * KILOBYTE));
    client.read();
    client.send(&words("GET value"));
    let mut other = shards.client();
    for _request in 0..200 {
        assert_eq!(other.call("SET a x"), simple("OK"));
    }
    if shards.ambassador.kind() == Kind::Ours {
        let closed = "redis_ambassador_client_connections_closed_total";
        shards
            .ambassador
            .wait_metrics("the count", |it| it.with_label(closed, "reason", "stall") >= 1.0);
    }
}

#[test]
fn a_value_of_512_megabytes() {
    const LENGTH: usize = 512 * KILOBYTE * KILOBYTE;
    let place = Workplace::new();
    let mut shards = Plan::new(&place, 2).released().start();
    let growth = Growth::begin(&mut shards);
    let (mut client, mut other) = (shards.client(), shards.client());
    let large = vec![b'v'; 16 * KILOBYTE * KILOBYTE];
    let head = format!("*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n${LENGTH}\r\n");
    client.send(head.as_bytes());
    for _part in 0..LENGTH / large.len() {
        client.send(&large);
        assert_eq!(other.call("SET a x"), simple("OK"));
    }
    client.send(b"\r\n");
    assert_eq!(client.read(), simple("OK"));
    client.send(&words("STRLEN large"));
    assert_eq!(client.read().integer(), i64::try_from(LENGTH).unwrap());
    client.send(&words("GET large"));
    client.skip(u64::try_from(format!("${LENGTH}\r\n").len()).unwrap());
    for _part in 0..LENGTH / large.len() {
        client.skip(u64::try_from(large.len()).unwrap());
        assert_eq!(other.call("SET a x"), simple("OK"));
    }
    client.skip(2);
    assert_eq!(client.call("DEL large").integer(), 1);
    growth.at_most(&mut shards, LARGE_VALUE_MEGABYTES);
}

#[test]
fn ten_thousand_clients() {
    let place = Workplace::new();
    let mut shards = Plan::new(&place, 2).released().start();
    let growth = Growth::begin(&mut shards);
    let address = shards.ambassador.address().clone();
    let connect = |count: usize| -> Vec<TcpStream> {
        let Address::Tcp(address) = &address else { panic!("it listens on a port") };
        (0..count).map(|_client| TcpStream::connect(address).unwrap()).collect()
    };
    let mut clients = connect(CROWD);
    // All at once, so that all of them are served before any has its reply.
    for client in &mut clients {
        client.set_read_timeout(Some(SOON)).unwrap();
        client.write_all(&words("GET a")).unwrap();
    }
    for client in &mut clients {
        let mut reply = [0; 7];
        client.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"$1\r\nx\r\n");
    }
    growth.at_most(&mut shards, CROWD_MEGABYTES);
    assert_eq!(shards.client().call("GET b"), bulk("x"));
    drop(clients);
    let small = growth.0 + SLOW_READER_MEGABYTES;
    wait_until("memory to be given back", SOON, || shards.ambassador.rss_megabytes() <= small);
}

/// A gigabyte of requests from one that writes faster than the server takes.
#[test]
fn a_gigabyte_in_one_pipeline() {
    const VALUE: usize = 100 * KILOBYTE;
    const REQUESTS: usize = 10_000;
    let place = Workplace::new();
    let mut shards = Plan::new(&place, 2).released().start();
    let growth = Growth::begin(&mut shards);
    let address = shards.ambassador.address().clone();
    let mut client = RespClient::connect(&address);
    let set = set_of("value", VALUE);
    let batch = set.repeat(10);
    for _batch in 0..REQUESTS / 10 {
        client.pipeline(&batch, 10);
    }
    // And with a server that takes nothing for a while.
    shards.servers.iter().for_each(e2e::redis::RedisServer::freeze);
    let mut second = RespClient::connect(&address);
    thread::scope(|scope| {
        let replies = scope.spawn(|| second.pipeline(&set.repeat(1_000), 1_000));
        // It is stopped before it has sent all.
        wait_until("what fits to be in", SOON, || unread_bytes(&address) > 0);
        shards.servers.iter().for_each(e2e::redis::RedisServer::thaw);
        assert!(replies.join().unwrap().iter().all(|reply| *reply == simple("OK")));
    });
    growth.at_most(&mut shards, WRITER_MEGABYTES);
}

/// What lies in the receive queues of connections to this port.
fn unread_bytes(address: &Address) -> u64 {
    let Address::Tcp(address) = address else { return 0 };
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let port = format!(":{:04X}", address.port());
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    let queues = rows.filter(|row| row[1].ends_with(&port)).map(|row| row[4].to_owned());
    let received = |queue: String| u64::from_str_radix(queue.split(':').nth(1).unwrap(), 16);
    queues.map(|queue| received(queue).unwrap()).sum()
}

/// Many slow clients at once: the cap is for all of them together.
#[test]
fn many_clients_that_never_read() {
    let place = Workplace::new();
    let mut shards = Plan::new(&place, 2).released().ours("--memory-max=8MiB").start();
    let growth = Growth::begin(&mut shards);
    let mut first = shards.client();
    first.send(&set_of("value", 64 * KILOBYTE));
    first.read();
    let gets: Vec<u8> = (0..200).flat_map(|_get| words("GET value")).collect();
    let mut clients: Vec<RespClient> = (0..100).map(|_client| shards.client()).collect();
    for client in &mut clients {
        client.send(&gets);
    }
    for _request in 0..500 {
        assert_eq!(first.call("SET other x"), simple("OK"));
    }
    growth.at_most(&mut shards, 8 + SLOW_READER_MEGABYTES);
    clients[0].patience(Duration::from_secs(10));
    let expected = bulk(vec![b'v'; 64 * KILOBYTE]);
    for _reply in 0..200 {
        assert!(clients[0].read() == expected);
    }
}
