//! The contract, kept by the least sidecar as a real process: exit statuses, probes, signals,
//! precedence of settings, one line per complaint, nothing on stdout.
#![expect(clippy::unwrap_used, reason = "the allowance for tests does not reach their own helpers")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Far above what a loaded machine needs for anything here.
const PATIENCE: Duration = Duration::from_secs(20);

/// Examples are built beside the tests, in the folder above theirs.
fn idle(arguments: &[&str]) -> Command {
    let test = std::env::current_exe().unwrap();
    let path: PathBuf = test.ancestors().nth(2).unwrap().join("examples/idle");
    let mut command = Command::new(path);
    command.args(arguments).env_clear();
    command
}

fn output(command: &mut Command) -> Output {
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

fn send_signal(pid: u32, name: &str) {
    let kill = Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    assert!(kill.unwrap().success());
}

/// A running process that does not outlive its test, nor the test's patience.
struct Running {
    /// Dropped at the end, which calls the watchdog off.
    _watched: SyncSender<()>,
    child: Child,
    log: BufReader<ChildStderr>,
    admin: SocketAddr,
}

impl Running {
    fn start(arguments: &[&str]) -> Running {
        let mut command = idle(arguments);
        command.args(["--admin-listen", "127.0.0.1:0", "--log-format", "json"]);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let admin = SocketAddr::from(([0, 0, 0, 0], 0));
        let (watched, end) = sync_channel(0);
        let pid = child.id();
        thread::spawn(move || {
            if end.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                send_signal(pid, "KILL");
            }
        });
        let mut running = Running { _watched: watched, child, log, admin };
        let line = running.wait_for_line("\"Admin port open\"");
        let (_, address) = line.split_once("\"address\":\"").unwrap();
        running.admin = address.split('"').next().unwrap().parse().unwrap();
        running
    }

    /// Reads the log up to the first line that contains `part`.
    fn wait_for_line(&mut self, part: &str) -> String {
        let mut seen = String::new();
        loop {
            let start = seen.len();
            assert_ne!(self.log.read_line(&mut seen).unwrap(), 0, "no {part} in:\n{seen}");
            let line = seen.split_at(start).1;
            if line.contains(part) {
                return line.to_owned();
            }
        }
    }

    fn signal(&self, name: &str) {
        send_signal(self.child.id(), name);
    }

    fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The exit status and the rest of the log; stdout must have stayed empty.
    fn end(mut self) -> (i32, String) {
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        let mut stdout = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        assert_eq!(stdout, "");
        (self.child.wait().unwrap().code().expect("ended by itself, not by the watchdog"), log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that it has ended, which is what is wanted.
        if self.child.kill().is_ok() {
            self.child.wait().unwrap();
        }
    }
}

#[test]
fn help_and_version_are_data() {
    for (argument, part) in [("--help", "IDLE_SIDECAR_LINGER"), ("--version", "idle-sidecar 0.")] {
        let secret = ("IDLE_SIDECAR_ACT", "a secret");
        let output = output(idle(&[argument]).env(secret.0, secret.1));
        assert_eq!(output.status.code(), Some(0));
        assert!(text(&output.stdout).contains(part), "{}", text(&output.stdout));
        assert!(!text(&output.stdout).contains(secret.1));
        assert_eq!(text(&output.stderr), "");
    }
}

#[test]
fn subcommands_of_an_image_answer_from_its_settings() {
    for (arguments, status, stdout) in [
        (&["repeat", "a", "b"][..], 0, "a 0ns\nb 0ns\n"),
        (&["--linger=2s", "repeat", "a"], 0, "a 2s\n"),
        (&["repeat", "--linger", "2s", "--", "-a", "a b"], 0, "-a 2s\na b 2s\n"),
        (&["repeat"], 64, ""),
        (&["repeat", "a", "--linger=long"], 64, ""),
        (&["sigh", "a"], 64, ""),
    ] {
        let output = output(&mut idle(arguments));
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
        assert_eq!(text(&output.stdout), stdout, "{arguments:?}");
        assert_eq!(output.stderr.is_empty(), status == 0, "{}", text(&output.stderr));
    }
    let output = output(&mut idle(&["sigh"]));
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("", "oh\n"));
    let help = self::output(&mut idle(&["--help"]));
    let help = text(&help.stdout);
    assert!(help.contains("  repeat ") && !help.contains("sigh"), "{help}");
}

