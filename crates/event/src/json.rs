//! JSON as it stands in a line.
//!
//! In: text. Out: where it is valid and what its strings mean.

mod string;

pub(crate) use self::string::decode_string;
