//! Puts the parts together: settings to files, sink and positions, and these to the pump.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use sidecar_runtime::{
    Context, Lifecycle, Outcome, Rejections, Section, Sidecar, StartError, Subcommand, Tool,
};
use tail::{LoadWarning, Punching, Settings, StateDir, StateDirError, Tailer};
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use crate::batch::Batch;
use crate::cli::{Args, DOWNWARD_VARIABLES};
use crate::config::{self, Config, Configs};
use crate::delivery::{Delivery, Report};
use crate::keeper::Keeper;
use crate::metadata::Metadata;
use crate::metrics::Metrics;
use crate::pump::{Agreement, Joining, Policy, Pump, Readers, State, Way};
use crate::quarantine::Quarantine;
use crate::rotation::Rotation;
use crate::sink::Sink;
use crate::{tools, trial};

/// Descriptors that are not for followed files.
const OTHER_DESCRIPTORS: u64 = 64;
/// Descriptors for the files of a sink, at least.
const OPEN_FILES_MIN: usize = 8;

/// Shipped bytes that a file keeps on disk before a hole is made: many holes cost time, and what is
/// on disk can be looked at.
const FILE_DISK_BYTES_MAX: u64 = 1 << 20;
/// The same with a small `--max-dir-bytes`.
const FILE_DISK_BYTES_MIN: u64 = 64 << 10;
/// Files that share `--max-dir-bytes`, more or less.
const FILES_SHARED: u64 = 8;

/// The log-shipper, ready to run.
pub struct LogShipper {
    pipelines: Vec<Pipeline>,
    lifecycle: Lifecycle,
}

/// From files to one sink, with positions of its own: what one sink does not take, no other waits
/// for.
struct Pipeline {
    pump: Pump,
    delivery: Delivery,
    batches: mpsc::Receiver<Batch>,
    reports: mpsc::Sender<Report>,
}

/// What the whole gives to a pipeline.
struct Lent {
    metrics: Arc<Metrics>,
    agreement: Agreement,
    readers: Readers,
    open_files_max: usize,
    lifecycle: Lifecycle,
}

impl Sidecar for LogShipper {
    const NAME: &'static str = "log-shipper";
    const ABOUT: &'static str =
        "Follows the files that a main container writes and ships every line";
    const ADMIN_PORT: u16 = 9180;
    const SECTIONS: Option<&'static str> = Some("sinks");
    const PEER_VARIABLES: &'static [(&'static str, &'static str)] = DOWNWARD_VARIABLES;
    const SECRETS: &'static [&'static str] = &["header"];
    type Args = Args;
    type Config = Configs;

    fn subcommands() -> Vec<Subcommand<Configs>> {
        vec![trial::subcommand()]
    }

    fn tools() -> &'static [Tool] {
        &tools::TOOLS
    }

    fn configure(args: Args, rejections: &mut Rejections) -> Option<Configs> {
        config::configure_sections(args, Vec::new(), rejections)
    }

    fn configure_sections(
        args: Args,
        sections: Vec<Section<Args>>,
        rejections: &mut Rejections,
    ) -> Option<Configs> {
        config::configure_sections(args, sections, rejections)
    }

    async fn start(configs: Configs, context: Context) -> Result<LogShipper, StartError> {
        let Context { lifecycle, registry, .. } = context;
        let names: Vec<_> = configs.sinks.iter().map(|(name, _)| name.as_deref()).collect();
        let metrics = Metrics::register(&registry, &names);
        let agreements = Agreement::among(names.len()).zip(Readers::among(names.len()));
        let open_files_max = (open_files_max() / names.len()).max(OPEN_FILES_MIN);
        let mut pipelines = Vec::new();
        for (((name, config), metrics), (agreement, readers)) in
            configs.sinks.into_iter().zip(metrics).zip(agreements)
        {
            let lifecycle = lifecycle.clone();
            let lent = Lent { metrics, agreement, readers, open_files_max, lifecycle };
            pipelines.push(Pipeline::start(name, config, lent)?);
        }
        configs.ending.watch(&lifecycle);
        Ok(LogShipper { pipelines, lifecycle })
    }

    async fn run(self) -> Outcome {
        let pipelines = self.pipelines.into_iter().map(|it| it.run(&self.lifecycle));
        let outcomes = join_all(pipelines).await;
        outcomes.into_iter().fold(Outcome::Drained, together)
    }
}

