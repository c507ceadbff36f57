//! `wait-for`: what init containers wait for, with servers that come late or never.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::time::Duration;

use e2e::binary::built;
use e2e::certificates::Authority;
use e2e::loopback::own_address;
use e2e::name_server::NameServer;
use e2e::pace::{SOON, wait_until};
use e2e::pod::in_pod;
use e2e::process::{Guard, Signal, command};
use e2e::upstream::{PAGE, Reply, Upstream, answer};
use e2e::workplace::{Workplace, free_address};

use crate::probe::Probe;

fn waiting(place: &Workplace, arguments: &[&str]) -> Guard {
    let mut all = vec!["wait-for", "--interval", "50ms"];
    all.extend(arguments);
    Probe::new(place, &all).start()
}

/// Waits until the log tells that this condition failed once.
fn until_it_waits(guard: &Guard, what: &str) {
    let told =
        || guard.stderr_text().lines().any(|line| line.contains("Waiting") && line.contains(what));
    wait_until(what, SOON, told);
}

#[test]
fn it_waits_for_a_port() {
    let place = Workplace::new();
    let address = own_address();
    let condition = format!("tcp://{address}");
    let mut guard = waiting(&place, &[&condition]);
    until_it_waits(&guard, "refused");
    assert!(guard.is_running());
    let _listener = TcpListener::bind(address).unwrap();
    assert_eq!(guard.wait_code(SOON), 0, "{}", guard.stderr_text());
}

#[test]
fn it_waits_for_a_status() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::Keep(answer("503 Service Unavailable", "", "")));
    let mut guard = waiting(&place, &[&upstream.uri()]);
    until_it_waits(&guard, "status 503");
    upstream.set(Reply::Keep(answer("302 Found", "location: /x\r\n", "")));
    assert_eq!(guard.wait_code(SOON), 0, "{}", guard.stderr_text());
}

#[test]
fn the_head_of_an_answer_is_enough() {
    let place = Workplace::new();
    let endless = Reply::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec());
    let silent = Reply::Silence(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n".to_vec());
    for reply in [endless, silent] {
        let upstream = Upstream::start(reply);
        Probe::new(&place, &["wait-for", &upstream.uri()]).run().expect(0);
    }
}

#[test]
fn other_statuses_can_be_enough() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::Keep(answer("401 Unauthorized", "", "")));
    let uri = upstream.uri();
    Probe::new(&place, &["wait-for", "--http-status", "200,401", &uri]).run().expect(0);
    let strict = ["wait-for", "--timeout", "300ms", "--http-status", "200-299", &uri];
    let ended = Probe::new(&place, &strict).run().expect(75);
    assert!(ended.stderr.contains("status 401"), "{}", ended.stderr);
    assert!(ended.stdout.is_empty());
}

#[test]
fn certificates_are_verified() {
    let place = Workplace::new();
    let pair = Authority::new(place.path(), "ca").sign("server");
    let mut server = command("openssl");
    let address = free_address();
    server.args(["s_server", "-www", "-accept", &address.to_string()]);
    server.arg("-cert").arg(&pair.certificate).arg("-key").arg(&pair.key);
    let server = Guard::spawn(server, place.path(), "server");
    let url = format!("https://localhost:{}/", address.port());
    let ca = place.path().join("ca.pem");
    let trusting = ["wait-for", "--ca-file", ca.to_str().unwrap(), &url];
    Probe::new(&place, &trusting).run().expect(0);
    Probe::new(&place, &["wait-for", "--insecure-skip-tls-verify", &url]).run().expect(0);
    let ended = Probe::new(&place, &["wait-for", "--timeout", "300ms", &url]).run().expect(75);
    assert!(ended.stderr.contains("TLS handshake failed"), "{}", ended.stderr);
    drop(server);
}

#[test]
fn it_waits_for_files_and_sockets() {
    let place = Workplace::new();
    let (file, socket) = (place.path().join("ready"), place.path().join("app.sock"));
    let conditions = [format!("file://{}", file.display()), format!("unix:{}", socket.display())];
    let mut guard = waiting(&place, &[&conditions[0], &conditions[1]]);
    until_it_waits(&guard, "ready");
    until_it_waits(&guard, "app.sock");
    fs::write(&file, "").unwrap();
    wait_until("the file", SOON, || guard.stderr_text().contains("Met"));
    assert!(guard.is_running(), "the socket is still missing");
    let _listener = UnixListener::bind(&socket).unwrap();
    assert_eq!(guard.wait_code(SOON), 0, "{}", guard.stderr_text());
}

/// What `until nslookup …; do sleep 2; done` is for: the Service does not exist yet.
#[test]
fn it_waits_for_a_name() {
    let place = Workplace::new();
    in_pod(place.path(), || {
        let names = NameServer::start(&place);
        let prefix = names.prefix();
        let mut waiting = command(&prefix[0]);
        waiting.args(&prefix[1..]).arg(built("native-sidecar-probe"));
        waiting.args(["wait-for", "--interval", "50ms", "dns://mydb", "tcp://late:7000"]);
        let mut guard = Guard::spawn(waiting, place.path(), "waiting");
        until_it_waits(&guard, "dns://mydb");
        until_it_waits(&guard, "\"why\":\"no such name\"");
        names.set("mydb.svc.test", &[Ipv4Addr::new(127, 0, 0, 9)]);
        wait_until("the name", SOON, || guard.stderr_text().contains("Met"));
        let _listener = TcpListener::bind("127.0.0.8:7000").unwrap();
        // The first address does not answer.
        names.set("late", &[Ipv4Addr::new(127, 0, 0, 7), Ipv4Addr::new(127, 0, 0, 8)]);
        assert_eq!(guard.wait_code(SOON), 0, "{}", guard.stderr_text());
    });
}

