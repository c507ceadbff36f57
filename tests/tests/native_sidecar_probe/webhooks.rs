//! `webhooks`: who a pod meets on its way in, and who takes the field, by asking real endpoints.

use std::fs;

use e2e::kube_api::{Conduct, FakeCluster, FakeWebhook, Fault, Gate, MUTATING_WEBHOOKS};
use e2e::workplace::Workplace;
use serde_json::{Value, json};

use crate::probe::{Ended, Probe};

fn ask(place: &Workplace, cluster: &FakeCluster, more: &[&str]) -> Ended {
    let mut arguments = vec!["webhooks", "-o", "json"];
    arguments.extend(more);
    Probe::new(place, &arguments).with_token(cluster).run()
}

/// A cluster whose webhooks are these, in this order by the names of their configurations.
fn cluster_with(place: &Workplace, hooks: &[&FakeWebhook]) -> FakeCluster {
    let cluster = FakeCluster::start(place, "v1.36.3");
    for hook in hooks {
        cluster.object(MUTATING_WEBHOOKS, hook.configuration());
    }
    cluster
}

fn losses<'a>(report: &'a Value, webhook: &str) -> &'a Value {
    let steps = report["replay"].as_array().into_iter().flatten();
    let step = steps.clone().find(|step| step["webhook"] == webhook);
    assert!(step.is_some(), "{report:#}");
    &step.unwrap()["losses"]
}

