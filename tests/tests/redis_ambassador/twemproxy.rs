//! What twemproxy's users rely on, as its documentation states it: basic commands, several keys,
//! passwords, errors. A table of requests and replies over three servers.
//!
//! Rows that differ from nutcracker are in the tables below as what they should be: an unknown
//! command is an error and not the end, a value of a wrong type in MGET is no value.

use e2e::ambassador::{Plan, Shards};
use e2e::pace::{SOON, wait_until};
use e2e::resp_client::{Reply, bulk, request, simple};
use e2e::workplace::Workplace;

/// A request, and its reply: `+OK`, `:1`, `$text`, `-` and the beginning of an error, `nil`, or
/// elements between brackets.
const BASIC: &[(&str, &str)] = &[
    ("SET k v", "+OK"),
    ("GET k", "$v"),
    ("GET absent", "nil"),
    ("SETNX k w", ":0"),
    ("SETEX e 100 v", "+OK"),
    ("TTL e", ":100"),
    ("PSETEX e 100000 v", "+OK"),
    ("PERSIST e", ":1"),
    ("TTL e", ":-1"),
    ("EXPIRE e 10", ":1"),
    ("TYPE k", "+string"),
    ("EXISTS k", ":1"),
    ("APPEND k w", ":2"),
    ("STRLEN k", ":2"),
    ("GETRANGE k 0 0", "$v"),
    ("SETRANGE k 1 xyz", ":4"),
    ("GETSET k new", "$vxyz"),
    ("GETDEL k", "$new"),
    ("INCR n", ":1"),
    ("INCRBY n 10", ":11"),
    ("DECR n", ":10"),
    ("DECRBY n 3", ":7"),
    ("INCRBYFLOAT n 0.5", "$7.5"),
    ("SETBIT bits 7 1", ":0"),
    ("GETBIT bits 7", ":1"),
    ("BITCOUNT bits", ":1"),
    ("HSET h a 1 b 2", ":2"),
    ("HGET h a", "$1"),
    ("HMGET h a x b", "[$1 nil $2]"),
    ("HINCRBY h a 5", ":6"),
    ("HKEYS h", "[$a $b]"),
    ("HVALS h", "[$6 $2]"),
    ("HGETALL h", "[$a $6 $b $2]"),
    ("HDEL h a", ":1"),
    ("HLEN h", ":1"),
    ("RPUSH l 1 2 3", ":3"),
    ("LPUSH l 0", ":4"),
    ("LRANGE l 0 -1", "[$0 $1 $2 $3]"),
    ("LINDEX l 1", "$1"),
    ("LPOP l", "$0"),
    ("RPOP l", "$3"),
    ("LINSERT l BEFORE 2 x", ":3"),
    ("LREM l 0 x", ":1"),
    ("LLEN l", ":2"),
    ("RPOPLPUSH l l", "$2"),
    ("SADD s a b c", ":3"),
    ("SCARD s", ":3"),
    ("SISMEMBER s a", ":1"),
    ("SREM s a b", ":2"),
    ("SMEMBERS s", "[$c]"),
    ("ZADD z 1 a 2 b 3 c", ":3"),
    ("ZSCORE z b", "$2"),
    ("ZRANGE z 0 -1", "[$a $b $c]"),
    ("ZRANGE z 0 0 WITHSCORES", "[$a $1]"),
    ("ZREVRANGE z 0 0", "[$c]"),
    ("ZRANK z c", ":2"),
    ("ZCOUNT z 1 2", ":2"),
    ("ZINCRBY z 5 a", "$6"),
    ("ZREM z a", ":1"),
    ("ZREMRANGEBYRANK z 0 0", ":1"),
    ("ZCARD z", ":1"),
    ("PFADD p a b c", ":1"),
    ("PFCOUNT p", ":3"),
    ("GEOADD g 13.36 38.11 a 15.08 37.50 b", ":2"),
    ("GEODIST g a b km", "$165.6790"),
    ("HSCAN h 0", "[$0 [$b $2]]"),
    ("SSCAN s 0", "[$0 [$c]]"),
    ("ZSCAN z 0", "[$0 [$c $3]]"),
    ("EVAL return(ARGV[1]) 1 k x", "$x"),
    ("SORT l", "[$1 $2]"),
    ("MSET a 1 b 2 c 3 d 4", "+OK"),
    ("MGET a b c d absent a", "[$1 $2 $3 $4 nil $1]"),
    ("MGET a", "[$1]"),
    ("MSET a 5 a 6", "+OK"),
    ("GET a", "$6"),
    ("DEL a b absent", ":2"),
    ("UNLINK c d c", ":2"),
    ("TOUCH n h absent", ":2"),
    ("MGET h n", "[nil $7.5]"),
    ("PING", "+PONG"),
];

