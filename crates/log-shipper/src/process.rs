//! Other processes of the pod, by name.
//!
//! In: a name. Out: numbers of processes that bear it, and whether they catch a signal. All of it
//! comes from /proc, which shows the processes of other containers only if the pod sets
//! `shareProcessNamespace`. The name is the one that the kernel keeps (the first 15 bytes of the
//! program's) or the first argument without its directory. A process can end between any two looks;
//! then it is as if it had not been there.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::process::{Pid, Signal};

/// Bytes of a name that the kernel keeps.
const COMM_BYTES_MAX: usize = 15;

/// A process that has not ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process {
    pub(crate) pid: Pid,
    parent: i32,
}

/// Checks a name as it is typed.
pub(crate) fn name_of_process(text: &str) -> Result<String, &'static str> {
    match text {
        "" => Err("the name is empty"),
        _ if text.contains('/') => Err("expected a name without a directory"),
        _ => Ok(text.to_owned()),
    }
}

/// All processes of this name but our own, by number.
pub(crate) fn named(name: &str) -> Vec<Process> {
    let own = i32::try_from(std::process::id()).ok();
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let numbers = entries.filter_map(|it| it.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let others = numbers.filter(|pid| Some(*pid) != own);
    let mut found: Vec<Process> = others.filter_map(|pid| look(pid, name)).collect();
    found.sort_unstable_by_key(|process| process.pid.as_raw_nonzero());
    found
}

/// Of these, those that no other of them has started: a server's master, not its workers.
pub(crate) fn heads(processes: &[Process]) -> Vec<Pid> {
    let is_child = |it: &Process| processes.iter().any(|of| of.pid.as_raw_pid() == it.parent);
    processes.iter().filter(|it| !is_child(it)).map(|it| it.pid).collect()
}

/// Whether a signal reaches a handler of the process; one that does not would end it.
pub(crate) fn catches(pid: Pid, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_pid()));
    status.is_ok_and(|status| caught(&status).is_some_and(|mask| has(mask, signal)))
}

/// Whether one of them has the file open, under whatever name.
///
/// # Errors
/// This process may not see what they have open.
pub(crate) fn have_open(processes: &[Process], file: &Metadata) -> io::Result<bool> {
    let id = |file: &Metadata| (file.dev(), file.ino());
    for process in processes {
        let entries = match fs::read_dir(format!("/proc/{}/fd", process.pid.as_raw_pid())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        let mut open = entries.filter_map(|entry| fs::metadata(entry.ok()?.path()).ok());
        if open.any(|it| id(&it) == id(file)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn has(mask: u64, signal: Signal) -> bool {
    mask >> (signal.as_raw() - 1) & 1 == 1
}

/// The caught signals in /proc/PID/status.
fn caught(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

fn look(pid: i32, name: &str) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (comm, parent) = comm_and_parent(&stat)?;
    let kept = &name.as_bytes()[..name.len().min(COMM_BYTES_MAX)];
    let is_called = comm.as_bytes() == kept
        || fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|arguments| program_of(&arguments) == name.as_bytes());
    is_called.then_some(Process { pid: Pid::from_raw(pid)?, parent })
}

/// Of a line of /proc/PID/stat, unless the process has ended and only waits for its parent.
fn comm_and_parent(stat: &str) -> Option<(&str, i32)> {
    let (head, rest) = stat.rsplit_once(") ")?;
    let (_, comm) = head.split_once(" (")?;
    let mut fields = rest.split(' ');
    let is_alive = !matches!(fields.next()?, "Z" | "X");
    let parent = fields.next()?.parse().ok()?;
    is_alive.then_some((comm, parent))
}

/// The first argument, without its directory.
fn program_of(arguments: &[u8]) -> &[u8] {
    let first = arguments.split(|byte| *byte == 0).next().unwrap_or_default();
    first.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_read_as_the_kernel_shows_them() {
        for (stat, expected) in [
            ("7 (nginx) S 1 7 7", Some(("nginx", 1))),
            ("7 (nginx) Z 1 7 7", None),
            ("7 (a b) (c) R 3 7 7", Some(("a b) (c", 3))),
            ("7 nginx", None),
        ] {
            assert_eq!(comm_and_parent(stat), expected, "{stat}");
        }
        for (arguments, expected) in [
            (&b"/usr/bin/python3\0app.py\0"[..], &b"python3"[..]),
            (b"nginx: master process nginx\0", b"nginx: master process nginx"),
            (b"", b""),
        ] {
            assert_eq!(program_of(arguments), expected);
        }
        let mask = caught("SigIgn:\t0000000000000000\nSigCgt:\t0000000000000200\n").unwrap();
        assert!(has(mask, Signal::USR1) && !has(mask, Signal::USR2) && !has(mask, Signal::HUP));
    }

    #[test]
    fn heads_are_those_without_a_parent_among_them() {
        let process = |(pid, parent)| Process { pid: Pid::from_raw(pid).unwrap(), parent };
        for (processes, expected) in
            [(&[(7, 1), (8, 7), (9, 7)][..], &[7][..]), (&[(7, 1), (9, 1)], &[7, 9]), (&[], &[])]
        {
            let processes: Vec<Process> = processes.iter().copied().map(process).collect();
            let heads: Vec<i32> = heads(&processes).iter().map(|pid| pid.as_raw_pid()).collect();
            assert_eq!(heads, expected);
        }
    }
}
