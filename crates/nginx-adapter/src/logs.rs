//! Access and error logs as metrics.
//!
//! The way of a line: `files` (crates/tail: rotation, positions, holes) or `syslog` receives it →
//! `tally` splits it by the log_format (crates/nginx-log), finds its series and counts → `families`
//! shows the counts when somebody scrapes. `config` says what is wanted, `plan` which variable
//! gives what, `paths` and `label` keep labels few and short.
//!
//! What always holds: memory is bounded by the settings, whatever clients send; no line of a file
//! is lost or counted twice within one process; what is not counted is counted as that.

mod config;
mod families;
mod files;
mod hashing;
mod keeper;
mod label;
mod paths;
mod plan;
mod syslog;
mod tally;
mod turn;

use std::sync::Arc;
use std::time::Duration;

use sidecar_runtime::{Lifecycle, MetricRegistry, StartError};
use tail::{From, LongLines, Punching, Settings, StateDir, StateDirError, Tailer};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{error, info, warn};

pub(crate) use self::config::{LogArgs, LogConfig, configure};
use self::families::{Counts, Sources, Syslog};
use self::files::Files;
use self::keeper::Keeper;
use self::syslog::Receiver;
use self::syslog::drops::UdpDrops;
use self::tally::Tally;

/// For how long logs must be quiet before the drain ends.
const LINGER: Duration = Duration::from_secs(1);
/// Kept of the grace period for what comes after the linger, but at most a fifth of it.
const RESERVE: Duration = Duration::from_secs(2);
/// Files held open: nginx has few logs.
const OPEN_FILES_MAX: usize = 256;
/// A longer line is not of any format.
const LINE_BYTES_MAX: usize = 64 << 10;

/// Counts lines until drained.
#[derive(Debug)]
pub(crate) struct Logs {
    files: Option<Files>,
    receivers: Vec<Receiver>,
    counts: Counts,
}

impl Logs {
    /// Opens the files that are there and binds the sockets, so that nothing that is written from
    /// now on is missed. Needs the runtime's context.
    ///
    /// # Errors
    /// A socket that cannot be bound, or a state directory that another process uses.
    pub(crate) fn open(
        config: LogConfig,
        registry: &MetricRegistry,
        lifecycle: &Lifecycle,
    ) -> Result<Logs, StartError> {
        let mut sources = Sources::default();
        let groups = config.globs.groups().map(|pattern| (pattern.to_owned(), 0));
        sources.lines = groups.collect();
        let access_groups = sources.lines.len() - config.error_groups;
        sources.has_access = access_groups > 0 || !config.listen.is_empty();
        sources.has_errors = config.error_groups > 0 || !config.listen.is_empty();
        let mut receivers = Vec::new();
        for addr in &config.listen {
            receivers.push(Receiver::bind(addr, sources.lines.len())?);
            sources.lines.push((addr.to_string(), 0));
        }
        if !receivers.is_empty() {
            let inodes = receivers.iter().filter_map(Receiver::udp_inode).collect();
            sources.syslog = Some(Syslog { messages: 0, drops: UdpDrops::new(inodes) });
        }
        let has_files = !config.globs.is_empty();
        sources.files = has_files.then(families::Files::default);
        let LogConfig { globs, error_groups, state_dir, reclaim, counting, .. } = config;
        let counts = Counts::new(Tally::new(counting), sources);
        registry.register_collector(counts.clone());
        let state_dir = state_dir.as_deref().map(open_state_dir).transpose()?.flatten();
        let files = has_files.then(|| {
            let groups = (error_groups..error_groups + access_groups).collect();
            let settings = Settings {
                // What was written while nobody ran is news only if somebody ran before.
                from: if state_dir.is_some() { From::Beginning } else { From::End },
                line_bytes_max: LINE_BYTES_MAX,
                long_lines: LongLines::Drop,
                open_files_max: OPEN_FILES_MAX,
                punching: reclaim.map(|bytes_max| Punching { bytes_max, groups }),
                ..Settings::new(globs)
            };
            open_files(settings, state_dir, error_groups, &counts, lifecycle)
        });
        Ok(Logs { files, receivers, counts })
    }

    /// Ends once drained: when the logs have been quiet for a moment, or shortly before the
    /// deadline. Positions are saved last.
    pub(crate) async fn run(self, lifecycle: Lifecycle) {
        let mut tasks = Vec::new();
        for receiver in self.receivers {
            let receiving = receiver.run(self.counts.clone(), lifecycle.clone());
            tasks.push(lifecycle.spawn_essential("syslog", receiving));
        }
        if let Some(files) = self.files {
            files.run().await;
        }
        for task in tasks {
            if let Err(error) = task.await {
                warn!(%error, "The syslog task did not end by itself");
            }
        }
    }
}

fn open_files(
    settings: Settings,
    state_dir: Option<StateDir>,
    error_groups: usize,
    counts: &Counts,
    lifecycle: &Lifecycle,
) -> Files {
    let wake = Arc::new(Notify::new());
    let woken = Arc::clone(&wake);
    let (tailer, warning) = Tailer::open(settings, state_dir.as_ref(), move || woken.notify_one());
    if let Some(warning) = warning {
        let cause = std::error::Error::source(&warning).map(ToString::to_string);
        error!(%warning, cause, "Saved positions are not used; logs begin at their start");
    }
    info!(files = tailer.backlog().files_known, "Following logs");
    Files {
        tailer,
        wake,
        counts: counts.clone(),
        error_groups,
        keeper: state_dir.map(Keeper::new),
        lifecycle: lifecycle.clone(),
        reloads: lifecycle.reloads(),
        publish_at: Instant::now(),
    }
}

/// One that cannot be used is no reason not to count; one that another process uses is a mistake in
/// the set-up.
fn open_state_dir(path: &std::path::Path) -> Result<Option<StateDir>, StartError> {
    match StateDir::open(path) {
        Ok(state_dir) => Ok(Some(state_dir)),
        Err(error @ StateDirError::Locked) => {
            Err(StartError::new("log-state-dir", path.display().to_string(), error))
        }
        Err(StateDirError::Unusable(error)) => {
            let state_dir = path.display();
            warn!(%state_dir, %error, "The log-state-dir cannot be used: positions are not kept");
            Ok(None)
        }
    }
}

/// When lingering must be over.
fn end_of_linger(lifecycle: &Lifecycle) -> Instant {
    let deadline = lifecycle.deadline().unwrap_or_else(Instant::now);
    deadline - RESERVE.min(lifecycle.grace() / 5)
}

#[cfg(test)]
mod tests;
