//! `dry-run`: what API server and admission make of a pod, and that nothing is stored.
//!
//! The fake cluster fails the test at a request that would store something.

use std::time::Duration;

use e2e::kube_api::{Admission, FakeCluster, Fault, Gate};
use e2e::workplace::Workplace;

use crate::probe::{Ended, Probe, write};

/// A Deployment with a sidecar that has a probe, which only a native sidecar may have.
const WITH_PROBE: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      initContainers:
      - name: mesh
        image: localhost/mesh:1
        restartPolicy: Always
        startupProbe: {httpGet: {port: 15021, path: /healthz}}
      containers:
      - {name: main, image: localhost/main:1}
";

fn ask(place: &Workplace, cluster: &FakeCluster, more: &[&str]) -> Ended {
    let mut arguments = vec!["dry-run", "-o", "json"];
    arguments.extend(more);
    Probe::new(place, &arguments).with_token(cluster).run()
}

fn check(version: &str, gate: Gate, admission: Admission, verdict: &str, code: i32) -> Ended {
    let place = Workplace::new();
    let cluster = FakeCluster::start_gated(&place, version, gate);
    cluster.admission(admission.clone());
    let ended = ask(&place, &cluster, &[]).expect(code);
    assert_eq!(ended.verdict(), verdict, "{version} {gate:?} {admission:?}: {ended:#?}");
    let posts = cluster.seen().into_iter().filter(|seen| seen.method == "POST");
    assert!(posts.clone().count() >= 2, "a pod and a template");
    assert!(posts.clone().all(|seen| seen.target.contains("dryRun=All")));
    assert!(posts.clone().any(|seen| seen.target.contains("/namespaces/default/pods?")));
    assert!(posts.clone().any(|seen| seen.target.contains("/namespaces/default/podtemplates?")));
    ended
}

#[test]
fn recorded_api_servers() {
    let keep = || Admission::Keep;
    check("v1.27.16", Gate::Default, keep(), "DROPPED_BY_APISERVER", 4);
    check("v1.28.9", Gate::Default, keep(), "DROPPED_BY_APISERVER", 4);
    check("v1.28.9", Gate::On, keep(), "KEPT", 0);
    check("v1.32.13", Gate::Default, keep(), "KEPT", 0);
    check("v1.32.13", Gate::Off, keep(), "DROPPED_BY_APISERVER", 4);
    check("v1.36.3", Gate::Default, keep(), "KEPT", 0);
    check("v1.37.0", Gate::Default, keep(), "KEPT", 0);
}

#[test]
fn what_admission_does() {
    let on = |admission, verdict, code| check("v1.36.3", Gate::Default, admission, verdict, code);
    on(Admission::Strip, "STRIPPED_BY_ADMISSION", 4);
    check("v1.32.13", Gate::Default, Admission::DropByApiServer, "DROPPED_BY_APISERVER", 4);
    let moved = on(Admission::Move, "MOVED", 4);
    let containers = moved.json()["containers"].to_string();
    assert!(containers.contains("before"), "names the one that has it now: {containers}");
    let unsupported =
        on(Admission::NoDryRun("side.effects.io".to_owned()), "DRYRUN_UNSUPPORTED", 6);
    assert!(unsupported.stdout.contains("side.effects.io"), "{unsupported:#?}");
    // Before 1.28 the template tells alone.
    check(
        "v1.27.16",
        Gate::Default,
        Admission::NoDryRun("side.effects.io".to_owned()),
        "DROPPED_BY_APISERVER",
        4,
    );
}

#[test]
fn policies() {
    let on = |admission| check("v1.36.3", Gate::Default, admission, "REJECTED_BY_POLICY", 5).stdout;
    assert!(on(Admission::pod_security()).contains("PodSecurity"));
    let text = on(Admission::denied_by("deny.example.com", "no sidecars here"));
    assert!(text.contains("deny.example.com") && text.contains("no sidecars here"), "{text}");
    let text = on(Admission::policy("keep-native", "our sidecar must keep restartPolicy"));
    assert!(text.contains("keep-native"), "{text}");
    let unreachable = Admission::Reject {
        code: 500,
        reason: "InternalError",
        message: "Internal error occurred: failed calling webhook \"gone.example.com\": failed to \
                  call webhook: Post \"https://gone.hooks.svc:443/mutate?timeout=10s\": dial tcp \
                  10.96.0.7:443: connect: connection refused"
            .to_owned(),
    };
    assert!(on(unreachable).contains("gone.example.com"));
}

/// A policy that quotes the texts by which a lost field is recognised.
#[test]
fn the_words_of_others_decide_nothing() {
    let why = "may not be set for init containers without restartPolicy=Always; admission webhook \
               \"x\" does not support dry run";
    let admission = Admission::denied_by("liar.example.com", why);
    let text = check("v1.36.3", Gate::Default, admission, "REJECTED_BY_POLICY", 5).stdout;
    assert!(text.contains("liar.example.com"), "{text}");
}

/// The 422 of probes without the field is a strip, whichever of its two texts it has.
#[test]
fn a_refused_probe_is_a_lost_field() {
    for (version, gate, admission, verdict) in [
        ("v1.36.3", Gate::Default, Admission::Keep, "KEPT"),
        ("v1.36.3", Gate::Default, Admission::Strip, "STRIPPED_BY_ADMISSION"),
        ("v1.32.13", Gate::Off, Admission::Keep, "DROPPED_BY_APISERVER"),
        ("v1.27.16", Gate::Default, Admission::Keep, "DROPPED_BY_APISERVER"),
    ] {
        let place = Workplace::new();
        let manifest = write(&place, "web.yaml", WITH_PROBE);
        let cluster = FakeCluster::start_gated(&place, version, gate);
        cluster.admission(admission);
        let ended = ask(&place, &cluster, &["-f", manifest.to_str().unwrap()]);
        assert_eq!(ended.verdict(), verdict, "{version} {gate:?}: {ended:#?}");
        assert_eq!(ended.code, if verdict == "KEPT" { 0 } else { 4 });
        assert_eq!(ended.json()["containers"][0]["name"], "mesh");
    }
}

