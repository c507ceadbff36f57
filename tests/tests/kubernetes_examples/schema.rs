//! Every document against the OpenAPI schemas of Kubernetes, in their strict form.
//!
//! The schemas come with a package that setup.sh installs, so nothing is asked of the network. One
//! run of Python looks at all files. A field that no schema knows is an error: kubectl, which asks
//! the API server, would refuse it as well.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use e2e::binary::{client_folder, installed};
use e2e::process::command;
use e2e::workplace::Workplace;

use crate::assert_none;
use crate::example::{self, Example};

/// The first version whose nodes run native sidecars as they come, and the newest.
const VERSIONS: [&str; 2] = ["1.29", "1.37"];
const MISSPELT: [(&str, &str); 3] = [
    ("restartPolicy: Always", "restartpolicy: Always"),
    ("emptyDir:", "emptydir:"),
    ("runAsNonRoot: true", "runAsNonRoot: yes please"),
];

#[test]
fn every_document_is_what_kubernetes_expects() {
    let files = example::all().into_iter().map(|example| example::folder().join(&example.path));
    let (newest, violations) = violations(&files.collect::<Vec<_>>());
    assert_none("against the schemas", &violations);
    assert!(newest.starts_with(VERSIONS[1]), "there are schemas of {newest}: add that version");
}

#[test]
fn what_is_misspelt_is_refused() {
    let place = Workplace::new();
    let text = Example::read("log-app/native.yaml").text;
    let files: Vec<PathBuf> = (0..)
        .zip(MISSPELT)
        .map(|(number, (right, wrong))| {
            assert!(text.contains(right), "no {right} in the example");
            let file = place.path().join(format!("{number}.yaml"));
            std::fs::write(&file, text.replacen(right, wrong, 1)).unwrap();
            file
        })
        .collect();
    let (_newest, violations) = violations(&files);
    for file in files {
        let found = violations.iter().filter(|line| line.starts_with(file.to_str().unwrap()));
        assert_eq!(found.count(), VERSIONS.len(), "{violations:#?}");
    }
}

/// The newest version that there are schemas of, and what is wrong.
fn violations(files: &[PathBuf]) -> (String, Vec<String>) {
    let mut python = command(installed("python3", "python3"));
    let package = client_folder("kubernetes-validate");
    // Nothing of the sources' folder is written to.
    python.env("PYTHONPATH", package).env("PYTHONDONTWRITEBYTECODE", "1");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubernetes_examples/schema.py");
    python.arg(script).args(VERSIONS).arg("--").args(files);
    let output = python.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines().map(str::to_owned);
    (lines.next().unwrap(), lines.collect())
}
