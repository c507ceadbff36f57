//! What a component of one release says of itself: /version and /metrics.
//!
//! In go a version as clusters write it and whether the gate was set, out come the documents. The
//! lines of the gate are the recorded ones of 1.27, 1.32 and 1.36 and, for the releases between,
//! those of the same stage; the other features are those that a real 1.36.3 listed. Around them
//! stand made up series, so that a body is as large as a real one: 1.8 MB of an API server, 128 KB
//! of a kubelet.

use std::fmt::Write;

use serde_json::{Value, json};

/// Every `kubernetes_feature_enabled` line of a real API server.
const FEATURES: &str = include_str!("../../data/k8s/features-1.36.3.prom");
const HELP_ALPHA: &str = "# HELP kubernetes_feature_enabled [ALPHA] This metric records the data \
                          about the stage and enablement of a k8s feature.";
const API_SERVER_BYTES: usize = 1_798_860;
const KUBELET_BYTES: usize = 128_170;
/// The minor versions between which the gate can be set.
const FIRST_WITH_GATE: u32 = 28;
const LAST_UNLOCKED: u32 = 32;

/// The gate SidecarContainers on a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Not on it.
    Default,
    On,
    Off,
}

/// A release with its gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// As in gitVersion, with what vendors add.
    pub version: String,
    pub gate: Gate,
    /// `--emulated-version`, a minor version.
    pub emulated: Option<u32>,
}

impl Release {
    pub fn new(version: &str, gate: Gate) -> Self {
        Self { version: version.to_owned(), gate, emulated: None }
    }

    /// The minor version; panics for versions that a test makes up to be unreadable.
    pub(super) fn minor(&self) -> u32 {
        let minor = self.version.split('.').nth(1);
        minor.and_then(|minor| minor.parse().ok()).unwrap_or_else(|| panic!("{}", self.version))
    }

    /// The features are those of this minor version.
    pub(super) fn effective(&self) -> u32 {
        self.emulated.unwrap_or_else(|| self.minor())
    }

    /// Whether it knows the field at all.
    pub(super) fn knows_field(&self) -> bool {
        self.minor() >= FIRST_WITH_GATE
    }

    pub(super) fn keeps_field(&self) -> bool {
        match self.effective() {
            ..FIRST_WITH_GATE => false,
            FIRST_WITH_GATE => self.gate == Gate::On,
            29..=LAST_UNLOCKED => self.gate != Gate::Off,
            _ => true,
        }
    }

    /// /version, as recorded of 1.36.3; the emulation fields are there from 1.31 on.
    pub(super) fn version_document(&self) -> Value {
        let readable = self.version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
        let minor = readable.unwrap_or_default();
        // Managed clusters say that there is more to it.
        let plus =
            if self.version.contains("-gke") || self.version.contains("-eks") { "+" } else { "" };
        let mut document = json!({ "major": "1", "minor": format!("{minor}{plus}") });
        if minor >= 31 {
            let emulated = self.emulated.unwrap_or(minor);
            document["emulationMajor"] = json!("1");
            document["emulationMinor"] = json!(emulated.to_string());
            document["minCompatibilityMajor"] = json!("1");
            document["minCompatibilityMinor"] = json!((emulated - 1).to_string());
        }
        let rest = json!({
            "gitVersion": self.version,
            "gitCommit": "7b29fb077260554429dcef8234272e9fd25fcfbd",
            "gitTreeState": "clean",
            "buildDate": "2026-01-01T00:00:00Z",
            "goVersion": "go1.26.6",
            "compiler": "gc",
            "platform": "linux/amd64",
        });
        for (key, value) in rest.as_object().unwrap() {
            document[key] = value.clone();
        }
        document
    }

    pub(super) fn api_server_metrics(&self) -> String {
        self.metrics("apiserver_request_duration_seconds", API_SERVER_BYTES)
    }

    pub(super) fn kubelet_metrics(&self) -> String {
        self.metrics("kubelet_runtime_operations_duration_seconds", KUBELET_BYTES)
    }

    /// A body of about this size; the features are in the middle, where the alphabet puts them.
    fn metrics(&self, family: &str, bytes: usize) -> String {
        let mut body = String::with_capacity(bytes + 4096);
        fill(&mut body, family, bytes * 3 / 4);
        body.push_str(&self.feature_lines());
        fill(&mut body, "rest_client_request_duration_seconds", bytes);
        body
    }

