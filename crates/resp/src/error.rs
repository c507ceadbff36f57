//! What a peer can do wrong in the protocol.
//!
//! The texts of the request errors are those of Redis 7.0 behind `-ERR `, so that a client sees
//! the same through the proxy as without it. After any of them the position in the stream is
//! lost: the caller says the text and closes the connection. The last two come from servers; a
//! connection that gave one is of no use either. One enum serves both sides, since the caller does
//! the same with each variant; tests and counters tell them apart.

/// The bytes are not the protocol; the connection cannot be used any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ProtocolError {
    /// The number behind `*` is no number, or more arguments than allowed.
    #[error("Protocol error: invalid multibulk length")]
    InvalidMultibulkLength,
    /// The number behind `$` is no number, negative, too large, or not that of the bytes behind.
    #[error("Protocol error: invalid bulk length")]
    InvalidBulkLength,
    /// An argument that does not begin with `$`; the byte it begins with.
    #[error("Protocol error: expected '$', got '{}'", shown(*.0))]
    ExpectedBulk(u8),
    #[error("Protocol error: too big inline request")]
    InlineTooBig,
    #[error("Protocol error: too big mbulk count string")]
    MultibulkCountTooBig,
    #[error("Protocol error: too big bulk count string")]
    BulkCountTooBig,
    #[error("Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
    #[error("Protocol error: unauthenticated multibulk length")]
    UnauthenticatedMultibulkLength,
    #[error("Protocol error: unauthenticated bulk length")]
    UnauthenticatedBulkLength,
    /// A reply that is neither RESP2 nor RESP3, or of a kind that no server sends.
    #[error("Protocol error: invalid reply")]
    BadReply,
    /// A reply nested deeper than allowed.
    #[error("Protocol error: reply nested too deep")]
    TooDeep,
}

/// Line ends become blanks, as Redis does in every error line. A byte above 0x7f is shown as the
/// Latin-1 character of that number.
fn shown(byte: u8) -> char {
    match byte {
        b'\r' | b'\n' => ' ',
        byte => char::from(byte),
    }
}
