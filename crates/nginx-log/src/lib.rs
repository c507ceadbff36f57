//! nginx's `log_format` read backwards: from a line of a log to the values of its variables.
//!
//! The way of a line: a [`Format`], parsed once from the text that stands in nginx.conf, cuts the
//! line into the raw bytes of each variable ([`Format::split`]); `value` reads numbers and request
//! lines from such bytes; [`Level`] is read from a line of the error log.
//!
//! What always holds: no bytes make it fail other than by an error value, nothing is allocated for
//! a line, and the time is linear in its length. Values stay as nginx wrote them, escapes included.
//! A general regular expression per format was not taken: the literals between the variables are
//! known, so a search for the next one is enough and several times faster.

mod format;
mod level;
mod split;
mod value;

pub use self::format::{COMBINED, Escape, Format, FormatError, JSON, MAIN};
pub use self::level::Level;
pub use self::split::{SplitError, Values};
pub use self::value::{RequestLine, integer, seconds, without_query};
