//! The commands of compose/README.md, each of which must be run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the commands are for.
pub(crate) fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

pub(crate) fn compose_file() -> String {
    fs::read_to_string(top().join("compose.yaml")).unwrap()
}

/// The commands that were not run yet.
#[derive(Debug)]
pub(crate) struct Page {
    all: BTreeSet<String>,
    pending: BTreeSet<String>,
}

impl Page {
    /// The lines of all blocks of shell commands.
    pub(crate) fn read() -> Self {
        let text = fs::read_to_string(top().join("compose/README.md")).unwrap();
        let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
        let all: BTreeSet<String> = blocks.flat_map(str::lines).map(str::to_owned).collect();
        Self { pending: all.clone(), all }
    }

    /// Panics if the page does not have this command.
    pub(crate) fn take(&mut self, command: &str) {
        assert!(self.all.contains(command), "the page does not have {command}");
        self.pending.remove(command);
    }

    pub(crate) fn pending(&self) -> &BTreeSet<String> {
        &self.pending
    }
}
