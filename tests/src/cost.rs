//! What a process costs, read from /proc: CPU, wake-ups, memory, bytes written.
//!
//! CPU is known in two ways: in nanoseconds for each living thread, and in ticks for the whole
//! process with its ended threads. The larger of the two is nearer to the truth.

use std::fs;

/// Linux counts in hundredths of a second in /proc/PID/stat.
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time so far, in seconds.
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    thread_cpu_seconds(pid).max(ticks / TICKS_PER_SECOND)
}

/// The same of the living threads only, but to the nanosecond: for programs that end none.
pub fn thread_cpu_seconds(pid: u32) -> f64 {
    threads(pid, "schedstat", first_number) / 1e9
}

/// Times that a thread went to sleep and was woken, so far.
pub fn wakeups(pid: u32) -> f64 {
    threads(pid, "status", |text| {
        text.lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
            .map_or(0.0, first_number)
    })
}

/// Bytes got from read(2) and its kin so far.
pub fn bytes_read(pid: u32) -> u64 {
    io(pid, "rchar: ")
}

/// Bytes given to write(2) and its kin so far.
pub fn bytes_written(pid: u32) -> u64 {
    io(pid, "wchar: ")
}

fn io(pid: u32, field: &str) -> u64 {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    io.lines().find_map(|line| line.strip_prefix(field)).unwrap().parse().unwrap()
}

/// Sums a figure over the threads that live now.
fn threads(pid: u32, file: &str, figure: impl Fn(&str) -> f64) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let files = tasks.map(|task| task.unwrap().path().join(file));
    // A thread may end between the listing and the look.
    files.filter_map(|file| fs::read_to_string(file).ok()).map(|text| figure(&text)).sum()
}

fn first_number(text: &str) -> f64 {
    text.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0.0)
}
