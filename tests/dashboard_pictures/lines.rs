//! What Prometheus answers, as lines on a common grid of times.
//!
//! A point that is missing, or is not a number, is None: there is a gap in Grafana too.

use std::collections::BTreeMap;

use e2e::dashboards::{Panel, Query, Variables};
use e2e::prometheus::Prometheus;

/// Between two points, in seconds.
pub(crate) const STEP: u64 = 2;
/// Five scrapes. Grafana makes it four of the scrape interval it is told.
const RATE_INTERVAL: &str = "5s";

/// Unix times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// One series of a panel.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) unit: String,
    /// One value for each [`STEP`] of the span.
    pub(crate) values: Vec<Option<f64>>,
}

impl Line {
    pub(crate) fn last(&self) -> Option<f64> {
        self.values.iter().rev().find_map(|value| *value)
    }
}

/// All series of a panel, in the order of its queries.
pub(crate) fn lines(prometheus: &Prometheus, job: &str, panel: &Panel, span: Span) -> Vec<Line> {
    panel.queries.iter().flat_map(|query| of_query(prometheus, job, panel, query, span)).collect()
}

fn of_query(
    prometheus: &Prometheus,
    job: &str,
    panel: &Panel,
    query: &Query,
    span: Span,
) -> Vec<Line> {
    let answer = prometheus.query_range(&filled(query, job, span), span.from, span.to, STEP);
    let line = |(labels, points): (BTreeMap<String, String>, Vec<(f64, f64)>)| {
        let mut name = query.legend.clone();
        for (label, value) in labels {
            name = name.replace(&format!("{{{{{label}}}}}"), &value);
        }
        let unit = panel.unit(&name);
        let mut points = points.into_iter().peekable();
        let value_at = |time: u64| {
            let point = points.next_if(|(at, _value)| (*at - time as f64).abs() < 0.5);
            point.map(|(_at, value)| value).filter(|value| value.is_finite())
        };
        let values = (span.from..=span.to).step_by(STEP.try_into().unwrap()).map(value_at);
        Line { name, unit, values: values.collect() }
    };
    answer.into_iter().map(line).collect()
}

/// A query as Prometheus takes it.
pub(crate) fn filled(query: &Query, job: &str, span: Span) -> String {
    let range = format!("{}s", span.to - span.from);
    query.filled(Variables { job, rate_interval: RATE_INTERVAL, range: &range })
}
