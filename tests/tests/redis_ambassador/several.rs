//! What needs one server, or all of them, gets one stated error in front of several; commands with
//! keys on several servers are refused unless told otherwise. The connection always stays.
//!
//! nutcracker answers most commands with several keys from the first key's server alone, which is
//! a wrong answer, and hangs up on all others.

use e2e::ambassador::{Plan, Shards};
use e2e::resp_client::{Reply, bulk, simple};
use e2e::workplace::Workplace;

const REFUSED: &[&str] = &[
    "MULTI",
    "EXEC",
    "DISCARD",
    "WATCH a",
    "UNWATCH",
    "SUBSCRIBE a",
    "UNSUBSCRIBE",
    "PSUBSCRIBE a*",
    "PUBLISH a b",
    "PUBSUB CHANNELS",
    "BLPOP a 0",
    "BRPOP a 1",
    "BLMOVE a a LEFT RIGHT 0",
    "BZPOPMIN a 0",
    "XREAD BLOCK 0 STREAMS a $",
    "MONITOR",
    "SELECT 1",
    "SCAN 0",
    "KEYS *",
    "DBSIZE",
    "FLUSHALL",
    "FLUSHDB",
    "RANDOMKEY",
    "SWAPDB 0 1",
    "SCRIPT LOAD return(1)",
    "FUNCTION LIST",
    "WAIT 0 0",
    "REPLICAOF NO ONE",
    "SYNC",
    "PSYNC ? -1",
    "SHUTDOWN",
    "DEBUG SLEEP 0",
    "CONFIG SET maxmemory 0",
    "SAVE",
    "SLOWLOG GET",
    "EVAL return(1) 0",
    "CLUSTER SLOTS",
    "ACL WHOAMI",
    "LATENCY LATEST",
    "FAILOVER",
];

#[test]
fn one_stated_error_and_the_connection_stays() {
    let place = Workplace::new();
    let shards = Shards::start(&place, 2);
    let mut client = shards.client();
    let mut places = Vec::new();
    for line in REFUSED {
        let text = match client.call(line) {
            Reply::Error(text) => text,
            other => format!("{other:?}"),
        };
        if !text.starts_with("ERR ") {
            places.push(format!("{line}: {text}"));
        }
        assert_eq!(client.call("PING"), simple("PONG"), "after {line}");
    }
    assert!(places.is_empty(), "{places:#?}");
    for server in &shards.servers {
        assert_eq!(server.call("PING"), simple("PONG"));
    }
}

/// An unknown command has the text that Redis gives it.
#[test]
fn unknown_commands() {
    let place = Workplace::new();
    let shards = Shards::start(&place, 2);
    let mut client = shards.client();
    let text = client.call("FOO one two").error();
    assert_eq!(text, "ERR unknown command 'FOO', with args beginning with: 'one' 'two' ");
    assert_eq!(client.call("SET a 1"), simple("OK"));
    let pipelined = b"*1\r\n$4\r\nPING\r\n*1\r\n$3\r\nFOO\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n";
    let replies = client.pipeline(pipelined, 3);
    assert_eq!((&replies[0], &replies[2]), (&simple("PONG"), &bulk("1")));
    assert!(replies[1].is_error());
}

/// Two keys of one server and one of the other.
fn three_keys(shards: &Shards) -> [String; 3] {
    let keys = shards.keys();
    [keys[0][0].clone(), keys[0][1].clone(), keys[1][0].clone()]
}

const CROSSING: &[&str] = &[
    "RENAME A C",
    "RENAMENX A C",
    "MSETNX A 1 C 2",
    "SUNION A C",
    "SINTERSTORE A B C",
    "ZUNIONSTORE A 2 B C",
    "ZUNION 2 A C",
    "SINTERCARD 2 A C",
    "LMPOP 2 A C LEFT",
    "PFCOUNT A C",
    "BITOP AND A B C",
    "EVAL return(1) 2 A C",
    "SORT A STORE C",
    "SMOVE A C x",
    "RPOPLPUSH A C",
    "COPY A C",
    "XREAD STREAMS A C 0 0",
    "GEORADIUS A 0 0 1 km STORE C",
];

