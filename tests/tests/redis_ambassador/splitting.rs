//! MGET, MSET, DEL, UNLINK, TOUCH and EXISTS over several servers are as over one.
//!
//! nutcracker routes EXISTS by its first key alone, and hangs up after a split with a dead server.

use e2e::ambassador::{Plan, Shards, spread_name as name};
use e2e::pace::{SOON, wait_until};
use e2e::resp_client::{Reply, bulk, request, simple};
use e2e::workplace::Workplace;

/// Far above what is held for one client.
const HUGE_PAIRS: usize = 100_000;

#[test]
fn values_come_in_the_order_of_the_keys() {
    let place = Workplace::new();
    let shards = Shards::start(&place, 3);
    let mut client = shards.client();
    let names: Vec<String> = (0..50).map(name).collect();
    let mut pairs = vec!["MSET".to_owned()];
    for (number, name) in names.iter().enumerate() {
        pairs.extend([name.clone(), format!("value {number}")]);
    }
    assert_eq!(client.command(&pairs), simple("OK"));
    assert!(shards.key_counts().iter().all(|count| *count > 0), "{:?}", shards.key_counts());
    let mut arguments = vec!["MGET".to_owned(), "absent".to_owned()];
    arguments.extend(names.iter().rev().cloned());
    // A key asked for twice is answered twice.
    arguments.push(names[0].clone());
    let mut expected = vec![Reply::Null];
    expected.extend((0..50).rev().map(|number| bulk(format!("value {number}"))));
    expected.push(bulk("value 0"));
    assert_eq!(client.command(&arguments), Reply::Array(expected));
}

#[test]
fn counts_are_summed() {
    let place = Workplace::new();
    let shards = Shards::start(&place, 3);
    let mut client = shards.client();
    let names: Vec<String> = (0..30).map(name).collect();
    for name in &names {
        assert_eq!(client.command(&["SET", name, "x"]), simple("OK"));
    }
    let mut with = |command: &str, names: &[String]| {
        let arguments: Vec<&str> =
            [command, "absent"].into_iter().chain(names.iter().map(String::as_str)).collect();
        client.command(&arguments)
    };
    assert_eq!(with("EXISTS", &names), Reply::Integer(30));
    assert_eq!(with("EXISTS", &[name(1), name(1), name(2)]), Reply::Integer(3));
    assert_eq!(with("TOUCH", &names), Reply::Integer(30));
    assert_eq!(with("UNLINK", &names[..10]), Reply::Integer(10));
    assert_eq!(with("DEL", &names), Reply::Integer(20));
    assert_eq!(with("EXISTS", &names), Reply::Integer(0));
}

/// Names of commands in any case, keys and values of any bytes, empty ones too.
#[test]
fn any_bytes() {
    let place = Workplace::new();
    let shards = Shards::start(&place, 3);
    let mut client = shards.client();
    let keys: [&[u8]; 6] = [b"", b"\r\n", b"*1\r\n$4\r\nPING\r\n", b"\xff\xfe\x00", b"a b", b"$"];
    let mut arguments: Vec<&[u8]> = vec![b"mSeT"];
    keys.iter().rev().for_each(|key| arguments.extend([key, key]));
    assert_eq!(client.command(&arguments), simple("OK"));
    let mut arguments: Vec<&[u8]> = vec![b"MgeT"];
    arguments.extend(keys);
    assert_eq!(client.command(&arguments), Reply::Array(keys.map(bulk).into()));
    assert_eq!(shards.key_counts().iter().sum::<i64>(), 6);
}

/// Redis' own errors, and none that a split made up.
#[test]
fn errors() {
    let place = Workplace::new();
    let shards = Shards::start(&place, 2);
    let mut client = shards.client();
    for (line, error) in [
        ("MGET", "ERR wrong number of arguments for 'mget' command"),
        ("DEL", "ERR wrong number of arguments for 'del' command"),
        ("MSET a", "ERR wrong number of arguments for 'mset' command"),
        ("MSET a 1 b", "ERR wrong number of arguments for 'mset' command"),
    ] {
        assert_eq!(client.call(line).error(), error, "{line}");
    }
    let keys = shards.keys();
    let (one, two) = (&keys[0][0], &keys[1][0]);
    // Keys of two servers, and the last without its value.
    let text = client.call(&format!("MSET {one} 1 {two}")).error();
    assert_eq!(text, "ERR wrong number of arguments for 'mset' command");
    for key in [one, two] {
        client.call(&format!("RPUSH {key} x"));
    }
    // A value of another type is no value, not an error.
    let line = format!("MGET {one} {two} absent");
    assert_eq!(client.call(&line), Reply::Array(vec![Reply::Null, Reply::Null, Reply::Null]));
    assert_eq!(client.call("PING"), simple("PONG"));
}

