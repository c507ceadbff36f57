//! The documents: what they link to, name and tell people to run is there.
//!
//! In go all Markdown files; out comes each link, path, make target and image that leads nowhere.
//! Whether flags and commands are right is the contract's to check, which has the binaries.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{assert_none, root};

/// Folders that are made, or belong to others.
const NOT_OURS: [&str; 4] = ["target", ".git", "node_modules", ".cargo"];
/// What begins so between backticks is a path from the root of the repository.
const FOLDERS: [&str; 7] =
    ["crates/", "tests/", "images/", "scripts/", "k8s-examples/", "compose/", "fuzz/"];
/// Where images are named, and the endings of files that do.
const OWNER: &str = "outrider/";
const NAMING_IMAGES: [&str; 4] = ["md", "yaml", "yml", "sh"];

#[test]
fn links_lead_somewhere() {
    let mut places = Vec::new();
    for (path, text) in documents() {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => path.clone(),
                file => path.parent().unwrap().join(file),
            };
            let has_anchor = || match fs::read_to_string(&target) {
                Ok(page) => anchors(&page).contains(anchor),
                Err(_folder) => false,
            };
            if !target.exists() || !(anchor.is_empty() || has_anchor()) {
                places.push(format!("{}: {link}", shown(&path)));
            }
        }
    }
    assert_none("links that lead nowhere", &places);
}

/// Headings as code hosts make addresses of them.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let headings = headings.map(|line| line.trim_start_matches('#').trim().to_lowercase());
    let anchor = |heading: String| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn paths_in_the_text_exist() {
    let mut places = Vec::new();
    for (path, text) in documents() {
        for span in text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)) {
            let word = span.split([' ', ':']).next().unwrap_or_default();
            let is_path = FOLDERS.iter().any(|folder| word.starts_with(folder));
            // Patterns and places to fill in.
            let is_plain = !word.contains(['<', '*', '{', '…']);
            if is_path && is_plain && !root().join(word).exists() {
                places.push(format!("{}: {word}", shown(&path)));
            }
        }
    }
    assert_none("paths that are not there", &places);
}

#[test]
fn make_targets_in_the_text_exist() {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let targets: BTreeSet<&str> =
        makefile.lines().filter_map(|line| Some(line.split_once(':')?.0)).collect();
    let mut places = Vec::new();
    for (path, text) in documents() {
        for call in calls_of_make(&text) {
            if !targets.contains(call.as_str()) {
                places.push(format!("{}: make {call}", shown(&path)));
            }
        }
    }
    assert_none("targets that the Makefile does not have", &places);
}

/// Between backticks, and at the beginning of lines of blocks.
fn calls_of_make(text: &str) -> Vec<String> {
    let mut calls = Vec::new();
    let mut is_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_block = !is_block;
        }
        let spans =
            if is_block { vec![line] } else { line.split('`').skip(1).step_by(2).collect() };
        let called = spans.into_iter().filter_map(|span| span.strip_prefix("make "));
        calls.extend(called.filter_map(|rest| Some(rest.split(' ').next()?.to_owned())));
    }
    calls
}

/// A tag that another release would leave behind, or no tag at all.
#[test]
fn images_carry_the_version_of_the_workspace() {
    let version = env!("CARGO_PKG_VERSION");
    let mut places = Vec::new();
    for path in files(&NAMING_IMAGES) {
        let text = fs::read_to_string(&path).unwrap();
        for (at, _owner) in text.match_indices(OWNER) {
            let (before, rest) = text.split_at(at);
            let name = rest.split_at(OWNER.len()).1;
            let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || "-.:".contains(c)));
            let name = name.split_at(end.unwrap_or(name.len())).0.trim_end_matches(['.', ':']);
            // A folder of that name, or something to fill in.
            let is_image = !before.ends_with('/') && !name.is_empty();
            if is_image && name.split_once(':').map(|(_image, tag)| tag) != Some(version) {
                places.push(format!("{}: {OWNER}{name}", shown(&path)));
            }
        }
    }
    assert_none(&format!("images without the tag {version}"), &places);
}

/// Markdown files with their text.
fn documents() -> Vec<(PathBuf, String)> {
    let paths = files(&["md"]);
    assert!(paths.len() >= 8, "the documents were not found");
    let text = |path: &PathBuf| fs::read_to_string(path).unwrap();
    paths.into_iter().map(|path| (path.clone(), text(&path))).collect()
}

fn files(endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            if !entry.file_type().unwrap().is_dir() {
                found.extend(endings.contains(&ending).then_some(path));
            } else if !NOT_OURS.iter().any(|name| entry.file_name() == *name) {
                open.push(path);
            }
        }
    }
    found.sort();
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}
