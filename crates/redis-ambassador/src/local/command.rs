//! COMMAND: the table of commands, in the form that Redis 7.0 gives it.
//!
//! Names, arity, the positions of keys and whether a command reads or writes are those of the
//! table; access categories, tips and key specifications are empty, because nothing that talks to
//! a standalone server reads them. COMMAND DOCS knows the class of every command and nothing else.

use redis_commands::{Begin, Class, Command, Find, KeyError, Keys, Pin, Split, Treatment};
use resp::{Protocol, write};

use super::glob::fits;
use super::{Call, SYNTAX_ERROR, help, refuse};

pub(super) fn answer(
    command: &'static Command,
    call: Call<'_>,
    protocol: Protocol,
    out: &mut Vec<u8>,
) {
    let all = redis_commands::all();
    match command.name {
        "command" => {
            write::array_header(out, all.len());
            all.iter().for_each(|command| entry(command, protocol, out));
        }
        "command|count" => {
            write::integer(out, i64::try_from(all.len()).unwrap_or(i64::MAX));
        }
        "command|info" if call.argc == 2 => {
            write::array_header(out, all.len());
            all.iter().for_each(|command| entry(command, protocol, out));
        }
        "command|info" => {
            write::array_header(out, call.argc - 2);
            for index in 2..call.argc {
                match named(call.arg(index)) {
                    Some(command) => entry(command, protocol, out),
                    None => write::null(out, protocol),
                }
            }
        }
        "command|docs" => docs(call, protocol, out),
        "command|list" => list(call, out),
        "command|getkeys" => get_keys(call, out),
        "command|help" => help("COMMAND", HELP, out),
        _ => refuse(command, out),
    }
}

const HELP: &[&str] = &[
    "(no subcommand)",
    "    Return details about all Redis commands.",
    "COUNT",
    "    Return the total number of commands in this Redis server.",
    "LIST",
    "    Return a list of all commands in this Redis server.",
    "INFO [<command-name> ...]",
    "    Return details about multiple Redis commands.",
    "DOCS [<command-name> ...]",
    "    Return documentation details about multiple Redis commands.",
    "GETKEYS <full-command>",
    "    Return the keys from a full Redis command.",
];

/// A command, or a subcommand as `container|subcommand`.
fn named(name: &[u8]) -> Option<&'static Command> {
    match name.iter().position(|byte| *byte == b'|') {
        None => redis_commands::lookup(name),
        Some(at) => redis_commands::lookup(&name[..at])?.subcommand(&name[at + 1..]),
    }
}

fn entry(command: &Command, protocol: Protocol, out: &mut Vec<u8>) {
    write::array_header(out, 10);
    write::bulk(out, command.name.as_bytes());
    write::integer(out, i64::from(command.arity));
    let positions = Positions::of(command.keys);
    let movable = positions.movable.then_some(&"movablekeys");
    let flags: Vec<&str> = effect(command).iter().chain(movable).copied().collect();
    write::set_header(out, protocol, flags.len());
    flags.iter().for_each(|flag| write::simple(out, flag));
    for position in [positions.first, positions.last, positions.step] {
        write::integer(out, position);
    }
    // Access categories, tips, key specifications.
    (0..3).for_each(|_| write::set_header(out, protocol, 0));
    if command.subcommands.is_empty() {
        write::set_header(out, protocol, 0);
    } else {
        write::array_header(out, command.subcommands.len());
        command.subcommands.iter().for_each(|command| entry(command, protocol, out));
    }
}

/// What a command does, as far as the table tells.
fn effect(command: &Command) -> &'static [&'static str] {
    match (command.class, command.treatment) {
        (_, Treatment::Pin(Pin::Wait)) => &["blocking"],
        (_, Treatment::Split(Split::Values)) | (Class::Read, _) => &["readonly"],
        (_, Treatment::Split(Split::Pairs)) | (Class::Write, _) => &["write"],
        (Class::Multi, _) if ["exists", "touch"].contains(&command.name) => &["readonly"],
        (Class::Multi, _) => &["write"],
        (Class::Blocking, _) => &["write", "blocking"],
        (Class::Script, _) if command.name.ends_with("_ro") => &["readonly"],
        (Class::PubSub, _) => &["pubsub"],
        _ => &[],
    }
}