/// Name servers that take questions and are silent hold up neither SIGTERM nor the time limit.
#[test]
fn silent_name_servers_are_waited_for_too() {
    let place = Workplace::new();
    in_pod(place.path(), || {
        let names = NameServer::start(&place);
        names.fall_silent(true);
        let prefix = names.prefix();
        let mut waiting = command(&prefix[0]);
        waiting.args(&prefix[1..]).arg(built("native-sidecar-probe"));
        waiting.args(["wait-for", "--attempt-timeout", "200ms", "--timeout", "1s", "dns://mydb"]);
        let mut guard = Guard::spawn(waiting, place.path(), "waiting");
        assert_eq!(guard.wait_code(SOON), 75);
        let text = guard.stderr_text();
        assert!(text.contains("no answer"), "{text}");
    });
}

#[test]
fn one_of_several_can_be_enough() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::page(PAGE));
    let (here, nowhere) = (upstream.uri(), "file:///no/such/file");
    let either = format!("{nowhere},{here}");
    Probe::new(&place, &["wait-for", &either]).run().expect(0);
    Probe::new(&place, &["wait-for", "--any", nowhere, &here]).run().expect(0);
    let both = ["wait-for", "--timeout", "300ms", &either, nowhere];
    let ended = Probe::new(&place, &both).run().expect(75);
    let last = ended.stderr.lines().last().unwrap();
    assert!(
        last.contains("no such file") && !last.contains("http"),
        "only what is missing: {last}"
    );
}

#[test]
fn a_stalled_server_costs_no_more_than_the_time_limit() {
    let place = Workplace::new();
    let upstream = Upstream::start(Reply::Silence(Vec::new()));
    let arguments =
        ["wait-for", "--timeout", "700ms", "--attempt-timeout", "300ms", &upstream.uri()];
    let ended = Probe::new(&place, &arguments).run().expect(75);
    assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
    assert!(upstream.connections() >= 2, "an attempt has its own limit");
}

#[test]
fn sigterm_ends_it_at_once() {
    for signal in [Signal::TERM, Signal::INT] {
        let place = Workplace::new();
        let mut guard = waiting(&place, &["--timeout", "0s", "file:///no/such/file"]);
        until_it_waits(&guard, "/no/such/file");
        guard.signal(signal);
        assert_eq!(guard.wait_code(SOON), 75);
        assert!(guard.stderr_text().contains("Ended by a signal"), "{}", guard.stderr_text());
    }
}

/// In a container without an init it is process 1, which no signal ends that it does not handle.
#[test]
fn sigterm_ends_process_one() {
    let place = Workplace::new();
    let mut unshare = command("unshare");
    unshare.args(["--pid", "--fork", "--kill-child"]).arg(built("native-sidecar-probe"));
    unshare.args(["wait-for", "file:///no/such/file"]).stdin(Stdio::null());
    let mut guard = Guard::spawn(unshare, place.path(), "waiting");
    until_it_waits(&guard, "/no/such/file");
    let children = format!("/proc/{0}/task/{0}/children", guard.pid());
    let child: u32 = fs::read_to_string(children).unwrap().trim().parse().unwrap();
    let killed = command("kill").arg(child.to_string()).status().unwrap();
    assert!(killed.success());
    assert_eq!(guard.wait_code(SOON), 75);
}

#[test]
fn it_becomes_the_command() {
    let place = Workplace::new();
    let arguments = ["wait-for", "file:///etc", "--", "sh", "-c", "echo $0 $PPID; exit 7", "a"];
    let ended = Probe::new(&place, &arguments).run().expect(7);
    // No process between the caller and the command.
    assert_eq!(ended.stdout, format!("a {}\n", std::process::id()));
    let missing = ["wait-for", "file:///etc", "--", "/no/such/program"];
    let ended = Probe::new(&place, &missing).run().expect(69);
    assert!(ended.stderr.contains("/no/such/program"), "{}", ended.stderr);
}

#[test]
fn bad_settings_are_told_together() {
    let place = Workplace::new();
    let arguments = [
        "wait-for",
        "--timeout",
        "soon",
        "--interval",
        "0s",
        "--attempt-timeout",
        "0s",
        "--http-status",
        "20x",
        "--ca-file",
        "/no/such/ca.pem",
        "db:5432",
        "tcp://db",
    ];
    let ended = Probe::new(&place, &arguments).run().expect(64);
    let each =
        ["soon", "interval", "attempt-timeout", "20x", "/no/such/ca.pem", "db:5432", "tcp://db"];
    for told in each {
        assert!(ended.stderr.contains(told), "{told}: {}", ended.stderr);
    }
    Probe::new(&place, &["wait-for"]).run().expect(64);
}
