//! The twelve hashes of a key, by the names that a configuration gives them.
//!
//! In go the bytes of a key (or of its tag), out comes a `u32`. Those marked *signed* treat a byte
//! from 0x80 as a negative `char`, as C does on x86-64: it enters sign-extended to 32 or 64 bits.
//! Algorithms and constants are public: FNV and its offsets are Noll's, one-at-a-time and lookup3
//! (called jenkins) are Jenkins', murmur is Appleby's MurmurHash2, hsieh is his SuperFastHash. What
//! differs from the originals is said at each function and comes from recorded choices. On arm64 C
//! has an unsigned `char`; data placed by a nutcracker there is not what these functions find.

use std::fmt;
use std::str::FromStr;

use md5::{Digest, Md5};

use crate::words::{self, UnknownWord};
use crate::{crc, jenkins};

/// A hash of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// Jenkins' one-at-a-time, signed.
    OneAtATime,
    /// The first four bytes of the MD5 digest, little-endian.
    Md5,
    /// CRC-16/XMODEM in an accumulator that keeps 32 bits.
    Crc16,
    /// 15 bits of the upper half of CRC-32.
    Crc32,
    /// CRC-32 as everyone else computes it.
    Crc32a,
    /// The lower half of 64-bit FNV-1, signed.
    Fnv1_64,
    /// 32 bits with the lower halves of 64-bit FNV-1a's constants, signed.
    Fnv1a64,
    /// 32-bit FNV-1, signed.
    Fnv1_32,
    /// 32-bit FNV-1a, signed.
    Fnv1a32,
    /// `SuperFastHash` that begins at 0, not at the length.
    Hsieh,
    /// `MurmurHash2` with a seed that depends on the length.
    Murmur,
    /// lookup3's `hashlittle` with initial value 13.
    Jenkins,
}

impl Hash {
    /// All of them, with their names.
    pub const ALL: [(&'static str, Hash); 12] = [
        ("one_at_a_time", Hash::OneAtATime),
        ("md5", Hash::Md5),
        ("crc16", Hash::Crc16),
        ("crc32", Hash::Crc32),
        ("crc32a", Hash::Crc32a),
        ("fnv1_64", Hash::Fnv1_64),
        ("fnv1a_64", Hash::Fnv1a64),
        ("fnv1_32", Hash::Fnv1_32),
        ("fnv1a_32", Hash::Fnv1a32),
        ("hsieh", Hash::Hsieh),
        ("murmur", Hash::Murmur),
        ("jenkins", Hash::Jenkins),
    ];

    /// The hash of `key`, which is not empty: a [`crate::Ring`] does not hash the empty key.
    #[must_use]
    pub fn hash(self, key: &[u8]) -> u32 {
        match self {
            Hash::OneAtATime => one_at_a_time(key),
            Hash::Md5 => md5_words(key)[0],
            Hash::Crc16 => crc::crc16(key),
            Hash::Crc32 => (crc::crc32(key) >> 16) & 0x7fff,
            Hash::Crc32a => crc::crc32(key),
            Hash::Fnv1_64 => fnv1_64(key),
            Hash::Fnv1a64 => fnv1a_64(key),
            Hash::Fnv1_32 => fnv1_32(key),
            Hash::Fnv1a32 => fnv1a_32(key),
            Hash::Hsieh => hsieh(key),
            Hash::Murmur => murmur(key),
            Hash::Jenkins => jenkins::hash(key),
        }
    }
}

impl FromStr for Hash {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Hash, UnknownWord> {
        words::find(&Hash::ALL, text)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(words::word_of(&Hash::ALL, self))
    }
}

/// The digest as four little-endian words.
pub(crate) fn md5_words(text: &[u8]) -> [u32; 4] {
    let digest: [u8; 16] = Md5::digest(text).into();
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(digest.chunks_exact(4)) {
        *word = little_endian(bytes);
    }
    words
}

/// Up to four bytes, the first one lowest.
pub(crate) fn little_endian(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

/// A byte as C's `char` on x86-64 enters an unsigned sum.
fn signed(byte: u8) -> u32 {
    i32::from(byte.cast_signed()).cast_unsigned()
}

fn one_at_a_time(key: &[u8]) -> u32 {
    let mut hash: u32 = 0;
    for byte in key {
        hash = hash.wrapping_add(signed(*byte));
        hash = hash.wrapping_add(hash << 10);
        hash ^= hash >> 6;
    }
    hash = hash.wrapping_add(hash << 3);
    hash ^= hash >> 11;
    hash.wrapping_add(hash << 15)
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is the hash")]
fn fnv1_64(key: &[u8]) -> u32 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in key {
        hash = hash.wrapping_mul(0x0100_0000_01b3);
        hash ^= i64::from(byte.cast_signed()).cast_unsigned();
    }
    hash as u32
}

/// Its state has 32 bits, so that of the 64-bit constants only the lower halves are left.
fn fnv1a_64(key: &[u8]) -> u32 {
    key.iter().fold(0x8422_2325, |hash, byte| (hash ^ signed(*byte)).wrapping_mul(0x1b3))
}

fn fnv1_32(key: &[u8]) -> u32 {
    key.iter().fold(0x811c_9dc5, |hash: u32, byte| hash.wrapping_mul(0x0100_0193) ^ signed(*byte))
}

fn fnv1a_32(key: &[u8]) -> u32 {
    key.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ signed(*byte)).wrapping_mul(0x0100_0193))
}

