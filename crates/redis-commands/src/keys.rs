//! Where the keys of a call are.
//!
//! In: the words of a call whose arity fits. Out: the positions of its keys. The description is
//! Redis' own, the key specifications that COMMAND shows: where to begin (a position, or behind a
//! keyword) and what to take from there (a range, or as many as a number says). SORT and MIGRATE
//! cannot be described so; they have their own rule here as in Redis. Positions that do not exist
//! are never given.

use crate::keys::Begin::{Index, Keyword};
use crate::keys::Find::{Count, Range};

/// The keys of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    Specs(&'static [KeySpec]),
    /// The first argument, and the one behind STORE.
    Sort,
    /// The third argument, or all behind KEYS if the third is empty.
    Migrate,
}

/// Some of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySpec {
    pub begin: Begin,
    pub find: Find,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    Index(u8),
    /// Behind the first such word from this position on; no keys where there is none.
    Keyword(&'static str, u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Find {
    /// To the `last`th behind the beginning (negative: from the end), every `step`th. With a
    /// `limit` of 2 only the first half of what is left.
    Range { last: i8, step: u8, limit: u8 },
    /// The beginning is a number; as many keys follow it, every `step`th.
    Count { step: u8 },
}

/// Why a call has no keys that could be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("unknown subcommand")]
    UnknownSubcommand,
    #[error("wrong number of arguments")]
    WrongArity,
    /// The number of keys is no number, or there are not as many arguments.
    #[error("invalid arguments")]
    InvalidArguments,
}

const fn range(first: u8, last: i8, step: u8) -> KeySpec {
    KeySpec { begin: Index(first), find: Range { last, step, limit: 0 } }
}

const fn count(at: u8, step: u8) -> KeySpec {
    KeySpec { begin: Index(at), find: Count { step } }
}

const fn behind(keyword: &'static str, from: u8) -> KeySpec {
    KeySpec { begin: Keyword(keyword, from), find: Range { last: 0, step: 1, limit: 0 } }
}

const fn streams(from: u8) -> KeySpec {
    KeySpec { begin: Keyword("streams", from), find: Range { last: -1, step: 1, limit: 2 } }
}

/// The forms that there are, by the positions of the keys.
impl Keys {
    pub(crate) const NONE: Self = Self::Specs(&[]);
    pub(crate) const FIRST: Self = Self::Specs(&[range(1, 0, 1)]);
    pub(crate) const SECOND: Self = Self::Specs(&[range(2, 0, 1)]);
    pub(crate) const FIRST_TWO: Self = Self::Specs(&[range(1, 1, 1)]);
    pub(crate) const ALL: Self = Self::Specs(&[range(1, -1, 1)]);
    pub(crate) const ALL_BUT_LAST: Self = Self::Specs(&[range(1, -2, 1)]);
    pub(crate) const FROM_SECOND: Self = Self::Specs(&[range(2, -1, 1)]);
    pub(crate) const PAIRS: Self = Self::Specs(&[range(1, -1, 2)]);
    pub(crate) const COUNT_AT_1: Self = Self::Specs(&[count(1, 1)]);
    pub(crate) const COUNT_AT_2: Self = Self::Specs(&[count(2, 1)]);
    pub(crate) const PAIRS_COUNT_AT_1: Self = Self::Specs(&[count(1, 2)]);
    pub(crate) const FIRST_AND_COUNT_AT_2: Self = Self::Specs(&[range(1, 0, 1), count(2, 1)]);
    pub(crate) const STREAMS_FROM_1: Self = Self::Specs(&[streams(1)]);
    pub(crate) const STREAMS_FROM_4: Self = Self::Specs(&[streams(4)]);
    pub(crate) const GEORADIUS: Self =
        Self::Specs(&[range(1, 0, 1), behind("store", 6), behind("storedist", 6)]);
    pub(crate) const GEORADIUS_BY_MEMBER: Self =
        Self::Specs(&[range(1, 0, 1), behind("store", 5), behind("storedist", 5)]);

