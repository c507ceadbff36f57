//! A node that runs one pod: what it starts next, and what again.
//!
//! In go the kind of node and, with every tick, what has ended; out come the roles as processes.
//! On an old node the next container starts when an init container has ended with 0; on a new one
//! when the native copy runs, which is then started again whenever it ends. A reboot kills
//! everything, keeps the directory and begins with the first init container.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use e2e::binary::built;
use e2e::census::{Census, parent, send};
use e2e::pace::{SOON, holds_for, wait_for, wait_until};
use e2e::process::{Guard, Signal, command};
use e2e::workplace::Workplace;

use super::{PROBE, Sleeper};

pub(super) const NATIVE: &str = "native";
pub(super) const ARBITER: &str = "arbiter";
pub(super) const REGULAR: &str = "regular";
/// In the order of their first start.
pub(super) const ROLES: [&str; 3] = [NATIVE, ARBITER, REGULAR];

/// Short, because safety must not depend on them.
const NATIVE_WAIT: Duration = Duration::from_millis(150);
const SETTLE: Duration = Duration::from_millis(100);
/// For how long one and the same command has to live before it counts as settled.
const SETTLED: Duration = Duration::from_millis(100);
/// A process that dies gives its files back one after the other: the lock of the sidecar may be
/// free a moment before that of the command.
const DYING: &str = "0.02";

/// What a node makes of `restartPolicy: Always` on an init container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Old,
    New,
}

/// A pod on its node.
pub(super) struct Pod {
    pub(super) place: Workplace,
    pub(super) kind: Kind,
    /// What stands before the program: another user, another namespace.
    pub(super) wrappers: BTreeMap<&'static str, Vec<String>>,
    /// The directory as a role sees it, if not as all.
    pub(super) folders: BTreeMap<&'static str, PathBuf>,
    pub(super) program: PathBuf,
    pub(super) native_wait: Duration,
    pub(super) settle: Duration,
    /// Containers that end with 0 are not started again.
    pub(super) on_failure: bool,
    containers: BTreeMap<&'static str, Container>,
    command: Vec<String>,
    sleeper: Sleeper,
    census: Census,
}

#[derive(Default)]
struct Container {
    running: Option<Guard>,
    /// Ended with 0 since the last boot.
    done: bool,
    /// Not to be started before this.
    held_back: Option<Instant>,
}

impl Pod {
    pub(super) fn new(kind: Kind) -> Self {
        let place = Workplace::new();
        let sleeper = Sleeper::new();
        Self {
            kind,
            wrappers: BTreeMap::new(),
            folders: BTreeMap::new(),
            program: built(PROBE),
            native_wait: NATIVE_WAIT,
            settle: SETTLE,
            on_failure: false,
            containers: ROLES.map(|role| (role, Container::default())).into(),
            command: exclusive_command(&place, &sleeper.duration),
            census: Census::start(&sleeper.mark),
            sleeper,
            place,
        }
    }

    /// One look of the kubelet: buries what has ended, starts what is due.
    pub(super) fn tick(&mut self) {
        for container in self.containers.values_mut() {
            if container.running.as_mut().is_some_and(|guard| !guard.is_running()) {
                let mut ended = container.running.take().unwrap();
                container.done = ended.wait_exit(SOON).success();
            }
        }
        let native_runs = self.runs(NATIVE);
        let [native_done, arbiter_done, regular_done] =
            ROLES.map(|role| self.containers[role].done);
        let ended_for_good = self.on_failure && regular_done;
        let initialised = match self.kind {
            Kind::Old => native_done && arbiter_done,
            Kind::New => arbiter_done,
        };
        let kind = self.kind;
        let due = |role: &str| match (role, kind) {
            (NATIVE, Kind::Old) => !native_done && !arbiter_done,
            (NATIVE, Kind::New) => true,
            (ARBITER, Kind::Old) => native_done && !arbiter_done,
            (ARBITER, Kind::New) => native_runs && !arbiter_done,
            _ => initialised && !ended_for_good,
        };
        for role in ROLES.into_iter().filter(|role| due(role)) {
            let container = &self.containers[role];
            let held_back = container.held_back.is_some_and(|until| Instant::now() < until);
            if container.running.is_none() && !held_back {
                self.start(role);
            }
        }
    }

