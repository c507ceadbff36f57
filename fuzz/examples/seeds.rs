//! Writes the first inputs of every target into `corpus/`: one of each kind of frame, of each way
//! to call a command, of each spelling of a metric or a manifest. The fuzzer makes the rest from
//! them.

use std::path::Path;
use std::{fs, io};

use redis_commands::all;

/// The first byte says how to cut; three ways are enough to begin with.
const CUTS: [u8; 3] = [0, 7, 255];

const REQUESTS: [&str; 8] = [
    "*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
    "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\nxxxxxxxxxxxx\r\n",
    "*0\r\n*-1\r\n\r\nPING\r\n",
    "set \"a \\x41\\n\" 'b\\'' c\n",
    "*1\r\n$-1\r\n",
    "*11\r\n$1\r\n",
    "*1\r\n$16385\r\n",
    "*99999999999\r\n",
];

const REPLIES: [&str; 10] = [
    "+OK\r\n-ERR x\r\n:1\r\n$1\r\na\r\n$-1\r\n",
    "*2\r\n*-1\r\n*1\r\n*0\r\n",
    "_\r\n#t\r\n,1.5\r\n(123\r\n",
    "=7\r\ntxt:abc\r\n!5\r\nERR x\r\n",
    "%2\r\n+a\r\n:1\r\n+b\r\n~1\r\n+c\r\n",
    ">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n",
    "|1\r\n+ttl\r\n:3\r\n*1\r\n|1\r\n+x\r\n:1\r\n:2\r\n",
    "$?\r\n;1\r\na\r\n;0\r\n",
    "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
    "$68719476737\r\n",
];

const WORDS: [&str; 6] = [
    "k\nv\nEX\n1",
    "2\na\nb\n1",
    "s\n2\na\nb",
    "COUNT\n1\nBLOCK\n0\nSTREAMS\na\n0",
    "GROUP\ng\nc\nNOACK\nSTREAMS\na\n>",
    "a\nLIMIT\n0\n1\nSTORE\nd\nSTOREDIST\ne",
];

/// As recorded; the unit tests of the reader have the same files.
const BODIES: [&str; 2] = [
    include_str!("../../crates/native-sidecar-probe/src/cluster/gate/api-server-1.36.3.prom"),
    include_str!("../../crates/native-sidecar-probe/src/cluster/gate/kubelet-1.36.3.prom"),
];

const METRICS: [&str; 5] = [
    "kubernetes_feature_enabled{name=\"SidecarContainers\",stage=\"BETA\"} 1\n# EOF\n",
    "kubernetes_feature_enabled { stage = \"\" , name = \"SidecarContainers\", }  0e+00 17\r\n",
    "kubernetes_feature_enabled{name=\"AllBeta\",x=\"a\\\"\\\\\\n\"} 0 # {a=\"b\"} 2\n",
    "kubernetes_feature_enabled{name=\"SidecarContainers\"} NaN\nup 1\n",
    "process_start_time_seconds 1.7e+09\n",
];

const MANIFESTS: [&str; 8] = [
    "kind: Pod\nspec:\n  initContainers:\n  - name: b\n    restartPolicy: Always\n",
    "kind: List\nitems:\n- {kind: CronJob, spec: {jobTemplate: {spec: {template: {spec: {}}}}}}\n",
    r#"{"kind": "Job", "spec": {"template": {"spec": {"containers": [{"image": "a"}]}}}}"#,
    "---\na: &a [1.50, 0x1F, 0o7, ~, yes, .inf, 2001-01-01]\nb: [*a, *a]\n...\n--- !!str 7\n",
    "<<: [{a: 1}, {b: 2}]\nc: |2-\n   x\nd: >+\n  y\n\n\"\\u00e9\\/\": 'it''s'\n? [k]\n: v\n",
    "a: 1\na: 2\n",
    "a: &a [*a]\n",
    "\u{feff}%YAML 1.2\n---\n# c\n\ta: 1e400\n",
];

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (i, manifest) in MANIFESTS.iter().enumerate() {
        write(&corpus.join("manifests"), &i.to_string(), &[manifest.as_bytes()])?;
    }
    let metrics = [&BODIES[..], &METRICS[..]].concat();
    for (target, frames) in
        [("requests", &REQUESTS[..]), ("replies", &REPLIES[..]), ("gates", &metrics)]
    {
        for (i, frame) in frames.iter().enumerate() {
            for cut in CUTS {
                write(&corpus.join(target), &format!("{i}-{cut}"), &[&[cut], frame.as_bytes()])?;
            }
        }
    }
    for (row, command) in all().iter().enumerate() {
        for (i, words) in WORDS.iter().enumerate() {
            let row = u16::try_from(row).expect("fewer commands than 65,536").to_be_bytes();
            let name = format!("{}-{i}", command.name);
            write(&corpus.join("commands"), &name, &[&row, words.as_bytes()])?;
        }
    }
    Ok(())
}

fn write(folder: &Path, name: &str, parts: &[&[u8]]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join(name), parts.concat())
}
