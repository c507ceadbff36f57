//! The registry that `/metrics` shows, and the metrics that every image has.
//!
//! In go the image's metric families at the start, out comes one exposition per scrape. Every image
//! has `<name>_build_info`, `<name>_drain_seconds` and the usual `process_*`, which are read from
//! the kernel when somebody scrapes, so that nothing wakes up to keep them fresh. What the kernel
//! does not tell is left out rather than shown as zero. The lock is held only while registering and
//! encoding; counting goes through the metric's own atomics.

use std::fmt;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};
use tokio::time::Instant;

use crate::lifecycle::Lifecycle;

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
        registry.register_collector(Box::new(Process));
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
        let drain = self.lifecycle.phase().drain();
        let seconds =
            drain.map_or(0.0, |(since, _)| Instant::now().duration_since(since).as_secs_f64());
        gauge(&mut encoder, &self.name, "Seconds since the drain started, 0 before it.", seconds)
    }
}

#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Some(stat) =
            fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(parse_stat)
        {
            encode_stat(&mut encoder, &stat)?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // One of them is the directory itself, open only for this count.
            let open = open.count().saturating_sub(1);
            gauge(&mut encoder, "process_open_fds", "Open file descriptors.", to_f64(open))?;
        }
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        if let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) {
            gauge(&mut encoder, "process_max_fds", "Most open file descriptors.", to_f64(limit))?;
        }
        Ok(())
    }
}

/// The fields of `/proc/self/stat` that are shown, in the kernel's units.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u32,
    start_ticks: u64,
    virtual_bytes: usize,
    resident_pages: usize,
}

/// The second field is the program's name in parentheses and may hold anything; the fields that
/// matter are counted behind it.
fn parse_stat(stat: &str) -> Option<Stat> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let user: u32 = fields.get(11)?.parse().ok()?;
    let system: u32 = fields.get(12)?.parse().ok()?;
    Some(Stat {
        cpu_ticks: user.saturating_add(system),
        start_ticks: fields.get(19)?.parse().ok()?,
        virtual_bytes: fields.get(20)?.parse().ok()?,
        resident_pages: fields.get(21)?.parse().ok()?,
    })
}

fn encode_stat(encoder: &mut DescriptorEncoder<'_>, stat: &Stat) -> fmt::Result {
    let ticks_per_second = rustix::param::clock_ticks_per_second();
    let per_second = f64::from(u32::try_from(ticks_per_second).unwrap_or(100));
    let resident = stat.resident_pages.saturating_mul(rustix::param::page_size());
    let cpu = ConstCounter::new(f64::from(stat.cpu_ticks) / per_second);
    let help = "User and system CPU time in seconds.";
    let cpu_type = prometheus_client::metrics::MetricType::Counter;
    cpu.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, cpu_type)?)?;
    gauge(encoder, "process_resident_memory_bytes", "Resident memory.", to_f64(resident))?;
    gauge(encoder, "process_virtual_memory_bytes", "Virtual memory.", to_f64(stat.virtual_bytes))?;
    if let Some(boot) = boot_seconds() {
        let start = boot + stat.start_ticks / ticks_per_second.max(1);
        let start = to_f64(usize::try_from(start).unwrap_or(usize::MAX));
        gauge(encoder, "process_start_time_seconds", "Start, in seconds since 1970.", start)?;
    }
    Ok(())
}

/// When the machine booted, in seconds since 1970.
fn boot_seconds() -> Option<u64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    let kind = prometheus_client::metrics::MetricType::Gauge;
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, kind)?)
}

#[expect(clippy::cast_precision_loss, reason = "the formats know only floats, exact up to 2^53")]
fn to_f64(value: usize) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus_client::metrics::counter::Counter;

    use super::*;
    use crate::exposition::prometheus_text;

    #[test]
    fn a_program_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "1 (a) b (c)) S 0 1 1 0 -1 4194560 108 0 0 0 12 30 0 0 20 0 1 0 77 4096 5 9\n";
        let expected =
            Stat { cpu_ticks: 42, start_ticks: 77, virtual_bytes: 4096, resident_pages: 5 };
        assert_eq!(parse_stat(stat), Some(expected));
        assert_eq!(parse_stat("1 (cut) S 0"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn every_image_shows_itself() {
        let registry = MetricRegistry::new("a-b", "1.2.3", Lifecycle::new(Duration::ZERO));
        let lines: Counter = Counter::default();
        registry.register("a_b_lines", "Lines", lines.clone());
        lines.inc_by(3);
        let open_metrics = registry.open_metrics().unwrap();
        assert!(open_metrics.ends_with("# EOF\n"), "{open_metrics}");
        let text = prometheus_text(&open_metrics);
        for line in [
            "# TYPE a_b_build_info gauge",
            "a_b_build_info{version=\"1.2.3\"} 1",
            "a_b_drain_seconds 0.0",
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
