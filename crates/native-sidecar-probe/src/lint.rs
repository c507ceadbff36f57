//! `lint FILES…`: what is wrong with native sidecars in manifests, without a cluster.
//!
//! text → `manifest::read` → each object → its pod → every rule → findings → report. The rules are
//! pure: a document, a version and nothing else. A text that is no YAML is a finding like any
//! other, so that a report for many files names it beside the rest; a file that cannot be read is
//! a rejected argument. Findings come in the order of files and lines.

mod ending;
mod finding;
mod gates;
mod lifetime;
mod order;
mod platform;
mod pod;
mod ports;
mod probes;
mod report;
mod resources;
mod restart_policy;
mod rules;
mod sarif;
#[cfg(test)]
mod tests;
mod universal;

use std::io::{self, Write};

use manifest::{Document, Limits, Version, VersionError};
use sidecar_runtime::{Rejections, setting};

use self::finding::Severity;
use self::pod::{Findings, Pod};
use self::report::{Output, PodSummary, Report};
use self::resources::Demand;
use crate::source;
use crate::status::Status;
use crate::table;

/// The newest minor version whose rules are known. Newer ones are judged by them too.
const NEWEST: &str = "1.37";
/// A dump of a large cluster still fits; what aliases make of it has its own, smaller limit.
const LIMITS: Limits =
    Limits { bytes_max: 32 << 20, depth_max: 64, nodes_max: 2_000_000, documents_max: 50_000 };

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Manifests, as YAML or JSON with any number of documents; - is stdin
    #[arg(required = true, value_name = "FILES")]
    files: Vec<String>,
    /// The Kubernetes version that the manifests are for; 1.37 if not given, except that feature
    /// gates are then judged for all versions
    #[arg(long, value_name = "VERSION")]
    kubernetes_version: Option<String>,
    /// human, json or sarif
    #[arg(long, short, value_name = "FORMAT", default_value = "human")]
    output: String,
    /// The least severity that ends with status 1: error, warning or note
    #[arg(long, value_name = "SEVERITY", default_value = "error")]
    fail_on: String,
}

/// What manifests are judged by.
#[derive(Debug, Clone)]
struct Target {
    version: Version,
    /// Else it is the newest, as a guess.
    is_given: bool,
}

impl Target {
    fn new(given: Option<&str>) -> Result<Self, VersionError> {
        Ok(Self { version: given.unwrap_or(NEWEST).parse()?, is_given: given.is_some() })
    }
}

#[derive(Debug)]
struct Settings {
    target: Target,
    output: Output,
    fail_on: Severity,
}

impl Settings {
    fn new(args: &Args, rejections: &mut Rejections) -> Option<Self> {
        let outputs = [("human", Output::Human), ("json", Output::Json), ("sarif", Output::Sarif)];
        let severities =
            [("error", Severity::Error), ("warning", Severity::Warning), ("note", Severity::Note)];
        let given = args.kubernetes_version.as_deref();
        let target =
            rejections.parse("kubernetes-version", given.unwrap_or(NEWEST), |_| Target::new(given));
        let output = rejections.parse("output", &args.output, setting::one_of(&outputs));
        let fail_on = rejections.parse("fail-on", &args.fail_on, setting::one_of(&severities));
        Some(Self { target: target?, output: output?, fail_on: fail_on? })
    }
}

pub(crate) fn run(args: Args, rejections: &mut Rejections, out: &mut dyn Write) -> Status {
    let Some(settings) = Settings::new(&args, rejections) else { return Status::Rejected };
    let mut report = Report::new(settings.target.version.clone());
    for file in &args.files {
        match source::read(file, LIMITS.bytes_max) {
            Ok(text) => lint_text(file, &text, &settings.target, &mut report),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                report.add_file(unreadable(file, 1, "it is not UTF-8"));
            }
            Err(error) => rejections.reject("files", file, error),
        }
    }
    if !rejections.is_empty() {
        return Status::Rejected;
    }
    table::print(out, report.text(settings.output));
    match report.worst() {
        Some(worst) if worst >= settings.fail_on => Status::Finding,
        _ => Status::Supported,
    }
}

/// Adds what one file gives.
fn lint_text(file: &str, text: &str, target: &Target, report: &mut Report) {
    let documents = match manifest::read(text, &LIMITS) {
        Ok(documents) => documents,
        Err(error) => {
            // The line is in the report's own column.
            let line = error.line();
            let message = error.to_string();
            let message = message.strip_prefix(&format!("line {line}: ")).unwrap_or(&message);
            return report.add_file(unreadable(file, line, message));
        }
    };
    let mut findings = Findings::new(file);
    for document in &documents {
        lint_document(file, document, target, &mut findings, &mut report.pods);
    }
    report.add_file(findings);
}

/// Applies every rule to a document.
fn lint_document(
    file: &str,
    document: &Document,
    target: &Target,
    findings: &mut Findings,
    pods: &mut Vec<PodSummary>,
) {
    gates::check(document, target, findings);
    let objects = document.objects().into_iter();
    for pod in objects.flat_map(|object| Pod::all(document, object, &target.version)) {
        restart_policy::check(&pod, findings);
        probes::check(&pod, findings);
        order::check(&pod, findings);
        lifetime::check(&pod, findings);
        ending::check(&pod, findings);
        resources::check(&pod, findings);
        platform::check(&pod, findings);
        universal::check(&pod, findings);
        pods.push(PodSummary {
            file: file.to_owned(),
            line: pod.line(&pod.in_spec("")),
            object: pod.title(),
            sidecars: pod.sidecars().map(|sidecar| sidecar.name.to_owned()).collect(),
            demand: Demand::of(pod.spec()),
        });
    }
}

fn unreadable(file: &str, line: usize, message: &str) -> Findings {
    let mut findings = Findings::new(file);
    let (pointer, message) = (String::new(), message.to_owned());
    findings.add_at(line, "", &rules::SYNTAX, Severity::Error, pointer, message);
    findings
}
