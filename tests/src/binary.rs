//! Finds the built binaries and the programs of peers.
//!
//! Cargo tells a test only about binaries of its own package, so ours are looked up where cargo
//! puts them: beside the folder `deps` of the running test. They are not built from here, because
//! cargo inside cargo waits for its own lock.

use std::path::{Path, PathBuf};

/// Path of a binary of this workspace, built in the same profile as the test.
pub fn built(name: &str) -> PathBuf {
    found(profile_folder().join(name), "cargo build --workspace --bins")
}

/// The same of the profile that its image has, for tests of memory, whatever profile they are
/// built in.
pub fn released(name: &str) -> PathBuf {
    let profile = if name == "native-sidecar-probe" { "tool" } else { "release" };
    found(profile_folder().with_file_name(profile).join(name), "make binaries")
}

/// Tests are in `deps` below it, programs such as the demo are in it.
fn profile_folder() -> PathBuf {
    let mut folder = std::env::current_exe().unwrap();
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    folder
}

fn found(binary: PathBuf, command: &str) -> PathBuf {
    assert!(binary.is_file(), "no {}: run `{command}` first", binary.display());
    binary
}

/// The folder of a package that `scripts/setup.sh` installed from PyPI, or of all from npm.
pub fn client_folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("target/clients");
    let folder = folder.join(name);
    assert!(folder.is_dir(), "no {}: run scripts/setup.sh", folder.display());
    folder
}

/// Path of an installed program; panics with the package to install.
pub fn installed(program: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps servers in sbin, which is not on every user's PATH.
    let folders = std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from));
    folders
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("no {program} here: run `apt-get install {package}`"))
}
