//! Getting in: kubeconfigs of every kind, the service account of a pod, and what is told when it
//! does not work. No credential ever shows up in an output.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use e2e::kube_api::{FakeCluster, Gate, TOKEN, USER, exec_user};
use e2e::workplace::Workplace;

use crate::probe::{Probe, write};

fn cluster(place: &Workplace) -> FakeCluster {
    let cluster = FakeCluster::start(place, "v1.32.13");
    cluster.node("n1", "v1.32.13", Gate::Default);
    cluster
}

fn ask(place: &Workplace, cluster: &FakeCluster) -> Probe {
    Probe::new(place, &["cluster", "-o", "json"]).kubelets(cluster)
}

fn users(cluster: &FakeCluster) -> Vec<Option<String>> {
    let mut users: Vec<_> = cluster.seen().into_iter().map(|seen| seen.user).collect();
    users.dedup();
    users
}

#[test]
fn a_kubeconfig_with_a_token() {
    let place = Workplace::new();
    let cluster = cluster(&place);
    let file = cluster.kubeconfig();
    ask(&place, &cluster).arg("--kubeconfig").arg(&file).run().expect(0);
    let list = format!("/no/such/file:{}", file.display());
    ask(&place, &cluster).env("KUBECONFIG", &list).run().expect(0);
    let home = place.path().join(".kube");
    fs::create_dir(&home).unwrap();
    fs::copy(&file, home.join("config")).unwrap();
    ask(&place, &cluster).run().expect(0);
    ask(&place, &cluster).arg("--context").arg("test").run().expect(0);
    ask(&place, &cluster).arg("--context").arg("other").run().expect(64);
    assert_eq!(users(&cluster), [Some(USER.to_owned())]);
}

#[test]
fn a_client_certificate() {
    let place = Workplace::new();
    let cluster = cluster(&place);
    let file = cluster.kubeconfig_with_certificate("alice");
    ask(&place, &cluster).arg("--kubeconfig").arg(&file).run().expect(0);
    assert_eq!(users(&cluster), [Some("alice".to_owned())], "kubelets see it too");
    let pair = cluster.client_certificate("bob");
    let url = cluster.url();
    let flags = Probe::new(&place, &["cluster", "--server", &url, "--via", "version"]);
    let flags = flags.arg("--certificate-authority").arg(cluster.ca_file());
    let flags = flags.arg("--client-certificate").arg(&pair.certificate);
    flags.arg("--client-key").arg(&pair.key).run();
    assert_eq!(users(&cluster).last().unwrap().as_deref(), Some("bob"));
}

/// As on EKS, GKE and AKS. One run for all requests.
#[test]
fn an_exec_plugin() {
    let place = Workplace::new();
    let cluster = cluster(&place);
    for number in 2..8 {
        cluster.node(&format!("n{number}"), "v1.32.13", Gate::Default);
    }
    let (file, runs) = cluster.kubeconfig_with_plugin(TOKEN);
    ask(&place, &cluster).arg("--kubeconfig").arg(&file).run().expect(0);
    assert_eq!(fs::read_to_string(&runs).unwrap(), "run\n");
    let (file, _) = cluster.kubeconfig_with_plugin("wrong-token-of-the-plugin");
    let ended = ask(&place, &cluster).arg("--kubeconfig").arg(&file).run();
    assert!([6, 7].contains(&ended.code), "{ended:#?}");
    assert!(!format!("{ended:?}").contains("wrong-token-of-the-plugin"), "{ended:#?}");
}

#[test]
fn exec_plugins_that_do_not_work() {
    let place = Workplace::new();
    let cluster = cluster(&place);
    for (name, script, told) in [
        ("fails", "echo why it failed >&2; exit 3", "why it failed"),
        ("empty", "true", "plugin"),
        ("talks", "echo hello", "plugin"),
    ] {
        let file = cluster.kubeconfig_of(name, &exec_user(&format!("-c, \"{script}\"")));
        let ended = ask(&place, &cluster).arg("--kubeconfig").arg(&file).run();
        assert_eq!(ended.code, 6, "{name}: {ended:#?}");
        assert!(ended.stdout.contains("no credential"), "{name}: {ended:#?}");
        let text = format!("{}{}", ended.stdout, ended.stderr);
        assert!(text.contains(told), "{name}: {ended:#?}");
    }
}

#[test]
fn a_pod_of_the_cluster() {
    let place = Workplace::new();
    let cluster = cluster(&place);
    let account = cluster.service_account();
    ask(&place, &cluster).in_cluster(&account).run().expect(0);
    // The kubelet writes a new one long before the old one ends.
    cluster.rotate_token("token-after-an-hour");
    ask(&place, &cluster).in_cluster(&account).run().expect(6);
    account.write_token("token-after-an-hour");
    ask(&place, &cluster).in_cluster(&account).run().expect(0);
    let ended = Probe::new(&place, &["dry-run", "-o", "json"]).in_cluster(&account).run();
    assert_eq!(ended.expect(0).json()["namespace"], "default");
}

