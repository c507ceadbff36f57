//! CLIENT: what a client says and asks about connections.
//!
//! The subcommands that would act on other connections or need push messages (KILL, PAUSE,
//! TRACKING, …) get the answer of a Redis that does not know them, which clients take for "not
//! here" and go on.

use redis_commands::{Command, Pin};
use resp::{Protocol, write};

use super::{Call, Connection, Facts, Replies, SYNTAX_ERROR, Session, help, unknown_subcommand};

/// Of a name, a library or a version, in bytes.
const NAME_BYTES_MAX: usize = 1024;
pub(super) const NAME_REFUSED: &str =
    "ERR Client names cannot contain spaces, newlines or special characters.";

pub(super) fn answer(
    command: &'static Command,
    call: Call<'_>,
    session: &mut Session,
    facts: &Facts<'_>,
    out: &mut Vec<u8>,
) {
    match command.name {
        "client|id" => write::integer(out, i64::try_from(session.id).unwrap_or(i64::MAX)),
        "client|getname" if session.name.is_empty() => write::null(out, session.protocol),
        "client|getname" => write::bulk(out, &session.name),
        "client|setname" => match call.arg(2) {
            name if !is_clean(name) => write::error(out, NAME_REFUSED),
            name => {
                session.name = name.into();
                write::simple(out, "OK");
            }
        },
        "client|setinfo" => set_info(call, session, out),
        "client|no-evict" => switch(call, &mut session.no_evict, out),
        "client|no-touch" => switch(call, &mut session.no_touch, out),
        "client|reply" => reply(call, session, out),
        "client|info" => {
            let line = line(session, &(facts.own)());
            write::text(out, session.protocol, &line);
        }
        "client|list" => list(call, session, facts, out),
        "client|help" => help("CLIENT", HELP, out),
        _ => unknown_subcommand(call, out),
    }
}

const HELP: &[&str] = &[
    "GETNAME",
    "    Return the name of the current connection.",
    "ID",
    "    Return the ID of the current connection.",
    "INFO",
    "    Return information about the current client connection.",
    "LIST [options ...]",
    "    Return information about client connections. Options:",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Return clients of specified type.",
    "    * ID <client-id> [<client-id> ...]",
    "      Return clients of specified IDs only.",
    "REPLY (ON|OFF|SKIP)",
    "    Control the replies sent to the current connection.",
    "SETINFO <option> <value>",
    "    Set client meta attr. Options are:",
    "    * LIB-NAME: the client lib name.",
    "    * LIB-VER: the client lib version.",
    "SETNAME <name>",
    "    Assign the name <name> to the current connection.",
    "NO-EVICT (ON|OFF)",
    "    Protect current client connection from eviction.",
    "NO-TOUCH (ON|OFF)",
    "    Will not touch LRU/LFU stats when this mode is on.",
];

/// Whether it may stand in a line of CLIENT LIST: visible ASCII characters, and not too many.
pub(super) fn is_clean(name: &[u8]) -> bool {
    name.len() <= NAME_BYTES_MAX && name.iter().all(|byte| (b'!'..=b'~').contains(byte))
}

fn set_info(call: Call<'_>, session: &mut Session, out: &mut Vec<u8>) {
    let (option, value) = (call.arg(2), call.arg(3));
    let attribute = if call.is(2, "lib-name") {
        &mut session.lib_name
    } else if call.is(2, "lib-ver") {
        &mut session.lib_ver
    } else {
        let text = [b"ERR Unrecognized option '", option, b"'"].concat();
        return write::error_bytes(out, &text);
    };
    if is_clean(value) {
        *attribute = value.into();
        write::simple(out, "OK");
    } else {
        let name = option.to_ascii_lowercase();
        let text = b" cannot contain spaces, newlines or special characters.";
        write::error_bytes(out, &[b"ERR ", name.as_slice(), text].concat());
    }
}

fn switch(call: Call<'_>, state: &mut bool, out: &mut Vec<u8>) {
    if call.is(2, "on") || call.is(2, "off") {
        *state = call.is(2, "on");
        write::simple(out, "OK");
    } else {
        write::error(out, SYNTAX_ERROR);
    }
}

fn reply(call: Call<'_>, session: &mut Session, out: &mut Vec<u8>) {
    if call.is(2, "on") {
        session.replies = Replies::On;
        write::simple(out, "OK");
    } else if call.is(2, "off") {
        session.replies = Replies::Off;
    } else if call.is(2, "skip") {
        if session.replies != Replies::Off {
            session.replies = Replies::SkipNext;
        }
    } else {
        write::error(out, SYNTAX_ERROR);
    }
}

