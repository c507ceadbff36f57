//! The life of a process from its arguments to its exit status.
//!
//! In go the arguments and the signals, out comes the status. The one place that puts the pieces in
//! order: settings, log, thread, admin port, the image's start and work, and the backstop that ends
//! the process when the work does not end by itself. Everything is raced in one `select!` on one
//! thread, so dropping it stops the admin port last and needs no further protocol. The runtime is
//! then left behind rather than joined: a thread blocked on a dead disk or a full pipe cannot hold
//! the exit.

use std::convert::Infallible;
use std::ffi::OsString;
use std::future;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time;

use crate::admin::Admin;
use crate::cli::{self, Parsed, Request, RuntimeSettings};
use crate::exit::Exit;
use crate::footprint;
use crate::healthcheck;
use crate::lifecycle::Lifecycle;
use crate::listen::Listen;
use crate::metrics::MetricRegistry;
use crate::rejections::Rejections;
use crate::sidecar::{Answer, Context, Outcome, Sidecar, StartError};
use crate::telemetry;

/// What an image gets after the deadline to say what is left.
const LAST_WORDS: Duration = Duration::from_millis(250);
/// What is left if only the admin port is busy.
const ANSWERS: &str = "answers of the admin port";
/// How often a drain names what it waits for.
const DRAIN_REPORT: Duration = Duration::from_secs(5);
/// Blocking calls (files, a slow stdout) that may hang at the same time.
const BLOCKING_THREADS_MAX: usize = 8;

/// Runs an image. The whole of its binary's `main`.
#[must_use]
pub fn main<S: Sidecar>() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let asked = arguments.get(1).and_then(|word| S::tools().iter().find(|it| word == it.name));
    if let Some(tool) = asked {
        return (tool.main)();
    }
    let exit = match cli::parse::<S>(arguments) {
        Parsed::Print(text) => say(&Answer::Data(text.into_bytes())),
        Parsed::Settled { log, unknown_variables, explained, request } => {
            telemetry::install(log);
            for variable in unknown_variables {
                tracing::warn!(variable, "Unknown environment variable");
            }
            let said = explained.map(|explained| say(&Answer::Data(explained)));
            match request {
                Ok(_) if let Some(said) = said => said,
                Ok(Request::Run(settings, config)) => run::<S>(settings, config),
                Ok(Request::Check(config)) => {
                    tracing::info!(?config, "Settings accepted");
                    Exit::Success
                }
                Ok(Request::Healthcheck { listens, path }) => check_health(&listens, path),
                Ok(Request::Say(answer)) => say(&answer),
                Err(rejections) => report_rejections(&rejections),
            }
        }
    };
    exit.into()
}

/// The whole of what a process that does not run has to say.
pub(crate) fn say(answer: &Answer) -> Exit {
    let mut stdout = io::stdout();
    let written = match answer {
        Answer::Data(bytes) => stdout.write_all(bytes).and_then(|()| stdout.flush()),
        Answer::Remark(text) => io::stderr().write_all(text.as_bytes()),
    };
    match written {
        // A reader that has gone away, as in `--help | head -1`, has got what it wanted.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            tracing::error!(%error, "Output is lost");
            Exit::CannotStart
        }
        Ok(()) | Err(_) => Exit::Success,
    }
}

/// One line for each.
pub(crate) fn report_rejections(rejections: &Rejections) -> Exit {
    for rejection in rejections.iter() {
        let (setting, value, reason) = (&rejection.setting, &rejection.value, &rejection.reason);
        tracing::error!(setting, value, reason, "Setting rejected");
    }
    Exit::Rejected
}

/// Asks at the first address that can be asked: what systemd passed is known to the process only.
fn check_health(listens: &[Listen], path: &'static str) -> Exit {
    let Some(listen) = listens.iter().find(|listen| **listen != Listen::Passed) else {
        tracing::warn!(path, "No address to ask");
        return Exit::Unhealthy;
    };
    match healthcheck::ask(listen, path) {
        Ok(200) => Exit::Success,
        Ok(status) => {
            tracing::warn!(%listen, path, status, "Not healthy");
            Exit::Unhealthy
        }
        Err(error) => {
            tracing::warn!(%listen, path, %error, "No answer");
            Exit::Unhealthy
        }
    }
}

fn run<S: Sidecar>(settings: RuntimeSettings, config: S::Config) -> Exit {
    let listens: Vec<String> = settings.listens.iter().map(ToString::to_string).collect();
    tracing::info!(
        name = S::NAME,
        version = cli::VERSION,
        admin_listen = listens.join(", "),
        shutdown_grace = ?settings.shutdown_grace,
        ?config,
        "Starting"
    );
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build();
    let runtime: Runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return report_start_error(&StartError::new("runtime", "", error)),
    };
    let live = AssertUnwindSafe(|| runtime.block_on(live::<S>(settings, config)));
    // The panic itself is logged by the hook, where its place is known.
    let exit = match panic::catch_unwind(live) {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => report_start_error(&error),
        Err(_) => Exit::Broken,
    };
    runtime.shutdown_background();
    tracing::info!(status = exit.status(), "Stopped");
    exit
}

