//! What the pages and the manifests tell people to run is what the binaries accept.
//!
//! In go README.md, the pages of the images, and every manifest of k8s-examples and compose. Out of
//! them come invocations: the arguments and variables of each container with an image of ours, its
//! exec probes, the lines of shell blocks, commands in the running text. Long-running images are
//! asked by their own `check`, which sees values as well; anything else is called for its help,
//! which comes only if the words before it are known. Flags and variables in the text itself are
//! looked up in the images' pages, which other tests compare with the help.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use e2e::binary::{built, installed};
use e2e::process::command;
use e2e::workplace::Workplace;
use serde_json::Value;

use crate::SUBJECTS;

const PROBE: &str = "native-sidecar-probe";
/// Where images are named.
const OWNER: &str = "outrider/";
/// A line that calls one of these has flags of theirs; what it says of ours is an invocation.
const FOREIGN_PROGRAMS: [&str; 8] =
    ["cargo ", "cargo-deny", "curl", "docker", "kubectl", "openssl", "podman", "redis-server"];
/// Flags of ours that are no settings, and of others that the line does not name.
const OTHER_FLAGS: [&str; 5] = ["help", "version", "save", "appendonly", "volumes"];
/// A file that is in the container only.
const ELSEWHERE: &str = "No such file or directory";
/// Variables that have no flag: a password has no place on a command line.
const VARIABLES_ALONE: [&str; 1] = ["REDIS_AMBASSADOR_REDIS_AUTH"];
/// Keys of what is run, in the order of its words: of containers, services, probes, health checks.
const ARGUMENTS: [&str; 4] = ["entrypoint", "command", "args", "test"];
/// A block that begins so is a settings file.
const SETTINGS_MARK: &str = "# settings.yaml";

/// A call that begins to work instead of telling.
const SECONDS_MAX: &str = "20";

/// One call of a binary.
#[derive(Debug)]
struct Invocation {
    /// The file.
    place: String,
    image: String,
    /// Without the program.
    words: Vec<String>,
    variables: Vec<(String, String)>,
}

#[derive(Debug)]
struct Text {
    /// Relative to the root of the workspace.
    place: String,
    text: String,
}

#[test]
fn examples_are_accepted() {
    let mut found = Vec::new();
    for page in pages() {
        let mut block = String::new();
        let mut fence = None;
        for line in page.text.lines() {
            match (fence, line.trim_start().strip_prefix("```")) {
                (None, Some(language)) => fence = Some(language),
                (Some(language), Some(_end)) => {
                    found.extend(in_block(&page.place, language, &block));
                    (fence, block) = (None, String::new());
                }
                (Some(_language), None) => block += &format!("{line}\n"),
                (None, None) => {
                    let spans = line.split('`').skip(1).step_by(2);
                    found.extend(spans.flat_map(|span| in_shell(&page.place, span)));
                }
            }
        }
        assert_eq!(fence, None, "a block without an end in {}", page.place);
    }
    for manifest in manifests() {
        found.extend(in_yaml(&manifest.place, &manifest.text));
    }
    assert!(found.len() > 20, "only {} invocations were found", found.len());
    let refused = found.iter().filter_map(|call| Some((call, refusal(call)?)));
    let refused = refused
        .map(|(call, why)| format!("{}: {} {:?}: {why}", call.place, call.image, call.words));
    let refused: Vec<String> = refused.collect();
    assert!(refused.is_empty(), "refused:\n{}", refused.join("\n"));
}

#[test]
fn settings_files_are_accepted() {
    for subject in SUBJECTS {
        let page = read(&root().join("images").join(subject.name).join("README.md"));
        let mut blocks = page.split("```yaml\n").skip(1);
        while let Some(block) = blocks.find(|block| block.starts_with(SETTINGS_MARK)) {
            let place = Workplace::new();
            let file = place.path().join("settings.yaml");
            fs::write(&file, block.split("```").next().unwrap()).unwrap();
            let output = subject.run(&["check", &format!("--config={}", file.display())], &[]);
            let log = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{}: {log}", subject.name);
        }
    }
}

