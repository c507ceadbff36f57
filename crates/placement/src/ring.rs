//! The servers of a pool, and the way from a key to one of them.
//!
//! In go the servers in the order of the configuration; indices into that order come out. Inside
//! they are sorted by the length of their names, then by their bytes, whatever the configuration's
//! order: modula counts in that order. Weights count with every name. A pool with one live server
//! does not hash at all, and the empty key has the hash 0.

use std::fmt;
use std::str::FromStr;

use crate::hash::Hash;
use crate::ketama::Continuum;
use crate::modula::Slots;
use crate::words::{self, UnknownWord};

/// Its servers are called by their host alone, as libmemcached did.
const MEMCACHED_PORT: u16 = 11211;

/// How hashes are spread over servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distribution {
    /// Consistent: without a server, only its keys move.
    Ketama,
    /// The hash modulo the sum of weights.
    Modula,
    /// Any server for any key; weights do not count.
    Random,
}

impl Distribution {
    /// All of them, with their names.
    pub const ALL: [(&'static str, Distribution); 3] = [
        ("ketama", Distribution::Ketama),
        ("modula", Distribution::Modula),
        ("random", Distribution::Random),
    ];
}

impl FromStr for Distribution {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Distribution, UnknownWord> {
        words::find(&Distribution::ALL, text)
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(words::word_of(&Distribution::ALL, self))
    }
}

/// A server as placement sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Given, or else [`node_name`]. Different for every server of a pool.
    pub name: String,
    /// At least 1.
    pub weight: u32,
}

/// The name of a server that was given none: `host:port`, or the host alone at port 11211.
#[must_use]
pub fn node_name(host: &str, port: u16) -> String {
    if port == MEMCACHED_PORT { host.to_owned() } else { format!("{host}:{port}") }
}

/// Finds the server of a key.
#[derive(Debug, Clone)]
pub struct Ring {
    hash: Hash,
    distribution: Distribution,
    hash_tag: Option<[u8; 2]>,
    nodes: Vec<Node>,
    /// Indices into `nodes`, sorted by the nodes' names.
    order: Vec<u32>,
    table: Table,
}

#[derive(Debug, Clone)]
enum Table {
    Empty,
    Single(u32),
    Ketama(Continuum),
    Modula(Slots),
    /// The live ones.
    Random(Vec<u32>),
}

impl Ring {
    /// A ring in which every node is live. A key is hashed by the part between the first byte of
    /// `hash_tag` and the next second one, if there is such a part.
    #[must_use]
    pub fn new(
        hash: Hash,
        distribution: Distribution,
        hash_tag: Option<[u8; 2]>,
        nodes: Vec<Node>,
    ) -> Ring {
        let count = u32::try_from(nodes.len()).expect("fewer servers than 32 bits count");
        let mut order: Vec<u32> = (0..count).collect();
        order.sort_by_key(|index| {
            let name = nodes[*index as usize].name.as_bytes();
            (name.len(), name)
        });
        let live = vec![true; nodes.len()];
        let mut ring = Ring { hash, distribution, hash_tag, nodes, order, table: Table::Empty };
        ring.rebuild(&live);
        ring
    }

    /// The index of the server that holds `key`; `None` if no server is live.
    #[must_use]
    pub fn locate(&self, key: &[u8]) -> Option<usize> {
        let server = match &self.table {
            Table::Empty => return None,
            Table::Single(server) => *server,
            Table::Ketama(continuum) => continuum.find(self.hash_of(key)),
            Table::Modula(slots) => slots.find(self.hash_of(key)),
            Table::Random(live) => live[fastrand::usize(..live.len())],
        };
        Some(server as usize)
    }

