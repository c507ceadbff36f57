//! Every class of version against every reading, and what the user asks for on top.

use super::*;

fn kubelet(version: &str) -> Component {
    Component {
        part: Part::Kubelet,
        name: "n1".to_owned(),
        version: version.to_owned(),
        emulated: None,
        doubt: None,
        notes: Vec::new(),
    }
}

fn api_server(version: &str, emulated: Option<&str>) -> Component {
    let emulated = emulated.map(str::to_owned);
    Component { part: Part::ApiServer, emulated, ..kubelet(version) }
}

fn shown(stage: &str, enabled: bool) -> Metric {
    Metric::Read(Gate::Shown { stage: stage.to_owned(), enabled })
}

fn missing() -> Metric {
    let advice = Advice::new("grant-kubelet-metrics", "grant it");
    Metric::Missing(Evidence::new(Source::Metric, "forbidden"), Some(advice))
}

fn says(assessment: &Assessment) -> Vec<String> {
    assessment.evidence.iter().map(ToString::to_string).collect()
}

fn ids(assessment: &Assessment) -> Vec<&'static str> {
    let ids = assessment.advice.iter().map(|advice| advice.id);
    ids.filter(|id| !id.starts_with("kubernetes-")).collect()
}

#[track_caller]
fn check(version: &str, metric: &Metric, expected: Verdict) {
    for component in [kubelet(version), api_server(version, None)] {
        let assessment = judge(&component, metric, None);
        assert_eq!(assessment.verdict, expected, "{version} {metric:?} {:?}", says(&assessment));
        assert!(!assessment.evidence.is_empty());
    }
}

#[test]
fn the_version_alone() {
    for (version, expected) in [
        ("v1.18.20", Verdict::Unsupported),
        ("v1.27.16", Verdict::Unsupported),
        ("v1.27.16-eks-a737599", Verdict::Unsupported),
        ("v1.28.9+k3s1", Verdict::Unknown),
        ("v1.29.3-gke.1093000", Verdict::Unknown),
        ("1.29+", Verdict::Unknown),
        ("v1.32.13", Verdict::Unknown),
        ("v1.33.0-alpha.1", Verdict::Unknown),
        ("v1.33.0", Verdict::Supported),
        ("v1.36.3", Verdict::Supported),
        ("v1.37.0-alpha.1", Verdict::Supported),
        ("v1.37.0", Verdict::Supported),
        ("v1.99.0", Verdict::Supported),
        ("v2.0.0", Verdict::Unknown),
        ("", Verdict::Unknown),
        ("fake", Verdict::Unknown),
        ("kwok-v0.6.0", Verdict::Unknown),
    ] {
        check(version, &Metric::NotAsked, expected);
        // What could not be read takes nothing away from what the version says.
        check(version, &missing(), expected);
        check(version, &Metric::Read(Gate::Unclear("cut".to_owned())), expected);
        check(version, &Metric::Read(Gate::Silent), expected);
    }
}

#[test]
fn versions_that_leave_the_question_open() {
    for (version, open) in [
        ("v1.27.16", false),
        ("v1.28.0", true),
        ("v1.29.0-alpha.2", true),
        ("v1.32.13", true),
        ("v1.33.0-rc.1", true),
        ("v1.33.0", false),
        ("v1.37.0", false),
        ("garbage", false),
    ] {
        assert_eq!(needs_metric(&kubelet(version), None), open, "{version}");
    }
    let minimum: Version = "1.30".parse().unwrap();
    assert!(!needs_metric(&kubelet("v1.29.9"), Some(&minimum)), "it is too old anyhow");
    assert!(needs_metric(&kubelet("v1.30.0"), Some(&minimum)));
    assert!(needs_metric(&api_server("v1.36.3", Some("1.32")), None));
}

#[test]
fn the_gate_where_it_can_be_on_or_off() {
    for version in ["v1.28.9", "v1.29.0", "v1.32.13", "1.30+"] {
        check(version, &shown("BETA", true), Verdict::Supported);
        check(version, &shown("BETA", false), Verdict::Unsupported);
        check(version, &Metric::Read(Gate::Absent), Verdict::Unknown);
    }
    check("v1.28.9", &shown("ALPHA", true), Verdict::Supported);
    check("v1.28.0-alpha.1", &Metric::Read(Gate::Absent), Verdict::Unsupported);
}

#[test]
fn the_gate_where_the_version_decides() {
    check("v1.27.16", &Metric::Read(Gate::Absent), Verdict::Unsupported);
    check("v1.36.3", &shown("", true), Verdict::Supported);
    check("v1.37.0", &Metric::Read(Gate::Absent), Verdict::Supported);
    // Contradictions.
    check("v1.27.16", &shown("BETA", true), Verdict::Unknown);
    check("v1.36.3", &shown("BETA", false), Verdict::Unknown);
    check("v1.36.3", &Metric::Read(Gate::Absent), Verdict::Unknown);
    check("v1.37.0", &shown("", false), Verdict::Unknown);
    let assessment = judge(&kubelet("v1.36.3"), &shown("BETA", false), None);
    let line = r#"kubernetes_feature_enabled{name="SidecarContainers",stage="BETA"} 0"#;
    let expected = [
        "version: on since 1.33, and cannot be turned off (v1.36.3)".to_owned(),
        format!("metric: the gate SidecarContainers is off ({line})"),
        "metric: version and metric contradict each other: versions from 1.33 on cannot have this \
         gate off"
            .to_owned(),
    ];
    assert_eq!(says(&assessment), expected);
    assert_eq!(ids(&assessment), ["ask-again"]);
}

