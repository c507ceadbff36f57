//! What nginx wrote beside what the shipper wrote.
//!
//! Lines of the access log begin with the time and its milliseconds, and no two are alike; those of
//! the error log begin with a date, and may be alike. The first are held against each other in
//! order, by the ledger of all log tests; the second are counted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use e2e::ledger::{Line, account};

/// Lines of the access log in the order of their files; of the error log without order.
#[derive(Debug)]
pub(crate) struct Written {
    access: Vec<Line>,
    errors: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Shipped {
    access: Vec<String>,
    errors: Vec<String>,
}

impl Written {
    /// The volume of nginx's logs, after one rotation.
    pub(crate) fn read(folder: &Path) -> Self {
        let lines = |name: &str| -> Vec<String> {
            let text = fs::read_to_string(folder.join(name)).unwrap();
            assert!(text.ends_with('\n'), "{name} ends within a line");
            text.lines().map(str::to_owned).collect()
        };
        let of_file = |name: &str, begun: u32| {
            let file = ("access".to_owned(), begun);
            lines(name).into_iter().map(move |text| Line { file: file.clone(), text })
        };
        let access = of_file("access.log.1", 0).chain(of_file("access.log", 1)).collect();
        Self { access, errors: lines("error.log") }
    }

    /// Panics unless every line was shipped, and nothing else; returns how many came again.
    pub(crate) fn assert_all_in(&self, shipped: &Shipped) -> usize {
        let account = account(&self.access, shipped.access.iter().map(String::as_str));
        account.assert_nothing_lost();
        let arrived = counts(&shipped.errors);
        let mut doubled = account.doubled.len();
        for (line, written) in counts(&self.errors) {
            let times = arrived.get(line).copied().unwrap_or_default();
            assert!(times >= written, "{line}: written {written} times, shipped {times} times");
            doubled += times - written;
        }
        assert_eq!(arrived.len(), counts(&self.errors).len(), "lines that nginx did not write");
        doubled
    }
}

impl Shipped {
    pub(crate) fn new(output: &str) -> Self {
        let lines = output.lines().map(str::to_owned);
        // 1700000000.000 or 2026/01/01
        let (access, errors) = lines.partition(|line| line.as_bytes().get(10) == Some(&b'.'));
        Self { access, errors }
    }

    /// Panics unless each number below `count` is in a line.
    pub(crate) fn assert_requested(&self, prefix: &str, count: u64) {
        let requested = self.paths();
        let missing = (0..count).map(|number| format!("{prefix}{number}"));
        let missing: Vec<String> =
            missing.filter(|path| !requested.contains(path.as_str())).collect();
        assert!(missing.is_empty(), "of {count} requests, not in any line: {missing:?}");
    }

    /// Panics unless each page that the visitor says it got is in a line.
    pub(crate) fn assert_visited(&self, output: &str) {
        let requested = self.paths();
        let visited: BTreeSet<&str> = output.lines().collect();
        let missing: Vec<&&str> = visited.difference(&requested).collect();
        assert!(!visited.is_empty() && missing.is_empty(), "not in any line: {missing:?}");
    }

    fn paths(&self) -> BTreeSet<&str> {
        self.access.iter().filter_map(|line| line.split(' ').nth(3)).collect()
    }
}

fn counts(lines: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for line in lines {
        *counts.entry(line.as_str()).or_default() += 1;
    }
    counts
}