/// Errors are Redis' own, and the connection stays.
const ERRORS: &[(&str, &str)] = &[
    ("GET", "-ERR wrong number of arguments for 'get' command"),
    ("SET k", "-ERR wrong number of arguments for 'set' command"),
    ("MGET", "-ERR wrong number of arguments for 'mget' command"),
    ("MSET a 1 b", "-ERR wrong number of arguments for 'mset' command"),
    ("SET k v NONSENSE", "-ERR syntax error"),
    ("RPUSH list x", ":1"),
    ("GET list", "-WRONGTYPE"),
    ("INCR list", "-WRONGTYPE"),
    ("SET text x", "+OK"),
    ("INCR text", "-ERR value is not an integer or out of range"),
    ("EXPIRE text x", "-ERR value is not an integer or out of range"),
    ("EVAL nonsense( 1 k", "-ERR Error compiling script"),
    ("EVALSHA 0000000000000000000000000000000000000000 1 k", "-NOSCRIPT"),
    ("NONSENSE a", "-ERR unknown command 'NONSENSE'"),
    ("KEYS *", "-ERR "),
    ("PING", "+PONG"),
];

fn show(reply: &Reply) -> String {
    match reply {
        Reply::Simple(text) => format!("+{text}"),
        Reply::Error(text) => format!("-{text}"),
        Reply::Integer(number) => format!(":{number}"),
        Reply::Bulk(bytes) => format!("${}", String::from_utf8_lossy(bytes)),
        Reply::Null => "nil".to_owned(),
        Reply::Array(all) => format!("[{}]", all.iter().map(show).collect::<Vec<_>>().join(" ")),
        other => format!("{other:?}"),
    }
}

fn check(rows: &[(&str, &str)]) {
    let place = Workplace::new();
    let shards = Shards::start(&place, 3);
    let mut client = shards.client();
    let mut places = Vec::new();
    for (line, expected) in rows {
        let got = show(&client.call(line));
        let same = match expected.strip_prefix('-') {
            Some(_text) => got.starts_with(expected),
            None => got == *expected,
        };
        if !same {
            places.push(format!("{line}: {got} instead of {expected}"));
        }
    }
    assert!(places.is_empty(), "{places:#?}");
}

#[test]
fn basic_commands() {
    check(BASIC);
}

#[test]
fn errors() {
    check(ERRORS);
}

/// Values and keys of every size around the buffers of the peer.
#[test]
fn sizes() {
    let place = Workplace::new();
    let shards = Shards::start(&place, 3);
    let mut client = shards.client();
    for exponent in 0..21 {
        for length in [(1 << exponent) - 1, 1 << exponent, (1 << exponent) + 1] {
            let value = vec![b'v'; length];
            assert_eq!(client.command(&[b"SET", &b"k"[..], &value]), simple("OK"));
            assert!(client.command(&["GET", "k"]) == bulk(&value), "{length} bytes");
        }
    }
    // nutcracker resets the connection above 16,335 bytes.
    for length in [16_000, 16_335, 16_336, 100_000, 500_000] {
        let key = vec![b'k'; length];
        assert_eq!(client.command(&[b"SET", &key[..], b"v"]), simple("OK"), "{length}");
        assert_eq!(client.command(&[b"MGET", &key[..], b"k2"]).elements()[0], bulk("v"));
        assert_eq!(client.command(&[b"DEL", &key[..]]), Reply::Integer(1));
    }
}

