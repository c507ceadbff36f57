//! Which line begins a record, and which belongs to the one before?
//!
//! In: a line and what is known of the record so far. Out: what is known with it. The first line of
//! a record is judged without those before it.

use std::str::FromStr;

use regex::bytes::Regex;

use super::{go, java, node, python, ruby};

/// By what lines are joined.
#[derive(Debug, Clone)]
pub enum Rule {
    /// Only the pieces of one line.
    Pieces,
    /// A line that matches begins a record, all others belong to the one before.
    Start(Regex),
    /// A line that matches belongs to the record before.
    Continuation(Regex),
    /// A line that matches the first begins a record; what follows belongs to it while it matches
    /// the second.
    StartAndContinuation(Regex, Regex),
    /// Stack traces of these languages. An ordinary line is a record of its own, also before a
    /// trace, and waits for nothing.
    Traces(Languages),
}

impl Rule {
    /// The rule of two optional patterns.
    #[must_use]
    pub fn of_patterns(start: Option<Regex>, continuation: Option<Regex>) -> Rule {
        match (start, continuation) {
            (Some(start), Some(then)) => Rule::StartAndContinuation(start, then),
            (Some(start), None) => Rule::Start(start),
            (None, Some(then)) => Rule::Continuation(then),
            (None, None) => Rule::Pieces,
        }
    }

    /// The rule for traces of any of `languages`; without one, only pieces are joined.
    #[must_use]
    pub fn of_languages(languages: &[Language]) -> Rule {
        let mut all = Languages::default();
        for language in languages {
            match language {
                Language::Java => all.java = true,
                Language::Python => all.python = true,
                Language::Go => all.go = true,
                Language::Ruby => all.ruby = true,
                Language::Node => all.node = true,
            }
        }
        if languages.is_empty() { Rule::Pieces } else { Rule::Traces(all) }
    }

    /// What is known of a record that begins with `line`.
    pub(super) fn begin(&self, line: &[u8]) -> Within {
        let line = without_cr(line);
        match self {
            Rule::Pieces => Within::Alone,
            Rule::Start(_) | Rule::Continuation(_) => Within::Open,
            Rule::StartAndContinuation(start, then) => {
                // The rest of a record that a limit cut stays together.
                if start.is_match(line) || then.is_match(line) {
                    Within::Open
                } else {
                    Within::Alone
                }
            }
            Rule::Traces(languages) => Traces {
                java: languages.java.then(|| java::begin(line)).flatten(),
                python: languages.python.then(|| python::begin(line)).flatten(),
                go: languages.go.then(|| go::begin(line)).flatten(),
                ruby: languages.ruby.then(|| ruby::begin(line)).flatten(),
                node: languages.node.then(|| node::begin(line)).flatten(),
            }
            .within(),
        }
    }

    /// What is known of a record with `line` added; nothing if the line does not belong to it.
    pub(super) fn joins(&self, within: Within, line: &[u8]) -> Option<Within> {
        let line = without_cr(line);
        let joins = match (self, within) {
            (_, Within::Alone) | (Rule::Pieces, _) => false,
            (Rule::Start(start), _) => !start.is_match(line),
            (Rule::Continuation(then), _) => then.is_match(line),
            (Rule::StartAndContinuation(start, then), _) => {
                !start.is_match(line) && then.is_match(line)
            }
            (Rule::Traces(_), Within::Traces(traces)) => {
                let traces = Traces {
                    java: traces.java.and_then(|state| java::joins(state, line)),
                    python: traces.python.and_then(|state| python::joins(state, line)),
                    go: traces.go.and_then(|state| go::joins(state, line)),
                    ruby: traces.ruby.and_then(|state| ruby::joins(state, line)),
                    node: traces.node.and_then(|state| node::joins(state, line)),
                };
                return Some(traces.within()).filter(|within| *within != Within::Alone);
            }
            (Rule::Traces(_), Within::Open) => false,
        };
        joins.then_some(within)
    }
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// What is known of a record by its lines so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    /// No line can follow.
    Alone,
    /// Whether a line follows, the line says by itself.
    Open,
    Traces(Traces),
}

/// Where in a trace of each language the record may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Traces {
    java: Option<java::State>,
    python: Option<python::State>,
    go: Option<go::State>,
    ruby: Option<ruby::State>,
    node: Option<node::State>,
}

impl Traces {
    fn within(self) -> Within {
        if self == Traces::default() { Within::Alone } else { Within::Traces(self) }
    }
}

/// The languages whose traces are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Languages {
    java: bool,
    python: bool,
    go: bool,
    ruby: bool,
    node: bool,
}

/// A language with stack traces. Java stands for all of the JVM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Java,
    Python,
    Go,
    Ruby,
    Node,
}

/// The text names no language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected one of java, python, go, ruby, node")]
pub struct LanguageError;

impl FromStr for Language {
    type Err = LanguageError;

    fn from_str(text: &str) -> Result<Language, LanguageError> {
        Ok(match text {
            "java" => Language::Java,
            "python" => Language::Python,
            "go" => Language::Go,
            "ruby" => Language::Ruby,
            "node" => Language::Node,
            _ => return Err(LanguageError),
        })
    }
}
