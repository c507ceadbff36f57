//! How severe a line of the error log is.
//!
//! In: a line such as `2026/11/22 10:00:00 [error] 12#12: *3 open() failed`. Out: its level; none
//! for the further lines of a message that has several, and for whatever else stands in the file.
//! The time in front is checked, so that a bracket in the middle of a message counts for nothing.

/// The levels of nginx's `error_log`, the most severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Emerg,
    Alert,
    Crit,
    Error,
    Warn,
    Notice,
    Info,
    Debug,
}

/// What stands before the level; `0` is any digit.
const FRONT: &[u8] = b"0000/00/00 00:00:00 [";

impl Level {
    /// Every level.
    pub const ALL: [Level; 8] = [
        Level::Emerg,
        Level::Alert,
        Level::Crit,
        Level::Error,
        Level::Warn,
        Level::Notice,
        Level::Info,
        Level::Debug,
    ];

    /// Reads the level of a line.
    #[must_use]
    pub fn of_line(line: &[u8]) -> Option<Level> {
        let (front, rest) = line.split_at_checked(FRONT.len())?;
        let fits = |(byte, form): (&u8, &u8)| match form {
            b'0' => byte.is_ascii_digit(),
            _ => byte == form,
        };
        if !front.iter().zip(FRONT).all(fits) {
            return None;
        }
        let ends =
            |word: &str| rest.strip_prefix(word.as_bytes())?.starts_with(b"] ").then_some(());
        Level::ALL.into_iter().find(|level| ends(level.as_str()).is_some())
    }

    /// The word in the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Emerg => "emerg",
            Level::Alert => "alert",
            Level::Crit => "crit",
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Notice => "notice",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_stands_behind_the_time() {
        for level in Level::ALL {
            let line = format!("2026/11/22 10:00:00 [{}] 12#12: *3 x", level.as_str());
            assert_eq!(Level::of_line(line.as_bytes()), Some(level));
        }
        for line in [
            "",
            "  [error] ",
            "2026/11/22 10:00:00 [fatal] 1#1: x",
            "2026/11/22 10:00:00 [error]",
            "2026/11/22 10:00:00 error 1#1: [error] x",
            "2026-11-22 10:00:00 [error] 1#1: x",
            "continued with 2026/11/22 10:00:00 [error] x",
        ] {
            assert_eq!(Level::of_line(line.as_bytes()), None, "{line}");
        }
    }
}
