//! A folder of its own for every test, and file systems that exist only in it.
//!
//! Holds `logs/` and `state/` and whatever a scenario adds, and is removed at the end. A mounted
//! file system is unmounted when its guard is dropped, lazily, because a failed test may still
//! have files open on it.

use std::ffi::OsStr;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binary::installed;

/// The folder of one test.
#[derive(Debug)]
pub struct Workplace {
    folder: tempfile::TempDir,
}

impl Workplace {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("outrider-").tempdir().unwrap();
        for name in ["logs", "state"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The folder that a main container writes to.
    pub fn logs(&self) -> PathBuf {
        self.path().join("logs")
    }

    pub fn log(&self, name: &str) -> PathBuf {
        self.logs().join(name)
    }

    pub fn state(&self) -> PathBuf {
        self.path().join("state")
    }
}

impl Default for Workplace {
    fn default() -> Self {
        Self::new()
    }
}

/// A mounted file system, unmounted on drop. Mounting needs root.
#[derive(Debug)]
pub struct Mounted {
    folder: PathBuf,
}

impl Mounted {
    /// A tmpfs with room for `size_bytes`.
    pub fn tmpfs(folder: &Path, size_bytes: u64) -> Self {
        let options = format!("size={size_bytes}");
        Self::mount(folder, &["-t", "tmpfs", "-o", &options, "tmpfs"])
    }

    /// A new ext4 in an image file beside the folder. It hands out freed inodes again at once.
    pub fn ext4(folder: &Path, size_bytes: u64) -> Self {
        let image = folder.with_extension("img");
        std::fs::File::create(&image).unwrap().set_len(size_bytes).unwrap();
        run(Command::new(installed("mkfs.ext4", "e2fsprogs")).arg("-q").arg(&image));
        Self::mount(folder, &["-o", "loop", image.to_str().unwrap()])
    }

    /// What `source` holds, but nothing can be written through `folder`.
    pub fn read_only_view(source: &Path, folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let view = Self::mount(folder, &["--bind", source.to_str().unwrap()]);
        run(Command::new("mount").args(["-o", "remount,ro,bind"]).arg(folder));
        view
    }

    fn mount(folder: &Path, args: &[impl AsRef<OsStr>]) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        run(Command::new("mount").args(args).arg(folder));
        Self { folder: folder.to_owned() }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.folder).status();
        if !unmounted.as_ref().is_ok_and(std::process::ExitStatus::success) {
            eprintln!("{} is still mounted: {unmounted:?}", self.folder.display());
        }
    }
}

/// Runs a command to its end; panics with its output if it fails.
pub fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A loopback address whose port nobody listened on a moment ago.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounted_file_systems_come_and_go() {
        let place = Workplace::new();
        let file = place.log("file");
        let tmpfs = Mounted::tmpfs(&place.logs(), 64 * 1024);
        std::fs::write(&file, [0; 1024]).unwrap();
        assert!(std::fs::write(&file, vec![0; 1024 * 1024]).is_err());
        drop(tmpfs);
        assert!(!file.exists());
        let ext4 = Mounted::ext4(&place.logs(), 8 * 1024 * 1024);
        std::fs::write(&file, "x").unwrap();
        let view = place.path().join("view");
        let read_only = Mounted::read_only_view(&place.logs(), &view);
        assert_eq!(std::fs::read(view.join("file")).unwrap(), b"x");
        assert!(std::fs::write(view.join("file"), "y").is_err());
        drop(read_only);
        drop(ext4);
        assert!(!file.exists());
    }
}
