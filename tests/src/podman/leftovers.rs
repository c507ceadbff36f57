//! Ends what a podman left behind: processes first, then containers, then mounts.
//!
//! A process is the store's own if its command line names the store's folder (podman, the monitor
//! of each container), or if it descends from one that does.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::binary::installed;
use crate::census::{command_line, parent, send};
use crate::pace::{SOON, wait_until};
use crate::process::{Signal, command};
use crate::workplace::run;

pub(super) fn clear(folder: &Path) {
    wait_until("the end of what podman left", SOON, || {
        let left = processes(folder);
        left.iter().for_each(|pid| send(*pid, Signal::KILL));
        left.is_empty()
    });
    for container in containers(folder) {
        // Where podman has forgotten a container, runc still has its state and control groups.
        run(command(installed("runc", "runc")).args(["delete", "--force"]).arg(container));
    }
    for mount in mounts(folder) {
        run(command(installed("umount", "mount")).arg("--lazy").arg(mount));
    }
}

pub(super) fn processes(folder: &Path) -> Vec<u32> {
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
    // A container's processes are below its monitor, or it is being set up, below podman.
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

/// Those that the store still holds.
fn containers(folder: &Path) -> Vec<OsString> {
    // The folder comes with the first container.
    let Ok(entries) = fs::read_dir(folder.join("store").join("vfs-containers")) else {
        return Vec::new();
    };
    let folders = entries.map(Result::unwrap).filter(|entry| entry.path().is_dir());
    folders.map(|entry| entry.file_name()).collect()
}

/// The innermost first.
fn mounts(folder: &Path) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    let mut own: Vec<PathBuf> = points.filter(|point| point.starts_with(folder)).collect();
    own.reverse();
    own
}
