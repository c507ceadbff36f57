//! Which crate may know which: the arrows of the design, licences, sources, double versions.
//!
//! Asked of `cargo tree`, so features count as they are resolved for each package alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use crate::{assert_none, root};

/// Crates that binaries build on. None of them knows another, but for `ARROWS`.
const LIBRARIES: [&str; 11] = [
    "sidecar-runtime",
    "net",
    "tail",
    "nginx-log",
    "event",
    "resp",
    "redis-commands",
    "placement",
    "manifest",
    "kube-api",
    "universal-sidecar",
];

/// What one library may know of another, and why.
const ARROWS: [(&str, &str, &str); 3] = [
    ("event", "nginx-log", "it cuts the lines of nginx's formats"),
    ("kube-api", "net", "it is a client of one kind of server"),
    ("kube-api", "manifest", "a kubeconfig is a YAML file like those"),
];

/// Crates that a library must not contain, however indirectly, and what that keeps true.
const FORBIDDEN: [(&str, &[&str], &str); 9] = [
    ("tail", &["tokio", "hyper", "rustls", "hickory-resolver"], "it follows files, nothing else"),
    ("nginx-log", &["tokio", "hyper", "clap"], "it reads lines without IO"),
    ("event", &["tokio", "hyper", "clap", "tail"], "it reads lines without IO"),
    ("resp", &["tokio"], "it scans and encodes without IO"),
    ("redis-commands", &["tokio"], "it is a table"),
    ("placement", &["tokio"], "it is arithmetic"),
    ("manifest", &["tokio", "hyper"], "it reads texts without IO"),
    ("universal-sidecar", &["tokio", "hyper", "clap"], "a copy sits idle for the life of a pod"),
    ("sidecar-runtime", &["rustls", "hickory-resolver"], "it talks to loopback only"),
];

/// Features that a crate must not have in a library's tree.
const FORBIDDEN_FEATURES: [(&str, &str, &[&str]); 2] =
    [("sidecar-runtime", "hyper", &["client", "http2"]), ("sidecar-runtime", "tokio", &["full"])];

/// Licences that may be in an image under Apache-2.0.
const LICENCES: [&str; 11] = [
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// Crates that are in a binary in two versions, and who wants the older one.
const DOUBLE: [(&str, &str); 1] = [("getrandom", "0.2 by ring 0.17, the newest")];

#[test]
fn libraries_do_not_know_each_other() {
    let mut places = Vec::new();
    for library in members().iter().filter(|name| LIBRARIES.contains(&name.as_str())) {
        let known = tree(library);
        let may = |other| ARROWS.iter().any(|(from, to, _why)| from == library && *to == other);
        let others = LIBRARIES.iter().filter(|other| *other != library && !may(**other));
        let arrows = others.filter(|other| known.iter().any(|package| package.name == **other));
        places.extend(arrows.map(|other| format!("{library} → {other}")));
    }
    assert_none("no arrow between libraries", &places);
}

#[test]
fn libraries_stay_small() {
    let mut places = Vec::new();
    let members = members();
    for (library, forbidden, why) in FORBIDDEN {
        if members.contains(library) {
            let known = tree(library).into_iter();
            let found = known.filter(|package| forbidden.contains(&package.name.as_str()));
            places.extend(found.map(|package| format!("{library} → {}: {why}", package.name)));
        }
    }
    for (library, name, forbidden) in FORBIDDEN_FEATURES {
        let known = tree(library).into_iter().filter(|package| package.name == name);
        for feature in known.flat_map(|package| package.features) {
            if forbidden.contains(&feature.as_str()) {
                places.push(format!("{library} → {name} with {feature}"));
            }
        }
    }
    assert_none("not in a library's tree", &places);
}

#[test]
fn licences_fit() {
    let mut places = BTreeSet::new();
    for package in members().iter().flat_map(|member| tree(member)) {
        if !fits(&package.licence) {
            places.insert(format!("{} {}: {:?}", package.name, package.version, package.licence));
        }
    }
    assert_none("licence not on the list", &Vec::from_iter(places));
}

/// `A OR B` fits if one does, `A AND B` if both do; an older way to write OR is a slash.
fn fits(licence: &str) -> bool {
    let any = licence.replace(" OR ", "/");
    any.split('/').any(|all| {
        let all = all.trim_matches(['(', ')', ' ']);
        all.split(" AND ").all(|one| LICENCES.contains(&one.trim_matches(['(', ')', ' '])))
    })
}

#[test]
fn packages_come_from_the_one_registry() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let sources = lock.lines().filter(|line| line.starts_with("source = "));
    let crates_io = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    let foreign: Vec<String> =
        sources.filter(|line| *line != crates_io).map(str::to_owned).collect();
    assert_none("not from crates.io", &foreign);
}

#[test]
fn no_binary_has_a_crate_twice() {
    let mut places = Vec::new();
    let mut unneeded: BTreeSet<&str> = DOUBLE.iter().map(|(name, _reason)| *name).collect();
    for binary in members().iter().filter(|name| !LIBRARIES.contains(&name.as_str())) {
        let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for package in tree(binary) {
            versions.entry(package.name).or_default().insert(package.version);
        }
        for (name, versions) in versions.iter().filter(|(_name, versions)| versions.len() > 1) {
            unneeded.remove(name.as_str());
            if !DOUBLE.iter().any(|(excepted, _reason)| excepted == name) {
                places.push(format!("{binary}: {name} {versions:?}"));
            }
        }
    }
    places.extend(unneeded.iter().map(|name| format!("{name} is single again, off the list")));
    assert_none("two versions of one crate", &places);
}

#[derive(Debug)]
struct Package {
    name: String,
    version: String,
    licence: String,
    features: Vec<String>,
}

/// Names of the workspace's packages, by their folders.
fn members() -> BTreeSet<String> {
    let folders = fs::read_dir(root().join("crates")).unwrap();
    let name = |folder: fs::DirEntry| folder.file_name().to_str().unwrap().to_owned();
    folders.map(|folder| name(folder.unwrap())).collect()
}

/// What is compiled into a package.
fn tree(package: &str) -> Vec<Package> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut tree = Command::new(cargo);
    tree.current_dir(root()).args(["tree", "--locked", "--edges=normal", "--prefix=none"]);
    tree.args(["--no-dedupe", "--format={p}|{l}|{f}", "--package", package]);
    let output = tree.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: BTreeSet<&str> = text.lines().skip(1).collect();
    lines.into_iter().map(parse).collect()
}

/// `name v1.2.3 (remark)|licence|feature,feature`
fn parse(line: &str) -> Package {
    let mut parts = line.split('|');
    let mut part = || parts.next().unwrap();
    let (package, licence, features) = (part(), part(), part());
    let (name, rest) = package.split_once(" v").unwrap();
    Package {
        name: name.to_owned(),
        version: rest.split(' ').next().unwrap().to_owned(),
        licence: licence.to_owned(),
        features: features.split(',').map(str::to_owned).collect(),
    }
}
