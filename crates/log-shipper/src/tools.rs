//! The command-line tools in the binary: for people, beside the sidecar.
//!
//! In: the arguments, of which the first names the tool. Out: its exit status. A tool has flags of
//! its own and takes no settings of the sidecar, so that it works in a container whose variables
//! are made for that.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sidecar_runtime::{Tool, tool};

use crate::follow;

/// Every tool, as the sidecar's help shows it.
pub(crate) const TOOLS: [Tool; 1] =
    [Tool { name: "tail", about: "Shows files on standard output as they grow", main }];

/// Follows files and ships every line
#[derive(Debug, Parser)]
#[command(name = "log-shipper")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Shows files on standard output as they grow, through rotation
    Tail(follow::Args),
}

fn main() -> ExitCode {
    tool::main::<Cli>(|cli, rejections| match cli.verb {
        Verb::Tail(args) => follow::run(&args, rejections),
    })
}
