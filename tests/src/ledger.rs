//! Compares what was written with what arrived. Pure.
//!
//! In go the lines of each writer and the messages that a sink accepted, in the order of arrival;
//! out comes an [`Account`] of what was lost, doubled, out of order, or never written (which is
//! also where a damaged line shows up). Order is a property of a file: with duplicates removed,
//! the lines of one file must first arrive in the order in which they were written. Between the
//! files of a rotated log no order is demanded.

use std::collections::HashMap;

/// Examples shown when an account does not balance.
const EXAMPLES_SHOWN: usize = 5;

/// One line as written, without its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The writer, and how many times it had begun a new file (or emptied its file) before.
    pub file: (String, u32),
    pub text: String,
}

/// The difference between written and delivered. Each entry is the text of a line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    pub written: usize,
    pub lost: Vec<String>,
    pub doubled: Vec<String>,
    pub disordered: Vec<String>,
    pub foreign: Vec<String>,
}

/// All lines must be different from each other.
pub fn account<'a>(
    written: impl IntoIterator<Item = &'a Line>,
    delivered: impl IntoIterator<Item = &'a str>,
) -> Account {
    let written: Vec<&Line> = written.into_iter().collect();
    let mut position_of = HashMap::with_capacity(written.len());
    for (position, line) in written.iter().enumerate() {
        let before = position_of.insert(line.text.as_str(), position);
        assert!(before.is_none(), "written twice: {}", line.text);
    }
    let mut account = Account { written: written.len(), ..Account::default() };
    let mut seen = vec![false; written.len()];
    let mut latest_of_file: HashMap<&(String, u32), usize> = HashMap::new();
    for message in delivered {
        let Some(&position) = position_of.get(message) else {
            account.foreign.push(message.to_owned());
            continue;
        };
        if std::mem::replace(&mut seen[position], true) {
            account.doubled.push(message.to_owned());
            continue;
        }
        let latest = latest_of_file.entry(&written[position].file).or_insert(position);
        if position < *latest {
            account.disordered.push(message.to_owned());
        }
        *latest = position.max(*latest);
    }
    let missing = written.iter().zip(&seen).filter(|(_line, seen)| !**seen);
    account.lost = missing.map(|(line, _seen)| line.text.clone()).collect();
    account
}

impl Account {
    /// Every line arrived undamaged and in order; some may have arrived more than once.
    pub fn assert_nothing_lost(&self) {
        let faults = self.lost.len() + self.disordered.len() + self.foreign.len();
        assert!(faults == 0, "{}", self.summary());
    }

    /// Every line arrived exactly once.
    pub fn assert_exactly_once(&self) {
        self.assert_nothing_lost();
        assert!(self.doubled.is_empty(), "{}", self.summary());
    }

    /// Every line arrived exactly once; a sink that refuses single records changes their order.
    pub fn assert_once_in_any_order(&self) {
        let faults = self.lost.len() + self.doubled.len() + self.foreign.len();
        assert!(faults == 0, "{}", self.summary());
    }

    fn summary(&self) -> String {
        let mut summary = format!("of {} lines written:", self.written);
        for (what, lines) in [
            ("lost", &self.lost),
            ("doubled", &self.doubled),
            ("out of order", &self.disordered),
            ("delivered but never written", &self.foreign),
        ] {
            summary.push_str(&format!("\n  {} {what}", lines.len()));
            for line in lines.iter().take(EXAMPLES_SHOWN) {
                let start: String = line.chars().take(60).collect();
                summary.push_str(&format!("\n    {start:?}"));
            }
        }
        summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(files: &[(&str, u32, &str)]) -> Vec<Line> {
        let line = |&(writer, number, text): &(&str, u32, &str)| Line {
            file: (writer.to_owned(), number),
            text: text.to_owned(),
        };
        files.iter().map(line).collect()
    }

    fn check(delivered: &[&str], faults: [&[&str]; 4]) {
        let written = lines(&[("a", 0, "1"), ("a", 0, "2"), ("a", 1, "3"), ("b", 0, "4")]);
        let account = account(&written, delivered.iter().copied());
        let [lost, doubled, disordered, foreign] = faults;
        assert_eq!(account.lost, lost, "{delivered:?}");
        assert_eq!(account.doubled, doubled, "{delivered:?}");
        assert_eq!(account.disordered, disordered, "{delivered:?}");
        assert_eq!(account.foreign, foreign, "{delivered:?}");
    }

    #[test]
    fn faults_are_told_apart() {
        check(&["1", "2", "3", "4"], [&[], &[], &[], &[]]);
        check(&["4", "3", "1", "2"], [&[], &[], &[], &[]]);
        check(&["1", "2", "1", "2", "3", "4"], [&[], &["1", "2"], &[], &[]]);
        check(&["2", "1", "3", "4"], [&[], &[], &["1"], &[]]);
        check(&["1", "4"], [&["2", "3"], &[], &[], &[]]);
        check(&["1", "2", "3", "4", "5"], [&[], &[], &[], &["5"]]);
        check(&[], [&["1", "2", "3", "4"], &[], &[], &[]]);
    }

    #[test]
    fn a_summary_counts_and_shows() {
        let written = lines(&[("a", 0, "one"), ("a", 0, "two")]);
        let summary = account(&written, ["two"]).summary();
        assert!(summary.contains("of 2 lines written:\n  1 lost\n    \"one\""), "{summary}");
    }
}
