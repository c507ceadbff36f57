//! An error in one line.
//!
//! In goes an error, out comes its text and those of its causes, as a log shows them. The errors of
//! this crate do not repeat their source, so whoever prints one needs the whole chain.

use std::error::Error;

/// The error and its causes, each behind a colon.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
