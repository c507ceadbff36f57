//! What is counted.
//!
//! Counters are touched on the way of the lines; what waits (lag, open files) is published by the
//! pump when it changes, and the age of the oldest unsent byte is computed when somebody asks, so
//! that it grows while everything stands still. Labels are bounded: the patterns of `--include`,
//! reasons, and where there are several sinks their names. Each sink has its own [`Metrics`]; the
//! families are shown as one.

mod show;
mod tail_counters;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use event::filter;
use event::redact::{Preset, Tally};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use sidecar_runtime::MetricRegistry;
use tail::{Backlog, Room, Stats};

use self::tail_counters::TailCounters;
use crate::sink::Refusal;

type Labels = Vec<(&'static str, String)>;
type Group = Family<Labels, Counter>;

/// Why a line was not shipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DropReason {
    /// Longer than `--max-line-bytes`, with `--long-lines drop`.
    TooLong,
    /// The sink refused it alone as too large.
    TooLargeForSink,
    /// The sink refused it for good, for what is in it.
    RefusedBySink,
    /// `--on-full drop-oldest`.
    OnFull,
    Filter(filter::DropReason),
}

impl From<filter::DropReason> for DropReason {
    fn from(reason: filter::DropReason) -> DropReason {
        DropReason::Filter(reason)
    }
}

impl DropReason {
    const ALL: [DropReason; 9] = [
        DropReason::TooLong,
        DropReason::TooLargeForSink,
        DropReason::RefusedBySink,
        DropReason::OnFull,
        DropReason::Filter(filter::DropReason::NotIncluded),
        DropReason::Filter(filter::DropReason::Excluded),
        DropReason::Filter(filter::DropReason::BelowLevel),
        DropReason::Filter(filter::DropReason::NotSampled),
        DropReason::Filter(filter::DropReason::RateLimited),
    ];

    pub(crate) fn label(self) -> &'static str {
        match self {
            DropReason::TooLong => "too_long",
            DropReason::TooLargeForSink => "too_large_for_sink",
            DropReason::RefusedBySink => "refused_by_sink",
            DropReason::OnFull => "on_full",
            DropReason::Filter(reason) => reason.label(),
        }
    }
}

/// Why the quarantine did not take a refused record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missed {
    Full,
    /// It cannot be written.
    Io,
}

impl Missed {
    const ALL: [Missed; 2] = [Missed::Full, Missed::Io];

    fn label(self) -> &'static str {
        match self {
            Missed::Full => "full",
            Missed::Io => "io",
        }
    }
}

/// The counters of one pattern.
#[derive(Debug, Clone)]
pub(crate) struct GroupMetrics {
    pub(crate) lines_read: Counter,
    pub(crate) bytes_read: Counter,
    pub(crate) lines_acked: Counter,
    pub(crate) bytes_acked: Counter,
}

#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// The label that tells it from others, if there are any.
    sink: Labels,
    lines_read: Group,
    bytes_read: Group,
    lines_dropped: Group,
    lines_acked: Group,
    bytes_acked: Group,
    pub(crate) lines_replaced: Counter,
    pub(crate) lines_unparsed: Counter,
    pub(crate) lines_cut: Counter,
    pub(crate) records_cut: Counter,
    pub(crate) requests_accepted: Counter,
    requests_refused: Group,
    redactions: Group,
    quarantine_missed: Group,
    pub(crate) quarantined_records: Counter,
    pub(crate) quarantined_bytes: Counter,
    pub(crate) sent_bytes: Counter,
    pub(crate) sink_failing: Gauge,
    pub(crate) batch_bytes: Gauge,
    pub(crate) reclaimed_files: Counter,
    pub(crate) reclaimed_bytes: Counter,
    pub(crate) reclaimed_unacknowledged_bytes: Counter,
    pub(crate) hole_bytes: Counter,
    pub(crate) rotate_errors: Counter,
    pub(crate) reclaim_refused: Counter,
    pub(crate) checkpoints: Counter,
    pub(crate) checkpoint_errors: Counter,
    pub(crate) metadata_errors: Counter,
    files_known: Gauge,
    files_open: Gauge,
    directories_polled: Gauge,
    dir_bytes: Gauge,
    dir_disk_bytes: Gauge,
    lag_bytes: Gauge,
    tail: TailCounters,
    ages: Ages,
}

/// What is not always known. Points in time are in milliseconds since 1970; 0 for none.
#[derive(Debug)]
struct Ages {
    unsent_since: AtomicU64,
    checkpoint: AtomicU64,
    /// [`u64::MAX`] for unknown.
    free_bytes: AtomicU64,
}

