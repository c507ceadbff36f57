//! Rotation on behalf of a program that does not rotate its log, but reopens it at a signal.
//!
//! In: logs that have become large. Out: each under the name `PATH.N`, and a signal to the program.
//! No byte can be lost: renaming touches no content, whoever writes goes on in the renamed file
//! until it reopens the path, and the tailer follows both. Nothing is renamed unless the program is
//! there, has the log open, may be sent the signal and catches it: a log of another program would
//! go on growing under its new name. If the program still has a renamed file open after a while and
//! nothing lies under its path, the signal was lost, or the last run was killed before it was sent;
//! it is sent again. Truncating in place was not taken: what a writer appends between the
//! last look and the truncation would be gone.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tail::Tailer;
use tracing::{info, warn};

use crate::process::{Process, catches, have_open, heads, named};

/// The highest number that a rotated file gets.
const NUMBER_MAX: u32 = 999;

/// Between two looks at what has become large.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// The time that a program has to open its log anew, and the time until a rotation that did not
/// work is tried again.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to rotate, and whom to tell.
#[derive(Debug)]
pub(crate) struct RotationConfig {
    /// From this size on.
    pub(crate) at_bytes: u64,
    /// The name of the program.
    pub(crate) process: String,
    /// At which it opens its logs anew.
    pub(crate) signal: Signal,
}

#[derive(Debug)]
pub(crate) struct Rotation {
    config: RotationConfig,
    look_at: Instant,
    /// When the program was last told to open its logs anew; at first, the start.
    told: Instant,
    is_failing: bool,
}

impl Rotation {
    pub(crate) fn new(config: RotationConfig) -> Rotation {
        let now = Instant::now();
        Rotation { config, look_at: now, told: now, is_failing: false }
    }

    /// Does what is due; returns how many errors that gave.
    pub(crate) fn act(&mut self, tailer: &Tailer, now: Instant) -> u64 {
        if now < self.look_at {
            return 0;
        }
        let done = self.rotate_large(tailer, now);
        self.look_at = now + if done.is_ok() { LOOK_INTERVAL } else { PATIENCE };
        let was_failing = std::mem::replace(&mut self.is_failing, done.is_err());
        if let Err(error) = &done
            && !was_failing
        {
            let process = &self.config.process;
            warn!(process, %error, "Cannot rotate the logs; trying again");
        }
        u64::from(done.is_err())
    }

    fn rotate_large(&mut self, tailer: &Tailer, now: Instant) -> io::Result<()> {
        if now >= self.told + PATIENCE {
            for path in tailer.awaiting_reopening(now) {
                let programs = self.config.programs()?;
                if programs.have_open(path)? {
                    self.told = now;
                    programs.tell(self.config.signal)?;
                    break;
                }
            }
        }
        for path in tailer.grown_to(self.config.at_bytes) {
            if self.config.rotate(&path)? {
                self.told = now;
            }
        }
        Ok(())
    }
}

/// The processes that bear the name, and those of them that will obey.
struct Programs {
    all: Vec<Process>,
    heads: Vec<Pid>,
}

impl RotationConfig {
    /// Renames the log and has it opened anew, if it is one of the program's. After an error it is
    /// where it was, or the program was not told.
    fn rotate(&self, path: &Path) -> io::Result<bool> {
        if path.symlink_metadata()?.is_symlink() {
            return Err(io::Error::other("the log is a symbolic link"));
        }
        let programs = self.programs()?;
        if !programs.have_open(path)? {
            return Ok(false);
        }
        let old = rename(path)?;
        info!(file = %path.display(), now = %old.display(), "Rotated a log");
        programs.tell(self.signal)?;
        Ok(true)
    }

    fn programs(&self) -> io::Result<Programs> {
        let all = named(&self.process);
        let heads = heads(&all);
        if heads.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no process has this name"));
        }
        for pid in &heads {
            test_kill_process(*pid)?;
            if !catches(*pid, self.signal) {
                return Err(io::Error::other("the process does not catch the signal"));
            }
        }
        Ok(Programs { all, heads })
    }
}

impl Programs {
    fn have_open(&self, path: &Path) -> io::Result<bool> {
        have_open(&self.all, &path.metadata()?)
    }

    fn tell(&self, signal: Signal) -> io::Result<()> {
        self.heads.iter().try_for_each(|pid| Ok(kill_process(*pid, signal)?))
    }
}

/// Gives the file the first name that is free.
fn rename(path: &Path) -> io::Result<PathBuf> {
    for number in 1..=NUMBER_MAX {
        let mut old = path.as_os_str().to_owned();
        old.push(format!(".{number}"));
        match renameat_with(CWD, path, CWD, &old, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {}
            other => return Ok(other.map(|()| PathBuf::from(old))?),
        }
    }
    Err(io::Error::other("all names for rotated files are taken"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_log_gets_the_first_free_name_and_stays_if_nobody_would_reopen_it() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("a.log");
        for number in 1..4 {
            fs::write(&log, number.to_string()).unwrap();
            let old = rename(&log).unwrap();
            assert_eq!(old, dir.path().join(format!("a.log.{number}")));
            assert_eq!(fs::read_to_string(old).unwrap(), number.to_string());
        }
        fs::write(&log, "4").unwrap();
        let (process, signal) = ("no-such-process".to_owned(), Signal::USR1);
        let rotation = RotationConfig { at_bytes: 1, process, signal };
        assert!(rotation.rotate(&log).is_err() && log.exists());
    }
}
