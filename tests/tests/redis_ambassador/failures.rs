//! Servers that die, hang, come back: what their clients see, and that nobody else sees it.
//!
//! nutcracker fails every request that waits on a connection when one of them times out, and puts
//! an ejected server back without looking whether it answers.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use e2e::ambassador::{Plan, Shards};
use e2e::pace::{SOON, holds_for, paced, wait_until};
use e2e::resp_client::{Reply, bulk, simple, words};
use e2e::workplace::Workplace;

const REFUSED: &str = "ERR Connection refused";
const TIMED_OUT: &str = "ERR Connection timed out";

#[test]
fn a_dead_server_costs_its_own_keys_only() {
    let place = Workplace::new();
    let mut shards = Shards::start(&place, 3);
    let keys = shards.keys();
    let mut client = shards.client();
    shards.servers[1].kill();
    let (mut bytes, mut expected) = (Vec::new(), Vec::new());
    for round in 0..50 {
        for (server, keys) in keys.iter().enumerate() {
            bytes.extend(words(&format!("SET {} {round}", keys[0])));
            expected.push(if server == 1 {
                Reply::Error(REFUSED.to_owned())
            } else {
                simple("OK")
            });
        }
    }
    let replies = client.pipeline(&bytes, expected.len());
    for (number, (got, wanted)) in replies.iter().zip(&expected).enumerate() {
        let same = got == wanted || got.is_error() && wanted.is_error();
        assert!(same, "reply {number}: {got:?} instead of {wanted:?}");
    }
    // Once it is known to be dead, the text is nutcracker's.
    assert_eq!(client.call(&format!("GET {}", keys[1][0])).error(), REFUSED);
}

/// The first good reply comes soon after the server does, on the same connection of the client.
#[test]
fn a_server_that_returns_is_found_at_once() {
    let place = Workplace::new();
    let mut shards = Shards::start(&place, 2);
    let key = shards.keys()[1][0].clone();
    let mut client = shards.client();
    let line = format!("SET {key} x");
    for _time in 0..3 {
        assert_eq!(client.call(&line), simple("OK"));
        shards.servers[1].kill();
        assert!(client.call(&line).is_error());
        // Long enough that attempts have become rare.
        let dead = holds_for(Duration::from_secs(1), || client.call(&line).is_error());
        assert!(dead, "it answered before it was started");
        shards.servers[1].restart();
        let back = Instant::now();
        wait_until("a good reply", SOON, || !client.call(&line).is_error());
        assert!(back.elapsed() < Duration::from_secs(1), "after {:?}", back.elapsed());
    }
}

#[test]
fn a_server_that_does_not_answer_is_a_timeout() {
    let place = Workplace::new();
    let shards = Plan::new(&place, 2).set("timeout", "300").start();
    let keys = shards.keys();
    let (mut client, mut other) = (shards.client(), shards.client());
    shards.servers[1].freeze();
    let start = Instant::now();
    client.send(&words(&format!("GET {}", keys[1][0])));
    client.send(&words(&format!("SET {} x", keys[0][0])));
    // Another client's requests to the living server take no longer than ever.
    let asked = Instant::now();
    for _request in 0..50 {
        assert_eq!(other.call(&format!("SET {} y", keys[0][1])), simple("OK"));
    }
    assert!(asked.elapsed() < Duration::from_millis(250), "{:?}", asked.elapsed());
    assert_eq!(client.read().error(), TIMED_OUT);
    assert!(start.elapsed() > Duration::from_millis(250), "{:?}", start.elapsed());
    assert_eq!(client.read(), simple("OK"));
    shards.servers[1].thaw();
    let line = format!("SET {} z", keys[1][0]);
    wait_until("a good reply", SOON, || client.call(&line) == simple("OK"));
    assert_eq!(client.call(&format!("GET {}", keys[1][0])), bulk("z"));
}

/// The late reply of a request that was given up is nobody else's.
#[test]
fn a_timeout_is_of_one_request() {
    let place = Workplace::new();
    let shards = Plan::new(&place, 1).set("timeout", "1000").start();
    let (mut early, mut late) = (shards.client(), shards.client());
    for (key, value) in [("early", "1"), ("late", "2"), ("later", "3")] {
        assert_eq!(early.call(&format!("SET {key} {value}")), simple("OK"));
    }
    shards.servers[0].freeze();
    early.send(&words("GET early"));
    paced(1, Duration::from_millis(600), |_time| late.send(&words("GET late")));
    assert_eq!(early.read().error(), TIMED_OUT);
    shards.servers[0].thaw();
    assert_eq!(late.read(), bulk("2"));
    assert_eq!(early.call("GET later"), bulk("3"));
    assert_eq!(late.call("GET early"), bulk("1"));
}

