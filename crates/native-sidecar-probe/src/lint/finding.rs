//! A finding: which rule, how bad, where, and in words.
//!
//! Rules make findings and nothing reads them back; reports print them. A rule's hint is one text
//! for all its findings, so that it can stand in the catalogue that code hosts show.

use super::rules::Rule;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// Good to know; the pod may be just as its author wants it.
    Note,
    /// It works, but not as one would expect, or not always.
    Warning,
    /// It is refused, hangs or never does what it is written for.
    Error,
}

impl Severity {
    /// As in reports, and as SARIF calls its levels.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// One thing that a rule has to say.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) rule: &'static Rule,
    pub(crate) severity: Severity,
    /// As it was named on the command line.
    pub(crate) file: String,
    /// Counted from 1.
    pub(crate) line: usize,
    /// `Deployment/web`; empty if no object can be named.
    pub(crate) object: String,
    /// From the document to what the finding is about.
    pub(crate) pointer: String,
    /// Names the container and the values.
    pub(crate) message: String,
}