/// Only the last of three bytes that are left over is signed.
fn hsieh(key: &[u8]) -> u32 {
    let mut hash: u32 = 0;
    let mut chunks = key.chunks_exact(4);
    for chunk in &mut chunks {
        let (low, high) = (little_endian(&chunk[..2]), little_endian(&chunk[2..]));
        hash = hash.wrapping_add(low);
        hash = (hash << 16) ^ (high << 11) ^ hash;
        hash = hash.wrapping_add(hash >> 11);
    }
    match *chunks.remainder() {
        [first, second, third] => {
            hash = hash.wrapping_add(little_endian(&[first, second]));
            hash ^= hash << 16;
            hash ^= signed(third) << 18;
            hash = hash.wrapping_add(hash >> 11);
        }
        [first, second] => {
            hash = hash.wrapping_add(little_endian(&[first, second]));
            hash ^= hash << 11;
            hash = hash.wrapping_add(hash >> 17);
        }
        [first] => {
            hash = hash.wrapping_add(u32::from(first));
            hash ^= hash << 10;
            hash = hash.wrapping_add(hash >> 1);
        }
        _ => {}
    }
    hash ^= hash << 3;
    hash = hash.wrapping_add(hash >> 5);
    hash ^= hash << 4;
    hash = hash.wrapping_add(hash >> 17);
    hash ^= hash << 25;
    hash.wrapping_add(hash >> 6)
}

#[expect(clippy::cast_possible_truncation, reason = "a key has at most 512 MiB")]
fn murmur(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let length = key.len() as u32;
    let mut hash = 0xdead_beef_u32.wrapping_mul(length) ^ length;
    let mut chunks = key.chunks_exact(4);
    for chunk in &mut chunks {
        let mut word = little_endian(chunk).wrapping_mul(M);
        word ^= word >> 24;
        hash = hash.wrapping_mul(M) ^ word.wrapping_mul(M);
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        hash = (hash ^ little_endian(rest)).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_for_hashes_and_back() {
        for (word, hash) in Hash::ALL {
            assert_eq!((word.parse(), hash.to_string()), (Ok(hash), word.to_owned()));
        }
        let error = "MD5".parse::<Hash>().unwrap_err();
        assert!(error.to_string().starts_with("expected one of one_at_a_time, md5, crc16,"));
    }

    #[test]
    fn published_check_values() {
        let check = b"123456789";
        assert_eq!(Hash::Crc32a.hash(check), 0xcbf4_3926);
        assert_eq!(Hash::Crc32.hash(check), 0xcbf4 & 0x7fff);
        assert_eq!(Hash::Crc16.hash(b"1") & 0xffff, 0x2672);
        assert_eq!(Hash::Crc16.hash(check) & 0xffff, 0x31c3);
        assert_eq!(Hash::Fnv1a32.hash(b"foobar"), 0xbf9c_f968);
        assert_eq!(Hash::Fnv1_32.hash(b"foobar"), 0x31f0_b262);
        assert_eq!(Hash::Fnv1_64.hash(b"foobar"), 0xa4dd_a9c2);
        assert_eq!(Hash::OneAtATime.hash(b"a"), 0xca2e_9442);
        assert_eq!(Hash::Md5.hash(b"a"), 0xb975_c10c);
    }

    #[test]
    fn high_bytes_are_negative() {
        assert_eq!(
            Hash::Fnv1a32.hash(&[0x80]),
            (0x811c_9dc5_u32 ^ 0xffff_ff80).wrapping_mul(0x0100_0193)
        );
        assert_ne!(Hash::Crc16.hash(b"123") >> 16, 0, "the accumulator keeps 32 bits");
    }
}
