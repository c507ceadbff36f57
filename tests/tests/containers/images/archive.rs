//! The files of an image, as they are in its archive.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::workplace::run;
use serde_json::Value;

/// A file or a link.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) mode: u32,
    pub(super) owner: u32,
    /// Of a link; empty for a file.
    pub(super) target: String,
    /// Of a file.
    pub(super) bytes: Vec<u8>,
}

/// By path, without the slash before it. Folders are not listed.
pub(super) fn files(image: &str) -> BTreeMap<String, Entry> {
    let folder = tempfile::tempdir().unwrap();
    let [packed, root] = ["packed", "root"].map(|name| folder.path().join(name));
    let archives = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target").join("images");
    unpack(&archives.join(format!("{image}.tar")), &packed);
    let manifest = fs::read(packed.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    for layer in manifest[0]["Layers"].as_array().unwrap() {
        unpack(&packed.join(layer.as_str().unwrap()), &root);
    }
    let mut found = BTreeMap::new();
    collect(&root, &root, &mut found);
    found
}

fn unpack(archive: &Path, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let mut tar = Command::new("tar");
    // As they are: owners and modes too.
    run(tar.args(["-x", "-p", "--same-owner", "-f"]).arg(archive).arg("-C").arg(folder));
}

fn collect(root: &Path, folder: &Path, found: &mut BTreeMap<String, Entry>) {
    let paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    for path in paths {
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            collect(root, &path, found);
            continue;
        }
        let (target, bytes) = if metadata.is_symlink() {
            (fs::read_link(&path).unwrap().to_str().unwrap().to_owned(), Vec::new())
        } else {
            (String::new(), fs::read(&path).unwrap())
        };
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
        found.insert(name, Entry { mode, owner, target, bytes });
    }
}