/// The keys of a command as one range, which is all that old clients understand.
struct Positions {
    first: i64,
    last: i64,
    step: i64,
    /// Not all keys are in the range.
    movable: bool,
}

impl Positions {
    fn of(keys: Keys) -> Positions {
        let range = |first, last, step, movable| Positions { first, last, step, movable };
        let specs = match keys {
            Keys::Sort => return range(1, 1, 1, true),
            Keys::Migrate => return range(3, 3, 1, true),
            Keys::Specs(specs) => specs,
        };
        let mut all = range(0, 0, 0, false);
        for spec in specs {
            let (Begin::Index(begin), Find::Range { last, step, limit: 0 }) =
                (spec.begin, spec.find)
            else {
                all.movable = true;
                continue;
            };
            let (begin, last, step) = (i64::from(begin), i64::from(last), i64::from(step));
            let last = if last < 0 { last } else { begin + last };
            if all.first == 0 {
                (all.first, all.last, all.step) = (begin, last, step);
            } else if all.last == begin - 1 {
                all.last = last;
            } else {
                all.movable = true;
            }
        }
        all
    }
}

/// What redis-cli needs for its help: a line about each command, and a group to find it by.
fn docs(call: Call<'_>, protocol: Protocol, out: &mut Vec<u8>) {
    let asked = (2..call.argc).filter_map(|index| named(call.arg(index)));
    let commands: Vec<&Command> =
        if call.argc == 2 { redis_commands::all().iter().collect() } else { asked.collect() };
    write::map_header(out, protocol, commands.len());
    for command in commands {
        write::bulk(out, command.name.as_bytes());
        write::map_header(out, protocol, 2);
        for word in ["summary", summary(command.class), "group", command.class.as_str()] {
            write::bulk(out, word.as_bytes());
        }
    }
}

fn summary(class: Class) -> &'static str {
    match class {
        Class::Read => "Reads from a key",
        Class::Write => "Writes to a key",
        Class::Multi => "Works on several keys",
        Class::Script => "Runs or loads a script",
        Class::PubSub => "Publishes or subscribes to messages",
        Class::Transaction => "Belongs to a transaction",
        Class::Blocking => "Waits for something to happen",
        Class::Connection => "Concerns the connection",
        Class::Server => "Concerns a server as a whole",
    }
}

/// Names with those of the subcommands, unless a module's are asked for: there are none.
fn list(call: Call<'_>, out: &mut Vec<u8>) {
    let pattern = match call.argc {
        2 => b"*",
        5 if call.is(2, "filterby") && call.is(3, "pattern") => call.arg(4),
        5 if call.is(2, "filterby") && call.is(3, "module") => return write::array_header(out, 0),
        _ => return write::error(out, SYNTAX_ERROR),
    };
    let names = redis_commands::all().iter().flat_map(|command| {
        let subcommands = command.subcommands.iter().map(|command| command.name);
        std::iter::once(command.name).chain(subcommands)
    });
    let names: Vec<&str> = names.filter(|name| fits(pattern, name.as_bytes())).collect();
    write::array_header(out, names.len());
    names.iter().for_each(|name| write::bulk(out, name.as_bytes()));
}

fn get_keys(call: Call<'_>, out: &mut Vec<u8>) {
    let (argc, arg) = (call.argc - 2, |index| call.arg(index + 2));
    let Some(command) =
        redis_commands::lookup(arg(0)).and_then(|command| command.resolve(argc, &arg))
    else {
        return write::error(out, "ERR Invalid command specified");
    };
    if matches!(command.keys, Keys::Specs([])) {
        return write::error(out, "ERR The command has no key arguments");
    }
    let mut positions = Vec::new();
    let wrong = match command.key_positions(argc, &arg, &mut positions) {
        // Whose number of keys may be 0.
        Ok(()) | Err(KeyError::InvalidArguments) if command.class == Class::Script => None,
        Ok(()) if !positions.is_empty() => None,
        Err(KeyError::WrongArity) => Some("ERR Invalid number of arguments specified for command"),
        Ok(()) | Err(KeyError::InvalidArguments | KeyError::UnknownSubcommand) => {
            Some("ERR Invalid arguments specified for command")
        }
    };
    if let Some(text) = wrong {
        return write::error(out, text);
    }
    write::array_header(out, positions.len());
    positions.iter().for_each(|position| write::bulk(out, arg(*position)));
}
