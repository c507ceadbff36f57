//! A child process that cannot outlive its test.
//!
//! In goes a `Command`, out comes a [`Guard`] that kills and reaps on drop. stderr goes to a file
//! in the test's folder and is shown if the test panics. Settings of the developer's own
//! environment (`LOG_SHIPPER_…`) are kept away from the child. What the child costs is read from
//! /proc, so that a test can bound memory, descriptors and wake-ups.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

use crate::pace::wait_for;

/// Variables with these prefixes are settings of our binaries.
const SETTING_PREFIXES: [&str; 4] =
    ["LOG_SHIPPER_", "NGINX_ADAPTER_", "REDIS_AMBASSADOR_", "NATIVE_SIDECAR_PROBE_"];
const STDERR_LINES_SHOWN: usize = 40;

/// A running child.
#[derive(Debug)]
pub struct Guard {
    child: Child,
    name: String,
    stderr_file: PathBuf,
}

/// A command without the settings that the test's own environment may hold.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _value) in std::env::vars() {
        if SETTING_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

impl Guard {
    /// Starts the command in `folder`, with stderr appended to `<folder>/<name>.stderr`.
    pub fn spawn(mut command: Command, folder: &Path, name: &str) -> Self {
        let stderr_file = folder.join(format!("{name}.stderr"));
        let stderr = OpenOptions::new().create(true).append(true).open(&stderr_file).unwrap();
        command.current_dir(folder).stderr(stderr);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, name: name.to_owned(), stderr_file }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.raw_pid(), signal).unwrap();
    }

    /// SIGKILL, then reaped. Nothing the process could do about it.
    pub fn kill9(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end; panics if it does not come in time.
    pub fn wait_exit(&mut self, deadline: Duration) -> ExitStatus {
        let what = format!("the exit of {}", self.name);
        wait_for(&what, deadline, || self.child.try_wait().unwrap())
    }

    /// The exit status as a number; panics if a signal ended the process.
    pub fn wait_code(&mut self, deadline: Duration) -> i32 {
        let status = self.wait_exit(deadline);
        status.code().unwrap_or_else(|| panic!("{} ended by {status}", self.name))
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// To a child that was given a pipe as stdin.
    pub fn write_line(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("stdin is a pipe");
        stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    pub fn close_stdin(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Everything written to stderr so far, by all processes started under this name.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stderr_file).unwrap()).into_owned()
    }

    /// Resident memory in bytes.
    pub fn rss_bytes(&self) -> u64 {
        1024 * status_number(self.pid(), "VmRSS:")
    }

    /// The most that was ever resident, in bytes.
    pub fn rss_peak_bytes(&self) -> u64 {
        1024 * status_number(self.pid(), "VmHWM:")
    }

    /// Times that the first thread gave up or lost the processor.
    pub fn context_switches(&self) -> u64 {
        status_number(self.pid(), "voluntary_ctxt_switches:")
            + status_number(self.pid(), "nonvoluntary_ctxt_switches:")
    }

    /// What the descriptors point to; a deleted file ends with " (deleted)".
    pub fn open_files(&self) -> Vec<PathBuf> {
        let folder = fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap();
        // A descriptor may close between the listing and the look.
        folder.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok()).collect()
    }

    fn raw_pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        if let Err(error) = killed {
            eprintln!("{} could not be ended: {error}", self.name);
        }
        if std::thread::panicking() {
            show_tail(&self.name, &self.stderr_file);
        }
    }
}

/// The value of a field of /proc/PID/status.
fn status_number(pid: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(field));
    value.and_then(|value| value.split_whitespace().next()).unwrap().parse().unwrap()
}

fn show_tail(name: &str, stderr_file: &Path) {
    let text = fs::read(stderr_file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let skipped = lines.len().saturating_sub(STDERR_LINES_SHOWN);
    eprintln!("--- stderr of {name} ({skipped} lines before these)");
    for line in &lines[skipped..] {
        eprintln!("{line}");
    }
}

/// A file that a child may write its stdout to.
pub fn output_file(path: &Path) -> Stdio {
    File::create(path).unwrap().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::SOON;

    fn shell(script: &str, folder: &Path) -> Guard {
        let mut shell = command("sh");
        shell.args(["-c", script]);
        Guard::spawn(shell, folder, "shell")
    }

    #[test]
    fn exit_and_stderr_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let mut guard = shell("echo why >&2; exit 7", folder.path());
        assert_eq!(guard.wait_code(SOON), 7);
        assert_eq!(guard.stderr_text(), "why\n");
    }

    #[test]
    fn a_dropped_guard_ends_its_process() {
        let folder = tempfile::tempdir().unwrap();
        let guard = shell("exec sleep 1000", folder.path());
        let proc = PathBuf::from(format!("/proc/{}", guard.pid()));
        assert!(guard.rss_bytes() > 0 && !guard.open_files().is_empty());
        drop(guard);
        assert!(!proc.exists());
    }

    #[test]
    fn a_signal_reaches_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let mut guard = shell("exec sleep 1000", folder.path());
        guard.signal(Signal::TERM);
        assert_eq!(guard.wait_exit(SOON).code(), None);
    }
}
