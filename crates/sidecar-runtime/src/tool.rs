//! The frame of a command-line tool: settings and log as every image has them, and nothing else.
//!
//! In go the arguments and a function that does the work; out come lines on stderr and the exit
//! status. Each flag of each subcommand has its variable, bad values are named together, a panic
//! ends with 70. There is no admin port, no settings file and no async runtime: a tool that needs
//! one starts it, and one that sits idle for days has none.

use std::ffi::OsString;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::thread::{self, Builder, ScopedJoinHandle};

use clap::{Args, Command, CommandFactory, Parser};

use crate::cli;
use crate::exit::Exit;
use crate::footprint;
use crate::rejections::Rejections;
use crate::run::{report_rejections, say};
use crate::sidecar::Answer;
use crate::telemetry::{self, LogArgs, LogSettings};

/// More than glibc keeps for later threads, so that it is unmapped at the end. What is not touched
/// takes no memory.
const PARSER_STACK_BYTES: usize = 64 << 20;

/// Runs a tool. The whole of its binary's `main`.
///
/// `work` gets the arguments as typed and reports bad values; if there are any when it returns,
/// they are printed and the status is 64, whatever it returned.
#[must_use]
pub fn main<C: Parser + Send>(work: impl FnOnce(C, &mut Rejections) -> u8) -> ExitCode {
    footprint::share_heap();
    let parsed = thread::scope(|scope| {
        // On a thread of its own: the parser's stack and heap are given back at its end, and a tool
        // may sit idle for days after it.
        let parser = Builder::new().stack_size(PARSER_STACK_BYTES);
        parser.spawn_scoped(scope, parse::<C>).map(ScopedJoinHandle::join)
    });
    let (parsed, mut rejections) = match parsed {
        Ok(Ok(parsed)) => parsed,
        Ok(Err(_panicked)) => return Exit::Broken.into(),
        // There is no thread to be had.
        Err(_) => parse::<C>(),
    };
    let status = match parsed {
        Ok((args, log)) => {
            telemetry::install(log);
            let work = AssertUnwindSafe(|| work(args, &mut rejections));
            // The panic itself is logged by the hook, where its place is known.
            panic::catch_unwind(work).unwrap_or(Exit::Broken.status())
        }
        Err(error) if !error.use_stderr() => {
            return say(&Answer::Data(error.render().to_string().into_bytes())).into();
        }
        Err(error) => {
            telemetry::install(LogSettings::default());
            cli::reject_usage(&error, &mut rejections);
            Exit::Rejected.status()
        }
    };
    match rejections.is_empty() {
        true => ExitCode::from(status),
        false => report_rejections(&rejections).into(),
    }
}

/// What was typed, and what of the log's settings is bad.
fn parse<C: Parser>() -> (Result<(C, LogSettings), clap::Error>, Rejections) {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let mut rejections = Rejections::default();
    let parsed = command::<C>().try_get_matches_from(arguments).and_then(|matches| {
        let log = LogSettings::of(&matches, &mut rejections);
        Ok((C::from_arg_matches(&matches)?, log))
    });
    (parsed, rejections)
}

/// The whole command line of a tool. Tests walk its flags: each but help and version has a
/// variable.
#[must_use]
pub fn command<C: CommandFactory>() -> Command {
    let command = C::command();
    let prefix = cli::variable_prefix(command.get_name());
    let log = |command: Command| {
        LogArgs::augment_args(Command::new("log"))
            .get_arguments()
            .fold(command, |command, arg| command.arg(arg.clone().global(true)))
    };
    with_variables(log(command).version(cli::VERSION).disable_help_subcommand(true), &prefix)
}

fn with_variables(command: Command, prefix: &str) -> Command {
    let command = command.mut_args(|arg| {
        cli::with_variable(arg, prefix, &[], |name| std::env::var_os(name)).hide_env_values(true)
    });
    command.mut_subcommands(|inner| with_variables(inner, prefix))
}
