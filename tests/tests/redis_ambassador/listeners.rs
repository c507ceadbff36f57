//! Where clients come from: ports, sockets, IPv6, several pools, and how many there may be.

use std::fs;
use std::net::{Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;

use e2e::ambassador::{Kind, Plan, Pool, Settings, server_line};
use e2e::client::Address;
use e2e::pace::{SOON, wait_until};
use e2e::pod::in_pod;
use e2e::redis::RedisServer;
use e2e::resp_client::{RespClient, simple};
use e2e::workplace::Workplace;

/// nutcracker: the permissions follow the path.
#[test]
fn a_unix_socket_with_permissions() {
    let place = Workplace::new();
    let server = RedisServer::on_socket(&place, "one");
    let path = place.path().join("pool.sock");
    let listen = Address::Unix(path.clone());
    let pool = Pool::over(vec![server_line(server.address(), 1, "one")]).listen(listen.clone());
    let pool = pool.set("listen", &format!("{} 0600", path.display()));
    let mut ambassador = Settings::ambassador(&place).pool(pool.clone()).start();
    assert_eq!(ambassador.call("SET a x"), simple("OK"));
    assert_eq!(server.key_count(), 1);
    let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "{mode:o}");
    ambassador.process().signal(e2e::process::Signal::KILL);
    ambassador.process().wait_exit(SOON);
    // One that was killed leaves it behind, and that is no hindrance.
    assert!(path.exists());
    let again = Settings::ambassador(&place).pool(pool).start();
    assert_eq!(again.call("SET a x"), simple("OK"));
    again.stop();
    assert!(!path.exists(), "and one that ends takes it away");
}

#[test]
fn several_pools() {
    let place = Workplace::new();
    let servers = ["one", "two", "three"].map(|name| RedisServer::start(&place, name));
    let pools = [0, 1].map(|number: usize| {
        Pool::new(&servers[number..=number + 1]).named(&format!("pool-{number}"))
    });
    let listens = pools.each_ref().map(|pool| pool.listen.clone());
    let settings = pools.into_iter().fold(Settings::ambassador(&place), Settings::pool);
    let _running = settings.start();
    for (number, listen) in listens.iter().enumerate() {
        let mut client = RespClient::connect(listen);
        for key in 0..20 {
            let name = e2e::ambassador::spread_name(key);
            assert_eq!(client.call(&format!("SET {number}:{name} x")), simple("OK"));
        }
    }
    let held = |number: usize| {
        let keys = servers[number].keys();
        [b'0', b'1'].map(|pool| keys.iter().filter(|key| key[0] == pool).count())
    };
    let (one, two, three) = (held(0), held(1), held(2));
    assert_eq!((one[1], three[0]), (0, 0), "no key of a pool is where the pool has no server");
    assert_eq!((one[0] + two[0], two[1] + three[1]), (20, 20));
}

#[test]
fn version_6_of_the_protocol() {
    let place = Workplace::new();
    in_pod(place.path(), || {
        let of = |port| SocketAddr::from((Ipv6Addr::LOCALHOST, port));
        let mut server = RedisServer::at(place.path(), "six", of(6379).into(), &[]);
        server.restart();
        // YAML would read a list there.
        let pool = Pool::over(vec!["\"[::1]:6379:1\"".to_owned()]);
        let pool = pool.set("listen", "\"[::1]:6380\"").listen(of(6380));
        let ambassador = Settings::ambassador(&place).pool(pool).start();
        assert_eq!(ambassador.call("SET a x"), simple("OK"));
        assert_eq!(server.key_count(), 1);
    });
}

/// nutcracker takes the setting and ignores it.
#[test]
fn no_more_clients_than_allowed() {
    let place = Workplace::new();
    let shards = Plan::new(&place, 1).set("client_connections", "3").start();
    // The one that looked for the port may still be counted.
    let mut clients: Vec<RespClient> = Vec::new();
    wait_until("three places", SOON, || {
        clients.clear();
        clients = (0..3).map(|_client| shards.client()).collect();
        clients.iter_mut().all(|client| client.try_call("PING").is_ok_and(|it| !it.is_error()))
    });
    let mut fourth = shards.client();
    let refusal = fourth.try_call("PING");
    assert!(refusal.as_ref().is_err() || refusal.unwrap().is_error());
    assert!(fourth.is_closed());
    for client in &mut clients {
        assert_eq!(client.call("PING"), simple("PONG"));
    }
    clients.pop();
    wait_until("the free place", SOON, || {
        shards.client().try_call("PING").is_ok_and(|reply| !reply.is_error())
    });
}

/// A port that is taken is a start failure that names it.
#[test]
fn a_taken_port() {
    let place = Workplace::new();
    let server = RedisServer::start(&place, "one");
    let pool = Pool::new(std::slice::from_ref(&server)).listen(server.port());
    let settings = Settings::ambassador(&place).pool(pool);
    let settings = if settings.kind == Kind::Ours {
        settings.arg(format!("--admin-listen={}", e2e::loopback::own_address()))
    } else {
        settings
    };
    let stats = e2e::loopback::own_address();
    let (code, _, stderr) = settings
        .args(&["-a", &stats.ip().to_string(), "-s", &stats.port().to_string()])
        .run_to_end(SOON);
    assert_eq!(code, 69, "{stderr}");
    assert!(stderr.contains(&server.port().to_string()), "{stderr}");
}