/// Several keys at once, in many sizes of requests.
#[test]
fn many_keys() {
    let place = Workplace::new();
    let shards = Shards::start(&place, 3);
    let mut client = shards.client();
    for count in [1, 2, 10, 100, 1_000, 10_000] {
        let names: Vec<String> = (0..count).map(|key| format!("{count}:{key}")).collect();
        let mut mset = vec!["MSET"];
        names.iter().for_each(|name| mset.extend([name.as_str(), name.as_str()]));
        assert_eq!(client.pipeline(&request(&mset), 1), [simple("OK")]);
        let of = |command| {
            let words: Vec<&str> =
                [command].into_iter().chain(names.iter().map(String::as_str)).collect();
            request(&words)
        };
        let values = Reply::Array(names.iter().map(bulk).collect());
        assert!(client.pipeline(&of("MGET"), 1) == [values], "{count} keys");
        assert_eq!(client.pipeline(&of("DEL"), 1), [Reply::Integer(count)]);
    }
}

/// `redis_auth`: before it every command is refused, whatever it is.
#[test]
fn passwords() {
    let place = Workplace::new();
    let plan = Plan::of(&place, 3, &["--requirepass", "secret"]).set("redis_auth", "secret");
    let shards = plan.start();
    let mut client = shards.client();
    for line in ["PING", "GET a", "SET a 1", "MSET a 1 b 2", "DEL a", "MGET a b"] {
        let text = client.call(line).error();
        assert!(text.starts_with("NOAUTH Authentication required"), "{line}: {text}");
    }
    assert!(client.call("AUTH wrong").is_error());
    assert!(client.call("AUTH").error().contains("wrong number of arguments"));
    assert_eq!(client.call("AUTH secret"), simple("OK"));
    assert_eq!(client.call("MSET a 1 b 2 c 3"), simple("OK"));
    assert_eq!(client.call("MGET a b c").elements(), ["1", "2", "3"].map(bulk));
    // A wrong password afterwards is an error and closes nothing.
    assert!(client.call("AUTH wrong").is_error());
    assert_eq!(client.call("PING"), simple("PONG"));
}

/// Without a password AUTH has nothing to compare with.
#[test]
fn no_password() {
    let place = Workplace::new();
    let shards = Shards::start(&place, 3);
    let mut client = shards.client();
    let text = client.call("AUTH anything").error();
    assert!(text.contains("AUTH"), "{text}");
    assert_eq!(client.call("SET a 1"), simple("OK"));
}

/// A server that wants a password which the pool does not have: its error, not the end.
#[test]
fn a_server_with_a_password_that_nobody_has() {
    let place = Workplace::new();
    let shards = Plan::of(&place, 1, &["--requirepass", "secret"]).start();
    let mut client = shards.client();
    for line in ["GET a", "SET a 1"] {
        let text = client.call(line).error();
        assert!(text.starts_with("NOAUTH "), "{line}: {text}");
    }
}

/// Redis that is loading or busy with a script says so; that reaches the client.
#[test]
fn a_busy_server() {
    let place = Workplace::new();
    let shards = Plan::of(&place, 1, &["--busy-reply-threshold", "100"]).start();
    let mut stuck = shards.servers[0].client();
    let mut client = shards.client();
    assert_eq!(client.call("SET a 1"), simple("OK"));
    stuck.send(&request(&["EVAL", "while true do end", "0"]));
    wait_until("the busy server", SOON, || match client.call("GET a") {
        Reply::Error(text) => text.starts_with("BUSY "),
        _ => false,
    });
    assert_eq!(shards.servers[0].call("SCRIPT KILL"), simple("OK"));
    wait_until("the end of the script", SOON, || client.call("GET a") == bulk("1"));
}