/// Which clients a CLIENT LIST shows.
enum Shown {
    All,
    Type(Kind),
    Ids(Vec<u64>),
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Normal,
    PubSub,
    /// Masters and replicas: nobody here is one.
    Replication,
}

fn list(call: Call<'_>, session: &Session, facts: &Facts<'_>, out: &mut Vec<u8>) {
    let shown = match read_shown(call) {
        Ok(shown) => shown,
        Err(text) => return write::error_bytes(out, &text),
    };
    let mut lines = Vec::new();
    let mut show = |session: &Session, connection: Connection| {
        let kind = if connection.pin == Some(Pin::PubSub) { Kind::PubSub } else { Kind::Normal };
        let is_shown = match &shown {
            Shown::All => true,
            Shown::Type(shown) => *shown == kind,
            Shown::Ids(ids) => ids.contains(&session.id),
        };
        if is_shown {
            lines.push((session.id, line(session, &connection)));
        }
    };
    show(session, (facts.own)());
    (facts.others)(&mut show);
    lines.sort_unstable_by_key(|(id, _)| *id);
    let lines: Vec<Vec<u8>> = lines.into_iter().map(|(_, line)| line).collect();
    write::text(out, session.protocol, &lines.concat());
}

fn read_shown(call: Call<'_>) -> Result<Shown, Vec<u8>> {
    if call.argc == 2 {
        return Ok(Shown::All);
    }
    if call.is(2, "type") && call.argc == 4 {
        let kind = call.arg(3).to_ascii_lowercase();
        return match kind.as_slice() {
            b"normal" => Ok(Shown::Type(Kind::Normal)),
            b"pubsub" => Ok(Shown::Type(Kind::PubSub)),
            b"master" | b"replica" | b"slave" => Ok(Shown::Type(Kind::Replication)),
            _ => Err([b"ERR Unknown client type '", call.arg(3), b"'"].concat()),
        };
    }
    if call.is(2, "id") && call.argc > 3 {
        let id = |index| std::str::from_utf8(call.arg(index)).ok()?.parse().ok();
        let ids: Option<Vec<u64>> = (3..call.argc).map(id).collect();
        return ids.map(Shown::Ids).ok_or_else(|| b"ERR Invalid client ID".to_vec());
    }
    Err(SYNTAX_ERROR.into())
}

/// One line of CLIENT LIST: the fields of Redis 7.2, in its order. What only a server knows of a
/// client has the value of an idle one.
fn line(session: &Session, connection: &Connection) -> Vec<u8> {
    let Connection { address, local_address, fd, age, idle, .. } = connection;
    let multi = if connection.pin == Some(Pin::Transaction) { 0 } else { -1 };
    let protocol = if session.protocol == Protocol::Resp3 { 3 } else { 2 };
    let command = session.last.map_or("NULL", |command| command.name);
    let mut line = format!("id={} addr={address} laddr={local_address} fd={fd} name=", session.id)
        .into_bytes();
    line.extend_from_slice(&session.name);
    let middle = format!(
        " age={} idle={} flags={} db=0 sub=0 psub=0 ssub=0 multi={multi} qbuf={} qbuf-free=0 \
         argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl={} oll=0 omem=0 tot-mem={} events=r \
         cmd={command} user=default redir=-1 resp={protocol} lib-name=",
        age.as_secs(),
        idle.as_secs(),
        flags(session, connection),
        connection.unparsed_bytes,
        connection.reply_bytes,
        connection.unparsed_bytes + connection.reply_bytes,
    );
    line.extend_from_slice(middle.as_bytes());
    line.extend_from_slice(&session.lib_name);
    line.extend_from_slice(b" lib-ver=");
    line.extend_from_slice(&session.lib_ver);
    line.push(b'\n');
    line
}

fn flags(session: &Session, connection: &Connection) -> String {
    let pin = match connection.pin {
        Some(Pin::Monitor) => "O",
        Some(Pin::PubSub) => "P",
        Some(Pin::Transaction) => "x",
        Some(Pin::Blocking | Pin::BlockOption | Pin::Wait) => "b",
        Some(Pin::Select) | None => "",
    };
    let mut flags = pin.to_owned();
    for (is_set, flag) in
        [(connection.is_unix, 'U'), (session.no_evict, 'e'), (session.no_touch, 'T')]
    {
        flags.extend(is_set.then_some(flag));
    }
    if flags.is_empty() { "N".to_owned() } else { flags }
}
