//! JSON as it stands in a line.
//!
//! In: text. Out: the members of the object that it is ([`object`]), and what a string means
//! ([`decode_string`]).

mod scan;
mod string;

pub(crate) use self::scan::object;
pub(crate) use self::string::{decode_string, unescape};