impl Default for Ages {
    fn default() -> Ages {
        let (unsent_since, checkpoint) = (AtomicU64::new(0), AtomicU64::new(0));
        Ages { unsent_since, checkpoint, free_bytes: AtomicU64::new(u64::MAX) }
    }
}

impl Metrics {
    /// The metrics of each sink, with its name if it has one, registered together.
    pub(crate) fn register(registry: &MetricRegistry, sinks: &[Option<&str>]) -> Vec<Arc<Metrics>> {
        let families = Metrics::default();
        for (name, help, group) in families.groups() {
            registry.register(&full(name), help, group.clone());
        }
        let of_sink = |name: &Option<&str>| {
            let sink: Labels = name.iter().map(|name| ("sink", (*name).to_owned())).collect();
            let metrics = Metrics { sink, ..families.sharing_families() };
            for reason in DropReason::ALL {
                metrics.dropped(reason, 0);
            }
            for why in Missed::ALL {
                metrics.missed(why, 0);
            }
            for why in Refusal::ALL {
                drop(
                    metrics
                        .requests_refused
                        .get_or_create_owned(&metrics.labelled("reason", why.label())),
                );
            }
            Arc::new(metrics)
        };
        let all: Vec<_> = sinks.iter().map(of_sink).collect();
        registry.register_collector(show::Shown(all.clone()));
        all
    }

    fn sharing_families(&self) -> Metrics {
        Metrics {
            lines_read: self.lines_read.clone(),
            bytes_read: self.bytes_read.clone(),
            lines_acked: self.lines_acked.clone(),
            bytes_acked: self.bytes_acked.clone(),
            lines_dropped: self.lines_dropped.clone(),
            requests_refused: self.requests_refused.clone(),
            redactions: self.redactions.clone(),
            quarantine_missed: self.quarantine_missed.clone(),
            ..Metrics::default()
        }
    }

    /// Those of the sink and one more.
    fn labelled(&self, name: &'static str, value: &str) -> Labels {
        let own = (name, value.to_owned());
        self.sink.iter().cloned().chain([own]).collect()
    }

    fn counters(&self) -> [(&'static str, &'static str, &Counter); 17] {
        [
            (
                "lines_replaced",
                "Lines with bytes that are not UTF-8, replaced",
                &self.lines_replaced,
            ),
            (
                "lines_unparsed",
                "Records that are not of the form of their parser, shipped as they are",
                &self.lines_unparsed,
            ),
            ("records_cut", "Joined records that a limit ended", &self.records_cut),
            ("lines_cut", "Lines cut to fit into a datagram of syslog", &self.lines_cut),
            ("requests_accepted", "Attempts that the sink accepted", &self.requests_accepted),
            (
                "sent_bytes",
                "Bytes of records that the sink accepted, before compression",
                &self.sent_bytes,
            ),
            (
                "quarantined_records",
                "Refused records kept in the quarantine",
                &self.quarantined_records,
            ),
            ("quarantined_bytes", "Bytes of their lines there", &self.quarantined_bytes),
            ("reclaimed_files", "Rotated files deleted or emptied", &self.reclaimed_files),
            ("reclaimed_bytes", "Their bytes", &self.reclaimed_bytes),
            (
                "reclaimed_unacknowledged_bytes",
                "Bytes deleted before they were shipped",
                &self.reclaimed_unacknowledged_bytes,
            ),
            ("hole_bytes", "Bytes of disk freed by holes in files", &self.hole_bytes),
            (
                "reclaim_refused",
                "Files that could not be deleted, emptied or given holes",
                &self.reclaim_refused,
            ),
            ("rotate_errors", "Rotations that did not work", &self.rotate_errors),
            ("checkpoints", "Checkpoints written", &self.checkpoints),
            ("checkpoint_errors", "Checkpoints that could not be written", &self.checkpoint_errors),
            (
                "metadata_errors",
                "Times that a file of labels or annotations became unusable",
                &self.metadata_errors,
            ),
        ]
    }

    fn groups(&self) -> [(&'static str, &'static str, &Group); 8] {
        [
            ("lines_read", "Lines read, by pattern", &self.lines_read),
            ("bytes_read", "Bytes read, by pattern", &self.bytes_read),
            ("lines_acked", "Lines that the sink has acknowledged, by pattern", &self.lines_acked),
            ("bytes_acked", "Bytes of files acknowledged, by pattern", &self.bytes_acked),
            ("lines_dropped", "Lines that are not shipped, by reason", &self.lines_dropped),
            ("retries", "Attempts that are made again, by reason", &self.requests_refused),
            (
                "quarantine_missed_records",
                "Refused records that the quarantine did not take, by reason",
                &self.quarantine_missed,
            ),
            ("redactions", "Places taken out of lines, by kind", &self.redactions),
        ]
    }

