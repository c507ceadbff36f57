//! The dockerd of an engine, and the network that it lives in.
//!
//! Containers run in a network of the engine's own: its bridges, packet filters and published ports
//! are in there, and those of the machine are left alone. From there nobody is reached outside, so
//! pulling and building is done by a daemon on the machine's network that makes none of its own;
//! both have the same store, one after the other.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::PACKAGE;
use crate::binary::installed;
use crate::client::{Address, Request};
use crate::pace::{holds_for, wait_for};
use crate::process::{Guard, Signal, command};

const STARTING_MAX: Duration = Duration::from_secs(60);
/// Between SIGTERM and SIGKILL.
const ENDING_MAX: Duration = Duration::from_secs(30);

/// Where the daemon and its containers connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    /// A new one with nothing but loopback.
    Own,
    /// That of the machine, for builds and pulls only: containers have it or none.
    Machine,
}

/// A running dockerd that the kernel ends if the test dies.
#[derive(Debug)]
pub(super) struct Daemon {
    guard: Guard,
}

impl Daemon {
    /// Starts one on a store with its other files in `folder`.
    pub(super) fn start(store: &Path, folder: &Path, network: Network) -> Self {
        fs::create_dir_all(store).unwrap();
        fs::write(folder.join("daemon.json"), "{}").unwrap();
        let guard = Guard::spawn(dockerd(store, folder, network), folder, "dockerd");
        let mut daemon = Self { guard };
        let address = Address::Unix(socket(folder));
        wait_for("an answer of dockerd", STARTING_MAX, || {
            assert!(daemon.guard.is_running(), "dockerd has ended");
            Request::get("/_ping").send(&address).ok().filter(|answer| answer.status == 200)
        });
        daemon
    }

    #[cfg(test)]
    pub(super) fn pid(&self) -> u32 {
        self.guard.pid()
    }

    /// Moves the calling thread into the daemon's network.
    pub(super) fn enter_network(&self) {
        enter(&network_of(self.guard.pid()));
    }

    /// Asks it to end, and waits.
    pub(super) fn stop(&mut self) {
        self.guard.signal(Signal::TERM);
        if holds_for(ENDING_MAX, || self.guard.is_running()) {
            eprintln!("dockerd did not end within {ENDING_MAX:?}");
        }
    }
}

pub(super) fn socket(folder: &Path) -> PathBuf {
    folder.join("docker.sock")
}

/// The network of the calling thread.
pub(super) fn own_network() -> File {
    File::open("/proc/thread-self/ns/net").unwrap()
}

fn network_of(pid: u32) -> File {
    File::open(format!("/proc/{pid}/ns/net")).unwrap()
}

pub(super) fn enter(network: &File) {
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

fn dockerd(store: &Path, folder: &Path, network: Network) -> Command {
    let mut dockerd = command(installed("setpriv", "util-linux"));
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    // What it starts itself is in sbin.
    path.push(":/usr/local/sbin:/usr/sbin:/sbin");
    dockerd.env("PATH", path).args(["--pdeathsig", "TERM"]);
    if network == Network::Own {
        dockerd.arg(installed("unshare", "util-linux"));
        dockerd.args(["--net", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""]);
    }
    dockerd.arg(installed("dockerd", PACKAGE)).arg("--data-root").arg(store);
    for (flag, name) in [("exec-root", "exec"), ("pidfile", "pid"), ("config-file", "daemon.json")]
    {
        dockerd.arg(format!("--{flag}")).arg(folder.join(name));
    }
    dockerd.arg("--host").arg(format!("unix://{}", socket(folder).display()));
    // A containerd of the system knows the containers of a user's engine by other names.
    dockerd.arg("--containerd-namespace=outrider-tests");
    dockerd.arg("--containerd-plugins-namespace=outrider-tests-plugins");
    if network == Network::Machine {
        dockerd.args(["--bridge=none", "--iptables=false", "--ip6tables=false"]);
    }
    dockerd.arg("--log-level=warn");
    dockerd
}
