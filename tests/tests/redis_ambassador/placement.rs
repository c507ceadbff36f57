//! Every key lies where nutcracker puts it: fresh random keys through both, server by server.
//!
//! One nutcracker and one of ours serve the same pools over the same redis-servers. The same keys
//! go through one and then through the other, and what lies on each server afterwards is compared.
//! Recorded choices are the unit tests of the crate `placement`; this is the whole way, from the
//! text of nutcracker.yml to the key.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use e2e::ambassador::{Ambassador, Pool, Settings, server_line};
use e2e::client::Address;
use e2e::pace::{SOON, wait_until};
use e2e::random::Random;
use e2e::redis::RedisServer;
use e2e::resp_client::{RespClient, request};
use e2e::workplace::Workplace;

const HASHES: [&str; 12] = [
    "one_at_a_time",
    "md5",
    "crc16",
    "crc32",
    "crc32a",
    "fnv1_64",
    "fnv1a_64",
    "fnv1_32",
    "fnv1a_32",
    "hsieh",
    "murmur",
    "jenkins",
];
const DISTRIBUTIONS: [&str; 2] = ["ketama", "modula"];
const KEYS: usize = 300;

/// Random bytes, text with tags, and the empty key; no two equal.
fn random_keys(random: &mut Random) -> Vec<Vec<u8>> {
    let mut keys = BTreeSet::from([Vec::new()]);
    while keys.len() < KEYS {
        let number = random.below(1_000_000_000);
        keys.insert(match random.below(6) {
            0 => format!("user:{number}").into_bytes(),
            1 => format!("{{tag{}}}:{number}", number % 7).into_bytes(),
            2 => format!("{number}$a{}$ {{}}{{b}}", number % 5).into_bytes(),
            3 => "é".repeat(1 + usize::try_from(number % 9).unwrap()).into_bytes(),
            _ => (0..number % 40).map(|_byte| random.number().to_le_bytes()[3]).collect(),
        });
    }
    keys.into_iter().collect()
}

fn seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into()
}

/// What lies on each server after all keys went through there.
fn placed(servers: &[RedisServer], through: &Address, keys: &[Vec<u8>]) -> Vec<BTreeSet<Vec<u8>>> {
    for server in servers {
        server.call("FLUSHALL");
    }
    let bytes: Vec<u8> =
        keys.iter().flat_map(|key| request(&[b"SET".as_slice(), key, b"1"])).collect();
    for reply in RespClient::connect(through).pipeline(&bytes, keys.len()) {
        assert!(!reply.is_error(), "{reply:?}");
    }
    servers.iter().map(RedisServer::keys).collect()
}

/// A pool for each hash and distribution with these servers.
fn pools(place: &Workplace, name: &str, servers: &[String], tag: Option<&str>) -> Vec<Pool> {
    let mut pools = Vec::new();
    for hash in HASHES {
        for distribution in DISTRIBUTIONS {
            let name = format!("{name}-{hash}-{distribution}");
            let socket = place.path().join(&name);
            let mut pool = Pool::over(servers.to_vec()).listen(Address::Unix(socket)).named(&name);
            pool = pool.set("hash", hash).set("distribution", distribution);
            pools.push(if let Some(tag) = tag { pool.set("hash_tag", tag) } else { pool });
        }
    }
    pools
}

/// Starts both with the same pools; what is tested listens beside the peer's sockets.
fn both(place: &Workplace, pools: &[Pool]) -> (Ambassador, Ambassador) {
    let (mut peer, mut tested) = (Settings::peer(place), Settings::ambassador(place));
    for pool in pools {
        peer = peer.pool(pool.clone());
        tested = tested.pool(pool.clone().listen(beside(&pool.listen)));
    }
    (peer.start(), tested.start())
}

fn beside(address: &Address) -> Address {
    match address {
        Address::Unix(path) => Address::Unix(path.with_extension("tested")),
        Address::Tcp(_) => e2e::loopback::own_address().into(),
    }
}

/// Reports every pool whose servers hold different keys.
fn compare(servers: &[RedisServer], pools: &[Pool], keys: &[Vec<u8>]) -> Vec<String> {
    let differs = |pool: &&Pool| {
        placed(servers, &pool.listen, keys) != placed(servers, &beside(&pool.listen), keys)
    };
    pools.iter().filter(differs).map(|pool| pool.name.clone()).collect()
}

#[test]
fn keys_lie_where_nutcracker_puts_them() {
    let place = Workplace::new();
    let seed = seed();
    let keys = random_keys(&mut Random::new(seed));
    let servers: Vec<_> = ["a", "bb", "c"].map(|name| RedisServer::start(&place, name)).into();
    let lines = |weights: [u32; 3], names: [&str; 3]| -> Vec<String> {
        let line =
            |index: usize| server_line(servers[index].address(), weights[index], names[index]);
        (0..3).map(line).collect()
    };
    let equal = lines([1, 1, 1], ["", "", ""]);
    let heavy = lines([5, 1, 2], ["", "", ""]);
    let named = lines([1, 7, 3], ["zz", "redis-st-10", "redis-st-9"]);
    let alone = vec![server_line(servers[0].address(), 3, "")];
    let pools = [
        pools(&place, "equal", &equal, None),
        pools(&place, "heavy", &heavy, Some("\"{}\"")),
        pools(&place, "named", &named, Some("\"$$\"")),
        pools(&place, "alone", &alone, None),
    ]
    .concat();
    let (_peer, _tested) = both(&place, &pools);
    let different = compare(&servers, &pools, &keys);
    assert!(different.is_empty(), "seed {seed}: {different:?}");
}

/// The keys of a dead server go where nutcracker puts them, all others stay.
#[test]
fn keys_of_an_ejected_server_move_as_nutcrackers_do() {
    let place = Workplace::new();
    let seed = seed();
    let keys = random_keys(&mut Random::new(seed));
    let mut servers: Vec<_> =
        (0..4).map(|n| RedisServer::start(&place, &format!("s{n}"))).collect();
    let lines: Vec<String> =
        servers.iter().map(|server| server_line(server.address(), 1, server.name())).collect();
    let pools: Vec<Pool> = pools(&place, "eject", &lines, None)
        .into_iter()
        .map(|pool| pool.set("auto_eject_hosts", "true").set("server_failure_limit", "1"))
        .map(|pool| pool.set("server_retry_timeout", "600000"))
        .filter(|pool| !pool.name.contains("crc32-"))
        .collect();
    let (_peer, _tested) = both(&place, &pools);
    servers.remove(1);
    for pool in &pools {
        for address in [&pool.listen, &beside(&pool.listen)] {
            wait_until("the ejection", SOON, || all_succeed(address, &keys));
        }
    }
    let different = compare(&servers, &pools, &keys);
    assert!(different.is_empty(), "seed {seed}: {different:?}");
}

/// nutcracker may hang up on a client whose request failed, so each key gets its connection.
fn all_succeed(address: &Address, keys: &[Vec<u8>]) -> bool {
    let set = |key: &Vec<u8>| {
        let mut client = RespClient::connect(address);
        client.send(&request(&[b"SET".as_slice(), key, b"1"]));
        client.try_read().is_ok_and(|reply| !reply.is_error())
    };
    keys.iter().take(50).all(set)
}
