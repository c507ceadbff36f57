//! Ends what an engine left behind that was killed: processes first, then mounts.
//!
//! A process is the engine's own if its command line names the engine's temporary folder (the
//! daemon, its containerd, the shim of each container), or if it descends from one that does. The
//! kernel tells the daemon to end when its test dies, and a daemon that is told so stops its
//! containers; so there is time for that before anything is killed.

use std::collections::HashMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::binary::installed;
use crate::census::{command_line, parent, send};
use crate::pace::{SOON, holds_for, wait_until};
use crate::process::{Signal, command};
use crate::workplace::run;

/// For a daemon to stop its containers and itself.
const ENDING_MAX: Duration = Duration::from_secs(10);

/// Processes that name `folder` and their descendants.
pub(super) fn end_processes(folder: &Path) {
    if !holds_for(ENDING_MAX, || !processes(folder).is_empty()) {
        return;
    }
    wait_until("the end of what an engine left", SOON, || {
        let left = processes(folder);
        left.iter().for_each(|pid| send(*pid, Signal::KILL));
        left.is_empty()
    });
}

/// Everything that is mounted in a folder, the innermost first.
pub(super) fn unmount(folder: &Path) {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    let own: Vec<PathBuf> = points.filter(|point| point.starts_with(folder)).collect();
    for mount in own.iter().rev() {
        run(command(installed("umount", "mount")).arg("--lazy").arg(mount));
    }
}

fn processes(folder: &Path) -> Vec<u32> {
    let folder = folder.as_os_str().as_bytes();
    let mut parents = HashMap::new();
    let mut named = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let name = entry.unwrap().file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let line = command_line(pid);
        // A zombie has no command line; it is its parent's to bury.
        if line.is_empty() {
            continue;
        }
        if memchr::memmem::find(&line, folder).is_some() {
            named.push(pid);
        }
        parents.insert(pid, parent(pid));
    }
    let own = |mut pid: u32| loop {
        if named.contains(&pid) {
            return true;
        }
        match parents.get(&pid) {
            Some(Some(above)) => pid = *above,
            _ => return false,
        }
    };
    parents.keys().copied().filter(|pid| own(*pid)).collect()
}
