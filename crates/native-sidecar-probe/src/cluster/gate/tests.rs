//! Bodies as recorded from clusters, and everything that can be wrong with them.

use std::ops::ControlFlow;

use super::*;

const API_SERVER_1_36: &str = include_str!("api-server-1.36.3.prom");
const KUBELET_1_36: &str = include_str!("kubelet-1.36.3.prom");
/// Of 1.32, gate on; with `0`, off.
const BETA: &str = r#"kubernetes_feature_enabled{name="SidecarContainers",stage="BETA"} 1"#;
const OTHER: &str = r#"kubernetes_feature_enabled{name="AllBeta",stage="BETA"} 0"#;

fn shown(stage: &str, enabled: bool) -> Gate {
    Gate::Shown { stage: stage.to_owned(), enabled }
}

/// Reads `body` in pieces of many sizes, which all must give the same.
fn read(body: &[u8], whole: bool) -> Gate {
    let mut gates = [1, 2, 3, 7, 64, 4096, usize::MAX].into_iter().map(|size| {
        let mut reader = GateReader::default();
        let pieces = body.chunks(size.min(body.len().max(1)));
        let stopped = pieces.map(|piece| reader.push(piece)).any(|flow| flow.is_break());
        reader.finish(whole && !stopped)
    });
    let first = gates.next().unwrap();
    assert!(gates.all(|gate| gate == first), "the size of the pieces makes a difference");
    first
}

#[track_caller]
fn check(body: &str, expected: Gate) {
    assert_eq!(read(body.as_bytes(), true), expected, "{body}");
}

#[track_caller]
fn check_unclear(body: &str, whole: bool, reason: &str) {
    assert_eq!(read(body.as_bytes(), whole), Gate::Unclear(reason.to_owned()), "{body}");
}

#[test]
fn recorded_bodies() {
    check(API_SERVER_1_36, shown("", true));
    check(KUBELET_1_36, shown("", true));
    check(&format!("{OTHER}\n{BETA}\n"), shown("BETA", true));
    check(&format!("{}\n", BETA.replace("} 1", "} 0")), shown("BETA", false));
    // 1.27, and 1.37 where the series is gone.
    let without = API_SERVER_1_36.replace("SidecarContainers", "SidecarContainersRestart");
    check(&without, Gate::Absent);
    // 1.33 shows a second gate that looks like it.
    let legacy =
        r#"kubernetes_feature_enabled{name="LegacySidecarContainers",stage="DEPRECATED"} 0"#;
    check(&format!("{legacy}\n{API_SERVER_1_36}"), shown("", true));
    check(&format!("{legacy}\n"), Gate::Absent);
}

#[test]
fn spellings_of_the_same_line() {
    for line in [
        r#"kubernetes_feature_enabled{stage="BETA",name="SidecarContainers"} 1"#,
        r#"kubernetes_feature_enabled{name="SidecarContainers",stage="BETA",node="n1",} 1"#,
        r#"kubernetes_feature_enabled { name = "SidecarContainers" , stage="BETA" }  1e+00"#,
        r#"kubernetes_feature_enabled{name="SidecarContainers",stage="BETA"} 1.0 1795327708000"#,
        r#"kubernetes_feature_enabled{a="}\"{,",name="SidecarContainers",stage="BETA"} 1"#,
        r##"kubernetes_feature_enabled{name="SidecarContainers",stage="BETA"} 1 # {a="b"} 2"##,
    ] {
        check(&format!("{OTHER}\n{line}\n# EOF\n"), shown("BETA", true));
        check(&format!("{OTHER}\r\n{line}\r\n"), shown("BETA", true));
    }
    check("kubernetes_feature_enabled{name=\"SidecarContainers\"} 0\n# EOF", shown("", false));
}

