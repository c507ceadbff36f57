//! When a shipper ends that nobody tells to.
//!
//! In: what was asked for by `--exit-when-file` and `--exit-when-process`. Out: the drain, as on
//! SIGTERM; what comes first counts. What depends on the files themselves (`--once`,
//! `--exit-when-idle`) is decided by the pump, which knows them. An ordinary container of a Job has
//! nobody who would end it: these are its ways to know that the work is done.

mod marker;
mod process;

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use sidecar_runtime::Lifecycle;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tracing::info;

/// What ends the process from outside, besides signals.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// A file whose existence says that the work is done.
    pub(crate) file: Option<PathBuf>,
    /// The name of a process that is the work.
    pub(crate) process: Option<String>,
}

impl Ending {
    /// Waits in tasks of its own and starts the drain.
    pub(crate) fn watch(self, lifecycle: &Lifecycle) {
        let Ending { file, process } = self;
        if let Some(path) = file {
            let drained = lifecycle.clone();
            drop(lifecycle.spawn_session(async move {
                marker::appeared(&path).await;
                info!(file = %path.display(), "The file to end by is there");
                drained.drain("exit-when-file");
            }));
        }
        if let Some(name) = process {
            let drained = lifecycle.clone();
            drop(lifecycle.spawn_session(async move {
                process::ended(&name).await;
                info!(process = name, "The process to end with is gone");
                drained.drain("exit-when-process");
            }));
        }
    }
}

/// Registers a descriptor that tells of something by becoming readable.
#[expect(deprecated, reason = "its successor is unsafe; an OwnedFd is always the same descriptor")]
fn readable(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}
