//! The commands of Redis: how many arguments each takes, which of them are keys, and how a proxy
//! may treat it.
//!
//! In: the words of a request. Out: its [`Command`] by [`lookup`], the positions of its keys by
//! [`Command::key_positions`], and the texts that Redis 7.0 says to a command it does not know or
//! that is called wrongly. The table holds every command of Redis 7.0 as its COMMAND tells them,
//! and those that came since (marked [`Command::newer`]); what modules bring is not in it.
//!
//! What always holds: the table is made by the compiler, a lookup allocates nothing and compares
//! one name as a rule, and no words make anything panic. Asking a live server for its table was
//! not taken: a proxy must know what a command does to a connection before any server answers,
//! and COMMAND does not tell.

mod command;
mod keys;
mod lookup;
mod subcommands;
mod table;
mod texts;
mod treatment;

pub use self::command::Command;
pub use self::keys::{Begin, Find, KeyError, KeySpec, Keys};
pub use self::lookup::{all, lookup};
pub use self::texts::{
    unknown_command_text, unknown_subcommand_text, unknown_text, wrong_arity_text,
};
pub use self::treatment::{Class, Local, Pin, Split, Treatment};
