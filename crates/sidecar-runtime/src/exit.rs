//! The exit statuses, once for all images.
//!
//! The numbers are those of sysexits, so that a supervisor can tell a wrong setting (do not try
//! again) from a taken port (try again) and from lost work (look at the log). They leave the
//! process only as the return value of `main`: nothing here calls `exit`, so destructors run and no
//! library can end the process behind the back of the lifecycle.

use std::process::ExitCode;

/// Why the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Drained, or help, version or a passed check.
    Success,
    /// The asked process is not healthy or not ready (`healthcheck` only).
    Unhealthy,
    /// A flag, variable or key of the settings file was rejected.
    Rejected,
    /// A port, file or key keeps it from starting.
    CannotStart,
    /// An invariant broke or an essential task panicked.
    Broken,
    /// The grace ended, or a second signal came, with work left.
    Unfinished,
}

impl Exit {
    pub(crate) fn status(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Unhealthy => 1,
            Exit::Rejected => 64,
            Exit::CannotStart => 69,
            Exit::Broken => 70,
            Exit::Unfinished => 75,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.status())
    }
}