#[test]
fn flags_and_variables_in_the_text_exist() {
    let mut known = BTreeSet::from(OTHER_FLAGS.map(str::to_owned));
    let mut variables = BTreeSet::from(VARIABLES_ALONE.map(str::to_owned));
    let mut prefixes = Vec::new();
    for image in images() {
        let page = read(&root().join("images").join(&image).join("README.md"));
        let prefix = format!("{}_", image.replace('-', "_").to_uppercase());
        for flag in flags_in_text(&page) {
            let end = flag.replace(['-', '.'], "_").to_uppercase();
            variables.insert(format!("{prefix}{end}"));
            known.insert(flag);
        }
        prefixes.push(prefix);
    }
    let mut unknown = Vec::new();
    for text in pages().into_iter().chain(manifests()) {
        let is_foreign = |line: &&str| FOREIGN_PROGRAMS.iter().any(|it| line.contains(it));
        let flags = text.text.lines().filter(|line| !is_foreign(line)).flat_map(flags_in_text);
        let flags = flags.filter(|flag| !known.contains(flag));
        unknown.extend(flags.map(|flag| format!("{}: --{flag}", text.place)));
        for word in text.text.split(|c: char| !(c.is_ascii_uppercase() || c == '_')) {
            let rest = prefixes.iter().find_map(|prefix| word.strip_prefix(prefix.as_str()));
            if rest.is_some_and(|rest| !rest.is_empty()) && !variables.contains(word) {
                unknown.push(format!("{}: {word}", text.place));
            }
        }
    }
    assert!(unknown.is_empty(), "no binary knows:\n{}", unknown.join("\n"));
}

fn flags_in_text(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c == '-' || c == '.'));
    let flags = words.filter_map(|word| word.trim_end_matches('.').strip_prefix("--"));
    let flags = flags.filter(|flag| flag.len() > 1 && !flag.starts_with('-'));
    flags.map(str::to_owned).collect()
}

fn in_block(place: &str, language: &str, block: &str) -> Vec<Invocation> {
    match language {
        "yaml" => in_yaml(place, block),
        "sh" => {
            let lines = block.replace("\\\n", " ");
            let lines = lines.lines().map(|line| line.split(" #").next().unwrap_or_default());
            lines.flat_map(|line| in_shell(place, line)).collect()
        }
        _ => Vec::new(),
    }
}

/// A line that calls a binary, or an image of it. An ellipsis stands for what a reader fills in.
fn in_shell(place: &str, line: &str) -> Vec<Invocation> {
    let mut words = words(line).into_iter().filter(|word| word != "…");
    let image = words.find_map(|word| match word.strip_prefix(OWNER) {
        Some(image) => Some(image.split(':').next()?.to_owned()),
        None => images().into_iter().find(|image| *image == word),
    });
    let Some(image) = image else { return Vec::new() };
    // Not an image that is only built, pulled or named.
    if !line.starts_with(&image) && !line.contains(" run ") {
        return Vec::new();
    }
    let words: Vec<String> = [format!("/{image}")].into_iter().chain(words).collect();
    calls(place, &words, Vec::new())
}

