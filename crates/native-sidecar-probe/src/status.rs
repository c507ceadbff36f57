//! The exit statuses: a verdict is the answer that a script reads.
//!
//! 1 to 7 say what was found; the rest are those of all images (64 a setting was rejected, 69 it
//! cannot start, 70 an invariant broke, 75 it was ended before its end). A wrapped command's own
//! status is passed on as it is.

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// Supported, or done, ready, nothing found.
    Supported,
    /// `lint` found an error, or what `ready` asks for is not.
    Finding,
    /// Native sidecars are not supported.
    Unsupported,
    /// Some nodes support them and some do not.
    Mixed,
    /// The field was dropped, stripped, or moved to another container.
    Stripped,
    /// A policy rejects the pod.
    Policy,
    /// There is not enough evidence, or a right is missing.
    Unknown,
    /// The API server does not answer.
    Unreachable,
    /// A setting was rejected.
    Rejected,
    /// A file or directory keeps it from starting.
    CannotStart,
    /// The deadline or a signal came before the end.
    Unfinished,
    /// Of the wrapped command.
    Command(u8),
}

impl Status {
    pub(crate) fn code(self) -> u8 {
        match self {
            Status::Supported => 0,
            Status::Finding => 1,
            Status::Unsupported => 2,
            Status::Mixed => 3,
            Status::Stripped => 4,
            Status::Policy => 5,
            Status::Unknown => 6,
            Status::Unreachable => 7,
            Status::Rejected => 64,
            Status::CannotStart => 69,
            Status::Unfinished => 75,
            Status::Command(code) => code,
        }
    }
}
