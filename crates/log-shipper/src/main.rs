//! The log-shipper binary: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    sidecar_runtime::main::<log_shipper::LogShipper>()
}