fn report_start_error(error: &StartError) -> Exit {
    let (setting, value, reason) = (&error.setting, &error.value, &error.reason);
    tracing::error!(setting, value, reason, "Cannot start");
    Exit::CannotStart
}

async fn live<S: Sidecar>(
    settings: RuntimeSettings,
    config: S::Config,
) -> Result<Exit, StartError> {
    let signals = Signals::install().map_err(|error| StartError::new("signals", "", error))?;
    let lifecycle = Lifecycle::new(settings.shutdown_grace);
    let registry = MetricRegistry::new(S::NAME, cli::VERSION, lifecycle.clone());
    let RuntimeSettings { listen_setting, listens, .. } = settings;
    let admin = Admin::bind(listen_setting, &listens, lifecycle.clone(), registry.clone()).await?;
    let context = Context { lifecycle: lifecycle.clone(), registry, admin: admin.port() };
    for address in context.admin.addresses() {
        tracing::info!(%address, "Admin port open");
    }
    let quiet = admin.quiet();
    let mut signals = pin!(signals.obey(&lifecycle));
    let mut serving = pin!(admin.serve());
    // The work comes before the backstop, so that an end at the last moment counts as an end.
    let exit = tokio::select! {
        biased;
        never = signals.as_mut() => match never {},
        exit = work::<S>(config, context) => exit?,
        () = backstop(&lifecycle) => report_unfinished(&lifecycle, &[]),
        never = report_drain(&lifecycle) => match never {},
        never = serving.as_mut() => match never {},
    };
    // Whoever has asked gets the answer, as far as the grace allows.
    let exit = match exit {
        Exit::Success if lifecycle.is_draining() => tokio::select! {
            biased;
            never = signals => match never {},
            () = quiet => exit,
            () = lifecycle.expired() => report_unfinished(&lifecycle, &[ANSWERS.to_owned()]),
            never = serving => match never {},
        },
        exit => exit,
    };
    lifecycle.finish();
    Ok(match lifecycle.broken() {
        Some(_) => Exit::Broken,
        None => exit,
    })
}

/// The image's own life, from its start to the end of its work.
async fn work<S: Sidecar>(config: S::Config, context: Context) -> Result<Exit, StartError> {
    let lifecycle = context.lifecycle.clone();
    let starting = lifecycle.latch("start");
    let sidecar = tokio::select! {
        biased;
        () = lifecycle.draining() => return Ok(Exit::Success),
        started = S::start(config, context) => started?,
    };
    drop(starting);
    tracing::info!("Started");
    let outcome = tokio::select! {
        biased;
        outcome = sidecar.run() => outcome,
        never = footprint::release_after_start() => match never {},
    };
    Ok(match outcome {
        Outcome::Drained => Exit::Success,
        Outcome::Unfinished(left) => report_unfinished(&lifecycle, &left),
        Outcome::Broken(what) => {
            lifecycle.fail(what);
            Exit::Broken
        }
    })
}

/// Ends when the grace is over and the image has had its last words.
async fn backstop(lifecycle: &Lifecycle) {
    lifecycle.expired().await;
    time::sleep(LAST_WORDS).await;
}

fn report_unfinished(lifecycle: &Lifecycle, left: &[String]) -> Exit {
    let tasks = lifecycle.unfinished().join(", ");
    tracing::error!(left = left.join(", "), tasks, "Grace over with work left");
    Exit::Unfinished
}

/// Names what a drain waits for; sleeps until there is one.
async fn report_drain(lifecycle: &Lifecycle) -> Infallible {
    lifecycle.draining().await;
    loop {
        time::sleep(DRAIN_REPORT).await;
        tracing::info!(tasks = lifecycle.unfinished().join(", "), "Still draining");
    }
}

/// The signals that a sidecar obeys. Installed before anything that takes time, because as PID 1 a
/// process has no default for them.
#[derive(Debug)]
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn install() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn obey(mut self, lifecycle: &Lifecycle) -> Infallible {
        loop {
            tokio::select! {
                Some(()) = self.terminate.recv() => lifecycle.interrupt("SIGTERM"),
                Some(()) = self.interrupt.recv() => lifecycle.interrupt("SIGINT"),
                Some(()) = self.hangup.recv() => lifecycle.reload(),
                else => future::pending::<()>().await,
            }
        }
    }
}
