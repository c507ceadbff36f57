//! What an idle copy costs: it may sit in every pod of a cluster.

use std::fs;
use std::time::Duration;

use e2e::binary::released;
use e2e::cost::{thread_cpu_seconds, wakeups};
use e2e::pace::{SOON, paced, wait_until};
use e2e::process::{Guard, command};
use e2e::workplace::Workplace;

use super::kubelet::{NATIVE, REGULAR};
use super::{PROBE, Sleeper};

const RESIDENT_BYTES_MAX: u64 = 2_000_000;
const ANONYMOUS_BYTES_MAX: u64 = 300_000;
const WATCHED: Duration = Duration::from_secs(4);
/// Each look is one.
const WAKEUPS_PER_SECOND_MAX: f64 = 10.0;
const CPU_SHARE_MAX: f64 = 0.002;

#[test]
fn idle_copies_take_next_to_nothing() {
    let [first, second] = [(); 2].map(|()| Sleeper::new());
    let place = Workplace::new();
    let active = place.state().join("web").join("active.lock");
    let regular = start(&place, &first, REGULAR, &["--settle", "50ms"]);
    wait_until("the room", SOON, || active.exists());
    let native = start(&place, &first, NATIVE, &["--native-wait", "10s"]);
    wait_until("the native copy's command", SOON, || runs_command(&native));
    // In another room the native copy stands by, because an orphan holds the lock.
    let other = Workplace::new();
    let killed = start(&other, &second, REGULAR, &["--settle", "50ms"]);
    wait_until("the command", SOON, || runs_command(&killed));
    killed.kill9();
    let _restarted = start(&other, &second, REGULAR, &["--settle", "50ms"]);
    let standby = start(&other, &second, NATIVE, &["--native-wait", "10s"]);
    let copies = [("idle", &regular), ("running", &native), ("standby", &standby)];
    // The last looks of the start are over.
    paced(1, Duration::from_secs(2), |_| {});
    let before = copies.map(|(_, copy)| (wakeups(copy.pid()), thread_cpu_seconds(copy.pid())));
    paced(1, WATCHED, |_| {});
    for ((what, copy), (woken, cpu)) in copies.into_iter().zip(before) {
        let seconds = WATCHED.as_secs_f64();
        let woken = (wakeups(copy.pid()) - woken) / seconds;
        let cpu = (thread_cpu_seconds(copy.pid()) - cpu) / seconds;
        let [resident, anonymous] = ["Rss:", "Anonymous:"].map(|field| memory(copy.pid(), field));
        println!("{what}: {resident} resident, {anonymous} anonymous, {woken:.2}/s, {cpu:.6} CPU");
        assert!(resident < RESIDENT_BYTES_MAX, "{what}: {resident} bytes are resident");
        assert!(anonymous < ANONYMOUS_BYTES_MAX, "{what}: {anonymous} bytes are its own");
        assert!(woken < WAKEUPS_PER_SECOND_MAX, "{what}: woken {woken} times a second");
        assert!(cpu < CPU_SHARE_MAX, "{what}: {cpu} of a processor");
    }
}

fn start(place: &Workplace, sleeper: &Sleeper, role: &str, flags: &[&str]) -> Guard {
    let mut process = command(released(PROBE));
    process.args(["universal", role, "--name", "web", "--dir"]).arg(place.state());
    process.args(flags).arg("--").args(sleeper.words());
    Guard::spawn(process, place.path(), role)
}

fn runs_command(copy: &Guard) -> bool {
    copy.stderr_text().contains("Command started")
}

/// A field of /proc/PID/smaps_rollup in bytes.
fn memory(pid: u32, field: &str) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let value = rollup.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    1024 * value.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
}
