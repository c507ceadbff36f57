//! The alert rules: what promtool says of them, and that each is complete and tested.

use std::collections::BTreeSet;
use std::fs;

use e2e::binary::installed;
use e2e::dashboards::{IMAGES, all_alerts, image_file};
use e2e::pace::{SOON, wait_for};
use e2e::process::command;
use e2e::prometheus::Prometheus;
use e2e::workplace::{Workplace, run};

const SEVERITIES: [&str; 2] = ["critical", "warning"];
/// A description that says what to do takes more than this.
const DESCRIPTION_CHARACTERS_MIN: usize = 60;

#[test]
fn promtool_accepts_the_rules() {
    for image in IMAGES {
        let mut promtool = command(installed("promtool", "prometheus"));
        run(promtool.args(["check", "rules"]).arg(image_file(image, "alerts.yaml")));
    }
}

/// Each alert fires in its case, and is silent in one that is nearly the same.
#[test]
fn promtool_runs_the_tests_of_the_rules() {
    for image in IMAGES {
        let mut promtool = command(installed("promtool", "prometheus"));
        run(promtool.args(["test", "rules"]).arg(image_file(image, "alerts_test.yaml")));
    }
}

#[test]
fn every_alert_is_complete_and_tested() {
    let place = Workplace::new();
    let prometheus = Prometheus::start(place.path(), &[], &all_alerts());
    let rules = wait_for("the rules", SOON, || {
        Some(prometheus.alerting_rules()).filter(|rules| !rules.is_empty())
    });
    let tests: String = IMAGES.map(tests_of).concat();
    let cases: Vec<&str> = tests.split("- name: ").skip(1).collect();
    let mut names = BTreeSet::new();
    for (_group, rule) in &rules {
        let name = rule["name"].as_str().unwrap();
        assert!(names.insert(name), "two alerts are named {name}");
        assert!(rule["duration"].as_f64().unwrap() > 0.0, "{name} has no `for`");
        let severity = rule["labels"]["severity"].as_str().unwrap_or_default();
        assert!(SEVERITIES.contains(&severity), "{name}: {severity}");
        let annotation = |which: &str| rule["annotations"][which].as_str().unwrap_or_default();
        assert!(!annotation("summary").is_empty(), "{name} has no summary");
        let description = annotation("description").chars().count();
        assert!(description > DESCRIPTION_CHARACTERS_MIN, "{name} does not say what to do");
        let own: Vec<_> = cases.iter().filter(|case| case.lines().next() == Some(name)).collect();
        assert!(!own.is_empty(), "no test of {name}");
        for case in own {
            let (input, expected) = case.split_once("exp_samples:").unwrap();
            let fires = format!("labels: '{{alertname=\"{name}\", instance=\"fires\"}}'");
            assert!(expected.contains(&fires), "no test makes {name} fire: {case}");
            let near_miss =
                [input, expected].map(|it| it.contains("instance=\"near\"")) == [true, false];
            assert!(near_miss, "no near miss of {name}: {case}");
        }
    }
    let unknown: Vec<_> =
        cases.iter().filter(|case| !names.contains(case.lines().next().unwrap())).collect();
    assert!(unknown.is_empty(), "tests of alerts that are not there: {unknown:?}");
}

fn tests_of(image: &str) -> String {
    fs::read_to_string(image_file(image, "alerts_test.yaml")).unwrap()
}
