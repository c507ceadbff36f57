//! What a copy does for its command: signals, exit status, zombies, what is left behind.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use e2e::binary::{built, installed};
use e2e::census::{Mark, command_line, kill9, parent, send};
use e2e::pace::{SOON, wait_for, wait_until};
use e2e::process::{Guard, Signal, command, output_file};
use e2e::workplace::Workplace;

use super::kubelet::{Kind, NATIVE, Pod, REGULAR};
use super::{PROBE, Sleeper};

/// Far below the shortest grace period in use: an idle copy as PID 1 must not eat it.
const AT_ONCE: Duration = Duration::from_secs(2);

#[test]
fn signals_reach_the_command_and_its_exit_status_comes_back() {
    let place = Workplace::new();
    let seen = place.log("seen");
    let script = "for name in HUP USR1 USR2 WINCH; do trap \"echo $name >>$0\" $name; done; \
                  trap 'echo TERM >>$0; exit 7' TERM; echo up >>$0; while :; do sleep 0.01; done";
    let words = ["sh", "-c", script, seen.to_str().unwrap()];
    let mut regular = alone(&place, "web", &words);
    let saw = |word: &str| {
        let what = format!("{word} in the command");
        wait_until(&what, SOON, || lines(&seen).iter().any(|line| line == word));
    };
    saw("up");
    let signals = [
        (Signal::HUP, "HUP"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
        (Signal::WINCH, "WINCH"),
        (Signal::TERM, "TERM"),
    ];
    for (signal, name) in signals {
        regular.signal(signal);
        saw(name);
    }
    assert_eq!(regular.wait_code(SOON), 7);
}

#[test]
fn exit_statuses_are_those_of_a_shell() {
    let place = Workplace::new();
    let plain = place.log("plain");
    fs::write(&plain, "no program").unwrap();
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).unwrap();
    let cases: [(&[&str], i32); 5] = [
        (&["true"], 0),
        (&["sh", "-c", "exit 3"], 3),
        (&["sh", "-c", "kill -KILL $$"], 128 + 9),
        (&["/no/such/program"], 127),
        (&[plain.to_str().unwrap()], 126),
    ];
    for (words, status) in cases {
        assert_eq!(alone(&place, "web", words).wait_code(SOON), status, "{words:?}");
    }
}

#[test]
fn zombies_are_reaped_and_stragglers_ended() {
    let place = Workplace::new();
    let up = place.log("up");
    let straggler = Sleeper::new();
    // Orphans that end, one that does not, and the end of the command when it is told.
    let script = "for i in 1 2 3 4 5; do (sleep 0.01 & ); done; (sleep $1 & ); echo up >$0; \
                  while [ -e $0 ]; do sleep 0.01; done; exit 4";
    let words = ["sh", "-c", script, up.to_str().unwrap(), &straggler.duration];
    let mut regular = alone(&place, "web", &words);
    wait_until("the straggler", SOON, || up.exists() && straggler.only().is_some());
    wait_until("the adoption", SOON, || straggler.only().and_then(parent) == Some(regular.pid()));
    wait_until("no zombie", SOON, || zombies(regular.pid()).is_empty());
    fs::remove_file(&up).unwrap();
    assert_eq!(regular.wait_code(SOON), 4);
    assert_eq!(straggler.pids(), Vec::<u32>::new());
}

#[test]
fn an_orphan_keeps_the_next_copy_waiting() {
    for kind in [Kind::Old, Kind::New] {
        let mut pod = Pod::new(kind);
        let orphan = pod.settled("the start", None);
        let supervisor = if pod.runs_natively() { NATIVE } else { REGULAR };
        pod.signal(supervisor, Signal::KILL);
        pod.until("its restart", |pod| {
            pod.runs(supervisor) && parent(orphan) != Some(pod.guard(supervisor).pid())
        });
        pod.go_on_for(Duration::from_millis(1500));
        assert_eq!(pod.commands(), [orphan]);
        kill9(orphan);
        pod.settled("the orphan's end", Some(orphan));
    }
}

/// Shell scripts lock with low descriptors, and would close the sidecar's lock with them.
#[test]
fn an_orphan_that_uses_low_descriptors_itself_counts_too() {
    let place = Workplace::new();
    let sleeper = Sleeper::new();
    let script = "exec 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-; exec sleep $0";
    let words = ["sh", "-c", script, &sleeper.duration];
    let regular = alone(&place, "web", &words);
    let orphan = wait_for("the command", SOON, || sleeper.only());
    regular.kill9();
    assert_eq!(ready(&place, "web"), 0, "the orphan still runs");
    kill9(orphan);
    assert_eq!(ready(&place, "web"), 1);
}