    /// The position of the key if every call has exactly that one, else 0.
    pub(crate) const fn only(self) -> u8 {
        match self {
            Self::Specs(&[KeySpec { begin: Index(at), find: Range { last: 0, .. } }]) => at,
            _ => 0,
        }
    }
}

/// Appends the positions of the keys.
pub(crate) fn positions<'a>(
    keys: Keys,
    argc: usize,
    arg: &dyn Fn(usize) -> &'a [u8],
    out: &mut Vec<usize>,
) -> Result<(), KeyError> {
    match keys {
        Keys::Specs(specs) => {
            for spec in specs {
                by_spec(spec, argc, arg, out)?;
            }
        }
        Keys::Sort => sort(argc, arg, out),
        Keys::Migrate => migrate(argc, arg, out),
    }
    Ok(())
}

fn by_spec<'a>(
    spec: &KeySpec,
    argc: usize,
    arg: &dyn Fn(usize) -> &'a [u8],
    out: &mut Vec<usize>,
) -> Result<(), KeyError> {
    let first = match spec.begin {
        Index(at) => usize::from(at),
        // A keyword needs something behind it, so the last word is none.
        Keyword(word, from) => {
            let mut places = usize::from(from)..argc.saturating_sub(1);
            match places.find(|at| arg(*at).eq_ignore_ascii_case(word.as_bytes())) {
                Some(at) => at + 1,
                None => return Ok(()),
            }
        }
    };
    if first >= argc {
        return Err(KeyError::InvalidArguments);
    }
    let (first, end, step) = match spec.find {
        Range { step, limit: 2.., .. } => (first, first + (argc - first) / 2, step),
        Range { last, step, .. } => {
            let from = if last < 0 { argc } else { first };
            let last = from.checked_add_signed(isize::from(last));
            (first, last.ok_or(KeyError::InvalidArguments)? + 1, step)
        }
        Count { step } => {
            let count = number(arg(first)).ok_or(KeyError::InvalidArguments)?;
            let words = count.checked_mul(usize::from(step)).ok_or(KeyError::InvalidArguments)?;
            let end = words.checked_add(first + 1).ok_or(KeyError::InvalidArguments)?;
            (first + 1, end, step)
        }
    };
    if end > argc {
        return Err(KeyError::InvalidArguments);
    }
    out.extend((first..end).step_by(usize::from(step)));
    Ok(())
}

/// Options are skipped with what belongs to them; the last STORE counts.
fn sort<'a>(argc: usize, arg: &dyn Fn(usize) -> &'a [u8], out: &mut Vec<usize>) {
    let mut store = None;
    let mut at = 2;
    while at < argc {
        let option = arg(at);
        at += if option.eq_ignore_ascii_case(b"limit") {
            3
        } else if option.eq_ignore_ascii_case(b"get") || option.eq_ignore_ascii_case(b"by") {
            2
        } else {
            if option.eq_ignore_ascii_case(b"store") && at + 1 < argc {
                store = Some(at + 1);
            }
            1
        };
    }
    out.push(1);
    out.extend(store);
}

fn migrate<'a>(argc: usize, arg: &dyn Fn(usize) -> &'a [u8], out: &mut Vec<usize>) {
    let mut at = 6;
    while at < argc && arg(3).is_empty() {
        let option = arg(at);
        at += if option.eq_ignore_ascii_case(b"keys") && at + 1 < argc {
            out.extend(at + 1..argc);
            return;
        } else if option.eq_ignore_ascii_case(b"auth") {
            2
        } else if option.eq_ignore_ascii_case(b"auth2") {
            3
        } else {
            1
        };
    }
    out.push(3);
}

/// A number of keys as Redis reads it: no sign, no blank, no leading zero.
fn number(digits: &[u8]) -> Option<usize> {
    /// More digits than the number of any request's arguments has.
    const DIGITS_MAX: usize = 9;
    match digits {
        [b'0'] => Some(0),
        [b'1'..=b'9', rest @ ..] if digits.len() <= DIGITS_MAX => {
            rest.iter().all(u8::is_ascii_digit).then(|| {
                digits.iter().fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
