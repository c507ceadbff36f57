//! Several sinks that follow the same files, and the one that makes room. See [`super`].
//!
//! In: what each has acknowledged, told whenever its gauges are. Out: what all others have, for the
//! first of them, the leader, which alone deletes, makes holes and rotates. What is told may be
//! late, which keeps a file for longer; a sink that has told nothing yet needs everything.

use std::sync::{Arc, Mutex, PoisonError};

use tail::Acknowledged;
use tokio::sync::Notify;

use super::Pump;

/// What the sinks know of each other.
#[derive(Debug, Clone)]
pub(crate) struct Readers {
    /// One for each sink.
    acknowledged: Arc<Mutex<Vec<Acknowledged>>>,
    own: usize,
    /// Has the leader look at what can go.
    leader: Arc<Notify>,
}

impl Readers {
    /// One for each of so many sinks.
    pub(crate) fn among(count: usize) -> impl Iterator<Item = Readers> {
        let acknowledged = Arc::new(Mutex::new(vec![Acknowledged::default(); count]));
        let leader = Arc::new(Notify::new());
        (0..count).map(move |own| Readers {
            acknowledged: Arc::clone(&acknowledged),
            own,
            leader: Arc::clone(&leader),
        })
    }

    pub(crate) fn leads(&self) -> bool {
        self.own == 0
    }

    /// What wakes this sink's pump.
    pub(crate) fn wake(&self) -> Arc<Notify> {
        if self.leads() { Arc::clone(&self.leader) } else { Arc::default() }
    }

    /// What all others have acknowledged; `None` if there are none.
    pub(crate) fn others(&self) -> Option<Acknowledged> {
        let all = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        let others = all.iter().enumerate().filter(|(number, _)| *number != self.own);
        others.map(|(_, it)| it).fold(None, |sum: Option<Acknowledged>, it| match sum {
            Some(sum) => Some(sum.and(it)),
            None => Some(it.clone()),
        })
    }

    fn tell(&self, own: Acknowledged) {
        let mut all = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = all[self.own] != own;
        all[self.own] = own;
        drop(all);
        if is_new {
            self.leader.notify_one();
        }
    }
}

impl Pump {
    /// Tells the leader what may go, if this process makes room at all.
    pub(super) fn tell_the_leader(&self) {
        if !self.readers.leads() && self.makes_room() {
            self.readers.tell(self.tailer.acknowledged());
        }
    }
}
