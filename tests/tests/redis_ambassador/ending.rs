//! SIGTERM: as long as a client is there it is served, then the end comes soon, with status 0.
//!
//! nutcracker dies at once, and what was on its way is lost.

use std::time::{Duration, Instant};

use e2e::ambassador::{Kind, Plan, Shards};
use e2e::pace::{SOON, holds_for, wait_until};
use e2e::resp_client::{bulk, simple, words};
use e2e::workplace::Workplace;

/// Far below the grace.
const QUICKLY: Duration = Duration::from_secs(5);

#[test]
fn idle_it_ends_at_once() {
    let place = Workplace::new();
    let mut shards = Shards::start(&place, 2);
    assert_eq!(shards.ambassador.call("SET a x"), simple("OK"));
    let start = Instant::now();
    shards.ambassador.sigterm();
    assert_eq!(shards.ambassador.process().wait_code(SOON), 0, "{}", shards.ambassador.log());
    assert!(start.elapsed() < QUICKLY, "{:?}", start.elapsed());
}

/// The main container gets its signal at the same time and still has requests to make.
#[test]
fn clients_are_served_until_they_go() {
    let place = Workplace::new();
    let mut shards = Shards::start(&place, 2);
    let mut client = shards.client();
    assert_eq!(client.call("SET a x"), simple("OK"));
    if shards.ambassador.kind() == Kind::Ours {
        wait_until("readiness", SOON, || shards.ambassador.is_ready());
    }
    shards.ambassador.sigterm();
    if shards.ambassador.kind() == Kind::Ours {
        wait_until("unreadiness", SOON, || !shards.ambassador.is_ready());
    }
    let served = holds_for(Duration::from_secs(1), || {
        // It may also connect anew.
        client.call("GET a") == bulk("x") && shards.client().call("GET a") == bulk("x")
    });
    assert!(served);
    drop(client);
    let gone = Instant::now();
    assert_eq!(shards.ambassador.process().wait_code(SOON), 0, "{}", shards.ambassador.log());
    assert!(gone.elapsed() < QUICKLY, "{:?}", gone.elapsed());
}

/// What is on its way is finished, although the client sends no more.
#[test]
fn requests_in_flight_are_finished() {
    let place = Workplace::new();
    let mut shards = Shards::start(&place, 2);
    let mut client = shards.client();
    assert_eq!(client.call("SET a x"), simple("OK"));
    shards.servers.iter().for_each(e2e::redis::RedisServer::freeze);
    for _request in 0..100 {
        client.send(&words("GET a"));
    }
    client.finish_sending();
    shards.ambassador.sigterm();
    assert!(holds_for(Duration::from_millis(500), || shards.ambassador.process().is_running()));
    shards.servers.iter().for_each(e2e::redis::RedisServer::thaw);
    for _request in 0..100 {
        assert_eq!(client.read(), bulk("x"));
    }
    assert_eq!(shards.ambassador.process().wait_code(SOON), 0, "{}", shards.ambassador.log());
}

/// A client that stays for ever is cut at the reserve, and the status is still 0: nothing was owed.
#[test]
fn a_client_that_stays_is_let_go() {
    let place = Workplace::new();
    let plan = Plan::new(&place, 2).ours("--shutdown-grace=3s").ours("--drain-reserve=2s");
    let mut shards = plan.start();
    let mut client = shards.client();
    assert_eq!(client.call("SET a x"), simple("OK"));
    let start = Instant::now();
    shards.ambassador.sigterm();
    assert!(client.is_closed());
    assert!(start.elapsed() > Duration::from_millis(800), "{:?}", start.elapsed());
    assert_eq!(shards.ambassador.process().wait_code(SOON), 0, "{}", shards.ambassador.log());
}

/// Subscribers and blocked clients owe nothing and wait for nothing that would come.
#[test]
fn waiting_clients_do_not_keep_it() {
    let place = Workplace::new();
    let plan = Plan::new(&place, 1).ours("--shutdown-grace=4s").ours("--drain-reserve=2s");
    let mut shards = plan.start();
    let (mut one, mut two) = (shards.client(), shards.client());
    one.call("SUBSCRIBE a");
    two.send(&words("BLPOP list 0"));
    wait_until("the wait", SOON, || shards.servers[0].info("blocked_clients") == 1);
    shards.ambassador.sigterm();
    assert_eq!(shards.ambassador.process().wait_code(SOON), 0, "{}", shards.ambassador.log());
    assert!(one.is_closed());
}
