use super::*;
use crate::client::{Address, Request};
use crate::curl::curl;

fn get(cluster: &FakeCluster, path: &str) -> (u16, Value) {
    let answer = Request::get(path).send(&Address::Tcp(cluster.proxy)).unwrap();
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

#[test]
fn the_proxy_asks_for_no_credential() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.32.13");
    cluster.node("n1", "v1.32.13", Gate::Off);
    assert_eq!(get(&cluster, "/version").1["gitVersion"], "v1.32.13");
    let (_, nodes) = get(&cluster, "/api/v1/nodes?limit=500");
    assert_eq!(nodes["items"][0]["status"]["nodeInfo"]["kubeletVersion"], "v1.32.13");
    let answer = Request::get("/api/v1/nodes/n1/proxy/metrics").send(&cluster.proxy.into());
    let text = String::from_utf8(answer.unwrap().body).unwrap();
    assert!(text.contains("{name=\"SidecarContainers\",stage=\"BETA\"} 0\n"));
    cluster.deny("GET", "/metrics").fault("/version", Fault::Truncated(10));
    assert_eq!(get(&cluster, "/metrics").1["reason"], "Forbidden");
    assert!(get(&cluster, "/version").1.is_null());
    assert!(cluster.was_asked("/api/v1/nodes?limit"));
}

#[test]
fn a_credential_is_asked_for() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    let pair = cluster.client_certificate("alice");
    let ca = cluster.ca_file();
    let url = format!("{}/api/v1/nodes", cluster.url());
    let ask = |arguments: &[&str]| {
        let mut all = vec!["--cacert", ca.to_str().unwrap(), &url];
        all.extend(arguments);
        curl(&all)
    };
    let nobody = ask(&[]);
    assert_eq!(nobody.status, 403, "{}", nobody.error);
    assert!(nobody.text.contains("User \\\"system:anonymous\\\" cannot list resource"));
    assert_eq!(ask(&["-H", &format!("authorization: Bearer {TOKEN}")]).status, 200);
    assert_eq!(ask(&["-H", "authorization: Bearer wrong"]).status, 401);
    let (certificate, key) = (pair.certificate.to_str().unwrap(), pair.key.to_str().unwrap());
    assert_eq!(ask(&["--cert", certificate, "--key", key]).status, 200);
    let seen = cluster.seen();
    assert_eq!(seen[3].user.as_deref(), Some("alice"));
}

#[test]
fn what_would_change_the_cluster_is_a_failure() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    let url = format!("{}/api/v1/namespaces/default/pods", cluster.proxy_url());
    assert_eq!(curl(&["-d", "{}", &url]).status, 500);
    assert_eq!(curl(&["-X", "DELETE", &url]).status, 405);
    let wrong = std::mem::take(&mut cluster.shared.lock().wrong);
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    let pod = r#"{"kind":"Pod","metadata":{"name":"x"},"spec":{"containers":[]}}"#;
    assert_eq!(curl(&["-d", pod, &format!("{url}?dryRun=All")]).status, 201);
}

#[test]
fn api_servers_beside_each_other_differ() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.32.13");
    cluster.replica("v1.31.9", Gate::Off);
    let (_, slices) = get(&cluster, "/apis/discovery.k8s.io/v1/endpointslices");
    let second = slices["items"][0]["endpoints"][1]["addresses"][0].as_str().unwrap();
    let port = slices["items"][0]["ports"][0]["port"].as_u64().unwrap();
    let ca = cluster.ca_file();
    let resolve = format!("{SERVICE_NAME}:{port}:{second}");
    let url = format!("https://{SERVICE_NAME}:{port}/version");
    let answer = curl(&["--cacert", ca.to_str().unwrap(), "--resolve", &resolve, &url]);
    assert!(answer.text.contains("v1.31.9"), "{} {}", answer.text, answer.error);
}

#[test]
fn a_webhook_answers_reviews() {
    let place = Workplace::new();
    let hook = FakeWebhook::start(&place, "strip.example.com", Conduct::Remove);
    let review = r#"{"kind":"AdmissionReview","request":{"uid":"u","dryRun":true,"object":{}}}"#;
    let answer = curl(&["--insecure", "-d", review, &hook.url()]);
    assert!(answer.text.contains("\"uid\":\"u\""), "{} {}", answer.text, answer.error);
    assert_eq!(hook.reviews().len(), 1);
    assert_eq!(hook.configuration()["webhooks"][0]["name"], "strip.example.com");
}