    fn feature_lines(&self) -> String {
        let mut lines = String::new();
        if !self.knows_field() {
            lines.push_str(HELP_ALPHA);
            lines.push('\n');
        }
        for line in FEATURES.lines() {
            let help = line.starts_with("# HELP") && !self.knows_field();
            if !help && !line.contains("SidecarContainers\"") {
                writeln!(lines, "{line}").unwrap();
            }
        }
        for (name, stage, value) in self.gates() {
            let labels = format!("name=\"{name}\",stage=\"{stage}\"");
            writeln!(lines, "kubernetes_feature_enabled{{{labels}}} {value}").unwrap();
        }
        lines
    }

    /// What is said of the gate and of its older half.
    fn gates(&self) -> Vec<(&'static str, &'static str, u8)> {
        let value = u8::from(self.keeps_field());
        match self.effective() {
            ..FIRST_WITH_GATE => vec![],
            FIRST_WITH_GATE => vec![("SidecarContainers", "ALPHA", value)],
            29..=LAST_UNLOCKED => vec![("SidecarContainers", "BETA", value)],
            33 => vec![("LegacySidecarContainers", "DEPRECATED", 0), ("SidecarContainers", "", 1)],
            34..=36 => vec![("SidecarContainers", "", 1)],
            _ => vec![],
        }
    }
}

/// Adds a histogram until the body has so many bytes. One of its labels holds what a careless
/// reader takes for the line it looks for.
fn fill(body: &mut String, family: &str, bytes: usize) {
    writeln!(body, "# HELP {family} [STABLE] Latency in seconds, by what was asked.").unwrap();
    writeln!(body, "# TYPE {family} histogram").unwrap();
    let decoy = r#"{note="x\"} 0 \nkubernetes_feature_enabled{name=\"SidecarContainers\"} 0"} 3"#;
    writeln!(body, "{family}_count{decoy}").unwrap();
    let mut number = 0_u32;
    while body.len() < bytes {
        let (bound, verb) = (number % 24, ["GET", "LIST", "POST"][(number / 24 % 3) as usize]);
        let labels = format!(
            r#"component="apiserver",resource="r{}",scope="resource",verb="{verb}",le="{bound}""#,
            number / 72
        );
        writeln!(body, "{family}_bucket{{{labels}}} {number}").unwrap();
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate_lines(version: &str, gate: Gate) -> Vec<String> {
        let body = Release::new(version, gate).api_server_metrics();
        let lines = body.lines().filter(|line| line.starts_with("kubernetes_feature_enabled{"));
        lines.filter(|line| line.contains("SidecarContainers\"")).map(str::to_owned).collect()
    }

    #[test]
    fn the_recorded_lines_are_given() {
        let line = |stage: &str, value: u8| {
            format!(
                r#"kubernetes_feature_enabled{{name="SidecarContainers",stage="{stage}"}} {value}"#
            )
        };
        assert!(gate_lines("v1.27.16", Gate::Default).is_empty());
        assert_eq!(gate_lines("v1.28.9", Gate::Default), [line("ALPHA", 0)]);
        assert_eq!(gate_lines("v1.28.9", Gate::On), [line("ALPHA", 1)]);
        assert_eq!(gate_lines("v1.32.13", Gate::Default), [line("BETA", 1)]);
        assert_eq!(gate_lines("v1.32.13", Gate::Off), [line("BETA", 0)]);
        assert_eq!(gate_lines("v1.33.1", Gate::Default).len(), 2);
        assert_eq!(gate_lines("v1.36.3", Gate::Default), [line("", 1)]);
        assert!(gate_lines("v1.37.0", Gate::Default).is_empty());
    }

    #[test]
    fn bodies_have_their_size() {
        let release = Release::new("v1.36.3", Gate::Default);
        let size = release.api_server_metrics().len();
        assert!((API_SERVER_BYTES..API_SERVER_BYTES + 1024).contains(&size), "{size}");
        assert!(release.kubelet_metrics().len() > KUBELET_BYTES - 1024);
    }
}
