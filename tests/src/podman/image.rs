//! Images from nothing: programs of the host with the libraries they load, and a few files.
//!
//! A folder is packed with tar and imported; no registry, no build. busybox is the static one.
//! Images of ours are their binary alone, as their Dockerfile has them; images that a registry
//! would have are made of the same programs from the host's packages.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::Podman;
use crate::binary::installed;
use crate::process::command;
use crate::workplace::run;

const BUSYBOX: &str = "busybox";
const SEARCHED: &str = "/bin:/usr/bin:/usr/sbin";

/// Waits for the end of its pod, and ends at SIGTERM as a first process must.
pub(super) const PAUSE: &[&str] = &["sh", "-c", "trap exit TERM; sleep 1000000 & wait"];

/// An image that is being put together.
#[derive(Debug)]
pub struct Image {
    folder: TempDir,
    changes: Vec<String>,
}

impl Image {
    /// Nothing at all.
    pub fn scratch() -> Self {
        let folder = tempfile::Builder::new().prefix("outrider-image-").tempdir().unwrap();
        fs::create_dir(folder.path().join("root")).unwrap();
        Self { folder, changes: vec![format!("ENV PATH={SEARCHED}")] }
    }

    /// busybox under all of its names, and a folder for temporary files.
    pub fn busybox() -> Self {
        let program = installed(BUSYBOX, "busybox-static");
        let image = Self::scratch().file(&program, "/bin/busybox").folder("/tmp");
        let names = command(&program).arg("--list").stdout(std::process::Stdio::piped()).output();
        let names = String::from_utf8(names.unwrap().stdout).unwrap();
        for name in names.lines().filter(|name| *name != BUSYBOX) {
            symlink(BUSYBOX, image.path("/bin").join(name)).unwrap();
        }
        image
    }

    /// A file of the host, with its mode.
    #[must_use]
    pub fn file(self, source: &Path, path: &str) -> Self {
        let inside = self.path(path);
        fs::create_dir_all(inside.parent().unwrap()).unwrap();
        fs::copy(source, inside).unwrap();
        self
    }

    /// A program of the host in /usr/bin, and the libraries that it loads where they are.
    #[must_use]
    pub fn program(self, name: &str, package: &str) -> Self {
        let program = installed(name, package);
        let mut asked = command(installed("ldd", "libc-bin"));
        let output = asked.arg(&program).stdout(std::process::Stdio::piped()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let libraries = text.split_whitespace().filter(|word| word.starts_with('/'));
        let image = self.file(&program, &format!("/usr/bin/{name}"));
        libraries.fold(image, |image, library| image.file(Path::new(library), library))
    }

    /// A file with this text.
    #[must_use]
    pub fn text(self, path: &str, mode: u32, text: &str) -> Self {
        let inside = self.path(path);
        fs::create_dir_all(inside.parent().unwrap()).unwrap();
        fs::write(&inside, text).unwrap();
        fs::set_permissions(&inside, fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    /// A folder that everybody may write to.
    #[must_use]
    pub fn folder(self, path: &str) -> Self {
        let inside = self.path(path);
        fs::create_dir_all(&inside).unwrap();
        fs::set_permissions(&inside, fs::Permissions::from_mode(0o1777)).unwrap();
        self
    }

    #[must_use]
    pub fn entrypoint(mut self, words: &[&str]) -> Self {
        self.changes.push(format!("ENTRYPOINT {words:?}"));
        self
    }

    #[must_use]
    pub fn command(mut self, words: &[&str]) -> Self {
        self.changes.push(format!("CMD {words:?}"));
        self
    }

    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        self.changes.push(format!("USER {user}"));
        self
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("root").join(path.trim_start_matches('/'))
    }
}

/// Packs an image and imports it under a name.
pub(super) fn import(podman: &Podman, name: &str, image: &Image) {
    let archive = image.folder.path().join("image.tar");
    let mut tar = command(installed("tar", "tar"));
    // Whoever owns the files here, in the image it is root.
    tar.args(["--owner=0", "--group=0", "-cf"]).arg(&archive).arg("-C").arg(image.path("/"));
    run(tar.arg("."));
    let changes = image.changes.iter().flat_map(|change| ["-c", change]);
    let mut words = vec!["import", "-q"];
    words.extend(changes);
    words.extend([archive.to_str().unwrap(), name]);
    podman.run(&words);
}
