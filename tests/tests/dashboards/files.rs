//! What can be said of a dashboard's file without asking anybody.

use std::collections::BTreeSet;
use std::fs;

use e2e::dashboards::{Dashboard, IMAGES, Panel, image_file};
use serde_json::Value;

const PANELS_MAX: usize = 13;
const PICTURE_BYTES_MAX: usize = 150_000;
const COLUMNS: u64 = 24;
const SCHEMA_VERSION_MIN: u64 = 38; // Grafana 10
const KINDS: [&str; 4] = ["stat", "timeseries", "state-timeline", "table"];
const VARIABLES: [&str; 3] = ["datasource", "job", "instance"];

#[test]
fn panels_have_an_id_a_name_and_a_place_of_their_own() {
    for dashboard in IMAGES.map(Dashboard::of) {
        let panels = &dashboard.panels;
        let image = &dashboard.image;
        assert!((1..=PANELS_MAX).contains(&panels.len()), "{image}: {} panels", panels.len());
        let ids: BTreeSet<u64> = panels.iter().map(|panel| panel.id).collect();
        let titles: BTreeSet<&str> = panels.iter().map(|panel| panel.title.as_str()).collect();
        assert_eq!((ids.len(), titles.len()), (panels.len(), panels.len()), "{image}");
        for (index, panel) in panels.iter().enumerate() {
            let Panel { title, grid, kind, .. } = panel;
            assert!(grid.x + grid.w <= COLUMNS, "{image}: {title} is too far right");
            let others = panels[..index].iter();
            let hidden: Vec<_> = others.filter(|other| other.grid.overlaps(*grid)).collect();
            assert!(hidden.is_empty(), "{image}: {title} lies on {hidden:?}");
            assert!(KINDS.contains(&kind.as_str()), "{image}: {title} is a {kind}");
            let described = panel.json["description"].as_str().is_some_and(|it| !it.is_empty());
            assert!(described && !panel.queries.is_empty(), "{image}: {title}");
        }
    }
}

/// So that one file serves every Prometheus, job and pod.
#[test]
fn everything_hangs_on_the_variables() {
    for dashboard in IMAGES.map(Dashboard::of) {
        let (image, json) = (&dashboard.image, &dashboard.json);
        let variables = json.pointer("/templating/list").and_then(Value::as_array).unwrap();
        let names: Vec<_> = variables.iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(names, VARIABLES, "{image}");
        assert!(json["schemaVersion"].as_u64().unwrap() >= SCHEMA_VERSION_MIN, "{image}");
        assert_eq!(json["uid"], format!("outrider-{image}"));
        // A number here would be that of one Grafana's database.
        assert_eq!(json.get("id"), None, "{image}");
        let mut sources = Vec::new();
        collect_sources(json, &mut sources);
        assert!(sources.iter().all(|uid| *uid == "${datasource}"), "{image}: {sources:?}");
        for panel in &dashboard.panels {
            for query in &panel.queries {
                let selectors = query.expression.matches('{').count();
                for filter in [r#"job=~"$job""#, r#"instance=~"$instance""#] {
                    let filtered = query.expression.matches(filter).count();
                    assert_eq!(filtered, selectors, "{image}: {}", query.expression);
                }
            }
        }
    }
}

/// The pictures are drawn by `make pictures`, which takes minutes; a new panel needs a new picture.
#[test]
fn pictures_are_of_these_dashboards() {
    for dashboard in IMAGES.map(Dashboard::of) {
        let image = &dashboard.image;
        let picture = fs::read_to_string(image_file(image, "dashboard.svg")).unwrap();
        assert!(picture.len() < PICTURE_BYTES_MAX, "{image}: {} bytes", picture.len());
        let titles = dashboard.panels.iter().map(|panel| panel.title.as_str());
        let missing: Vec<_> =
            titles.filter(|title| !picture.contains(&format!(">{title}</text>"))).collect();
        assert!(missing.is_empty(), "{image}: run `make pictures`, these are new: {missing:?}");
    }
}

fn collect_sources<'a>(json: &'a Value, sources: &mut Vec<&'a str>) {
    match json {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value["uid"].as_str() {
                    Some(uid) if name == "datasource" => sources.push(uid),
                    _ => collect_sources(value, sources),
                }
            }
        }
        Value::Array(elements) => {
            elements.iter().for_each(|element| collect_sources(element, sources));
        }
        _ => {}
    }
}
