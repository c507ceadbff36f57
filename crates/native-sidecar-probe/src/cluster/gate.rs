//! The reading of one gate from a metrics body that comes in pieces of any size.
//!
//! In go the bytes of a Prometheus text or OpenMetrics body, out comes what they say about
//! `kubernetes_feature_enabled{name="SidecarContainers"}`. Only whole lines count, and no line is
//! kept longer than [`LINE_BYTES_MAX`], so a body of any size costs a few KiB. A series that is not
//! there proves something only in a whole body that shows other gates; everything less is
//! [`Gate::Silent`] or [`Gate::Unclear`], never a no. A search for the line's text was not used: a
//! longer name that ends alike, other labels or another order would deceive it.

mod sample;

use std::ops::ControlFlow;

use memchr::memchr;

use self::sample::Sample;
use super::assessment::{Evidence, Source};

/// The gate.
const GATE: &str = "SidecarContainers";
/// The family with one series for each gate.
const FAMILY: &[u8] = b"kubernetes_feature_enabled";
/// Every component shows it: what shows neither it nor a gate is not the page of a component.
const PROCESS: &[u8] = b"process_start_time_seconds";
/// The last line of an OpenMetrics body.
const END: &[u8] = b"# EOF";
/// A line of the family has about 100 bytes. What follows after this many is skipped.
const LINE_BYTES_MAX: usize = 4096;

/// What a metrics body says about the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gate {
    /// The series is there.
    Shown {
        /// ALPHA, BETA, or nothing once it is generally available.
        stage: String,
        enabled: bool,
    },
    /// A whole body with other gates and without this one: the component is too old or too new.
    Absent,
    /// A whole body of a component that shows no gate at all.
    Silent,
    /// Nothing can be concluded, and why.
    Unclear(String),
}

impl Gate {
    /// In words.
    pub(crate) fn evidence(&self) -> Evidence {
        let evidence = |says: String| Evidence::new(Source::Metric, says);
        match self {
            Gate::Shown { stage, enabled } => {
                let (state, value) = if *enabled { ("on", 1) } else { ("off", 0) };
                let line = format!(
                    "kubernetes_feature_enabled{{name=\"{GATE}\",stage=\"{stage}\"}} {value}"
                );
                evidence(format!("the gate {GATE} is {state}")).with_detail(line)
            }
            Gate::Absent => evidence(format!("other gates are shown, {GATE} is not")),
            Gate::Silent => evidence("no gate is shown at all".to_owned()),
            Gate::Unclear(reason) => evidence(format!("the gate could not be read: {reason}")),
        }
    }
}

/// Reads the gate from pieces of a body.
#[derive(Debug, Default)]
pub(crate) struct GateReader {
    /// The beginning of a line whose end has not come; never above [`LINE_BYTES_MAX`].
    line: Vec<u8>,
    /// More of the line came than is kept.
    overlong: bool,
    /// Behind `# EOF`.
    ended: bool,
    series: Series,
    /// What keeps a missing series from proving anything; the first reason is kept.
    doubt: Option<String>,
    /// Some gate was shown.
    gates: bool,
    /// The line that every component shows was there.
    process: bool,
}

#[derive(Debug, Default)]
enum Series {
    #[default]
    Unseen,
    Seen {
        stage: String,
        enabled: bool,
    },
    /// On and off in one body.
    Contradicted,
}

impl GateReader {
    /// Takes the next piece. Breaks once the answer is certain, which is after the family's end.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> ControlFlow<()> {
        while let Some(end) = memchr(b'\n', bytes) {
            let (head, rest) = bytes.split_at(end);
            bytes = rest.get(1..).unwrap_or_default();
            if self.line.is_empty() && !self.overlong && head.len() <= LINE_BYTES_MAX {
                self.on_line(head)?;
                continue;
            }
            self.keep(head);
            let line = std::mem::take(&mut self.line);
            self.on_line(&line)?;
            self.line = line;
            self.line.clear();
            self.overlong = false;
        }
        self.keep(bytes);
        ControlFlow::Continue(())
    }

    /// The answer. `whole` tells that the body came to its end.
    pub(crate) fn finish(self, whole: bool) -> Gate {
        match self.series {
            Series::Seen { stage, enabled } => return Gate::Shown { stage, enabled },
            Series::Contradicted => {
                return Gate::Unclear("the gate is shown on and off in one body".to_owned());
            }
            Series::Unseen => {}
        }
        if let Some(doubt) = self.doubt {
            return Gate::Unclear(doubt);
        }
        let complete = self.line.is_empty() || self.line == END;
        match (whole && complete && !self.overlong, self.gates, self.process) {
            (false, _, _) => Gate::Unclear("the body was cut".to_owned()),
            (true, true, _) => Gate::Absent,
            (true, false, true) => Gate::Silent,
            (true, false, false) => Gate::Unclear("not the metrics of a component".to_owned()),
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES_MAX - self.line.len();
        self.overlong |= bytes.len() > room;
        self.line.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    fn on_line(&mut self, line: &[u8]) -> ControlFlow<()> {
        let line = line.trim_ascii();
        if self.ended || line.is_empty() {
            return ControlFlow::Continue(());
        }
        if line.starts_with(b"#") {
            self.ended = line == END;
            return ControlFlow::Continue(());
        }
        if sample::is_of(line, FAMILY) {
            self.gates = true;
            self.on_gate(line);
            return ControlFlow::Continue(());
        }
        self.process |= sample::is_of(line, PROCESS);
        match self.series {
            Series::Seen { .. } => ControlFlow::Break(()),
            Series::Unseen | Series::Contradicted => ControlFlow::Continue(()),
        }
    }

    fn on_gate(&mut self, line: &[u8]) {
        let sample = match Sample::parse(line) {
            Some(sample) if !self.overlong => sample,
            _ => return self.doubt_that("a line of the family cannot be read"),
        };
        if sample.label("name") != Some(GATE) {
            return;
        }
        let enabled = match sample.value {
            1.0 => true,
            0.0 => false,
            value => return self.doubt_that(&format!("the gate's value is {value}")),
        };
        let stage = sample.label("stage").unwrap_or_default().to_owned();
        self.series = match std::mem::take(&mut self.series) {
            Series::Unseen => Series::Seen { stage, enabled },
            Series::Seen { enabled: before, .. } if before != enabled => Series::Contradicted,
            known => known,
        };
    }

    fn doubt_that(&mut self, reason: &str) {
        self.doubt.get_or_insert_with(|| reason.to_owned());
    }
}

#[cfg(test)]
mod tests;
