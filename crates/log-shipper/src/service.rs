//! Puts the parts together: settings to files, sink and positions, and these to the pump.

use std::path::Path;
use std::sync::Arc;

use sidecar_runtime::{Context, Lifecycle, Outcome, Rejections, Sidecar, StartError};
use tail::{LoadWarning, Settings, StateDir, StateDirError, Tailer};
use tokio::sync::{Notify, mpsc};
use tracing::{error, info, warn};

use crate::cli::Args;
use crate::config::{self, Config};
use crate::delivery::Delivery;
use crate::keeper::Keeper;
use crate::metrics::Metrics;
use crate::pump::{Policy, Pump, State};
use crate::sink::Sink;

/// Descriptors that are not for followed files.
const OTHER_DESCRIPTORS: u64 = 64;

/// The log-shipper, ready to run.
pub struct LogShipper {
    pump: Pump,
    delivery: Delivery,
    batches: mpsc::Receiver<crate::batch::Batch>,
    reports: mpsc::Sender<crate::delivery::Report>,
    lifecycle: Lifecycle,
}

impl Sidecar for LogShipper {
    const NAME: &'static str = "log-shipper";
    const ABOUT: &'static str =
        "Follows the files that a main container writes and ships every line";
    const ADMIN_PORT: u16 = 9180;
    type Args = Args;
    type Config = Config;

    fn configure(args: Args, rejections: &mut Rejections) -> Option<Config> {
        config::configure(args, rejections)
    }

    async fn start(config: Config, context: Context) -> Result<LogShipper, StartError> {
        let Context { lifecycle, registry, .. } = context;
        let metrics = Metrics::register(&registry);
        let groups = config.globs.groups().map(|pattern| metrics.group(pattern)).collect();
        let sink = Sink::open(config.sink)?;
        let state_dir = state_dir(config.state_dir.as_deref())?.map(Arc::new);
        let keeper = state_dir.as_ref().map(|state_dir| {
            Keeper::new(Arc::clone(state_dir), sink.written(), Arc::clone(&metrics))
        });
        let settings = Settings {
            from: config.from,
            line_bytes_max: config.line_bytes_max,
            long_lines: config.long_lines,
            partial_timeout: config.partial_timeout,
            open_files_max: open_files_max(),
            ..Settings::new(config.globs)
        };
        let wake = Arc::new(Notify::new());
        let woken = Arc::clone(&wake);
        let (tailer, warning) =
            Tailer::open(settings, state_dir.as_deref(), move || woken.notify_one());
        if let Some(warning) = warning {
            warn_of(&warning);
        }
        info!(files = tailer.backlog().files_known, "Following");
        let policy = Policy {
            linger: config.linger,
            on_full: config.on_full,
            after_ship: config.after_ship,
            dir_bytes_max: config.dir_bytes_max,
        };
        let (batches, batches_rx) = mpsc::channel(1);
        let (reports_tx, reports) = mpsc::channel(1);
        let delivery = Delivery::new(sink, Arc::clone(&metrics), lifecycle.clone());
        let reloads = lifecycle.reloads();
        let pump = Pump {
            policy,
            tailer,
            wake,
            recorder: config.recorder,
            batches,
            reports,
            keeper,
            lifecycle: lifecycle.clone(),
            reloads,
            metrics,
            groups,
            state: State::new(),
        };
        Ok(LogShipper { pump, delivery, batches: batches_rx, reports: reports_tx, lifecycle })
    }

    async fn run(self) -> Outcome {
        let delivery = self.delivery.run(self.batches, self.reports);
        let task = self.lifecycle.spawn_essential("delivery", delivery);
        let outcome = self.pump.run().await;
        task.abort();
        outcome
    }
}

/// Opens the state directory. One that cannot be used is no reason not to ship; one that another
/// process uses is a mistake in the set-up.
fn state_dir(path: Option<&Path>) -> Result<Option<StateDir>, StartError> {
    let Some(path) = path else {
        info!("No state-dir: positions are not kept over a restart");
        return Ok(None);
    };
    match StateDir::open(path) {
        Ok(state_dir) => Ok(Some(state_dir)),
        Err(error @ StateDirError::Locked) => {
            Err(StartError::new("state-dir", path.display().to_string(), error))
        }
        Err(StateDirError::Unusable(error)) => {
            let state_dir = path.display();
            warn!(%state_dir, %error, "The state-dir cannot be used: positions are not kept");
            Ok(None)
        }
    }
}

fn warn_of(warning: &LoadWarning) {
    let error = std::error::Error::source(warning).map(ToString::to_string);
    error!(%warning, error, "Saved positions are not used; files begin by --from");
}

/// Raises the soft limit of descriptors to the hard one and says how many are for files.
fn open_files_max() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    let limit = if raised { maximum } else { current };
    let most = Settings::OPEN_FILES_MAX;
    let files = limit.map_or(most as u64, |limit| limit.saturating_sub(OTHER_DESCRIPTORS));
    usize::try_from(files).unwrap_or(most).clamp(8, most)
}

impl std::fmt::Debug for LogShipper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogShipper").finish_non_exhaustive()
    }
}