#[test]
fn what_only_looks_like_it() {
    for line in [
        r#"kubernetes_feature_enabled{name="LegacySidecarContainers",stage=""} 0"#,
        r#"kubernetes_feature_enabled{name="sidecarcontainers",stage=""} 0"#,
        r#"kubernetes_feature_enabled{name="SidecarContainers\\",stage=""} 0"#,
        r#"kubernetes_feature_enabled{gate="SidecarContainers"} 0"#,
        r#"kubernetes_feature_enabled_total{name="SidecarContainers",stage="BETA"} 0"#,
        r#"x_kubernetes_feature_enabled{name="SidecarContainers",stage="BETA"} 0"#,
        r#"# kubernetes_feature_enabled{name="SidecarContainers",stage="BETA"} 0"#,
        r#"other{text="kubernetes_feature_enabled{name=\"SidecarContainers\"} 0"} 1"#,
    ] {
        check(&format!("{OTHER}\n{line}\n"), Gate::Absent);
    }
    check(&format!("{OTHER}\n# EOF\n{BETA}\n"), Gate::Absent);
}

#[test]
fn a_body_that_was_cut_proves_nothing_missing() {
    check_unclear(&format!("{OTHER}\n"), false, "the body was cut");
    // The last line may have lost its end: stage="BETA"} 1 of 1e-9.
    check_unclear(&format!("{OTHER}\n{BETA}"), true, "the body was cut");
    check_unclear(&format!("{OTHER}\nproc"), true, "the body was cut");
    // What was read before stays valid.
    assert_eq!(read(format!("{BETA}\n{OTHER}\nkube").as_bytes(), false), shown("BETA", true));
}

#[test]
fn values_and_lines_that_cannot_be_trusted() {
    let nan = BETA.replace("} 1", "} NaN");
    check_unclear(&format!("{nan}\n"), true, "the gate's value is NaN");
    check_unclear(&format!("{}\n", BETA.replace("} 1", "} 2")), true, "the gate's value is 2");
    let torn = BETA.replace("\"}", "}");
    check_unclear(&format!("{torn}\n"), true, "a line of the family cannot be read");
    check(&format!("{torn}\n{BETA}\n"), shown("BETA", true));
    let off = BETA.replace("} 1", "} 0");
    let both = format!("{BETA}\n{off}\n{BETA}\n");
    check_unclear(&both, true, "the gate is shown on and off in one body");
    check(&format!("{BETA}\n{BETA}\n"), shown("BETA", true));
}

#[test]
fn pages_of_others() {
    check("process_start_time_seconds 1.7e+09\n", Gate::Silent);
    for body in ["", "\n", "<html>\n", "up 1\n", "process_start_time_seconds_total 1\n"] {
        check_unclear(body, true, "not the metrics of a component");
    }
    assert_eq!(
        read(b"\xff\xfe\n\x00\n", true),
        Gate::Unclear("not the metrics of a component".to_owned()),
    );
}

#[test]
fn long_lines_cost_no_memory() {
    let foreign = format!("long{{text=\"{}\"}} 1", "x".repeat(1 << 20));
    let mut reader = GateReader::default();
    for piece in foreign.as_bytes().chunks(1000) {
        assert_eq!(reader.push(piece), ControlFlow::Continue(()));
    }
    assert!(reader.line.capacity() <= 2 * LINE_BYTES_MAX, "{}", reader.line.capacity());
    let shorter = "x".repeat(3 * LINE_BYTES_MAX);
    check(&format!("long{{text=\"{shorter}\"}} 1\n{BETA}\n"), shown("BETA", true));
    // A line of the family that is too long might be the one.
    let long = BETA.replace("stage=", &format!("x=\"{}\",stage=", "x".repeat(LINE_BYTES_MAX)));
    let gate = read(format!("{long}\n{OTHER}\n").as_bytes(), true);
    assert_eq!(gate, Gate::Unclear("a line of the family cannot be read".to_owned()));
}

#[test]
fn a_reader_stops_behind_the_family() {
    let mut reader = GateReader::default();
    let body = format!("{OTHER}\n{BETA}\n# HELP next Next.\n");
    assert_eq!(reader.push(body.as_bytes()), ControlFlow::Continue(()));
    assert_eq!(reader.push(b"next 1\n"), ControlFlow::Break(()));
    assert_eq!(reader.finish(false), shown("BETA", true));
}
