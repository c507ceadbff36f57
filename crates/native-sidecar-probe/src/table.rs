//! Text for people: columns that line up, their form, and how anything reaches stdout.
//!
//! In go cells as text, out come lines. What a cluster says is not ours, so no control character
//! of it reaches a terminal: each becomes a space. Widths count characters, which is right for the
//! names that Kubernetes allows; a crate for the width of every script would serve messages only.

use std::fmt::{self, Display, Formatter};
use std::io::Write;

use serde_json::Value;
use sidecar_runtime::{Rejections, setting};

/// Between two columns.
const GAP: &str = "   ";

/// Rows under one line of headings. The last column is not padded.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(headings: &[&str]) -> Table {
        Table { rows: vec![headings.iter().map(|text| (*text).to_owned()).collect()] }
    }

    /// Adds a row, with as many cells as there are headings.
    pub(crate) fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let row: Vec<String> = cells.into_iter().map(|cell| plain(&cell.into())).collect();
        debug_assert_eq!(row.len(), self.rows.first().map_or(0, Vec::len));
        self.rows.push(row);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }
}

impl Display for Table {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(&format!("{cell:<width$}{GAP}"));
            }
            writeln!(formatter, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// The flag for the form of a report.
#[derive(Debug, clap::Args)]
pub(crate) struct OutputArgs {
    /// The form of the report: table or json
    #[arg(long, short = 'o', value_name = "FORM", default_value = "table")]
    output: String,
}

/// The form of a report: for people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Table,
    Json,
}

impl OutputArgs {
    pub(crate) fn read(&self, rejections: &mut Rejections) -> Option<Output> {
        let forms = [("table", Output::Table), ("json", Output::Json)];
        rejections.parse("output", &self.output, setting::one_of(&forms))
    }
}

impl Output {
    /// The report in this form.
    pub(crate) fn text(
        self,
        table: impl FnOnce() -> String,
        json: impl FnOnce() -> Value,
    ) -> String {
        match self {
            Output::Table => table(),
            Output::Json => format!("{:#}\n", json()),
        }
    }
}

/// The text on one line, without control characters.
pub(crate) fn plain(text: &str) -> String {
    let spaced: String =
        text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Writes a report to stdout. A reader that has gone away has read what it wanted.
pub(crate) fn print(out: &mut dyn Write, report: impl Display) {
    match write!(out, "{report}") {
        Ok(()) | Err(_) => (),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_control_characters_are_gone() {
        let mut table = Table::new(&["NAME", "VERDICT"]);
        assert!(table.is_empty());
        table.row(["mésh-proxy", "KEPT"]);
        table.row(["x", "a\u{1b}[31m\nb  "]);
        table.row(["", ""]);
        let expected = "NAME         VERDICT\nmésh-proxy   KEPT\nx            a [31m b\n\n";
        assert_eq!(table.to_string(), expected);
        assert!(!table.is_empty());
    }
}
