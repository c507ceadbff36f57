//! In front of one server, whatever Redis does on a connection works through the ambassador.
//!
//! A stateful or blocking command moves its client to a private connection until the state has
//! gone; other clients notice nothing. nutcracker knows none of these commands. All of it must also
//! pass without anything between (`OUTRIDER_AMBASSADOR=direct`).

use std::time::Duration;

use e2e::ambassador::{Kind, Plan, Shards};
use e2e::pace::{SOON, wait_until};
use e2e::resp_client::{Reply, RespClient, bulk, simple, words};
use e2e::workplace::Workplace;

/// Private connections without a client, for the next one.
const PRIVATE_KEPT_MAX: u64 = 4;

fn one_server() -> (Workplace, Shards) {
    let place = Workplace::new();
    let shards = Shards::start(&place, 1);
    (place, shards)
}

fn integers(numbers: &[i64]) -> Reply {
    Reply::Array(numbers.iter().map(|&number| Reply::Integer(number)).collect())
}

fn bulks(texts: &[&str]) -> Reply {
    Reply::Array(texts.iter().map(bulk).collect())
}

fn ok() -> Reply {
    simple("OK")
}

/// How many connections the server has, the one that asks included.
fn connections(shards: &Shards) -> u64 {
    shards.servers[0].info("connected_clients")
}

#[test]
fn transactions() {
    let (_place, shards) = one_server();
    let (mut client, mut other) = (shards.client(), shards.client());
    assert_eq!(client.call("MULTI"), ok());
    assert_eq!(client.call("SET a 1"), simple("QUEUED"));
    // Another client is not in the transaction.
    assert_eq!(other.call("SET a 0"), ok());
    assert_eq!(other.call("GET a"), bulk("0"));
    assert_eq!(client.call("INCR a"), simple("QUEUED"));
    assert_eq!(client.call("MGET a b"), simple("QUEUED"));
    let values = Reply::Array(vec![bulk("2"), Reply::Null]);
    assert_eq!(client.call("EXEC"), Reply::Array(vec![ok(), Reply::Integer(2), values]));
    assert_eq!(other.call("GET a"), bulk("2"));
    assert_eq!(client.call("EXEC").error(), "ERR EXEC without MULTI");
    assert_eq!(client.call("DISCARD").error(), "ERR DISCARD without MULTI");
    assert_eq!(client.call("MULTI"), ok());
    assert_eq!(client.call("MULTI").error(), "ERR MULTI calls can not be nested");
    assert_eq!(client.call("SET a 5"), simple("QUEUED"));
    assert_eq!(client.call("DISCARD"), ok());
    assert_eq!(client.call("GET a"), bulk("2"));
    assert_eq!(client.call("MULTI"), ok());
    assert!(client.call("NONSENSE").error().starts_with("ERR unknown command"));
    let aborted = "EXECABORT Transaction discarded because of previous errors.";
    assert_eq!(client.call("EXEC").error(), aborted);
    // What the connection is told about itself is queued as well.
    for line in ["MULTI", "PING", "SELECT 0"] {
        client.call(line);
    }
    assert_eq!(client.call("EXEC"), Reply::Array(vec![simple("PONG"), ok()]));
}

#[test]
fn watched_keys() {
    let (_place, shards) = one_server();
    let (mut client, mut other) = (shards.client(), shards.client());
    for (between, expected) in [("GET a", Reply::Array(vec![ok()])), ("SET a 2", Reply::Null)] {
        assert_eq!(client.call("WATCH a"), ok());
        client.call("GET a");
        other.call(between);
        assert_eq!(client.call("MULTI"), ok());
        assert_eq!(client.call("SET a 3"), simple("QUEUED"));
        assert_eq!(client.call("EXEC"), expected, "after {between}");
    }
    assert_eq!(client.call("WATCH a"), ok());
    assert_eq!(client.call("UNWATCH"), ok());
    other.call("SET a 4");
    client.call("MULTI");
    client.call("GET a");
    assert_eq!(client.call("EXEC"), bulks(&["4"]));
}

/// A whole transaction in one write, between other requests, as pipelines of clients send it.
#[test]
fn transactions_in_a_pipeline() {
    let (_place, shards) = one_server();
    let mut client = shards.client();
    let (mut bytes, mut expected) = (Vec::new(), Vec::new());
    for round in 0..200 {
        for (line, reply) in [
            (format!("SET a {round}"), ok()),
            ("MULTI".to_owned(), ok()),
            ("INCR a".to_owned(), simple("QUEUED")),
            ("GET a".to_owned(), simple("QUEUED")),
            (
                "EXEC".to_owned(),
                Reply::Array(vec![Reply::Integer(round + 1), bulk((round + 1).to_string())]),
            ),
            ("GET a".to_owned(), bulk((round + 1).to_string())),
        ] {
            bytes.extend(words(&line));
            expected.push(reply);
        }
    }
    assert_eq!(client.pipeline(&bytes, expected.len()), expected);
}

