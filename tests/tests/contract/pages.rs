//! The page of each binary says what the binary itself says: its flags, defaults and metrics.
//!
//! Flags are compared both ways, and each has its row. The table of metrics is made from the text
//! of /metrics; it stands between two marks in the page, and
//! `UPDATE_PAGES=1 cargo test -p e2e --test contract` writes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use e2e::pace::holds_for;
use e2e::workplace::Workplace;

use crate::SUBJECTS;
use crate::settings::flags_in;
use crate::subject::Subject;

const BEGIN: &str = "<!-- metrics -->\n";
const END: &str = "<!-- /metrics -->\n";
/// Flags of subcommands, which the main help does not show.
const OTHER_FLAGS: [&str; 5] = ["ready", "json", "lines", "prefix", "test"];
/// Some metrics appear with the first event.
const EVENTS: Duration = Duration::from_secs(5);

fn page_of(subject: &Subject) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join("images").join(subject.name).join("README.md")
}

#[test]
fn the_page_names_every_flag_and_no_other() {
    for subject in SUBJECTS {
        let page = fs::read_to_string(page_of(&subject)).unwrap();
        let help = subject.run(&["--help"], &[]).stdout;
        let flags = flags_in(&String::from_utf8(help).unwrap());
        for (flag, shown) in &flags {
            let mut rows = page.lines().filter(|line| line.starts_with("| `--"));
            let row = rows.find(|row| flags_of_row(row).contains(&flag.as_str()));
            let row = row.unwrap_or_else(|| panic!("no row of a table is about --{flag}"));
            if let Some(default) = shown.default.as_ref() {
                let cell = row.split(" | ").nth(1).unwrap_or_default();
                assert!(cell.contains(&format!("`{default}`")), "--{flag}: {default} not in {row}");
            }
        }
        for word in page.split(|c: char| !(c.is_ascii_lowercase() || c == '-' || c == '.')) {
            let word = word.trim_end_matches('.');
            let Some(flag) = word.strip_prefix("--").filter(|flag| flag.len() > 1) else {
                continue;
            };
            let known = flags.contains_key(flag) || OTHER_FLAGS.contains(&flag);
            assert!(known || flag.starts_with('-'), "the page names --{flag}, which is no flag");
        }
    }
}

fn flags_of_row(row: &str) -> Vec<&str> {
    let cell = row.trim_start_matches("| ").split(" | ").next().unwrap_or_default();
    let flags = cell.split("`--").skip(1);
    flags.map(|flag| flag.split(['`', ' ']).next().unwrap_or_default()).collect()
}

#[test]
fn the_page_shows_the_metrics() {
    for subject in SUBJECTS {
        let page = page_of(&subject);
        let text = fs::read_to_string(&page).unwrap();
        let (before, rest) = text.split_once(BEGIN).unwrap();
        let (shown, after) = rest.split_once(END).unwrap();
        let place = Workplace::new();
        let scene = (subject.loaded)(&place);
        let running = subject.start(&place, &scene.arguments);
        (scene.wait_busy)();
        let table = || metrics_table(subject.metric_prefix, &running.ask("GET", "/metrics").body);
        let differs = holds_for(EVENTS, || table() != shown);
        if differs && std::env::var_os("UPDATE_PAGES").is_some() {
            fs::write(&page, format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
        } else if differs {
            assert_eq!(table(), shown, "see UPDATE_PAGES in this file");
        }
        (scene.calm)();
    }
}

/// One row for each metric of the binary's own, in order of the names.
pub(crate) fn metrics_table(prefix: &str, text: &str) -> String {
    let mut rows: BTreeMap<&str, (&str, &str, Vec<&str>)> = BTreeMap::new();
    for line in text.lines() {
        let (name, rest) = match line.strip_prefix("# ") {
            Some(comment) => comment.split_once(' ').unwrap().1.split_once(' ').unwrap(),
            None => (line.split(['{', ' ']).next().unwrap(), line),
        };
        if !name.starts_with(prefix) {
            continue;
        }
        // The samples of a histogram stand under its own name.
        let family = ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end));
        let family =
            family.filter(|family| rows.get(family).is_some_and(|row| row.0 == "histogram"));
        let row = rows.entry(family.unwrap_or(name)).or_default();
        if line.starts_with("# HELP") {
            row.1 = rest;
        } else if line.starts_with("# TYPE") {
            row.0 = rest;
        } else if let Some((_name, labels)) = rest.split_once('{') {
            let parts: Vec<&str> = labels.split("=\"").collect();
            // What comes after the last equals sign is a value.
            let names = parts[..parts.len() - 1].iter();
            let names = names.filter_map(|part| part.rsplit([',', '"']).next());
            row.2 = names.filter(|name| *name != "le").collect();
        }
    }
    let mut table = "| metric | labels | type | meaning |\n|---|---|---|---|\n".to_owned();
    for (name, (kind, help, labels)) in rows {
        table.push_str(&format!("| `{name}` | {} | {kind} | {help} |\n", labels.join(", ")));
    }
    table
}
