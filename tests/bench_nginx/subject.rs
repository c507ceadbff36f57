//! The exporters, and how each is started on a processor of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::binary::{built, installed};
use e2e::exporter::Settings;
use e2e::workplace::Workplace;

const PEER: &str = "prometheus-nginx-exporter";

/// A program that is measured.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) name: String,
    program: PathBuf,
}

impl Subject {
    pub(crate) fn ours() -> Self {
        Self { name: "nginx-adapter".to_owned(), program: built("nginx-adapter") }
    }

    /// As Debian packages it.
    pub(crate) fn installed_peer() -> Self {
        Self::of_version(installed(PEER, PEER))
    }

    pub(crate) fn peer(program: &str) -> Self {
        Self::of_version(PathBuf::from(program))
    }

    /// Named by what it says of itself.
    fn of_version(program: PathBuf) -> Self {
        let output = Command::new(&program).arg("--version").output().unwrap();
        // Releases disagree about where that goes.
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let words = text.split([' ', '=', ',']).map(|word| word.split('-').next().unwrap());
        let version = words.into_iter().find(|word| word.contains('.')).unwrap_or("?").to_owned();
        Self { name: format!("{PEER} {version}"), program }
    }

    /// Scrapes a page and has a processor of its own where there are several.
    pub(crate) fn settings(&self, place: &Workplace) -> Settings {
        let last = std::thread::available_parallelism().unwrap().get() - 1;
        let taskset = installed("taskset", "util-linux");
        let program = self.program.to_str().unwrap();
        Settings::of(place, taskset).args(&["-c", &last.to_string(), program])
    }

    pub(crate) fn binary_bytes(&self) -> u64 {
        file_bytes(&self.program)
    }
}

fn file_bytes(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().len()
}

/// Keeps this process and what it starts afterwards off the last processor.
pub(crate) fn leave_the_last_processor() {
    use rustix::thread::{CpuSet, sched_setaffinity};
    let processors = std::thread::available_parallelism().unwrap().get();
    let mut others = CpuSet::new();
    (0..(processors - 1).max(1)).for_each(|processor| others.set(processor));
    sched_setaffinity(None, &others).unwrap();
}
