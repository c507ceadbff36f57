//! Why a target is not up, as a closed set of words.
//!
//! In goes what went wrong, out comes one word for the label `reason` and a text for the log. The
//! words are part of the interface: users alert on them. The text may quote an error, never the
//! body of an answer, which can be long and is somebody else's.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};

use net::SendError;

/// Why `nginx_up` is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No address for the name.
    Resolve,
    /// Nobody listens, or the socket cannot be opened.
    Connect,
    /// The handshake failed, or the certificate does not fit.
    Tls,
    /// The deadline passed first.
    Timeout,
    /// Lost before the head of the answer was there.
    Interrupted,
    /// What came back is no HTTP.
    Protocol,
    /// Not 200.
    Status,
    /// Redirects that do not end, or that lead elsewhere.
    Redirect,
    /// The page is larger than any status page.
    TooLarge,
    /// Lost within the body.
    Truncated,
    /// Compressed in an unknown way, or wrongly.
    Encoding,
    /// Not the page of stub_status.
    Parse,
}

impl Failure {
    const ALL: [Failure; 12] = [
        Failure::Resolve,
        Failure::Connect,
        Failure::Tls,
        Failure::Timeout,
        Failure::Interrupted,
        Failure::Protocol,
        Failure::Status,
        Failure::Redirect,
        Failure::TooLarge,
        Failure::Truncated,
        Failure::Encoding,
        Failure::Parse,
    ];

    /// The value of the label `reason`.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Failure::Resolve => "resolve",
            Failure::Connect => "connect",
            Failure::Tls => "tls",
            Failure::Timeout => "timeout",
            Failure::Interrupted => "interrupted",
            Failure::Protocol => "protocol",
            Failure::Status => "status",
            Failure::Redirect => "redirect",
            Failure::TooLarge => "too_large",
            Failure::Truncated => "truncated",
            Failure::Encoding => "encoding",
            Failure::Parse => "parse",
        }
    }

    /// Its place among all of them.
    pub(super) fn index(self) -> usize {
        let place = Failure::ALL.iter().position(|failure| *failure == self);
        place.expect("ALL holds every failure")
    }
}

/// A failure and what an operator wants to read about it.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) failure: Failure,
    /// With the chain of causes, on one line.
    pub(super) detail: String,
}

impl Fault {
    pub(super) fn new(failure: Failure, detail: impl Into<String>) -> Fault {
        Fault { failure, detail: detail.into() }
    }

    pub(super) fn caused(failure: Failure, error: &dyn Error) -> Fault {
        Fault { failure, detail: net::with_causes(error) }
    }
}

impl From<SendError> for Fault {
    fn from(error: SendError) -> Fault {
        let failure = match &error {
            SendError::Resolve { .. } => Failure::Resolve,
            SendError::Connect { .. } => Failure::Connect,
            SendError::Tls { .. } => Failure::Tls,
            SendError::Timeout { .. } => Failure::Timeout,
            SendError::Interrupted { source } if source.is_parse() => Failure::Protocol,
            SendError::Interrupted { .. } => Failure::Interrupted,
        };
        Fault::caused(failure, &error)
    }
}

/// How often each failure happened.
#[derive(Debug, Default)]
pub(super) struct FailureCounts {
    counts: [AtomicU64; Failure::ALL.len()],
}

impl FailureCounts {
    pub(super) fn add(&self, failure: Failure) {
        self.counts[failure.index()].fetch_add(1, Ordering::Relaxed);
    }

    /// Those that happened.
    pub(super) fn non_zero(&self) -> Vec<(&'static str, u64)> {
        let counts = Failure::ALL.iter().zip(&self.counts);
        let counts = counts.map(|(failure, count)| {
            let count = count.load(Ordering::Relaxed);
            (failure.reason(), count)
        });
        counts.filter(|(_reason, count)| *count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_a_place_and_a_word_of_its_own() {
        let counts = FailureCounts::default();
        assert!(counts.non_zero().is_empty());
        for (place, failure) in Failure::ALL.into_iter().enumerate() {
            assert_eq!(failure.index(), place);
            counts.add(failure);
        }
        counts.add(Failure::Parse);
        let counts = counts.non_zero();
        assert_eq!(counts.len(), Failure::ALL.len());
        assert_eq!(counts.last(), Some(&("parse", 2)));
        let words: std::collections::BTreeSet<_> = counts.iter().map(|(word, _)| word).collect();
        assert_eq!(words.len(), counts.len());
    }
}