#[test]
fn all_bad_settings_are_rejected_together_one_line_each() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.yaml");
    fs::write(&file, "wrod: a\nlog-level: loud\nshutdown-grace: 5s\n").unwrap();
    for subcommand in ["", "check"] {
        let mut command = idle(&["--admin-listen", "nowhere"]);
        command.args((!subcommand.is_empty()).then_some(subcommand));
        command.env("IDLE_SIDECAR_CONFIG", &file);
        command.env("IDLE_SIDECAR_LOUD", "perhaps").env("IDLE_SIDECAR_ACT", "fly");
        command.env("IDLE_SIDECAR_LINGER", "long");
        let output = output(&mut command);
        assert_eq!(output.status.code(), Some(64));
        assert_eq!(text(&output.stdout), "");
        let log = text(&output.stderr);
        for (setting, value) in [
            ("loud", "perhaps"),
            ("wrod", "a"),
            ("log-level", "loud"),
            ("admin-listen", "nowhere"),
            ("act", "fly"),
            ("linger", "long"),
        ] {
            let part = format!("\"setting\":\"{setting}\",\"value\":\"{value}\"");
            assert_eq!(
                log.lines().filter(|line| line.contains(&part)).count(),
                1,
                "{part}:\n{log}"
            );
        }
        assert_eq!(log.lines().count(), 6, "{log}");
    }
}

