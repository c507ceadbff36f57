//! What makes a process a good sidecar: settings, exit status, lifecycle, admin port, telemetry.
//!
//! A binary implements [`Sidecar`] and its `main` is one call of [`main`]. In go the arguments, the
//! environment, an optional settings file and signals; out come an exit status and lines on stderr.
//! It always holds that stdout stays free for the image's data, that all bad settings are named
//! together, and that the admin port answers until the very end. Everything runs on one thread, so
//! an idle sidecar costs one thread and no wake-ups; a runtime of its own for the admin port would
//! answer under load too, but would cost every pod a second thread.

mod admin;
mod backoff;
mod cli;
mod exit;
mod explain;
mod exposition;
mod footprint;
mod front;
mod healthcheck;
mod lifecycle;
mod listen;
mod metrics;
mod negotiation;
mod process;
mod rejections;
mod rewound;
mod run;
pub mod setting;
mod settings_file;
mod sidecar;
mod telemetry;
pub mod tool;
pub mod yaml;

pub use self::{
    backoff::Backoff,
    cli::command,
    footprint::release_after_crowd,
    front::{AdminPort, Front, Later},
    healthcheck::post,
    lifecycle::{Latch, Lifecycle, Reloads},
    listen::{Duplex, Stream},
    metrics::MetricRegistry,
    negotiation::{Format, accepts_gzip},
    rejections::{Rejection, Rejections},
    run::main,
    sidecar::{Answer, Context, Outcome, Section, Sidecar, StartError, Subcommand, Tool},
};
