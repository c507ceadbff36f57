//! Servers that are named: found again at a new address, without a restart and without a stall.
//!
//! nutcracker resolves in its event loop, once per connection object, and never again.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use e2e::ambassador::{Ambassador, Pool, Settings};
use e2e::name_server::NameServer;
use e2e::pace::{SOON, holds_for, wait_until};
use e2e::pod::in_pod;
use e2e::redis::RedisServer;
use e2e::resp_client::simple;
use e2e::workplace::Workplace;

const NAME: &str = "redis-0.redis";
const FULL_NAME: &str = "redis-0.redis.svc.test";
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 1);
const SECOND: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 2);

fn server(place: &Workplace, name: &str, host: Ipv4Addr) -> RedisServer {
    let address = SocketAddr::from((host, 6379));
    let mut server = RedisServer::at(place.path(), name, address.into(), &[]);
    server.restart();
    server
}

fn start(place: &Workplace, names: &NameServer, servers: &[&str]) -> Ambassador {
    let lines = servers.iter().map(|&server| format!("{server}:6379:1")).collect();
    let pool = Pool::over(lines).set("timeout", "1000");
    Settings::ambassador(place).prefix(&names.prefix()).pool(pool).start()
}

/// A pod of a StatefulSet comes back with another address.
#[test]
fn a_pod_that_comes_back_elsewhere_is_found() {
    let place = Workplace::new();
    in_pod(place.path(), || {
        let names = NameServer::start(&place);
        names.set(FULL_NAME, &[FIRST]);
        let mut old = server(&place, "old", FIRST);
        let ambassador = start(&place, &names, &[NAME]);
        let mut client = ambassador.client();
        assert_eq!(client.call("SET a x"), simple("OK"));
        assert_eq!(old.key_count(), 1);
        old.kill();
        assert!(client.call("SET a x").is_error());
        let new = server(&place, "new", SECOND);
        names.set(FULL_NAME, &[SECOND]);
        let moved = Instant::now();
        wait_until("the new address", SOON, || client.call("SET a x") == simple("OK"));
        assert!(moved.elapsed() < Duration::from_secs(5), "after {:?}", moved.elapsed());
        assert_eq!(new.key_count(), 1);
    });
}

/// The old address still answers: requests go to the new one, and none is lost on the way.
#[test]
fn a_name_that_changes_is_followed() {
    let place = Workplace::new();
    in_pod(place.path(), || {
        let names = NameServer::start(&place);
        names.set(FULL_NAME, &[FIRST]);
        let (old, new) = (server(&place, "old", FIRST), server(&place, "new", SECOND));
        let ambassador = start(&place, &names, &[NAME]);
        let mut client = ambassador.client();
        assert_eq!(client.call("SET a x"), simple("OK"));
        names.set(FULL_NAME, &[SECOND]);
        wait_until("the new address", SOON, || {
            assert_eq!(client.call("SET b x"), simple("OK"));
            new.key_count() == 1
        });
        wait_until("the end of the old connection", SOON, || old.info("connected_clients") == 1);
    });
}

#[test]
fn a_name_may_come_after_the_start() {
    let place = Workplace::new();
    in_pod(place.path(), || {
        let names = NameServer::start(&place);
        let ambassador = start(&place, &names, &[NAME]);
        let mut client = ambassador.client();
        let text = client.call("SET a x").error();
        assert!(["ERR Host is down", "ERR Connection refused"].contains(&&*text), "{text}");
        let redis = server(&place, "one", FIRST);
        names.set(FULL_NAME, &[FIRST]);
        wait_until("the name", SOON, || client.call("SET a x") == simple("OK"));
        assert_eq!(redis.key_count(), 1);
    });
}

/// Questions without answers hold up nobody whose server is known.
#[test]
fn a_silent_name_server_stalls_nobody() {
    let place = Workplace::new();
    in_pod(place.path(), || {
        let names = NameServer::start(&place);
        names.fall_silent(true);
        let redis = server(&place, "known", FIRST);
        let ambassador = start(&place, &names, &[&FIRST.to_string(), NAME]);
        let mut client = ambassador.client();
        let mut other = ambassador.client();
        let keys: Vec<String> = (0..40).map(e2e::ambassador::spread_name).collect();
        // Those of the unknown server fail, but in time, and those of the other do not wait.
        let failed = keys.iter().filter(|key| client.call(&format!("SET {key} x")).is_error());
        let failed: Vec<&String> = failed.take(3).collect();
        assert_eq!(failed.len(), 3);
        let known = redis.keys().into_iter().next().expect("a key on the known server");
        let known = String::from_utf8(known).unwrap();
        let quick = holds_for(Duration::from_secs(1), || {
            client.send(&e2e::resp_client::words(&format!("GET {}", failed[0])));
            let asked = Instant::now();
            assert_eq!(other.call(&format!("SET {known} y")), simple("OK"));
            let took = asked.elapsed();
            assert!(client.read().is_error());
            took < Duration::from_millis(500)
        });
        assert!(quick, "a request to a known server waited for a name");
    });
}

/// A name is asked for when it has got old, not for every request.
#[test]
fn names_are_not_asked_for_without_need() {
    let place = Workplace::new();
    in_pod(place.path(), || {
        let names = NameServer::start(&place);
        names.set(FULL_NAME, &[FIRST]);
        let _redis = server(&place, "one", FIRST);
        let ambassador = start(&place, &names, &[NAME]);
        let mut client = ambassador.client();
        wait_until("the name", SOON, || client.call("SET a x") == simple("OK"));
        let before = names.questions();
        for _request in 0..1_000 {
            assert_eq!(client.call("SET a x"), simple("OK"));
        }
        // With search domains a look-up is several questions.
        let asked = names.questions() - before;
        assert!(asked < 100, "{asked} questions for 1,000 requests");
    });
}
