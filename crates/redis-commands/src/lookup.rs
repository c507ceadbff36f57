//! From a name to its row.
//!
//! A table of 1,024 places, four times as many as there are names, filled by the compiler; a name
//! lies at the place that its hash says, or at the next free one. The hash mixes the first and the
//! last eight bytes and the length, with the bit that tells the cases apart set in every byte. The
//! comparison behind it is exact, and as cheap where the name is of letters alone. A `match` on the
//! name was not taken: it needs a copy in lower case first.

use crate::Command;
use crate::table::TABLE;

const BITS: u32 = 10;
const PLACES: usize = 1 << BITS;
/// Stands for "nothing here".
const FREE: u16 = u16::MAX;

static INDEX: [u16; PLACES] = index();

/// Every command, in the order of the names; subcommands are in their containers.
#[must_use]
pub fn all() -> &'static [Command] {
    &TABLE
}

/// The command of that name, in any case.
#[must_use]
#[inline]
pub fn lookup(name: &[u8]) -> Option<&'static Command> {
    let mut place = hash(name);
    loop {
        let command = TABLE.get(usize::from(INDEX[place]))?;
        if command.is_named(name) {
            return Some(command);
        }
        place = (place + 1) % PLACES;
    }
}

const fn index() -> [u16; PLACES] {
    let mut index = [FREE; PLACES];
    let mut row: u16 = 0;
    while (row as usize) < TABLE.len() {
        let mut place = hash(TABLE[row as usize].name.as_bytes());
        while index[place] != FREE {
            place = (place + 1) % PLACES;
        }
        index[place] = row;
        row += 1;
    }
    index
}

/// The place where a name belongs. The factor and the turn were searched for: with them no name of
/// the table lies farther than one place from its own.
#[inline]
const fn hash(name: &[u8]) -> usize {
    let (head, tail) = ends(name);
    let mixed = head ^ tail.rotate_left(51) ^ name.len() as u64;
    (mixed.wrapping_mul(0x9fbc_1ad2_cdcc_8515) >> (u64::BITS - BITS)) as usize
}

/// The first and the last bytes as numbers, in lower case; they overlap where a name is short.
/// Nothing of a name of 2 to [`ENDS_MAX`] bytes is left out.
#[inline]
pub(crate) const fn ends(name: &[u8]) -> (u64, u64) {
    const CASE: u64 = 0x2020_2020_2020_2020;
    let (head, tail) = if let (Some(head), Some(tail)) = (name.first_chunk(), name.last_chunk()) {
        (u64::from_le_bytes(*head), u64::from_le_bytes(*tail))
    } else if let (Some(head), Some(tail)) = (name.first_chunk(), name.last_chunk()) {
        (u32::from_le_bytes(*head) as u64, u32::from_le_bytes(*tail) as u64)
    } else if let (Some(head), Some(tail)) = (name.first_chunk(), name.last_chunk()) {
        (u16::from_le_bytes(*head) as u64, u16::from_le_bytes(*tail) as u64)
    } else {
        (0, 0)
    };
    (head | CASE, tail | CASE)
}

/// Of a name not longer than this, [`ends`] has every byte.
pub(crate) const ENDS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::{FREE, INDEX, PLACES, all, hash, lookup};

    #[test]
    fn every_name_in_any_case() {
        for command in all() {
            assert_eq!(lookup(command.name.as_bytes()), Some(command));
            assert_eq!(lookup(command.name.to_uppercase().as_bytes()), Some(command));
        }
        for name in [
            "eval\u{7f}ro",
            "restore\u{d}asking",
            "ge\u{4}",
            "\u{7}et",
            "",
            "g",
            "ge",
            "gett",
            "get ",
            "zrangestor\u{1}",
            "config|get",
            "get\0",
        ] {
            assert_eq!(lookup(name.as_bytes()), None, "{name:?}");
        }
    }

    /// A name is found after few comparisons, and there is always a free place to end at.
    #[test]
    fn places_are_near() {
        let farthest = all()
            .iter()
            .map(|command| {
                let wanted = hash(command.name.as_bytes());
                (0..PLACES)
                    .find(|step| {
                        let row = usize::from(INDEX[(wanted + step) % PLACES]);
                        all().get(row).is_some_and(|found| found.name == command.name)
                    })
                    .unwrap()
            })
            .max();
        assert_eq!(farthest, Some(1));
        assert!(INDEX.iter().filter(|row| **row == FREE).count() > PLACES / 2);
    }

    #[test]
    fn in_order_and_once() {
        assert!(all().is_sorted_by(|a, b| a.name < b.name));
        for command in all() {
            assert!(command.subcommands.is_sorted_by(|a, b| a.name < b.name), "{}", command.name);
        }
    }
}
