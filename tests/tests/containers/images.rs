//! What an image is: its files, its size, its settings, and that it is the binary of the tests.

mod archive;
mod running;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use e2e::binary::released;
use e2e::engine::{Engine, IMAGES, image, stage};
use serde_json::{Value, json};

use self::archive::files;

const PROBE: &str = "native-sidecar-probe";
/// In bytes, with the bill of materials.
const SIZE_MAX: u64 = 8_000_000;
const PROBE_SIZE_MAX: u64 = 5_000_000;
/// Four binaries from nothing, on a busy machine.
const AGAIN_MAX: Duration = Duration::from_secs(60 * 60);

/// Where else the binary is: the places of the images that ours take the place of.
const LINKS: [(&str, &str); 5] = [
    ("nginx-adapter", "usr/bin/exporter"),
    ("nginx-adapter", "usr/bin/nginx-prometheus-exporter"),
    ("redis-ambassador", "usr/bin/nutcracker"),
    ("redis-ambassador", "usr/local/bin/nutcracker"),
    ("redis-ambassador", "usr/local/sbin/nutcracker"),
];

/// The port of an image for probes and metrics, and others that it listens on.
const PORTS: [(&str, &[u16]); 3] =
    [("log-shipper", &[9180]), ("nginx-adapter", &[9113]), ("redis-ambassador", &[6380, 9181])];

#[test]
fn an_image_is_its_binary_and_what_is_said_of_it() {
    let mut engine = Engine::start();
    engine.images();
    for name in IMAGES {
        let inside = files(name);
        let mut expected = vec![name.to_owned(), bill(name)];
        let links = LINKS.iter().filter(|(image, _link)| *image == name);
        expected.extend(links.clone().map(|(_image, link)| (*link).to_owned()));
        expected.sort();
        assert_eq!(inside.keys().cloned().collect::<Vec<_>>(), expected, "files of {name}");
        for (_image, link) in links {
            assert_eq!(inside[*link].target, format!("/{name}"), "{link}");
        }
        let binary = &inside[name];
        assert_eq!((binary.mode, binary.owner), (0o755, 0), "nobody but root may change {name}");
        let is_probe = name == PROBE;
        let size_bytes: u64 = inspected(&engine, name)["Size"].as_u64().unwrap();
        let max = if is_probe { PROBE_SIZE_MAX } else { SIZE_MAX };
        assert!(size_bytes <= max, "{name} has {size_bytes} bytes");
        eprintln!("{name}: {size_bytes} bytes, {} of them its binary", binary.bytes.len());
        check_bill(name, &inside[&bill(name)].bytes);
    }
}

#[test]
fn an_image_says_what_it_is_and_how_to_run_it() {
    let mut engine = Engine::start();
    engine.images();
    let version = env!("CARGO_PKG_VERSION");
    for name in IMAGES {
        let config = inspected(&engine, name)["Config"].take();
        let label = |key: &str| config["Labels"][format!("org.opencontainers.image.{key}")].clone();
        assert_eq!(label("title"), name);
        assert_eq!(label("version"), version);
        assert_eq!(label("licenses"), "Apache-2.0");
        assert!(label("source").as_str().unwrap().starts_with("https://"), "{name}");
        assert!(label("description").as_str().unwrap().len() > 20, "{name}");
        assert_eq!(config["User"], "65532:65532", "{name}");
        assert_eq!(config["Entrypoint"], json!([format!("/{name}")]));
        assert!(config["Cmd"].is_null() && config["Volumes"].is_null(), "{name}: {config}");
        let check = &config["Healthcheck"]["Test"];
        let ports: Vec<&String> = config["ExposedPorts"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(port, _nothing)| port)
            .collect();
        match PORTS.iter().find(|(image, _ports)| *image == name) {
            Some((_image, expected)) => {
                assert_eq!(*check, json!(["CMD", format!("/{name}"), "healthcheck"]));
                let expected: Vec<String> =
                    expected.iter().map(|port| format!("{port}/tcp")).collect();
                assert_eq!(ports, expected.iter().collect::<Vec<_>>(), "{name}");
            }
            // A tool has no health.
            None => assert!(check.is_null() && ports.is_empty(), "{name}: {config}"),
        }
        let said = engine.docker(&["run", "--rm", &image(name), "--version"]);
        assert!(said.starts_with(&format!("{name} {version}")), "{said}");
    }
    for (name, link) in LINKS {
        let entrypoint = format!("/{link}");
        let run = ["run", "--rm", "--entrypoint", &entrypoint, &image(name), "--version"];
        let said = engine.docker(&run);
        assert!(said.contains(version), "{link}: {said}");
    }
}

