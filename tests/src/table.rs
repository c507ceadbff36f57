//! Figures of several rounds as cells of a Markdown table.

use std::fmt::Write;

/// One figure, measured once per round.
#[derive(Debug, Default, Clone)]
pub struct Rounds(Vec<f64>);

impl Rounds {
    pub fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    /// `median (least–most)` with so many decimals; the median alone after one round.
    pub fn cell(&self, decimals: usize) -> String {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let Some((least, most)) = sorted.first().zip(sorted.last()) else {
            return "–".to_owned();
        };
        let median = sorted[sorted.len() / 2];
        match sorted.len() {
            1 => format!("{median:.decimals$}"),
            _ => format!("{median:.decimals$} ({least:.decimals$}–{most:.decimals$})"),
        }
    }

    /// The sum as a whole number, for counts that should be 0; `–` if it was never counted.
    pub fn sum_cell(&self) -> String {
        if self.0.is_empty() {
            "–".to_owned()
        } else {
            format!("{:.0}", self.0.iter().sum::<f64>())
        }
    }
}

/// A table with a heading; nothing if no agent was asked for that it would show.
pub fn markdown(title: &str, head: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut text = format!("**{title}**\n\n");
    let mut line = |cells: &[String]| writeln!(text, "| {} |", cells.join(" | "));
    line(&head.iter().map(|&cell| cell.to_owned()).collect::<Vec<_>>()).unwrap();
    line(&vec!["---".to_owned(); head.len()]).unwrap();
    for row in rows {
        line(row).unwrap();
    }
    text
}

/// The value below which this share of the sorted values lies.
pub fn percentile(sorted: &[u64], share: f64) -> u64 {
    let last = sorted.len().saturating_sub(1);
    #[expect(clippy::cast_precision_loss, reason = "a number of lines is far below 2^52")]
    let index = last as f64 * share;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the last index"
    )]
    let index = index.round() as usize;
    sorted.get(index).copied().unwrap_or(0)
}
