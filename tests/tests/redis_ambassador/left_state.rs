//! Whatever state a client leaves on a private connection, the next one has none of it.

use e2e::ambassador::Shards;
use e2e::resp_client::{Reply, bulk};
use e2e::workplace::Workplace;

fn one_server() -> (Workplace, Shards) {
    let place = Workplace::new();
    let shards = Shards::start(&place, 1);
    (place, shards)
}

/// Whatever state a client leaves behind, also by requests that failed, the next one has none.
#[test]
fn a_private_connection_is_clean_for_the_next_client() {
    for left in [
        &["WATCH w"][..],
        &["WATCH w", "EXEC"],
        &["WATCH w", "DISCARD"],
        &["WATCH w", "MULTI", "SET a 9"],
        &["WATCH w", "MULTI", "NONSENSE"],
        &["SELECT 1"],
        &["SELECT 1", "SELECT 99"],
        &["SELECT 1", "MULTI", "SELECT 0", "DISCARD"],
        &["SELECT 1", "MULTI", "SELECT 0", "NONSENSE", "EXEC"],
        &["MULTI", "SELECT 1", "EXEC"],
        &["SUBSCRIBE c"],
        &["SUBSCRIBE c", "UNSUBSCRIBE"],
        &["HELLO 3", "WATCH w", "HELLO 2", "EXEC"],
        &["CLIENT SETNAME other", "SELECT 2", "RESET", "WATCH w", "EXEC"],
    ] {
        let (_place, shards) = one_server();
        let mut direct = shards.servers[0].client();
        for line in ["SELECT 1", "SET a 1", "SELECT 0", "SET a 0"] {
            direct.call(line);
        }
        let mut client = shards.client();
        for line in left {
            client.call(line);
        }
        drop(client);
        direct.call("SET w changed");
        let mut next = shards.client();
        for line in ["MULTI", "GET a"] {
            next.call(line);
        }
        let values = Reply::Array(vec![bulk("0")]);
        assert_eq!(next.call("EXEC"), values, "after {left:?}");
        assert_eq!(shards.ambassador.call("GET a"), bulk("0"), "after {left:?}");
    }
}

/// EXEC and DISCARD without MULTI are errors, and the key is watched all the same.
#[test]
fn keys_stay_watched_after_an_error() {
    for line in ["EXEC", "DISCARD"] {
        let (_place, shards) = one_server();
        let (mut client, mut other) = (shards.client(), shards.client());
        client.call("WATCH a");
        assert!(client.call(line).is_error());
        other.call("SET a x");
        client.call("MULTI");
        client.call("GET a");
        assert_eq!(client.call("EXEC"), Reply::Null, "after {line}");
    }
}