#[test]
fn webhooks_are_listed_in_call_order() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    let hook = |name: &str, change: &dyn Fn(&mut Value)| {
        let hook = FakeWebhook::start(&place, name, Conduct::Keep);
        let mut configuration = hook.configuration();
        change(&mut configuration["webhooks"][0]);
        cluster.object(MUTATING_WEBHOOKS, configuration);
        hook
    };
    let _z = hook("z-last.example.com", &|hook| hook["reinvocationPolicy"] = json!("IfNeeded"));
    let _a = hook("a-first.example.com", &|hook| hook["failurePolicy"] = json!("Ignore"));
    let _side = hook("m-side.example.com", &|hook| hook["sideEffects"] = json!("Some"));
    let _other = hook("b-other.example.com", &|hook| {
        hook["objectSelector"] = json!({ "matchLabels": { "inject": "yes" } });
    });
    let _elsewhere = hook("c-elsewhere.example.com", &|hook| {
        let names = json!(["kube-system"]);
        hook["namespaceSelector"] = json!({ "matchExpressions": [{
            "key": "kubernetes.io/metadata.name", "operator": "In", "values": names }] });
    });
    let _services = hook("d-services.example.com", &|hook| {
        hook["rules"][0]["resources"] = json!(["services"]);
    });
    let report = ask(&place, &cluster, &[]).expect(0).json();
    let names = |report: &Value| {
        let hooks = report["webhooks"].as_array().unwrap().iter();
        hooks.map(|hook| hook["webhook"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let expected = ["a-first.example.com", "m-side.example.com", "z-last.example.com"];
    assert_eq!(names(&report), expected, "{report:#}");
    assert_eq!(report["webhooks"][0]["failurePolicy"], "Ignore");
    assert_eq!(report["webhooks"][1]["blocksDryRun"], true);
    assert_eq!(report["webhooks"][2]["reinvocationPolicy"], "IfNeeded");
    let labelled = ask(&place, &cluster, &["--labels", "inject=yes"]).json();
    assert_eq!(names(&labelled).len(), 4, "{labelled:#}");
    let elsewhere = ask(&place, &cluster, &["--namespace", "kube-system"]).json();
    assert!(names(&elsewhere).contains(&"c-elsewhere.example.com".to_owned()), "{elsewhere:#}");
}

#[test]
fn the_guilty_one_is_named() {
    for conduct in [Conduct::Remove, Conduct::ReplaceList, Conduct::Move] {
        let place = Workplace::new();
        let good = FakeWebhook::start(&place, "a-good.example.com", Conduct::Label);
        let bad = FakeWebhook::start(&place, "b-bad.example.com", conduct.clone());
        let after = FakeWebhook::start(&place, "c-after.example.com", Conduct::Keep);
        let cluster = cluster_with(&place, &[&good, &bad, &after]);
        let manifest = place.path().join("pod.yaml");
        // The sidecar is the first init container.
        let pod = "{kind: Pod, apiVersion: v1, metadata: {name: p}, spec: {initContainers: [{name: \
                   mesh, image: i, restartPolicy: Always}], containers: [{name: m, image: i}]}}";
        fs::write(&manifest, pod).unwrap();
        let ended = ask(&place, &cluster, &["--replay", "-f", manifest.to_str().unwrap()]);
        let report = ended.expect(4).json();
        assert_eq!(losses(&report, "a-good.example.com"), &json!([]), "{report:#}");
        let loss = &losses(&report, "b-bad.example.com")[0];
        assert_eq!(loss["container"], "mesh", "{conduct:?}: {report:#}");
        assert!(loss["operation"]["op"].is_string(), "{conduct:?}: {report:#}");
        // The next one sees what is left.
        let seen = &after.reviews()[0]["request"]["object"];
        let mesh = seen["spec"]["initContainers"].as_array().unwrap().iter();
        let mesh = mesh.clone().find(|container| container["name"] == "mesh").unwrap();
        assert!(mesh["restartPolicy"].is_null(), "{seen:#}");
        assert_eq!(seen["metadata"]["annotations"]["seen"], "yes");
    }
}

#[test]
fn a_review_is_what_the_api_server_sends() {
    let place = Workplace::new();
    let hook = FakeWebhook::start(&place, "keep.example.com", Conduct::Keep);
    let cluster = cluster_with(&place, &[&hook]);
    let report = ask(&place, &cluster, &["--replay"]).expect(0).json();
    assert_eq!(report["verdict"], "KEPT", "{report:#}");
    let review = &hook.reviews()[0];
    assert_eq!(review["apiVersion"], "admission.k8s.io/v1");
    let request = &review["request"];
    assert_eq!(request["operation"], "CREATE");
    assert_eq!(request["kind"], json!({ "group": "", "version": "v1", "kind": "Pod" }));
    assert_eq!(request["resource"], json!({ "group": "", "version": "v1", "resource": "pods" }));
    assert_eq!((&request["namespace"], &request["dryRun"]), (&json!("default"), &json!(true)));
    assert_eq!(request["object"]["kind"], "Pod");
    // With the API server's defaults, which webhooks rely on.
    let container = &request["object"]["spec"]["containers"][0];
    assert_eq!(container["terminationMessagePath"], "/dev/termination-log", "{request:#}");
}

/// Services are reached through their cluster address, or where --connect-to says.
#[test]
fn a_webhook_behind_a_service() {
    let place = Workplace::new();
    let hook = FakeWebhook::start(&place, "mesh.example.com", Conduct::Remove);
    let cluster = FakeCluster::start(&place, "v1.36.3");
    cluster.object(MUTATING_WEBHOOKS, hook.service_configuration());
    let detour = format!("mesh.example.com={}", hook.address());
    let ended = ask(&place, &cluster, &["--replay", "--connect-to", &detour]);
    assert_eq!(hook.reviews().len(), 1, "its certificate is for the service: {ended:#?}");
    let ended = ask(&place, &cluster, &["--replay", "--request-timeout", "500ms"]).expect(6);
    assert!(ended.stdout.contains("mesh.example.com"), "{ended:#?}");
}

#[test]
fn webhooks_that_do_not_answer_well() {
    for conduct in [
        Conduct::WrongUid,
        Conduct::Faulty(Fault::Silent),
        Conduct::Faulty(Fault::Reset),
        Conduct::Faulty(Fault::Status(500, "oops".to_owned())),
        Conduct::Faulty(Fault::Status(200, "no json".to_owned())),
        Conduct::Faulty(Fault::Truncated(5)),
    ] {
        let place = Workplace::new();
        let hook = FakeWebhook::start(&place, "odd.example.com", conduct.clone());
        let cluster = FakeCluster::start(&place, "v1.36.3");
        let mut configuration = hook.configuration();
        configuration["webhooks"][0]["timeoutSeconds"] = json!(1);
        cluster.object(MUTATING_WEBHOOKS, configuration);
        let ended = ask(&place, &cluster, &["--replay"]).expect(6);
        assert!(ended.stdout.contains("failed"), "{conduct:?}: {ended:#?}");
        assert!(ended.took.as_secs() < 10, "{conduct:?}: {:?}", ended.took);
    }
    let place = Workplace::new();
    let deny = Conduct::Deny("not today".to_owned());
    let hook = FakeWebhook::start(&place, "deny.example.com", deny);
    let ended = ask(&place, &cluster_with(&place, &[&hook]), &["--replay"]).expect(5);
    assert!(ended.stdout.contains("not today"), "{ended:#?}");
}

/// A review would have side effects there, so there is none.
#[test]
fn webhooks_with_side_effects_are_not_asked() {
    let place = Workplace::new();
    let hook = FakeWebhook::start(&place, "side.example.com", Conduct::Remove);
    let cluster = FakeCluster::start(&place, "v1.36.3");
    let mut configuration = hook.configuration();
    configuration["webhooks"][0]["sideEffects"] = json!("Unknown");
    cluster.object(MUTATING_WEBHOOKS, configuration);
    let ended = ask(&place, &cluster, &["--replay"]).expect(6);
    assert!(hook.reviews().is_empty(), "{ended:#?}");
    assert!(ended.stdout.contains("side effects"), "{ended:#?}");
}

#[test]
fn a_certificate_of_another_authority_is_refused() {
    let place = Workplace::new();
    let other = FakeWebhook::start(&place, "other.example.com", Conduct::Keep);
    let hook = FakeWebhook::start(&place, "mesh.example.com", Conduct::Keep);
    let cluster = FakeCluster::start(&place, "v1.36.3");
    let mut configuration = hook.configuration();
    let bundle = other.configuration()["webhooks"][0]["clientConfig"]["caBundle"].clone();
    configuration["webhooks"][0]["clientConfig"]["caBundle"] = bundle;
    cluster.object(MUTATING_WEBHOOKS, configuration);
    ask(&place, &cluster, &["--replay"]).expect(6);
    assert!(hook.reviews().is_empty());
}

/// CEL policies that change pods, from 1.36 on; older API servers do not have the resource.
#[test]
fn policies_are_listed_too() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    let group = "/apis/admissionregistration.k8s.io/v1";
    let policy = json!({
        "kind": "MutatingAdmissionPolicy", "apiVersion": "admissionregistration.k8s.io/v1",
        "metadata": { "name": "tidy-pods" },
        "spec": { "matchConstraints": { "resourceRules": [{ "operations": ["CREATE"],
                "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"] }] },
            "failurePolicy": "Fail", "reinvocationPolicy": "IfNeeded",
            "mutations": [{ "patchType": "JSONPatch", "jsonPatch": { "expression":
                "[JSONPatch{op: 'remove', path: '/spec/initContainers/0/restartPolicy'}]" } }] },
    });
    let binding = json!({
        "kind": "MutatingAdmissionPolicyBinding",
        "apiVersion": "admissionregistration.k8s.io/v1",
        "metadata": { "name": "tidy-pods-everywhere" }, "spec": { "policyName": "tidy-pods" },
    });
    cluster.object(&format!("{group}/mutatingadmissionpolicies"), policy);
    cluster.object(&format!("{group}/mutatingadmissionpolicybindings"), binding);
    let report = ask(&place, &cluster, &[]).expect(0).json();
    assert_eq!(report["policies"][0]["policy"], "tidy-pods", "{report:#}");
    assert_eq!(report["policies"][0]["binding"], "tidy-pods-everywhere");
    cluster.deny("GET", &format!("{group}/mutatingadmissionpolicies"));
    let rules = ask(&place, &cluster, &[]).json()["missingRules"].to_string();
    assert!(rules.contains("mutatingadmissionpolicies"), "{rules}");
    let older = FakeCluster::start(&place, "v1.32.13");
    let report = ask(&place, &older, &[]).expect(0).json();
    assert_eq!(report["policies"], json!([]), "{report:#}");
    // Forbidden comes before not found, and nobody can be granted what does not exist.
    older.deny("GET", &format!("{group}/mutatingadmissionpolicies"));
    let report = ask(&place, &older, &[]).expect(0).json();
    assert_eq!(report["missingRules"], json!([]), "{report:#}");
}