#[test]
fn blocking_commands() {
    let (_place, shards) = one_server();
    let mut other = shards.client();
    for (wait, push, expected) in [
        ("BLPOP list 0", "RPUSH list x", bulks(&["list", "x"])),
        ("BRPOP list 30", "RPUSH list x", bulks(&["list", "x"])),
        ("BLMOVE list to LEFT RIGHT 0", "RPUSH list x", bulk("x")),
        ("BRPOPLPUSH list to 0", "RPUSH list x", bulk("x")),
        ("BZPOPMIN set 0", "ZADD set 1 x", bulks(&["set", "x", "1"])),
        ("BLMPOP 0 1 list LEFT", "RPUSH list x", Reply::Array(vec![bulk("list"), bulks(&["x"])])),
    ] {
        let mut client = shards.client();
        client.send(&words(wait));
        wait_until(wait, SOON, || shards.servers[0].info("blocked_clients") == 1);
        // Nobody else waits with it.
        assert_eq!(other.call("SET a 1"), ok());
        assert_eq!(other.call(push), Reply::Integer(1), "{wait}");
        assert_eq!(client.read(), expected, "{wait}");
        assert_eq!(client.call("GET a"), bulk("1"));
    }
    let mut client = shards.client();
    assert_eq!(client.call("BLPOP nothing 0.05"), Reply::Null);
    client.call("RPUSH ready x");
    assert_eq!(client.call("BLPOP ready 0"), bulks(&["ready", "x"]));
}

/// What follows a blocking command in the pipeline waits for it; the client may also just go.
#[test]
fn around_a_blocking_command() {
    let (_place, shards) = one_server();
    let (mut client, mut other) = (shards.client(), shards.client());
    for line in ["SET a 1", "BLPOP list 0", "GET a"] {
        client.send(&words(line));
    }
    wait_until("the wait", SOON, || shards.servers[0].info("blocked_clients") == 1);
    other.call("SET a 2");
    other.call("RPUSH list x");
    assert_eq!(client.read(), ok());
    assert_eq!(client.read(), bulks(&["list", "x"]));
    assert_eq!(client.read(), bulk("2"));
    client.send(&words("BLPOP list 0"));
    wait_until("the wait", SOON, || shards.servers[0].info("blocked_clients") == 1);
    drop(client);
    wait_until("the end of it", SOON, || shards.servers[0].info("blocked_clients") == 0);
    assert_eq!(other.call("RPUSH list y"), Reply::Integer(1));
    assert_eq!(other.call("LLEN list"), Reply::Integer(1), "nobody took it");
}

#[test]
fn streams() {
    let (_place, shards) = one_server();
    let (mut client, mut other) = (shards.client(), shards.client());
    assert_eq!(other.call("XADD s 1-1 f v"), bulk("1-1"));
    let entry = |id: &str| {
        let entry = Reply::Array(vec![bulk(id), bulks(&["f", "v"])]);
        Reply::Array(vec![Reply::Array(vec![bulk("s"), Reply::Array(vec![entry])])])
    };
    assert_eq!(client.call("XREAD COUNT 1 STREAMS s 0"), entry("1-1"));
    client.send(&words("XREAD BLOCK 0 STREAMS s $"));
    wait_until("the wait", SOON, || shards.servers[0].info("blocked_clients") == 1);
    other.call("XADD s 2-1 f v");
    assert_eq!(client.read(), entry("2-1"));
    assert_eq!(client.call("XGROUP CREATE s g $"), ok());
    client.send(&words("XREADGROUP GROUP g me BLOCK 0 STREAMS s >"));
    wait_until("the wait", SOON, || shards.servers[0].info("blocked_clients") == 1);
    other.call("XADD s 3-1 f v");
    assert_eq!(client.read(), entry("3-1"));
    assert_eq!(client.call("XACK s g 3-1"), Reply::Integer(1));
}

