//! Finds the built binaries and the programs of peers.
//!
//! Cargo tells a test only about binaries of its own package, so ours are looked up where cargo
//! puts them: beside the folder `deps` of the running test. They are not built from here, because
//! cargo inside cargo waits for its own lock.

use std::path::{Path, PathBuf};

/// Path of a binary of this workspace, built in the same profile as the test.
pub fn built(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let folder = own.parent().unwrap();
    // Tests are in `deps`, programs such as the demo are beside the binary.
    let profile = if folder.ends_with("deps") { folder.parent().unwrap() } else { folder };
    let binary = profile.join(name);
    assert!(
        binary.is_file(),
        "no {}: run `cargo build --workspace --bins` first (with the profile of the tests)",
        binary.display()
    );
    binary
}

/// The same of the release profile, for tests of memory, whatever profile they are built in.
pub fn released(name: &str) -> PathBuf {
    let own = built(name);
    let profiles = own.parent().and_then(Path::parent).unwrap();
    let binary = profiles.join("release").join(name);
    assert!(binary.is_file(), "no {}: run `make binaries` first", binary.display());
    binary
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
