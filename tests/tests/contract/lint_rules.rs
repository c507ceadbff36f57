//! The page of native-sidecar-probe lists the rules of `lint`, as the tool itself tells them.
//!
//! A SARIF report carries the whole catalogue, so the texts come from there. How severe the
//! findings of a rule are is seen on the examples of the tool, of which each rule has some. The
//! table stands between two marks in the page; `UPDATE_PAGES=1 cargo test -p e2e --test contract`
//! writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Stdio;

use e2e::binary::built;
use e2e::process::command;
use serde_json::Value;

const NAME: &str = "native-sidecar-probe";
const BEGIN: &str = "<!-- rules -->\n";
const END: &str = "<!-- /rules -->\n";
/// The first line of an example that is for one version.
const VERSION_MARK: &str = "# kubernetes: ";
const HEAD: &str = "| rule | severity | what holds | what to do |\n|---|---|---|---|\n";
const SEVERITIES: [&str; 3] = ["error", "warning", "note"];

#[test]
fn the_page_lists_every_rule() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = root.join("images").join(NAME).join("README.md");
    let text = fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (shown, after) = rest.split_once(END).unwrap();
    let table = rules_table(&root.join("crates").join(NAME).join("lint-examples"));
    if table != shown && std::env::var_os("UPDATE_PAGES").is_some() {
        fs::write(&page, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(table, shown, "see UPDATE_PAGES in this file");
    }
}

fn rules_table(examples: &Path) -> String {
    let mut severities: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut rules = Vec::new();
    for entry in fs::read_dir(examples).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let log = sarif(&file);
        let run = &log["runs"][0];
        for result in run["results"].as_array().unwrap() {
            let known = severities.entry(word(&result["ruleId"])).or_default();
            known.insert(word(&result["level"]));
        }
        rules = run["tool"]["driver"]["rules"].as_array().unwrap().clone();
    }
    let mut table = HEAD.to_owned();
    for rule in rules {
        let id = word(&rule["id"]);
        let seen = severities.remove(&id).unwrap_or_default();
        let seen: Vec<&str> = SEVERITIES.into_iter().filter(|it| seen.contains(*it)).collect();
        assert!(!seen.is_empty(), "no example of {id}");
        let [about, hint] = ["shortDescription", "help"].map(|key| word(&rule[key]["text"]));
        table += &format!("| `{id}` | {} | {about} | {hint} |\n", seen.join(", "));
    }
    table
}

fn sarif(file: &Path) -> Value {
    let text = fs::read_to_string(file).unwrap();
    let version = text.lines().next().and_then(|line| line.strip_prefix(VERSION_MARK));
    let mut process = command(built(NAME));
    process.args(["lint", "--output=sarif"]).arg(file);
    process.args(version.map(|version| format!("--kubernetes-version={version}")));
    let output = process.stdout(Stdio::piped()).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}: {log}", file.display());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn word(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
