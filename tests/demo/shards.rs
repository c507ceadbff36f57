//! The ambassador's side of the demo: one address for the app, its keys on two redis-servers.
//!
//! In goes what the reference image's environment says; out comes which server holds how many keys
//! and whether every reply was the right one, also while one of the servers was dead.

use std::fmt::Write;

use e2e::ambassador::{Ambassador, Kind, Settings, spread_name};
use e2e::binary::built;
use e2e::loopback::own_address;
use e2e::pace::{SOON, wait_until};
use e2e::redis::RedisServer;
use e2e::resp_client::{bulk, request, simple, words};
use e2e::workplace::Workplace;

const KEYS: usize = 10_000;

/// Tells what happens; true if everything went as promised.
pub(crate) fn run(tell: &dyn Fn(String)) -> (String, bool) {
    let place = Workplace::new();
    let mut servers = ["one", "two"].map(|name| RedisServer::start(&place, name));
    let list = servers.each_ref().map(|server| server.port().to_string()).join(" ");
    tell(format!("two redis-servers: {list}"));
    let ambassador = start(&place, &list);
    tell(format!("redis-ambassador serves {}, REDIS_SERVERS=\"{list}\"", ambassador.port()));
    let mut client = ambassador.client();
    let (mut bytes, mut expected) = (Vec::new(), Vec::new());
    for number in 0..KEYS {
        let name = spread_name(number);
        bytes.extend(words(&format!("SET {name} {number}")));
        bytes.extend(words(&format!("GET {name}")));
        expected.extend([simple("OK"), bulk(number.to_string())]);
    }
    let replies = client.pipeline(&bytes, expected.len());
    let wrong = replies.iter().zip(&expected).filter(|(got, wanted)| got != wanted).count();
    tell(format!("{KEYS} SET and GET in one pipeline: {wrong} wrong replies"));
    let held = servers.each_ref().map(RedisServer::key_count);
    let names: Vec<String> = (0..KEYS).map(spread_name).collect();
    let mut exists = vec!["EXISTS".to_owned()];
    exists.extend(names.iter().cloned());
    let found = client.pipeline(&request(&exists), 1).remove(0).integer();
    servers[1].kill();
    let dead = names.iter().filter(|name| client.call(&format!("GET {name}")).is_error()).count();
    tell(format!("server two killed: {dead} of {KEYS} GETs fail, on the same connection"));
    servers[1].restart();
    wait_until("the server", SOON, || {
        names.iter().all(|name| !client.call(&format!("GET {name}")).is_error())
    });
    tell("server two started again: no GET fails".to_owned());
    let mut text = format!("{:<24}{:>8}\n", "redis-server", "keys");
    for (server, keys) in servers.iter().zip(held) {
        writeln!(text, "{:<24}{keys:>8}", server.port().to_string()).unwrap();
    }
    drop(client);
    ambassador.stop();
    let all = i64::try_from(KEYS).unwrap();
    let even = held.iter().all(|keys| *keys > 0) && held.iter().sum::<i64>() == all;
    (text, wrong == 0 && even && found == all && i64::try_from(dead) == Ok(held[1]))
}

/// With the variables of the reference image, and nothing else but addresses of its own.
fn start(place: &Workplace, list: &str) -> Ambassador {
    let (listen, stats, admin) = (own_address(), own_address(), own_address());
    let settings = Settings::of(place, Kind::Ours, built("redis-ambassador"))
        .env("REDIS_SERVERS", list)
        .env("AUTO_EJECT_HOSTS", "false")
        .arg(format!("--listen={listen}"))
        .arg(format!("--stats-listen={stats}"))
        .arg(format!("--admin-listen={admin}"));
    let mut running = settings.spawn(listen.into(), stats, admin);
    running.wait_listening();
    running
}
