//! What is typed wrong, is silent or goes away: told with its name, nothing done, nothing hung.

use std::fs::{self, File, OpenOptions};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use e2e::binary::built;
use e2e::kube_api::{FakeCluster, Gate};
use e2e::pace::SOON;
use e2e::process::{Guard, Signal, command};
use e2e::workplace::Workplace;
use serde_json::Value;

use crate::probe::{Probe, write};

/// Every command that asks an API server.
const QUESTIONS: [&[&str]; 6] =
    [&["cluster"], &["node", "n1"], &["dry-run"], &["webhooks"], &["workloads"], &["crds"]];
/// A manifest without fault.
const PLAIN: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: []}\n";

#[test]
fn nothing_is_asked_after_a_rejected_setting() {
    let place = Workplace::new();
    let cluster = FakeCluster::start(&place, "v1.36.3");
    cluster.node("n1", "v1.36.3", Gate::Default);
    for question in QUESTIONS {
        let arguments = [question, &["--log-level", "loud"]].concat();
        let ended = Probe::new(&place, &arguments).with_token(&cluster).run().expect(64);
        assert!(ended.stdout.is_empty() && ended.stderr.contains("loud"), "{ended:#?}");
    }
    assert!(cluster.seen().is_empty(), "{:#?}", cluster.seen());
}

#[test]
fn nothing_is_done_after_a_rejected_setting() {
    let place = Workplace::new();
    let file = write(&place, "pod.yaml", PLAIN);
    let (file, state) = (file.to_str().unwrap(), place.state());
    let folder = state.to_str().unwrap();
    for work in [
        &["lint", file][..],
        &["crds", "--file", file],
        &["webhooks", "--audit", file],
        &["universal", "copy", folder],
        &["universal", "status", "--dir", folder, "--name", "web"],
        &["universal", "ready", "--dir", folder, "--name", "web"],
        &["universal", "arbiter", "--dir", folder, "--name", "web"],
        &["wait-for", "file:///no/such/file"],
    ] {
        let ended = Probe::new(&place, &[work, &["--log-format", "prose"]].concat()).run();
        assert!(ended.expect(64).stdout.is_empty(), "{work:?}");
        assert_eq!(fs::read_dir(&state).unwrap().count(), 0, "{work:?}");
    }
}

/// The setting that the first complaint is about, and its value.
fn blamed(place: &Workplace, arguments: &[&str]) -> (String, String) {
    let ended = Probe::new(place, arguments).run().expect(64);
    let lines = ended.stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let complaint = lines.into_iter().find(|line| line["level"] == "ERROR").unwrap();
    assert!(!complaint["reason"].as_str().unwrap_or_default().is_empty(), "{complaint}");
    let text = |key: &str| complaint[key].as_str().unwrap_or_default().to_owned();
    (text("setting"), text("value"))
}

#[test]
fn the_flag_to_blame_is_named_with_its_value() {
    let place = Workplace::new();
    let plain = write(&place, "pod.yaml", PLAIN);
    let plain = plain.to_str().unwrap();
    let folder = place.path().to_str().unwrap();
    let server = "https://127.0.0.1:1";
    let ask = ["cluster", "--server", server];
    for (flag, file) in [
        ("token-file", folder),
        ("token-file", "/no/such/file"),
        ("certificate-authority", folder),
        ("certificate-authority", plain),
        ("kubelet-ca", folder),
        ("kubelet-ca", plain),
    ] {
        let given = format!("--{flag}={file}");
        let found = blamed(&place, &[&ask[..], &[&given]].concat());
        assert_eq!(found, (flag.to_owned(), file.to_owned()));
    }
    let pair = ["--client-certificate", "/no/such/file", "--client-key", plain];
    let found = blamed(&place, &[&ask[..], &pair].concat());
    assert_eq!(found, ("client-certificate".to_owned(), "/no/such/file".to_owned()));
    let found = blamed(&place, &[&ask[..], &["--tls-server-name", "a b"]].concat());
    assert_eq!(found, ("server".to_owned(), server.to_owned()));
    let found = blamed(&place, &["universal", "status", "--dir", folder, "--name", "a/b"]);
    assert_eq!(found, ("name".to_owned(), "a/b".to_owned()));
    for (command, setting) in [("lint", "files"), ("crds -f", "file"), ("dry-run -f", "file")] {
        let words: Vec<&str> = command.split(' ').chain([folder]).collect();
        let ask = ["--server", server];
        let with_server = if command == "lint" { &[][..] } else { &ask };
        let found = blamed(&place, &[&words, with_server].concat());
        assert_eq!(found, (setting.to_owned(), folder.to_owned()));
    }
}

/// A list that could not be read is not an empty one.
#[test]
fn a_dead_server_is_no_answer() {
    let place = Workplace::new();
    for question in QUESTIONS {
        let arguments = [question, &["--server", "http://127.0.0.1:1"]].concat();
        let ended = Probe::new(&place, &arguments).run().expect(7);
        assert!(ended.stdout.contains("refused"), "{ended:#?}");
        assert!(!ended.stdout.contains("no mutating webhook"), "{ended:#?}");
    }
}

/// As process 1 of a container, which no signal ends that it does not handle.
#[test]
fn a_signal_ends_a_question_that_gets_no_answer() {
    let place = Workplace::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    for (question, signal) in QUESTIONS.iter().zip([Signal::TERM, Signal::INT].iter().cycle()) {
        let mut unshare = command("unshare");
        unshare.args(["--pid", "--fork", "--kill-child"]).arg(built("native-sidecar-probe"));
        unshare.args(*question).args(["--server", &url, "--request-timeout", "10m"]);
        let mut guard = Guard::spawn(unshare, place.path(), "asking");
        let _silence = listener.accept().unwrap();
        let children = format!("/proc/{0}/task/{0}/children", guard.pid());
        let child: i32 = fs::read_to_string(children).unwrap().trim().parse().unwrap();
        let child = rustix::process::Pid::from_raw(child).unwrap();
        rustix::process::kill_process(child, *signal).unwrap();
        assert_eq!(guard.wait_code(SOON), 75, "{question:?}: {}", guard.stderr_text());
        assert!(guard.stderr_text().contains("Ended by a signal"), "{}", guard.stderr_text());
    }
}

#[test]
fn a_silent_sidecar_is_told_as_such() {
    let place = Workplace::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/quitquitquit", listener.local_addr().unwrap());
    let limits = ["--post-timeout", "100ms", "--post-deadline", "0s"];
    let arguments = [&["shutdown", "--post", &url], &limits[..], &["--", "true"]].concat();
    let ended = Probe::new(&place, &arguments).run().expect(0);
    assert!(ended.stderr.contains("no answer in time"), "{ended:#?}");
    assert!(ended.took < Duration::from_secs(10), "{:?}", ended.took);
}

/// How a run ends whose report goes there.
fn lint_into(place: &Workplace, file: &Path, stdout: impl Into<Stdio>) -> (i32, String) {
    let mut lint = command(built("native-sidecar-probe"));
    lint.arg("lint").arg(file).stdout(stdout);
    let mut guard = Guard::spawn(lint, place.path(), "lint");
    (guard.wait_code(SOON), guard.stderr_text())
}

#[test]
fn a_reader_may_go_away_but_a_full_disk_is_told() {
    let place = Workplace::new();
    let file = write(&place, "pod.yaml", PLAIN);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(lint_into(&place, &file, writer), (0, String::new()));
    let full: File = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (code, told) = lint_into(&place, &file, full);
    assert_eq!(code, 69, "{told}");
    assert!(told.contains("Standard output is lost"), "{told}");
}
