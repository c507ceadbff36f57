//! Has the main process ended?
//!
//! In: a name. Out: the moment at which no process of that name is left, after at least one was
//! seen. All containers of a pod see each other's processes only if it sets
//! `shareProcessNamespace`. Until one is there, /proc is looked through every [`LOOK_INTERVAL`],
//! because nothing tells of births without a right that a sidecar has not; its end is told by a
//! pidfd. One that lives for less than that interval can be missed, and one that a restarted
//! container brings back has ended before.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::time::sleep;
use tracing::{info, warn};

/// Between two looks through /proc.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Bytes of a name that the kernel keeps.
const COMM_BYTES_MAX: usize = 15;

/// Checks the name of a process as it is typed.
pub(crate) fn name_of_process(text: &str) -> Result<String, &'static str> {
    match text {
        "" => Err("the name is empty"),
        _ if text.contains('/') => Err("expected a name without a directory"),
        _ => Ok(text.to_owned()),
    }
}

/// Waits until a process of this name was there and none is left.
pub(super) async fn ended(name: &str) {
    if std::process::id() == 1 {
        warn!("No other process can be seen: the pod lacks shareProcessNamespace");
    }
    let mut was_seen = false;
    loop {
        match oldest(name) {
            None if was_seen => return,
            None => sleep(LOOK_INTERVAL).await,
            Some(pid) => {
                if !std::mem::replace(&mut was_seen, true) {
                    info!(process = name, pid = pid.as_raw_nonzero(), "Watching a process");
                }
                // Where there are no pidfds, or no right to one, looks must do.
                if wait_for_end(pid).await.is_err() {
                    sleep(LOOK_INTERVAL).await;
                }
            }
        }
    }
}

/// Waits for the end of a process. One that has ended before is looked for again at once.
async fn wait_for_end(pid: Pid) -> io::Result<()> {
    let descriptor = match pidfd_open(pid, PidfdFlags::NONBLOCK) {
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        other => other?,
    };
    super::readable(descriptor)?.readable().await?.retain_ready();
    Ok(())
}

/// The process of this name that has the lowest number and has not ended.
fn oldest(name: &str) -> Option<Pid> {
    let own = i32::try_from(std::process::id()).ok();
    let entries = fs::read_dir("/proc").ok()?;
    let numbers = entries.filter_map(|it| it.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let others = numbers.filter(|pid| Some(*pid) != own);
    others.filter(|pid| is_called(*pid, name)).min().and_then(Pid::from_raw)
}

fn is_called(pid: i32, name: &str) -> bool {
    // It can end between any two of these looks.
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let Some((comm, is_alive)) = comm_of(&stat) else { return false };
    let kept = &name.as_bytes()[..name.len().min(COMM_BYTES_MAX)];
    is_alive
        && (comm.as_bytes() == kept
            || fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|arguments| program_of(&arguments) == name.as_bytes()))
}

/// Of a line of /proc/PID/stat: the name, and whether the process has not ended yet.
fn comm_of(stat: &str) -> Option<(&str, bool)> {
    let (head, rest) = stat.rsplit_once(") ")?;
    let (_, comm) = head.split_once(" (")?;
    Some((comm, !rest.starts_with(['Z', 'X'])))
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
    fn names_are_read_as_the_kernel_gives_them() {
        for (stat, expected) in [
            ("7 (nginx) S 1 7 7", Some(("nginx", true))),
            ("7 (nginx) Z 1 7 7", Some(("nginx", false))),
            ("7 (a b) (c) R 1 7 7", Some(("a b) (c", true))),
            ("7 nginx", None),
        ] {
            assert_eq!(comm_of(stat), expected, "{stat}");
        }
        for (arguments, expected) in [
            (&b"/usr/bin/python3\0app.py\0"[..], &b"python3"[..]),
            (b"nginx: master process nginx\0", b"nginx: master process nginx"),
            (b"", b""),
        ] {
            assert_eq!(program_of(arguments), expected);
        }
    }

    #[tokio::test]
    async fn the_end_of_the_last_process_of_a_name_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let name = "outrider-a-name-longer-than-fifteen";
        let program = dir.path().join(name);
        fs::copy("/bin/sleep", &program).unwrap();
        let start = || std::process::Command::new(&program).arg("100").spawn().unwrap();
        assert_eq!(oldest(name), None);
        let mut children = [start(), start()];
        tokio::time::timeout(Duration::from_secs(20), async {
            while oldest(name).is_none() {
                sleep(Duration::from_millis(5)).await;
            }
            let mut waiting = std::pin::pin!(ended(name));
            for child in &mut children {
                let short = Duration::from_millis(100);
                let is_over = tokio::time::timeout(short, waiting.as_mut()).await.is_ok();
                assert!(!is_over, "a process of that name lives");
                child.kill().unwrap();
                child.wait().unwrap();
            }
            waiting.await;
        })
        .await
        .unwrap();
    }
}
