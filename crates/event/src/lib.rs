//! From a line of a log to an event: a time, a level, a message and fields.
//!
//! A [`Parser`] reads one line into [`Fields`], whose values borrow from the line wherever they
//! can. A [`Name`] knows what a field is called in each vocabulary that a receiver may speak, so a
//! parser decides once what a value is and each sink writes it under its own name.
//!
//! What always holds: there is no IO, no clock and no panic, whatever the line is; the time is
//! linear in its length; nothing is allocated for a line without escapes. Lines are text: who reads
//! bytes checks them once for the whole line, rather than each sink once for each value.

mod fields;
pub mod filter;
mod json;
mod level;
pub mod multiline;
pub mod name;
mod near;
mod parser;
mod pattern;
pub mod redact;
mod time;
mod value;

pub use self::fields::{FIELDS_MAX, Fields};
pub use self::level::Level;
pub use self::name::{Key, Name};
pub use self::parser::{ContainerLine, ContainerStream, Parser, ParserError, Unparsed};
pub use self::pattern::{PatternError, pattern, patterns};
pub use self::time::{Offset, Timestamp};
pub use self::value::Value;
pub use regex::bytes::RegexSet;
