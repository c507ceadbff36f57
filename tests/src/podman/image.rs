//! Images from nothing: busybox, its names, and a few files.
//!
//! A folder is packed with tar and imported; no registry, no build. busybox is the static one, as
//! there is no libc in the image.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::Podman;
use crate::binary::installed;
use crate::process::command;
use crate::workplace::run;

const BUSYBOX: &str = "busybox";
/// The names under which manifests may call it.
const APPLETS: [&str; 8] = ["sh", "sleep", "httpd", "cat", "touch", "rm", "id", "true"];

/// Waits for the end of its pod, and ends at SIGTERM as a first process must.
pub(super) const PAUSE: &[&str] = &["sh", "-c", "trap exit TERM; sleep 1000000 & wait"];

/// Imports an image whose /bin holds busybox and the files, each under its name.
pub(super) fn import(podman: &Podman, name: &str, files: &[(&Path, &str)], entrypoint: &[&str]) {
    let folder = tempfile::tempdir_in(podman.folder.path()).unwrap();
    let root = folder.path().join("root");
    let bin = root.join("bin");
    for inside in [&bin, &root.join("tmp")] {
        fs::create_dir_all(inside).unwrap();
    }
    fs::copy(installed(BUSYBOX, "busybox-static"), bin.join(BUSYBOX)).unwrap();
    for applet in APPLETS {
        symlink(BUSYBOX, bin.join(applet)).unwrap();
    }
    for (file, name) in files {
        fs::copy(file, bin.join(name)).unwrap();
    }
    let archive = folder.path().join("image.tar");
    run(command(installed("tar", "tar")).arg("-C").arg(&root).arg("-cf").arg(&archive).arg("."));
    let mut changes = vec!["-c", "ENV PATH=/bin"];
    let entrypoint = format!("ENTRYPOINT {entrypoint:?}");
    if entrypoint != "ENTRYPOINT []" {
        changes.extend(["-c", &entrypoint]);
    }
    podman.run(&[&["import", "-q"], &changes[..], &[archive.to_str().unwrap(), name]].concat());
}
