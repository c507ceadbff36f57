//! One small cluster in every form.

use serde_json::Value;

use super::super::assessment::{Source, Verdict};
use super::*;

fn part(name: &str, version: &str, verdict: Verdict, says: &str, advice: &[&str]) -> Assessment {
    let advice = advice.iter().map(|says| Advice::new("known", *says));
    Assessment {
        name: name.to_owned(),
        version: version.to_owned(),
        verdict,
        evidence: vec![
            Evidence::new(Source::Version, "a beta feature").with_detail(version),
            Evidence::new(Source::Metric, says),
        ],
        advice: advice.collect(),
    }
}

fn report(form: Form, stable: bool) -> Report {
    let grant = Advice { manifest: Some("rules:\n- x\n".to_owned()), ..Advice::new("grant", "do") };
    Report {
        question: Question::Cluster,
        form,
        stable,
        verdict: ClusterVerdict::Mixed,
        evidence: vec![Evidence::new(Source::Node, "seen")],
        advice: vec![grant],
        api_servers: vec![part("a", "v1.32.1", Verdict::Supported, "on", &[])],
        nodes: vec![
            part("n1", "v1.32.1", Verdict::Unsupported, "off", &["bug"]),
            part("n\"2", "", Verdict::Unknown, "\u{1b}[31mgone", &["bug"]),
        ],
        timing: Timing { unix_seconds: 1_795_327_708, took_ms: 12 },
    }
}

#[test]
fn as_a_table() {
    let expected = "\
MIXED
  node: seen

KIND        NAME   VERSION   VERDICT       WHY
apiserver   a      v1.32.1   SUPPORTED     on
node        n1     v1.32.1   UNSUPPORTED   off
node        n\"2    -         UNKNOWN       [31mgone

API servers: 1 SUPPORTED
nodes: 1 UNSUPPORTED, 1 UNKNOWN

advice grant: do
    rules:
    - x

advice known [n1, n\"2]: bug
";
    assert_eq!(report(Form::Table, false).to_string(), expected);
}

#[test]
fn as_a_stable_table() {
    let text = report(Form::Table, true).to_string();
    assert!(text.contains("\nnode\tn1\tv1.32.1\tUNSUPPORTED\toff\n"), "{text}");
}

#[test]
fn with_all_evidence() {
    let text = report(Form::Wide, false).to_string();
    let expected = "\
node n1 v1.32.1 UNSUPPORTED
  version: a beta feature (v1.32.1)
  metric: off
  advice: bug
";
    assert!(text.contains(expected), "{text}");
    assert!(!text.contains('\u{1b}'), "control characters of others reach no terminal");
}

#[test]
fn as_json() {
    let text = report(Form::Json, false).to_string();
    let document: Value = serde_json::from_str(&text).unwrap();
    let at = |pointer: &str| document.pointer(pointer).unwrap().clone();
    assert_eq!(at("/schema"), "outrider.native-sidecar-probe.cluster/v1");
    assert_eq!(at("/verdict"), "MIXED");
    assert_eq!(at("/apiservers/0/name"), "a");
    assert_eq!(at("/nodes/0/verdict"), "UNSUPPORTED");
    assert_eq!(at("/nodes/0/evidence/0/source"), "version");
    assert_eq!(at("/nodes/0/evidence/0/detail"), "v1.32.1");
    assert_eq!(at("/nodes/0/evidence/1/detail"), Value::Null);
    assert_eq!(at("/nodes/1/advice/0/says"), "bug");
    assert_eq!(at("/advice/0/manifest"), "rules:\n- x\n");
    assert_eq!(at("/counts/nodes/UNKNOWN").to_string(), "1");
    assert_eq!(at("/took_ms").to_string(), "12");
    let stable: Value = serde_json::from_str(&report(Form::Json, true).to_string()).unwrap();
    assert_eq!(stable.pointer("/took_ms"), None);
    assert_eq!(stable.pointer("/asked_at_unix_seconds"), None);
    assert_eq!(stable.pointer("/nodes/0/name").unwrap(), "n1");
}

#[test]
fn as_prometheus_text() {
    let text = report(Form::Prometheus, true).to_string();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let samples: Vec<&str> =
        samples.filter_map(|line| line.strip_prefix("native_sidecar_probe_")).collect();
    assert_eq!(
        samples,
        [
            r#"verdict{verdict="SUPPORTED"} 0"#,
            r#"verdict{verdict="MIXED"} 1"#,
            r#"verdict{verdict="UNSUPPORTED"} 0"#,
            r#"verdict{verdict="UNKNOWN"} 0"#,
            r#"apiserver_supported{apiserver="a"} 1"#,
            r#"apiserver_unknown{apiserver="a"} 0"#,
            r#"apiserver_info{apiserver="a",version="v1.32.1",verdict="SUPPORTED"} 1"#,
            r#"node_supported{node="n1"} 0"#,
            r#"node_supported{node="n\"2"} 0"#,
            r#"node_unknown{node="n1"} 0"#,
            r#"node_unknown{node="n\"2"} 1"#,
            r#"node_info{node="n1",version="v1.32.1",verdict="UNSUPPORTED"} 1"#,
            r#"node_info{node="n\"2",version="",verdict="UNKNOWN"} 1"#,
            r#"nodes{verdict="SUPPORTED"} 0"#,
            r#"nodes{verdict="UNSUPPORTED"} 1"#,
            r#"nodes{verdict="UNKNOWN"} 1"#,
        ]
    );
    let timed = report(Form::Prometheus, false).to_string();
    assert!(timed.ends_with("native_sidecar_probe_asked_timestamp_seconds 1795327708\n"));
}

#[test]
fn known_bugs_come_last() {
    let mut report = report(Form::Table, false);
    let version = "1.29.2".parse().unwrap();
    let bugs = advisories::of(&version);
    report.nodes = vec![part("n1", "v", Verdict::Unknown, "x", &[])];
    report.nodes.extend([part("n2", "v", Verdict::Unknown, "x", &["do"])]);
    report.nodes.first_mut().unwrap().advice.extend(bugs);
    let ids: Vec<&str> = report.advice_by_text().iter().map(|(advice, _)| advice.id).collect();
    assert_eq!(ids.get(..3).unwrap(), ["grant", "known", "kubernetes-122902"]);
}

#[test]
fn an_advice_for_many_names_a_few() {
    let mut report = report(Form::Table, false);
    let node = |number| part(&format!("m{number}"), "v", Verdict::Unknown, "x", &["bug"]);
    report.nodes = (0..9).map(node).collect();
    let text = report.to_string();
    assert!(text.contains("advice known [m0, m1, m2, m3, m4, 4 more]: bug\n"), "{text}");
    report.stable = true;
    assert!(report.to_string().contains("m7, m8]: bug\n"), "{report}");
}
