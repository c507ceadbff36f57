//! The statistics port of nutcracker: the same names in the same order, and true numbers.

use e2e::ambassador::{Plan, Settings, Shards};
use e2e::pace::{SOON, wait_until};
use e2e::resp_client::simple;
use e2e::workplace::Workplace;
use serde_json::Value;

/// The text with every number and every value of a name replaced.
fn skeleton(json: &str) -> String {
    let mut text = String::new();
    for part in json.split_inclusive([',', '{', '}']) {
        match part.split_once(':') {
            Some((name, value)) => {
                let end = value.trim_start_matches(|letter| !['{', '}', ','].contains(&letter));
                text += &format!("{}:{end}", name.trim());
            }
            None => text += part.trim(),
        }
    }
    text
}

fn parsed(shards: &Shards) -> Value {
    serde_json::from_str(&shards.ambassador.stats()).unwrap()
}

#[test]
fn names_and_order_are_nutcrackers() {
    let place = Workplace::new();
    let shards = Shards::start(&place, 2);
    shards.ambassador.call("SET a x");
    let pool = e2e::ambassador::Pool::new(&shards.servers);
    let peer = Settings::peer(&place).pool(pool).start();
    peer.call("SET a x");
    assert_eq!(skeleton(&shards.ambassador.stats()), skeleton(&peer.stats()));
    let (ours, real) = (parsed(&shards), serde_json::from_str::<Value>(&peer.stats()).unwrap());
    for name in ["service", "source"] {
        assert_eq!(ours[name], real[name]);
    }
}

#[test]
fn numbers_are_true() {
    let place = Workplace::new();
    let mut shards = Plan::new(&place, 2).set("auto_eject_hosts", "true").start();
    let keys = shards.keys();
    let mut client = shards.client();
    let before = parsed(&shards);
    for _request in 0..10 {
        assert_eq!(client.call(&format!("SET {} x", keys[0][0])), simple("OK"));
    }
    client.call(&format!("MGET {} {}", keys[0][0], keys[1][0]));
    let number = |stats: &Value, server: &str, name: &str| stats["pool"][server][name].as_u64();
    let grown = |server: &str, name: &str| {
        number(&parsed(&shards), server, name).unwrap() - number(&before, server, name).unwrap()
    };
    // nutcracker's own numbers are up to 30 s old; ours are not, but may be a moment late.
    wait_until("11 requests", SOON, || grown("shard-0", "requests") == 11);
    wait_until("11 responses", SOON, || grown("shard-0", "responses") == 11);
    wait_until("1 response", SOON, || grown("shard-1", "responses") == 1);
    assert!(grown("shard-0", "request_bytes") > 10 * 30);
    assert!(grown("shard-0", "response_bytes") >= 10 * 5);
    assert_eq!(parsed(&shards)["pool"]["fragments"].as_u64().unwrap(), 2);
    assert!(parsed(&shards)["pool"]["client_connections"].as_u64().unwrap() >= 1);
    assert!(parsed(&shards)["curr_connections"].as_u64().unwrap() >= 3);
    shards.servers[1].kill();
    wait_until("the ejection", SOON, || {
        client.call(&format!("GET {}", keys[1][0]));
        parsed(&shards)["pool"]["server_ejects"].as_u64().unwrap() >= 1
    });
    assert!(number(&parsed(&shards), "shard-1", "server_ejected_at").unwrap() > 0);
}
