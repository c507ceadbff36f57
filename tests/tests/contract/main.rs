//! The contract that every long-running binary keeps, checked by one list for all of them.
//!
//! In goes the table [`SUBJECTS`]; each test goes through it with real processes, real signals and
//! real sockets. What differs between binaries — how to give one work, how to get one stuck — is
//! in a file per binary; a new binary is a new row.

#![expect(clippy::unwrap_used, reason = "clippy.toml reaches test functions, not their helpers")]

mod admin;
mod claims;
mod ending;
mod examples;
mod footprint;
mod lint_rules;
mod log_shipper;
mod monitoring;
mod native_sidecar_probe;
mod nginx_adapter;
mod pages;
mod place;
mod redis_ambassador;
mod settings;
mod subject;

use self::subject::Subject;

/// Every long-running binary of the workspace.
const SUBJECTS: [Subject; 3] =
    [log_shipper::SUBJECT, nginx_adapter::SUBJECT, redis_ambassador::SUBJECT];
