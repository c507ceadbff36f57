//! Every recorded choice of a real nutcracker, made again.
//!
//! `data/twemproxy-placement.json.gz` says on which server nutcracker 0.5.0 (amd64) put each of
//! 1,800 keys under each of 180 configurations: all hashes, ketama and modula, weights, names, hash
//! tags, port 11211, and servers that were ejected.

#![expect(clippy::unwrap_used, reason = "a recording of another shape fails the test")]

use std::fs::File;
use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use placement::{Node, Ring, node_name};
use serde_json::Value;

const RECORDING: &str = "tests/data/twemproxy-placement.json.gz";

#[test]
fn all_of_them() {
    let mut text = String::new();
    GzDecoder::new(File::open(RECORDING).unwrap()).read_to_string(&mut text).unwrap();
    let recording: Value = serde_json::from_str(&text).unwrap();
    let keys = recording["keys_b64"].as_array().unwrap().iter();
    let keys: Vec<Vec<u8>> =
        keys.map(|key| STANDARD.decode(key.as_str().unwrap()).unwrap()).collect();
    let sets = recording["sets"].as_array().unwrap();
    assert_eq!((sets.len(), keys.len()), (180, 1800));
    for set in sets {
        let ring = ring(set);
        let choices = set["placement"].as_str().unwrap();
        assert_eq!(choices.len(), keys.len());
        for (key, choice) in keys.iter().zip(choices.chars()) {
            let expected = choice.to_digit(36).map(|index| index as usize);
            assert_eq!(ring.locate(key), expected, "{} {key:?}", set["id"]);
        }
    }
}

fn ring(set: &Value) -> Ring {
    let servers = set["servers"].as_array().unwrap().iter();
    let nodes: Vec<Node> = servers.map(|server| node(server.as_str().unwrap())).collect();
    let tag = set["hash_tag"].as_str().map(|tag| tag.as_bytes().try_into().unwrap());
    let word = |name: &str| set[name].as_str().unwrap();
    let ejected = set["eject"].as_array().cloned().unwrap_or_default();
    let live: Vec<bool> =
        (0..nodes.len()).map(|index| !ejected.contains(&Value::from(index))).collect();
    let (hash, distribution) = (word("hash"), word("distribution"));
    let mut ring = Ring::new(hash.parse().unwrap(), distribution.parse().unwrap(), tag, nodes);
    ring.rebuild(&live);
    ring
}

/// `host:port:weight [name]`.
fn node(text: &str) -> Node {
    let (address, name) = match text.split_once(' ') {
        Some((address, name)) => (address, Some(name)),
        None => (text, None),
    };
    let mut parts = address.rsplitn(3, ':');
    let weight = parts.next().unwrap().parse().unwrap();
    let port = parts.next().unwrap().parse().unwrap();
    let name = name.map_or_else(|| node_name(parts.next().unwrap(), port), str::to_owned);
    Node { name, weight }
}
