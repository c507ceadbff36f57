//! One server of a pool as a thread sees it: where it is, whether it is in the ring, and which
//! connections there are.
//!
//! A server counts failures in a row; at the limit, and if the pool says so, it is ejected: its
//! keys go to the others until a PING is answered (half-open), which is tried after the retry
//! timeout and then with growing, jittered pauses. A server that stays in the ring and cannot be
//! reached fails requests at once between two attempts, so that clients are not held up.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use sidecar_runtime::Backoff;

use crate::names::NameWatch;

/// The shortest and longest pause between two attempts to connect while requests come.
const COOLING_MIN: Duration = Duration::from_millis(50);
const COOLING_MAX: Duration = Duration::from_millis(150);

/// One server.
#[derive(Debug)]
pub(crate) struct Server {
    /// Shared connections by protocol.
    pub(crate) lanes: [Option<usize>; 2],
    /// Private connections that nobody uses at present.
    pub(crate) idle: Vec<usize>,
    /// `None` if its address is not a name.
    pub(crate) name: Option<NameWatch>,
    failures: u32,
    pub(crate) is_ejected: bool,
    /// Whether it takes HELLO; one that hangs up on it is not asked again.
    pub(crate) takes_hello: bool,
    /// Whether it agrees to speak RESP3, as far as known.
    pub(crate) takes_resp3: bool,
    pub(crate) cooling: Backoff,
    /// Until when requests fail at once, and with what.
    pub(crate) cools: Option<(Duration, Failure)>,
}

impl Server {
    pub(crate) fn new(name: Option<NameWatch>) -> Server {
        Server {
            lanes: [None; 2],
            idle: Vec::new(),
            name,
            failures: 0,
            is_ejected: false,
            takes_hello: true,
            takes_resp3: true,
            cooling: Backoff::new(COOLING_MIN, COOLING_MAX),
            cools: None,
        }
    }

    /// Counts a failure; tells whether it is the one too many.
    pub(crate) fn failed(&mut self, limit: u32) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.failures >= limit && !self.is_ejected
    }

    /// It answered.
    pub(crate) fn answered(&mut self) {
        self.failures = 0;
    }
}

/// Why a request got no answer from its server. The texts are nutcracker's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    Refused,
    TimedOut,
    /// The name has no address.
    Unresolved,
    /// It hung up with requests under way.
    Closed,
    /// It sent what is no reply.
    Garbage,
    /// It refused the password, the protocol or the database.
    Handshake(Vec<u8>),
    Other(String),
}

impl Failure {
    pub(crate) fn of(error: &io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Failure::Refused,
            io::ErrorKind::TimedOut => Failure::TimedOut,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Failure::Closed,
            _ => {
                let text = error.to_string();
                let end = text.find(" (os error").unwrap_or(text.len());
                Failure::Other(text.get(..end).unwrap_or_default().to_owned())
            }
        }
    }

    /// For metrics.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Failure::Refused => "refused",
            Failure::TimedOut => "timeout",
            Failure::Unresolved => "unresolved",
            Failure::Closed => "closed",
            Failure::Garbage => "protocol",
            Failure::Handshake(_) => "handshake",
            Failure::Other(_) => "other",
        }
    }

    /// The reply that a client gets.
    pub(crate) fn reply(&self) -> Cow<'_, [u8]> {
        let reply: &[u8] = match self {
            Failure::Refused => b"-ERR Connection refused\r\n",
            Failure::TimedOut => b"-ERR Connection timed out\r\n",
            Failure::Unresolved => b"-ERR Host is down\r\n",
            Failure::Closed => b"-ERR Connection reset by peer\r\n",
            Failure::Garbage => b"-ERR Protocol error\r\n",
            Failure::Handshake(reply) => reply,
            Failure::Other(text) => {
                let mut reply = Vec::new();
                resp::write::error(&mut reply, &format!("ERR {text}"));
                return Cow::Owned(reply);
            }
        };
        Cow::Borrowed(reply)
    }
}
