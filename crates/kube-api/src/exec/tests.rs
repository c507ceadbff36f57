use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

const V1: &str = "client.authentication.k8s.io/v1";

/// A plugin that is a shell script.
fn script(folder: &tempfile::TempDir, text: &str) -> Plugin {
    let command = folder.path().join("plugin");
    // Written under another name first: a file that is open for writing cannot be started.
    let draft = folder.path().join("draft");
    fs::write(&draft, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&draft, &command).unwrap();
    Plugin {
        command,
        args: vec!["one".to_owned()],
        env: vec![("GREETING".to_owned(), "hello".to_owned())],
        api_version: ApiVersion::V1,
        install_hint: Some("get it there\n".to_owned()),
        provide_cluster: true,
        extension: Some(json!({"audience": "x"})),
        cluster: None,
    }
}

/// The error of a script, without its path.
async fn reason(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    match script(&folder, text).run().await {
        Err(AccessError::Plugin { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_program_is_told_about_the_cluster_and_answers() {
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let mut plugin = script(
        &folder,
        &format!(
            "printf '%s %s %s' \"$1\" \"$GREETING\" \"$KUBERNETES_EXEC_INFO\" > {}\n\
             printf '{{\"kind\":\"ExecCredential\",\"apiVersion\":\"{V1}\",\
             \"status\":{{\"token\":\"t1\",\"expirationTimestamp\":\"2030-01-01T00:00:00Z\"}}}}'",
            seen.display()
        ),
    );
    let roots = Roots::Pem { text: b"CA".as_slice().into(), origin: "".into() };
    plugin.know_cluster(&Server::parse("https://h:1/p").unwrap(), Some("n"), &roots);
    let credential = plugin.run().await.unwrap();
    assert_eq!(credential.authorization.unwrap(), "Bearer t1");
    assert_eq!(credential.expires, moment("2030-01-01T00:00:00Z"));
    let seen = fs::read_to_string(seen).unwrap();
    let info: Value = serde_json::from_str(seen.strip_prefix("one hello ").unwrap()).unwrap();
    let cluster = json!({
        "server": "https://h:1/p", "tls-server-name": "n",
        "certificate-authority-data": "Q0E=", "config": {"audience": "x"},
    });
    let spec = json!({"cluster": cluster, "interactive": false});
    assert_eq!(info, json!({"kind": "ExecCredential", "apiVersion": V1, "spec": spec}));
}

#[tokio::test]
async fn a_program_that_fails_is_quoted() {
    assert!(
        reason("echo first >&2; echo log in first >&2; exit 3").await.ends_with("log in first")
    );
    assert_eq!(reason("exit 3").await, "ended with exit status: 3");
    assert_eq!(reason("echo sesame").await, "its output is not JSON: line 1, column 1");
    assert!(reason("head -c 2000000 /dev/zero").await.contains("larger than"));
}

#[tokio::test]
async fn a_program_that_is_missing_comes_with_its_hint() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = Plugin { command: folder.path().join("none"), ..script(&folder, "") };
    let error = plugin.run().await.unwrap_err().to_string();
    assert!(error.contains("/none'") && error.ends_with("; get it there"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_program_that_hangs_is_given_up() {
    assert_eq!(reason("exec sleep 100").await, "no answer within 30s");
}

#[test]
fn answers() {
    let check = |answer: Value| match credential(&answer, ApiVersion::V1) {
        Ok(credential) => {
            format!("{} {}", credential.authorization.is_some(), credential.certificate.is_some())
        }
        Err(reason) => reason,
    };
    let answer = |status: Value| json!({"kind":"ExecCredential","apiVersion":V1,"status":status});
    assert_eq!(check(answer(json!({"token": "a"}))), "true false");
    let certificate = json!({"clientCertificateData": "c", "clientKeyData": "k"});
    assert_eq!(check(answer(certificate)), "false true");
    let half = json!({"token": "a", "clientKeyData": "k"});
    assert!(check(answer(half)).contains("only one of"));
    assert!(check(answer(json!({}))).contains("neither a token"));
    assert!(check(json!([])).contains("no ExecCredential"));
    let bad_time = json!({"token": "a", "expirationTimestamp": "soon"});
    assert!(check(answer(bad_time)).contains("is no time"));
    let old = json!({"kind": "ExecCredential", "apiVersion": "x", "status": {"token": "a"}});
    assert!(check(old).contains("apiVersion 'x'"));
}

#[test]
fn moments_have_offsets() {
    let utc = moment("2030-01-01T10:30:00Z").unwrap();
    assert_eq!(moment("2030-01-01T12:00:00+01:30"), Some(utc));
    assert_eq!(moment("2030-01-01T02:30:00-08:00"), Some(utc));
    assert_eq!(moment("2030-01-01T10:30:00.5Z"), Some(utc + Duration::from_millis(500)));
    for text in ["", "soon", "2030-01-01", "é+00:00", "2030-01-01T10:30:00*01:00"] {
        assert_eq!(moment(text), None, "{text}");
    }
}
