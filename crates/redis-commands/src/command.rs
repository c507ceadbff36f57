//! One row of the table.
//!
//! A command and a subcommand (`config|get`) have the same form: a container lists its
//! subcommands, each with arity, keys and treatment of its own. What the hot path asks of a row,
//! whether there is one key and where, is worked out by the compiler.

use crate::keys::{Keys, positions};
use crate::lookup::{ENDS_MAX, ends};
use crate::{Class, KeyError, Treatment};

/// A command or a subcommand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command {
    /// In lower case; a subcommand's is that of the container, `|`, its own.
    pub name: &'static str,
    /// Number of words, the name included; negative: at least so many. As COMMAND shows it.
    pub arity: i8,
    pub keys: Keys,
    pub class: Class,
    /// A container's says what holds for most of its subcommands.
    pub treatment: Treatment,
    /// Empty unless a container.
    pub subcommands: &'static [Command],
    /// Redis 7.0 does not have it.
    pub newer: bool,
    /// The position of the only key; 0 if there may be none or several.
    only_key: u8,
    /// The ends of the name tell it from every other word.
    by_ends: bool,
}

impl Command {
    pub(crate) const fn as_newer(self) -> Self {
        Self { newer: true, ..self }
    }

    /// Whether that is the name, in any case.
    #[inline]
    pub(crate) fn is_named(&self, name: &[u8]) -> bool {
        let own = self.name.as_bytes();
        own.len() == name.len()
            && ends(own) == ends(name)
            && (self.by_ends || own.eq_ignore_ascii_case(name))
    }

    /// Whether `argc` words, the name included, are neither too few nor too many.
    #[must_use]
    #[inline]
    pub fn arity_fits(&self, argc: usize) -> bool {
        let wanted = usize::from(self.arity.unsigned_abs());
        if self.arity < 0 { argc >= wanted } else { argc == wanted }
    }

    /// The position of the key, where every call has exactly one and always there.
    #[must_use]
    #[inline]
    pub fn first_key(&self) -> Option<usize> {
        (self.only_key != 0).then_some(usize::from(self.only_key))
    }

    #[must_use]
    #[inline]
    pub fn is_container(&self) -> bool {
        !self.subcommands.is_empty()
    }

    /// The subcommand of that name, in any case.
    #[must_use]
    pub fn subcommand(&self, name: &[u8]) -> Option<&'static Command> {
        let own = self.name.len() + 1;
        self.subcommands.iter().find(|command| {
            command.name.as_bytes().get(own..).is_some_and(|own| own.eq_ignore_ascii_case(name))
        })
    }

    /// The row that says what a call does: the subcommand's where there is one. `None` if the
    /// container has none of that name; a container called without is itself.
    #[must_use]
    pub fn resolve<'a>(
        &'static self,
        argc: usize,
        arg: &dyn Fn(usize) -> &'a [u8],
    ) -> Option<&'static Command> {
        if self.subcommands.is_empty() || argc < 2 { Some(self) } else { self.subcommand(arg(1)) }
    }

    /// Puts the positions of all keys into `out`, in the order in which Redis lists them.
    /// A container looks at its subcommand. `arg` gives each of the `argc` words.
    ///
    /// On an error `out` is empty, and any server may answer: it will say what is wrong.
    pub fn key_positions<'a>(
        &'static self,
        argc: usize,
        arg: &dyn Fn(usize) -> &'a [u8],
        out: &mut Vec<usize>,
    ) -> Result<(), KeyError> {
        out.clear();
        let command = self.resolve(argc, arg).ok_or(KeyError::UnknownSubcommand)?;
        if !command.arity_fits(argc) {
            return Err(KeyError::WrongArity);
        }
        let found = positions(command.keys, argc, arg, out);
        if found.is_err() {
            out.clear();
        }
        found
    }

    /// Whether this call may wait for something to happen: XREAD and XREADGROUP only with BLOCK.
    #[must_use]
    pub fn blocks<'a>(&self, argc: usize, arg: &dyn Fn(usize) -> &'a [u8]) -> bool {
        use crate::Pin::{BlockOption, Blocking, Wait};
        match self.treatment {
            Treatment::Pin(Blocking | Wait) => true,
            Treatment::Pin(BlockOption) => has_block_option(argc, arg),
            _ => false,
        }
    }
}

/// Only a letter in either case becomes that letter when the bit of the case is set.
const fn is_told_by_ends(name: &[u8]) -> bool {
    let mut at = 0;
    while at < name.len() && name[at].is_ascii_lowercase() {
        at += 1;
    }
    at == name.len() && 2 <= at && at <= ENDS_MAX
}

