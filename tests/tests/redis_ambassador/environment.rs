//! The environment of the reference image: the image name changes, and nothing else.
//!
//! Each test has a network of its own, so that the default ports are free: 6380 for clients, 6378
//! and 6379 for the servers. What a value means is seen from which servers hold the keys.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

use e2e::ambassador::{Ambassador, Pool, Settings, spread_name};
use e2e::loopback::own_address;
use e2e::name_server::over_etc;
use e2e::pace::{SOON, wait_until};
use e2e::pod::in_pod;
use e2e::redis::RedisServer;
use e2e::resp_client::{RespClient, simple};
use e2e::workplace::Workplace;

const KEYS: usize = 60;
/// Where the image listens, and its statistics.
const LISTEN: u16 = 6380;

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn server(place: &Workplace, name: &str, address: SocketAddr) -> RedisServer {
    let mut server = RedisServer::at(place.path(), name, address.into(), &[]);
    server.restart();
    server
}

/// The two servers of the image's default.
fn two_servers(place: &Workplace) -> [RedisServer; 2] {
    [server(place, "one", local(6378)), server(place, "two", local(6379))]
}

fn image(place: &Workplace, variables: &[(&str, &str)]) -> Settings {
    let settings = Settings::ambassador(place);
    variables.iter().fold(settings, |settings, (name, value)| settings.env(name, value))
}

fn start(settings: &Settings, port: u16) -> Ambassador {
    let admin = own_address();
    let settings = settings.clone().arg(format!("--admin-listen={admin}"));
    let mut running = settings.spawn(local(port).into(), own_address(), admin);
    running.wait_listening();
    running
}

/// Which keys each server holds once all of them went through.
fn fill(running: &Ambassador, servers: &[RedisServer]) -> Vec<Vec<String>> {
    for server in servers {
        server.call("FLUSHALL");
    }
    let mut client = running.client();
    for key in (0..KEYS).map(spread_name) {
        assert_eq!(client.call(&format!("SET {key} x")), simple("OK"), "{}", running.log());
    }
    let names = |server: &RedisServer| {
        server.keys().into_iter().map(|key| String::from_utf8(key).unwrap()).collect()
    };
    servers.iter().map(names).collect()
}

#[test]
fn without_any_setting() {
    let place = Workplace::new();
    in_pod(place.path(), || {
        let servers = two_servers(&place);
        let mut settings = image(&place, &[]);
        settings = settings.arg(format!("--admin-listen={}", own_address()));
        let mut running = settings.spawn(local(LISTEN).into(), local(22222), own_address());
        running.wait_listening();
        let held = fill(&running, &servers);
        assert!(held.iter().all(|keys| keys.len() > KEYS / 5), "{held:?}");
        // Clients come from everywhere in the pod, and so does the monitoring.
        assert_eq!(RespClient::connect(&local(LISTEN).into()).call("PING"), simple("PONG"));
        let stats = running.stats();
        assert!(stats.contains("\"127.0.0.1:6378\""), "{stats}");
        running.stop();
    });
}

/// Every form of the list that is in use, with what it means.
#[test]
fn lists_of_servers() {
    let place = Workplace::new();
    in_pod(place.path(), || {
        let servers = two_servers(&place);
        let reference = {
            let pool = ["127.0.0.1:6378:1", "127.0.0.1:6379:1"].map(str::to_owned).to_vec();
            let listen: SocketAddr = local(7000);
            let peer = Settings::peer(&place).pool(Pool::over(pool).listen(listen)).start();
            fill(&peer, &servers)
        };
        for list in [
            "127.0.0.1:6378:1,127.0.0.1:6379:1",
            "127.0.0.1:6379:1,127.0.0.1:6378:1",
            "127.0.0.1:6378,127.0.0.1:6379",
            "127.0.0.1:6378, 127.0.0.1:6379:1",
            "127.0.0.1:6378:1 127.0.0.1:6379:1",
            "127.0.0.1:6378:1\n127.0.0.1:6379:1\n",
            "  127.0.0.1:6378:1\t127.0.0.1:6379:1  ",
            "127.0.0.1:6378:1 \\ 127.0.0.1:6379:1 \\ ",
            "127.0.0.1:6378:1\\\n127.0.0.1:6379:1\\\n",
            "\\ 127.0.0.1:6378:1 \\\n  127.0.0.1:6379:1",
        ] {
            let running = start(&image(&place, &[("REDIS_SERVERS", list)]), LISTEN);
            assert_eq!(fill(&running, &servers), reference, "{list:?}");
            running.stop();
        }
    });
}

