//! Positions to disk.
//!
//! In: snapshots of the acknowledged positions. Out: a saved checkpoint, or a counted error that
//! stops nothing. Saving blocks on the disk, so it runs beside the thread that reads; one at a
//! time, at most every [`INTERVAL`], longer if the disk is slow. What a file sink wrote is synced
//! before.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tail::{Snapshot, StateDir};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::metrics::Metrics;
use crate::sink::Written;

/// Between two checkpoints.
const INTERVAL: Duration = Duration::from_secs(1);
/// Saving may take one part in so many of the time.
const TIME_SHARE: u32 = 20;

/// Waits for the save under way, if there is one and positions are kept at all.
pub(crate) async fn saved(keeper: &mut Option<Keeper>) -> bool {
    match keeper {
        Some(keeper) => keeper.saved().await,
        None => std::future::pending().await,
    }
}

pub(crate) struct Keeper {
    state_dir: Arc<StateDir>,
    written: Option<Written>,
    metrics: Arc<Metrics>,
    saving: Option<JoinHandle<(io::Result<()>, Duration)>>,
    /// Not before.
    next: Instant,
    failing: bool,
}

impl Keeper {
    pub(crate) fn new(
        state_dir: Arc<StateDir>,
        written: Option<Written>,
        metrics: Arc<Metrics>,
    ) -> Keeper {
        Keeper { state_dir, written, metrics, saving: None, next: Instant::now(), failing: false }
    }

    /// When the next snapshot can be taken; `None` while one is being saved.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.saving.is_none().then_some(self.next)
    }

    pub(crate) fn save(&mut self, snapshot: Snapshot) {
        let (state_dir, written) = (Arc::clone(&self.state_dir), self.written.clone());
        self.saving = Some(tokio::task::spawn_blocking(move || {
            let start = Instant::now();
            let synced = written.map_or(Ok(()), |written| written.sync());
            (synced.and_then(|()| state_dir.save(&snapshot)), start.elapsed())
        }));
    }

    /// Waits until the save under way is done; for ever if there is none. Says whether it was
    /// saved.
    pub(crate) async fn saved(&mut self) -> bool {
        let Some(saving) = &mut self.saving else { return std::future::pending().await };
        let done = saving.await;
        self.saving = None;
        let (result, took) = match done {
            Ok(done) => done,
            Err(error) => (Err(io::Error::other(error)), Duration::ZERO),
        };
        self.next = Instant::now() + INTERVAL.max(took * TIME_SHARE);
        self.note(&result);
        result.is_ok()
    }

    fn note(&mut self, result: &io::Result<()>) {
        match result {
            Ok(()) => {
                self.metrics.checkpoint_saved();
                if std::mem::take(&mut self.failing) {
                    info!("Positions are saved again");
                }
            }
            Err(error) => {
                self.metrics.checkpoint_errors.inc();
                if !std::mem::replace(&mut self.failing, true) {
                    warn!(%error, "Positions cannot be saved; going on without");
                }
            }
        }
    }
}
