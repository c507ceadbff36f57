//! When an event happened.
//!
//! In: nothing but numbers yet. Out: nanoseconds since 1970, UTC.

/// A point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    nanos: i64,
}

impl Timestamp {
    /// Nanoseconds since 1970, UTC.
    #[must_use]
    pub fn from_nanos(nanos: i64) -> Timestamp {
        Timestamp { nanos }
    }

    /// Nanoseconds since 1970, UTC.
    #[must_use]
    pub fn nanos(self) -> i64 {
        self.nanos
    }
}
