//! Size, headers, names and words of the Rust sources.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{assert_none, root};

/// Without the tests at the end.
const LINES_SOFT_MAX: usize = 400;
/// With them.
const LINES_HARD_MAX: usize = 600;
const COLUMNS_MAX: usize = 100;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 7] = ["utils", "util", "helpers", "helper", "common", "misc", "manager"];

/// Ways to leave something out without anybody noticing. In two parts, or they would be found here.
const BANNED: [(&str, &str); 5] = [
    (concat!("#[", "ignore"), "a test that never runs"),
    (concat!("should_", "panic"), "passes with any panic; compare the message instead"),
    (concat!("todo", "!("), "not done"),
    (concat!("unimplemented", "!("), "not done"),
    (concat!("#![", "allow("), "use expect with a reason"),
];

#[derive(Debug)]
struct Source {
    /// Relative to the root of the workspace.
    path: String,
    text: String,
}

#[test]
fn files_are_short_enough_to_read() {
    let mut places = Vec::new();
    for source in sources() {
        let all = source.text.lines().count();
        let code = source.text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        if all > LINES_HARD_MAX || code > LINES_SOFT_MAX {
            places.push(format!("{} has {code} lines, {all} with tests", source.path));
        }
    }
    let limits = format!("at most {LINES_SOFT_MAX} lines, {LINES_HARD_MAX} with tests");
    assert_none(&limits, &places);
}

#[test]
fn lines_are_short_enough_to_read() {
    let mut places = Vec::new();
    for source in sources() {
        for (number, line) in (1..).zip(source.text.lines()) {
            if line.chars().count() > COLUMNS_MAX {
                places.push(format!("{}:{number}", source.path));
            }
        }
    }
    assert_none(&format!("at most {COLUMNS_MAX} columns"), &places);
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent = sources().into_iter().filter(|source| !source.text.starts_with("//! "));
    // What such a file tests is the module above it.
    let silent = silent.filter(|source| !source.path.ends_with("/tests.rs"));
    let places: Vec<String> = silent.map(|source| source.path).collect();
    assert_none("begins with a module header", &places);
}

#[test]
fn names_say_what_is_inside() {
    let mut places = Vec::new();
    for source in sources() {
        let empty = |part: &str| EMPTY_NAMES.contains(&part.trim_end_matches(".rs"));
        if source.path.split('/').any(empty) || source.path.ends_with("/mod.rs") {
            places.push(source.path);
        }
    }
    assert_none(&format!("no mod.rs, no {}", EMPTY_NAMES.join(", ")), &places);
}

#[test]
fn nothing_is_left_out_quietly() {
    let mut places = Vec::new();
    for source in sources() {
        for (number, line) in (1..).zip(source.text.lines()) {
            for (word, reason) in BANNED.iter().filter(|(word, _reason)| line.contains(word)) {
                places.push(format!("{}:{number}: {word}: {reason}", source.path));
            }
        }
    }
    assert_none("not to be used", &places);
}

fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in ["crates", "tests"] {
        collect(&root().join(folder), &mut paths);
    }
    assert!(paths.len() > 20, "the sources were not found");
    paths.sort();
    let source = |path: PathBuf| Source {
        text: fs::read_to_string(&path).unwrap(),
        path: path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(),
    };
    paths.into_iter().map(source).collect()
}

/// Links are not followed, build folders are not entered.
fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            if entry.file_name() != "target" {
                collect(&path, paths);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}