/// A command without subcommands, or a subcommand.
pub(crate) const fn row(
    name: &'static str,
    arity: i8,
    keys: Keys,
    class: Class,
    treatment: Treatment,
) -> Command {
    let (only_key, by_ends) = (keys.only(), is_told_by_ends(name.as_bytes()));
    let (subcommands, newer): (&[Command], _) = (&[], false);
    Command { name, arity, keys, class, treatment, subcommands, newer, only_key, by_ends }
}

/// As [`row`], of one that Redis 7.0 does not have.
pub(crate) const fn newer(
    name: &'static str,
    arity: i8,
    keys: Keys,
    class: Class,
    treatment: Treatment,
) -> Command {
    row(name, arity, keys, class, treatment).as_newer()
}

pub(crate) const fn group(
    name: &'static str,
    arity: i8,
    class: Class,
    treatment: Treatment,
    subcommands: &'static [Command],
) -> Command {
    Command { subcommands, ..row(name, arity, Keys::NONE, class, treatment) }
}

/// The options of XREAD and XREADGROUP up to STREAMS; anything else ends them.
fn has_block_option<'a>(argc: usize, arg: &dyn Fn(usize) -> &'a [u8]) -> bool {
    let mut at = 1;
    while at < argc {
        let option = arg(at);
        at += if option.eq_ignore_ascii_case(b"block") {
            return true;
        } else if option.eq_ignore_ascii_case(b"noack") {
            1
        } else if option.eq_ignore_ascii_case(b"count") || option.eq_ignore_ascii_case(b"claim") {
            2
        } else if option.eq_ignore_ascii_case(b"group") {
            3
        } else {
            return false;
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use crate::{Local, Pin, Split, Treatment, all, lookup};

    fn resolved(call: &str) -> Option<(&'static str, bool)> {
        let words: Vec<&[u8]> = call.split(' ').map(str::as_bytes).collect();
        let arg = |i: usize| words[i];
        let command = lookup(words[0])?.resolve(words.len(), &arg)?;
        Some((command.name, command.blocks(words.len(), &arg)))
    }

    #[test]
    fn subcommands_and_blocking() {
        for (call, expected) in [
            ("GET k", Some(("get", false))),
            ("CONFIG GET x", Some(("config|get", false))),
            ("client id", Some(("client|id", false))),
            ("CLIENT", Some(("client", false))),
            ("CLIENT nonsense", None),
            ("BLPOP k 0", Some(("blpop", true))),
            ("WAIT 1 0", Some(("wait", true))),
            ("XREAD STREAMS s 0", Some(("xread", false))),
            ("XREAD COUNT 1 BLOCK 0 STREAMS s 0", Some(("xread", true))),
            ("XREAD STREAMS block 0", Some(("xread", false))),
            ("XREADGROUP GROUP block c STREAMS s >", Some(("xreadgroup", false))),
            ("XREADGROUP GROUP g c NOACK block 5 STREAMS s >", Some(("xreadgroup", true))),
        ] {
            assert_eq!(resolved(call), expected, "{call}");
        }
    }

    /// What would harm a connection that others use must not be forwarded on one.
    #[test]
    fn treatments() {
        for (name, treatment) in [
            ("get", Treatment::Forward),
            ("eval", Treatment::Forward),
            ("mget", Treatment::Split(Split::Values)),
            ("mset", Treatment::Split(Split::Pairs)),
            ("exists", Treatment::Split(Split::Count)),
            ("hello", Treatment::Always(Local::Hello)),
            ("ping", Treatment::Local(Local::Ping)),
            ("multi", Treatment::Pin(Pin::Transaction)),
            ("unsubscribe", Treatment::Pin(Pin::PubSub)),
            ("select", Treatment::Pin(Pin::Select)),
            ("monitor", Treatment::Pin(Pin::Monitor)),
            ("keys", Treatment::AllShards),
            ("shutdown", Treatment::Refuse),
            ("psync", Treatment::Never),
        ] {
            assert_eq!(lookup(name.as_bytes()).unwrap().treatment, treatment, "{name}");
        }
        let script = lookup(b"script").unwrap();
        assert_eq!(script.subcommand(b"debug").unwrap().treatment, Treatment::Never);
        for command in all() {
            let splits = matches!(command.treatment, Treatment::Split(_));
            assert_eq!(splits, command.class == crate::Class::Multi, "{}", command.name);
        }
    }
}
