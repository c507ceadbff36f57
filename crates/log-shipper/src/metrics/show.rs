//! One family for the same metric of all sinks.
//!
//! In: the metrics of each sink. Out: every family once, with a sample for each sink; the label
//! `sink` is there where sinks have names. Ages are computed here, when somebody asks.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use super::{Metrics, full, millis};

#[derive(Debug)]
pub(super) struct Shown(pub(super) Vec<Arc<Metrics>>);

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counters: Vec<_> = self.0.iter().map(|it| it.counters()).collect();
        let gauges: Vec<_> = self.0.iter().map(|it| it.gauges()).collect();
        let of_tail: Vec<_> = self.0.iter().map(|it| it.tail.table()).collect();
        self.encode_table(&mut encoder, &counters)?;
        self.encode_table(&mut encoder, &of_tail)?;
        self.encode_table(&mut encoder, &gauges)?;
        let now = millis(SystemTime::now());
        let age = |since: &AtomicU64| match since.load(Ordering::Relaxed) {
            0 => None,
            since => Some(Duration::from_millis(now.saturating_sub(since)).as_secs_f64()),
        };
        let free = |of: &Metrics| match of.ages.free_bytes.load(Ordering::Relaxed) {
            u64::MAX => None,
            bytes => Some(bytes as f64),
        };
        let lag = |of: &Metrics| Some(age(&of.ages.unsent_since).unwrap_or(0.0));
        let checkpoint = |of: &Metrics| age(&of.ages.checkpoint);
        let help = "Bytes that the file system of the files has free";
        self.encode_some(&mut encoder, "dir_free_bytes", help, free)?;
        let help = "Age of the oldest unacknowledged byte";
        self.encode_some(&mut encoder, "lag_seconds", help, lag)?;
        let help = "Time since positions were saved";
        self.encode_some(&mut encoder, "checkpoint_age_seconds", help, checkpoint)
    }
}

impl Shown {
    /// Tables of the same metrics, one for each sink.
    fn encode_table<M: EncodeMetric, const N: usize>(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        tables: &[[(&'static str, &'static str, &M); N]],
    ) -> fmt::Result {
        let Some(first) = tables.first() else { return Ok(()) };
        for (at, (name, help, metric)) in first.iter().enumerate() {
            let tables = tables.iter().map(|table| Some(table[at].2));
            self.encode_family(encoder, name, help, metric.metric_type(), tables)?;
        }
        Ok(())
    }

    fn encode_some(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        value: impl Fn(&Metrics) -> Option<f64>,
    ) -> fmt::Result {
        let values: Vec<_> = self.0.iter().map(|of| value(of).map(ConstGauge::new)).collect();
        let values = values.iter().map(Option::as_ref);
        self.encode_family(encoder, name, help, MetricType::Gauge, values)
    }

    /// One family; a sink without a value has no sample, and a family without samples is not shown.
    fn encode_family<'a, M: EncodeMetric + 'a>(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        kind: MetricType,
        values: impl Iterator<Item = Option<&'a M>>,
    ) -> fmt::Result {
        let samples: Vec<_> =
            self.0.iter().zip(values).filter_map(|(of, value)| Some((&of.sink, value?))).collect();
        if samples.is_empty() {
            return Ok(());
        }
        let (name, help) = (full(name), format!("{help}."));
        let mut family = encoder.encode_descriptor(&name, &help, None, kind)?;
        for (sink, metric) in samples {
            if sink.is_empty() {
                // Alone, without a name.
                return metric.encode(family);
            }
            metric.encode(family.encode_family(sink)?)?;
        }
        Ok(())
    }
}
