//! redis-ambassador under the contract.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use e2e::client::Address;
use e2e::loopback::own_address;
use e2e::pace::{SOON, wait_for, wait_until};
use e2e::redis::RedisServer;
use e2e::resp_client::{RespClient, simple};
use e2e::workplace::Workplace;

use crate::subject::{Scene, Subject};

pub(crate) const SUBJECT: Subject = Subject {
    name: "redis-ambassador",
    admin_port: 9181,
    idle,
    loaded,
    stuck,
    bad_values: &[
        ("redis-servers", "nowhere"),
        ("listen", "6380"),
        ("hash", "sha1"),
        ("hash-tag", "curly"),
        ("distribution", "circle"),
        ("timeout", "soon"),
        ("server-connections", "0"),
        ("threads", "0"),
        ("client-buffer", "little"),
        ("cross-shard", "guess"),
        ("stats-listen", "nowhere"),
    ],
    metric_prefix: "redis_ambassador_",
    has_landing_page: false,
    prefers_text: false,
};

/// Two servers that are not there, and that nobody asks for.
fn idle(_place: &Workplace) -> Vec<String> {
    let servers = [own_address(), own_address()];
    let mut arguments = over(&servers, own_address(), own_address());
    arguments.push("--preconnect=false".to_owned());
    arguments
}

fn over(servers: &[SocketAddr], listen: SocketAddr, stats: SocketAddr) -> Vec<String> {
    let servers: Vec<String> = servers.iter().map(SocketAddr::to_string).collect();
    vec![
        format!("--redis-servers={}", servers.join(",")),
        format!("--listen={listen}"),
        format!("--stats-listen={stats}"),
    ]
}

/// A client that goes on until it is told to stop.
fn loaded(place: &Workplace) -> Scene {
    let servers = ["one", "two"].map(|name| RedisServer::start(place, name));
    let addresses = servers.each_ref().map(RedisServer::port);
    let listen = own_address();
    let (ended, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (told, count) = (Arc::clone(&ended), Arc::clone(&rounds));
    let client = thread::spawn(move || {
        let mut client = connect(listen);
        while !told.load(Ordering::Relaxed) {
            for line in ["MSET a x b x c x d x", "SET a y", "GET a", "MGET a b c d", "PING"] {
                let reply = client.call(line);
                assert!(!reply.is_error(), "{line}: {reply:?}");
            }
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    Scene {
        arguments: over(&addresses, listen, own_address()),
        wait_busy: Box::new(move || {
            wait_until("replies", SOON, || rounds.load(Ordering::Relaxed) > 100);
        }),
        calm: Box::new(move || {
            ended.store(true, Ordering::Relaxed);
            client.join().unwrap();
            drop(servers);
        }),
    }
}

/// A server that takes a request and never answers, and no limit of time but the grace.
fn stuck(place: &Workplace) -> Scene {
    let server = Rc::new(RedisServer::start(place, "one"));
    let (listen, stats) = (own_address(), own_address());
    let mut arguments = over(&[server.port()], listen, stats);
    arguments.push("--timeout=0".to_owned());
    let peer = Rc::clone(&server);
    Scene {
        arguments,
        wait_busy: Box::new(move || {
            let mut client = connect(listen);
            assert_eq!(client.call("SET a x"), simple("OK"));
            server.freeze();
            // Nobody waits for this reply to the end of the test.
            thread::spawn(move || client.try_call("GET a"));
            wait_until("a request under way", SOON, || {
                statistics(stats).contains("\"out_queue\":1,")
            });
        }),
        calm: Box::new(move || peer.thaw()),
    }
}

/// The process listens some time after it was started.
fn connect(listen: SocketAddr) -> RespClient {
    let address = Address::Tcp(listen);
    wait_for("an open port", SOON, || RespClient::try_connect(&address).ok())
}

fn statistics(address: SocketAddr) -> String {
    let mut text = String::new();
    TcpStream::connect(address).unwrap().read_to_string(&mut text).unwrap();
    text
}