#[test]
fn messages() {
    let (_place, shards) = one_server();
    let (mut client, mut other) = (shards.client(), shards.client());
    let said = |kind: &str, channel: &str, count| {
        Reply::Array(vec![bulk(kind), bulk(channel), Reply::Integer(count)])
    };
    client.send(&words("SUBSCRIBE one two"));
    assert_eq!(client.read(), said("subscribe", "one", 1));
    assert_eq!(client.read(), said("subscribe", "two", 2));
    assert_eq!(client.call("PSUBSCRIBE t*"), said("psubscribe", "t*", 3));
    assert_eq!(other.call("PUBLISH one hello"), Reply::Integer(1));
    assert_eq!(client.read(), bulks(&["message", "one", "hello"]));
    assert_eq!(other.call("PUBLISH two hello"), Reply::Integer(2));
    assert_eq!(client.read(), bulks(&["message", "two", "hello"]));
    assert_eq!(client.read(), bulks(&["pmessage", "t*", "two", "hello"]));
    assert_eq!(client.call("PING"), bulks(&["pong", ""]));
    assert_eq!(client.call("PING x"), bulks(&["pong", "x"]));
    let error = client.call("GET a").error();
    assert!(error.starts_with("ERR Can't execute 'get'"), "{error}");
    assert_eq!(client.call("UNSUBSCRIBE one"), said("unsubscribe", "one", 2));
    assert_eq!(client.call("PUNSUBSCRIBE t*"), said("punsubscribe", "t*", 1));
    assert_eq!(client.call("UNSUBSCRIBE"), said("unsubscribe", "two", 0));
    // Without subscriptions it is an ordinary client again.
    assert_eq!(client.call("SET a 1"), ok());
    let nothing = Reply::Array(vec![bulk("unsubscribe"), Reply::Null, Reply::Integer(0)]);
    assert_eq!(client.call("UNSUBSCRIBE"), nothing);
    assert_eq!(other.call("PUBLISH one hello"), Reply::Integer(0));
    assert_eq!(client.call("GET a"), bulk("1"));
}

#[test]
fn messages_in_resp3() {
    let (_place, shards) = one_server();
    let (mut client, mut other) = (shards.client(), shards.client());
    client.call("HELLO 3");
    let pushed = |texts: &[&str]| Reply::Push(texts.iter().map(bulk).collect());
    let subscribed = Reply::Push(vec![bulk("subscribe"), bulk("one"), Reply::Integer(1)]);
    assert_eq!(client.call("SUBSCRIBE one"), subscribed);
    // Other commands go on.
    assert_eq!(client.call("SET a 1"), ok());
    assert_eq!(other.call("PUBLISH one hello"), Reply::Integer(1));
    assert_eq!(client.read(), pushed(&["message", "one", "hello"]));
    assert_eq!(client.call("PING"), simple("PONG"));
    assert_eq!(client.call("HSET h f v"), Reply::Integer(1));
    assert_eq!(client.call("HGETALL h"), Reply::Map(vec![bulk("f"), bulk("v")]));
    let over = Reply::Push(vec![bulk("unsubscribe"), bulk("one"), Reply::Integer(0)]);
    assert_eq!(client.call("UNSUBSCRIBE one"), over);
    assert_eq!(client.call("GET a"), bulk("1"));
}

#[test]
fn the_monitor() {
    let (_place, shards) = one_server();
    let (mut client, mut other) = (shards.client(), shards.client());
    assert_eq!(client.call("MONITOR"), ok());
    assert_eq!(other.call("SET watched 1"), ok());
    wait_until("the line", SOON, || client.read().text().contains("\"SET\" \"watched\" \"1\""));
}

/// A database of one's own, and nobody else's.
#[test]
fn databases() {
    let (_place, shards) = one_server();
    let (mut client, mut other) = (shards.client(), shards.client());
    assert_eq!(client.call("SELECT 3"), ok());
    assert_eq!(client.call("SET a 3"), ok());
    assert_eq!(client.call("MGET a b"), Reply::Array(vec![bulk("3"), Reply::Null]));
    assert_eq!(other.call("GET a"), Reply::Null);
    assert_eq!(other.call("SELECT 3"), ok());
    assert_eq!(other.call("GET a"), bulk("3"));
    assert_eq!(client.call("SELECT 0"), ok());
    assert_eq!(client.call("GET a"), Reply::Null);
    assert_eq!(other.call("RESET"), simple("RESET"));
    assert_eq!(other.call("GET a"), Reply::Null);
    assert_eq!(client.call("SELECT 99").error(), "ERR DB index is out of range");
    assert_eq!(client.call("MOVE a 3"), Reply::Integer(0));
}

