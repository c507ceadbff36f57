//! The command line: one subcommand for each question, and the dispatch to its module.
//!
//! In go the arguments, out comes the status of the one command that ran. Values are read by the
//! commands' own modules, all of them before any work. The roles of `universal` are dispatched
//! like all others and start no runtime; only a command that talks to a server calls [`ask`].

use std::future::Future;
use std::io::{self, BufWriter, StdoutLock, Write};

use clap::{Parser, Subcommand};
use sidecar_runtime::Rejections;

use crate::ending::Ending;
use crate::status::Status;
use crate::{cluster, crds, dry_run, lint, universal, wait_for, webhooks, workloads};

/// Tells whether native sidecars work, who drops the field, and runs any sidecar the right way
#[derive(Debug, Parser)]
#[command(name = "native-sidecar-probe", subcommand_required = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Asks the API server and every node whether native sidecars are supported
    Cluster(cluster::Args),
    /// Asks one node, with all the evidence
    Node(cluster::NodeArgs),
    /// Asks the API server what it makes of a pod with a native sidecar, and stores nothing
    DryRun(dry_run::Args),
    /// Lists the mutating webhooks and policies that a pod meets, and finds the one that strips it
    Webhooks(webhooks::Args),
    /// Finds pods that lost the field on the way from their owner
    Workloads(workloads::Args),
    /// Finds custom resources whose schema prunes the field
    Crds(crds::Args),
    /// Checks manifests without a cluster
    Lint(lint::Args),
    /// Runs a sidecar on nodes with and without native sidecars
    Universal(universal::Args),
    /// Waits for servers, names or files, as an init container
    WaitFor(wait_for::Args),
    /// Runs the main container's command and asks the sidecars to end after it
    Shutdown(universal::ShutdownArgs),
}

/// Runs one command.
pub(crate) fn run(cli: Cli, rejections: &mut Rejections) -> u8 {
    let mut stdout = Stdout { inner: BufWriter::new(io::stdout().lock()), lost: None };
    let out = &mut stdout;
    let status = match cli.command {
        Command::Universal(args) => universal::run(args, rejections, out),
        Command::Shutdown(args) => universal::run_shutdown(args, rejections),
        question => answer(question, rejections, out),
    };
    // Its errors are kept until now: no work is stopped by them.
    out.flush().expect("errors are kept");
    match &stdout.lost {
        Some(error) => {
            tracing::error!(%error, "Standard output is lost");
            Status::CannotStart.code()
        }
        None => status.code(),
    }
}

/// Apart from the roles that sit idle, which would keep this one's stack of a hundred KiB.
#[inline(never)]
fn answer(question: Command, rejections: &mut Rejections, out: &mut dyn Write) -> Status {
    match question {
        Command::Cluster(args) => cluster::run(args, rejections, out),
        Command::Node(args) => cluster::run_node(args, rejections, out),
        Command::DryRun(args) => dry_run::run(args, rejections, out),
        Command::Webhooks(args) => webhooks::run(args, rejections, out),
        Command::Workloads(args) => workloads::run(args, rejections, out),
        Command::Crds(args) => crds::run(args, rejections, out),
        Command::Lint(args) => lint::run(args, rejections, out),
        Command::Universal(args) => universal::run(args, rejections, out),
        Command::WaitFor(args) => wait_for::run(args, rejections, out),
        Command::Shutdown(args) => universal::run_shutdown(args, rejections),
    }
}

/// Standard output. A reader that has gone away has read what it wanted; any other error is kept.
struct Stdout {
    inner: BufWriter<StdoutLock<'static>>,
    lost: Option<io::Error>,
}

impl Stdout {
    fn keep(&mut self, done: io::Result<()>) {
        match done {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => self.lost = Some(error),
            Ok(()) | Err(_) => {}
        }
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.lost.is_none() {
            let done = self.inner.write_all(bytes);
            self.keep(done);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.lost.is_none() {
            let done = self.inner.flush();
            self.keep(done);
        }
        Ok(())
    }
}

/// Runs what talks to servers, on this thread, until a signal comes; not at all if a setting was
/// rejected.
///
/// # Errors
/// The status to end with: a setting was rejected, a signal came, or the runtime cannot be made
/// because no descriptors are left.
pub(crate) fn ask<T>(
    rejections: &Rejections,
    question: impl Future<Output = T>,
) -> Result<T, Status> {
    if !rejections.is_empty() {
        return Err(Status::Rejected);
    }
    match block_on(question) {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => {
            tracing::warn!("Ended by a signal");
            Err(Status::Unfinished)
        }
        Err(error) => {
            tracing::error!(%error, "Cannot start a runtime");
            Err(Status::CannotStart)
        }
    }
}

/// `None` after a signal.
fn block_on<T>(question: impl Future<Output = T>) -> io::Result<Option<T>> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_io().enable_time().build()?;
    let outcome = runtime.block_on(async {
        let mut ending = Ending::new()?;
        // A question that knows the signals itself comes first.
        tokio::select! {
            biased;
            answer = question => Ok(Some(answer)),
            () = ending.wait() => Ok(None),
        }
    });
    runtime.shutdown_background();
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        sidecar_runtime::tool::command::<Cli>().debug_assert();
    }
}
