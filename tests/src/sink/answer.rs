//! What a test can ask of a sink: every way in which a receiver can take, refuse or fail.

/// What the sink does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Ok,
    /// This status, with `Retry-After` in seconds if given.
    Status(u16, Option<u32>),
    /// 413 for a request body (as received) above this many bytes, 200 for the others.
    TooLargeOver(usize),
    /// Takes all but the records that hold [`super::POISON`], which it will never take.
    Poison,
    /// Of each request every so-many-th record is not taken now, where the protocol can say so.
    Busy(usize),
    /// Keeps the request until the answer changes, then does what the new one says.
    Hold,
    /// Never answers, whatever comes later.
    Hang,
    /// Accepts and records the request, then closes without answering.
    DropAfterRead,
    /// Accepts and records, and closes in the middle of its answer.
    CutAnswer,
    /// Waits for so many milliseconds, then accepts.
    Slow(u64),
    /// Forward only: accepts and records, and acknowledges something else.
    WrongAck,
    /// Forward only: accepts and records, and never ends its answer.
    HalfAck,
    /// Nobody listens, and the open connections are cut.
    Refuse,
}
