//! What a survey found, in the form that was asked for.
//!
//! In goes a [`Report`], out comes text by `Display`. Every form says the same; they differ in who
//! reads them. With `stable` nothing is in it that changes while the cluster does not: no times, no
//! column widths that one long name shifts, lists in full.

mod json;
mod prometheus;
mod text;

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use super::advisories;
use super::assessment::{Advice, Assessment, ClusterVerdict, Evidence};

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A line for each component, and what to do.
    Table,
    /// All evidence too.
    Wide,
    Json,
    /// The Prometheus text format, as for a textfile collector.
    Prometheus,
}

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    Cluster,
    Node,
}

/// When a survey was made, and how long it took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) unix_seconds: u64,
    pub(crate) took_ms: u128,
}

/// A survey's result.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) question: Question,
    pub(crate) form: Form,
    pub(crate) stable: bool,
    pub(crate) verdict: ClusterVerdict,
    /// About the whole.
    pub(crate) evidence: Vec<Evidence>,
    pub(crate) advice: Vec<Advice>,
    /// Sorted by name.
    pub(crate) api_servers: Vec<Assessment>,
    /// Sorted by name.
    pub(crate) nodes: Vec<Assessment>,
    pub(crate) timing: Timing,
}

impl Display for Report {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self.form {
            Form::Table | Form::Wide => text::write(self, formatter),
            Form::Json => json::write(self, formatter),
            Form::Prometheus => prometheus::write(self, formatter),
        }
    }
}

impl Report {
    /// Each different advice once, with the names of those it is for; empty means the whole. Known
    /// bugs come last.
    fn advice_by_text(&self) -> Vec<(&Advice, Vec<&str>)> {
        let mut order: Vec<(&Advice, Vec<&str>)> =
            self.advice.iter().map(|advice| (advice, Vec::new())).collect();
        let mut places: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for part in self.api_servers.iter().chain(&self.nodes) {
            for advice in &part.advice {
                let place = *places.entry((advice.id, &advice.says)).or_insert(order.len());
                match order.get_mut(place) {
                    Some((_, names)) => names.push(&part.name),
                    None => order.push((advice, vec![&part.name])),
                }
            }
        }
        order.sort_by_key(|(advice, _)| advisories::is_bug(advice));
        order
    }
}

/// How many of each verdict.
fn counts(parts: &[Assessment]) -> impl Iterator<Item = (ClusterVerdict, usize)> {
    let kinds = ClusterVerdict::ALL.into_iter().filter(|kind| *kind != ClusterVerdict::Mixed);
    kinds.map(|kind| {
        (kind, parts.iter().filter(|part| ClusterVerdict::from(part.verdict) == kind).count())
    })
}

#[cfg(test)]
mod tests;