#[test]
fn recorded_clusters() {
    // 1.27.16 everywhere; an API server 1.32.13 over a kubelet 1.27.16; gates on, off and mixed.
    let by_version = judge(&kubelet("v1.27.16"), &Metric::NotAsked, None);
    assert_eq!(by_version.verdict, Verdict::Unsupported);
    assert_eq!(ids(&by_version), ["runs-as-init-container"]);
    assert_eq!(says(&by_version), ["version: the feature begins with 1.28 (v1.27.16)"]);
    let off = judge(&kubelet("v1.32.13"), &shown("BETA", false), None);
    assert_eq!(off.verdict, Verdict::Unsupported);
    assert_eq!(ids(&off), ["refuses-pods"]);
    let server_off = judge(&api_server("v1.32.13", None), &shown("BETA", false), None);
    assert_eq!(server_off.verdict, Verdict::Unsupported);
    assert_eq!(ids(&server_off), ["drops-the-field"]);
    let on = judge(&kubelet("v1.32.13"), &shown("BETA", true), None);
    assert_eq!((on.verdict, ids(&on)), (Verdict::Supported, vec![]));
    let newest = judge(&kubelet("v1.36.3"), &Metric::NotAsked, None);
    assert_eq!(newest.verdict, Verdict::Supported);
}

#[test]
fn alpha_is_named() {
    let on = judge(&kubelet("v1.28.9"), &shown("ALPHA", true), None);
    assert_eq!(on.verdict, Verdict::Supported);
    let last = on.evidence.last().unwrap();
    assert!(last.says.contains("do not end in order"), "{last}");
    let open = judge(&kubelet("v1.28.9"), &missing(), None);
    assert_eq!(open.verdict, Verdict::Unknown);
    assert_eq!(ids(&open), ["grant-kubelet-metrics", "refuses-pods"]);
}

#[test]
fn an_api_server_that_emulates_an_older_version() {
    let component = api_server("v1.36.3", Some("1.32"));
    let open = judge(&component, &Metric::NotAsked, None);
    assert_eq!(open.verdict, Verdict::Unknown);
    assert!(says(&open).concat().contains("it emulates 1.32"), "{open:?}");
    assert_eq!(judge(&component, &shown("BETA", true), None).verdict, Verdict::Supported);
    assert_eq!(judge(&component, &shown("BETA", false), None).verdict, Verdict::Unsupported);
    let locked = api_server("v1.36.3", Some("1.34"));
    assert_eq!(judge(&locked, &Metric::NotAsked, None).verdict, Verdict::Supported);
    let removed = api_server("v1.37.0", Some("1.32"));
    assert_eq!(judge(&removed, &Metric::NotAsked, None).verdict, Verdict::Supported);
    let garbage = api_server("v1.36.3", Some("x.y"));
    assert_eq!(judge(&garbage, &Metric::NotAsked, None).verdict, Verdict::Unknown);
}

#[test]
fn a_least_version() {
    for (version, metric, minimum, expected) in [
        ("v1.36.3", Metric::NotAsked, "1.29.3", Verdict::Supported),
        ("v1.29.2", shown("BETA", true), "1.29.3", Verdict::Unsupported),
        ("v1.29.2", Metric::NotAsked, "1.29.3", Verdict::Unsupported),
        ("v1.29.3-gke.1", shown("BETA", true), "1.29.3", Verdict::Supported),
        ("v1.29.3-rc.1", shown("BETA", true), "1.29.3", Verdict::Unsupported),
        ("v1.29.3", shown("BETA", true), "v1.29", Verdict::Supported),
        ("v1.29.3", shown("BETA", false), "1.28", Verdict::Unsupported),
        ("v1.29.3", missing(), "1.28", Verdict::Unknown),
        ("1.29+", shown("BETA", true), "1.29.3", Verdict::Unknown),
        ("1.29+", shown("BETA", true), "1.29", Verdict::Supported),
        ("garbage", Metric::NotAsked, "1.29", Verdict::Unknown),
    ] {
        let minimum = minimum.parse().unwrap();
        let assessment = judge(&kubelet(version), &metric, Some(&minimum));
        assert_eq!(assessment.verdict, expected, "{version} {minimum:?} {:?}", says(&assessment));
    }
    let minimum = "1.33".parse().unwrap();
    let emulating = api_server("v1.36.3", Some("1.32"));
    let assessment = judge(&emulating, &shown("BETA", true), Some(&minimum));
    assert_eq!(assessment.verdict, Verdict::Unsupported);
}

#[test]
fn doubt_about_the_component_itself() {
    let doubt = Some(Evidence::new(Source::Node, "a virtual kubelet"));
    let component = Component { doubt, ..kubelet("v1.36.3") };
    let assessment = judge(&component, &Metric::NotAsked, Some(&"1.29".parse().unwrap()));
    assert_eq!(assessment.verdict, Verdict::Unknown);
    assert_eq!(says(&assessment), ["node: a virtual kubelet"]);
    assert!(!needs_metric(&Component { version: "v1.30.0".to_owned(), ..component }, None));
}

#[test]
fn notes_come_first() {
    let notes = vec![Evidence::new(Source::Node, "not Ready")];
    let assessment = judge(&Component { notes, ..kubelet("v1.36.3") }, &Metric::NotAsked, None);
    assert_eq!(says(&assessment).first().unwrap(), "node: not Ready");
}