/// The reference image makes one server of a list that is separated by blanks, and the name of it
/// of the rest; whoever has data there can keep it there.
#[test]
fn the_reference_images_reading_of_blanks() {
    let place = Workplace::new();
    in_pod(place.path(), || {
        let servers = two_servers(&place);
        let list = ("REDIS_SERVERS", "127.0.0.1:6378:1 127.0.0.1:6379:1");
        let running = start(&image(&place, &[list]), LISTEN);
        running.wait_logged("REDIS_SERVERS_COMPAT");
        assert!(fill(&running, &servers).iter().all(|keys| !keys.is_empty()));
        running.stop();
        let compatible = [list, ("REDIS_SERVERS_COMPAT", "malexer")];
        let running = start(&image(&place, &compatible), LISTEN);
        assert_eq!(fill(&running, &servers)[1], [""; 0]);
        running.stop();
    });
}

#[test]
fn every_other_variable() {
    let place = Workplace::new();
    in_pod(place.path(), || {
        let mut servers = two_servers(&place);
        let variables = [
            ("LISTEN_PORT", "7001"),
            ("AUTO_EJECT_HOSTS", "true"),
            ("TIMEOUT", "400"),
            ("SERVER_RETRY_TIMEOUT", "300"),
            ("SERVER_FAILURE_LIMIT", "2"),
            ("SERVER_CONNECTIONS", "40"),
            ("PRECONNECT", "false"),
            ("HASH", "murmur"),
            ("DISTRIBUTION", "modula"),
        ];
        let pool = ["127.0.0.1:6378:1", "127.0.0.1:6379:1"].map(str::to_owned).to_vec();
        let pool = Pool::over(pool).listen(local(7000));
        let pool = pool.set("hash", "murmur").set("distribution", "modula");
        let reference = {
            let peer = Settings::peer(&place).pool(pool).start();
            fill(&peer, &servers)
        };
        let running = start(&image(&place, &variables), 7001);
        assert_eq!(fill(&running, &servers), reference);
        servers[0].kill();
        let mut client = running.client();
        let key = &reference[0][0];
        // A few failures, then the other server has it.
        assert!(client.call(&format!("SET {key} x")).is_error());
        wait_until("the ejection", SOON, || !client.call(&format!("SET {key} x")).is_error());
        drop(client);
        running.stop();
        let own = [("REDIS_AMBASSADOR_LISTEN_PORT", "7002"), ("LISTEN_PORT", "7001")];
        start(&image(&place, &own), 7002).stop();
    });
}

/// Bad values are named, all at once, with the name that was used.
#[test]
fn bad_values() {
    let place = Workplace::new();
    let variables = [
        ("REDIS_SERVERS", "127.0.0.1:nowhere:1"),
        ("LISTEN_PORT", "99999"),
        ("AUTO_EJECT_HOSTS", "perhaps"),
        ("TIMEOUT", "soon"),
        ("SERVER_RETRY_TIMEOUT", "later"),
        ("SERVER_FAILURE_LIMIT", "-1"),
        ("SERVER_CONNECTIONS", "none"),
        ("PRECONNECT", "maybe"),
        ("HASH", "sha1"),
        ("DISTRIBUTION", "fair"),
    ];
    let (code, stdout, stderr) = image(&place, &variables).run_to_end(SOON);
    assert_eq!((code, stdout.as_str()), (64, ""), "{stderr}");
    for (name, value) in variables {
        assert!(stderr.contains(value), "{name}={value} is not named: {stderr}");
    }
    for (list, why) in [
        ("", "no server"),
        ("127.0.0.1:6379:0", "weight 0"),
        ("127.0.0.1:6379,127.0.0.1:6379", "twice the same"),
        ("127.0.0.1", "no port"),
    ] {
        let settings = image(&place, &[("REDIS_SERVERS", list)]).arg("check");
        let (code, _, stderr) = settings.run_to_end(SOON);
        let expected = if list.is_empty() { 0 } else { 64 };
        assert_eq!(code, expected, "{why}: {stderr}");
    }
}

/// A file that lies there wins over the environment, as in the reference image, and says so.
#[test]
fn the_file_of_the_image() {
    let place = Workplace::new();
    in_pod(place.path(), || {
        let servers = two_servers(&place);
        let etc = place.path().join("etc");
        fs::create_dir_all(&etc).unwrap();
        let pool = Pool::over(vec!["127.0.0.1:6379:1".to_owned()]).listen(local(7003));
        fs::write(etc.join("nutcracker.conf"), pool.yaml()).unwrap();
        let list = [("REDIS_SERVERS", "127.0.0.1:6378:1,127.0.0.1:6379:1")];
        let settings = image(&place, &list).prefix(&over_etc(&etc));
        let running = start(&settings, 7003);
        running.wait_logged("nutcracker.conf");
        assert_eq!(fill(&running, &servers)[0], [""; 0]);
        assert!(RespClient::try_connect(&local(LISTEN).into()).is_err());
        running.stop();
    });
}
