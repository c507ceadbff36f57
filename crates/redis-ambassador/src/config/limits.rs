//! The settings of the whole process: threads, memory, times, statistics, and what nutcracker's
//! command line has besides.

use std::ops::RangeInclusive;
use std::time::Duration;

use sidecar_runtime::{Rejections, setting};

use super::listen::stats_listen;
use super::{CrossShard, StatsListen, given};
use crate::cli::Args;

/// More threads than any machine has cores for an ambassador are a mistake.
const THREADS_MAX: usize = 256;
/// A client needs room for a read and for a reply.
const CLIENT_BUFFER_MIN: usize = 16 << 10;
/// What nutcracker takes.
const MBUF_SIZES: RangeInclusive<u32> = 512..=16_777_216;
/// Files that end up on the container's log like stderr does.
const STANDARD_OUTPUTS: [&str; 5] =
    ["/dev/stderr", "/dev/stdout", "/proc/self/fd/1", "/proc/self/fd/2", "-"];

/// Those settings, read.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) threads: usize,
    pub(super) client_buffer: usize,
    pub(super) memory_max: usize,
    pub(super) client_stall_timeout: Duration,
    pub(super) cross_shard: CrossShard,
    pub(super) stats_listen: Option<StatsListen>,
    pub(super) drain_reserve: Duration,
    pub(super) linger: Duration,
}

pub(super) fn read(
    args: &Args,
    warnings: &mut Vec<String>,
    rejections: &mut Rejections,
) -> Option<Limits> {
    let shards = [("refuse", CrossShard::Refuse), ("first", CrossShard::First)];
    let threads = rejections.parse("threads", &args.threads, threads);
    let client_buffer = rejections.parse("client-buffer", &args.client_buffer, size);
    let memory_max = rejections.parse("memory-max", &args.memory_max, size);
    let stall =
        rejections.parse("client-stall-timeout", &args.client_stall_timeout, setting::duration);
    let cross_shard = rejections.parse("cross-shard", &args.cross_shard, setting::one_of(&shards));
    let stats_listen = rejections.parse("stats-listen", &args.stats_listen, stats_listen);
    let drain_reserve = rejections.parse("drain-reserve", &args.drain_reserve, setting::duration);
    let linger = rejections.parse("linger", &args.linger, setting::duration);
    without_effect(args, warnings, rejections);
    let (client_buffer, memory_max) = (client_buffer?, memory_max?);
    if memory_max < client_buffer {
        let reason = "is less than --client-buffer allows one client";
        rejections.reject("memory-max", &args.memory_max, reason);
        return None;
    }
    Some(Limits {
        threads: threads?,
        client_buffer,
        memory_max,
        client_stall_timeout: stall?,
        cross_shard: cross_shard?,
        stats_listen: stats_listen?,
        drain_reserve: drain_reserve?,
        linger: linger?,
    })
}

fn threads(text: &str) -> Result<usize, String> {
    let threads = text.parse().ok().filter(|threads| (1..=THREADS_MAX).contains(threads));
    threads.ok_or_else(|| format!("expected a number from 1 to {THREADS_MAX}"))
}

fn size(text: &str) -> Result<usize, String> {
    let bytes = setting::bytes(text).map_err(|error| error.to_string())?;
    let bytes = usize::try_from(bytes).ok().filter(|bytes| *bytes >= CLIENT_BUFFER_MIN);
    bytes.ok_or_else(|| format!("expected at least {CLIENT_BUFFER_MIN} bytes"))
}

/// Options of nutcracker that a container, or a program that sees to its memory, has no use for.
fn without_effect(args: &Args, warnings: &mut Vec<String>, rejections: &mut Rejections) {
    if let Some(file) = given(args.output.as_deref())
        && !STANDARD_OUTPUTS.contains(&file)
    {
        warnings.push(format!(
            "--output {file:?} has no effect: the log goes to stderr, which container engines \
             collect"
        ));
    }
    if rejections.parse("daemonize", &args.daemonize, setting::flag) == Some(true) {
        warnings
            .push("--daemonize has no effect: a container ends with its first process".to_owned());
    }
    for (name, value, range) in [
        ("mbuf-size", &args.mbuf_size, MBUF_SIZES),
        ("stats-interval", &args.stats_interval, 0..=u32::MAX),
    ] {
        let number = |text: &str| match text.parse() {
            Ok(number) if range.contains(&number) => Ok(()),
            _ => Err(format!("expected a number from {} to {}", range.start(), range.end())),
        };
        if let Some(text) = given(value.as_deref()) {
            rejections.parse(name, text, number);
        }
    }
}