    fn gauges(&self) -> [(&'static str, &'static str, &Gauge); 8] {
        [
            ("sink_failing", "1 while the sink takes nothing", &self.sink_failing),
            ("batch_bytes", "Bytes of records that wait for the sink", &self.batch_bytes),
            ("files_known", "Files known, rotated ones included", &self.files_known),
            ("files_open", "Files held open", &self.files_open),
            ("directories_polled", "Directories without events", &self.directories_polled),
            ("dir_bytes", "Bytes of all files known", &self.dir_bytes),
            ("dir_disk_bytes", "Bytes of disk that they take", &self.dir_disk_bytes),
            ("lag_bytes", "Bytes of files that the sink has not acknowledged", &self.lag_bytes),
        ]
    }

    pub(crate) fn group(&self, pattern: &str) -> GroupMetrics {
        let label = self.labelled("include", pattern);
        GroupMetrics {
            lines_read: self.lines_read.get_or_create_owned(&label),
            bytes_read: self.bytes_read.get_or_create_owned(&label),
            lines_acked: self.lines_acked.get_or_create_owned(&label),
            bytes_acked: self.bytes_acked.get_or_create_owned(&label),
        }
    }

    pub(crate) fn dropped(&self, reason: DropReason, lines: u64) {
        self.lines_dropped.get_or_create(&self.labelled("reason", reason.label())).inc_by(lines);
    }

    /// Refused records that were not kept.
    pub(crate) fn missed(&self, why: Missed, records: u64) {
        self.quarantine_missed.get_or_create(&self.labelled("reason", why.label())).inc_by(records);
    }

    /// All lines that were not shipped, by reason.
    pub(crate) fn dropped_lines(&self) -> [(&'static str, u64); DropReason::ALL.len()] {
        DropReason::ALL.map(|reason| {
            let label = self.labelled("reason", reason.label());
            (reason.label(), self.lines_dropped.get_or_create_owned(&label).get())
        })
    }

    pub(crate) fn redacted(&self, tally: &Tally) {
        if tally.is_empty() {
            return;
        }
        let presets = Preset::ALL.map(|preset| (preset.name(), tally.of(preset)));
        for (name, places) in presets.into_iter().chain([("regex", tally.custom)]) {
            if places > 0 {
                self.redactions.get_or_create(&self.labelled("kind", name)).inc_by(places);
            }
        }
    }

    pub(crate) fn refused(&self, why: Refusal) {
        self.requests_refused.get_or_create(&self.labelled("reason", why.label())).inc();
    }

    pub(crate) fn publish(&self, backlog: &Backlog, room: &Room) {
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.lag_bytes.set(gauge(backlog.bytes));
        self.files_known.set(gauge(backlog.files_known as u64));
        self.files_open.set(gauge(backlog.files_open as u64));
        self.directories_polled.set(gauge(backlog.directories_polled as u64));
        self.dir_bytes.set(gauge(room.size_bytes));
        self.dir_disk_bytes.set(gauge(room.disk_bytes));
        self.ages.free_bytes.store(room.free_bytes.unwrap_or(u64::MAX), Ordering::Relaxed);
        let since = backlog.since.map_or(0, millis);
        self.ages.unsent_since.store(since, Ordering::Relaxed);
    }

    pub(crate) fn checkpoint_saved(&self) {
        self.checkpoints.inc();
        self.ages.checkpoint.store(millis(SystemTime::now()), Ordering::Relaxed);
    }

    /// Adds what the tailer counted since `before`.
    pub(crate) fn add(&self, before: &Stats, now: &Stats) {
        let counters = &self.tail;
        for (counter, before, now) in [
            (&counters.rotations, before.rotations, now.rotations),
            (&counters.truncations, before.truncations, now.truncations),
            (&counters.unknown_losses, before.unknown_losses, now.unknown_losses),
            (&counters.lost_bytes, before.lost_bytes, now.lost_bytes),
            (&counters.copies_continued, before.copies_continued, now.copies_continued),
            (&counters.long_line_pieces, before.long_line_pieces, now.long_line_pieces),
            (&counters.compressed_ignored, before.compressed_ignored, now.compressed_ignored),
            (&counters.event_overflows, before.event_overflows, now.event_overflows),
            (&counters.rescans, before.rescans, now.rescans),
            (&counters.read_errors, before.read_errors, now.read_errors),
        ] {
            counter.inc_by(now - before);
        }
        self.dropped(DropReason::TooLong, now.long_lines_dropped - before.long_lines_dropped);
    }
}

fn full(name: &str) -> String {
    format!("log_shipper_{name}")
}

fn millis(when: SystemTime) -> u64 {
    let since = when.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
