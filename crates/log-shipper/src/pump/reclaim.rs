//! Room on the shared volume, once a second. See [`super`] and `tail`'s `reclaim`.

use std::time::Duration;

use tail::AfterShip;
use tokio::time::Instant;
use tracing::warn;

use super::{Pump, now};
use crate::config::OnFull;

/// Between two looks at what can be deleted.
const RECLAIM_INTERVAL: Duration = Duration::from_secs(1);

impl Pump {
    pub(super) fn reclaim_if_due(&mut self) {
        let active =
            self.policy.after_ship != AfterShip::Keep || self.policy.dir_bytes_max.is_some();
        if !active || Instant::now() < self.state.reclaim_at {
            return;
        }
        self.state.reclaim_at = Instant::now() + RECLAIM_INTERVAL;
        let mut reclaimed = self.tailer.reclaim(self.policy.after_ship, now());
        if let Some(bytes_max) = self.policy.dir_bytes_max {
            let above = self.tailer.size_of_files() > bytes_max;
            if above && !self.state.above_dir_bytes {
                let bytes = self.tailer.size_of_files();
                warn!(bytes, bytes_max, "The followed files are larger than max-dir-bytes");
            }
            self.state.above_dir_bytes = above;
            let unacknowledged = self.policy.on_full == OnFull::DropOldest;
            reclaimed += self.tailer.shrink_to(bytes_max, unacknowledged, now());
        }
        self.metrics.reclaimed_files.inc_by(reclaimed.files);
        self.metrics.reclaimed_bytes.inc_by(reclaimed.bytes);
        self.metrics.reclaimed_unacknowledged_bytes.inc_by(reclaimed.unacknowledged_bytes);
        self.metrics.reclaim_refused.inc_by(reclaimed.refused);
    }
}