#[test]
fn missing_rights() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    cluster.deny("POST", "/api/v1/namespaces/default/pods");
    let ended = ask(&place, &cluster, &[]).expect(6);
    assert_eq!(ended.verdict(), "FORBIDDEN", "{ended:#?}");
    let rules = ended.json()["missingRules"].to_string();
    assert!(rules.contains("create") && rules.contains("\"pods\""), "{rules}");
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    cluster.deny("POST", "/api/v1/namespaces/default/podtemplates");
    assert_eq!(ask(&place, &cluster, &[]).expect(0).verdict(), "KEPT", "the pod tells enough");
    cluster.admission(Admission::Strip);
    let ended = ask(&place, &cluster, &[]).expect(4);
    // The version alone tells who lost it; what the missing half needs is said all the same.
    assert_eq!(ended.verdict(), "STRIPPED_BY_ADMISSION", "{ended:#?}");
    let rules = ended.json()["missingRules"].to_string();
    assert!(rules.contains("\"podtemplates\"") && !rules.contains("\"pods\""), "{rules}");
}

/// An API server of an unknown age might store what it should only try.
#[test]
fn without_a_version_nothing_is_tried() {
    let html = Fault::Status(200, "<html>login</html>".to_owned());
    let odd = Fault::Status(200, "{\"gitVersion\":\"odd\"}".to_owned());
    let old = Fault::Status(200, "{\"gitVersion\":\"v1.11.3\"}".to_owned());
    for fault in [html, odd, old] {
        let place = Workplace::new();
        let cluster = FakeCluster::start(&place, "v1.36.3");
        cluster.fault("/version", fault.clone());
        let ended = ask(&place, &cluster, &[]).expect(6);
        assert_eq!(ended.verdict(), "UNKNOWN", "{fault:?}: {ended:#?}");
        assert!(cluster.seen().iter().all(|seen| seen.method == "GET"), "{ended:#?}");
    }
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    cluster.deny("GET", "/version");
    let ended = ask(&place, &cluster, &[]).expect(6);
    assert_eq!(ended.verdict(), "FORBIDDEN", "{ended:#?}");
    assert!(ended.json()["missingRules"].to_string().contains("nonResourceURLs"), "{ended:#?}");
    assert!(cluster.seen().iter().all(|seen| seen.method == "GET"), "{ended:#?}");
}

#[test]
fn a_namespace_that_does_not_exist() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    let ended = ask(&place, &cluster, &["--namespace", "gone"]).expect(6);
    assert!(ended.stdout.contains("gone"), "{ended:#?}");
    assert_eq!(ask(&place, &cluster, &["--namespace", "../x"]).code, 64);
}

#[test]
fn a_stalled_webhook_costs_no_more_than_the_time_limit() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    cluster.admission(Admission::Stall);
    let ended = ask(&place, &cluster, &["--request-timeout", "500ms"]);
    assert!([6, 7].contains(&ended.code), "{ended:#?}");
    assert!(ended.took < Duration::from_secs(10), "{:?}", ended.took);
    for fault in [Fault::Silent, Fault::Reset] {
        cluster.fault("/version", fault);
        ask(&place, &cluster, &["--request-timeout", "500ms"]).expect(7);
    }
}

/// An answer that only looks like one.
#[test]
fn answers_of_others_are_unknown() {
    for fault in [
        Fault::Status(200, "{}".to_owned()),
        Fault::Status(201, "<html>login</html>".to_owned()),
        Fault::Truncated(100),
        Fault::Reset,
    ] {
        let place = Workplace::new();
        let cluster = FakeCluster::start(&place, "v1.36.3");
        for resource in ["pods", "podtemplates"] {
            cluster.fault(&format!("/api/v1/namespaces/default/{resource}"), fault.clone());
        }
        let ended = ask(&place, &cluster, &[]);
        assert!([6, 7].contains(&ended.code), "{fault:?}: {ended:#?}");
        assert_ne!(ended.verdict(), "KEPT", "{fault:?}");
    }
}

#[test]
fn manifests_that_cannot_be_asked_about() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    for text in [
        "kind: Service\napiVersion: v1\n".to_owned(),
        WITH_PROBE.replace("restartPolicy: Always", "tty: false"),
        "a: [".to_owned(),
        format!("{WITH_PROBE}---{WITH_PROBE}"),
    ] {
        let manifest = write(&place, "pod.yaml", &text);
        let ended = ask(&place, &cluster, &["-f", manifest.to_str().unwrap()]).expect(64);
        assert!(ended.stderr.contains("pod.yaml"), "{ended:#?}");
    }
    ask(&place, &cluster, &["-f", "/no/such/file", "--output", "xml"]).expect(64);
    assert!(cluster.seen().is_empty(), "settings are checked before anything is asked");
}

#[test]
fn tables_are_for_people() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    cluster.admission(Admission::Strip);
    let ended = Probe::new(&place, &["dry-run"]).proxied(&cluster).run().expect(4);
    assert!(ended.stdout.contains("STRIPPED_BY_ADMISSION"), "{ended:#?}");
}
