//! The table of commands is the one of a living redis-server: names, numbers of arguments, keys.
//!
//! COMMAND tells what there is, COMMAND GETKEYS where the keys of a call are. Calls are made up for
//! every command with few and with many arguments, and written down for those whose keys move.

use std::collections::BTreeMap;

use e2e::redis::RedisServer;
use e2e::resp_client::{Reply, RespClient};
use e2e::workplace::Workplace;
use redis_commands::{Command, all, lookup};

/// Calls whose keys depend on their arguments.
const MOVING: &[&str] = &[
    "EVAL s 0",
    "EVAL s 2 a b c",
    "EVALSHA s 1 a b",
    "EVAL_RO s 1 a",
    "EVALSHA_RO s 3 a b c",
    "FCALL f 2 a b c",
    "FCALL_RO f 0 a",
    "EVAL s 3 a b",
    "EVAL s -1 a",
    "EVAL s x a",
    "ZUNION 2 a b WITHSCORES",
    "ZINTER 1 a",
    "ZDIFF 2 a b",
    "ZUNIONSTORE to 2 a b WEIGHTS 1 2",
    "ZINTERSTORE to 1 a",
    "ZDIFFSTORE to 3 a b c",
    "ZUNIONSTORE to 3 a b",
    "ZINTERCARD 2 a b LIMIT 1",
    "SINTERCARD 3 a b c",
    "LMPOP 2 a b LEFT",
    "BLMPOP 0 2 a b LEFT",
    "ZMPOP 1 a MIN",
    "BZMPOP 1 2 a b MAX",
    "XREAD STREAMS a b 0 0",
    "XREAD COUNT 2 BLOCK 5 STREAMS a b c 0 0 0",
    "XREAD COUNT 2 STREAMS streams 0",
    "XREADGROUP GROUP g c STREAMS a b > >",
    "XREADGROUP GROUP streams c COUNT 1 NOACK STREAMS a >",
    "XREADGROUP GROUP g c COUNT 1",
    "SORT a",
    "SORT a BY w_* GET o_* STORE to",
    "SORT a LIMIT 0 5 STORE one STORE two",
    "SORT a BY store GET store",
    "SORT_RO a BY w_*",
    "GEORADIUS a 1 2 3 km",
    "GEORADIUS a 1 2 3 km STORE to",
    "GEORADIUS a 1 2 3 km COUNT 1 STOREDIST to",
    "GEORADIUSBYMEMBER a m 3 km STORE to",
    "GEOSEARCHSTORE to a FROMMEMBER m BYRADIUS 1 km",
    "MIGRATE host 1 a 0 100",
    "MIGRATE host 1 a 0 100 COPY",
    "MSET a 1 b 2 c 3",
    "MSETNX a 1 b 2",
    "MGET a b c",
    "BITOP AND to a b",
    "BLPOP a b c 0",
    "BZPOPMIN a b 0",
    "BRPOPLPUSH a b 0",
    "BLMOVE a b LEFT RIGHT 0",
    "SINTERSTORE to a b",
    "PFMERGE to a b",
    "PFCOUNT a b",
    "RENAME a b",
    "COPY a b DB 1",
    "LCS a b LEN",
    "SMOVE a b m",
    "OBJECT ENCODING a",
    "OBJECT HELP",
    "MEMORY USAGE a SAMPLES 5",
    "XGROUP CREATE a g $",
    "XGROUP DELCONSUMER a g c",
    "XINFO STREAM a FULL",
    "XINFO GROUPS a",
    "DEBUG OBJECT a",
    "RESTORE a 0 x REPLACE",
    "RESTORE-ASKING a 0 x",
    "SET a b EX 5",
    "DEL a b c",
    "WATCH a b",
    "SUBSCRIBE a b",
    "PUBLISH a b",
    "SPUBLISH a b",
    "SSUBSCRIBE a b",
    "HSET a f v g w",
    "SDIFF a b",
    "GETRANGE a 0 1",
    "ZRANGESTORE to a 0 1",
    "XADD a * f v",
    "EXISTS a b",
    "TOUCH a b",
    "UNLINK a b",
];