/// 100,000 pairs: the whole request is never held. Other clients are served meanwhile.
#[test]
fn huge_requests() {
    let place = Workplace::new();
    let shards = Plan::new(&place, 2).ours("--client-buffer=256KiB").start();
    let mut client = shards.client();
    let value = "v".repeat(40);
    let mut pairs = vec!["MSET".to_owned()];
    (0..HUGE_PAIRS).for_each(|number| pairs.extend([name(number), format!("{value}{number}")]));
    assert_eq!(client.pipeline(&request(&pairs), 1), [simple("OK")]);
    assert_eq!(shards.key_counts().iter().sum::<i64>(), i64::try_from(HUGE_PAIRS).unwrap());
    let mut names = vec!["MGET".to_owned()];
    names.extend((0..HUGE_PAIRS).map(name));
    let replies = client.pipeline(&request(&names), 1).remove(0).elements();
    assert_eq!(replies.len(), HUGE_PAIRS);
    for (number, reply) in replies.into_iter().enumerate() {
        assert!(reply == bulk(format!("{value}{number}")), "{number}: {reply:?}");
    }
    for (command, left) in [("EXISTS", HUGE_PAIRS), ("UNLINK", 0)] {
        command.clone_into(&mut names[0]);
        let replies = client.pipeline(&request(&names), 1);
        assert_eq!(replies, [Reply::Integer(i64::try_from(HUGE_PAIRS).unwrap())]);
        let left = i64::try_from(left).unwrap();
        let of_all = || shards.key_counts().iter().sum::<i64>() == left;
        wait_until("the keys to go", SOON, of_all);
    }
}

/// One large value among small ones, far above what is held for one client.
#[test]
fn a_large_value_among_small_ones() {
    let place = Workplace::new();
    let shards = Plan::new(&place, 2).ours("--client-buffer=256KiB").start();
    let keys = shards.keys();
    let mut client = shards.client();
    let large = vec![b'x'; 5_000_000];
    let pair = |key: &str, value: &[u8]| [key.as_bytes().to_vec(), value.to_vec()];
    let mut arguments = vec![b"MSET".to_vec()];
    arguments.extend(pair(&keys[0][0], b"small"));
    arguments.extend(pair(&keys[1][0], &large));
    arguments.extend(pair(&keys[0][1], b"small too"));
    assert_eq!(client.pipeline(&request(&arguments), 1), [simple("OK")]);
    let arguments = ["MGET", &keys[0][0], &keys[1][0], &keys[0][1], &keys[1][0]];
    let values = client.command(&arguments).elements();
    let expected = [bulk("small"), bulk(&large), bulk("small too"), bulk(&large)];
    assert!(values == expected, "the values are not the expected ones");
}

/// A dead server: an error for the whole request, and the connection stays.
#[test]
fn a_dead_server_is_an_error() {
    let place = Workplace::new();
    let mut shards = Plan::new(&place, 2).set("timeout", "1000").start();
    let keys = shards.keys();
    let (living, dead) = (keys[0][0].clone(), keys[1][0].clone());
    let mut client = shards.client();
    assert_eq!(client.call(&format!("MSET {living} 1 {dead} 2")), simple("OK"));
    shards.servers[1].kill();
    for line in [
        format!("MGET {living} {dead}"),
        format!("MSET {living} 3 {dead} 4"),
        format!("DEL {dead} {living}"),
        format!("EXISTS {dead} {living}"),
    ] {
        let reply = client.call(&line);
        assert!(reply.is_error(), "{line}: {reply:?}");
        // Nothing is left over from the half that was answered.
        assert_eq!(client.call(&format!("SET {living} x")), simple("OK"), "after {line}");
        assert_eq!(client.call(&format!("GET {living}")), bulk("x"), "after {line}");
    }
}