    /// Spreads the keys over those nodes that `live` says are, which has an item for each node.
    pub fn rebuild(&mut self, live: &[bool]) {
        assert_eq!(live.len(), self.nodes.len(), "one item for each node");
        let live: Vec<(u32, &str, u32)> = self
            .order
            .iter()
            .filter(|index| live[**index as usize])
            .map(|index| (*index, &self.nodes[*index as usize]))
            .map(|(index, node)| (index, node.name.as_str(), node.weight))
            .collect();
        self.table = match (live.as_slice(), self.distribution) {
            ([], _) => Table::Empty,
            ([(server, ..)], _) => Table::Single(*server),
            (live, Distribution::Ketama) => Table::Ketama(Continuum::new(live)),
            (live, Distribution::Modula) => Table::Modula(Slots::new(live)),
            (live, Distribution::Random) => {
                Table::Random(live.iter().map(|(index, ..)| *index).collect())
            }
        };
    }

    /// The nodes in the order given.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn hash_of(&self, key: &[u8]) -> u32 {
        let part = self.hash_tag.and_then(|tag| tagged(key, tag)).unwrap_or(key);
        if part.is_empty() { 0 } else { self.hash.hash(part) }
    }
}

/// The part between the tag's bytes, unless it is empty. A second opening byte begins nothing.
fn tagged(key: &[u8], [open, close]: [u8; 2]) -> Option<&[u8]> {
    let start = memchr::memchr(open, key)? + 1;
    let length = memchr::memchr(close, &key[start..])?;
    (length > 0).then(|| &key[start..start + length])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(distribution: Distribution, weights: &[u32]) -> Ring {
        let node = |(index, weight): (usize, &u32)| Node {
            name: node_name(&format!("host-{index}"), 6379),
            weight: *weight,
        };
        let nodes = weights.iter().enumerate().map(node).collect();
        Ring::new(Hash::Fnv1a64, distribution, Some(*b"{}"), nodes)
    }

    #[test]
    fn names() {
        assert_eq!(node_name("redis", 6379), "redis:6379");
        assert_eq!(node_name("redis", 11211), "redis");
    }

    #[test]
    fn tags() {
        for (key, expected) in [
            ("a{b}c", Some("b")),
            ("{b}", Some("b")),
            ("{}b", None),
            ("{}{b}", None),
            ("}{b}", Some("b")),
            ("{{b}}", Some("{b")),
            ("{b", None),
            ("b}", None),
            ("", None),
        ] {
            assert_eq!(tagged(key.as_bytes(), *b"{}"), expected.map(str::as_bytes), "{key}");
        }
        assert_eq!(tagged(b"a$b$c", *b"$$"), Some(b"b".as_slice()));
    }

    #[test]
    fn nothing_live_is_none_and_one_takes_all() {
        for (_, distribution) in Distribution::ALL {
            let mut ring = ring(distribution, &[1, 2, 3]);
            ring.rebuild(&[false, false, false]);
            assert_eq!(ring.locate(b"a"), None);
            ring.rebuild(&[false, true, false]);
            assert_eq!(ring.locate(b"a"), Some(1));
            assert_eq!(ring.locate(b""), Some(1));
        }
    }

    #[test]
    fn random_reaches_every_live_server_whatever_the_weight() {
        let mut ring = ring(Distribution::Random, &[1, 1000, 1]);
        ring.rebuild(&[true, true, false]);
        let found: Vec<usize> = (0..200).filter_map(|_| ring.locate(b"a")).collect();
        assert!(found.contains(&0) && found.contains(&1) && !found.contains(&2), "{found:?}");
    }

    #[test]
    fn a_dead_server_moves_its_own_keys_only() {
        let whole = ring(Distribution::Ketama, &[1, 1, 1, 1]);
        let mut less = whole.clone();
        less.rebuild(&[true, true, false, true]);
        for number in 0..2000 {
            let key = format!("key:{number}");
            let before = whole.locate(key.as_bytes());
            if before != Some(2) {
                assert_eq!(less.locate(key.as_bytes()), before, "{key}");
            }
        }
    }
}
