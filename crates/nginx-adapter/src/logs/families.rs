//! What is counted, as metric families.
//!
//! In: the tally and the state of reading, behind their lock. Out: families, encoded when somebody
//! scrapes; nothing is kept ready meanwhile. Families that the format cannot fill are left out. The
//! families of prometheus-client were not taken for the series: they hash labels and touch atomics
//! for each line.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nginx_log::Level;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::config::to_seconds;
use super::plan::CACHE_STATUSES;
use super::syslog::drops::UdpDrops;
use super::tally::{Histogram, Series, Tally};

const NO_UNIT: Option<&Unit> = None;

/// The counts of this process about logs; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    shared: Arc<Mutex<State>>,
}

/// What the lock holds.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) tally: Tally,
    pub(crate) sources: Sources,
}

/// Where lines come from, and what became of that.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// Lines by pattern or address, in the order of their numbers.
    pub(crate) lines: Vec<(String, u64)>,
    pub(crate) has_access: bool,
    pub(crate) has_errors: bool,
    /// Files are followed, and what is known of that.
    pub(crate) files: Option<Files>,
    /// Syslog is received.
    pub(crate) syslog: Option<Syslog>,
}

#[derive(Debug, Default)]
pub(crate) struct Files {
    pub(crate) lag_bytes: u64,
    pub(crate) reclaimed_bytes: u64,
    pub(crate) reclaim_refused: u64,
    pub(crate) lost_bytes: u64,
    pub(crate) read_errors: u64,
    /// Lines too long to be read, so far counted as unparsed.
    pub(crate) long_lines: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Syslog {
    pub(crate) messages: u64,
    pub(crate) drops: UdpDrops,
}

impl Counts {
    pub(crate) fn new(tally: Tally, sources: Sources) -> Counts {
        Counts { shared: Arc::new(Mutex::new(State { tally, sources })) }
    }

    /// Held for a bounded number of lines, never across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Counts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let state = self.lock();
        let mut families = Families(&mut encoder);
        if state.sources.has_access {
            families.responses(&state.tally)?;
        }
        if state.sources.has_errors {
            let levels = Level::ALL.map(Level::as_str);
            let lines = levels.into_iter().zip(state.tally.levels);
            let help = "Lines of the error log by level.";
            families.counters("nginx_error_log_lines", help, "level", lines)?;
        }
        families.reading(&state)
    }
}

struct Families<'e, 'd>(&'e mut DescriptorEncoder<'d>);

impl Families<'_, '_> {
    fn responses(&mut self, tally: &Tally) -> fmt::Result {
        let plan = &tally.plan;
        let requests = |it: &Series| it.requests;
        self.by_series(tally, "nginx_http_response_requests", "Requests answered.", requests)?;
        if plan.response_bytes.is_some() {
            let (name, help) = ("nginx_http_response_bytes", "Bytes sent in responses.");
            self.by_series(tally, name, help, |it| it.response_bytes)?;
        }
        if plan.request_bytes.is_some() {
            let (name, help) = ("nginx_http_request_bytes", "Bytes received in requests.");
            self.by_series(tally, name, help, |it| it.request_bytes)?;
        }
        if plan.cache.is_some() {
            let statuses = CACHE_STATUSES.into_iter().zip(tally.cache);
            let help = "Requests by what the cache said.";
            self.counters("nginx_http_response_cache", help, "cache", statuses)?;
        }
        for (index, (timing, _)) in plan.timings.iter().enumerate() {
            let kind = MetricType::Histogram;
            let mut family = self.0.encode_descriptor(timing.family, timing.help, NO_UNIT, kind)?;
            for series in tally.series() {
                let encoder = family.encode_family(&series.labels)?;
                histogram(encoder, &series.histograms[index], &tally.buckets)?;
            }
        }
        Ok(())
    }

    fn reading(&mut self, state: &State) -> fmt::Result {
        let (tally, sources) = (&state.tally, &state.sources);
        let lines = sources.lines.iter().map(|(log, lines)| (log.as_str(), *lines));
        self.counters("nginx_adapter_log_lines", "Lines counted, by log.", "log", lines)?;
        let (name, help) = ("nginx_adapter_log_lines_unparsed", "Lines not of the format.");
        self.counter(name, help, tally.unparsed)?;
        let help = "Combinations of labels counted apart.";
        self.gauge("nginx_adapter_log_series", help, tally.series_count() as u64)?;
        let help = "Lines counted as other because there were too many series.";
        self.counter("nginx_adapter_log_series_overflow", help, tally.overflow_lines)?;
        if let Some(files) = &sources.files {
            let help = "Bytes of disk given back behind the position.";
            self.counter("nginx_adapter_log_reclaimed_bytes", help, files.reclaimed_bytes)?;
            let help = "Files that could not give disk back.";
            self.counter("nginx_adapter_log_reclaim_refused", help, files.reclaim_refused)?;
            let help = "Bytes that were seen and could not be read any more.";
            self.counter("nginx_adapter_log_lost_bytes", help, files.lost_bytes)?;
            let help = "Errors of opening or reading a file.";
            self.counter("nginx_adapter_log_read_errors", help, files.read_errors)?;
            let help = "Bytes of files that are not counted yet.";
            self.gauge("nginx_adapter_log_lag_bytes", help, files.lag_bytes)?;
        }
        if let Some(syslog) = &sources.syslog {
            let help = "Messages received.";
            self.counter("nginx_adapter_syslog_messages", help, syslog.messages)?;
            let help = "Messages that the kernel dropped for want of room; UDP only.";
            self.counter("nginx_adapter_syslog_drops", help, syslog.drops.read())?;
        }
        Ok(())
    }

    fn by_series(
        &mut self,
        tally: &Tally,
        name: &str,
        help: &str,
        value: impl Fn(&Series) -> u64,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, NO_UNIT, MetricType::Counter)?;
        for series in tally.series() {
            let mut encoder = family.encode_family(&series.labels)?;
            encoder.encode_counter::<NoLabelSet, _, u64>(&value(series), None)?;
        }
        Ok(())
    }

    /// Counters that differ in one label.
    fn counters<'t>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        counts: impl Iterator<Item = (&'t str, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, NO_UNIT, MetricType::Counter)?;
        for (value, count) in counts {
            let labels = [(label, value)];
            let mut encoder = family.encode_family(&labels)?;
            encoder.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        Ok(())
    }

    fn counter(&mut self, name: &str, help: &str, count: u64) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, NO_UNIT, MetricType::Counter)?;
        encoder.encode_counter::<NoLabelSet, _, u64>(&count, None)
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, NO_UNIT, MetricType::Gauge)?;
        encoder.encode_gauge(&value)
    }
}

fn histogram(mut encoder: MetricEncoder<'_>, histogram: &Histogram, bounds: &[u64]) -> fmt::Result {
    let bounds = bounds.iter().map(|bound| to_seconds(*bound)).chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(histogram.counts.iter().copied()).collect();
    let sum = to_seconds(histogram.sum_nanoseconds);
    encoder.encode_histogram::<NoLabelSet>(sum, histogram.count(), &buckets, None)
}