#[test]
fn what_is_no_flag_is_rejected_in_one_line() {
    for (arguments, part) in [
        (&["--bogus", "x"][..], "\"setting\":\"--bogus\""),
        (&["dance"], "\"setting\":\"dance\""),
        (&["--linger"], "a value is required for '--linger <LINGER>'"),
        (&["--loud=x"], "--loud"),
        (&["healthcheck", "--admin-listen", "x"], "\"setting\":\"admin-listen\""),
        (&["--config", "/nonexistent.yaml"], "\"value\":\"/nonexistent.yaml\""),
    ] {
        let output = output(&mut idle(arguments));
        let log = text(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {log}");
        assert_eq!(log.lines().count(), 1, "{arguments:?}: {log}");
        assert!(log.contains(part), "{arguments:?}: {log}");
    }
    let output = output(&mut idle(&["--log-format", "text", "--bogus"]));
    assert!(!text(&output.stderr).starts_with('{'), "{}", text(&output.stderr));
}

#[test]
fn flag_beats_variable_beats_file_beats_default() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.yaml");
    fs::write(&file, "linger: 3s\nword: ['a, b', c]\nloud: on\n").unwrap();
    let path = file.to_str().unwrap();
    let linger = |seconds: u32| format!("linger: {seconds}");
    for (arguments, variables, part) in [
        (&["check"][..], &[][..], "linger: 0ns, word: [], loud: false".to_owned()),
        (
            &["--config", path, "check"],
            &[],
            r#"linger: 3s, word: [\"a, b\", \"c\"], loud: true"#.to_owned(),
        ),
        (&["check", "--config", path], &[], linger(3)),
        (&["--config", path, "check"], &[("LINGER", "2s"), ("LOUD", "no")], linger(2)),
        (&["--config", path, "check"], &[("LOUD", "no")], "loud: false".to_owned()),
        (&["--config", path, "--linger", "1s", "check"], &[("LINGER", "2s")], linger(1)),
        (&["check", "--config", path, "--linger", "1s"], &[("LINGER", "2s")], linger(1)),
        (&["--config", path, "check", "--word", "x,y"], &[], r#"word: [\"x\", \"y\"]"#.to_owned()),
        (&["--config", path, "check"], &[("WORD", "x,y")], r#"word: [\"x\", \"y\"]"#.to_owned()),
        (&["check"], &[("WORD", "x,y")], r#"word: [\"x\", \"y\"]"#.to_owned()),
        (&["check", "--word", "x", "--word", "y"], &[], r#"word: [\"x\", \"y\"]"#.to_owned()),
        (&["check", "--loud"], &[("LOUD", "0")], "loud: true".to_owned()),
    ] {
        let mut command = idle(arguments);
        command.envs(variables.iter().map(|(name, value)| (format!("IDLE_SIDECAR_{name}"), value)));
        let output = output(&mut command);
        let log = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?} {variables:?}: {log}");
        assert!(log.contains(&part), "{arguments:?} {variables:?}: {part} not in {log}");
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn unknown_variables_are_warned_of() {
    let mut command = idle(&["check"]);
    command.env("IDLE_SIDECAR_LINGR", "1s").env("IDLE_SIDECAR_PORT", "tcp://10.0.0.1:80");
    let output = output(command.env("IDLE_SIDECAR_SERVICE_HOST", "10.0.0.1"));
    let log = text(&output.stderr);
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("\"WARN\"")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    assert!(warnings[0].contains("IDLE_SIDECAR_LINGR"), "{log}");
}

#[test]
fn a_start_that_fails_says_why_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (arguments, setting, value) in [
        (["--admin-listen", address.as_str()], "admin-listen", address.as_str()),
        (["--act", "fail-to-start"], "act", "fail-to-start"),
    ] {
        let mut command = idle(&arguments);
        let output = output(command.env("IDLE_SIDECAR_ADMIN_LISTEN", "127.0.0.1:0"));
        let log = text(&output.stderr);
        assert_eq!(output.status.code(), Some(69), "{log}");
        let errors: Vec<_> = log.lines().filter(|line| line.contains("\"ERROR\"")).collect();
        assert_eq!(errors.len(), 1, "{log}");
        let part = format!("\"setting\":\"{setting}\",\"value\":\"{value}\"");
        assert!(errors[0].contains(&part), "{log}");
    }
}

#[test]
fn drains_for_each_who_may_ask() {
    for way in ["TERM", "INT", "quitquitquit"] {
        let mut running = Running::start(&[]);
        running.wait_for_line("\"Started\"");
        match way {
            "quitquitquit" => {
                let answer = running.ask("POST", "/quitquitquit");
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            }
            signal => running.signal(signal),
        }
        let (status, log) = running.end();
        assert_eq!(status, 0, "{way}: {log}");
    }
}

#[test]
fn probes_and_metrics_answer_through_the_drain() {
    let mut running = Running::start(&["--linger", "60s"]);
    running.wait_for_line("\"Started\"");
    assert!(running.ask("GET", "/readyz").starts_with("HTTP/1.1 200"));
    let listen = running.admin.to_string();
    let check = |arguments: &[&str]| {
        output(idle(&["healthcheck", "--admin-listen", &listen]).args(arguments)).status.code()
    };
    assert_eq!((check(&[]), check(&["--ready"])), (Some(0), Some(0)));
    running.signal("TERM");
    running.wait_for_line("\"Drain started\"");
    assert!(running.ask("GET", "/readyz").starts_with("HTTP/1.1 503"));
    assert!(running.ask("GET", "/healthz").starts_with("HTTP/1.1 200"));
    assert_eq!((check(&[]), check(&["--ready"])), (Some(0), Some(1)));
    let metrics = running.ask("GET", "/metrics");
    let drain = metrics.lines().find(|line| line.starts_with("idle_sidecar_drain_seconds "));
    assert_ne!(drain, Some("idle_sidecar_drain_seconds 0.0"), "{metrics}");
    running.signal("TERM");
    let (status, log) = running.end();
    assert_eq!(status, 75, "{log}");
    assert!(log.contains("\"tasks\":\"lingerer\""), "{log}");
    assert_eq!(check(&[]), Some(1));
}

#[test]
fn the_grace_ends_what_does_not_end() {
    for (act, left) in
        [("nothing", "\"left\":\"\""), ("leave-work", "\"left\":\"seven bytes of work\"")]
    {
        let arguments = ["--linger", "60s", "--shutdown-grace", "100ms", "--act", act];
        let mut running = Running::start(&arguments);
        running.wait_for_line("\"Started\"");
        running.signal("TERM");
        let (status, log) = running.end();
        assert_eq!(status, 75, "{log}");
        assert!(log.contains(left) && log.contains("\"tasks\":\"lingerer\""), "{log}");
    }
}

#[test]
fn a_blocked_thread_does_not_hold_the_exit() {
    let mut running = Running::start(&["--act", "block-thread"]);
    running.wait_for_line("\"Started\"");
    running.signal("TERM");
    assert_eq!(running.end().0, 0);
}

#[test]
fn panics_and_early_ends() {
    for (act, expected) in [("panic", 70), ("panic-in-task", 70), ("leave", 0)] {
        let (status, log) = Running::start(&["--act", act]).end();
        assert_eq!(status, expected, "{act}: {log}");
        assert!(log.lines().all(|line| line.starts_with('{')), "{log}");
    }
}

#[test]
fn a_signal_ends_a_start_that_hangs() {
    let running = Running::start(&["--act", "hang-in-start"]);
    assert!(running.ask("GET", "/readyz").ends_with("waiting for start\n"));
    running.signal("TERM");
    assert_eq!(running.end().0, 0);
}

#[test]
fn a_reload_ends_nothing() {
    let mut running = Running::start(&[]);
    running.wait_for_line("\"Started\"");
    running.signal("HUP");
    running.wait_for_line("\"Reload requested\"");
    assert!(running.ask("GET", "/healthz").starts_with("HTTP/1.1 200"));
    running.signal("TERM");
    assert_eq!(running.end().0, 0);
}
