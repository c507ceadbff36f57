//! The examples in `lint-examples`: each manifest beside what the tool says about it.
//!
//! `UPDATE_EXPECT=1` writes the expected texts anew. A first line `# kubernetes: 1.28` gives the
//! version that an example is for.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("lint-examples")
}

fn lint(file: &str, text: &str) -> Report {
    let first = text.lines().next().unwrap_or("");
    let target = Target::new(first.strip_prefix("# kubernetes: ")).unwrap();
    let mut report = Report::new(target.version.clone());
    lint_text(file, text, &target, &mut report);
    report
}

fn examples() -> Vec<(String, String)> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    paths.sort();
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn examples_say_what_is_expected() {
    let mut wrong = Vec::new();
    for (name, text) in examples() {
        let found = lint(&name, &text).text(Output::Human);
        let path = folder().join(&name).with_extension("txt");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&path, &found).unwrap();
        }
        if fs::read_to_string(&path).unwrap_or_default() != found {
            wrong.push(format!("{name}:\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `bad-*.yaml` show every rule; `good-*.yaml` have nothing but notes.
#[test]
fn every_rule_has_its_example() {
    let mut shown = BTreeSet::new();
    for (name, text) in examples() {
        let report = lint(&name, &text);
        let json: Value = serde_json::from_str(&report.text(Output::Json)).unwrap();
        for finding in json["findings"].as_array().unwrap() {
            shown.insert(finding["rule"].as_str().unwrap().to_owned());
        }
        let is_good = name.starts_with("good-");
        assert_eq!(is_good, report.worst() <= Some(Severity::Note), "{name}");
    }
    let all: BTreeSet<String> = rules::ALL.iter().map(|rule| rule.id.to_owned()).collect();
    assert_eq!(shown, all);
}

#[test]
fn all_forms_tell_the_same() {
    for (name, text) in examples() {
        let report = lint(&name, &text);
        let json: Value = serde_json::from_str(&report.text(Output::Json)).unwrap();
        let sarif: Value = serde_json::from_str(&report.text(Output::Sarif)).unwrap();
        assert_eq!(sarif["version"], "2.1.0");
        let driver = &sarif["runs"][0]["tool"]["driver"];
        let findings = json["findings"].as_array().unwrap();
        let results = sarif["runs"][0]["results"].as_array().unwrap();
        assert_eq!(findings.len(), results.len());
        for (finding, result) in findings.iter().zip(results) {
            assert_eq!(finding["rule"], result["ruleId"]);
            let index = result["ruleIndex"].to_string();
            assert_eq!(driver.pointer(&format!("/rules/{index}/id")), Some(&finding["rule"]));
            assert_eq!(finding["severity"], result["level"]);
            let place = &result["locations"][0]["physicalLocation"];
            assert_eq!(finding["line"], place["region"]["startLine"]);
            assert_eq!(place["artifactLocation"]["uri"], name.as_str());
        }
    }
}

#[test]
fn a_status_for_each_threshold() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pod.yaml");
    let file = path.to_str().unwrap();
    fs::write(&path, fs::read(self::folder().join("good-sidecar.yaml")).unwrap()).unwrap();
    let run = |files: &[&str], fail_on: &str, output: &str| {
        let args = Args {
            files: files.iter().map(|file| (*file).to_owned()).collect(),
            kubernetes_version: Some("1.33".to_owned()),
            output: output.to_owned(),
            fail_on: fail_on.to_owned(),
        };
        let (mut rejections, mut out) = (Rejections::default(), Vec::new());
        let status = super::run(args, &mut rejections, &mut out);
        (status, rejections.iter().count(), out.is_empty())
    };
    assert_eq!(run(&[file], "error", "human"), (Status::Supported, 0, false));
    assert_eq!(run(&[file], "note", "sarif"), (Status::Finding, 0, false));
    assert_eq!(run(&[file], "all", "xml"), (Status::Rejected, 2, true));
    assert_eq!(run(&[file, "/none.yaml"], "error", "json"), (Status::Rejected, 1, true));
    fs::write(&path, b"a: \xff").unwrap();
    assert_eq!(run(&[file], "error", "human"), (Status::Finding, 0, false));
}

/// A guard against following aliases before counting them, with much room for a busy machine.
#[test]
fn bombs_are_refused_quickly() {
    let mut bomb = "a0: &a0 [x, x]\n".to_owned();
    for level in 1..30 {
        bomb += &format!("a{level}: &a{level} [{}]\n", format!("*a{},", level - 1).repeat(9));
    }
    let start = SystemTime::now();
    let report = lint("bomb.yaml", &bomb);
    assert_eq!(report.worst(), Some(Severity::Error));
    assert!(report.text(Output::Human).contains("values, aliases followed [syntax]"));
    assert!(start.elapsed().unwrap() < Duration::from_secs(1));
}

/// A file that is all findings, and a pod with more containers than can be compared.
#[test]
fn hostile_manifests_are_bounded() {
    let pod = "---\nkind: Pod\nspec: {initContainers: [{restartPolicy: never}]}\n";
    let report = lint("many.yaml", &pod.repeat(12_000));
    assert!(report.text(Output::Human).contains("\n2000 more findings left out\n"));
    let port =
        "{name: x, args: ['--port=1', 'localhost:1'], env: [{name: AHOST, value: localhost}]},";
    let list = port.repeat(2_000);
    let text = format!("kind: Pod\nspec: {{initContainers: [{list}], containers: [{list}]}}\n");
    let start = SystemTime::now();
    assert_eq!(lint("wide.yaml", &text).worst(), Some(Severity::Error));
    assert!(start.elapsed().unwrap() < Duration::from_secs(60));
}

/// Each setting is looked up in one wide mapping: with much room for a busy machine.
#[test]
fn wide_mappings_take_no_time_for_each_line() {
    let gate = "--feature-gates=SidecarContainers=true";
    let files: String = (0..20_000).map(|index| format!("  f{index}: {gate}\n")).collect();
    let text = format!("kind: ConfigMap\ndata:\n{files}");
    let start = SystemTime::now();
    let report = lint("gates.yaml", &text).text(Output::Human);
    assert!(report.contains("\n10000 more findings left out\n"));
    assert!(report.contains("\ngates.yaml:10002: "), "the line of f9999");
    assert!(start.elapsed().unwrap() < Duration::from_secs(60));
}

/// Small files inside a file, each of which would be large with its aliases followed.
#[test]
fn embedded_aliases_are_not_followed_without_end() {
    let mut bomb = "    a0: &a0 [SidecarContainers]\n".to_owned();
    for level in 1..6 {
        let items = format!("*a{},", level - 1).repeat(9);
        bomb += &format!("    a{level}: &a{level} [{items}]\n");
    }
    let files: String = (0..2_000).map(|index| format!("  f{index}: |\n{bomb}")).collect();
    let start = SystemTime::now();
    assert_eq!(lint("bombs.yaml", &format!("kind: ConfigMap\ndata:\n{files}")).worst(), None);
    assert!(start.elapsed().unwrap() < Duration::from_secs(60));
}