    /// Starts a role out of turn, too.
    pub(super) fn start(&mut self, role: &'static str) {
        let mut words = self.wrappers.get(role).cloned().unwrap_or_default();
        words.extend([self.program.to_str().unwrap(), "universal", role].map(str::to_owned));
        let folder = self.folders.get(role).cloned().unwrap_or_else(|| self.place.state());
        let name = ["--dir", folder.to_str().unwrap(), "--name", "web", "--log-format", "text"];
        words.extend(name.map(str::to_owned));
        let settle = format!("--settle={}ms", self.settle.as_millis());
        let policy = if self.on_failure { "OnFailure" } else { "Always" };
        words.extend(match role {
            NATIVE => vec![format!("--native-wait={}ms", self.native_wait.as_millis())],
            ARBITER => vec![settle],
            _ => vec![settle, "--grace=1s".into(), format!("--pod-restart-policy={policy}")],
        });
        if role != ARBITER {
            words.push("--".to_owned());
            words.extend(self.command.iter().cloned());
        }
        let mut process = command(&words[0]);
        process.args(&words[1..]);
        let guard = Guard::spawn(process, self.place.path(), role);
        let container = self.containers.get_mut(role).unwrap();
        (container.running, container.done) = (Some(guard), false);
    }

    pub(super) fn runs(&self, role: &str) -> bool {
        self.containers[role].running.is_some()
    }

    /// The process of a role, or of what stands before it.
    pub(super) fn guard(&self, role: &str) -> &Guard {
        self.containers[role].running.as_ref().unwrap()
    }

    pub(super) fn signal(&self, role: &str, signal: Signal) {
        send(self.guard(role).pid(), signal);
    }

    /// The kubelet takes its time for the next start of a role.
    pub(super) fn hold_back(&mut self, role: &str, time: Duration) {
        self.containers.get_mut(role).unwrap().held_back = Some(Instant::now() + time);
    }

    /// A new sandbox: everything is killed, what is on the volume stays.
    pub(super) fn reboot(&mut self) {
        self.containers = ROLES.map(|role| (role, Container::default())).into();
        self.sleeper.kill();
    }

    /// Ticks until the condition holds.
    pub(super) fn until(&mut self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        wait_until(what, SOON, || {
            self.tick();
            condition(self)
        });
    }

    /// Ticks for a time.
    pub(super) fn go_on_for(&mut self, time: Duration) {
        holds_for(time, || {
            self.tick();
            true
        });
    }

    /// Ticks until exactly one command lives and goes on living; `gone` is the one before.
    pub(super) fn settled(&mut self, event: &str, gone: Option<u32>) -> u32 {
        let what = format!("exactly one command after {event}");
        let command = wait_for(&what, SOON, || {
            self.tick();
            let only = self.sleeper.only().filter(|pid| Some(*pid) != gone)?;
            let mut stays = || {
                self.tick();
                self.sleeper.only() == Some(only)
            };
            holds_for(SETTLED, &mut stays).then_some(only)
        });
        self.assert_never_two(event);
        command
    }

    pub(super) fn assert_never_two(&self, event: &str) {
        let conflicts = fs::read_to_string(self.place.log("conflicts")).unwrap();
        assert_eq!(conflicts, "", "after {event}: found another command alive");
        let crowds = self.census.findings().crowds;
        assert!(crowds.is_empty(), "after {event}: {crowds:?} ran at once");
    }

    /// Whether the native copy itself runs the command.
    pub(super) fn runs_natively(&self) -> bool {
        let native = self.containers[NATIVE].running.as_ref();
        let supervisor = self.sleeper.only().and_then(parent);
        native.is_some_and(|native| supervisor == Some(native.pid()))
    }

    pub(super) fn commands(&self) -> Vec<u32> {
        self.sleeper.pids()
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.reboot();
    }
}

/// A command that finds out by itself whether another one lives, by a lock on its stdin. It becomes
/// the sleeper as soon as it knows.
fn exclusive_command(place: &Workplace, duration: &str) -> Vec<String> {
    for name in ["proof", "conflicts"] {
        fs::write(place.log(name), "").unwrap();
        fs::set_permissions(place.log(name), fs::Permissions::from_mode(0o666)).unwrap();
    }
    let [proof, conflicts] = ["proof", "conflicts"].map(|name| place.log(name));
    let script = format!(
        "exec <>{}; flock --wait {DYING} 0 || {{ echo $$ >>{}; exit 99; }}; exec sleep \"$0\"",
        proof.display(),
        conflicts.display()
    );
    ["sh", "-c", &script, duration].map(str::to_owned).to_vec()
}
