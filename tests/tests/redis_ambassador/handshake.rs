//! What clients say first: answered, and byte for byte as redis-server answers it.
//!
//! nutcracker hangs up on nearly all of these. Values that differ from process to process, such as
//! ids, are compared by their shape.

use e2e::ambassador::{Plan, Shards};
use e2e::redis::RedisServer;
use e2e::resp_client::{Reply, RespClient, bulk, simple, words};
use e2e::workplace::Workplace;

/// Requests whose replies are the same bytes on every fresh connection, also over several servers.
const SAME: &[&str] = &[
    "PING",
    "PING hello",
    "PING a b",
    "ECHO hello",
    "ECHO",
    "ECHO a b",
    "SELECT 0",
    "CLIENT",
    "CLIENT NONSENSE",
    "CLIENT GETNAME",
    "CLIENT SETNAME me",
    "CLIENT GETNAME",
    "CLIENT SETNAME",
    "CLIENT SETNAME a\u{7f}b",
    "CLIENT NO-EVICT on",
    "CLIENT NO-EVICT off",
    "CLIENT NO-EVICT maybe",
    "CLIENT ID extra",
    "CLIENT REPLY maybe",
    "CLIENT REPLY on",
    "CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type internal-ip",
    "HELLO 1",
    "HELLO 4",
    "HELLO x",
    "HELLO 2 SETNAME",
    "HELLO 2 AUTH",
    "HELLO 2 NONSENSE",
    "HELLO 3 AUTH someone wrong",
    "AUTH",
    "AUTH a b",
    "AUTH a b c",
    "QUIET",
    "FOO bar 'baz",
    "FOO",
    "GET",
    "GET a b",
    "SET a",
    "HSET a b",
    "READONLY",
    "CLUSTER INFO",
    "COMMAND COUNT x",
    "COMMAND GETKEYS GET",
    "COMMAND GETKEYS SET a b",
    "COMMAND GETKEYS MSET a b c d",
    "COMMAND NONSENSE",
    "COMMAND INFO nonsense",
    "CONFIG GET nonsense",
    "RESET",
    "CLIENT GETNAME",
    "QUIT",
];

/// One line after the other on one connection.
fn transcript(client: &mut RespClient, lines: &[&str]) -> Vec<(String, String)> {
    let answer = |line: &&str| {
        client.send(&words(line));
        ((*line).to_owned(), String::from_utf8_lossy(&client.read_raw()).into_owned())
    };
    lines.iter().map(answer).collect()
}

fn check_same(servers: usize, lines: &[&str]) {
    let place = Workplace::new();
    let shards = Shards::start(&place, servers);
    let direct = RedisServer::start(&place, "direct");
    let expected = transcript(&mut direct.client(), lines);
    let got = transcript(&mut shards.client(), lines);
    let different: Vec<_> = got.iter().zip(&expected).filter(|(got, real)| got != real).collect();
    assert!(different.is_empty(), "with {servers} servers: {different:#?}");
}

#[test]
fn over_one_server() {
    check_same(1, SAME);
    check_same(1, &["SELECT x", "SELECT 99", "SELECT", "SELECT 0 0"]);
}

#[test]
fn over_two_servers() {
    check_same(2, SAME);
}

/// All of it again in RESP3.
#[test]
fn in_resp3() {
    for servers in [1, 2] {
        let lines: Vec<&str> =
            SAME.iter().copied().filter(|line| !line.starts_with("RESET")).collect();
        let place = Workplace::new();
        let shards = Shards::start(&place, servers);
        let direct = RedisServer::start(&place, "direct");
        let run = |mut client: RespClient| {
            client.call("HELLO 3");
            transcript(&mut client, &lines)
        };
        let (got, expected) = (run(shards.client()), run(direct.client()));
        let different: Vec<_> =
            got.iter().zip(&expected).filter(|(got, real)| got != real).collect();
        assert!(different.is_empty(), "with {servers} servers: {different:#?}");
    }
}

