//! Has the main process ended?
//!
//! In: a name. Out: the moment at which no process of that name is left, after at least one was
//! seen; which ones can be seen is told in `process`. Until one is there, /proc is looked through
//! every [`LOOK_INTERVAL`], because nothing tells of births without a right that a sidecar has not;
//! its end is told by a pidfd. One that lives for less than that interval can be missed, and one
//! that a restarted container brings back has ended before.

use std::io;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::time::sleep;
use tracing::{info, warn};

use crate::process::named;

/// Between two looks through /proc.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Waits until a process of this name was there and none is left.
pub(super) async fn ended(name: &str) {
    if std::process::id() == 1 {
        warn!("No other process can be seen: the pod lacks shareProcessNamespace");
    }
    let mut was_seen = false;
    loop {
        match named(name).first().map(|it| it.pid) {
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn the_end_of_the_last_process_of_a_name_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let name = "outrider-a-name-longer-than-fifteen";
        let program = dir.path().join(name);
        fs::copy("/bin/sleep", &program).unwrap();
        let start = || std::process::Command::new(&program).arg("100").spawn().unwrap();
        assert!(named(name).is_empty());
        let mut children = [start(), start()];
        tokio::time::timeout(Duration::from_secs(20), async {
            while named(name).is_empty() {
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
