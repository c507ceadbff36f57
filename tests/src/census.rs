//! Counts the processes of a kind, again and again, wherever on the machine they live.
//!
//! A [`Mark`] names a kind: the program as it was called, and some of its arguments. Containers'
//! processes are in the host's /proc too. A process that ends loses its command line before the
//! kernel closes its files, and one that forks still has its parent's: so a process counts from
//! its exec until its death, and never too long. [`Census`] looks every few milliseconds from a
//! thread of its own and remembers the most that it saw at once. What happens between two looks
//! it cannot see; a test that needs more has its processes exclude each other.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, kill_process};

use crate::pace::{SOON, pause, wait_until};
use crate::process::Signal;

const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Tells the processes of a kind: the program's name as it was called, and arguments that all of
/// them have.
#[derive(Debug, Clone)]
pub struct Mark {
    program: String,
    arguments: Vec<String>,
}

impl Mark {
    pub fn new(program: &str, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Self { program: program.to_owned(), arguments }
    }

    /// Those that live now, by their number on the host.
    pub fn pids(&self) -> Vec<u32> {
        let folder = fs::read_dir("/proc").unwrap();
        let names = folder.map(|entry| entry.unwrap().file_name());
        let pids = names.filter_map(|name| name.to_str()?.parse().ok());
        pids.filter(|pid| self.is(&command_line(*pid))).collect()
    }

    /// The only one, if there is exactly one.
    pub fn only(&self) -> Option<u32> {
        match self.pids()[..] {
            [pid] => Some(pid),
            _ => None,
        }
    }

    fn is(&self, line: &[u8]) -> bool {
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        words[0] == self.program.as_bytes()
            && self.arguments.iter().all(|argument| words.contains(&argument.as_bytes()))
    }
}

/// What was seen from the start to the end.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    pub looks: u64,
    /// Every look that saw more than one, with the numbers; the first few.
    pub crowds: Vec<Vec<u32>>,
}

/// A thread that looks until its end.
#[derive(Debug)]
pub struct Census {
    ended: Arc<AtomicBool>,
    findings: Arc<Mutex<Findings>>,
    thread: Option<JoinHandle<()>>,
}

impl Census {
    const CROWDS_MAX: usize = 10;

    pub fn start(mark: &Mark) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let findings = Arc::new(Mutex::new(Findings::default()));
        let (mark, end, found) = (mark.clone(), Arc::clone(&ended), Arc::clone(&findings));
        let look = move || {
            while !end.load(Ordering::Relaxed) {
                let pids = mark.pids();
                let mut findings = found.lock().unwrap();
                findings.looks += 1;
                if pids.len() > 1 && findings.crowds.len() < Self::CROWDS_MAX {
                    findings.crowds.push(pids);
                }
                drop(findings);
                pause(LOOK_AGAIN);
            }
        };
        Self { ended, findings, thread: Some(std::thread::spawn(look)) }
    }

    pub fn findings(&self) -> Findings {
        self.findings.lock().unwrap().clone()
    }

    pub fn end(mut self) -> Findings {
        self.stop();
        self.findings()
    }

    fn stop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            eprintln!("the census ended before its time");
        }
    }
}

impl Drop for Census {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The arguments, each with a zero after it; nothing if the process has ended.
pub fn command_line(pid: u32) -> Vec<u8> {
    fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}

/// The parent's number, if the process exists.
pub fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything.
    let (_name, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// To a process that may have ended.
pub fn send(pid: u32, signal: Signal) {
    let raw = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    match kill_process(raw, signal) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(error) => panic!("{pid}: {error}"),
    }
}

/// SIGKILL, and waits for the end.
pub fn kill9(pid: u32) {
    send(pid, Signal::KILL);
    wait_until("the end of a killed process", SOON, || command_line(pid).is_empty());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Guard, command};

    #[test]
    fn two_at_once_are_seen_and_told_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let mark = Mark::new("sleep", &["1000.125"]);
        let start = |script: &str| {
            let mut shell = command("sh");
            shell.args(["-c", script, "1000.125"]);
            Guard::spawn(shell, folder.path(), "sleeper")
        };
        let census = Census::start(&mark);
        assert!(mark.pids().is_empty());
        let first = start("exec sleep 1000.125");
        let _other = start("exec sleep 1000.25");
        wait_until("the sleeper", SOON, || mark.only() == Some(first.pid()));
        assert_eq!(parent(first.pid()), Some(std::process::id()));
        let looks = census.findings().looks;
        wait_until("a look", SOON, || census.findings().looks > looks + 1);
        assert!(census.findings().crowds.is_empty());
        let second = start("exec sleep 1000.125");
        wait_until("a crowd", SOON, || !census.findings().crowds.is_empty());
        let mut crowd = census.end().crowds[0].clone();
        crowd.sort_unstable();
        assert_eq!(crowd, [first.pid(), second.pid()]);
        first.kill9();
        wait_until("one death", SOON, || mark.only() == Some(second.pid()));
    }
}
