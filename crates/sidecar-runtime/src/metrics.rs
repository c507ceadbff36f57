//! The registry that `/metrics` shows, and the metrics that every image has.
//!
//! In go the image's metric families at the start, out comes one exposition per scrape. Every image
//! has `<name>_build_info`, the usual `process_*`, and `<name>_drain_seconds` while it drains. The
//! lock is held only while registering and encoding; counting goes through the metric's own
//! atomics.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};
use tokio::time::Instant;

use crate::exposition::prometheus_text;
use crate::lifecycle::Lifecycle;
use crate::process::Process;

/// A handle on the one registry; clones share it.
#[derive(Debug, Clone)]
pub struct MetricRegistry {
    inner: Arc<Mutex<Registry>>,
}

impl MetricRegistry {
    /// A registry with what every image has. `name` is the binary's, with dashes.
    #[must_use]
    pub fn new(name: &str, version: &'static str, lifecycle: Lifecycle) -> MetricRegistry {
        let prefix = name.replace('-', "_");
        let mut registry = Registry::default();
        let build = Info::new([("version", version)]);
        registry.register(format!("{prefix}_build"), "The running version", build);
        let drain = DrainSeconds { name: format!("{prefix}_drain_seconds"), lifecycle };
        registry.register_collector(Box::new(drain));
        registry.register_collector(Box::new(Process::open()));
        MetricRegistry { inner: Arc::new(Mutex::new(registry)) }
    }

    /// Adds a metric or family under its full name, such as `log_shipper_lines_read`; a counter's
    /// `_total` is added when it is shown, and so is the full stop behind `help`.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        self.with(|registry| registry.register(name, help, metric));
    }

    /// Adds a source that is asked at every scrape.
    pub fn register_collector(&self, collector: impl Collector) {
        self.with(|registry| registry.register_collector(Box::new(collector)));
    }

    /// Everything in the OpenMetrics 1.0 text format.
    ///
    /// # Errors
    /// Only if a collector reports one.
    pub fn open_metrics(&self) -> Result<String, fmt::Error> {
        let mut exposition = String::new();
        self.with(|registry| text::encode(&mut exposition, registry))?;
        Ok(exposition)
    }

    /// The same in the Prometheus text format 0.0.4.
    ///
    /// # Errors
    /// Only if a collector reports one.
    pub fn prometheus_text(&self) -> Result<String, fmt::Error> {
        Ok(prometheus_text(&self.open_metrics()?))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Registry) -> T) -> T {
        act(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Debug)]
struct DrainSeconds {
    name: String,
    lifecycle: Lifecycle,
}

impl Collector for DrainSeconds {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some((since, _)) = self.lifecycle.phase().drain() else { return Ok(()) };
        let seconds = Instant::now().duration_since(since).as_secs_f64();
        gauge(&mut encoder, &self.name, "Seconds since the drain started.", seconds)
    }
}

pub(crate) fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: f64,
) -> fmt::Result {
    let kind = prometheus_client::metrics::MetricType::Gauge;
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, kind)?)
}

#[expect(clippy::cast_precision_loss, reason = "the formats know only floats, exact up to 2^53")]
pub(crate) fn to_f64(value: usize) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus_client::metrics::counter::Counter;

    use super::*;

    #[test]
    fn every_image_shows_itself() {
        let registry = MetricRegistry::new("a-b", "1.2.3", Lifecycle::new(Duration::ZERO));
        let lines: Counter = Counter::default();
        registry.register("a_b_lines", "Lines", lines.clone());
        lines.inc_by(3);
        let open_metrics = registry.open_metrics().unwrap();
        assert!(open_metrics.ends_with("# EOF\n"), "{open_metrics}");
        let text = registry.prometheus_text().unwrap();
        for line in [
            "# TYPE a_b_build_info gauge",
            "a_b_build_info{version=\"1.2.3\"} 1",
            "# TYPE process_cpu_seconds_total counter",
            "# TYPE process_resident_memory_bytes gauge",
            "# TYPE process_virtual_memory_bytes gauge",
            "# TYPE process_open_fds gauge",
            "# TYPE process_max_fds gauge",
            "# TYPE process_start_time_seconds gauge",
            "# HELP a_b_lines_total Lines.",
            "a_b_lines_total 3",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} not in:\n{text}");
        }
    }
}