fn with_keys(line: &str, keys: &[String; 3]) -> String {
    let word = |word: &str| match word {
        "A" => keys[0].clone(),
        "B" => keys[1].clone(),
        "C" => keys[2].clone(),
        other => other.to_owned(),
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Refused with the first two keys that differ, and nothing has been done.
#[test]
fn keys_of_two_servers() {
    let place = Workplace::new();
    let shards = Shards::start(&place, 2);
    let keys = three_keys(&shards);
    let mut client = shards.client();
    for line in CROSSING {
        let line = with_keys(line, &keys);
        let text = client.call(&line).error();
        assert!(text.starts_with("CROSSSLOT "), "{line}: {text}");
        assert!(text.contains(&keys[2]), "{line}: {text} does not name {}", keys[2]);
        assert!(keys[..2].iter().any(|key| text.contains(key)), "{line}: {text}");
    }
    assert_eq!(shards.key_counts(), [0, 0]);
}

/// The same commands with keys of one server.
#[test]
fn keys_of_one_server() {
    let place = Workplace::new();
    let shards = Shards::start(&place, 2);
    let [one, two, _other] = three_keys(&shards);
    let keys = [one.clone(), two.clone(), two.clone()];
    let mut client = shards.client();
    for line in CROSSING {
        let line = with_keys(line, &keys);
        let reply = client.call(&line);
        if let Reply::Error(text) = reply {
            assert!(!text.starts_with("CROSSSLOT"), "{line}: {text}");
            let own = ["ERR no such key", "ERR value is not", "ERR could not", "WRONGTYPE"];
            assert!(own.iter().any(|own| text.starts_with(own)), "{line}: {text}");
        }
    }
    client.call(&format!("DEL {one} {two}"));
    assert_eq!(client.call(&format!("SADD {one} x y")), Reply::Integer(2));
    assert_eq!(client.call(&format!("SMOVE {one} {two} x")), Reply::Integer(1));
    let union = client.call(&format!("SUNION {one} {two}")).elements();
    assert_eq!(union.len(), 2);
    let script = "return{KEYS[1],KEYS[2]}";
    let expected = Reply::Array(vec![bulk(&one), bulk(&two)]);
    assert_eq!(client.call(&format!("EVAL {script} 2 {one} {two}")), expected);
    assert_eq!(client.call(&format!("OBJECT REFCOUNT {one}")), Reply::Integer(1));
}

/// A tag brings keys together.
#[test]
fn tags() {
    let place = Workplace::new();
    let shards = Plan::new(&place, 2).set("hash_tag", "\"{}\"").start();
    let mut client = shards.client();
    for number in 0..20 {
        let (one, two) = (format!("{{{number}}}:one"), format!("two:{{{number}}}"));
        assert_eq!(client.call(&format!("SET {one} {number}")), simple("OK"));
        assert_eq!(client.call(&format!("RENAME {one} {two}")), simple("OK"));
        assert_eq!(client.call(&format!("GET {two}")), bulk(number.to_string()));
    }
}

/// As nutcracker: the first key decides.
#[test]
fn the_first_key_decides_if_told_to() {
    let place = Workplace::new();
    let shards = Plan::new(&place, 2).ours("--cross-shard=first").start();
    let keys = three_keys(&shards);
    let mut client = shards.client();
    client.call(&format!("SADD {} here", keys[0]));
    client.call(&format!("SADD {} there", keys[2]));
    let line = with_keys("SUNION A C", &keys);
    assert_eq!(client.call(&line).elements(), [bulk("here")]);
    // What is split is whole all the same.
    let line = with_keys("DEL A C", &keys);
    assert_eq!(client.call(&line), Reply::Integer(2));
}
