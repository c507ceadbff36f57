//! Our images, built from the Dockerfile that users build.
//!
//! The stages that compile get a name as well: the builder then finds them in its cache, and what
//! they replace has no name left and is removed, so that the store does not grow.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::{DOCKER_MAX, Engine, digest, target, workspace};

/// The images of this workspace, each a target of the Dockerfile.
pub const IMAGES: [&str; 4] =
    ["log-shipper", "nginx-adapter", "redis-ambassador", "native-sidecar-probe"];

/// The stages before them, in their order.
const STAGES: [&str; 2] = ["manifests", "build"];
/// What the first stage begins with.
pub(super) const RUST_IMAGE: &str = "rust:1.95-bookworm";

/// Everything from nothing: minutes, on a busy machine many more.
const BUILD_MAX: Duration = Duration::from_secs(60 * 60);
const SAVE_MAX: Duration = Duration::from_secs(60);

/// Name and tag of one of our images: `outrider/log-shipper:0.1.0`.
pub fn image(name: &str) -> String {
    format!("outrider/{name}:{}", env!("CARGO_PKG_VERSION"))
}

/// Name of a stage before the images: `manifests`, or `build`, where they were compiled.
pub fn stage(name: &str) -> String {
    format!("outrider-stage/{name}:latest")
}

/// True if all were built from what the build reads today.
pub(super) fn are_there(engine: &Engine) -> bool {
    let note = fs::read_to_string(note());
    let all = IMAGES.map(image).into_iter().chain(STAGES.map(stage));
    let mut asked = all.map(|tag| engine.try_docker(&["image", "inspect", &tag], DOCKER_MAX));
    note.is_ok_and(|note| note == state(engine)) && asked.all(|asked| asked.code == Some(0))
}

/// For an engine on the machine's network: crates.io is reached there only.
pub(super) fn build(engine: &Engine) {
    let state = state(engine);
    // A copy, so that all targets are built from the same sources, whoever edits them meanwhile.
    let context = tempfile::Builder::new().prefix("outrider-context-").tempdir().unwrap();
    for source in context_files() {
        let copy = context.path().join(source.strip_prefix(workspace()).unwrap());
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(source, copy).unwrap();
    }
    let stages = STAGES.map(|name| (name, stage(name)));
    let images = IMAGES.map(|name| (name, image(name)));
    for (name, tag) in stages.iter().chain(&images) {
        let words = ["build", "--network=host", "--force-rm", "--target", name, "--tag", tag];
        engine
            .docker_within(&[&words[..], &[context.path().to_str().unwrap()]].concat(), BUILD_MAX);
    }
    engine.docker_within(&["image", "prune", "--force"], BUILD_MAX);
    for (name, tag) in &images {
        save(engine, name, tag);
    }
    fs::write(note(), state).unwrap();
}

/// A digest of everything that decides what is built.
fn state(engine: &Engine) -> String {
    let files: BTreeMap<PathBuf, Vec<u8>> =
        context_files().into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    let base = engine.docker(&["image", "inspect", "-f", "{{.Id}}", RUST_IMAGE]);
    digest(&(base, files))
}

/// What .dockerignore lets through, for it leaves out everything that it does not name; and what
/// the builder reads itself.
fn context_files() -> Vec<PathBuf> {
    let rules = fs::read_to_string(workspace().join(".dockerignore")).unwrap();
    let named = rules.lines().filter_map(|rule| rule.strip_prefix('!'));
    let own = [".dockerignore", "Dockerfile"];
    let mut open: Vec<PathBuf> =
        own.into_iter().chain(named).map(|path| workspace().join(path)).collect();
    let mut files = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files.push(path);
        }
    }
    files
}

/// What the images that are there were built from.
fn note() -> PathBuf {
    target().join("images").join("context")
}

/// An archive for other engines, unless that of this very image is there.
fn save(engine: &Engine, name: &str, tag: &str) {
    let folder = target().join("images");
    fs::create_dir_all(&folder).unwrap();
    let [archive, part, note] =
        ["tar", "part", "id"].map(|ending| folder.join(format!("{name}.{ending}")));
    let id = engine.docker(&["image", "inspect", "-f", "{{.Id}}", tag]);
    if archive.exists() && fs::read_to_string(&note).is_ok_and(|known| known == id) {
        return;
    }
    engine.docker_within(&["save", "-o", part.to_str().unwrap(), tag], SAVE_MAX);
    fs::rename(part, archive).unwrap();
    fs::write(note, id).unwrap();
}
