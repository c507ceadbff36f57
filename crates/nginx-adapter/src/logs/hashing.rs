//! Hashes for keys that are byte strings.
//!
//! In: a key. Out: a hash with a seed that nobody outside knows, because clients choose the hosts
//! and paths that keys are made of. The tables are bounded as well, so that a lucky client could
//! only make them slower. The standard library's hasher costs as much as splitting half a line.

use std::hash::{BuildHasher, Hasher, RandomState};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Makes hashers with one random seed.
#[derive(Debug, Clone)]
pub(crate) struct Hashing {
    seed: u64,
}

impl Hashing {
    pub(crate) fn new() -> Hashing {
        Hashing { seed: RandomState::new().build_hasher().finish() }
    }
}

impl BuildHasher for Hashing {
    type Hasher = KeyHasher;

    fn build_hasher(&self) -> KeyHasher {
        KeyHasher { state: self.seed }
    }
}

/// Hashes one key at once.
#[derive(Debug)]
pub(crate) struct KeyHasher {
    state: u64,
}

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.state = xxh3_64_with_seed(bytes, self.state);
    }

    /// The length of the key, which the hash of its bytes covers.
    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.state
    }
}
