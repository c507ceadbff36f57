//! The usual `process_*` metrics.
//!
//! In goes nothing, out come the numbers that the kernel has about this process, read when somebody
//! scrapes, so that nothing wakes up to keep them fresh. What the kernel does not tell is left out
//! rather than shown as zero. A scrape costs three system calls: the file of numbers stays open,
//! what does not change is read once, and descriptors are counted by the size of their directory
//! where the kernel gives it one (Linux 6.2).

use std::fmt;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

use crate::metrics::{gauge, to_f64};

/// `/proc/self/stat` is some 50 numbers and a name of at most 64 bytes.
const STAT_BYTES_MAX: usize = 2048;

/// This process as the kernel sees it.
#[derive(Debug)]
pub(crate) struct Process {
    /// `/proc/self/stat`, if there is a /proc.
    stat: Option<File>,
    boot_seconds: Option<u64>,
}

impl Process {
    pub(crate) fn open() -> Process {
        Process { stat: File::open("/proc/self/stat").ok(), boot_seconds: boot_seconds() }
    }

    fn stat(&self) -> Option<Stat> {
        let mut buffer = [0; STAT_BYTES_MAX];
        let length = self.stat.as_ref()?.read_at(&mut buffer, 0).ok()?;
        parse_stat(str::from_utf8(buffer.get(..length)?).ok()?)
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Some(stat) = self.stat() {
            encode_stat(&mut encoder, &stat, self.boot_seconds)?;
        }
        if let Some(open) = open_descriptors() {
            gauge(&mut encoder, "process_open_fds", "Open file descriptors.", to_f64(open))?;
        }
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        if let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) {
            gauge(&mut encoder, "process_max_fds", "Most open file descriptors.", to_f64(limit))?;
        }
        Ok(())
    }
}

fn open_descriptors() -> Option<usize> {
    let counted = fs::metadata("/proc/self/fd").ok()?.len();
    if counted > 0 {
        return usize::try_from(counted).ok();
    }
    // One of them is the directory itself, open only for this count.
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1))
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

fn encode_stat(
    encoder: &mut DescriptorEncoder<'_>,
    stat: &Stat,
    boot_seconds: Option<u64>,
) -> fmt::Result {
    let ticks_per_second = rustix::param::clock_ticks_per_second();
    let per_second = f64::from(u32::try_from(ticks_per_second).unwrap_or(100));
    let resident = stat.resident_pages.saturating_mul(rustix::param::page_size());
    let cpu = ConstCounter::new(f64::from(stat.cpu_ticks) / per_second);
    let help = "User and system CPU time in seconds.";
    let cpu_type = MetricType::Counter;
    cpu.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, cpu_type)?)?;
    gauge(encoder, "process_resident_memory_bytes", "Resident memory.", to_f64(resident))?;
    gauge(encoder, "process_virtual_memory_bytes", "Virtual memory.", to_f64(stat.virtual_bytes))?;
    if let Some(boot) = boot_seconds {
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn it_knows_itself() {
        let process = Process::open();
        // Standard input, output and error, and the open file; other tests may have more.
        assert!(open_descriptors().unwrap() >= 4);
        assert!(process.stat().unwrap().resident_pages > 0);
        assert!(process.boot_seconds.is_some());
    }
}