/// Nothing in a binary depends on where, when and by whom it was built: what `make binaries` made
/// here and what the Dockerfile made have the same bytes, although they were built in different
/// folders at different times. Where this machine's compiler is not that of the image, a second
/// build in the image takes its place.
#[test]
fn a_binary_is_the_same_wherever_it_is_built() {
    let mut engine = Engine::start();
    engine.images();
    let folder = tempfile::tempdir().unwrap();
    if toolchain(None) == toolchain(Some(&engine)) {
        for name in IMAGES {
            fs::copy(released(name), folder.path().join(name)).unwrap();
        }
    } else {
        eprintln!("Another compiler here than there: built twice there");
        built_again(&engine, folder.path());
    }
    for name in IMAGES {
        let [inside, other] =
            [files(name).remove(name).unwrap().bytes, fs::read(folder.path().join(name)).unwrap()];
        assert_eq!(inside.len(), other.len(), "bytes of {name}: is `make binaries` up to date?");
        assert!(inside == other, "{name} differs: is `make binaries` up to date?");
    }
}

/// What decides over the bytes besides the sources: the compiler, and what it links.
fn toolchain(engine: Option<&Engine>) -> String {
    const ASK: &str =
        "rustc -vV; cc --version; ld --version; sha256sum <$(cc -print-file-name=libc.a)";
    match engine {
        Some(engine) => engine.docker(&["run", "--rm", &stage("build"), "sh", "-c", ASK]),
        None => {
            let output = Command::new("sh").args(["-c", ASK]).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        }
    }
}

/// Builds all binaries anew in a container, with sources and cargo's home in other places.
fn built_again(engine: &Engine, folder: &Path) {
    const BUILD: &str = "mkdir -p /elsewhere/home /out && cp -r . /elsewhere/src \
        && cp -r \"${CARGO_HOME:-$HOME/.cargo}/registry\" /elsewhere/home \
        && cd /elsewhere/src && rm -rf target \
        && CARGO_HOME=/elsewhere/home scripts/binaries.sh \
        && find target/*/release target/*/tool -maxdepth 1 -type f -perm /1 -exec cp -t /out {} +";
    let run = ["run", "--name", "again", "--network=host", &stage("build"), "sh", "-c", BUILD];
    let outcome = engine.try_docker(&run, AGAIN_MAX);
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    engine.docker(&["cp", "again:/out/.", folder.to_str().unwrap()]);
}

/// Path of an image's bill of materials in it.
fn bill(name: &str) -> String {
    format!("usr/share/sbom/{name}.cdx.json")
}

/// Every dependency with its version and checksum, and nothing that only tests use.
fn check_bill(name: &str, bytes: &[u8]) {
    let bill: Value = serde_json::from_slice(bytes).unwrap();
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&json!("CycloneDX"), &json!("1.5")));
    assert_eq!(bill["metadata"]["component"]["name"], name);
    assert_eq!(bill["metadata"]["component"]["version"], env!("CARGO_PKG_VERSION"));
    let components = bill["components"].as_array().unwrap();
    let names: Vec<&str> = components.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(
        ["clap", "sidecar-runtime", "tokio"].iter().all(|one| names.contains(one)),
        "{names:?}"
    );
    assert!(!names.contains(&"proptest") && !names.contains(&"redis"), "{names:?}");
    for one in components {
        assert!(one["licenses"][0]["expression"].is_string(), "{one}");
        let of_registry = one["purl"].as_str();
        assert_eq!(of_registry.is_some(), one["hashes"].is_array(), "{one}");
        let version = one["version"].as_str().unwrap();
        let purl = format!("pkg:cargo/{}@{version}", one["name"].as_str().unwrap());
        assert!(of_registry.is_none_or(|given| given == purl), "{one}");
    }
}

fn inspected(engine: &Engine, name: &str) -> Value {
    let text = engine.docker(&["image", "inspect", &image(name)]);
    let mut all: Value = serde_json::from_str(&text).unwrap();
    all[0].take()
}