/// Everything that was on its way to a server that is killed gets an error, in its place.
#[test]
fn requests_in_flight_to_a_killed_server() {
    let place = Workplace::new();
    let mut shards = Shards::start(&place, 2);
    let keys = shards.keys();
    let mut client = shards.client();
    client.call(&format!("SET {} here", keys[0][0]));
    shards.servers[1].freeze();
    for _round in 0..100 {
        client.send(&words(&format!("GET {}", keys[1][0])));
        client.send(&words(&format!("GET {}", keys[0][0])));
    }
    let mut other = shards.client();
    other.call(&format!("GET {}", keys[0][0]));
    shards.servers[1].kill();
    for round in 0..100 {
        let text = client.read().error();
        assert!(text.starts_with("ERR "), "{text}");
        assert_eq!(client.read(), bulk("here"), "round {round}");
    }
}

fn ejecting(place: &Workplace) -> Plan {
    let plan = Plan::new(place, 3).set("auto_eject_hosts", "true").set("timeout", "300");
    plan.set("server_failure_limit", "2").set("server_retry_timeout", "400")
}

/// After the limit its keys go elsewhere; it is back only after it has answered a PING.
#[test]
fn an_ejected_server_is_back_when_it_answers() {
    let place = Workplace::new();
    let mut shards = ejecting(&place).start();
    let key = shards.keys()[1][0].clone();
    let mut client = shards.client();
    let line = format!("SET {key} x");
    assert_eq!(client.call(&line), simple("OK"));
    shards.servers[1].kill();
    wait_until("the ejection", SOON, || client.call(&line) == simple("OK"));
    let elsewhere: i64 =
        [0, 2].map(|server: usize| shards.servers[server].key_count()).iter().sum();
    assert_eq!(elsewhere, 1);
    // It takes connections and says nothing: that is not enough, and no client pays for the look.
    let mute = TcpListener::bind(shards.servers[1].port()).unwrap();
    let unharmed = holds_for(Duration::from_secs(2), || client.call(&line) == simple("OK"));
    assert!(unharmed, "a request went to a server that does not answer");
    drop(mute);
    shards.servers[1].restart();
    wait_until("the return", SOON, || {
        assert_eq!(client.call(&line), simple("OK"));
        shards.servers[1].key_count() == 1
    });
}

/// All of them gone: errors, and everything is as before when they are back.
#[test]
fn all_servers_ejected() {
    let place = Workplace::new();
    let mut shards = ejecting(&place).start();
    let keys = shards.keys();
    let mut client = shards.client();
    shards.servers.iter_mut().for_each(e2e::redis::RedisServer::kill);
    for keys in &keys {
        for _attempt in 0..3 {
            let text = client.call(&format!("SET {} x", keys[0])).error();
            assert!(text.starts_with("ERR "), "{text}");
        }
    }
    shards.servers.iter_mut().for_each(e2e::redis::RedisServer::restart);
    wait_until("the return", SOON, || {
        for keys in &keys {
            client.call(&format!("SET {} x", keys[0]));
        }
        shards.servers.iter().all(|server| server.keys().len() == 1)
    });
}

/// Without ejection the keys of a dead server go nowhere else.
#[test]
fn without_ejection_no_key_moves() {
    let place = Workplace::new();
    let mut shards = Plan::new(&place, 2).set("server_failure_limit", "1").start();
    let keys = shards.keys();
    let mut client = shards.client();
    shards.servers[1].kill();
    for _attempt in 0..50 {
        assert!(client.call(&format!("SET {} x", keys[1][0])).is_error());
    }
    assert_eq!(shards.servers[0].key_count(), 0);
}

/// Nobody there at the start is no reason not to start.
#[test]
fn it_starts_before_its_servers() {
    let place = Workplace::new();
    let mut plan = Plan::new(&place, 2).set("preconnect", "true");
    plan.each_server(e2e::redis::RedisServer::kill);
    let mut shards = plan.start();
    let mut client = shards.client();
    assert!(client.call("SET a x").is_error());
    shards.servers.iter_mut().for_each(e2e::redis::RedisServer::restart);
    wait_until("a good reply", SOON, || client.call("SET a x") == simple("OK"));
}

/// A server that is told to die for an error reply of Redis is not thought dead.
#[test]
fn errors_of_redis_are_no_failures() {
    let place = Workplace::new();
    let shards = ejecting(&place).start();
    let keys = shards.keys();
    let mut client = shards.client();
    client.call(&format!("RPUSH {} x", keys[1][0]));
    for _attempt in 0..10 {
        assert!(client.call(&format!("INCR {}", keys[1][0])).error().starts_with("WRONGTYPE"));
    }
    assert_eq!(client.call(&format!("LLEN {}", keys[1][0])), Reply::Integer(1));
}