impl Pipeline {
    fn start(name: Option<String>, config: Config, lent: Lent) -> Result<Pipeline, StartError> {
        let Lent { metrics, agreement, readers, open_files_max, lifecycle } = lent;
        let groups = config.globs.groups().map(|pattern| metrics.group(pattern)).collect();
        let (punching, policy) = (punching(&config), Policy::of(&config));
        let sink = Sink::open(config.sink)?;
        let state_dir = state_dir(config.state_dir.as_deref(), name.as_deref())?.map(Arc::new);
        let keeper = state_dir.as_ref().map(|state_dir| {
            Keeper::new(Arc::clone(state_dir), sink.written(), Arc::clone(&metrics))
        });
        let settings = Settings {
            from: config.from,
            line_bytes_max: config.line_bytes_max,
            long_lines: config.long_lines,
            partial_timeout: config.partial_timeout,
            open_files_max,
            punching,
            ..Settings::new(config.globs)
        };
        let wake = readers.wake();
        let woken = Arc::clone(&wake);
        let (mut tailer, warning) =
            Tailer::open(settings, state_dir.as_deref(), move || woken.notify_one());
        if let Some(warning) = warning {
            warn_of(&warning);
        }
        if let Some(others) = readers.others() {
            tailer.hold_for(others);
        }
        info!(sink = name, files = tailer.backlog().files_known, "Following");
        let metadata =
            Metadata::new(config.metadata, metrics.metadata_errors.clone(), Instant::now());
        let (batches, batches_rx) = mpsc::channel(1);
        let (reports_tx, reports) = mpsc::channel(1);
        let quarantine = config.quarantine.map(|config| {
            let sink = name.as_deref().unwrap_or(&config.kind);
            Quarantine::open(&config, sink, Arc::clone(&metrics))
        });
        let state = State::new(quarantine.is_some());
        let delivery = Delivery::new(sink, quarantine, Arc::clone(&metrics), lifecycle.clone());
        let reloads = lifecycle.reloads();
        let pump = Pump {
            policy,
            tailer,
            wake,
            way: Way {
                metadata,
                joining: config.joiner.map(Joining::new),
                processor: config.processor,
                recorder: config.recorder,
            },
            batches,
            reports,
            keeper,
            lifecycle,
            agreement,
            readers,
            rotation: config.rotation.map(Rotation::new),
            reloads,
            metrics,
            groups,
            state,
        };
        Ok(Pipeline { pump, delivery, batches: batches_rx, reports: reports_tx })
    }

    async fn run(self, lifecycle: &Lifecycle) -> Outcome {
        let delivery = self.delivery.run(self.batches, self.reports);
        let task = lifecycle.spawn_essential("delivery", delivery);
        let outcome = self.pump.run().await;
        task.abort();
        // A sink that is gone for good ends all: started again, they may all work.
        lifecycle.drain("a sink has ended");
        outcome
    }
}

/// The outcome of both: the worse one, with all that is left.
fn together(one: Outcome, other: Outcome) -> Outcome {
    match (one, other) {
        (Outcome::Unfinished(mut left), Outcome::Unfinished(more)) => {
            left.extend(more);
            Outcome::Unfinished(left)
        }
        (broken @ Outcome::Broken(_), _) | (_, broken @ Outcome::Broken(_)) => broken,
        (left @ Outcome::Unfinished(_), Outcome::Drained)
        | (Outcome::Drained, left @ Outcome::Unfinished(_)) => left,
        (Outcome::Drained, Outcome::Drained) => Outcome::Drained,
    }
}

/// Opens the state directory. One that cannot be used is no reason not to ship; one that another
/// process uses is a mistake in the set-up.
fn state_dir(path: Option<&Path>, sink: Option<&str>) -> Result<Option<StateDir>, StartError> {
    let Some(path) = path else {
        info!(sink, "No state-dir: positions are not kept over a restart");
        return Ok(None);
    };
    let opened = match sink {
        None => StateDir::open(path),
        Some(name) => StateDir::open(path).and_then(|_whole| StateDir::open(&path.join(name))),
    };
    match opened {
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

/// Files get holes with `--reclaim`, and with `--max-dir-bytes` when there is too little room. With
/// a small bound they get them earlier, so that some files fit under it.
fn punching(config: &Config) -> Option<Punching> {
    let share = config.dir_bytes_max.map_or(FILE_DISK_BYTES_MAX, |bytes| bytes / FILES_SHARED);
    let bytes_max = share.clamp(FILE_DISK_BYTES_MIN, FILE_DISK_BYTES_MAX);
    let groups = (0..config.globs.groups().count()).collect();
    (config.reclaim || config.dir_bytes_max.is_some()).then_some(Punching { bytes_max, groups })
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