/// Replies as trees with what differs from process to process replaced by its type.
fn shape(reply: &Reply) -> String {
    match reply {
        Reply::Integer(_) => "integer".to_owned(),
        Reply::Array(all) => format!("array{:?}", all.iter().map(shape).collect::<Vec<_>>()),
        Reply::Map(all) => format!("map{:?}", all.iter().map(shape).collect::<Vec<_>>()),
        Reply::Bulk(text) if text.starts_with(b"7.") => "version".to_owned(),
        Reply::Bulk(text) => String::from_utf8_lossy(text).into_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn hello() {
    for servers in [1, 2] {
        let place = Workplace::new();
        let shards = Shards::start(&place, servers);
        let direct = RedisServer::start(&place, "direct");
        for lines in [
            &["HELLO", "HELLO 2", "HELLO 3", "HELLO", "HELLO 2"][..],
            &["HELLO 3 SETNAME it", "CLIENT GETNAME", "GET absent", "CLIENT ID"],
            &["HELLO 2 SETNAME it", "CLIENT GETNAME", "GET absent", "CLIENT ID"],
            &["HELLO 3 AUTH default anything SETNAME it", "CLIENT GETNAME", "HGETALL absent"],
            &["HELLO 3", "RESET", "GET absent"],
        ] {
            let (mut ours, mut real) = (shards.client(), direct.client());
            for line in lines {
                let (got, expected) = (ours.call(line), real.call(line));
                assert_eq!(shape(&got), shape(&expected), "{line} of {lines:?}");
            }
        }
    }
}

/// A reply has the type that the protocol of its connection gives it, whoever else is connected.
#[test]
fn each_client_has_its_protocol() {
    let place = Workplace::new();
    let shards = Shards::start(&place, 2);
    let (mut two, mut three) = (shards.client(), shards.client());
    three.call("HELLO 3");
    for (key, value) in [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")] {
        assert_eq!(two.call(&format!("HSET {key} field {value}")), Reply::Integer(1));
        let pair = vec![bulk("field"), bulk(value)];
        assert_eq!(three.call(&format!("HGETALL {key}")), Reply::Map(pair.clone()));
        assert_eq!(two.call(&format!("HGETALL {key}")), Reply::Array(pair));
        two.call(&format!("ZADD z{key} 1.5 member"));
        let score = Reply::Other(',', "1.5".to_owned());
        assert_eq!(three.call(&format!("ZSCORE z{key} member")), score);
        assert_eq!(two.call(&format!("ZSCORE z{key} member")), bulk("1.5"));
    }
    let raw = |client: &mut RespClient| {
        client.send(&words("MGET absent none"));
        client.read_raw()
    };
    assert_eq!(raw(&mut two), b"*2\r\n$-1\r\n$-1\r\n");
    assert_eq!(raw(&mut three), b"*2\r\n_\r\n_\r\n");
}

/// Newer than the server of the tests, and what every library of today says first.
#[test]
fn libraries_may_name_themselves() {
    for servers in [1, 2] {
        let place = Workplace::new();
        let shards = Shards::start(&place, servers);
        let mut client = shards.client();
        assert_eq!(client.call("CLIENT SETINFO LIB-NAME redis-py"), simple("OK"));
        assert_eq!(client.call("CLIENT SETINFO lib-ver 8.1.0"), simple("OK"));
        assert!(client.call("CLIENT SETINFO NONSENSE x").is_error());
        let own = client.call("CLIENT INFO").text();
        assert!(own.contains(" lib-name=redis-py lib-ver=8.1.0"), "{own}");
    }
}

#[test]
fn the_clients_of_the_ambassador() {
    let place = Workplace::new();
    let shards = Shards::start(&place, 2);
    let (mut one, mut two) = (shards.client(), shards.client());
    one.call("CLIENT SETNAME first");
    two.call("CLIENT SETNAME second");
    let (first, second) = (one.call("CLIENT ID").integer(), two.call("CLIENT ID").integer());
    assert_ne!(first, second);
    let list = one.call("CLIENT LIST").text();
    for (id, name) in [(first, "first"), (second, "second")] {
        let line = list.lines().find(|line| line.starts_with(&format!("id={id} ")));
        let line = line.unwrap_or_else(|| panic!("no id={id} in {list}"));
        assert!(line.contains(&format!(" name={name} ")), "{line}");
        for field in [" addr=127.", " laddr=", " db=0", " cmd=", " resp=2"] {
            assert!(line.contains(field), "no{field} in {line}");
        }
    }
    let own = two.call("CLIENT INFO").text();
    assert!(own.starts_with(&format!("id={second} ")), "{own}");
}

#[test]
fn replies_can_be_turned_off() {
    for servers in [1, 2] {
        let place = Workplace::new();
        let shards = Shards::start(&place, servers);
        let mut client = shards.client();
        for line in [
            "SET a 1",
            "CLIENT REPLY SKIP",
            "SET a 2",
            "GET a",
            "CLIENT REPLY OFF",
            "SET a 3",
            "SET b 3",
            "MGET a b",
            "PING",
            "CLIENT REPLY ON",
            "MGET a b",
        ] {
            client.send(&words(line));
        }
        for expected in
            [simple("OK"), bulk("2"), simple("OK"), Reply::Array(vec![bulk("3"), bulk("3")])]
        {
            assert_eq!(client.read(), expected, "with {servers} servers");
        }
        assert_eq!(client.call("PING"), simple("PONG"));
    }
}

#[test]
fn information_that_clients_look_for() {
    let place = Workplace::new();
    for servers in [1, 2] {
        let shards = Shards::start(&place, servers);
        let mut client = shards.client();
        for line in ["INFO", "INFO replication", "INFO server", "INFO everything"] {
            let text = client.call(line).text();
            let fields = match line {
                "INFO replication" => &["role:master", "connected_slaves:0"][..],
                "INFO server" => &["redis_version:", "redis_mode:standalone"],
                _ => &["redis_version:", "redis_mode:standalone", "role:master", "loading:0"],
            };
            for field in fields {
                let found = text.lines().any(|line| line.starts_with(field));
                assert!(found, "{line} of {servers} has no {field}: {text}");
            }
        }
        assert!(client.call("COMMAND COUNT").integer() > 200);
        assert!(client.call("COMMAND").elements().len() > 200);
        let docs = client.call("COMMAND DOCS get").elements();
        assert_eq!(docs[0], bulk("get"));
        assert_eq!(client.call("TIME").elements().len(), 2);
        assert!(!client.call("LOLWUT").is_error());
        let config = client.call("CONFIG GET databases").elements();
        assert_eq!(config[0], bulk("databases"));
    }
}

/// As typed into a terminal.
#[test]
fn inline_commands() {
    let place = Workplace::new();
    let shards = Shards::start(&place, 2);
    let mut client = shards.client();
    client.send(b"PING\r\nset inline \"a b\\x41\\n\"\r\n\r\nGET inline\nECHO 'it''s'\r\n");
    assert_eq!(client.read(), simple("PONG"));
    assert_eq!(client.read(), simple("OK"));
    assert_eq!(client.read(), bulk("a bA\n"));
    assert_eq!(client.read().error(), "ERR Protocol error: unbalanced quotes in request");
    assert!(client.is_closed());
}

/// The password of the pool guards the door and opens the servers.
#[test]
fn passwords() {
    let place = Workplace::new();
    for servers in [1, 2] {
        let plan = Plan::of(&place, servers, &["--requirepass", "secret"]);
        let shards = plan.set("redis_auth", "secret").start();
        let mut client = shards.client();
        for line in ["GET a", "PING", "MGET a b", "CLIENT ID", "HELLO 3"] {
            let text = client.call(line).error();
            assert!(text.starts_with("NOAUTH "), "{line}: {text}");
        }
        assert!(client.call("AUTH wrong").is_error());
        assert!(client.call("AUTH default wrong").error().starts_with("WRONGPASS "));
        assert!(client.call("HELLO 3 AUTH default wrong").error().starts_with("WRONGPASS "));
        assert!(client.call("GET a").error().starts_with("NOAUTH "));
        assert_eq!(client.call("AUTH secret"), simple("OK"));
        assert_eq!(client.call("SET a 1"), simple("OK"));
        assert_eq!(shards.client().call("AUTH default secret"), simple("OK"));
        let mut third = shards.client();
        assert_eq!(third.call("HELLO 3 AUTH default secret").elements()[0], bulk("server"));
        assert_eq!(third.call("GET a"), bulk("1"));
        assert_eq!(third.call("RESET"), simple("RESET"));
        assert!(third.call("GET a").error().starts_with("NOAUTH "));
    }
}
