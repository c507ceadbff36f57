//! Replies come in the order of the requests, whatever the servers do.
//!
//! nutcracker spreads one client's pipeline over its connections to a server and returned a wrong
//! value for 96% of these pairs with the 40 connections of the reference image.

use std::thread;

use e2e::ambassador::{Plan, Shards};
use e2e::random::Random;
use e2e::resp_client::{Reply, bulk, request, simple, words};
use e2e::workplace::Workplace;

/// Small enough that a key is set many times in one pipeline.
const KEYS: u64 = 500;

/// `SET k i` and `GET k` in turn, and what must come back.
fn pairs(seed: u64, count: usize) -> (Vec<u8>, Vec<Reply>) {
    let mut random = Random::new(seed);
    let (mut bytes, mut expected) = (Vec::new(), Vec::new());
    for number in 0..count {
        let key = format!("{seed}:{}", random.below(KEYS));
        bytes.extend(words(&format!("SET {key} {number}")));
        bytes.extend(words(&format!("GET {key}")));
        expected.extend([simple("OK"), bulk(number.to_string())]);
    }
    (bytes, expected)
}

fn wrong(shards: &Shards, seed: u64, count: usize) -> usize {
    let (bytes, expected) = pairs(seed, count);
    let replies = shards.client().pipeline(&bytes, expected.len());
    replies.iter().zip(&expected).filter(|(got, wanted)| got != wanted).count()
}

#[test]
fn a_pipeline_reads_what_it_wrote() {
    for servers in [1, 2, 3] {
        let place = Workplace::new();
        let shards = Plan::new(&place, servers).set("server_connections", "40").start();
        // Round by round the peer opens its 40 connections.
        assert_eq!(wrong(&shards, 7, 20_000), 0, "wrong replies with {servers} servers");
    }
}

#[test]
fn many_pipelines_at_once() {
    let place = Workplace::new();
    let shards = &Plan::new(&place, 2).set("server_connections", "40").start();
    let wrong: usize = thread::scope(|scope| {
        let clients: Vec<_> =
            (1..=40).map(|seed| scope.spawn(move || wrong(shards, seed, 1_000))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert_eq!(wrong, 0);
}

/// Two data threads share nothing, and a client stays on one of them.
#[test]
fn two_threads_keep_the_order() {
    let place = Workplace::new();
    let shards = &Plan::new(&place, 2).ours("--threads=2").start();
    let wrong: usize = thread::scope(|scope| {
        let clients: Vec<_> =
            (1..=16).map(|seed| scope.spawn(move || wrong(shards, seed, 2_000))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert_eq!(wrong, 0);
}

/// Replies of very different sizes, split requests, errors and local answers in one pipeline.
#[test]
fn all_kinds_of_replies_in_one_pipeline() {
    let place = Workplace::new();
    let shards = Shards::start(&place, 3);
    let mut client = shards.client();
    let large = "x".repeat(200_000);
    let (mut bytes, mut expected) = (Vec::new(), Vec::new());
    let mut add = |arguments: &[&str], reply: Reply| {
        bytes.extend(request(arguments));
        expected.push(reply);
    };
    for round in 0..100 {
        let (one, two, many) =
            (format!("one:{round}"), format!("two:{round}"), format!("many:{round}"));
        add(&["SET", &one, &large], simple("OK"));
        add(&["MSET", &two, "2", &many, "3"], simple("OK"));
        add(&["PING"], simple("PONG"));
        add(&["GET", &one], bulk(&large));
        add(
            &["MGET", &two, "absent", &many],
            Reply::Array(vec![bulk("2"), Reply::Null, bulk("3")]),
        );
        add(&["INCR", &two], Reply::Integer(3));
        add(&["DEL", &one, &two, &many, "absent"], Reply::Integer(3));
    }
    let replies = client.pipeline(&bytes, expected.len());
    for (number, (got, wanted)) in replies.iter().zip(&expected).enumerate() {
        assert!(got == wanted, "reply {number} is not the expected one");
    }
}

/// A request may arrive in pieces of any size.
#[test]
fn requests_in_pieces() {
    let place = Workplace::new();
    let shards = Shards::start(&place, 2);
    let mut client = shards.client();
    let (bytes, expected) = pairs(3, 40);
    for byte in &bytes {
        client.send(std::slice::from_ref(byte));
    }
    for wanted in expected {
        assert_eq!(client.read(), wanted);
    }
    let mut random = Random::new(11);
    let (bytes, expected) = pairs(5, 500);
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let length = usize::try_from(1 + random.below(300)).unwrap().min(rest.len());
        let (piece, others) = rest.split_at(length);
        client.send(piece);
        rest = others;
    }
    for wanted in expected {
        assert_eq!(client.read(), wanted);
    }
}
