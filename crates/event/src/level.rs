//! How severe an event is.
//!
//! In: the word or the number that a program wrote. Out: one of ten levels, in order, with the
//! number that syslog and OpenTelemetry have for it. `fatal` and syslog's emergency are two: a
//! receiver of syslog shows an emergency to everybody who is logged in, and a program that ends is
//! none.

use std::fmt;

/// The levels, the least severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Notice,
    Warn,
    Error,
    Critical,
    Alert,
    Fatal,
    Emergency,
}

/// Letters of the longest word.
const WORD_BYTES_MAX: usize = 13;

impl Level {
    /// Every level, the least severe first.
    pub const ALL: [Level; 10] = [
        Level::Trace,
        Level::Debug,
        Level::Info,
        Level::Notice,
        Level::Warn,
        Level::Error,
        Level::Critical,
        Level::Alert,
        Level::Fatal,
        Level::Emergency,
    ];

    /// Reads a word in any case, as nginx, syslog, log4j, java.util.logging, Python, Go (also with
    /// a distance, as in `INFO+2`), .NET and glog write it.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Level> {
        let word = word.trim();
        let word = word.split_once(['+', '-']).map_or(word, |(word, _distance)| word);
        let mut lower = [0; WORD_BYTES_MAX];
        let lower = lower.get_mut(..word.len())?;
        lower.copy_from_slice(word.as_bytes());
        lower.make_ascii_lowercase();
        Some(match &*lower {
            b"trace" | b"trc" | b"verbose" | b"finest" | b"finer" | b"t" | b"v" => Level::Trace,
            b"debug" | b"dbg" | b"dbug" | b"fine" | b"config" | b"d" => Level::Debug,
            b"info" | b"inf" | b"information" | b"informational" | b"i" => Level::Info,
            b"notice" | b"n" => Level::Notice,
            b"warn" | b"warning" | b"wrn" | b"w" => Level::Warn,
            b"error" | b"err" | b"eror" | b"severe" | b"fail" | b"e" => Level::Error,
            b"critical" | b"crit" | b"dpanic" | b"c" => Level::Critical,
            b"alert" => Level::Alert,
            b"fatal" | b"ftl" | b"panic" | b"f" => Level::Fatal,
            b"emergency" | b"emerg" => Level::Emergency,
            _ => return None,
        })
    }

    /// Reads a number: 0 to 7 as in syslog and GELF, 10 to 69 as in bunyan and pino, where 30 is
    /// `info`.
    #[must_use]
    pub fn of_number(number: i64) -> Option<Level> {
        Some(match number {
            0 => Level::Emergency,
            1 => Level::Alert,
            2 => Level::Critical,
            3 => Level::Error,
            4 => Level::Warn,
            5 => Level::Notice,
            6 => Level::Info,
            7 => Level::Debug,
            10..20 => Level::Trace,
            20..30 => Level::Debug,
            30..40 => Level::Info,
            40..50 => Level::Warn,
            50..60 => Level::Error,
            60..70 => Level::Fatal,
            _ => return None,
        })
    }

    /// Reads Python's `levelno`, where 30 is `warn`.
    #[must_use]
    pub fn of_python(number: i64) -> Option<Level> {
        Some(match number {
            1..10 => Level::Trace,
            10..20 => Level::Debug,
            20..30 => Level::Info,
            30..40 => Level::Warn,
            40..50 => Level::Error,
            50..60 => Level::Critical,
            _ => return None,
        })
    }

    /// Reads OpenTelemetry's SeverityNumber, 1 to 24.
    #[must_use]
    pub fn of_otel(number: i64) -> Option<Level> {
        Some(match number {
            1..=4 => Level::Trace,
            5..=8 => Level::Debug,
            9 => Level::Info,
            10..=12 => Level::Notice,
            13..=16 => Level::Warn,
            17 => Level::Error,
            18 => Level::Critical,
            19..=20 => Level::Alert,
            21..=24 => Level::Fatal,
            _ => return None,
        })
    }

    /// The lower-case word, the same for all receivers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Notice => "notice",
            Level::Warn => "warn",
            Level::Error => "error",
            Level::Critical => "critical",
            Level::Alert => "alert",
            Level::Fatal => "fatal",
            Level::Emergency => "emergency",
        }
    }

    /// The severity of syslog, 7 to 0.
    #[must_use]
    pub fn syslog(self) -> u8 {
        match self {
            Level::Trace | Level::Debug => 7,
            Level::Info => 6,
            Level::Notice => 5,
            Level::Warn => 4,
            Level::Error => 3,
            Level::Critical => 2,
            Level::Alert | Level::Fatal => 1,
            Level::Emergency => 0,
        }
    }

    /// OpenTelemetry's SeverityNumber, by the table for syslog in its data model.
    #[must_use]
    pub fn otel(self) -> u8 {
        match self {
            Level::Trace => 1,
            Level::Debug => 5,
            Level::Info => 9,
            Level::Notice => 10,
            Level::Warn => 13,
            Level::Error => 17,
            Level::Critical => 18,
            Level::Alert => 19,
            Level::Fatal | Level::Emergency => 21,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<nginx_log::Level> for Level {
    fn from(level: nginx_log::Level) -> Level {
        match level {
            nginx_log::Level::Emerg => Level::Emergency,
            nginx_log::Level::Alert => Level::Alert,
            nginx_log::Level::Crit => Level::Critical,
            nginx_log::Level::Error => Level::Error,
            nginx_log::Level::Warn => Level::Warn,
            nginx_log::Level::Notice => Level::Notice,
            nginx_log::Level::Info => Level::Info,
            nginx_log::Level::Debug => Level::Debug,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_many_programs() {
        for (word, level) in [
            ("TRACE", Level::Trace),
            ("finest", Level::Trace),
            ("Debug", Level::Debug),
            ("INFO", Level::Info),
            ("informational", Level::Info),
            ("INFO+2", Level::Info),
            ("DEBUG-4", Level::Debug),
            ("I", Level::Info),
            (" notice ", Level::Notice),
            ("WARNING", Level::Warn),
            ("err", Level::Error),
            ("SEVERE", Level::Error),
            ("CRITICAL", Level::Critical),
            ("alert", Level::Alert),
            ("FATAL", Level::Fatal),
            ("panic", Level::Fatal),
            ("emerg", Level::Emergency),
        ] {
            assert_eq!(Level::of_word(word), Some(level), "{word}");
        }
        for word in ["", "+", "informationally", "none", "200", "ähm", "infos"] {
            assert_eq!(Level::of_word(word), None, "{word}");
        }
        for level in nginx_log::Level::ALL {
            assert_eq!(Level::of_word(level.as_str()), Some(Level::from(level)));
        }
    }

    #[test]
    fn numbers_of_syslog_bunyan_python_and_otel() {
        for level in Level::ALL {
            assert_eq!(Level::of_word(level.as_str()), Some(level));
            if !matches!(level, Level::Trace | Level::Fatal) {
                assert_eq!(Level::of_number(i64::from(level.syslog())), Some(level));
            }
            if level != Level::Emergency {
                assert_eq!(Level::of_otel(i64::from(level.otel())), Some(level));
            }
        }
        assert_eq!(Level::of_number(30), Some(Level::Info));
        assert_eq!(Level::of_number(60), Some(Level::Fatal));
        assert_eq!(Level::of_number(8), None);
        assert_eq!(Level::of_number(-1), None);
        assert_eq!(Level::of_python(30), Some(Level::Warn));
        assert_eq!(Level::of_python(0), None);
        assert_eq!(Level::of_otel(0), None);
    }

    #[test]
    fn the_order_is_that_of_syslog_and_of_otel() {
        for pair in Level::ALL.windows(2) {
            assert!(pair[0] < pair[1]);
            assert!(pair[0].syslog() >= pair[1].syslog());
            assert!(pair[0].otel() <= pair[1].otel());
        }
    }
}