/// Redis 7.2 takes an argument more.
const WIDER: [&str; 2] = ["zrank", "zrevrank"];

/// Name, arity and subcommands of a row of COMMAND, by the whole name.
fn rows(reply: Reply, into: &mut BTreeMap<String, i64>) {
    for row in reply.elements() {
        let mut row = row.elements().into_iter();
        let name = row.next().unwrap().text();
        into.insert(name, row.next().unwrap().integer());
        rows(row.last().unwrap(), into);
    }
}

fn own_rows(commands: &[Command], into: &mut BTreeMap<String, i64>) {
    for command in commands.iter().filter(|command| !command.newer) {
        into.insert(command.name.to_owned(), command.arity.into());
        own_rows(command.subcommands, into);
    }
}

#[test]
fn the_table_is_that_of_the_server() {
    let place = Workplace::new();
    let server = RedisServer::start(&place, "one");
    let (mut real, mut own) = (BTreeMap::new(), BTreeMap::new());
    rows(server.call("COMMAND"), &mut real);
    own_rows(all(), &mut own);
    assert!(real.len() > 300, "{} rows", real.len());
    let same = |name: &String, arity: i64| {
        own.get(name).is_some_and(|own| *own == arity || WIDER.contains(&name.as_str()))
    };
    let missing: Vec<_> = real.iter().filter(|(name, arity)| !same(name, **arity)).collect();
    assert!(missing.is_empty(), "missing or with another arity: {missing:?}");
    let made_up: Vec<_> = own.keys().filter(|name| !real.contains_key(*name)).collect();
    assert!(made_up.is_empty(), "the server does not know {made_up:?}");
}

/// The keys of a call by our table; none where it finds a mistake.
fn own_keys(words: &[&str]) -> Vec<String> {
    let Some(command) = lookup(words[0].as_bytes()) else { return Vec::new() };
    let mut positions = Vec::new();
    let word = |index: usize| words[index].as_bytes();
    match command.key_positions(words.len(), &word, &mut positions) {
        Ok(()) => positions.into_iter().map(|index| words[index].to_owned()).collect(),
        Err(_) => Vec::new(),
    }
}

/// The same by the server. It has an error for mistakes, and also for commands without keys.
fn real_keys(client: &mut RespClient, words: &[&str]) -> Vec<String> {
    let arguments: Vec<&str> = ["COMMAND", "GETKEYS"].iter().chain(words).copied().collect();
    match client.command(&arguments) {
        Reply::Error(_) => Vec::new(),
        keys => keys.elements().into_iter().map(Reply::text).collect(),
    }
}

fn difference(client: &mut RespClient, words: &[&str]) -> Option<String> {
    let (own, real) = (own_keys(words), real_keys(client, words));
    (own != real).then(|| format!("{}: {own:?} instead of {real:?}", words.join(" ")))
}

#[test]
fn keys_that_move() {
    let place = Workplace::new();
    let server = RedisServer::start(&place, "one");
    let mut client = server.client();
    let mut places = Vec::new();
    for line in MOVING {
        places.extend(difference(&mut client, &line.split(' ').collect::<Vec<_>>()));
    }
    assert!(places.is_empty(), "{places:#?}");
}

/// Every command and subcommand with one to seven words behind it, also numbers.
#[test]
fn keys_of_every_command() {
    let place = Workplace::new();
    let server = RedisServer::start(&place, "one");
    let mut client = server.client();
    let mut real = BTreeMap::new();
    rows(server.call("COMMAND"), &mut real);
    let mut places = Vec::new();
    // PFMERGE without sources has a destination, but the server finds nothing at all.
    let excepted = |name: &str| name == "pfmerge" || WIDER.contains(&name);
    for name in real.keys().filter(|name| !excepted(name)) {
        for count in 0..8 {
            for filler in [["a", "b", "c", "d", "e", "f", "g"], ["1", "2", "1", "0", "x", "2", "y"]]
            {
                let words: Vec<&str> =
                    name.split('|').chain(filler[..count].iter().copied()).collect();
                places.extend(difference(&mut client, &words));
            }
        }
    }
    assert!(places.is_empty(), "{}: {:#?}", places.len(), &places[..places.len().min(30)]);
}