#[test]
fn a_stranger_gets_no_token() {
    let place = Workplace::new();
    let cluster = cluster(&place);
    let elsewhere = Workplace::new();
    let other = FakeCluster::start(&elsewhere, "v1.36.3");
    let probe = ask(&place, &cluster).arg("--kubeconfig").arg(cluster.kubeconfig());
    let probe = probe.arg("--certificate-authority").arg(other.ca_file());
    let ended = probe.run().expect(7);
    assert!(ended.stderr.contains("TLS") || ended.stdout.contains("TLS"), "{ended:#?}");
    assert!(cluster.seen().is_empty());
    let token = write(&place, "token", TOKEN);
    let plain = Probe::new(&place, &["cluster"]).proxied(&cluster);
    plain.arg("--token-file").arg(&token).run().expect(64);
    assert!(cluster.seen().is_empty(), "nothing is sent in the clear");
}

/// A node writes its own address. Whoever verifies nothing would send the token there.
#[test]
fn nobody_unverified_gets_a_token_at_an_address_of_the_cluster() {
    let place = Workplace::new();
    let cluster = cluster(&place);
    cluster.replica("v1.32.13", Gate::Default);
    let token = write(&place, "token", TOKEN);
    let insecure = || {
        let url = cluster.url();
        let probe = Probe::new(&place, &["cluster", "-o", "json", "--server", &url]);
        probe.arg("--token-file").arg(&token).arg("--insecure-skip-tls-verify")
    };
    let ended = insecure().run().expect(6);
    assert_eq!(ended.verdict(), "UNKNOWN");
    for told in ["kubelet-unverified", "--kubelet-insecure", "apiservers-unverified"] {
        assert!(ended.stdout.contains(told), "{told}: {ended:#?}");
    }
    let asked = |start: &str| cluster.was_asked(start);
    assert!(!asked("kubelet://") && !asked("replica://1"), "{:#?}", cluster.seen());
    insecure().kubelets(&cluster).run().expect(0);
    assert!(!asked("replica://1"), "an authority for kubelets is none for API servers");
    insecure().arg("--kubelet-insecure").run().expect(0);
    assert!(asked("replica://1"), "{:#?}", cluster.seen());
}

/// Somebody has to know why nothing answers where only a proxy gets out.
#[test]
fn a_proxy_that_is_ignored_is_told() {
    let place = Workplace::new();
    let cluster = cluster(&place);
    let told = |url: &str| {
        let probe = Probe::new(&place, &["cluster", "--server", url]);
        let probe = probe.env("HTTPS_PROXY", "http://me:sesame@127.0.0.1:9");
        let ended = probe.arg("--certificate-authority").arg(cluster.ca_file()).run();
        assert!(!format!("{ended:?}").contains("sesame"), "{ended:#?}");
        ended.stderr.matches("kubectl proxy").count()
    };
    assert_eq!(told(&cluster.url()), 0, "loopback needs no proxy");
    assert_eq!(told("https://api.invalid:1"), 1);
}

#[test]
fn anonymous_requests_are_refused_and_told() {
    let place = Workplace::new();
    let cluster = cluster(&place);
    let url = cluster.url();
    let probe = Probe::new(&place, &["cluster", "-o", "json", "--server", &url]);
    let ended = probe.arg("--certificate-authority").arg(cluster.ca_file()).run().expect(6);
    assert!(ended.stdout.contains("system:anonymous"), "{ended:#?}");
}

#[test]
fn kubeconfigs_that_cannot_be_used() {
    let place = Workplace::new();
    let cluster = cluster(&place);
    let good = fs::read_to_string(cluster.kubeconfig()).unwrap();
    for (name, text) in [
        ("empty", String::new()),
        ("broken", "a: [".to_owned()),
        ("no-context", good.replace("current-context: test", "current-context: gone")),
        ("no-user", good.replace("user: me", "user: you")),
        ("no-ca", good.replace("cluster-ca.pem", "gone.pem")),
        ("no-server", good.replace("server: https", "server: ftp")),
        ("half", good.replace("    token: ", "    client-certificate: /x\n    password: ")),
    ] {
        let file = write(&place, name, &text);
        let ended = ask(&place, &cluster).arg("--kubeconfig").arg(&file).run();
        assert_eq!(ended.code, 64, "{name}: {ended:#?}");
        assert!(ended.stderr.contains("kubeconfig"), "{name}: {ended:#?}");
        assert!(!ended.stderr.contains(TOKEN), "{name}: {ended:#?}");
    }
    assert!(cluster.seen().is_empty());
}

/// The most that is said, said of every way in.
#[test]
fn credentials_are_never_shown() {
    let place = Workplace::new();
    let cluster = cluster(&place);
    let (plugin, _) = cluster.kubeconfig_with_plugin(TOKEN);
    for file in [cluster.kubeconfig(), plugin] {
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let probe = ask(&place, &cluster).arg("--log-level").arg("trace");
        let ended = probe.arg("--kubeconfig").arg(&file).run().expect(0);
        assert!(!format!("{ended:?}").contains(TOKEN), "{ended:#?}");
    }
}