/// Commands about the whole server, scripts, cursors.
#[test]
fn everything_else() {
    let (_place, shards) = one_server();
    let mut client = shards.client();
    for number in 0..25 {
        client.call(&format!("SET key:{number} {number}"));
    }
    let page = client.call("SCAN 0 COUNT 1000").elements();
    assert_eq!(page[0], bulk("0"));
    assert_eq!(page[1].clone().elements().len(), 25);
    assert_eq!(client.call("DBSIZE"), Reply::Integer(25));
    assert_eq!(client.call("KEYS key:*").elements().len(), 25);
    assert!(client.call("RANDOMKEY").text().starts_with("key:"));
    assert_eq!(client.call("RENAME key:1 key:new"), ok());
    assert_eq!(client.call("MSETNX a 1 b 2"), Reply::Integer(1));
    assert_eq!(client.call("EVAL return{KEYS[1],ARGV[1]} 1 k v"), bulks(&["k", "v"]));
    assert_eq!(client.call("EVAL return{1,2} 0"), integers(&[1, 2]));
    let sha = client.call("SCRIPT LOAD return(7)").text();
    assert_eq!(client.call(&format!("EVALSHA {sha} 0")), Reply::Integer(7));
    assert_eq!(client.call(&format!("SCRIPT EXISTS {sha}")), integers(&[1]));
    assert!(client.call("EVALSHA 0000 0").error().starts_with("NOSCRIPT"));
    assert_eq!(client.call("OBJECT ENCODING a"), bulk("int"));
    assert!(client.call("MEMORY USAGE a").integer() > 0);
    assert_eq!(client.call("WAIT 0 0"), Reply::Integer(0));
    assert_eq!(client.call("CONFIG SET maxmemory-samples 7"), ok());
    assert_eq!(client.call("CONFIG GET maxmemory-samples"), bulks(&["maxmemory-samples", "7"]));
    assert!(!client.call("SLOWLOG GET").is_error());
    assert!(!client.call("LATENCY LATEST").is_error());
    assert!(client.call("INFO keyspace").text().contains("db0:keys="));
    assert!(!client.call("ACL WHOAMI").is_error());
    assert_eq!(client.call("DEBUG SLEEP 0"), ok());
    assert_eq!(client.call("FLUSHALL"), ok());
    assert_eq!(client.call("DBSIZE"), Reply::Integer(0));
}

/// A pinned client has the name and the protocol that it had before.
#[test]
fn a_private_connection_is_no_other_client() {
    let (_place, shards) = one_server();
    let mut client = shards.client();
    client.call("HELLO 3 SETNAME me");
    client.call("HSET h f v");
    client.call("WATCH a");
    assert_eq!(client.call("HGETALL h"), Reply::Map(vec![bulk("f"), bulk("v")]));
    assert_eq!(client.call("CLIENT GETNAME"), bulk("me"));
    client.call("HELLO 2");
    assert_eq!(client.call("HGETALL h"), bulks(&["f", "v"]));
    client.call("MULTI");
    client.call("HGETALL h");
    assert_eq!(client.call("EXEC"), Reply::Array(vec![bulks(&["f", "v"])]));
    let id = client.call("CLIENT ID").integer();
    client.call("SELECT 2");
    assert_eq!(client.call("CLIENT ID").integer(), id);
}

/// Private connections end with their state, at the latest with the client.
#[test]
fn private_connections_do_not_stay() {
    let place = Workplace::new();
    let shards = Plan::new(&place, 1).start();
    if shards.ambassador.kind() == Kind::Direct {
        return;
    }
    shards.client().call("GET a");
    let at_rest = connections(&shards);
    let mut clients: Vec<RespClient> = (0..20).map(|_client| shards.client()).collect();
    for client in &mut clients {
        client.call("WATCH a");
        client.call("GET a");
    }
    assert_eq!(connections(&shards), at_rest + 20);
    for client in &mut clients[..10] {
        client.call("UNWATCH");
        client.call("GET a");
    }
    let kept = at_rest + PRIVATE_KEPT_MAX;
    wait_until("the unwatched ones", SOON, || connections(&shards) <= kept + 10);
    drop(clients);
    wait_until("the rest", SOON, || connections(&shards) <= kept);
}

/// 50 ordinary clients share what they need.
#[test]
fn ordinary_clients_share_connections() {
    let place = Workplace::new();
    let shards = Plan::new(&place, 1).set("server_connections", "40").start();
    if shards.ambassador.kind() != Kind::Ours {
        return;
    }
    let mut clients: Vec<RespClient> = (0..50).map(|_client| shards.client()).collect();
    for client in &mut clients {
        assert_eq!(client.call("SET a 1"), ok());
    }
    assert!(connections(&shards) <= 3, "{} connections", connections(&shards));
}

/// Nothing arrives that nobody asked for.
#[test]
fn a_quiet_connection_stays_quiet() {
    let (_place, shards) = one_server();
    let mut client = shards.client();
    client.call("SUBSCRIBE one");
    client.call("UNSUBSCRIBE one");
    let mut other = shards.client();
    other.call("PUBLISH one x");
    assert!(client.is_silent(Duration::from_millis(100)));
    assert_eq!(client.call("PING"), simple("PONG"));
}
