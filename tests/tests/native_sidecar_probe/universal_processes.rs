//! The universal sidecar as plain processes: a model of the kubelet starts them, a test kills them.
//!
//! Without containers a restart takes milliseconds, so hundreds of crashes fit in a test, and a
//! role can be stopped, given another user or a broken directory. All processes share one process
//! namespace, as in a pod that asks for it: a killed supervisor leaves its command behind, which is
//! the hardest case. The command takes a lock of its own and writes to a file if it does not get
//! it: so two at once are seen however short it is, not only when a census looks.

#![expect(clippy::print_stdout, reason = "a failed test shows what it did until then")]

mod conduct;
mod footprint;
mod kubelet;
mod places;
mod schedules;

use std::sync::atomic::{AtomicU32, Ordering};

use e2e::census::{Mark, send};
use e2e::pace::{SOON, wait_until};
use e2e::process::Signal;

const PROBE: &str = "native-sidecar-probe";

static SLEEPERS: AtomicU32 = AtomicU32::new(0);

/// A command that sleeps, told from all others by how long. A killed supervisor leaves its command
/// behind, so what is left is killed when this is dropped: make it before the supervisors.
struct Sleeper {
    duration: String,
    mark: Mark,
}

impl Sleeper {
    fn new() -> Self {
        let number = 1001 + SLEEPERS.fetch_add(1, Ordering::Relaxed);
        let duration = format!("{}.{number}", 1_000_000 + std::process::id());
        Self { mark: Mark::new("sleep", &[&duration]), duration }
    }

    fn words(&self) -> [&str; 2] {
        ["sleep", &self.duration]
    }

    fn only(&self) -> Option<u32> {
        self.mark.only()
    }

    fn pids(&self) -> Vec<u32> {
        self.mark.pids()
    }

    fn kill(&self) {
        wait_until("the end of all commands", SOON, || {
            let left = self.pids();
            left.iter().for_each(|pid| send(*pid, Signal::KILL));
            left.is_empty()
        });
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.kill();
    }
}
