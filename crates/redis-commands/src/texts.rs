//! What Redis 7.0 says to a call that it does not take.
//!
//! Each text is that of the whole error behind the `-`. The words of the call are quoted as Redis
//! quotes them: cut at 128 bytes and at a NUL, line ends as blanks, other bytes as they are, so
//! the texts are bytes.

use crate::Command;

/// Bytes of a name or of all arguments that are quoted at most.
const QUOTED_MAX: usize = 128;

/// The error to a call that has no row: the container's if only the subcommand is unknown.
#[must_use]
pub fn unknown_text<'a>(argc: usize, arg: &dyn Fn(usize) -> &'a [u8]) -> Vec<u8> {
    match crate::lookup(arg(0)) {
        Some(command) if command.is_container() && argc > 1 => {
            unknown_subcommand_text(command, arg(1))
        }
        _ => unknown_command_text(argc, arg),
    }
}

/// `ERR unknown command 'foo', with args beginning with: 'a' 'b' `
#[must_use]
pub fn unknown_command_text<'a>(argc: usize, arg: &dyn Fn(usize) -> &'a [u8]) -> Vec<u8> {
    let mut args = Vec::new();
    for i in 1..argc {
        if args.len() >= QUOTED_MAX {
            break;
        }
        let room = QUOTED_MAX - args.len();
        args.push(b'\'');
        args.extend_from_slice(quoted(arg(i), room));
        args.extend_from_slice(b"' ");
    }
    let name = quoted(arg(0), QUOTED_MAX);
    one_line([b"ERR unknown command '", name, b"', with args beginning with: ", &args].concat())
}

/// `ERR unknown subcommand 'foo'. Try CONFIG HELP.`
#[must_use]
pub fn unknown_subcommand_text(container: &Command, subcommand: &[u8]) -> Vec<u8> {
    let container = container.name.to_ascii_uppercase();
    let subcommand = quoted(subcommand, QUOTED_MAX);
    let text = [b"ERR unknown subcommand '", subcommand, b"'. Try ", container.as_bytes()];
    one_line([text.concat().as_slice(), b" HELP."].concat())
}

/// `ERR wrong number of arguments for 'get' command`
#[must_use]
pub fn wrong_arity_text(command: &Command) -> String {
    format!("ERR wrong number of arguments for '{}' command", command.name)
}

fn quoted(word: &[u8], max: usize) -> &[u8] {
    let end = word.iter().position(|byte| *byte == 0).unwrap_or(word.len());
    &word[..end.min(max)]
}

fn one_line(mut text: Vec<u8>) -> Vec<u8> {
    for byte in &mut text {
        if matches!(byte, b'\r' | b'\n') {
            *byte = b' ';
        }
    }
    text
}

#[cfg(test)]
mod tests;
