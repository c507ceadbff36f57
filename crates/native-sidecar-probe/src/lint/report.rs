//! What was found, for people and for programs.
//!
//! In go the findings file by file, out comes text: one line and a hint each for people, JSON with
//! the pods' requests for programs, SARIF for code hosts. All three are made from the same list,
//! so none says what another hides.

use std::fmt::Write;

use manifest::Version;
use serde_json::{Value, json};

use super::finding::{Finding, Severity};
use super::pod::Findings;
use super::resources::Demand;
use super::sarif;
use crate::table::plain;

/// Of the JSON. Raised when a field changes its meaning or goes.
const SCHEMA: &str = "native-sidecar-probe/lint/v1";

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Human,
    Json,
    Sarif,
}

/// A pod that was looked at.
#[derive(Debug)]
pub(crate) struct PodSummary {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) object: String,
    pub(crate) sidecars: Vec<String>,
    pub(crate) demand: Demand,
}

/// All that was found.
#[derive(Debug)]
pub(crate) struct Report {
    version: Version,
    files: usize,
    findings: Vec<Finding>,
    /// Findings beyond those that are kept, and the worst of them.
    dropped: usize,
    worst_dropped: Option<Severity>,
    pub(crate) pods: Vec<PodSummary>,
}

impl Report {
    pub(crate) fn new(version: Version) -> Self {
        let (findings, pods) = (Vec::new(), Vec::new());
        Self { version, files: 0, findings, dropped: 0, worst_dropped: None, pods }
    }

    /// Adds the findings of one file, which need not be in order.
    pub(crate) fn add_file(&mut self, found: Findings) {
        let mut list = found.list;
        list.sort_by(|left, right| {
            left.line.cmp(&right.line).then_with(|| right.severity.cmp(&left.severity))
        });
        self.files += 1;
        self.findings.extend(list);
        self.dropped += found.dropped;
        self.worst_dropped = self.worst_dropped.max(found.worst_dropped);
    }

    /// The worst severity, if anything was found.
    pub(crate) fn worst(&self) -> Option<Severity> {
        let kept = self.findings.iter().map(|finding| finding.severity).max();
        kept.max(self.worst_dropped)
    }

    pub(crate) fn text(&self, output: Output) -> String {
        match output {
            Output::Human => self.human(),
            Output::Json => format!("{:#}\n", self.json()),
            Output::Sarif => format!("{:#}\n", sarif::log(&self.findings)),
        }
    }

    fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    fn human(&self) -> String {
        let mut text = String::new();
        let mut line = |line: String| writeln!(text, "{line}").expect("a String takes all text");
        for finding in &self.findings {
            let Finding { rule, severity, file, line: number, object, message, .. } = finding;
            let object = if object.is_empty() { String::new() } else { format!("{object}: ") };
            let message = plain(&format!("{object}{message}"));
            line(format!("{}:{number}: {}: {message} [{}]", plain(file), severity.word(), rule.id));
            if *severity > Severity::Note {
                line(format!("    {}", rule.hint));
            }
        }
        if self.dropped > 0 {
            line(format!("{} left out", counted(self.dropped, "more finding")));
        }
        line(format!(
            "{}, {}, {} in {} with {}, for Kubernetes {}",
            counted(self.count(Severity::Error), "error"),
            counted(self.count(Severity::Warning), "warning"),
            counted(self.count(Severity::Note), "note"),
            counted(self.files, "file"),
            counted(self.pods.len(), "pod"),
            self.version,
        ));
        text
    }

    fn json(&self) -> Value {
        let findings = self.findings.iter().map(|finding| {
            json!({
                "rule": finding.rule.id,
                "severity": finding.severity.word(),
                "file": finding.file,
                "line": finding.line,
                "object": finding.object,
                "pointer": finding.pointer,
                "message": finding.message,
                "hint": finding.rule.hint,
            })
        });
        let pods = self.pods.iter().map(|pod| {
            json!({
                "file": pod.file,
                "line": pod.line,
                "object": pod.object,
                "nativeSidecars": pod.sidecars,
                "resources": pod.demand.json(),
            })
        });
        json!({
            "schema": SCHEMA,
            "kubernetesVersion": self.version.to_string(),
            "summary": {
                "files": self.files,
                "pods": self.pods.len(),
                "errors": self.count(Severity::Error),
                "warnings": self.count(Severity::Warning),
                "notes": self.count(Severity::Note),
                "leftOut": self.dropped,
            },
            "findings": findings.collect::<Vec<_>>(),
            "pods": pods.collect::<Vec<_>>(),
        })
    }
}

/// `1 error`, `2 errors`
fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
