//! The boundary between this crate and an image: what the image gives and what it is given.
//!
//! In goes an implementation of [`Sidecar`]; the runtime calls `configure`, `start` and `run` in
//! that order, each at most once. Configuring is pure, so that `check` can do it without touching a
//! file or a port; starting does all that can fail because of the machine; running ends by itself
//! when it has drained. A trait rather than three closures keeps the types of arguments and
//! configuration tied together, and lets a test walk an image's flags without running it.

use std::ffi::OsString;
use std::fmt::{Debug, Display};
use std::future::Future;
use std::process::ExitCode;

use crate::front::AdminPort;
use crate::lifecycle::Lifecycle;
use crate::metrics::MetricRegistry;
use crate::rejections::Rejections;

/// One image. Its future need not be [`Send`]: it is never moved to another thread.
pub trait Sidecar: Sized + 'static {
    /// The binary's name, such as `log-shipper`. Variables begin `LOG_SHIPPER_`, metrics
    /// `log_shipper_`.
    const NAME: &'static str;
    /// One sentence for `--help`.
    const ABOUT: &'static str;
    /// The port of the admin listener on every address unless `--admin-listen` says otherwise.
    const ADMIN_PORT: u16;
    /// The image's own list flag that names the admin port's addresses as well, by its long name.
    /// If it is given, the default of `--admin-listen` does not count.
    const LISTEN_FLAG: Option<&'static str> = None;
    /// The image's own yes-or-no flag that takes the sockets passed by systemd instead of those
    /// addresses.
    const PASSED_FLAG: Option<&'static str> = None;
    /// Variables of the program that the image replaces, each behind the long name of its flag. One
    /// that holds something counts where the flag's own variable is not set.
    const PEER_VARIABLES: &'static [(&'static str, &'static str)] = &[];
    /// The list of the settings file whose items are sections, of an image that does its work
    /// several times, each by settings of its own.
    const SECTIONS: Option<&'static str> = None;
    /// The image's own flags whose values nobody may see, by their long names.
    const SECRETS: &'static [&'static str] = &[];
    /// The image's own flags as typed: strings, optional strings, lists of strings and booleans.
    /// None may be required. A flag without `env` gets the variable that its long name derives.
    type Args: clap::Args;
    /// The settings in effect. They are logged at the start, so a secret masks itself in `Debug`.
    type Config: Debug;

    /// Subcommands of the image's own, besides `check`, `explain` and `healthcheck`.
    #[must_use]
    fn subcommands() -> Vec<Subcommand<Self::Config>> {
        Vec::new()
    }

    /// Command-line tools in the image's binary.
    #[must_use]
    fn tools() -> &'static [Tool] {
        &[]
    }

    /// Turns the command line of the program that the image replaces into the image's own.
    #[must_use]
    fn peer_arguments(arguments: Vec<OsString>) -> Vec<OsString> {
        arguments
    }

    /// Turns arguments into settings without touching anything outside. Every bad value goes into
    /// `rejections`, and none stops the search for others; `None` only if something was rejected.
    fn configure(args: Self::Args, rejections: &mut Rejections) -> Option<Self::Config>;

    /// The same for an image with sections, of which there may be none.
    fn configure_sections(
        args: Self::Args,
        sections: Vec<Section<Self::Args>>,
        rejections: &mut Rejections,
    ) -> Option<Self::Config> {
        debug_assert!(sections.is_empty(), "sections of an image that has none");
        Self::configure(args, rejections)
    }

    /// Opens files and binds ports. Dropped without further ado if a drain begins meanwhile.
    ///
    /// # Errors
    /// What keeps it from starting; ends the process with exit status 69 and one line.
    fn start(
        config: Self::Config,
        context: Context,
    ) -> impl Future<Output = Result<Self, StartError>>;

    /// Works until drained. It obeys `context.lifecycle`, and it must not block the thread:
    /// signals, probes and the deadline are served by the same one.
    fn run(self) -> impl Future<Output = Outcome>;
}

/// The settings of one section: its own laid over those that hold for all.
#[derive(Debug)]
pub struct Section<A> {
    /// 1 to 32 lower-case letters, digits, - and _; no other section has it.
    pub name: String,
    /// Where its bad settings are reported, with [`Rejections::within`].
    pub scope: String,
    /// As typed.
    pub args: A,
}

/// A subcommand that answers from the settings alone; nothing is started for it. It ends with exit
/// status 0, or 64 if a setting is rejected.
#[derive(Debug, Clone, Copy)]
pub struct Subcommand<C> {
    /// Its word on the command line.
    pub name: &'static str,
    /// One line for `--help`; without it the subcommand is not shown there.
    pub about: Option<&'static str>,
    /// What the words behind it are called, such as `KEY`. It takes one or more of them, or none if
    /// they have no name.
    pub words: Option<&'static str>,
    /// Gives the answer.
    pub answer: fn(&C, &[OsString]) -> Answer,
}

/// A command-line tool beside the sidecar, with flags and a life of its own: no settings of the
/// sidecar, no admin port. Its name is the first word of the command line.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// The word.
    pub name: &'static str,
    /// One line for the sidecar's `--help`.
    pub about: &'static str,
    /// Runs it, mostly by [`crate::tool::main`].
    pub main: fn() -> ExitCode,
}

/// What a subcommand says, as it is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Data, for stdout.
    Data(Vec<u8>),
    /// What the program that the image replaces says on stderr.
    Remark(String),
}

/// What the runtime lends to an image from its start on.
#[derive(Debug, Clone)]
pub struct Context {
    /// When to stop, how long that may take, and who is not ready yet.
    pub lifecycle: Lifecycle,
    /// Where the image registers its metrics before `start` returns.
    pub registry: MetricRegistry,
    /// Where an image with a front of its own opens it.
    pub admin: AdminPort,
}

/// How an image's work ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is left to do: exit status 0.
    Drained,
    /// The time was over; each item names something left: exit status 75.
    Unfinished(Vec<String>),
    /// Something that must hold did not: exit status 70.
    Broken(String),
}

/// Why an image cannot start, in terms of the setting that would have to change.
#[derive(Debug, thiserror::Error)]
#[error("{setting} {value:?}: {reason}")]
pub struct StartError {
    pub(crate) setting: String,
    pub(crate) value: String,
    pub(crate) reason: String,
}

impl StartError {
    /// Names the setting (its long flag without dashes), its value and the cause, each on one line.
    pub fn new(
        setting: impl Into<String>,
        value: impl Into<String>,
        reason: impl Display,
    ) -> StartError {
        StartError { setting: setting.into(), value: value.into(), reason: reason.to_string() }
    }
}
