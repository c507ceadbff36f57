//! The pages of the examples: one for each folder, which names each of its files.

use std::fs;

use crate::assert_none;
use crate::example::{self, our_image};

#[test]
fn every_pattern_has_a_page_that_names_its_files() {
    let index = index();
    let mut places = Vec::new();
    for pattern in example::patterns() {
        if !index.contains(&format!("]({pattern}/)")) {
            places.push(format!("README.md: no link to {pattern}/"));
        }
    }
    for example in example::all() {
        let (pattern, file) = example.path.split_once('/').unwrap();
        let page = fs::read_to_string(example::folder().join(pattern).join("README.md"));
        if !page.unwrap_or_default().contains(&format!("`{file}`")) {
            places.push(format!("{pattern}/README.md: nothing about `{file}`"));
        }
    }
    assert_none("pages", &places);
}

#[test]
fn the_table_has_the_requests_and_limits_of_the_files() {
    let index = index();
    let mut places = Vec::new();
    for example in example::all() {
        for pod in example.pods() {
            for container in pod.containers() {
                let Some(image) = our_image(&container) else { continue };
                let [requests, limits] = ["requests", "limits"].map(|list| {
                    let amounts = &container.value["resources"][list];
                    let [cpu, memory] = ["cpu", "memory"].map(|it| amounts[it].as_str().unwrap());
                    format!("{cpu}, {memory}")
                });
                let cells = format!(" | {requests} | {limits} | ");
                let is_row = |line: &str| {
                    let row = line.strip_prefix("| ").and_then(|row| row.strip_prefix(image));
                    row.is_some_and(|row| row.contains(&cells))
                };
                if !index.lines().any(is_row) {
                    places.push(format!("{}: {image}{cells}", pod.title()));
                }
            }
        }
    }
    assert_none("no such row in the table of README.md", &places);
}

fn index() -> String {
    fs::read_to_string(example::folder().join("README.md")).unwrap()
}