#[test]
fn missing_rights_and_lost_servers() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    cluster.deny("GET", MUTATING_WEBHOOKS);
    let ended = ask(&place, &cluster, &[]).expect(6);
    let rules = ended.json()["missingRules"].to_string();
    assert!(rules.contains("mutatingwebhookconfigurations"), "{rules}");
    cluster.fault(MUTATING_WEBHOOKS, Fault::Reset);
    ask(&place, &cluster, &[]).expect(7);
    let off = FakeCluster::start_gated(&place, "v1.32.13", Gate::Off);
    let ended = ask(&place, &off, &["--replay"]).expect(4);
    assert_eq!(ended.verdict(), "DROPPED_BY_APISERVER", "{ended:#?}");
}

/// The API server names the webhook and its patch in audit annotations.
#[test]
fn audit_annotations_name_the_guilty_one() {
    let place = Workplace::new();
    let patch = json!({ "configuration": "bad", "webhook": "bad.example.com",
        "patch": [{ "op": "remove", "path": "/spec/initContainers/0/restartPolicy" }],
        "patchType": "JSONPatch" });
    let mutation = json!({ "configuration": "bad", "webhook": "bad.example.com", "mutated": true });
    let sidecar = json!({ "name": "mesh", "image": "i", "restartPolicy": "Always" });
    let event = json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Request",
        "stage": "ResponseComplete", "verb": "create",
        "requestURI": "/api/v1/namespaces/default/pods",
        "objectRef": { "resource": "pods", "namespace": "default", "name": "web-1",
            "apiVersion": "v1" },
        "responseStatus": { "code": 201 },
        "requestObject": { "kind": "Pod", "apiVersion": "v1", "metadata": { "name": "web-1" },
            "spec": { "initContainers": [sidecar],
                "containers": [{ "name": "m", "image": "i" }] } },
        "annotations": {
            "mutation.webhook.admission.k8s.io/round_0_index_0": mutation.to_string(),
            "patch.webhook.admission.k8s.io/round_0_index_0": patch.to_string(),
        },
    });
    let log = place.path().join("audit.log");
    fs::write(&log, format!("{event}\nnot an event\n")).unwrap();
    let probe = Probe::new(&place, &["webhooks", "-o", "json", "--audit"]).arg(&log);
    let ended = probe.run().expect(4);
    assert!(ended.stdout.contains("bad.example.com"), "{ended:#?}");
    assert!(ended.stdout.contains("mesh"), "the container by its name: {ended:#?}");
    Probe::new(&place, &["webhooks", "--audit", "/no/such/log"]).run().expect(64);
}
