//! From lines to numbers.
//!
//! In: lines of access and error logs. Out: counts, sums and histograms, one set for each
//! combination of labels that came up; `families` shows them. There are at most so many series as
//! the settings allow: everything else is counted in one more, labelled `other`, so that a client
//! that invents hosts or paths costs neither memory nor a lost request. No two series have the same
//! labels: a host that is named `other` shares that one. A line of a known series allocates
//! nothing. The counts are plain integers behind one lock that is taken for a whole turn
//! of reading, not for a line; atomics for each count would cost more than the parser.

use std::collections::HashMap;

use nginx_log::{Format, Level, Values, integer, seconds};

use super::config::Counting;
use super::hashing::Hashing;
use super::label::{self, OTHER};
use super::paths::Paths;
use super::plan::{self, METHODS, Plan, STATUS_OTHER};

/// Everything that is counted from logs.
#[derive(Debug)]
pub(crate) struct Tally {
    format: Format,
    pub(crate) plan: Plan,
    values: Values,
    paths: Paths,
    /// Upper bounds in nanoseconds, ascending.
    pub(crate) buckets: Vec<u64>,
    series_max: usize,
    /// At most `series_max` and the one that is `other` throughout.
    series: Vec<Series>,
    by_key: HashMap<Box<[u8]>, usize, Hashing>,
    /// The key of the line at hand.
    key: Vec<u8>,
    /// Counted as `other` because `series` was full.
    pub(crate) overflow_lines: u64,
    /// By [`plan::CACHE_STATUSES`].
    pub(crate) cache: [u64; plan::CACHE_STATUSES.len()],
    /// By [`Level::ALL`].
    pub(crate) levels: [u64; Level::ALL.len()],
    pub(crate) unparsed: u64,
}

/// The counts of one combination of labels.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) requests: u64,
    pub(crate) response_bytes: u64,
    pub(crate) request_bytes: u64,
    /// One for each of the plan's timings.
    pub(crate) histograms: Vec<Histogram>,
}

/// How often a time lay within each bucket.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    /// By bucket, not cumulative; the last one is for times above every bound.
    pub(crate) counts: Box<[u64]>,
    pub(crate) sum_nanoseconds: u64,
}

/// The values of a line's labels, fit to be shown.
#[derive(Debug, Clone, Copy)]
struct Labels<'l> {
    method: u8,
    status: u16,
    path: u32,
    host: &'l [u8],
}

impl Tally {
    pub(crate) fn new(counting: Counting) -> Tally {
        let plan = Plan::new(&counting);
        Tally {
            plan,
            format: counting.format,
            values: Values::default(),
            paths: Paths::new(counting.path_rules, counting.series_max),
            buckets: counting.buckets,
            series_max: counting.series_max,
            series: Vec::new(),
            by_key: HashMap::with_hasher(Hashing::new()),
            key: Vec::new(),
            overflow_lines: 0,
            cache: [0; plan::CACHE_STATUSES.len()],
            levels: [0; Level::ALL.len()],
            unparsed: 0,
        }
    }

    /// Counts a line of an access log, given without its end.
    pub(crate) fn count_access(&mut self, line: &[u8]) {
        if self.format.split(line, &mut self.values).is_err() {
            self.unparsed += 1;
            return;
        }
        let (plan, values) = (&self.plan, &self.values);
        let value = |position: usize| values.get(line, position);
        let asked = plan.asked(line, values);
        let host = plan.host.map(|it| label::host(value(it)));
        let labels = Labels {
            method: asked.method,
            status: plan.status.map_or(STATUS_OTHER, |it| plan::status_number(value(it))),
            path: asked.path.map_or(0, |path| self.paths.number(path)),
            host: host.as_deref().unwrap_or_default(),
        };
        if let Some(cache) = plan.cache.and_then(|it| plan::cache_number(value(it))) {
            self.cache[usize::from(cache)] += 1;
        }
        let index = self.series_of(labels);
        let (plan, values) = (&self.plan, &self.values);
        let bytes = |it: Option<usize>| it.and_then(|it| integer(values.get(line, it)));
        let series = &mut self.series[index];
        series.requests += 1;
        let response_bytes = bytes(plan.response_bytes).unwrap_or(0);
        series.response_bytes = series.response_bytes.saturating_add(response_bytes);
        let request_bytes = bytes(plan.request_bytes).unwrap_or(0);
        series.request_bytes = series.request_bytes.saturating_add(request_bytes);
        for ((_, position), histogram) in plan.timings.iter().zip(&mut series.histograms) {
            if let Some(time) = seconds(values.get(line, *position)) {
                histogram.observe(time, &self.buckets);
            }
        }
    }