/// Between blanks; quotes hold together what is in them.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for c in line.trim().chars() {
        match quote {
            Some(end) if c == end => quote = None,
            None if c == '\'' || c == '"' => quote = Some(c),
            None if c == ' ' => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn in_yaml(place: &str, text: &str) -> Vec<Invocation> {
    let documents = manifest::read(text, &manifest::Limits::default());
    assert!(documents.is_ok(), "{place}: {documents:?}\n{text}");
    let mut found = Vec::new();
    for document in documents.unwrap() {
        collect(place, &document.value, &mut found);
    }
    found
}

fn collect(place: &str, value: &Value, found: &mut Vec<Invocation>) {
    let image = value["image"].as_str().and_then(|image| image.strip_prefix(OWNER));
    let mut words: Vec<String> = image.map(|image| format!("/{image}")).into_iter().collect();
    if let Some(word) = words.first_mut() {
        word.truncate(word.find(':').unwrap_or(word.len()));
    }
    for key in ARGUMENTS {
        let strings = value[key].as_array().into_iter().flatten().filter_map(Value::as_str);
        let strings = strings.filter(|word| *word != "CMD");
        // Two are a compose file's way to write one.
        let own: Vec<String> = strings.map(|word| word.replace("$$", "$")).collect();
        if own.first().is_some_and(|word| word.starts_with('/')) {
            words.clear();
        }
        words.extend(own);
    }
    for (key, item) in value.as_object().into_iter().flatten() {
        if !ARGUMENTS.contains(&key.as_str()) {
            collect(place, item, found);
        }
    }
    for item in value.as_array().into_iter().flatten() {
        collect(place, item, found);
    }
    found.extend(calls(place, &words, variables(value)));
}

/// What is called with these words: behind `--`, a wrapped command may be ours as well.
fn calls(place: &str, words: &[String], variables: Vec<(String, String)>) -> Vec<Invocation> {
    let mut found = Vec::new();
    let wrapped = words.iter().position(|word| word == "--");
    let (own, behind) = words.split_at(wrapped.unwrap_or(words.len()));
    if let Some((program, rest)) = own.split_first() {
        let name = program.rsplit('/').next().unwrap_or_default();
        if images().iter().any(|image| image == name) {
            let (place, words) = (place.to_owned(), rest.to_vec());
            let variables = variables.clone();
            found.push(Invocation { place, image: name.to_owned(), words, variables });
        }
    }
    if let Some((_dashes, inner)) = behind.split_first() {
        found.extend(calls(place, inner, variables));
    }
    found
}

/// Of a container, or of a service of a compose file. Those from elsewhere are unknown here.
fn variables(value: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let list = value["env"].as_array().into_iter().flatten();
    let list = list.filter(|item| !item["value"].is_null());
    let list = list.map(|item| (text(&item["name"]), text(&item["value"])));
    let map = value["environment"].as_object().into_iter().flatten();
    list.chain(map.map(|(name, value)| (name.clone(), text(value)))).collect()
}

/// What the binary says against it, if it does.
fn refusal(call: &Invocation) -> Option<String> {
    let mut process = command(installed("timeout", "coreutils"));
    process.arg(SECONDS_MAX).arg(built(&call.image));
    let is_command = call.words.first().is_some_and(|word| !word.starts_with('-'));
    if call.image == PROBE || is_command {
        process.args(&call.words).arg("--help");
    } else {
        process.arg("check").args(&call.words);
    }
    process.envs(call.variables.iter().map(|(name, value)| (name, value)));
    let output = process.stdout(std::process::Stdio::piped()).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let has_no_file = |line: &str| line.contains("Setting rejected") && line.contains(ELSEWHERE);
    match output.status.code() {
        Some(0) => None,
        Some(64) if log.lines().all(has_no_file) => None,
        _ => Some(log),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn images() -> Vec<String> {
    SUBJECTS.iter().map(|subject| subject.name).chain([PROBE]).map(str::to_owned).collect()
}

fn read(path: &Path) -> String {
    let text = fs::read_to_string(path);
    assert!(text.is_ok(), "{}: {text:?}", path.display());
    text.unwrap()
}

/// What people read.
fn pages() -> Vec<Text> {
    texts(&["", "images", "k8s-examples", "compose"], "md")
}

fn manifests() -> Vec<Text> {
    texts(&["", "k8s-examples", "compose"], "yaml")
}

/// Files with this ending in the folders and below; at the root of the workspace, without a name,
/// only in it.
fn texts(folders: &[&str], ending: &str) -> Vec<Text> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = open.pop() {
        // Not every folder has to be there.
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let place = path.strip_prefix(root()).unwrap().display().to_string();
            if path.is_dir() && folder != root().join("") {
                open.push(path);
            } else if path.extension().is_some_and(|it| it == ending) {
                found.push(Text { place, text: read(&path) });
            }
        }
    }
    found.sort_by(|a, b| a.place.cmp(&b.place));
    found
}
