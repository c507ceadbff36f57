//! When the line that is counted must be the last before others run.
//!
//! In: lines, one call for each. Out: whether the time of the turn is over. A turn has a limit in
//! bytes or messages as well, but rules for paths can make a line a thousand times as dear as
//! another, and scrapes and probes are answered on the same thread. The clock is looked at once
//! for a few lines: a look costs as much as a tenth of a cheap line.

use std::time::Duration;

use tokio::time::Instant;

/// For how long others wait.
const TURN_MAX: Duration = Duration::from_millis(10);
/// Between two looks at the clock.
const LINES_A_LOOK: u32 = 8;

#[derive(Debug)]
pub(super) struct Turn {
    end: Instant,
    lines: u32,
}

impl Turn {
    pub(super) fn begin() -> Turn {
        Turn { end: Instant::now() + TURN_MAX, lines: 0 }
    }

    /// Called after each line.
    pub(super) fn is_over(&mut self) -> bool {
        self.lines = self.lines.wrapping_add(1);
        self.lines.is_multiple_of(LINES_A_LOOK) && Instant::now() >= self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_turn_ends_by_time_after_a_few_lines() {
        let mut turn = Turn::begin();
        assert!((0..1_000_000).all(|_line| !turn.is_over()));
        tokio::time::advance(TURN_MAX).await;
        let lines = (1..=LINES_A_LOOK).find(|_line| turn.is_over());
        assert!(lines.is_some());
    }
}