    /// Counts a line of an error log. A line without a level belongs to the message before it.
    pub(crate) fn count_error(&mut self, line: &[u8]) {
        if let Some(level) = Level::of_line(line) {
            self.count_level(level);
        }
    }

    pub(crate) fn count_level(&mut self, level: Level) {
        let index = Level::ALL.iter().position(|it| *it == level);
        self.levels[index.expect("it is one of all")] += 1;
    }

    /// Everything counted apart, and what is counted together.
    pub(crate) fn series(&self) -> impl Iterator<Item = &Series> {
        self.series.iter()
    }

    /// How many are counted apart.
    pub(crate) fn series_count(&self) -> usize {
        self.series.len().min(self.series_max)
    }

    /// Where to count a line with these labels.
    fn series_of(&mut self, labels: Labels<'_>) -> usize {
        if let Some(index) = self.known(labels) {
            return index;
        }
        if self.series.len() < self.series_max {
            return self.add(labels);
        }
        self.overflow_lines += 1;
        let host = if self.plan.host.is_some() { OTHER.as_bytes() } else { b"" };
        let other = Labels { method: 0, status: STATUS_OTHER, path: 0, host };
        self.known(other).unwrap_or_else(|| self.add(other))
    }

    /// Leaves the key for [`Tally::add`].
    fn known(&mut self, labels: Labels<'_>) -> Option<usize> {
        self.key.clear();
        self.key.push(labels.method);
        self.key.extend_from_slice(&labels.status.to_le_bytes());
        self.key.extend_from_slice(&labels.path.to_le_bytes());
        self.key.extend_from_slice(labels.host);
        self.by_key.get(self.key.as_slice()).copied()
    }

    fn add(&mut self, labels: Labels<'_>) -> usize {
        let index = self.series.len();
        self.series.push(self.new_series(self.texts_of(labels)));
        self.by_key.insert(self.key.as_slice().into(), index);
        index
    }

    fn new_series(&self, labels: Vec<(&'static str, String)>) -> Series {
        let empty =
            Histogram { counts: vec![0; self.buckets.len() + 1].into(), sum_nanoseconds: 0 };
        Series {
            labels,
            requests: 0,
            response_bytes: 0,
            request_bytes: 0,
            histograms: vec![empty; self.plan.timings.len()],
        }
    }

    fn label_names(&self) -> Vec<&'static str> {
        let plan = &self.plan;
        let names = [
            ("method", plan.has_method()),
            ("status", plan.status.is_some()),
            ("host", plan.host.is_some()),
            ("path", plan.has_path()),
        ];
        names.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect()
    }

    fn texts_of(&self, labels: Labels<'_>) -> Vec<(&'static str, String)> {
        let text = |name: &'static str| match name {
            "method" => METHODS[usize::from(labels.method)].to_owned(),
            "status" if labels.status == STATUS_OTHER => OTHER.to_owned(),
            "status" => format!("{:03}", labels.status),
            "path" => self.paths.label(labels.path).to_owned(),
            _ => String::from_utf8_lossy(labels.host).into_owned(),
        };
        self.label_names().into_iter().map(|name| (name, text(name))).collect()
    }
}

impl Histogram {
    fn observe(&mut self, nanoseconds: u64, bounds: &[u64]) {
        // Without a branch for each bound: there are few of them, and no telling which it is.
        let bucket = bounds.iter().filter(|bound| **bound < nanoseconds).count();
        self.counts[bucket] += 1;
        self.sum_nanoseconds = self.sum_nanoseconds.saturating_add(nanoseconds);
    }

    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests;
