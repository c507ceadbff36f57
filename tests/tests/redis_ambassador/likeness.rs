//! Random requests in random pieces: every reply is byte for byte that of a redis-server alone.
//!
//! The same requests go to a redis-server and through the ambassador to other ones, pipelined, cut
//! anywhere, with errors, transactions and changes of the protocol among them. Requests whose
//! replies differ by nature (random members, times) are not among them. A failure names its seed.

use std::time::{SystemTime, UNIX_EPOCH};

use e2e::ambassador::Shards;
use e2e::random::Random;
use e2e::redis::RedisServer;
use e2e::resp_client::{RespClient, request};
use e2e::workplace::Workplace;

/// `K` is one of a few keys, `V` a value of a few or of many bytes, `N` a number.
const OF_ONE_KEY: &[&str] = &[
    "SET K V",
    "SET K N",
    "GET K",
    "APPEND K V",
    "STRLEN K",
    "INCR K",
    "INCRBY K N",
    "DECR K",
    "GETRANGE K 0 N",
    "SETRANGE K N V",
    "GETDEL K",
    "SETNX K V",
    "EXISTS K",
    "DEL K",
    "TYPE K",
    "EXPIRE K 1000",
    "PERSIST K",
    "LPUSH K V V V",
    "RPUSH K V",
    "LRANGE K 0 N",
    "LLEN K",
    "LPOP K",
    "LPOP K N",
    "LINDEX K N",
    "HSET K a N b N",
    "HGET K a",
    "HGETALL K",
    "HMGET K a x b",
    "HINCRBY K b N",
    "HDEL K a",
    "SADD K a b c",
    "SISMEMBER K a",
    "SCARD K",
    "SREM K b",
    "ZADD K 1 a 2.5 b",
    "ZINCRBY K N a",
    "ZSCORE K a",
    "ZRANGE K 0 -1 WITHSCORES",
    "ZRANK K b",
    "ZCARD K",
    "OBJECT ENCODING K",
    "GET",
    "SET K",
    "GET K K",
    "HSET K a",
    "INCRBY K x",
    "NONSENSE K V",
    "PING",
    "PING V",
    "ECHO V",
    "SORT K",
    "XADD K 1-1 f V",
    "XLEN K",
    "XRANGE K - +",
    "BITCOUNT K",
    "SETBIT K N 1",
    "PFADD K a",
    "COPY K K",
    "EVAL return{KEYS[1],ARGV[1]} 1 K V",
];

/// Split over several servers.
const OF_MANY_KEYS: &[&str] = &[
    "MGET K K K",
    "MGET K K K K K K K K",
    "MSET K V K V K V",
    "DEL K K K",
    "UNLINK K K K K",
    "EXISTS K K K",
    "TOUCH K K",
    "MSET K V K",
    "MGET",
];

/// In front of one server only.
const OF_THE_CONNECTION: &[&str] = &[
    "MULTI",
    "EXEC",
    "DISCARD",
    "WATCH K",
    "UNWATCH",
    "SELECT 0",
    "SELECT 1",
    "DBSIZE",
    "KEYS absent*",
    "RENAME K K",
    "SUNIONSTORE K K K",
    "RPOPLPUSH K K",
    "BLPOP K 0.01",
    "SCAN 0 COUNT 0",
    "SCRIPT EXISTS x",
    "RESET",
];

/// In front of a reply that is not the expected one.
const LINES_SHOWN: usize = 20;

fn value(random: &mut Random) -> Vec<u8> {
    let length = match random.below(50) {
        0 => random.below(200_000),
        1..5 => random.below(5_000),
        _ => random.below(20),
    };
    (0..length).map(|_byte| random.number().to_le_bytes()[2]).collect()
}

fn arguments(random: &mut Random, line: &str) -> Vec<Vec<u8>> {
    let mut word = |word: &str| match word {
        "K" => format!("{:x}:key", random.below(12).wrapping_mul(0x9e37_79b9)).into_bytes(),
        "V" => value(random),
        "N" => random.below(100).to_string().into_bytes(),
        other => other.as_bytes().to_vec(),
    };
    line.split(' ').map(&mut word).collect()
}

fn run(seed: u64, lines: &[&str], protocol: u8, through: &mut RespClient, alone: &mut RespClient) {
    let mut random = Random::new(seed);
    for client in [&mut *through, &mut *alone] {
        client.command(&["HELLO", &protocol.to_string()]);
    }
    let mut history = Vec::new();
    for _batch in 0..60 {
        let count = 1 + random.below(40);
        let chosen: Vec<&str> = (0..count).map(|_request| *random.one_of(lines)).collect();
        let bytes: Vec<u8> =
            chosen.iter().flat_map(|line| request(&arguments(&mut random, line))).collect();
        alone.send(&bytes);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let most = if random.below(3) == 0 { 40 } else { 100_000 };
            let length = usize::try_from(1 + random.below(most)).unwrap().min(rest.len());
            let (piece, others) = rest.split_at(length);
            through.send(piece);
            rest = others;
        }
        for line in chosen {
            history.push(line);
            let (got, expected) = (through.read_raw(), alone.read_raw());
            let shown = |bytes: &[u8]| bytes[..bytes.len().min(200)].escape_ascii().to_string();
            let last = &history[history.len().saturating_sub(LINES_SHOWN)..];
            assert!(
                got == expected,
                "seed {seed}, after {last:?}: {} instead of {}",
                shown(&got),
                shown(&expected)
            );
        }
    }
}

fn check(servers: usize, lines: &[&str]) {
    let place = Workplace::new();
    let alone = RedisServer::start(&place, "alone");
    let shards = Shards::start(&place, servers);
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    for round in 1..=6_u8 {
        let seed = u64::from(time.subsec_nanos()) + u64::from(round);
        let protocol = 2 + round % 2;
        run(seed, lines, protocol, &mut shards.client(), &mut alone.client());
    }
}

#[test]
fn one_server() {
    check(1, &[OF_ONE_KEY, OF_MANY_KEYS, OF_THE_CONNECTION].concat());
}

#[test]
fn three_servers() {
    let lines = [OF_ONE_KEY, OF_MANY_KEYS].concat();
    // Two keys may be on two servers.
    let lines: Vec<&str> = lines
        .into_iter()
        .filter(|line| !line.starts_with("COPY") && !line.starts_with("GET K K"))
        .collect();
    check(3, &lines);
}
