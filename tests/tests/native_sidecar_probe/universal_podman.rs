//! The universal pod in real containers: podman as a node without native sidecars, and as one with.
//!
//! Without: `kube play` runs the init containers to their end, one after the other, and `pod stop`
//! with `pod start` is a reboot. With: the test starts the containers as a kubelet does, the next
//! one as soon as the native copy runs. The command is a small server that takes a port, so two
//! at once cannot both live, in the kernel's own view; a census of the machine's processes looks
//! for two as well. After each event exactly one must run. Kills and reboots come at random; the
//! seed is printed, and OUTRIDER_SEED repeats it.

#![expect(clippy::print_stdout, reason = "a failed test shows what it did until then")]

mod native_node;
mod old_node;

use std::time::Duration;

use e2e::binary::released;
use e2e::census::{Census, Mark, parent};
use e2e::pace::{SOON, holds_for, wait_for};
use e2e::podman::Podman;

const PROBE: &str = "native-sidecar-probe";
/// Short, because safety must not depend on them.
const NATIVE_WAIT: &str = "300ms";
const SETTLE: &str = "200ms";
/// For how long one and the same copy has to live before it counts as settled.
const SETTLED: Duration = Duration::from_millis(200);

fn podman() -> Podman {
    Podman::new(&[(&released(PROBE), PROBE)])
}

/// The sidecar's command, told from all other processes of the machine by its port.
struct Sidecar {
    port: String,
    command: Mark,
    census: Census,
}

impl Sidecar {
    fn new(number: u32) -> Self {
        // Other runs of this test have other process numbers, and other pods other networks.
        let port = (10_000 + (std::process::id() * 4 + number) % 50_000).to_string();
        let command = Mark::new("httpd", &[&port]);
        let census = Census::start(&command);
        Self { port, command, census }
    }

    /// The room's name.
    fn name(&self) -> String {
        format!("web-{}", self.port)
    }

    /// The arguments of a role, beginning with the program.
    fn words(&self, role: &str) -> Vec<String> {
        let name = self.name();
        let own: &[&str] = match role {
            "native" => &["--native-wait", NATIVE_WAIT],
            "arbiter" => &["--settle", SETTLE],
            _ => &["--settle", SETTLE, "--grace", "5s"],
        };
        let head = [PROBE, "universal", role, "--dir", "/shared", "--name", &name];
        let tail = ["--", "httpd", "-f", "-p", &self.port];
        let tail = if role == "arbiter" { &[][..] } else { &tail };
        [&head, own, tail].concat().into_iter().map(str::to_owned).collect()
    }

    /// The process of a role.
    fn role(&self, role: &str) -> Mark {
        Mark::new(PROBE, &[role, &self.name()])
    }

    /// Waits until exactly one command lives and goes on living; `gone` is the one before.
    fn settled(&self, event: &str, gone: Option<u32>) -> u32 {
        let what = format!("exactly one command after {event}");
        let command = wait_for(&what, SOON, || {
            let only = self.command.only().filter(|pid| Some(*pid) != gone)?;
            holds_for(SETTLED, || self.command.only() == Some(only)).then_some(only)
        });
        let crowds = self.census.findings().crowds;
        assert!(crowds.is_empty(), "after {event}: {crowds:?} ran at once");
        command
    }

    fn supervisor(&self) -> u32 {
        wait_for("the command's supervisor", SOON, || parent(self.command.only()?))
    }
}
