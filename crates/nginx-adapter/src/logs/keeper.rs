//! Positions to disk.
//!
//! In: snapshots of what is counted. Out: a saved checkpoint, or a warning that stops nothing.
//! Saving blocks on the disk, so it runs beside the thread that reads; one at a time, at most every
//! [`INTERVAL`]. Counts live in memory and begin at 0 with each process, so a position says which
//! lines an earlier process has counted, not that anybody has seen the counts.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tail::{Snapshot, StateDir};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{info, warn};

/// Between two checkpoints.
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Keeper {
    state_dir: Arc<StateDir>,
    saving: Option<JoinHandle<io::Result<()>>>,
    /// Not before.
    next: Instant,
    failing: bool,
}

impl Keeper {
    pub(crate) fn new(state_dir: StateDir) -> Keeper {
        let state_dir = Arc::new(state_dir);
        Keeper { state_dir, saving: None, next: Instant::now(), failing: false }
    }

    /// When the next snapshot can be taken; `None` while one is being saved.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.saving.is_none().then_some(self.next)
    }

    pub(crate) fn save(&mut self, snapshot: Snapshot) {
        let state_dir = Arc::clone(&self.state_dir);
        self.saving = Some(tokio::task::spawn_blocking(move || state_dir.save(&snapshot)));
    }

    /// Whether `saved` would say something at once.
    pub(crate) fn is_done(&self) -> bool {
        self.saving.as_ref().is_some_and(JoinHandle::is_finished)
    }

    /// Waits until the save under way is done, for ever if there is none; says whether it worked.
    pub(crate) async fn saved(&mut self) -> bool {
        let Some(saving) = &mut self.saving else { return std::future::pending().await };
        let result = saving.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        self.saving = None;
        self.next = Instant::now() + INTERVAL;
        match &result {
            Ok(()) if std::mem::take(&mut self.failing) => info!("Positions are saved again"),
            Ok(()) => {}
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    warn!(%error, "Positions cannot be saved; going on without");
                }
            }
        }
        result.is_ok()
    }
}

/// The same for a keeper that may not be there.
pub(crate) async fn saved(keeper: &mut Option<Keeper>) -> bool {
    match keeper {
        Some(keeper) => keeper.saved().await,
        None => std::future::pending().await,
    }
}
