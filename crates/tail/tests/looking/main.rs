//! Scenarios in which files are looked at only when the test says so.

#![expect(clippy::unwrap_used, reason = "clippy does not see that all of this is a test")]

mod copied;
mod refilled;
mod succession;
mod world;
