//! The words of a request, apart by line ends; the first is looked for in the table.
//!
//! Where it is a number, the command of that row is taken, so that most inputs mean something.

#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_commands::{all, lookup, unknown_command_text, unknown_text};

fuzz_target!(|input: &[u8]| {
    let (row, rest) = input.split_at(input.len().min(2));
    let mut words: Vec<&[u8]> = rest.split(|byte| *byte == b'\n').collect();
    let row = row.iter().fold(0, |row, byte| row * 256 + usize::from(*byte));
    if let Some(command) = all().get(row) {
        words.insert(0, command.name.as_bytes());
        if let Some(subcommand) = command.subcommands.get(words.len()) {
            words.insert(1, &subcommand.name.as_bytes()[command.name.len() + 1..]);
        }
    }
    let arg = |i: usize| words[i];
    for text in [unknown_text(words.len(), &arg), unknown_command_text(words.len(), &arg)] {
        assert!(text.len() < 512 && !text.contains(&b'\r') && !text.contains(&b'\n'));
    }
    let Some(command) = lookup(words[0]) else { return };
    assert!(command.name.as_bytes().eq_ignore_ascii_case(words[0]));
    let mut keys = Vec::new();
    let found = command.key_positions(words.len(), &arg, &mut keys);
    assert!(keys.iter().all(|at| (1..words.len()).contains(at)));
    if let (Ok(()), Some(only)) = (found, command.first_key()) {
        assert_eq!(keys, [only]);
    }
    std::hint::black_box(command.blocks(words.len(), &arg));
});
