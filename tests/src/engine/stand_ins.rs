//! Images of others: from a registry, or local stand-ins under the same names.
//!
//! Where no registry answers, a stand-in takes the place of an image: the same program from Debian
//! 12, at the same path, with the same entrypoint, user, port and volume as the official image has
//! them; the tags that we use are the versions that Debian 12 has. All are layers on one
//! debootstrap, which is made once and kept in the engine's store. A stand-in carries its recipe's
//! digest as a label, so that it is made anew when the recipe changes, and told from a real image.

mod recipes;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::recipes::Recipe;
use super::{Engine, digest, leftovers, tar, target};
use crate::binary::installed;
use crate::process::command;
use crate::workplace::run;

/// The official Rust image is half a gigabyte to fetch.
const PULL_MAX: Duration = Duration::from_secs(15 * 60);
const MAKE_MAX: Duration = Duration::from_secs(10 * 60);
/// Of stand-ins alone.
const LABEL: &str = "outrider.recipe";

/// In the Dockerfile of a recipe: the name of the image below all stand-ins.
const ROOT: &str = "ROOT";
const SUITE: &str = "bookworm";
const PACKAGES: &str = "ca-certificates,curl,gcc,libc6-dev,nginx-light,prometheus,redis-server";
/// What no container needs of a Debian.
const LEFT_OUT: [&str; 4] =
    ["var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man"];

/// True for an image of a registry, and for a stand-in of today's recipe.
pub(super) fn is_there(engine: &Engine, name: &str) -> bool {
    let label = label(engine, name);
    label.is_some_and(|label| label.is_empty() || label == digest(&recipes::find(name)))
}

/// From a registry, or made here; for an engine on the machine's network.
pub(super) fn fetch(engine: &Engine, names: &[&str]) {
    for name in names {
        // An outdated stand-in says that there was no registry.
        let outdated = label(engine, name).is_some();
        let pull = ["pull", "--quiet", name];
        if outdated || engine.try_docker(&pull, PULL_MAX).code != Some(0) {
            make(engine, name, &recipes::find(name));
        }
    }
}

/// Digest of the recipe; empty for an image of a registry, None where no image is.
fn label(engine: &Engine, name: &str) -> Option<String> {
    let format = format!("{{{{index .Config.Labels {LABEL:?}}}}}");
    let asked = engine.try_docker(&["image", "inspect", "-f", &format, name], MAKE_MAX);
    (asked.code == Some(0)).then(|| asked.stdout.trim().to_owned())
}

fn make(engine: &Engine, name: &str, recipe: &Recipe) {
    let folder = tempfile::Builder::new().prefix("outrider-recipe-").tempdir().unwrap();
    for (name, text) in &recipe.files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let mut dockerfile = recipe.dockerfile.to_owned();
    if dockerfile.contains(ROOT) {
        dockerfile = dockerfile.replace(ROOT, &root(engine));
    }
    fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
    let mut context = tar(folder.path(), &[] as &[&str]);
    context.arg(".");
    for (folder, names) in &recipe.host_files {
        context.arg("-C").arg(folder).args(names);
    }
    let label = format!("{LABEL}={}", digest(recipe));
    engine.feed(context, &["build", "--force-rm", "--label", &label, "--tag", name, "-"], MAKE_MAX);
}

/// The Debian below all stand-ins.
fn root(engine: &Engine) -> String {
    let name = format!("outrider-root:{}", digest(&(SUITE, PACKAGES, LEFT_OUT)));
    if engine.try_docker(&["image", "inspect", &name], MAKE_MAX).code == Some(0) {
        return name;
    }
    let folder = target().join("engine-root");
    clear(&folder);
    let mut debootstrap = command(installed("timeout", "coreutils"));
    debootstrap.arg(MAKE_MAX.as_secs().to_string()).arg(installed("debootstrap", "debootstrap"));
    debootstrap.args(["--variant=minbase", &format!("--include={PACKAGES}"), SUITE]);
    run(debootstrap.arg(&folder).arg(mirror()));
    leftovers::unmount(&folder);
    let excluded = LEFT_OUT.map(|path| format!("--exclude=./{path}/*"));
    let mut packed = tar(&folder, &excluded);
    packed.arg(".");
    engine.feed(packed, &["import", "-", &name], MAKE_MAX);
    clear(&folder);
    name
}

fn clear(folder: &Path) {
    leftovers::unmount(folder);
    if folder.exists() {
        fs::remove_dir_all(folder).unwrap();
    }
}

/// The one that this machine uses itself, if it is a Debian of this suite.
fn mirror() -> String {
    let mut apt = command(installed("apt-get", "apt"));
    apt.args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]);
    apt.arg(format!("Codename: {SUITE}")).stdout(std::process::Stdio::piped());
    let output = apt.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let first = text.lines().find(|line| line.starts_with("http"));
    first.unwrap_or("http://deb.debian.org/debian").to_owned()
}

/// Where the toolchain of this machine is, and its version.
fn toolchain() -> (PathBuf, String) {
    let ask = |argument: &[&str]| {
        let mut rustc = command(installed("rustc", "rustc"));
        let output = rustc.args(argument).stdout(std::process::Stdio::piped()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    (PathBuf::from(ask(&["--print", "sysroot"])), ask(&["-vV"]))
}
