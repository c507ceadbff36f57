//! `lint` as a command: files, forms, exit statuses. The rules have their tests beside them.

use std::time::Duration;

use e2e::workplace::Workplace;
use serde_json::Value;

use crate::probe::{Probe, write};

const GOOD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: good}
spec:
  initContainers:
  - name: mesh
    image: localhost/mesh:1
    restartPolicy: Always
    startupProbe: {httpGet: {port: 15021, path: /healthz}}
    resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {memory: 16Mi}}
  containers:
  - name: main
    image: localhost/main:1
    resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {memory: 16Mi}}
";

/// Of a debug binary on a busy machine; those that were followed to their end would take hours.
const QUICK: Duration = Duration::from_secs(15);

/// A probe on an init container without the field, which every API server refuses.
fn bad() -> String {
    GOOD.replace("    restartPolicy: Always\n", "").replace("name: good", "name: bad")
}

#[test]
fn findings_decide_the_status() {
    let place = Workplace::new();
    let good = write(&place, "good.yaml", GOOD);
    let bad = write(&place, "bad.yaml", &bad());
    Probe::new(&place, &["lint"]).arg(&good).run().expect(0);
    let ended = Probe::new(&place, &["lint"]).arg(&good).arg(&bad).run().expect(1);
    assert!(
        ended.stdout.contains("bad.yaml") && ended.stdout.contains("startupProbe"),
        "{ended:#?}"
    );
    // The line of the probe or of its container.
    let line = ended.stdout.lines().find(|line| line.contains("bad.yaml:")).unwrap().to_owned();
    let number = line.split("bad.yaml:").nth(1).unwrap().split(':').next().unwrap();
    assert!((7..=9).contains(&number.parse::<usize>().unwrap()), "{line}");
}

#[test]
fn every_form_has_the_findings() {
    let place = Workplace::new();
    let bad = write(&place, "bad.yaml", &bad());
    let json = Probe::new(&place, &["lint", "-o", "json"]).arg(&bad).run().expect(1);
    assert!(json.json().to_string().contains("startupProbe"), "{json:#?}");
    let sarif = Probe::new(&place, &["lint", "-o", "sarif"]).arg(&bad).run().expect(1);
    let report: Value = sarif.json();
    assert_eq!(report["version"], "2.1.0");
    assert!(report["$schema"].is_string());
    let results = report["runs"][0]["results"].as_array().unwrap();
    assert!(!results.is_empty(), "{report:#}");
    let rules = report["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    for result in results {
        let known = |rule: &&Value| rule["id"] == result["ruleId"];
        assert!(rules.iter().any(|rule| known(&rule)), "{result:#}");
        let place = &result["locations"][0]["physicalLocation"];
        assert!(place["region"]["startLine"].as_u64().unwrap() > 0, "{result:#}");
        assert!(place["artifactLocation"]["uri"].as_str().unwrap().ends_with("bad.yaml"));
    }
}

#[test]
fn many_documents_and_lists() {
    let place = Workplace::new();
    let list =
        format!("apiVersion: v1\nkind: List\nitems:\n- {}", bad().trim().replace('\n', "\n  "));
    for text in [format!("---\n{GOOD}\n---\n\n---\n{}", bad()), list] {
        let file = write(&place, "many.yaml", &text);
        Probe::new(&place, &["lint"]).arg(&file).run().expect(1);
    }
    let json = r#"{"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c"},
        "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {"spec": {
        "restartPolicy": "Never", "initContainers": [{"name": "i", "image": "x",
        "readinessProbe": {"exec": {"command": ["true"]}}}],
        "containers": [{"name": "m", "image": "x"}]}}}}}}"#;
    let file = write(&place, "cron.json", json);
    let ended = Probe::new(&place, &["lint"]).arg(&file).run().expect(1);
    assert!(ended.stdout.contains("readinessProbe"), "{ended:#?}");
}

/// Nine levels of nine aliases each, and brackets without end.
#[test]
fn bombs_are_refused_quickly() {
    let place = Workplace::new();
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    for (name, text) in [
        ("laughs.yaml", laughs),
        ("deep.yaml", "[".repeat(100_000)),
        ("flow.yaml", "{a: ".repeat(50_000)),
        ("self.yaml", "a: &a [*a]\n".to_owned()),
        ("large.yaml", format!("a: {}\n", "x".repeat(40 << 20))),
        ("many.yaml", "---\na: 1\n".repeat(60_000)),
    ] {
        let file = write(&place, name, &text);
        let ended = Probe::new(&place, &["lint"]).arg(&file).run();
        assert!(ended.code != 0 && ended.code != 70, "{name}: {} {}", ended.code, ended.stderr);
        let told = format!("{}{}", ended.stdout, ended.stderr);
        assert!(told.contains(name), "{name}: {}", ended.stderr);
        assert!(ended.took < QUICK, "{name}: {:?}", ended.took);
    }
}

/// One bad file does not hide what the others have.
#[test]
fn files_that_cannot_be_read_are_told() {
    let place = Workplace::new();
    let bad = write(&place, "bad.yaml", &bad());
    let ended = Probe::new(&place, &["lint", "/no/such/file.yaml"]).arg(&bad).run();
    assert_ne!(ended.code, 0, "{ended:#?}");
    let told = format!("{}{}", ended.stdout, ended.stderr);
    assert!(told.contains("/no/such/file.yaml"), "{ended:#?}");
    Probe::new(&place, &["lint"]).run().expect(64);
    let wrong = ["lint", "-o", "xml", "--kubernetes-version", "new", "--fail-on", "never", "x"];
    let ended = Probe::new(&place, &wrong).run().expect(64);
    for told in ["xml", "new", "never"] {
        assert!(ended.stderr.contains(told), "{told}: {ended:#?}");
    }
}

/// The version that a manifest is for changes what is wrong with it.
#[test]
fn versions_matter() {
    let place = Workplace::new();
    let good = write(&place, "good.yaml", GOOD);
    let ask = |version: &str| {
        Probe::new(&place, &["lint", "--kubernetes-version", version]).arg(&good).run()
    };
    ask("1.36").expect(0);
    ask("1.27").expect(1);
    let ended = ask("1.28");
    assert!(ended.stdout.contains("1.28") || ended.stdout.contains("gate"), "{ended:#?}");
}

/// Without a version a gate is judged for all of them, and the wrong list is never a mere note.
#[test]
fn no_version_is_no_excuse() {
    let place = Workplace::new();
    let gate = |value: bool| {
        let text =
            format!("kind: KubeletConfiguration\nfeatureGates: {{SidecarContainers: {value}}}\n");
        write(&place, &format!("{value}.yaml"), &text)
    };
    let ended = Probe::new(&place, &["lint"]).arg(gate(true)).run().expect(0);
    for version in ["1.28", "1.29", "1.33", "1.36", "1.37"] {
        assert!(ended.stdout.contains(version), "{version}: {ended:#?}");
    }
    Probe::new(&place, &["lint"]).arg(gate(false)).run().expect(1);
    let given = ["lint", "--kubernetes-version", "1.37"];
    Probe::new(&place, &given).arg(gate(true)).run().expect(1);
    let wrong = GOOD.replace("initContainers", "containers").replacen(
        "  containers:\n  - name: main",
        "  - name: main",
        1,
    );
    let file = write(&place, "wrong.yaml", &wrong);
    let lint =
        |options: &[&str]| Probe::new(&place, &[&["lint"], options].concat()).arg(&file).run();
    lint(&["--fail-on", "warning"]).expect(1);
    lint(&["--kubernetes-version", "1.33"]).expect(1);
}