#[test]
fn a_command_that_ignores_sigterm_gives_way_all_the_same() {
    let place = Workplace::new();
    let sleeper = Sleeper::new();
    let stubborn = ["sh", "-c", "trap '' TERM; exec sleep $0", &sleeper.duration];
    let mut regular = alone(&place, "web", &stubborn);
    let first = wait_for("the command", SOON, || sleeper.only());
    let mut native = role(&place, NATIVE, "web", &["--native-wait", "5s"], &stubborn);
    let second = wait_for("the handover", SOON, || sleeper.only().filter(|pid| *pid != first));
    assert_eq!(parent(second), Some(native.pid()));
    assert!(regular.is_running(), "it idles");
    kill9(second);
    assert_eq!(native.wait_code(SOON), 128 + 9);
}

#[test]
fn an_idle_copy_as_first_process_ends_at_once() {
    let place = Workplace::new();
    let sleeper = Sleeper::new();
    let words = sleeper.words();
    let _native = role(&place, NATIVE, "web", &["--native-wait", "30s"], &words);
    let mut unshare = command(installed("unshare", "util-linux"));
    unshare.args(["--pid", "--fork", "--kill-child"]).arg(built(PROBE));
    unshare.args(["universal", REGULAR, "--name", "web", "--settle", "50ms", "--dir"]);
    unshare.arg(place.state()).arg("--").args(words);
    let mut idle = Guard::spawn(unshare, place.path(), REGULAR);
    let command = wait_for("the native copy's command", SOON, || sleeper.only());
    let probe = built(PROBE);
    let first = Mark::new(probe.to_str().unwrap(), &[REGULAR, place.state().to_str().unwrap()]);
    let first = wait_for("the first process", SOON, || first.only());
    let asked = Instant::now();
    send(first, Signal::TERM);
    assert_eq!(idle.wait_code(SOON), 0);
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    assert_eq!(sleeper.pids(), [command]);
}

#[test]
fn two_sidecars_in_one_directory_do_not_know_each_other() {
    let place = Workplace::new();
    let sleepers = [(); 2].map(|()| Sleeper::new());
    let first = alone(&place, "proxy", &sleepers[0].words());
    let _second = alone(&place, "shipper", &sleepers[1].words());
    wait_until("both", SOON, || sleepers.iter().all(|sleeper| sleeper.only().is_some()));
    assert_eq!([ready(&place, "proxy"), ready(&place, "shipper")], [0, 0]);
    sleepers[0].kill();
    drop(first);
    assert_eq!([ready(&place, "proxy"), ready(&place, "shipper")], [1, 0]);
}

#[test]
fn a_job_ends_with_its_main_container() {
    let place = Workplace::new();
    let sleeper = Sleeper::new();
    let never = ["--settle", "50ms", "--pod-restart-policy", "Never"];
    let mut regular = role(&place, REGULAR, "web", &never, &sleeper.words());
    wait_for("the sidecar", SOON, || sleeper.only());
    let mut main = command(built(PROBE));
    main.arg("shutdown").arg("--dir").arg(place.state());
    main.args(["--name", "web", "--", "sh", "-c", "echo data; exit 5"]);
    main.stdout(output_file(&place.log("data")));
    let mut main = Guard::spawn(main, place.path(), "main");
    assert_eq!(main.wait_code(SOON), 5, "the main container's own status");
    assert_eq!(fs::read_to_string(place.log("data")).unwrap(), "data\n");
    assert_eq!(regular.wait_code(SOON), 0, "a Job's pod has to succeed");
    assert_eq!(sleeper.pids(), Vec::<u32>::new());
}

#[test]
fn other_sidecars_of_a_job_are_asked_to_end() {
    let place = Workplace::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/quitquitquit", listener.local_addr().unwrap());
    let mut main = command(built(PROBE));
    main.args(["shutdown", "--post", &url, "--", "sh", "-c", "exit 6"]);
    let mut main = Guard::spawn(main, place.path(), "main");
    let (stream, _peer) = listener.accept().unwrap();
    let mut request = String::new();
    BufReader::new(&stream).read_line(&mut request).unwrap();
    assert_eq!(request, "POST /quitquitquit HTTP/1.1\r\n");
    (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert_eq!(main.wait_code(SOON), 6, "the main container's own status");
}

/// The regular copy where nothing else runs.
fn alone(place: &Workplace, name: &str, words: &[&str]) -> Guard {
    role(place, REGULAR, name, &["--settle", "50ms", "--grace", "300ms"], words)
}

fn role(place: &Workplace, role: &str, name: &str, flags: &[&str], words: &[&str]) -> Guard {
    let mut process = command(built(PROBE));
    process.args(["universal", role, "--name", name, "--dir"]).arg(place.state());
    process.args(flags).arg("--").args(words);
    Guard::spawn(process, place.path(), &format!("{role}-{name}"))
}

fn ready(place: &Workplace, name: &str) -> i32 {
    let mut process = command(built(PROBE));
    process.args(["universal", "ready", "--name", name, "--dir"]).arg(place.state());
    Guard::spawn(process, place.path(), "ready").wait_code(SOON)
}

fn lines(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Children that have ended and were not asked how.
fn zombies(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let children = children.split_whitespace().map(|child| child.parse().unwrap());
    children.filter(|child| command_line(*child).is_empty()).collect()
}
