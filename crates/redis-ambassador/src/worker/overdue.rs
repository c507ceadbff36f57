//! What time does to a lane: requests that are late, servers that say nothing, clients that hold up
//! others.
//!
//! One timer for each lane, set to the next moment at which anything could be overdue. Nothing is
//! overdue while a client holds the lane up: the server had no chance to be heard.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{self, Instant};

use super::Worker;
use super::replies::LaneEnd;
use crate::client::Ending;
use crate::lane::LaneUse;
use crate::server::Failure;

impl Worker {
    /// Fails what is overdue, and has the task woken for what will be.
    pub(super) fn poll_time(&mut self, key: usize, context: &mut Context<'_>) -> Poll<LaneEnd> {
        loop {
            let timeout = self.timeout(key);
            if let Some(timeout) = timeout
                && self.expire_overdue(key, timeout)
            {
                return Poll::Ready(Some(Failure::TimedOut));
            }
            self.close_who_stalls(key);
            let lane = &mut self.lanes[key];
            let stall = self.shared.config.client_stall_timeout;
            let can_stall = lane.use_ == LaneUse::Shared && lane.has_others_behind();
            let held = lane.hold.by.filter(|_| can_stall);
            let held_until = held.map(|(_, since)| since + stall.saturating_sub(lane.hold.before));
            let overdue = timeout.and_then(|timeout| lane.next_overdue(timeout));
            let Some(next) = held_until.into_iter().chain(overdue).min() else {
                return Poll::Pending;
            };
            // A timer that ends early is cheaper than one that is set for each request.
            if lane.timer.is_none() || lane.timer_at > next || lane.timer_at <= self.now {
                let at = Instant::from_std(self.started + next);
                match &mut lane.timer {
                    Some(timer) => timer.as_mut().reset(at),
                    none => *none = Some(Box::pin(time::sleep_until(at))),
                }
                lane.timer_at = next;
            }
            let timer = lane.timer.as_mut().expect("just set");
            ready!(timer.as_mut().poll(context));
            lane.timer_at = Duration::ZERO;
            self.tick();
        }
    }

    /// Answers requests whose time is over; tells whether the server has been silent for too long.
    fn expire_overdue(&mut self, key: usize, timeout: Duration) -> bool {
        let now = self.now;
        let overdue = self.lanes[key].overdue(now, timeout);
        for index in overdue.clone() {
            self.expire(key, index);
        }
        if !overdue.is_empty() {
            self.server_timed_out(key);
        }
        self.lanes[key].given_up(timeout).is_some_and(|at| at <= now)
    }

    fn close_who_stalls(&mut self, key: usize) {
        let lane = &self.lanes[key];
        let Some((client, since)) = lane.hold.by else { return };
        let held = self.now.saturating_sub(since) + lane.hold.before;
        let is_over = held >= self.shared.config.client_stall_timeout;
        if lane.use_ != LaneUse::Shared || !lane.has_others_behind() || !is_over {
            return;
        }
        let found = self.clients.iter_mut().find(|(_, other)| other.id == client);
        let Some((_, client)) = found else { return };
        tracing::warn!(
            client = client.id,
            seconds = held.as_secs_f64(),
            "Client closed: it does not read, and holds up others"
        );
        client.ending = Ending::Now;
        client.wake();
        self.shared.counters.pool(client.pool).clients_closed_stall.add(1);
        let lane = &mut self.lanes[key];
        lane.release(self.now);
        lane.wake();
    }
}
