//! The probe's own lint finds nothing in the examples, for any version that knows the feature.

use std::process::Stdio;

use e2e::binary::built;
use e2e::process::command;

use crate::example;

/// Without a version it is the newest.
const VERSIONS: [&[&str]; 3] =
    [&[], &["--kubernetes-version", "1.29"], &["--kubernetes-version", "1.33"]];

#[test]
fn the_lint_finds_nothing_to_warn_of() {
    for version in VERSIONS {
        let mut lint = command(built(example::PROBE));
        lint.current_dir(example::folder()).args(["lint", "--fail-on", "warning"]).args(version);
        lint.args(example::all().iter().map(|example| &example.path));
        let output = lint.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
        let [found, said] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
        assert!(output.status.success(), "{version:?}: {found}{said}");
        assert!(!found.is_empty(), "a summary at least");
    }
}
