//! The alerts of each image stand in its page, and the series that native-sidecar-probe reports.
//!
//! Both tables stand between two marks in the page, made from the file of rules and from a report
//! on a played cluster; `UPDATE_PAGES=1 cargo test -p e2e --test contract` writes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use e2e::binary::built;
use e2e::kube_api::{FakeCluster, Gate};
use e2e::process::command;
use e2e::workplace::Workplace;
use serde_json::Value;

use crate::SUBJECTS;
use crate::pages::metrics_table;

const PROBE: &str = "native-sidecar-probe";
const HEAD: &str = "| alert | after | severity | summary |\n|---|---|---|---|\n";

#[test]
fn the_page_lists_every_alert() {
    for image in SUBJECTS.iter().map(|subject| subject.name).chain([PROBE]) {
        let rules = fs::read_to_string(folder(image).join("alerts.yaml")).unwrap();
        let documents = manifest::read(&rules, &manifest::Limits::default()).unwrap();
        let groups = documents[0].value["groups"].as_array().unwrap().iter();
        let rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
        let rows = rules.filter(|rule| !rule["alert"].is_null()).map(alert_row);
        compare(image, "alerts", &format!("{HEAD}{}", rows.collect::<String>()));
    }
}

fn alert_row(rule: &Value) -> String {
    let word = |pointer| rule.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let summary = plain(word("/annotations/summary"));
    let (name, after, severity) = (word("/alert"), word("/for"), word("/labels/severity"));
    format!("| {name} | {after} | {severity} | {summary} |\n")
}

/// A page shows `{{ $labels.instance }}` as `{instance}`.
fn plain(summary: &str) -> String {
    let mut text = String::new();
    for (number, part) in summary.split("{{").enumerate() {
        if number == 0 {
            text += part;
            continue;
        }
        let (value, rest) = part.split_once("}}").unwrap();
        let value = value.split('|').next().unwrap_or_default().trim();
        let value = value.trim_start_matches("$labels.").trim_start_matches('$');
        text += &format!("{{{value}}}{rest}");
    }
    text.replace('|', "\\|")
}

#[test]
fn the_page_lists_the_probes_series() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.33.1");
    cluster.node("new", "v1.33.1", Gate::Default).node("old", "v1.27.16", Gate::Default);
    let mut process = command(built(PROBE));
    process.args(["cluster", "--output=prom", "--via=version", "--server", &cluster.proxy_url()]);
    let output = process.stdout(Stdio::piped()).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("# HELP"), "{text}{log}");
    compare(PROBE, "metrics", &metrics_table("native_sidecar_probe_", &text));
}

#[track_caller]
fn compare(image: &str, what: &str, table: &str) {
    let page = folder(image).join("README.md");
    let text = fs::read_to_string(&page).unwrap();
    let (begin, end) = (format!("<!-- {what} -->\n"), format!("<!-- /{what} -->\n"));
    let (before, rest) = text.split_once(&begin).unwrap();
    let (shown, after) = rest.split_once(&end).unwrap();
    if table != shown && std::env::var_os("UPDATE_PAGES").is_some() {
        fs::write(&page, format!("{before}{begin}{table}{end}{after}")).unwrap();
    } else {
        assert_eq!(table, shown, "see UPDATE_PAGES in this file");
    }
}

fn folder(image: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("images").join(image)
}
