//! Room on the shared volume: holes as soon as something is acknowledged, deletions and rotations
//! once a second. See [`super`] and `tail`'s `reclaim`, which decides what goes and what stays.

use std::time::Duration;

use tail::{AfterShip, Reclaimed};
use tokio::time::Instant;
use tracing::warn;

use super::{Policy, Pump, now};
use crate::config::OnFull;

/// Between two looks at what can be deleted.
const RECLAIM_INTERVAL: Duration = Duration::from_secs(1);

impl Pump {
    /// With `--reclaim`, makes holes where enough is acknowledged. At the start, when nothing is,
    /// it finds out whether it may.
    pub(super) fn punch(&mut self) {
        if self.policy.reclaim && self.readers.leads() {
            let reclaimed = self.tailer.punch();
            self.count(&reclaimed);
        }
    }

    pub(super) fn reclaim_if_due(&mut self) {
        let is_due = Instant::now() >= self.state.reclaim_at;
        if !self.makes_room() || !self.readers.leads() || !is_due {
            return;
        }
        self.state.reclaim_at = Instant::now() + RECLAIM_INTERVAL;
        if let Some(others) = self.readers.others() {
            self.tailer.hold_for(others);
            self.punch();
        }
        let mut reclaimed = self.tailer.reclaim(self.policy.after_ship, now());
        if let Some(bytes_max) = self.policy.dir_bytes_max {
            let unacknowledged = self.policy.on_full == OnFull::DropOldest;
            reclaimed += self.tailer.shrink_to(bytes_max, unacknowledged, now());
            let bytes = self.tailer.room().disk_bytes;
            let above = bytes > bytes_max;
            if above && !self.state.above_dir_bytes {
                warn!(bytes, bytes_max, "The followed files take more than max-dir-bytes");
            }
            self.state.above_dir_bytes = above;
        }
        self.count(&reclaimed);
    }

    pub(super) fn makes_room(&self) -> bool {
        let Policy { reclaim, after_ship, dir_bytes_max, .. } = &self.policy;
        *reclaim || *after_ship != AfterShip::Keep || dir_bytes_max.is_some()
    }

    pub(super) fn rotate_if_due(&mut self) {
        if let Some(rotation) = &mut self.rotation
            && self.readers.leads()
            && !self.lifecycle.is_draining()
        {
            let errors = rotation.act(&self.tailer, now());
            self.metrics.rotate_errors.inc_by(errors);
        }
    }

    fn count(&self, reclaimed: &Reclaimed) {
        self.metrics.reclaimed_files.inc_by(reclaimed.files);
        self.metrics.reclaimed_bytes.inc_by(reclaimed.bytes);
        self.metrics.hole_bytes.inc_by(reclaimed.hole_bytes);
        self.metrics.reclaimed_unacknowledged_bytes.inc_by(reclaimed.unacknowledged_bytes);
        self.metrics.reclaim_refused.inc_by(reclaimed.refused);
    }
}
