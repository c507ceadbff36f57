//! The phases of a sidecar's life as a pure machine.
//!
//! ```text
//! Starting ──last latch released──▶ Ready ──drain──▶ Draining ──finished──▶ Stopped
//!     └───────────────drain──────────────────────────▲   └─deadline, second signal─▶ Expired
//! ```
//!
//! In go a phase, an event and the time; out comes the next phase. A phase never goes back: what
//! was ready is unready only by draining, and a drain is never called off. No clock and no IO in
//! here; [`super::Lifecycle`] publishes the phase and everybody else reads it. Flags such as
//! `ready` and `draining` side by side were not taken, because they can contradict each other.

use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Names of the latches that are still held, in the order they were taken.
    Starting {
        waiting: Vec<&'static str>,
    },
    Ready,
    /// `deadline` is `since` plus the grace.
    Draining {
        since: Instant,
        deadline: Instant,
    },
    /// The time is over while work may be left.
    Expired {
        since: Instant,
        deadline: Instant,
    },
    Stopped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PhaseEvent {
    LatchTaken(&'static str),
    LatchReleased(&'static str),
    /// Somebody asks for a drain; asking again changes nothing.
    DrainRequested,
    /// SIGTERM or SIGINT; the second one ends the grace.
    Interrupted,
    DeadlineReached,
    /// The image's work has ended by itself.
    Finished,
}

impl Phase {
    pub(crate) fn step(self, event: PhaseEvent, now: Instant, grace: Duration) -> Phase {
        match (self, event) {
            (Phase::Starting { mut waiting }, PhaseEvent::LatchTaken(name)) => {
                waiting.push(name);
                Phase::Starting { waiting }
            }
            (Phase::Starting { mut waiting }, PhaseEvent::LatchReleased(name)) => {
                if let Some(index) = waiting.iter().position(|held| *held == name) {
                    waiting.remove(index);
                }
                if waiting.is_empty() { Phase::Ready } else { Phase::Starting { waiting } }
            }
            (
                Phase::Starting { .. } | Phase::Ready,
                PhaseEvent::DrainRequested | PhaseEvent::Interrupted,
            ) => Phase::Draining { since: now, deadline: deadline(now, grace) },
            (
                Phase::Draining { since, deadline },
                PhaseEvent::Interrupted | PhaseEvent::DeadlineReached,
            ) => Phase::Expired { since, deadline },
            (
                Phase::Starting { .. } | Phase::Ready | Phase::Draining { .. },
                PhaseEvent::Finished,
            ) => Phase::Stopped,
            (phase, _) => phase,
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        !matches!(self, Phase::Starting { .. } | Phase::Ready)
    }

    /// When the drain began and when it must end.
    pub(crate) fn drain(&self) -> Option<(Instant, Instant)> {
        match self {
            Phase::Draining { since, deadline } | Phase::Expired { since, deadline } => {
                Some((*since, *deadline))
            }
            Phase::Starting { .. } | Phase::Ready | Phase::Stopped => None,
        }
    }
}

/// A grace that the clock cannot hold means a century.
fn deadline(now: Instant, grace: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    now.checked_add(grace).unwrap_or_else(|| now + CENTURY)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every phase meets every event.
    #[test]
    fn the_whole_table() {
        use PhaseEvent::{
            DeadlineReached, DrainRequested, Finished, Interrupted, LatchReleased, LatchTaken,
        };
        let since = Instant::now();
        let grace = Duration::from_secs(25);
        let now = since + Duration::from_secs(3);
        let starting = |waiting: &[&'static str]| Phase::Starting { waiting: waiting.to_vec() };
        let begun = Phase::Draining { since: now, deadline: now + grace };
        let draining = Phase::Draining { since, deadline: since + grace };
        let expired = Phase::Expired { since, deadline: since + grace };
        let (ready, stopped) = (Phase::Ready, Phase::Stopped);
        let table = [
            (starting(&["a"]), LatchTaken("b"), starting(&["a", "b"])),
            (starting(&["a", "b", "a"]), LatchReleased("a"), starting(&["b", "a"])),
            (starting(&["a"]), LatchReleased("a"), ready.clone()),
            (starting(&["a"]), DrainRequested, begun.clone()),
            (starting(&["a"]), Interrupted, begun.clone()),
            (starting(&["a"]), DeadlineReached, starting(&["a"])),
            (starting(&["a"]), Finished, stopped.clone()),
            (ready.clone(), LatchTaken("a"), ready.clone()),
            (ready.clone(), LatchReleased("a"), ready.clone()),
            (ready.clone(), DrainRequested, begun.clone()),
            (ready.clone(), Interrupted, begun),
            (ready.clone(), DeadlineReached, ready.clone()),
            (ready, Finished, stopped.clone()),
            (draining.clone(), LatchTaken("a"), draining.clone()),
            (draining.clone(), LatchReleased("a"), draining.clone()),
            (draining.clone(), DrainRequested, draining.clone()),
            (draining.clone(), Interrupted, expired.clone()),
            (draining.clone(), DeadlineReached, expired.clone()),
            (draining, Finished, stopped.clone()),
            (expired.clone(), LatchTaken("a"), expired.clone()),
            (expired.clone(), LatchReleased("a"), expired.clone()),
            (expired.clone(), DrainRequested, expired.clone()),
            (expired.clone(), Interrupted, expired.clone()),
            (expired.clone(), DeadlineReached, expired.clone()),
            (expired.clone(), Finished, expired),
            (stopped.clone(), LatchTaken("a"), stopped.clone()),
            (stopped.clone(), LatchReleased("a"), stopped.clone()),
            (stopped.clone(), DrainRequested, stopped.clone()),
            (stopped.clone(), Interrupted, stopped.clone()),
            (stopped.clone(), DeadlineReached, stopped.clone()),
            (stopped.clone(), Finished, stopped),
        ];
        for (phase, event, expected) in table {
            let case = format!("{phase:?} + {event:?}");
            assert_eq!(phase.step(event, now, grace), expected, "{case}");
        }
    }

    #[test]
    fn an_endless_grace_has_a_deadline_all_the_same() {
        let now = Instant::now();
        let drained = Phase::Ready.step(PhaseEvent::DrainRequested, now, Duration::MAX);
        assert!(drained.drain().unwrap().1 > now);
    }
}
