//! The command and everything that it leaves behind.
//!
//! One child at a time, started with the lock it runs under. Signals are passed on to it, its exit
//! status is kept, and whatever else ends below this process is reaped: as PID 1, or as the
//! subreaper where the pod shares its process namespace. What outlives the command is killed, as
//! the end of a container does it.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::process;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, set_child_subreaper, wait,
};

use crate::locks::Held;
use crate::role::Child;
use crate::signals::{Caught, Signals};

/// What the command left behind gets SIGKILL, which nothing survives for long.
const STRAGGLERS_WAIT: Duration = Duration::from_secs(5);
/// Statuses of a shell for a command that cannot be started.
const NOT_FOUND: u8 = 127;
const NOT_STARTED: u8 = 126;
/// A command ended by a signal has 128 and its number, as in a shell.
const SIGNAL_BASE: i32 = 128;

/// What a container runs: a program and its arguments.
#[derive(Debug, Clone)]
pub struct Command {
    /// A path, or a name to look for on PATH.
    pub program: OsString,
    /// Without the program's name.
    pub arguments: Vec<OsString>,
}

/// The signals and the child of this process.
#[derive(Debug)]
pub(crate) struct Family {
    signals: Signals,
    running: Option<Pid>,
    pub(crate) child: Child,
    /// A signal that asks for the end came.
    pub(crate) stop: bool,
    giving_way: bool,
}

impl Family {
    pub(crate) fn new() -> io::Result<Family> {
        // Without the right to it, orphans go to the PID 1 of their namespace.
        set_child_subreaper(Some(getpid())).ok();
        let (signals, child) = (Signals::catch()?, Child::None);
        Ok(Family { signals, running: None, child, stop: false, giving_way: false })
    }

    /// Starts the command; a failure is its exit status.
    pub(crate) fn start(&mut self, command: &Command, locks: &[&Held]) -> io::Result<()> {
        for lock in locks {
            lock.set_inherited(true)?;
        }
        let mut process = process::Command::new(&command.program);
        let spawned = process.args(&command.arguments).spawn();
        for lock in locks {
            lock.set_inherited(false)?;
        }
        let program = command.program.display();
        match spawned {
            Ok(child) => {
                let pid = child.id();
                tracing::info!(%program, pid, "Command started");
                self.running = i32::try_from(pid).ok().and_then(Pid::from_raw);
                self.child = Child::Running;
            }
            Err(error) => {
                tracing::error!(%program, %error, "Command cannot be started");
                let missing = error.kind() == io::ErrorKind::NotFound;
                self.child = Child::Ended(if missing { NOT_FOUND } else { NOT_STARTED });
            }
        }
        Ok(())
    }

    /// Sends a signal to the command, if it runs.
    pub(crate) fn send(&self, signal: Signal) {
        let Some(pid) = self.running else { return };
        if let Err(error) = kill_process(pid, signal) {
            tracing::warn!(%error, ?signal, "Signal not delivered");
        }
    }

    /// Waits for a signal, the end of a child or the time, and attends to what came.
    pub(crate) fn wait(&mut self, limit: Duration) -> io::Result<()> {
        self.signals.wait(limit)?;
        self.attend()
    }

    /// Passes on what has come and reaps who has ended.
    pub(crate) fn attend(&mut self) -> io::Result<()> {
        for caught in self.signals.caught() {
            match caught {
                Caught::Child => {}
                Caught::Signal(signal) => {
                    self.stop |= self.asks_to_stop(signal);
                    self.pass_on(signal);
                }
            }
        }
        self.reap()
    }

    /// While the command runs, only SIGTERM is surely meant for the container: with others,
    /// commands have arrangements of their own. Without it any may be the image's stop signal.
    fn asks_to_stop(&self, signal: i32) -> bool {
        match self.running {
            Some(_) if !self.giving_way => signal == Signal::TERM.as_raw(),
            _ => signal != Signal::HUP.as_raw(),
        }
    }

    /// Asks the command to end.
    pub(crate) fn terminate(&mut self) {
        self.giving_way = true;
        self.send(Signal::TERM);
    }

    fn pass_on(&self, signal: i32) {
        if let Some(signal) = Signal::from_named_raw(signal) {
            self.send(signal);
        }
    }

    fn reap(&mut self) -> io::Result<()> {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if self.running == Some(pid) => {
                    let status = exit_status(status);
                    tracing::info!(status, "Command ended");
                    self.running = None;
                    self.child = Child::Ended(status);
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(rustix::io::Errno::CHILD) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Ends what the command left behind and forgets the command.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        let until = Instant::now() + STRAGGLERS_WAIT;
        while kill_children() > 0 && Instant::now() < until {
            self.wait(Duration::from_millis(10))?;
        }
        (self.child, self.giving_way) = (Child::None, false);
        Ok(())
    }
}

fn exit_status(status: WaitStatus) -> u8 {
    let code = status.exit_status();
    let code = code.or(status.terminating_signal().map(|signal| SIGNAL_BASE + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

/// Kills every child of this process, and tells how many there were. Orphans below it become its
/// children, so a few rounds reach all of them.
fn kill_children() -> usize {
    let pid = getpid();
    // Missing in kernels without CONFIG_PROC_CHILDREN: there the container's end has to do.
    let path = format!("/proc/self/task/{pid}/children");
    let children = fs::read_to_string(path).unwrap_or_default();
    let children = children.split_ascii_whitespace();
    let children = children.filter_map(|text| text.parse().ok().and_then(Pid::from_raw));
    let mut count = 0;
    for child in children {
        count += 1;
        if let Err(error) = kill_process(child, Signal::KILL) {
            tracing::debug!(%error, pid = child.as_raw_pid(), "Not killed");
        }
    }
    count
}
