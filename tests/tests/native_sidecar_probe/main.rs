//! Black-box scenarios of native-sidecar-probe: the real binary, clusters that answer as recorded,
//! real containers and processes.

#![expect(clippy::unwrap_used, reason = "clippy.toml reaches test functions, not their helpers")]

mod access;
mod cluster;
mod cluster_faults;
mod crds;
mod crds_files;
mod dry_run;
mod dry_run_reports;
mod lint_cli;
mod misuse;
mod probe;
mod universal_podman;
mod universal_processes;
mod wait_for;
mod webhooks;
mod webhooks_replay;
mod workloads;
mod workloads_chains;
