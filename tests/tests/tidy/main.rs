//! The rules of this code base that no compiler knows, checked on the files themselves.
//!
//! In go the sources, the lock file and what `cargo tree` says; out comes, for each rule, every
//! place that breaks it. Exceptions are listed here with their reason, and an exception that is
//! no longer needed fails too, so that the lists only shrink. The length of functions is clippy's.
//! Licences, sources and double versions of what is in a binary are checked here as well as by
//! scripts/deny.sh, so that `cargo test` alone, without a network, notices them.

#![expect(clippy::unwrap_used, reason = "clippy.toml reaches test functions, not their helpers")]

mod dependencies;
mod documents;
mod sources;

use std::path::PathBuf;

/// The root of the workspace.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

#[track_caller]
fn assert_none(rule: &str, places: &[String]) {
    assert!(places.is_empty(), "{rule}:\n  {}", places.join("\n  "));
}

/// A user finds the two commands on the first page.
#[test]
fn the_readme_names_both_commands() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    for command in ["make demo", "make test"] {
        assert!(readme.contains(command), "README.md does not name `{command}`");
    }
}
