//! native-sidecar-probe: whether native sidecars really work, and one way to run sidecars anywhere.

mod access;
mod cli;
mod cluster;
mod comparison;
mod crds;
mod dry_run;
mod ending;
mod lint;
mod listing;
mod source;
mod status;
mod subject;
mod table;
mod universal;
mod wait_for;
mod webhooks;
mod workloads;

use std::process::ExitCode;

fn main() -> ExitCode {
    sidecar_runtime::tool::main(cli::run)
}
