//! Which server holds a key, bit for bit as twemproxy (nutcracker 0.5.0 on x86-64) places it.
//!
//! In go the servers' names and weights, a hash, a distribution and a hash tag; out comes a
//! [`Ring`] that turns a key into the index of a server. The rules were learned from recorded
//! choices of a real nutcracker, which the tests repeat key by key; where a rule looks like a
//! mistake (a hash called 64-bit that is not, bytes that are sign-extended), the mistake is the
//! specification, because data lies where it put them. There is no IO and no clock, and finding a
//! key's server allocates nothing. A general consistent-hashing crate was not used: none agrees
//! with twemproxy on the number of points, their labels or the order of the servers.

mod crc;
mod hash;
mod jenkins;
mod ketama;
mod modula;
mod ring;
mod words;

pub use self::{
    hash::Hash,
    ring::{Distribution, Node, Ring, node_name},
    words::UnknownWord,
};
