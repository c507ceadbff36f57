//! What the ambassador answers itself, and what it remembers of a client for that.
//!
//! In go the words of a call and the facts of the moment, out come the reply and what is to become
//! of the connection. No IO, and nothing but the [`Session`] changes. The texts are those of Redis
//! 7.0, since clients read them; a wrong password given in the way that twemproxy knows gets
//! twemproxy's. What is said about the ambassador itself (INFO, CONFIG, CLIENT LIST) is true or
//! left out. Asking a server instead was not taken: with several, none of them knows.

mod client;
mod command;
mod glob;
mod handshake;
mod info;

use std::time::Duration;

use redis_commands::{Command, Local, Pin};
use resp::{Protocol, write};

use crate::config::PoolConfig;
use crate::metrics::Metrics;
use crate::refusals::{self, NO_AUTH};

/// What Redis says without its cluster mode.
const NO_CLUSTER: &str = "ERR This instance has cluster support disabled";
pub(crate) const SYNTAX_ERROR: &str = "ERR syntax error";

/// What a client has told about itself. There are ten thousand of them.
#[derive(Debug, Default)]
pub(crate) struct Session {
    pub(crate) id: u64,
    pub(crate) protocol: Protocol,
    pub(crate) authenticated: bool,
    replies: Replies,
    no_evict: bool,
    no_touch: bool,
    /// Empty if none was set, as are the next two.
    name: Box<[u8]>,
    lib_name: Box<[u8]>,
    lib_ver: Box<[u8]>,
    /// The last command, for CLIENT LIST.
    pub(crate) last: Option<&'static Command>,
}

/// Which replies a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Replies {
    #[default]
    On,
    Off,
    /// Not that of the next request. The one that said so has none either.
    SkipNext,
    /// Not that of the request at hand.
    Skip,
}

impl Session {
    pub(crate) fn new(id: u64, authenticated: bool) -> Session {
        Session { id, authenticated, ..Session::default() }
    }

    /// Whether the reply to the request at hand is not sent.
    pub(crate) fn takes_no_reply(&self) -> bool {
        matches!(self.replies, Replies::Off | Replies::Skip)
    }

    /// The request at hand is done with; replies to it that are still to come do not count.
    pub(crate) fn request_taken(&mut self) {
        match self.replies {
            Replies::SkipNext => self.replies = Replies::Skip,
            Replies::Skip => self.replies = Replies::On,
            Replies::On | Replies::Off => {}
        }
    }
}

/// The words of a call.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) command: &'static Command,
    pub(crate) argc: usize,
    /// Each of the `argc` words.
    pub(crate) arg: &'a dyn Fn(usize) -> &'a [u8],
}

impl<'a> Call<'a> {
    fn arg(&self, index: usize) -> &'a [u8] {
        (self.arg)(index)
    }

    fn is(&self, index: usize, word: &str) -> bool {
        self.arg(index).eq_ignore_ascii_case(word.as_bytes())
    }
}

/// What answers are made of. What costs anything is a function.
pub(crate) struct Facts<'a> {
    pub(crate) pool: &'a PoolConfig,
    /// The place of `pool` in the configuration.
    pub(crate) pool_index: usize,
    /// Of a server, as clients are to believe it.
    pub(crate) version: &'a str,
    /// Where the client connected; 0 for a unix socket.
    pub(crate) tcp_port: u16,
    /// Of the process.
    pub(crate) uptime: Duration,
    /// Since 1970.
    pub(crate) unix_time: &'a dyn Fn() -> Duration,
    pub(crate) metrics: &'a Metrics,
    pub(crate) own: &'a dyn Fn() -> Connection,
    /// Gives all other clients of this thread.
    pub(crate) others: &'a EachClient<'a>,
}

/// Gives clients to a function, one by one.
type EachClient<'a> = dyn Fn(&mut dyn FnMut(&Session, Connection)) + 'a;

/// What CLIENT LIST shows of a connection, besides its session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connection {
    /// `host:port`, or `path:0`, as is `local_address`.
    pub(crate) address: String,
    pub(crate) local_address: String,
    pub(crate) is_unix: bool,
    pub(crate) fd: i32,
    pub(crate) age: Duration,
    pub(crate) idle: Duration,
    /// Read and not taken.
    pub(crate) unparsed_bytes: usize,
    /// Replies that have not left.
    pub(crate) reply_bytes: usize,
    /// Why it has a server connection of its own, if so.
    pub(crate) pin: Option<Pin>,
}

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    Stay,
    /// It ends when the answer has left.
    Close,
    /// Whatever state it has at a server is forgotten.
    Reset,
}

/// Answers a call of a command that is ours. `out` stays empty if CLIENT REPLY says so.
pub(crate) fn answer(
    local: Local,
    call: Call<'_>,
    session: &mut Session,
    facts: &Facts<'_>,
    out: &mut Vec<u8>,
) -> After {
    let is_free = matches!(local, Local::Auth | Local::Hello | Local::Quit | Local::Reset);
    if !session.authenticated && !is_free {
        out.extend_from_slice(NO_AUTH);
        return After::Stay;
    }
    let Some(command) = call.command.resolve(call.argc, call.arg) else {
        unknown_subcommand(call, out);
        return After::Stay;
    };
    session.last = Some(command);
    // PING takes one argument at most, which its arity does not tell.
    if !command.arity_fits(call.argc) || (local == Local::Ping && call.argc > 2) {
        write::error(out, &redis_commands::wrong_arity_text(command));
        return After::Stay;
    }
    match local {
        Local::Auth => handshake::auth(call, session, facts.pool, out),
        Local::Hello => handshake::hello(call, session, facts, out),
        Local::Client => client::answer(command, call, session, facts, out),
        Local::Command => command::answer(command, call, session.protocol, out),
        Local::Config => info::config(command, call, session.protocol, facts, out),
        Local::Info => info::info(call, session.protocol, facts, out),
        Local::Lolwut => {
            let text = format!("Redis ver. {}\n", facts.version);
            write::text(out, session.protocol, text.as_bytes());
        }
        Local::Time => time((facts.unix_time)(), out),
        Local::Ping if call.argc == 1 => write::simple(out, "PONG"),
        Local::Ping | Local::Echo => write::bulk(out, call.arg(1)),
        Local::Cluster | Local::Readonly | Local::Readwrite => write::error(out, NO_CLUSTER),
        Local::Quit => {
            write::simple(out, "OK");
            return After::Close;
        }
        Local::Reset => {
            handshake::reset(session, facts.pool);
            write::simple(out, "RESET");
            return After::Reset;
        }
    }
    After::Stay
}

fn unknown_subcommand(call: Call<'_>, out: &mut Vec<u8>) {
    let text = redis_commands::unknown_subcommand_text(call.command, call.arg(1));
    write::error_bytes(out, &text);
}

/// What this command would change is not one server's.
fn refuse(command: &Command, out: &mut Vec<u8>) {
    write::error(out, &refusals::needs_one_server(command.name));
}

fn time(unix_time: Duration, out: &mut Vec<u8>) {
    write::array_header(out, 2);
    write::bulk(out, unix_time.as_secs().to_string().as_bytes());
    write::bulk(out, unix_time.subsec_micros().to_string().as_bytes());
}

/// The lines of a HELP subcommand, as Redis gives them.
fn help(container: &str, lines: &[&str], out: &mut Vec<u8>) {
    write::array_header(out, lines.len() + 3);
    let head = format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    write::simple(out, &head);
    for line in lines.iter().chain(&["HELP", "    Prints this help."]) {
        write::simple(out, line);
    }
}

#[cfg(test)]
mod tests;
